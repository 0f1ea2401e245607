"""The client against Prism, a mock server that others wrote: it refuses each request that breaks the published schema.

    pytest -m prism

Prism is made of the published OpenAPI document, which is no part of the project, and npm installs it. Where the
document, npm, or the registry is missing, the tests are skipped.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_type_hints

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.parameters import MESSAGES, PARAMETERS, names_in, nullable, words
from support.prism import install, serving, without_nullable
from support.programs import ProgramError
from support.shared import load, needs

from openai_async import (
    APIResponseValidationError,
    AsyncOpenAI,
    ChatCompletion,
    CursorPage,
    RateLimitError,
    UnprocessableEntityError,
    function_tool,
    pydantic_function_tool,
)
from openai_async.types.params import CompletionCreateParamsBase
from openai_async.types.stored import ChatCompletionStoreMessage

pytestmark = [pytest.mark.prism, pytest.mark.timeout(300)]

HELLO = [{"role": "user", "content": "Hello"}]
# Prism has no event streams: it answers 500 to whoever asks for one, though it found the request right. Asked for
# JSON, it answers with a whole completion.
AS_JSON = {"extra_headers": {"accept": "application/json"}}

# What the API takes and the published document does not, so that Prism refuses it: the value, and the reason.
REFUSED: list[tuple[str, Any, str]] = [
    ("top_logprobs", None, "one half of the document's `allOf` has null, the other has not"),
    ("detail", "original", "newer than the document; the official SDK 3.54.0 has it"),
]


@pytest.fixture(scope="session")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Prism."""
    folder = tmp_path_factory.mktemp("prism")
    try:
        command = install(folder)
    except ProgramError as error:
        pytest.skip(str(error))  # says what is missing: npm, its registry, the document
    document = without_nullable(load("openapi/chat.openapi.json"))
    with serving(command, document, folder) as url:
        yield url


def ask(url: str, main: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    """Run `main` with a client of the server at `url`; what the server finds wrong is the error's note."""

    async def run() -> Any:
        async with AsyncOpenAI(api_key="sk-test", base_url=url, max_retries=0) as client:
            try:
                return await main(client)
            except UnprocessableEntityError as error:
                error.add_note(str(error.body))
                raise

    return asyncio.run(run())


def accepted(url: str, **params: Any) -> ChatCompletion:
    """Create a completion, and require that the server takes the request as right."""

    async def main(client: AsyncOpenAI) -> ChatCompletion:
        response = await client.chat.completions.with_raw_response.create(
            **{"model": "gpt-4o", "messages": HELLO, **params}
        )
        assert response.status == 200
        return response.parse()

    return ask(url, main)


def is_refused(name: str, value: Any) -> bool:
    """Whether the published document is behind the API in this."""
    return any(name == other and value == refused for other, refused, _ in REFUSED)


CASES = [(name, value) for name, values in PARAMETERS.items() for value in values if not is_refused(name, value)]
SAYABLE = [message for message in MESSAGES if "original" not in set(names_in(message))]


def test_the_table_has_every_parameter() -> None:
    """The table has each parameter, None exactly where its type has it, and each text and key that the types list."""
    hints = get_type_hints(CompletionCreateParamsBase)
    models = words(hints.pop("model"))  # names of models, which nobody checks
    messages = hints.pop("messages")
    assert PARAMETERS.keys() == hints.keys()
    assert {name for name, values in PARAMETERS.items() if None in values} == {
        name for name, hint in hints.items() if nullable(hint)
    }
    for name, hint in hints.items():
        assert words(hint) - models <= set(names_in(PARAMETERS[name])), name
    assert words(messages) <= set(names_in(MESSAGES))


@needs("openapi")
@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda value: repr(value)[:60])
def test_each_parameter_is_accepted(prism: str, name: str, value: Any) -> None:
    """Each value of each parameter, alone."""
    assert accepted(prism, **{name: value}).choices


@needs("openapi")
def test_all_parameters_are_accepted_at_once(prism: str) -> None:
    """One request with all parameters and all messages."""
    everything = {name: [value for value in values if value is not None][-1] for name, values in PARAMETERS.items()}
    assert accepted(prism, messages=SAYABLE, **everything).choices


