"""What happens in a run of tools beside what happens in its streams, and what the run amounts to.

A `ToolRunner` makes these and the user reads them; the events are shaped as those of `protocol.eventtypes`. Nothing
here calls a model or a tool.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from openai_async.protocol.eventtypes import ChatCompletionStreamEvent, _Event
from openai_async.types.completion import (
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageToolCallUnion,
)
from openai_async.types.json import is_object
from openai_async.types.parsed import ParsedChatCompletion, ParsedChatCompletionMessage
from openai_async.types.usage import CompletionUsage

__all__ = [
    "RunDoneEvent",
    "RunEvent",
    "ToolCall",
    "ToolCallDoneEvent",
    "ToolCallStartedEvent",
    "ToolRun",
    "ToolRunEvent",
    "TurnDoneEvent",
    "TurnStartedEvent",
    "called_name",
    "is_custom",
]

T = TypeVar("T")

ToolCall: TypeAlias = ChatCompletionMessageToolCallUnion
"""A call that the model made, of a function or of a custom tool."""


class TurnStartedEvent(_Event, kw_only=True):
    """The model is about to be asked for the `turn`-th time, counted from 1."""

    turn: int
    type: Literal["run.turn.started"] = "run.turn.started"


class _ToolCallEvent(_Event, kw_only=True):
    call: ToolCall

    @property
    def id(self) -> str:
        """The call's id, the same in its two events."""
        return self.call.id

    @property
    def name(self) -> str:
        """What the model called."""
        return called_name(self.call)


class ToolCallStartedEvent(_ToolCallEvent, kw_only=True):
    """A call is being answered.

    Attributes:
        call: As the model made it.
        arguments: What the tool is called with: keyword arguments, or of a custom tool its input; None: there is no
            such tool, or its arguments could not be read.
    """

    arguments: dict[str, Any] | str | None
    type: Literal["run.tool.started"] = "run.tool.started"


class ToolCallDoneEvent(_ToolCallEvent, kw_only=True):
    """A call is answered, or failed.

    Attributes:
        call: As the model made it.
        content: What the model is told; None: nothing, the run ends with `error`.
        result: What the tool returned; None: also where it failed.
        error: Why there is no result: the tool's own exception, a `TimeoutError` after `tool_timeout`, an
            `OutputParseError` for arguments that don't fit, a `LookupError` for a tool that does not exist, a
            `TypeError` for a result that can't be sent; None: there is one.
        made: Whether a tool was called at all.
    """

    content: str | None
    result: Any = None
    error: Exception | None = None
    made: bool = True
    type: Literal["run.tool.done"] = "run.tool.done"


class TurnDoneEvent(_Event, kw_only=True):
    """The model has answered, and all its calls are answered.

    Attributes:
        turn: Which one it was, counted from 1.
        completion: The answer.
        messages: What the turn adds to the conversation, as `messages=` takes it: the answer, then what its calls
            brought, in their order.
    """

    turn: int
    completion: ParsedChatCompletion[Any]
    messages: list[Any]
    type: Literal["run.turn.done"] = "run.turn.done"


class ToolRun(msgspec.Struct, Generic[T], kw_only=True):
    """A run of tools: what was said and done until the model called no more of them.

    Attributes:
        messages: The whole conversation, as `messages=` takes it: what it began with, and what every whole turn
            added. A turn whose calls were not all answered is not in it, so it can always be sent again.
        completions: The answer of each turn, oldest first.
        calls: How each call ended, in the order in which the model made them.
    """

    messages: list[Any]
    completions: list[ParsedChatCompletion[T]] = []
    calls: list[ToolCallDoneEvent] = []

    @property
    def turns(self) -> int:
        """How often the model answered."""
        return len(self.completions)

    @property
    def completion(self) -> ParsedChatCompletion[T]:
        """The last answer.

        Raises:
            IndexError: There is none yet.
        """
        return self.completions[-1]

    @property
    def message(self) -> ParsedChatCompletionMessage[T]:
        """The last answer's message; raises as `completion`."""
        return self.completion.choices[0].message

    @property
    def content(self) -> str | None:
        """The last answer's text; None: it has none. Raises as `completion`."""
        return self.message.content

    @property
    def usage(self) -> CompletionUsage | None:
        """Tokens billed for all turns together, each kind summed, numbers of vendors' own (a cost) too.

        None: no turn told; a stream tells with `stream_options={"include_usage": True}`.
        """
        told = [completion.usage.to_dict() for completion in self.completions if completion.usage is not None]
        total: dict[str, Any] = {}
        for usage in told:
            total = _sum(total, usage)
        return CompletionUsage.from_dict(total) if told else None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """How much was said, not what: for `repr` and for rich, which print tracebacks, and would print the prompt."""
        return [("turns", self.turns), ("messages", len(self.messages)), ("calls", len(self.calls))]

    def __repr__(self) -> str:
        return f"<ToolRun {' '.join(f'{name}={count}' for name, count in self.__rich_repr__())}>"


class RunDoneEvent(_Event, kw_only=True):
    """The run is over; nothing follows."""

    run: ToolRun[Any]
    type: Literal["run.done"] = "run.done"


RunEvent: TypeAlias = TurnStartedEvent | ToolCallStartedEvent | ToolCallDoneEvent | TurnDoneEvent | RunDoneEvent
"""Any event of a run that is not one of a stream."""

ToolRunEvent: TypeAlias = ChatCompletionStreamEvent[T] | RunEvent
"""Any event of a run whose last answer is parsed to `T`."""


def called_name(call: ToolCall) -> str:
    """Return the name of what `call` calls."""
    return call.function.name if isinstance(call, ChatCompletionMessageFunctionToolCall) else call.custom.name


def is_custom(call: ToolCall) -> bool:
    """Whether `call` is one of a custom tool, whose input is plain text."""
    return isinstance(call, ChatCompletionMessageCustomToolCall)


def _sum(one: Any, other: Any) -> Any:
    """Two tellings together: numbers are added, of other values the later one counts."""
    if is_object(one) and is_object(other):
        return {name: _sum(one.get(name), other.get(name)) for name in one | other}
    if _is_number(one) and _is_number(other):
        return one + other
    return one if other is None else other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
