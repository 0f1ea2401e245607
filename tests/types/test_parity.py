"""The official SDK: every name, key, field, and literal of its chat types is ours too, but for what is listed here."""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import pkgutil
import types
import typing
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

import openai.types.chat as official
import pytest
import typing_extensions
from openai import AsyncOpenAI, BaseModel, NotGiven
from openai import Omit as OfficialOmit
from openai.types import CompletionUsage, completion_usage, shared_params
from openai.types.chat.completions import MessageListParams
from openai.types.shared import ChatModel, FunctionDefinition
from openai.types.shared_params import response_format_json_schema

from openai_async.types import chat
from openai_async.types.chat import Model
from openai_async.types.options import Omit, RequestOptions

MODULES = [
    *(
        importlib.import_module(f"openai.types.chat.{module.name}")
        for module in pkgutil.iter_modules(official.__path__)
    ),
    shared_params.function_definition,
    shared_params.response_format_text,
    shared_params.response_format_json_object,
    response_format_json_schema,
    completion_usage,
]
TYPES = [
    (module.__name__.rpartition(".")[2], name, getattr(module, name))
    for module in MODULES
    for name in getattr(module, "__all__", ())
]
TYPES += [
    ("message_list_params", "MessageListParams", MessageListParams),
    ("parsed_chat_completion", "ParsedChatCompletionMessage", official.ParsedChatCompletionMessage),
]
TYPED_DICTS = [row for row in TYPES if typing_extensions.is_typeddict(row[2])]
MODELS = [row for row in TYPES if isinstance(row[2], type) and issubclass(row[2], BaseModel)]

# What the official package names by module, and where it defines one thing several times, has one name here.
RENAMED = {
    ("chat_completion_assistant_message_param", "Audio"): "AssistantAudio",
    ("chat_completion_assistant_message_param", "FunctionCall"): "AssistantFunctionCall",
    ("chat_completion_chunk", "Choice"): "ChunkChoice",
    ("chat_completion_content_part_image_param", "ImageURL"): "ImageURLParam",
    ("chat_completion_content_part_image_param", "PromptCacheBreakpoint"): "PromptCacheBreakpointParam",
    ("chat_completion_content_part_input_audio_param", "PromptCacheBreakpoint"): "PromptCacheBreakpointParam",
    ("chat_completion_content_part_param", "FilePromptCacheBreakpoint"): "PromptCacheBreakpointParam",
    ("chat_completion_content_part_text_param", "PromptCacheBreakpoint"): "PromptCacheBreakpointParam",
    ("chat_completion_custom_tool_param", "Custom"): "CustomDefinition",
    ("chat_completion_message_custom_tool_call_param", "Custom"): "CustomParam",
    ("chat_completion_message_function_tool_call_param", "Function"): "FunctionParam",
    ("chat_completion_message_tool_call_param", "Function"): "FunctionParam",
    ("chat_completion_named_tool_choice_custom_param", "Custom"): "NamedCustom",
    ("chat_completion_named_tool_choice_param", "Function"): "NamedFunction",
    ("completion_create_params", "Function"): "DeprecatedFunction",
    ("completion_create_params", "FunctionCall"): "FunctionCallParam",
    ("completion_create_params", "Moderation"): "ModerationParam",
    ("function_definition", "FunctionDefinition"): "FunctionDefinition",
    **{
        (module, f"Moderation{side}{name}"): ours
        for module in ("chat_completion", "chat_completion_chunk")
        for side in ("Input", "Output")
        for name, ours in [
            ("Error", "ModerationError"),
            ("ModerationResults", "ModerationResults"),
            ("ModerationResultsResult", "ModerationResult"),
        ]
    },
}

# Fields that the official models lack, though servers send them.
ADDED_FIELDS = {
    ("ChoiceDelta", "annotations"): "web search sends them in deltas; the official client crashes on the second",
    ("ChoiceDeltaToolCall", "custom"): "custom tools stream; the official client drops or crashes on them",
}
# Keys whose annotation differs on purpose; all else is the same, and accepts `omit` where it is a parameter.
DIFFERENT = {
    ("CompletionCreateParamsBase", "messages"): "takes the model's own messages as well",
    ("CompletionCreateParamsNonStreaming", "messages"): "takes the model's own messages as well",
    ("CompletionCreateParamsStreaming", "messages"): "takes the model's own messages as well",
    ("ChatCompletionMessage", "tool_calls"): "told apart after decoding; a checker sees the union",
    ("ChatCompletionStoreMessage", "tool_calls"): "told apart after decoding; a checker sees the union",
    ("ChatCompletionStoreMessage", "content_parts"): "told apart after decoding; a checker sees the union",
    ("ParsedChatCompletionMessage", "tool_calls"): "told apart after decoding; custom calls are not dropped",
    ("Moderation", "input"): "told apart after decoding; a checker sees the union",
    ("Moderation", "output"): "told apart after decoding; a checker sees the union",
    ("ChoiceDelta", "annotations"): "an added field",
    ("ChoiceDeltaToolCall", "custom"): "an added field",
    ("ChoiceDeltaToolCall", "type"): "custom tools stream, too",
    ("ChoiceDeltaToolCall", "index"): "None where a vendor sends none",
    ("Choice", "finish_reason"): "None in the completion of a stream that broke off",
    ("ParsedChoice", "finish_reason"): "None in the completion of a stream that broke off",
    ("ParsedFunction", "parsed_arguments"): "Any, which None is, too",
    ("ChatCompletionFunctionTool", "function"): "its type is ToolFunction: FunctionDefinition is the request's",
}


