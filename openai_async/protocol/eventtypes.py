"""What can happen in a stream: one type for each kind of event.

An `EventBuilder` makes them and the user reads them, named and shaped as the official SDK's, with the index of the
choice beside. A snapshot is joined when it is read, never before, and says what was so when the event happened.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletionAudio, ChatCompletionTokenLogprob
from openai_async.types.parsed import ParsedChatCompletion

from .partialtext import PartialText
from .text import Text

__all__ = [
    "AudioDeltaEvent",
    "AudioDoneEvent",
    "ChatCompletionStreamEvent",
    "ChunkEvent",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "CustomToolCallInputDeltaEvent",
    "CustomToolCallInputDoneEvent",
    "FunctionToolCallArgumentsDeltaEvent",
    "FunctionToolCallArgumentsDoneEvent",
    "LogprobsContentDeltaEvent",
    "LogprobsContentDoneEvent",
    "LogprobsRefusalDeltaEvent",
    "LogprobsRefusalDoneEvent",
    "ReasoningDeltaEvent",
    "ReasoningDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "StreamEvent",
]


T = TypeVar("T")


class _History(Protocol[T]):
    """What an event that shows the completion knows of its stream: an `EventBuilder`."""

    def completion_after(self, chunks: int) -> ParsedChatCompletion[T]: ...


class _Event(msgspec.Struct, kw_only=True):
    """The base of all events."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name and value of each field but those that snapshots are made of: for `repr` and for rich."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name[0] != "_"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class ChunkEvent(_Event, Generic[T], kw_only=True, gc=False):
    """A chunk arrived; the events that it caused follow."""

    chunk: ChatCompletionChunk
    type: Literal["chunk"] = "chunk"
    _history: _History[T]
    _seen: int

    @property
    def snapshot(self) -> ParsedChatCompletion[T]:
        """The completion as it was after this chunk: joined now, in time linear in its length.

        While a choice is unfinished, its `parsed` is plain data, as far as it goes.
        """
        return self._history.completion_after(self._seen)


class _TextDelta(_Event, kw_only=True, gc=False):
    delta: str
    choice_index: int
    _text: Text
    _length: int

    @property
    def snapshot(self) -> str:
        """The text up to and including `delta`."""
        return self._text.value()[: self._length]


class ContentDeltaEvent(_TextDelta, kw_only=True):
    """The text of an answer grew by `delta`."""

    type: Literal["content.delta"] = "content.delta"
    _partial: PartialText | None

    @property
    def parsed(self) -> Any:
        """The text so far as plain JSON data, parsed now: without what is unfinished (a key, a string).

        None: no type was asked for, or nothing came yet. Later events have all of it and more, except that a number
        at the very end may gain digits.
        """
        return None if self._partial is None else self._partial.at(self._length)


class ContentDoneEvent(_Event, Generic[T], kw_only=True):
    """The text of an answer is whole.

    Attributes:
        parsed: What it means; None: no type was asked for.
    """

    content: str
    choice_index: int
    type: Literal["content.done"] = "content.done"
    parsed: T | None = None


class RefusalDeltaEvent(_TextDelta, kw_only=True):
    """A refusal grew by `delta`."""

    type: Literal["refusal.delta"] = "refusal.delta"


class RefusalDoneEvent(_Event, kw_only=True):
    """A refusal is whole."""

    refusal: str
    choice_index: int
    type: Literal["refusal.done"] = "refusal.done"


class _CallDelta(_Event, kw_only=True):
    name: str
    index: int
    choice_index: int
    id: str
    _text: Text
    _length: int

    def _so_far(self) -> str:
        return self._text.value()[: self._length]


class FunctionToolCallArgumentsDeltaEvent(_CallDelta, kw_only=True):
    """The arguments of a function call grew by `arguments_delta`; `index` is the call's place in the message."""

    arguments_delta: str
    type: Literal["tool_calls.function.arguments.delta"] = "tool_calls.function.arguments.delta"
    _partial: PartialText | None

    @property
    def arguments(self) -> str:
        """The JSON text of the arguments up to and including `arguments_delta`."""
        return self._so_far()

    @property
    def parsed_arguments(self) -> Any:
        """The arguments so far as plain JSON data, as `ContentDeltaEvent.parsed`; None also where no type is known."""
        return None if self._partial is None else self._partial.at(self._length)


