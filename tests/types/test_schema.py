"""The published schema: every property of every type is a field or a key of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from openai_async.types import chat
from openai_async.types.chat import Model

FILE = Path(__file__).parents[3] / "shared" / "openapi" / "chat.schema.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the published schema is not there")
DEFS: dict[str, Any] = json.loads(FILE.read_text())["$defs"] if FILE.exists() else {}

# The schema's names of our types.
OURS = {
    "ChatCompletionAllowedTools": chat.ChatCompletionAllowedToolsParam,
    "ChatCompletionAllowedToolsChoice": chat.ChatCompletionAllowedToolChoiceParam,
    "ChatCompletionDeleted": chat.ChatCompletionDeleted,
    "ChatCompletionFunctionCallOption": chat.ChatCompletionFunctionCallOptionParam,
    "ChatCompletionFunctions": chat.DeprecatedFunction,
    "ChatCompletionMessageCustomToolCall": chat.ChatCompletionMessageCustomToolCall,
    "ChatCompletionMessageToolCall": chat.ChatCompletionMessageFunctionToolCall,
    "ChatCompletionMessageToolCallChunk": chat.ChoiceDeltaToolCall,
    "ChatCompletionModeration": chat.Moderation,
    "ChatCompletionModerationError": chat.ModerationError,
    "ChatCompletionModerationResults": chat.ModerationResults,
    "ChatCompletionNamedToolChoice": chat.ChatCompletionNamedToolChoiceParam,
    "ChatCompletionNamedToolChoiceCustom": chat.ChatCompletionNamedToolChoiceCustomParam,
    "ChatCompletionRequestAssistantMessage": chat.ChatCompletionAssistantMessageParam,
    "ChatCompletionRequestDeveloperMessage": chat.ChatCompletionDeveloperMessageParam,
    "ChatCompletionRequestFunctionMessage": chat.ChatCompletionFunctionMessageParam,
    "ChatCompletionRequestMessageContentPartAudio": chat.ChatCompletionContentPartInputAudioParam,
    "ChatCompletionRequestMessageContentPartFile": chat.File,
    "ChatCompletionRequestMessageContentPartImage": chat.ChatCompletionContentPartImageParam,
    "ChatCompletionRequestMessageContentPartRefusal": chat.ChatCompletionContentPartRefusalParam,
    "ChatCompletionRequestMessageContentPartText": chat.ChatCompletionContentPartTextParam,
    "ChatCompletionRequestSystemMessage": chat.ChatCompletionSystemMessageParam,
    "ChatCompletionRequestToolMessage": chat.ChatCompletionToolMessageParam,
    "ChatCompletionRequestUserMessage": chat.ChatCompletionUserMessageParam,
    "ChatCompletionResponseMessage": chat.ChatCompletionMessage,
    "ChatCompletionStreamOptions": chat.ChatCompletionStreamOptionsParam,
    "ChatCompletionStreamResponseDelta": chat.ChoiceDelta,
    "ChatCompletionTokenLogprob": chat.ChatCompletionTokenLogprob,
    "ChatCompletionTool": chat.ChatCompletionFunctionToolParam,
    "CompletionUsage": chat.CompletionUsage,
    "CreateChatCompletionRequest": chat.CompletionCreateParamsNonStreaming,
    "CreateChatCompletionResponse": chat.ChatCompletion,
    "CreateChatCompletionStreamResponse": chat.ChatCompletionChunk,
    "CreateModelResponseProperties": chat.CompletionCreateParamsBase,
    "CustomToolChatCompletions": chat.ChatCompletionCustomToolParam,
    "FunctionObject": chat.FunctionDefinition,
    "ModelResponseProperties": chat.CompletionCreateParamsBase,
    "ModerationConfigParam": chat.ModerationPolicyInput,
    "ModerationParam": chat.ModerationParam,
    "ModerationPolicyParam": chat.ModerationPolicy,
    "ModerationResultBody": chat.ModerationResult,
    "PredictionContent": chat.ChatCompletionPredictionContentParam,
    "PromptCacheBreakpointParam": chat.PromptCacheBreakpointParam,
    "PromptCacheOptionsParam": chat.PromptCacheOptions,
    "ResponseFormatJsonObject": chat.ResponseFormatJSONObject,
    "ResponseFormatJsonSchema": chat.ResponseFormatJSONSchema,
    "ResponseFormatText": chat.ResponseFormatText,
    "VoiceIdsOrCustomVoice": chat.VoiceID,
    "WebSearchLocation": chat.WebSearchOptionsUserLocationApproximate,
}
# Types with properties that stand elsewhere: pages and errors. The list of models is no part of chat completions.
ELSEWHERE = {"ChatCompletionList", "ChatCompletionMessageList", "Error", "ErrorEvent", "ErrorResponse"}
ELSEWHERE |= {"ListModelsResponse", "Model"}

# Fields whose annotation at run time hides the types inside, which msgspec could not decode.
HIDDEN = {
    (chat.ChatCompletionMessage, "tool_calls"): chat.ChatCompletionMessageToolCallUnion,
    (chat.Moderation, "input"): chat.ModerationResults | chat.ModerationError,
    (chat.Moderation, "output"): chat.ModerationResults | chat.ModerationError,
}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """The object types that a schema allows, references and alternatives resolved, arrays looked into."""
    if "$ref" in schema:
        yield from objects(DEFS[schema["$ref"].rpartition("/")[2]])
    for key in ("oneOf", "anyOf"):
        for member in schema.get(key, ()):
            yield from objects(member)
    if "allOf" in schema:
        merged: dict[str, Any] = {"properties": {}, "required": []}
        for member in schema["allOf"]:
            for part in objects(member):
                merged["properties"].update(part["properties"])
                merged["required"] += part.get("required", [])
        yield merged
    if "items" in schema:
        yield from objects(schema["items"])
    if "properties" in schema:
        yield schema


def enums(schema: Any) -> Iterator[Any]:
    """The values that a schema's enumerations list."""
    if "$ref" in schema:
        yield from enums(DEFS[schema["$ref"].rpartition("/")[2]])
    for key in ("oneOf", "anyOf"):
        for member in schema.get(key, ()):
            yield from enums(member)
    if "items" in schema:
        yield from enums(schema["items"])
    yield from (value for value in schema.get("enum", ()) if value is not None)