def named(module: str, name: str) -> str:
    """Our name of an official type."""
    return RENAMED.get((module, name), name)


def ours(module: str, name: str) -> Any:
    """Our type of an official one."""
    return getattr(chat, named(module, name))


# --- Annotations in one form -----------------------------------------------------------------------------------

ARRAYS = {list, collections.abc.Iterable, collections.abc.Sequence}
OBJECTS = {dict, collections.abc.Mapping}
UNIONS = {Union, types.UnionType}
MARKS = {Required, NotRequired}


def form(hint: Any) -> Any:
    """An annotation reduced to what both packages must agree on.

    Lists, sequences and iterables are arrays, dicts and mappings objects; unions and literals are sets; None, sentinels
    and, beside literals, `str` are left out; types are our names of them.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is typing.Annotated or origin in MARKS:
        return form(args[0])
    if origin is Literal:
        return frozenset(args)
    if origin in UNIONS:
        return union(args)
    if origin in ARRAYS:
        return ("array", form(args[0]))
    if origin is not None and origin not in OBJECTS and getattr(origin, "__name__", "") == "SequenceNotStr":
        return ("array", form(args[0]))
    if origin in OBJECTS:
        return ("object", form(args[1]))
    if typing_extensions.is_typeddict(hint) or (isinstance(hint, type) and issubclass(hint, BaseModel | Model)):
        return named(hint.__module__.rpartition(".")[2], hint.__name__.partition("[")[0])
    if isinstance(origin, type) and issubclass(origin, Model):
        return origin.__name__
    return Any if isinstance(hint, typing.TypeVar) or hint is object else hint


def union(members: tuple[Any, ...]) -> Any:
    """The form of a union: its literals in one set, and what else there is."""
    forms = [form(member) for member in members if member not in {type(None), Omit, OfficialOmit, NotGiven}]
    literal: frozenset[Any] = frozenset().union(*(each for each in forms if isinstance(each, frozenset)))
    others = {each for each in forms if not isinstance(each, frozenset)}
    if literal:
        others -= {str}
    return frozenset({*literal, *others}) if literal or len(others) > 1 else others.pop()


def hints(cls: Any) -> dict[str, Any]:
    """The annotations of a type's public keys or fields."""
    if issubclass(cls, BaseModel):
        return {name: field.annotation for name, field in cls.model_fields.items()}
    return {name: hint for name, hint in get_type_hints(cls, include_extras=True).items() if not name.startswith("_")}


def required(cls: Any) -> set[str]:
    """The keys that a TypedDict requires; `__required_keys__` can't say it of annotations that are text."""
    marked = {name: get_origin(hint) for name, hint in hints(cls).items()}
    # The official ones are all marked; some inherit from a total=False one without saying it again.
    total = cls.__total__ and not cls.__module__.startswith("openai.")
    return {name for name, mark in marked.items() if mark is Required or (total and mark is not NotRequired)}


def nullable(hint: Any) -> bool:
    """Whether an annotation takes None."""
    if get_origin(hint) in MARKS:
        return nullable(get_args(hint)[0])
    return get_origin(hint) in UNIONS and type(None) in get_args(hint)


# --- Names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in vars(official) if name[0].isupper()])
def test_names_are_exported(name: str) -> None:
    """Every name that `openai.types.chat` exports is exported by ours, as the same kind of thing."""
    theirs, mine = getattr(official, name), getattr(chat, name)

    assert name in chat.__all__
    assert is_typeddict(mine) == typing_extensions.is_typeddict(theirs)
    assert (isinstance(mine, type) and issubclass(mine, Model)) == (
        isinstance(theirs, type) and issubclass(theirs, BaseModel)
    )


