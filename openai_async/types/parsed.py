"""A completion whose content and arguments are also there as objects.

Values come in from whoever parses; what goes out is read by the user. Nothing here parses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from .completion import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    Choice,
    Function,
)

__all__ = [
    "ParsedChatCompletion",
    "ParsedChatCompletionMessage",
    "ParsedChoice",
    "ParsedFunction",
    "ParsedFunctionToolCall",
]

T = TypeVar("T")


class ParsedFunction(Function):
    """A called function, its arguments as JSON text and as an object; None: they were not parsed."""

    parsed_arguments: Any = None


class ParsedFunctionToolCall(ChatCompletionMessageFunctionToolCall):
    """A call of a function tool, with its arguments as an object."""

    function: ParsedFunction = msgspec.field(default_factory=ParsedFunction)  # pyright: ignore[reportIncompatibleVariableOverride] - nobody assigns a plain Function


if TYPE_CHECKING:
    _ToolCalls: TypeAlias = list[ParsedFunctionToolCall | ChatCompletionMessageCustomToolCall]
else:
    _ToolCalls = list[dict[str, Any]]  # see ChatCompletionMessage


class ParsedChatCompletionMessage(ChatCompletionMessage, Generic[T]):
    """What the model said, and what its content means.

    Attributes:
        parsed: The content as an object. None: there was no content, it was a refusal, or no type was asked for.
    """

    # Narrower elements than the base has, here and below, as in the official SDK.
    tool_calls: _ToolCalls | None = None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride] - see above
    parsed: T | None = None

    _function_call_type: ClassVar[type[ChatCompletionMessageFunctionToolCall]] = ParsedFunctionToolCall


class ParsedChoice(Choice, Generic[T]):
    """One of the `n` answers."""

    message: ParsedChatCompletionMessage[T] = msgspec.field(default_factory=ParsedChatCompletionMessage[T])  # pyright: ignore[reportIncompatibleVariableOverride] - nobody assigns a plain message


class ParsedChatCompletion(ChatCompletion, Generic[T]):
    """A chat completion with its contents as objects of type `T`."""

    choices: list[ParsedChoice[T]] = []  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride] - see above
