"""What happened, told as events: pieces of text, tool calls growing, things done.

Chunks come in, in order, each after it was added to the accumulator; events go out, named and shaped as the official
SDK's, with the index of the choice beside them. Nothing is joined before somebody looks: an event's `snapshot` is
computed when it is read, and says what was so when the event happened.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from openai_async.types.chunk import ChatCompletionChunk, ChoiceDelta, ChunkChoice
from openai_async.types.completion import ChatCompletion, ChatCompletionTokenLogprob

from .snapshot import ChatCompletionAccumulator, ChoiceSnapshot
from .text import Text
from .toolcalls import ToolCallSnapshot

__all__ = [
    "ChunkEvent",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "CustomToolCallInputDeltaEvent",
    "CustomToolCallInputDoneEvent",
    "EventBuilder",
    "FunctionToolCallArgumentsDeltaEvent",
    "FunctionToolCallArgumentsDoneEvent",
    "LogprobsContentDeltaEvent",
    "LogprobsContentDoneEvent",
    "LogprobsRefusalDeltaEvent",
    "LogprobsRefusalDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "StreamEvent",
]


class _Event(msgspec.Struct, kw_only=True):
    """The base of all events."""


class ChunkEvent(_Event, kw_only=True):
    """A chunk arrived; the events that it caused follow."""

    chunk: ChatCompletionChunk
    type: Literal["chunk"] = "chunk"
    _history: list[ChatCompletionChunk]
    _seen: int

    @property
    def snapshot(self) -> ChatCompletion:
        """The completion as it was after this chunk: joined now, in time linear in its length."""
        accumulator = ChatCompletionAccumulator()
        for chunk in self._history[: self._seen]:
            accumulator.add(chunk)
        return accumulator.completion()


class _TextDelta(_Event, kw_only=True):
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


class ContentDoneEvent(_Event, kw_only=True):
    """The text of an answer is whole."""

    content: str
    choice_index: int
    type: Literal["content.done"] = "content.done"


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

    @property
    def arguments(self) -> str:
        """The JSON text of the arguments up to and including `arguments_delta`."""
        return self._so_far()


class FunctionToolCallArgumentsDoneEvent(_Event, kw_only=True):
    """The arguments of a function call are whole."""

    name: str
    index: int
    choice_index: int
    id: str
    arguments: str
    type: Literal["tool_calls.function.arguments.done"] = "tool_calls.function.arguments.done"


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


StreamEvent: TypeAlias = (
    ChunkEvent
    | ContentDeltaEvent
    | ContentDoneEvent
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
)


class EventBuilder:
    """Derives the events of one stream.

    A choice's "done" events come once, with the chunk that carries its `finish_reason`: calls may interleave until
    then. What a server still adds after that is told by deltas, and stands in the final completion.

    Args:
        accumulator: What the stream's chunks are added to.
    """

    def __init__(self, accumulator: ChatCompletionAccumulator) -> None:
        self._accumulator = accumulator
        self._history: list[ChatCompletionChunk] = []
        self._lengths: dict[Text, int] = {}
        self._done: set[int] = set()

    def events(self, chunk: ChatCompletionChunk) -> list[StreamEvent]:
        """Return what `chunk` says, the `ChunkEvent` first; call it right after the accumulator's `add(chunk)`."""
        self._history.append(chunk)
        events: list[StreamEvent] = [ChunkEvent(chunk=chunk, _history=self._history, _seen=len(self._history))]
        for choice in chunk.choices:
            snapshot = self._accumulator.choices[max(choice.index, 0)]
            self._deltas(choice, snapshot, events)
            if choice.finish_reason and snapshot.index not in self._done:
                self._done.add(snapshot.index)
                events.extend(_done_events(snapshot))
        return events

    def _deltas(self, choice: ChunkChoice, snapshot: ChoiceSnapshot, events: list[StreamEvent]) -> None:
        delta, index = choice.delta, snapshot.index
        if delta.content is not None and snapshot.content is not None:
            length = self._grow(snapshot.content, delta.content)
            text = snapshot.content
            events.append(ContentDeltaEvent(delta=delta.content, choice_index=index, _text=text, _length=length))
        if delta.refusal is not None and snapshot.refusal is not None:
            length = self._grow(snapshot.refusal, delta.refusal)
            text = snapshot.refusal
            events.append(RefusalDeltaEvent(delta=delta.refusal, choice_index=index, _text=text, _length=length))
        if delta.tool_calls and snapshot.tool_calls is not None:
            self._call_deltas(delta, snapshot, events)
        if choice.logprobs is not None:
            events.extend(_logprob_deltas(choice, snapshot))

    def _call_deltas(self, delta: ChoiceDelta, snapshot: ChoiceSnapshot, events: list[StreamEvent]) -> None:
        calls = snapshot.tool_calls
        assert calls is not None  # the caller looked
        assert delta.tool_calls is not None  # likewise
        for fragment, call in zip(delta.tool_calls, calls.touched, strict=True):
            if call.type == "custom":
                piece = (fragment.custom and fragment.custom.input) or ""
                events.append(
                    CustomToolCallInputDeltaEvent(
                        name=call.name,
                        index=call.index,
                        id=call.id,
                        choice_index=snapshot.index,
                        input_delta=piece,
                        _text=call.text,
                        _length=self._grow(call.text, piece),
                    )
                )
            elif fragment.function is not None:
                piece = fragment.function.arguments or ""
                events.append(
                    FunctionToolCallArgumentsDeltaEvent(
                        name=call.name,
                        index=call.index,
                        id=call.id,
                        choice_index=snapshot.index,
                        arguments_delta=piece,
                        _text=call.text,
                        _length=self._grow(call.text, piece),
                    )
                )

    def _grow(self, text: Text, piece: str) -> int:
        length = self._lengths[text] = self._lengths.get(text, 0) + len(piece)
        return length


