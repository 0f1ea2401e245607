"""The tools of a request, and which of them the model may or must call.

What comes in is written by the user as plain dicts, which is what goes out; only `ChatCompletionFunctionTool` is a
response type. Nothing here calls a tool or builds a schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

import msgspec

from .model import Model
from .shared import FunctionDefinition, Unlisted

__all__ = [
    "ChatCompletionAllowedToolChoice",
    "ChatCompletionAllowedToolChoiceParam",
    "ChatCompletionAllowedTools",
    "ChatCompletionAllowedToolsParam",
    "ChatCompletionCustomTool",
    "ChatCompletionCustomToolParam",
    "ChatCompletionFunctionCallOption",
    "ChatCompletionFunctionCallOptionParam",
    "ChatCompletionFunctionTool",
    "ChatCompletionFunctionToolParam",
    "ChatCompletionNamedToolChoice",
    "ChatCompletionNamedToolChoiceCustom",
    "ChatCompletionNamedToolChoiceCustomParam",
    "ChatCompletionNamedToolChoiceParam",
    "ChatCompletionToolChoiceOption",
    "ChatCompletionToolChoiceOptionParam",
    "ChatCompletionToolParam",
    "ChatCompletionToolUnion",
    "ChatCompletionToolUnionParam",
    "CustomDefinition",
    "CustomFormat",
    "CustomFormatGrammar",
    "CustomFormatGrammarGrammar",
    "CustomFormatText",
    "NamedCustom",
    "NamedFunction",
    "ToolFunction",
]

# --- Tools ---


class ChatCompletionFunctionToolParam(TypedDict):
    """A function that the model may call, with JSON arguments."""

    function: FunctionDefinition
    type: Literal["function"]


class CustomFormatText(TypedDict):
    """Any text, the default."""

    type: Literal["text"]


class CustomFormatGrammarGrammar(TypedDict):
    """A grammar, written for Lark or as a regular expression."""

    definition: str
    syntax: Literal["lark", "regex"]


class CustomFormatGrammar(TypedDict):
    """Text that a grammar allows."""

    grammar: CustomFormatGrammarGrammar
    type: Literal["grammar"]


CustomFormat: TypeAlias = CustomFormatText | CustomFormatGrammar


class CustomDefinition(TypedDict):
    """A custom tool: its input is text instead of JSON."""

    name: str
    description: NotRequired[str]
    """What it does, and when to call it: the model reads this."""
    format: NotRequired[CustomFormat]


class ChatCompletionCustomToolParam(TypedDict):
    """A tool that the model may call, with text in a given format."""

    custom: CustomDefinition
    type: Literal["custom"]


ChatCompletionToolUnionParam: TypeAlias = ChatCompletionFunctionToolParam | ChatCompletionCustomToolParam

# --- Choices ---


class ChatCompletionAllowedToolsParam(TypedDict):
    """A choice from some of the request's tools. The rest stays in the prompt, so that its cache still hits."""

    mode: Literal["auto", "required"]
    """Whether the model may or must call one of them."""
    tools: Iterable[Mapping[str, object]]
    """Each by its type and name: `{"type": "function", "function": {"name": "get_time"}}`."""


class ChatCompletionAllowedToolChoiceParam(TypedDict):
    """Limits the choice to some of the request's tools."""

    allowed_tools: ChatCompletionAllowedToolsParam
    type: Literal["allowed_tools"]


class NamedFunction(TypedDict):
    """A function by its name."""

    name: str


class ChatCompletionNamedToolChoiceParam(TypedDict):
    """Makes the model call one function."""

    function: NamedFunction
    type: Literal["function"]


class NamedCustom(TypedDict):
    """A custom tool by its name."""

    name: str


class ChatCompletionNamedToolChoiceCustomParam(TypedDict):
    """Makes the model call one custom tool."""

    custom: NamedCustom
    type: Literal["custom"]


ChatCompletionToolChoiceOptionParam: TypeAlias = (
    Literal["none", "auto", "required"]
    | ChatCompletionAllowedToolChoiceParam
    | ChatCompletionNamedToolChoiceParam
    | ChatCompletionNamedToolChoiceCustomParam
)


class ChatCompletionFunctionCallOptionParam(TypedDict):
    """Makes the model call one of the deprecated `functions`."""

    name: str


# --- As a response has them ---


class ToolFunction(Model):
    """A function that the model may call; None: not told."""

    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatCompletionFunctionTool(Model):
    """A function tool that a server tells of."""

    function: ToolFunction = msgspec.field(default_factory=ToolFunction)
    type: Literal["function"] | Unlisted = "function"


# The names in the API's reference, and an older one of the official SDK.
ChatCompletionAllowedToolChoice = ChatCompletionAllowedToolChoiceParam
ChatCompletionAllowedTools = ChatCompletionAllowedToolsParam
ChatCompletionCustomTool = ChatCompletionCustomToolParam
ChatCompletionFunctionCallOption = ChatCompletionFunctionCallOptionParam
ChatCompletionNamedToolChoice = ChatCompletionNamedToolChoiceParam
ChatCompletionNamedToolChoiceCustom = ChatCompletionNamedToolChoiceCustomParam
ChatCompletionToolChoiceOption: TypeAlias = ChatCompletionToolChoiceOptionParam
ChatCompletionToolParam = ChatCompletionFunctionToolParam
ChatCompletionToolUnion: TypeAlias = ChatCompletionToolUnionParam
