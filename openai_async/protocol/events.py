"""What happened, told as events: pieces of text, tool calls growing, things done.

Chunks come in, in order, each after it was added to the accumulator; events go out, of the types in `eventtypes`.
Nothing is joined here but what is whole, and no chunk is ever changed.
"""

from __future__ import annotations

import copy

from openai_async.types.chunk import ChatCompletionChunk, ChoiceDelta, ChunkChoice

from .eventtypes import (
    ChunkEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    CustomToolCallInputDeltaEvent,
    CustomToolCallInputDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    StreamEvent,
)
from .snapshot import ChatCompletionAccumulator, ChoiceSnapshot
from .text import Text
from .toolcalls import ToolCalls, ToolCallSnapshot

__all__ = ["EventBuilder"]


class EventBuilder:
    """Derives the events of one stream.

    A choice's "done" events come once, with the chunk that carries its `finish_reason`: calls may interleave until
    then. What a server still adds after that is told by deltas, and stands in the final completion.

    Args:
        accumulator: What the stream's chunks are added to.
    """

    def __init__(self, accumulator: ChatCompletionAccumulator) -> None:
        self._accumulator = accumulator
        self._base = copy.deepcopy(accumulator)  # what came before the first event
        self._history: list[ChatCompletionChunk] = []
        self._lengths: dict[Text, int] = {}
        self._touched: dict[ToolCalls, int] = {}  # how many fragments of each message's calls were told
        self._done: set[int] = set()
        for choice in accumulator.choices.values():
            self._catch_up(choice)

    def _catch_up(self, choice: ChoiceSnapshot) -> None:
        """Count what a choice has already: a stream's reader may ask for events in its middle."""
        calls = choice.tool_calls
        texts = [choice.content, choice.refusal, *(call.text for call in (calls.snapshots() if calls else ()))]
        self._lengths.update((text, len(text.value())) for text in texts if text is not None)
        if calls is not None:
            self._touched[calls] = len(calls.touched)
        if choice.finish_reason:
            self._done.add(choice.index)

    def events(self, chunk: ChatCompletionChunk) -> list[StreamEvent]:
        """Return what `chunk` says, the `ChunkEvent` first; call it right after the accumulator's `add(chunk)`."""
        self._history.append(chunk)
        seen = len(self._history)
        events: list[StreamEvent] = [
            ChunkEvent(
                chunk=chunk, _accumulator=self._accumulator, _base=self._base, _history=self._history, _seen=seen
            )
        ]
        for choice in chunk.choices:
            snapshot = self._accumulator.choices[max(choice.index, 0)]
            self._deltas(choice, snapshot, events)
            if choice.finish_reason and snapshot.index not in self._done:
                self._done.add(snapshot.index)
                events.extend(_done_events(snapshot))
        return events

    def _deltas(self, choice: ChunkChoice, snapshot: ChoiceSnapshot, events: list[StreamEvent]) -> None:
        delta, index = choice.delta, snapshot.index
        added = delta.text
        if added is not None and snapshot.content is not None:
            length = self._grow(snapshot.content, added)
            text = snapshot.content
            events.append(ContentDeltaEvent(delta=added, choice_index=index, _text=text, _length=length))
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
        begin = self._touched.get(calls, 0)
        end = self._touched[calls] = begin + len(delta.tool_calls)
        for fragment, call in zip(delta.tool_calls, calls.touched[begin:end], strict=True):
            piece = (fragment.function and fragment.function.arguments) or ""
            piece += (fragment.custom and fragment.custom.input) or ""
            length = self._grow(call.text, piece)
            if call.type == "custom":
                events.append(
                    CustomToolCallInputDeltaEvent(
                        name=call.name,
                        index=call.index,
                        id=call.id,
                        choice_index=snapshot.index,
                        input_delta=piece,
                        _text=call.text,
                        _length=length,
                    )
                )
            elif fragment.function is not None or piece:
                events.append(
                    FunctionToolCallArgumentsDeltaEvent(
                        name=call.name,
                        index=call.index,
                        id=call.id,
                        choice_index=snapshot.index,
                        arguments_delta=piece,
                        _text=call.text,
                        _length=length,
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