def _logprob_deltas(choice: ChunkChoice, snapshot: ChoiceSnapshot) -> list[StreamEvent]:
    events: list[StreamEvent] = []
    assert choice.logprobs is not None  # the caller looked
    content, refusal = choice.logprobs.content, choice.logprobs.refusal
    if content and (every := snapshot.content_logprobs):
        events.append(
            LogprobsContentDeltaEvent(content=content, choice_index=snapshot.index, _all=every, _length=len(every))
        )
    if refusal and (every := snapshot.refusal_logprobs):
        events.append(
            LogprobsRefusalDeltaEvent(refusal=refusal, choice_index=snapshot.index, _all=every, _length=len(every))
        )
    return events


def _done_events(snapshot: ChoiceSnapshot) -> list[StreamEvent]:
    """What is whole now, in the order in which the official SDK tells it."""
    events: list[StreamEvent] = []
    index = snapshot.index
    if snapshot.content is not None and (content := snapshot.content.value()):
        events.append(ContentDoneEvent(content=content, choice_index=index))
    if snapshot.refusal is not None and (refusal := snapshot.refusal.value()):
        events.append(RefusalDoneEvent(refusal=refusal, choice_index=index))
    if snapshot.content_logprobs:
        events.append(LogprobsContentDoneEvent(content=list(snapshot.content_logprobs), choice_index=index))
    if snapshot.refusal_logprobs:
        events.append(LogprobsRefusalDoneEvent(refusal=list(snapshot.refusal_logprobs), choice_index=index))
    if snapshot.tool_calls is not None:
        events.extend(_call_done(call, index) for call in snapshot.tool_calls.snapshots())
    return events


def _call_done(call: ToolCallSnapshot, choice_index: int) -> StreamEvent:
    if call.type == "custom":
        return CustomToolCallInputDoneEvent(
            name=call.name, index=call.index, choice_index=choice_index, id=call.id, input=call.text.value()
        )
    return FunctionToolCallArgumentsDoneEvent(
        name=call.name, index=call.index, choice_index=choice_index, id=call.id, arguments=call.text.value()
    )