class FunctionToolCallArgumentsDoneEvent(_Event, kw_only=True):
    """The arguments of a function call are whole.

    Attributes:
        parsed_arguments: What they mean, an object of the tool's type, or plain data for a strict tool without one;
            None: the tool is not strict.
    """

    name: str
    index: int
    choice_index: int
    id: str
    arguments: str
    type: Literal["tool_calls.function.arguments.done"] = "tool_calls.function.arguments.done"
    parsed_arguments: Any = None


class CustomToolCallInputDeltaEvent(_CallDelta, kw_only=True):
    """The input of a custom tool grew by `input_delta`."""

    input_delta: str
    type: Literal["tool_calls.custom.input.delta"] = "tool_calls.custom.input.delta"

    @property
    def input(self) -> str:
        """The input up to and including `input_delta`."""
        return self._so_far()


class CustomToolCallInputDoneEvent(_Event, kw_only=True):
    """The input of a custom tool is whole."""

    name: str
    index: int
    choice_index: int
    id: str
    input: str
    type: Literal["tool_calls.custom.input.done"] = "tool_calls.custom.input.done"


class _LogprobsDelta(_Event, kw_only=True):
    choice_index: int
    _all: list[ChatCompletionTokenLogprob]
    _length: int

    @property
    def snapshot(self) -> list[ChatCompletionTokenLogprob]:
        """The tokens up to and including this event's, oldest first."""
        return self._all[: self._length]


class LogprobsContentDeltaEvent(_LogprobsDelta, kw_only=True):
    """Log probabilities of the text's next tokens."""

    content: list[ChatCompletionTokenLogprob]
    type: Literal["logprobs.content.delta"] = "logprobs.content.delta"


class LogprobsContentDoneEvent(_Event, kw_only=True):
    """Log probabilities of all the text's tokens."""

    content: list[ChatCompletionTokenLogprob]
    choice_index: int
    type: Literal["logprobs.content.done"] = "logprobs.content.done"


class LogprobsRefusalDeltaEvent(_LogprobsDelta, kw_only=True):
    """Log probabilities of the refusal's next tokens."""

    refusal: list[ChatCompletionTokenLogprob]
    type: Literal["logprobs.refusal.delta"] = "logprobs.refusal.delta"


class LogprobsRefusalDoneEvent(_Event, kw_only=True):
    """Log probabilities of all the refusal's tokens."""

    refusal: list[ChatCompletionTokenLogprob]
    choice_index: int
    type: Literal["logprobs.refusal.done"] = "logprobs.refusal.done"


class ReasoningDeltaEvent(_TextDelta, kw_only=True):
    """The model's visible reasoning grew by `delta`, under whichever name the vendor sends it."""

    type: Literal["reasoning.delta"] = "reasoning.delta"


class ReasoningDoneEvent(_Event, kw_only=True):
    """The model's visible reasoning is whole."""

    reasoning: str
    choice_index: int
    type: Literal["reasoning.done"] = "reasoning.done"


class AudioDeltaEvent(_Event, kw_only=True):
    """A spoken answer grew.

    Attributes:
        id: The clip's id; "": the server has not said it yet.
        data: The piece's sound, base64 of its own; "": none.
        transcript: The piece's words; "": none.
    """

    id: str
    data: str
    transcript: str
    choice_index: int
    type: Literal["audio.delta"] = "audio.delta"
    _text: Text
    _length: int

    @property
    def snapshot(self) -> str:
        """The words up to and including `transcript`."""
        return self._text.value()[: self._length]


class AudioDoneEvent(_Event, kw_only=True):
    """A spoken answer is whole."""

    audio: ChatCompletionAudio
    choice_index: int
    type: Literal["audio.done"] = "audio.done"


ChatCompletionStreamEvent: TypeAlias = (
    ChunkEvent[T]
    | ContentDeltaEvent
    | ContentDoneEvent[T]
    | RefusalDeltaEvent
    | RefusalDoneEvent
    | FunctionToolCallArgumentsDeltaEvent
    | FunctionToolCallArgumentsDoneEvent
    | CustomToolCallInputDeltaEvent
    | CustomToolCallInputDoneEvent
    | LogprobsContentDeltaEvent
    | LogprobsContentDoneEvent
    | LogprobsRefusalDeltaEvent
    | LogprobsRefusalDoneEvent
    | ReasoningDeltaEvent
    | ReasoningDoneEvent
    | AudioDeltaEvent
    | AudioDoneEvent
)
"""Any event of a stream whose contents are parsed to `T`."""

StreamEvent: TypeAlias = ChatCompletionStreamEvent[Any]
"""Any event of any stream."""
