"""What happened, told as events: pieces of text, tool calls growing, things done.

Chunks come in, in order, each after it was added to the accumulator; events go out, of the types in `eventtypes`.
Nothing is joined here but what is whole, and no chunk is ever changed.
"""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

from msgspec import UNSET

from openai_async.errors import OutputParseError
from openai_async.types.chunk import ChatCompletionChunk, ChoiceDelta, ChunkChoice
from openai_async.types.parsed import ParsedChatCompletion

from .eventtypes import (
    AudioDeltaEvent,
    AudioDoneEvent,
    ChatCompletionStreamEvent,
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
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    StreamEvent,
)
from .output import OutputType
from .parsing import ResponseParser
from .partialtext import PartialText
from .snapshot import ChatCompletionAccumulator, ChoiceSnapshot
from .text import Text
from .toolcalls import ToolCalls, ToolCallSnapshot

__all__ = ["EventBuilder"]

T = TypeVar("T")


class EventBuilder(Generic[T]):
    """Derives the events of one stream.

    A choice's "done" events come once, with the chunk that carries its `finish_reason`, or at the stream's end: calls
    may interleave until then. What a server still adds after that is told by deltas, and stands in the final
    completion. What was to be parsed and can't be is never told to be done: the final completion says why.

    Args:
        accumulator: What the stream's chunks are added to.
        parser: What contents and arguments are to become; None: they stay text.

    Attributes:
        chunks: How many chunks of the stream it knows, those before the first event included.
    """

    def __init__(self, accumulator: ChatCompletionAccumulator, parser: ResponseParser[T] | None = None) -> None:
        self._accumulator = accumulator
        self._parser: ResponseParser[T] = ResponseParser() if parser is None else parser
        self.chunks: int = accumulator.chunks
        self._base = copy.deepcopy(accumulator)  # what came before the first event
        self._history: list[ChatCompletionChunk] = []
        self._lengths: dict[Text, int] = {}
        self._touched: dict[ToolCalls, int] = {}  # how many fragments of each message's calls were told
        self._reasoning: dict[int, Text] = {}  # of each choice; the accumulator keeps it among the extras
        self._partials: dict[Text, PartialText] = {}
        self._done: set[int] = set()
        for choice in accumulator.choices.values():
            self._catch_up(choice)

    def _catch_up(self, choice: ChoiceSnapshot) -> None:
        """Count what a choice has already: a stream's reader may ask for events in its middle."""
        calls, audio = choice.tool_calls, choice.audio
        texts = [choice.content, choice.refusal, *(call.text for call in (calls.snapshots() if calls else ()))]
        if audio is not None:
            texts.append(audio.transcript)
        self._lengths.update((text, len(text.value())) for text in texts if text is not None)
        if reasoning := choice.reasoning:
            self._grow(self._reasoning.setdefault(choice.index, Text()), reasoning)
            self._reasoning[choice.index].append(reasoning)
        if calls is not None:
            self._touched[calls] = len(calls.touched)
        if choice.finish_reason:
            self._done.add(choice.index)

    def events(self, chunk: ChatCompletionChunk) -> list[ChatCompletionStreamEvent[T]]:
        """Return what `chunk` says, the `ChunkEvent` first; call it right after the accumulator's `add(chunk)`."""
        self._history.append(chunk)
        self.chunks += 1
        events: list[ChatCompletionStreamEvent[T]] = [ChunkEvent(chunk=chunk, _history=self, _seen=self.chunks)]
        snapshots = self._accumulator.choices
        for choice in chunk.choices:
            index = choice.index
            snapshot = snapshots[index if index > 0 else 0]  # noqa: FURB136 - `max` takes ten times as long
            self._deltas(choice, snapshot, events)
            if choice.finish_reason and snapshot.index not in self._done:
                self._done.add(snapshot.index)
                events.extend(self._done_events(snapshot))
        return events

    def completion_after(self, chunks: int) -> ParsedChatCompletion[T]:
        """Return the completion as it was when so many chunks of the stream were there, in time linear in its length."""
        now = self._accumulator
        if now.chunks != chunks:
            # Others came since: what was so then is added up again.
            now = copy.deepcopy(self._base)
            for chunk in self._history[: chunks - now.chunks]:
                now.add(chunk)
        return self._parser.snapshot(now.completion())

    def end(self) -> list[ChatCompletionStreamEvent[T]]:
        """Return the "done" events of choices that got no `finish_reason`; call it when the stream is complete."""
        left = [choice for index, choice in sorted(self._accumulator.choices.items()) if index not in self._done]
        self._done.update(choice.index for choice in left)
        return [event for choice in left for event in self._done_events(choice)]

    def _deltas(
        self, choice: ChunkChoice, snapshot: ChoiceSnapshot, events: list[ChatCompletionStreamEvent[T]]
    ) -> None:
        delta, index = choice.delta, snapshot.index
        plain = delta._extra is UNSET
        added = delta.content if plain else delta.text
        text = snapshot.content
        if added is not None and text is not None:
            length = self._lengths[text] = self._lengths.get(text, 0) + len(added)
            output = self._parser.output
            partial = None if output is None else self._partial(text, output)
            events.append(
                ContentDeltaEvent(delta=added, choice_index=index, _text=text, _length=length, _partial=partial)
            )
        if delta.refusal is not None and snapshot.refusal is not None:
            length = self._grow(snapshot.refusal, delta.refusal)
            text = snapshot.refusal
            events.append(RefusalDeltaEvent(delta=delta.refusal, choice_index=index, _text=text, _length=length))
        if delta.tool_calls and snapshot.tool_calls is not None:
            self._call_deltas(delta, snapshot, events)
        if delta._extra is not UNSET and (thought := delta.reasoning):
            text = self._reasoning.setdefault(index, Text())
            text.append(thought)
            length = self._grow(text, thought)
            events.append(ReasoningDeltaEvent(delta=thought, choice_index=index, _text=text, _length=length))
        if delta.audio is not None and snapshot.audio is not None:
            audio, said = snapshot.audio, delta.audio.transcript or ""
            events.append(
                AudioDeltaEvent(
                    id=audio.id,
                    data=delta.audio.data or "",
                    transcript=said,
                    choice_index=index,
                    _text=audio.transcript,
                    _length=self._grow(audio.transcript, said),
                )
            )
        if choice.logprobs is not None:
            events.extend(_logprob_deltas(choice, snapshot))

    def _call_deltas(
        self, delta: ChoiceDelta, snapshot: ChoiceSnapshot, events: list[ChatCompletionStreamEvent[T]]
    ) -> None:
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
                output = self._parser.tools.get(call.name)
                events.append(
                    FunctionToolCallArgumentsDeltaEvent(
                        name=call.name,
                        index=call.index,
                        id=call.id,
                        choice_index=snapshot.index,
                        arguments_delta=piece,
                        _text=call.text,
                        _length=length,
                        _partial=None if output is None else self._partial(call.text, output),
                    )
                )

    def _grow(self, text: Text, piece: str) -> int:
        length = self._lengths[text] = self._lengths.get(text, 0) + len(piece)
        return length

    def _partial(self, text: Text, output: OutputType[Any]) -> PartialText:
        """What reads `text` while it grows."""
        partial = self._partials.get(text)
        if partial is None:
            partial = self._partials[text] = PartialText(text, output.unwrap)
        return partial

    def _done_events(self, snapshot: ChoiceSnapshot) -> list[ChatCompletionStreamEvent[T]]:
        """What is whole now, in the order in which the official SDK tells it; then what only we tell."""
        events: list[ChatCompletionStreamEvent[T]] = []
        index, parser = snapshot.index, self._parser
        calls = snapshot.tool_calls.snapshots() if snapshot.tool_calls is not None else []
        cut = parser.cut_short(snapshot.finish_reason, calls=any(call.name in parser.tools for call in calls))
        refused = snapshot.refusal.value() if snapshot.refusal is not None else ""
        if snapshot.content is not None and (content := snapshot.content.value()):
            events.extend(_content_done(content, index, None if refused else parser.output, cut=cut))
        if refused:
            events.append(RefusalDoneEvent(refusal=refused, choice_index=index))
        if snapshot.content_logprobs:
            events.append(LogprobsContentDoneEvent(content=list(snapshot.content_logprobs), choice_index=index))
        if snapshot.refusal_logprobs:
            events.append(LogprobsRefusalDoneEvent(refusal=list(snapshot.refusal_logprobs), choice_index=index))
        for call in calls:
            events.extend(_call_done(call, index, parser.tools.get(call.name), cut=cut))
        if index in self._reasoning:
            events.append(ReasoningDoneEvent(reasoning=self._reasoning[index].value(), choice_index=index))
        if snapshot.audio is not None:
            events.append(AudioDoneEvent(audio=snapshot.audio.value(), choice_index=index))
        return events


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


def _content_done(
    content: str, choice_index: int, output: OutputType[T] | None, *, cut: bool
) -> list[ChatCompletionStreamEvent[T]]:
    if output is None:
        return [ContentDoneEvent(content=content, choice_index=choice_index)]
    if cut:
        return []
    try:
        return [ContentDoneEvent(content=content, choice_index=choice_index, parsed=output.parse(content))]
    except OutputParseError:
        return []  # raised at the stream's end, with everything received


def _call_done(
    call: ToolCallSnapshot, choice_index: int, output: OutputType[Any] | None, *, cut: bool
) -> list[StreamEvent]:
    text = call.text.value()
    if call.type == "custom":
        return [
            CustomToolCallInputDoneEvent(
                name=call.name, index=call.index, choice_index=choice_index, id=call.id, input=text
            )
        ]
    parsed = None
    if output is not None:
        if cut:
            return []
        try:
            parsed = output.parse(text)
        except OutputParseError:
            return []
    return [
        FunctionToolCallArgumentsDoneEvent(
            name=call.name,
            index=call.index,
            choice_index=choice_index,
            id=call.id,
            arguments=text,
            parsed_arguments=parsed,
        )
    ]
