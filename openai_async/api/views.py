"""Other ways to look at a stream: its text, its chunks by read, their JSON, its bytes, and the object that it writes.

A reader comes in, whose chunks these iterators take and add to its snapshot; pieces of text, lists of chunks, whole
events as they came, or objects so far go out. Each of them ends and raises as the stream itself does.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

from openai_async.errors import APIError, OpenAIError
from openai_async.protocol.chunks import DONE, ChunkDecoder
from openai_async.protocol.draft import Memory, draft
from openai_async.protocol.output import OutputType
from openai_async.protocol.parsing import ResponseParser
from openai_async.protocol.partialtext import PartialText
from openai_async.protocol.sse import EventParser
from openai_async.types.chunk import ChatCompletionChunk

from .reader import ChunkReader

__all__ = ["BatchIterator", "PartialIterator", "PayloadIterator", "RawIterator", "TextIterator"]

T = TypeVar("T")


class TextIterator:
    """The text of choice 0, piece by piece; see `ChatStream.text`."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """Return the next piece, never empty; raises and cancels as `ChatStream.__anext__` does."""
        reader = self._reader
        while True:
            if not reader.chunks:
                await reader.more()
            if text := reader.hand_out().text:
                return text


class BatchIterator:
    """Chunks by socket read; see `ChatStream.batches`."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[ChatCompletionChunk]:
        """Return the chunks of the next read, one at least; raises and cancels as `ChatStream.__anext__` does."""
        reader = self._reader
        if not reader.chunks:
            await reader.more()
        batch = [reader.hand_out()]
        try:
            while reader.chunks:
                batch.append(reader.hand_out())
        except APIError:
            pass  # the reader keeps it: it is raised by the next call, after the chunks before it
        return batch


class PayloadIterator:
    """The JSON of the chunks by socket read, as the server sent it; see `ChatStream.payloads`."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader
        if reader.data is None:
            reader.keep_data(_waiting(reader))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[bytes]:
        """Return the JSON of the next read, of one chunk at least; raises and cancels as `ChatStream.__anext__` does."""
        reader = self._reader
        if not reader.chunks:
            await reader.more()
        reader.hand_out()
        payloads = [reader.last_data]
        try:
            while reader.chunks:
                reader.hand_out()
                payloads.append(reader.last_data)
        except APIError:
            pass  # as in `BatchIterator`
        return payloads


def _waiting(reader: ChunkReader) -> list[bytes]:
    """The JSON of the chunks that wait to be handed out: their bytes are held until the first one is.

    After that it is written anew, with all that the chunks have.
    """
    if reader.reads is None:
        return [chunk.to_json(indent=None).encode() for chunk in reader.chunks]
    said: list[bytes] = []
    decode = ChunkDecoder().decode
    with suppress(APIError):  # its time comes when the chunks before it are handed out
        events = EventParser().feed(b"".join(reader.reads))
        said.extend(event.data for event in events if isinstance(decode(event), ChatCompletionChunk))
    return said


# The blank line that ends an event: two line ends, of which CRLF is one (HTML standard, section 9.2.6). Written out, since
# `(?>\r\n|\r|\n){2}` takes eight times as long: 1 s for 16 MiB.
_EVENT_END = re.compile(rb"\n(?:\r\n?|\n)|\r(?:\r\n?|\n(?:\r\n?|\n))")


class RawIterator:
    """The stream's own bytes, in pieces that end where an event ends; see `ChatStream.raw`."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader
        reader.wants_bytes = True
        self._tail = b""  # of an event that has not ended
        self._first = True  # nothing was handed out: what comes next begins the stream
        self._end: Exception | None = None  # how the stream ended, raised when all before it is handed out

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next whole events, never empty; raises and cancels as `ChatStream.__anext__` does."""
        reader = self._reader
        while self._end is None:
            chunks = 0
            try:
                if not reader.chunks:
                    await reader.more()
                while reader.chunks:
                    reader.hand_out()
                    chunks += 1
            except (StopAsyncIteration, OpenAIError) as end:
                self._end = end
            if data := self._whole_events(chunks):
                return data
        raise self._end

    def _whole_events(self, chunks: int) -> bytes:
        """Take what was read up to the last event's end; when nothing more is read, up to what ended the stream.

        Args:
            chunks: How many of its events are chunks that were handed out; one more could not be.
        """
        reads = self._reader.reads or []
        data = b"".join((self._tail, *reads))
        reads.clear()
        self._reader.size = 0
        end = max((match.end() for match in _EVENT_END.finditer(data)), default=0) if 13 in data else _end(data)
        data, self._tail = data[:end], data[end:]
        first, self._first = self._first, self._first and not data
        return _sound(data, chunks, first=first) if self._reader.over else data


def _end(data: bytes) -> int:
    """Where the last whole event of `data` ends, whose lines end with LF; 0: there is none."""
    return data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0


def _sound(data: bytes, chunks: int, *, first: bool) -> bytes:
    """The events of `data` up to and with `[DONE]`, or up to the first that is an error, or a chunk beyond so many."""
    parser, decoder = EventParser(), ChunkDecoder()
    if not first:
        parser.feed(b"\n")  # says nothing; but a byte order mark after it is none, as in the middle of the stream
    begin = 0
    for match in _EVENT_END.finditer(data):
        try:
            events = [decoder.decode(event) for event in parser.feed(data[begin : match.end()])]
        except APIError:
            return data[:begin]
        chunks -= sum(isinstance(event, ChatCompletionChunk) for event in events)
        if chunks < 0:
            return data[:begin]
        begin = match.end()
        if DONE in events:
            break
    return data[:begin]


class PartialIterator(Generic[T]):
    """The object that choice 0 writes, as far as it goes; see `ChatStream.partial`."""

    def __init__(self, reader: ChunkReader, output: OutputType[T]) -> None:
        self._reader = reader
        self._output = output
        self._partial: PartialText | None = None  # None: no content came
        self._length = 0
        self._memory = Memory()
        self._shown: Any = None  # the plain data of the object handed out last
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the object as far as it goes, each time more of it than before; at the end, the whole one.

        Raises and cancels as `EventStream.__anext__` does.
        """
        reader = self._reader
        while not self._ended:
            try:
                if not reader.chunks:
                    await reader.more()
            except StopAsyncIteration:
                self._ended = True
                whole = ResponseParser(self._output).completion(reader.snapshot())
                if whole.choices and (parsed := whole.choices[0].message.parsed) is not None:
                    return parsed
                break
            self._length += len(reader.hand_out().text)
            value = self._value()
            if value is not None and value != self._shown:
                self._shown = value
                drawn: T | None = draft(self._output.type, value, self._memory)
                if drawn is not None:  # else nothing can be told yet: half an enum member is none
                    return drawn
        raise StopAsyncIteration

    def _value(self) -> Any:
        """The content so far as plain data, monotonic; None: nothing shows yet."""
        if self._partial is None:
            choice = self._reader.accumulator.choices.get(0)
            if choice is None or choice.content is None:
                return None
            self._length = len(choice.content.value())  # what other views read before counts as well
            self._partial = PartialText(choice.content, self._output.unwrap)
        return self._partial.at(self._length, monotonic=True)
