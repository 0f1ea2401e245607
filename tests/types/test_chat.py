"""The public door: every name is there, and means what it says."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, get_type_hints, is_typeddict

import pytest

from openai_async import types
from openai_async.types import chat
from openai_async.types.model import Model

# The types of the API's reference, as it lists them.
REFERENCE = [
    "ChatCompletion",
    "ChatCompletionAllowedToolChoice",
    "ChatCompletionAssistantMessageParam",
    "ChatCompletionAudio",
    "ChatCompletionAudioParam",
    "ChatCompletionChunk",
    "ChatCompletionContentPart",
    "ChatCompletionContentPartImage",
    "ChatCompletionContentPartInputAudio",
    "ChatCompletionContentPartRefusal",
    "ChatCompletionContentPartText",
    "ChatCompletionCustomTool",
    "ChatCompletionDeleted",
    "ChatCompletionDeveloperMessageParam",
    "ChatCompletionFunctionCallOption",
    "ChatCompletionFunctionMessageParam",
    "ChatCompletionFunctionTool",
    "ChatCompletionMessage",
    "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageFunctionToolCall",
    "ChatCompletionMessageParam",
    "ChatCompletionMessageToolCallUnion",
    "ChatCompletionModality",
    "ChatCompletionNamedToolChoice",
    "ChatCompletionNamedToolChoiceCustom",
    "ChatCompletionPredictionContent",
    "ChatCompletionRole",
    "ChatCompletionStoreMessage",
    "ChatCompletionStreamOptions",
    "ChatCompletionSystemMessageParam",
    "ChatCompletionTokenLogprob",
    "ChatCompletionToolUnion",
    "ChatCompletionToolChoiceOption",
    "ChatCompletionToolMessageParam",
    "ChatCompletionUserMessageParam",
    "ChatCompletionAllowedTools",
    "ChatCompletionReasoningEffort",
]

# Where the reference and the official package name one type differently, ours has both names.
PAIRS = [
    ("ChatCompletionAllowedToolChoice", "ChatCompletionAllowedToolChoiceParam"),
    ("ChatCompletionAllowedTools", "ChatCompletionAllowedToolsParam"),
    ("ChatCompletionContentPart", "ChatCompletionContentPartParam"),
    ("ChatCompletionContentPartInputAudio", "ChatCompletionContentPartInputAudioParam"),
    ("ChatCompletionContentPartRefusal", "ChatCompletionContentPartRefusalParam"),
    ("ChatCompletionCustomTool", "ChatCompletionCustomToolParam"),
    ("ChatCompletionFunctionCallOption", "ChatCompletionFunctionCallOptionParam"),
    ("ChatCompletionNamedToolChoice", "ChatCompletionNamedToolChoiceParam"),
    ("ChatCompletionNamedToolChoiceCustom", "ChatCompletionNamedToolChoiceCustomParam"),
    ("ChatCompletionPredictionContent", "ChatCompletionPredictionContentParam"),
    ("ChatCompletionStreamOptions", "ChatCompletionStreamOptionsParam"),
    ("ChatCompletionToolChoiceOption", "ChatCompletionToolChoiceOptionParam"),
    ("ChatCompletionToolUnion", "ChatCompletionToolUnionParam"),
]


@pytest.mark.parametrize("name", REFERENCE)
def test_names_of_the_reference_are_importable(name: str) -> None:
    """Every type that the API's reference lists is exported under that name."""
    assert name in chat.__all__
    assert getattr(importlib.import_module("openai_async.types.chat"), name) is not None


@pytest.mark.parametrize(("reference", "official"), PAIRS)
def test_both_names_are_one_type(reference: str, official: str) -> None:
    """The reference's name and the official package's name are the same object."""
    assert getattr(chat, reference) == getattr(chat, official)


@pytest.mark.parametrize(
    "name", ["ChatCompletionContentPartText", "ChatCompletionContentPartImage", "ImageURL", "PromptCacheBreakpoint"]
)
def test_plain_names_are_responses_and_params_are_requests(name: str) -> None:
    """What exists both ways is a response type under the plain name and a TypedDict as `...Param`."""
    assert issubclass(getattr(chat, name), Model)
    assert is_typeddict(getattr(chat, f"{name}Param"))


def test_the_door_has_every_public_type() -> None:
    """What the modules behind the door declare public is exported, but for options and helpers."""
    elsewhere = {f"openai_async.types.{name}" for name in ("options", "fit", "json", "model", "reasoning")}
    for module in pkgutil.iter_modules(types.__path__, "openai_async.types."):
        if module.name not in elsewhere:
            names = importlib.import_module(module.name).__all__
            assert set(names) <= set(chat.__all__), module.name


def test_every_annotation_resolves() -> None:
    """No type's annotation names something that is not there at run time."""
    for name in chat.__all__:
        exported: Any = getattr(chat, name)
        if isinstance(exported, type) and exported is not str:
            assert get_type_hints(exported, include_extras=True), name