@needs("openapi")
@given(
    params=st.fixed_dictionaries(
        {},
        optional={
            name: st.sampled_from([value for other, value in CASES if other == name]) for name in sorted(PARAMETERS)
        },
    ),
    messages=st.lists(st.sampled_from(SAYABLE), min_size=1, max_size=4),
)
def test_any_parameters_are_accepted_together(prism: str, params: dict[str, Any], messages: list[Any]) -> None:
    """Some parameters with some messages."""
    assert accepted(prism, messages=messages, **params).choices


@needs("openapi")
@pytest.mark.parametrize("message", SAYABLE, ids=lambda value: repr(value)[:60])
def test_each_message_is_accepted(prism: str, message: dict[str, Any]) -> None:
    """Each role with each kind of content."""
    assert accepted(prism, messages=[message]).choices


@needs("openapi")
def test_an_answer_is_accepted_among_the_messages(prism: str) -> None:
    """The server's own answer, with everything that it may have, is a message of the next request."""
    answer = accepted(prism)
    [choice] = answer.choices
    assert choice.message.tool_calls
    assert choice.message.annotations
    assert choice.message.audio is not None
    assert accepted(prism, messages=[*HELLO, choice.message, choice.message.to_param()]) == answer


@needs("openapi")
@pytest.mark.parametrize(
    "params",
    [
        {"n": 0},
        {"n": "one"},
        {"temperature": 3},
        {"service_tier": "best"},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        {"tools": [{"type": "hammer"}]},
        {"modalities": ["smell"]},
        {"response_format": {"type": "json_schema"}},
        {"logit_bias": {"1": "much"}},
        {"stop": ["1", "2", "3", "4", "5"]},
        {"audio": {}},
    ],
    ids=repr,
)
def test_what_is_wrong_is_refused(prism: str, params: dict[str, Any]) -> None:
    """Prism finds mistakes: that it accepts a request means something."""
    with pytest.raises(UnprocessableEntityError):
        accepted(prism, **params)


@needs("openapi")
@pytest.mark.parametrize(("name", "value", "reason"), REFUSED, ids=lambda value: repr(value)[:30])
def test_where_the_published_document_is_behind(prism: str, name: str, value: Any, reason: str) -> None:
    """What is left out above is refused still, for the reason that the table gives."""
    if name == "detail":
        image = {"url": "https://example.com/a.png", name: value}
        params: dict[str, Any] = {
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]
        }
    else:
        params = {name: value}
    with pytest.raises(UnprocessableEntityError):
        accepted(prism, **params)


class Struct(msgspec.Struct):
    """A city."""

    city: str
    size: float | None = None


@dataclass
class Data:
    city: str
    parts: list[Struct]


class Dict(TypedDict):
    city: str


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


class Unit(enum.Enum):
    C = "c"
    F = "f"


class Model(pydantic.BaseModel):
    """A city."""

    city: str = pydantic.Field(description="Its English name")
    unit: Unit | None = None


@function_tool
def get_weather(city: str, unit: Literal["c", "f"] = "c", parts: list[Struct] | None = None) -> str:
    """Get the weather.

    Args:
        city: Its English name.
        unit: Of the temperature.
        parts: Only of these.
    """
    return f"{city} {unit} {parts}"


TYPES: list[Any] = [Struct, Data, Dict, Model, Unit, list[Struct], list[Model], Cat | Dog, Struct | None, int, dict]
TOOLS = [get_weather, pydantic_function_tool(Model), function_tool(Struct, strict=False)]


@needs("openapi")
@pytest.mark.parametrize("kind", TYPES, ids=repr)
def test_types_are_accepted(prism: str, kind: Any) -> None:
    """`parse` and `stream` with each kind of type, and with tools made of Python."""

    async def main(client: AsyncOpenAI) -> list[int]:
        completions = client.chat.completions
        params: dict[str, Any] = {"model": "m", "messages": HELLO, "response_format": kind, "tools": TOOLS}
        # Prism's text is "string", which is no JSON: only the request is of interest.
        plain = await completions.parse(**params).raw()
        streamed = await completions.stream(**params, **AS_JSON).streamed()
        await streamed.aclose()
        return [plain.status, streamed.status]

    assert ask(prism, main) == [200, 200]


