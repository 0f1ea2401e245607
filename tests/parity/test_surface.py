"""Names and signatures against the installed official SDK: what is missing here is documented, with its reason."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import openai
import openai.lib.streaming.chat as official_chat
import pydantic
import pytest
from openai._legacy_response import LegacyAPIResponse
from openai._response import AsyncAPIResponse
from openai._streaming import AsyncStream
from openai.pagination import AsyncCursorPage
from openai.resources.chat.completions import AsyncCompletions as OfficialCompletions
from openai.resources.chat.completions import AsyncMessages as OfficialMessages

import openai_async
from openai_async import AsyncAzureOpenAI, AsyncOpenAI, ChatCompletionStreamState, CursorPage
from openai_async.api.arguments import CreateParams, ListParams, MessagesParams, ParseParams
from openai_async.api.completions import AsyncCompletions
from openai_async.api.messages import AsyncMessages
from openai_async.api.raw import RawResponse
from openai_async.api.stream import ChatStream, EventStream
from openai_async.api.streamed import StreamedResponse
from openai_async.protocol import eventtypes

DOCS = (Path(__file__).parents[2] / "docs" / "moving-from-openai.md").read_text()
DOCUMENTED = {
    name for cell in re.findall(r"^\| ([^|]*) \|", DOCS, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
}


def public(cls: Any) -> set[str]:
    """The names that a class has for its users."""
    return {name for name in dir(cls) if name[0] != "_"}


def parameters(function: Any) -> set[str]:
    """The names of a function's parameters."""
    names: set[str] = set()
    for parameter in inspect.signature(function).parameters.values():
        annotation = parameter.annotation
        if parameter.kind == parameter.VAR_KEYWORD and str(annotation).startswith("Unpack["):
            names |= set(eval(annotation, function.__globals__).__args__[0].__annotations__)
        else:
            names.add(parameter.name)
    return names - {"self", "params", "options"}


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        (set(openai.__all__), set(dir(openai_async))),
        ({name for name in dir(openai) if name.endswith("Error") and name[0] != "_"}, set(dir(openai_async))),
        (public(openai.AsyncOpenAI), public(AsyncOpenAI)),
        (parameters(openai.AsyncOpenAI.__init__), parameters(AsyncOpenAI.__init__)),
        (parameters(openai.AsyncOpenAI.copy), parameters(AsyncOpenAI.copy)),
        (public(openai.AsyncAzureOpenAI), public(AsyncAzureOpenAI)),
        (parameters(openai.AsyncAzureOpenAI.__init__), parameters(AsyncAzureOpenAI.__init__)),
        (parameters(openai.AsyncAzureOpenAI.copy), parameters(AsyncAzureOpenAI.copy)),
        (public(OfficialCompletions), public(AsyncCompletions)),
        (public(OfficialMessages), public(AsyncMessages)),
        (public(AsyncStream), public(ChatStream)),
        (public(official_chat.AsyncChatCompletionStream), public(EventStream)),
        (public(official_chat.ChatCompletionStreamState), public(ChatCompletionStreamState)),
        (parameters(official_chat.ChatCompletionStreamState), parameters(ChatCompletionStreamState)),
        (public(LegacyAPIResponse), public(RawResponse)),
        (public(AsyncAPIResponse), public(StreamedResponse)),
        (public(AsyncCursorPage) - public(pydantic.BaseModel), public(CursorPage)),
    ],
    ids=[
        "openai", "errors", "client", "client arguments", "copy arguments", "azure", "azure arguments",
        "azure copy arguments", "completions", "messages", "stream", "event stream", "stream state",
        "stream state arguments", "raw response", "streamed response", "page",
    ],
)  # fmt: skip
def test_names(official: set[str], ours: set[str]) -> None:
    """Nothing that the official SDK has is missing here without a reason in the docs."""
    assert official - ours <= DOCUMENTED


def test_documented_names_exist() -> None:
    """The docs list no name as missing that the official SDK does not have."""
    assert openai.__version__ == "3.54.0"
    known = set(dir(openai)) | public(openai.AsyncOpenAI) | public(LegacyAPIResponse) | {"_extra_kwargs"}
    known |= parameters(openai.AsyncOpenAI.__init__)
    missing = re.search(r"## What is not here(.*?)## What is otherwise", DOCS, re.DOTALL)
    assert missing is not None
    listed = {
        name
        for cell in re.findall(r"^\| ([^|]*) \|", missing[1], re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }
    assert listed <= known | {"http_response"}


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        (OfficialCompletions.create, {*CreateParams.__annotations__, "stream"}),
        (OfficialCompletions.parse, {*ParseParams.__annotations__, "response_format"}),
        (OfficialCompletions.stream, {*ParseParams.__annotations__, "response_format"}),
        (OfficialCompletions.list, set(ListParams.__annotations__)),
        (OfficialMessages.list, {*MessagesParams.__annotations__, "completion_id"}),
    ],
    ids=lambda function: getattr(function, "__qualname__", ""),
)
def test_method_arguments(official: Any, ours: set[str]) -> None:
    """Every argument of the official methods is taken."""
    assert parameters(official) <= ours


@pytest.mark.parametrize("name", ["retrieve", "update", "delete"])
def test_methods_of_stored_completions(name: str) -> None:
    """The same for those that name a stored completion."""
    ours = parameters(getattr(AsyncCompletions, name)) | {"extra_headers", "extra_query", "extra_body", "timeout"}
    assert parameters(getattr(OfficialCompletions, name)) <= ours


EVENTS = sorted(name for name in dir(official_chat) if name.endswith("Event") and name != "ChatCompletionStreamEvent")


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    """Every official event exists, with its type and its fields."""
    official, ours = getattr(official_chat, name), getattr(eventtypes, name)
    assert set(official.model_fields) <= public(ours)
    hints = get_type_hints(ours)
    assert get_args(hints["type"]) == get_args(official.model_fields["type"].annotation)


@pytest.mark.parametrize("name", [name for name in dir(openai) if name in dir(openai_async) and name.endswith("Error")])
def test_errors(name: str) -> None:
    """Every error that both have stands below the same bases."""

    def bases(cls: Any, module: str) -> set[str]:
        return {base.__name__ for base in cls.__mro__ if base.__module__.startswith(module)}

    assert bases(getattr(openai, name), "openai.") <= bases(getattr(openai_async, name), "openai_async.")