@pytest.mark.parametrize(("module", "name", "theirs"), [row for row in TYPES if row not in TYPED_DICTS + MODELS])
def test_aliases_are_the_same(module: str, name: str, theirs: Any) -> None:
    """Every alias, and so every literal in it, means the same."""
    sides = {"ModerationInput", "ModerationOutput"}  # ours has no name for the union: it is spelled in `Moderation`
    mine = chat.ModerationResults | chat.ModerationError if name in sides else ours(module, name)

    assert form(mine) == form(theirs)
    assert nullable(mine) == nullable(theirs)


def test_models_of_the_official_list() -> None:
    """`ChatModel` lists the names that the official SDK lists."""
    assert get_args(chat.ChatModel) == get_args(ChatModel)


# --- Requests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "name", "theirs"), TYPED_DICTS)
def test_keys_of_typed_dicts(module: str, name: str, theirs: Any) -> None:
    """Each TypedDict has the same keys, required and not, that take the same values and null where those do."""
    mine = ours(module, name)

    assert hints(mine).keys() == hints(theirs).keys()
    assert required(mine) == required(theirs)
    for key, hint in hints(theirs).items():
        if (name, key) not in DIFFERENT:
            assert form(hints(mine)[key]) == form(hint), key
        assert nullable(hints(mine)[key]) == nullable(hint), key


@pytest.mark.parametrize(
    "params", [chat.CompletionCreateParamsNonStreaming, chat.CompletionListParams, chat.MessageListParams]
)
def test_optional_parameters_take_omit(params: Any) -> None:
    """Every parameter that may be left out may also be given as `omit`."""
    for name, hint in hints(params).items():
        assert (Omit in get_args(hint)) == (name not in {"messages", "model"} or params is chat.CompletionListParams)


@pytest.mark.parametrize(
    ("method", "params", "own"),
    [
        ("create", chat.CompletionCreateParamsStreaming, set[str]()),
        ("list", chat.CompletionListParams, set[str]()),
        ("update", chat.CompletionUpdateParams, {"completion_id"}),
        ("retrieve", dict, {"completion_id"}),
        ("delete", dict, {"completion_id"}),
        ("messages.list", chat.MessageListParams, {"completion_id"}),
    ],
)
def test_parameters_of_methods(method: str, params: Any, own: set[str]) -> None:
    """The parameters of each method are the keys of its TypedDict and of the options that every method takes."""
    target: Any = AsyncOpenAI(api_key="k").chat.completions
    for name in method.split("."):
        target = getattr(target, name)
    theirs = set(inspect.signature(target).parameters) - own
    options = set(hints(RequestOptions))

    assert theirs - options == set(hints(params))
    assert options - theirs == {"max_retries", "idempotency_key"}  # a client's options there, a call's here


def test_create_has_37_parameters() -> None:
    """The API has 37 parameters, all but `stream` of which `create`'s overloads share."""
    assert len(hints(chat.CompletionCreateParamsStreaming)) == 37
    assert hints(chat.CompletionCreateParamsBase).keys() ^ hints(chat.CompletionCreateParamsStreaming).keys() == {
        "stream"
    }


# --- Responses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "theirs"), [*MODELS, ("function_definition", "ToolFunction", FunctionDefinition)]
)
def test_fields_of_models(module: str, name: str, theirs: type[BaseModel]) -> None:
    """Each model has the official fields, of the same types, and every one has a default."""
    mine = ours(module, name)
    added = {field for cls, field in ADDED_FIELDS if cls == mine.__name__}

    assert hints(mine).keys() - added == hints(theirs).keys()
    for field, hint in hints(theirs).items():
        if (mine.__name__, field) not in DIFFERENT:
            assert form(hints(mine)[field]) == form(hint), field
            assert nullable(hints(mine)[field]) == nullable(hint), field
    assert mine() == mine.from_dict({})


def test_differences_are_real() -> None:
    """No difference is listed that is none any more."""
    pairs = {(name, ours(module, name), theirs) for module, name, theirs in TYPED_DICTS + MODELS}
    for name, field in DIFFERENT:
        rows = [(mine, theirs) for official_name, mine, theirs in pairs if name in {official_name, mine.__name__}]
        assert any(
            field not in hints(theirs)
            or form(hints(mine)[field]) != form(hints(theirs)[field])
            or nullable(hints(mine)[field]) != nullable(hints(theirs)[field])
            for mine, theirs in rows
        ), (name, field)


def test_usage_is_the_official_usage() -> None:
    """A usage object dumps alike in both packages."""
    data = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "vendor": {"x": 1}}

    assert chat.CompletionUsage.from_dict(data).to_dict() == CompletionUsage.construct(**data).to_dict()