@needs("openapi")
def test_streams_are_accepted(prism: str) -> None:
    """The request for a stream, with all parameters."""
    everything = {name: [value for value in values if value is not None][-1] for name, values in PARAMETERS.items()}

    async def main(client: AsyncOpenAI) -> int:
        params: dict[str, Any] = {"model": "m", "messages": HELLO, **everything, **AS_JSON}
        async with client.chat.completions.with_streaming_response.create(**params, stream=True) as response:
            body = await response.json()
            assert body["object"] == "chat.completion"
            return response.status

    assert ask(prism, main) == 200


@needs("openapi")
def test_stored_completions_are_accepted(prism: str) -> None:
    """Each method for stored completions, with all its parameters, is accepted, and its answer understood."""

    async def main(client: AsyncOpenAI) -> None:
        stored = client.chat.completions
        strange = "chatcmpl-ä/ ?#%"  # an id is one segment of the path, whatever is in it
        for one in ("chatcmpl-1", strange):
            assert isinstance(await stored.retrieve(one), ChatCompletion)
            assert isinstance(await stored.update(one, metadata={"a": "b"}), ChatCompletion)
            assert isinstance(await stored.update(one, metadata=None), ChatCompletion)
            deleted = await stored.delete(one)
            assert deleted.object == "chat.completion.deleted"
            [message] = (await stored.messages.list(one, after="m", limit=2, order="desc")).data
            assert isinstance(message, ChatCompletionStoreMessage)
            assert message.content_parts
            assert (await stored.with_raw_response.messages.list(one)).status == 200
        responses = [
            await stored.with_raw_response.retrieve("c"),
            await stored.with_raw_response.update("c", metadata={}),
            await stored.with_raw_response.list(),
            await stored.with_raw_response.delete("c"),
        ]
        assert [response.status for response in responses] == [200] * 4

    ask(prism, main)


@needs("openapi")
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"model": "gpt-4o"},
        {"metadata": {"a": "b", "c d": "e&f"}},
        {"metadata": None},
        {"after": "chatcmpl-1"},
        {"limit": 100},
        {"order": "asc"},
        {"order": "desc"},
        {"model": "m", "metadata": {"a": "b"}, "after": "x", "limit": 1, "order": "asc"},
    ],
    ids=repr,
)
def test_filters_are_accepted(prism: str, filters: dict[str, Any]) -> None:
    """Each filter of `list`; and the next page, whose cursor is the last item's id."""

    async def main(client: AsyncOpenAI) -> None:
        page = await client.chat.completions.list(**filters)
        assert isinstance(page, CursorPage)
        assert [type(completion) for completion in page.data] == [ChatCompletion]
        with pytest.raises(APIResponseValidationError, match="that was here before"):
            await page.get_next_page()  # Prism sends the same page for ever

    ask(prism, main)


@needs("openapi")
def test_wrong_filters_are_refused(prism: str) -> None:
    """Prism looks at the query, too."""
    with pytest.raises(UnprocessableEntityError):
        ask(prism, lambda client: client.chat.completions.list(limit="many"))


@needs("openapi")
def test_any_answer_is_understood(prism: str) -> None:
    """Answers that Prism makes up at random are decoded and encoded without loss, but for nulls."""

    async def main(client: AsyncOpenAI) -> None:
        create = client.chat.completions.with_raw_response.create
        for _ in range(20):
            response = await create(model="m", messages=HELLO, extra_headers={"prefer": "dynamic=true"})
            assert without_nulls(response.parse().to_dict()) == without_nulls(response.json()), response.text

    ask(prism, main)


@needs("openapi")
def test_an_error_is_understood(prism: str) -> None:
    """The published error, as Prism makes it up."""

    async def main(client: AsyncOpenAI) -> None:
        await client.chat.completions.create(model="m", messages=HELLO, extra_headers={"prefer": "code=429"})

    with pytest.raises(RateLimitError) as caught:
        ask(prism, main)
    assert (caught.value.message, caught.value.code, caught.value.param) == ("string", "string", "string")


def without_nulls(value: Any) -> Any:
    """A copy without the keys that are null: absent and null mean the same in answers."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