def classes(hint: Any) -> Iterator[Any]:
    """The models and TypedDicts in an annotation."""
    if is_typeddict(hint) or (isinstance(hint, type) and issubclass(hint, Model)):
        yield hint
    for member in get_args(hint):
        if get_origin(hint) is not Literal:
            yield from classes(member)


def literals(hint: Any) -> Iterator[Any]:
    """The values of the literals in an annotation, types inside it not looked into."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    else:
        for member in get_args(hint):
            yield from literals(member)


def hints(cls: Any) -> dict[str, Any]:
    """The annotations of a type's keys or fields, `Required` and its like included."""
    return {
        name: HIDDEN.get((cls, name), hint)
        for name, hint in get_type_hints(cls, include_extras=True).items()
        if not name.startswith("_")
    }


def required(cls: Any) -> set[str]:
    """The keys that a TypedDict requires; `__required_keys__` can't say it of annotations that are text."""
    marked = {name: get_origin(hint) for name, hint in hints(cls).items()}
    return {name for name, mark in marked.items() if mark is Required or (cls.__total__ and mark is not NotRequired)}


def check(schema: dict[str, Any], cls: Any, path: str) -> None:
    """Every property is there, its enumerations are listed, and its objects are checked in turn."""
    ours = hints(cls)
    missing = set(schema["properties"]) - set(ours)
    assert not missing, f"{path}: {cls.__name__} has no {missing}"
    if is_typeddict(cls):
        assert set(schema.get("required", ())) == required(cls) & set(schema["properties"]), path
    for name, inner in schema["properties"].items():
        unlisted = set(enums(inner)) - set(literals(ours[name]))
        assert not unlisted, f"{path}.{name}: {unlisted}"
        candidates = list(classes(ours[name]))
        for part in objects(inner):
            fitting = [c for c in candidates if set(part["properties"]) <= set(hints(c))]
            assert fitting, f"{path}.{name}: no type of ours has {set(part['properties'])}"
            if part not in DEFS.values():
                check(part, fitting[0], f"{path}.{name}")


def test_every_type_is_accounted_for() -> None:
    """Each object type of the schema is one of ours, or said to be elsewhere."""
    assert {name for name, schema in DEFS.items() if is_object(schema)} == set(OURS) | ELSEWHERE


def is_object(schema: dict[str, Any]) -> bool:
    """Whether a schema has properties of its own, and is no mere list of other types."""
    members = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    return "properties" in schema or "allOf" in schema or any("properties" in member for member in members)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_property_is_there(name: str) -> None:
    """A type has a field or key for each property, and lists each value of its enumerations."""
    for part in objects(DEFS.get(name, {})):
        check(part, OURS[name], name)
