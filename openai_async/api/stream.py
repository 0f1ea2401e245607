"""`ChatStream`: a streamed answer in your hands, chunk by chunk or as events.

A `ChunkReader` that has brought the first content comes in; chunks, events and the whole completion go out. Nothing
here reads a socket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, NoReturn, Self, TypeVar

from openai_async.errors import StreamStateError
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.eventtypes import ChatCompletionStreamEvent
from openai_async.protocol.output import OutputType
from openai_async.protocol.parsing import ResponseParser
from openai_async.transport.redaction import redacted
from openai_async.types.completion import ChatCompletion
from openai_async.types.parsed import ParsedChatCompletion

from .reader import ChunkReader
from .response import ResponseInfo, Timing
from .views import BatchIterator, PartialIterator, PayloadIterator, RawIterator, TextIterator

__all__ = ["CastStream", "ChatStream", "EventStream", "cast_stream"]

Item = TypeVar("Item")
T = TypeVar("T")


class ChatStream(Generic[Item]):
    """A streamed chat completion: an async iterator of chunks.

    Use it with `async with`, so that the request is aborted when you leave early:

        async with client.chat.completions.create(model=…, messages=…, stream=True) as stream:
            async for chunk in stream:
                ...

    Iteration ends when the answer is complete: `[DONE]` came, or every choice has its `finish_reason`. Anything else
    raises, with all that was received in the error's `partial`. It can be iterated once, by one task at a time.
    """

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader

    # Reading.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        """Return the next chunk.

        Cancelling it aborts the request; what was received stays in `snapshot`.

        Raises:
            APIError: The stream failed; `partial` has what was received.
            StreamStateError: Another task is reading, or the stream was closed before its end.
        """
        reader = self._reader
        if not reader.chunks:
            await reader.more()
        # Item is ChatCompletionChunk here; the subclasses, which have other items, have a method of their own.
        return reader.hand_out()  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - see above

    def events(self) -> EventStream[None]:
        """Return a stream of the same answer that iterates events, from the next chunk on."""
        return EventStream(self._reader, ResponseParser())

    def text(self) -> TextIterator:
        """Return an iterator of the pieces of choice 0's text, empty ones left out."""
        return TextIterator(self._reader)

    def batches(self) -> BatchIterator:
        """Return an iterator of lists of chunks, one list per socket read, none of them empty."""
        return BatchIterator(self._reader)

    def payloads(self) -> PayloadIterator:
        """Return an iterator of lists of the chunks' JSON as the server sent it, one list per socket read, none empty.

        For who hands the answer on: nothing is encoded anew, and `snapshot`, `final` and what ends the stream are as
        ever. Events that are no chunks (keep-alives, `[DONE]`) are left out.
        """
        return PayloadIterator(self._reader)

    def raw(self) -> RawIterator:
        """Return an iterator of the stream's bytes as they came, each piece one or more whole events.

        For relays: nothing is encoded anew, and `snapshot` still knows usage and finish. The last piece ends with
        `[DONE]` if the server sent it; an event that is an error is raised instead of being handed out.

        Raises:
            StreamStateError: Chunks of the stream were read already.
        """
        if self._reader.reads is None or self._reader.accumulator.chunks:
            raise StreamStateError("raw() begins with the stream's first byte: call it before anything is read.")
        return RawIterator(self._reader)

    def partial(self, type: type[T]) -> PartialIterator[T]:
        """Return an iterator of the object that choice 0 writes, while it is being written.

        Objects are of type `T`, made without its validators; what has not come yet is None, in a TypedDict absent.
        They only ever grow: text by its end, lists by items, and numbers show once they are whole. Parts that are
        whole are shared between them: don't change them. The last one is the whole object, validated; it is raised
        what `parse` raises where there is none.

        Args:
            type: As `response_format` of `parse` takes it.

        Raises:
            TypeError: Nothing in JSON could become such a type.
        """
        return PartialIterator(self._reader, OutputType.of(type))

    async def final(self) -> ChatCompletion:
        """Read the stream to its end and return the whole completion.

        Cancelling it aborts the request; what was received stays in `snapshot`.

        Raises:
            APIError: The stream failed, now or earlier; `partial` has what was received.
            StreamStateError: The stream was closed before its end.
        """
        await self._reader.drain()
        return self._reader.snapshot()

    async def get_final_completion(self) -> ChatCompletion:
        """Do as `final`: the official SDK's name for it."""
        return await self.final()

    async def until_done(self) -> Self:
        """Read the stream to its end and return it; cancels and raises as `final`."""
        await self.final()
        return self

    # Looking.

    @property
    def response(self) -> ResponseInfo:
        """Status and headers of the response that carries the stream, and the retries that it took."""
        return self._reader.info

    @property
    def snapshot(self) -> ChatCompletion:
        """The completion as far as it was handed out, joined now; later chunks don't change it."""
        return self._reader.snapshot()

    @property
    def current_completion_snapshot(self) -> ChatCompletion:
        """The same as `snapshot`: the official SDK's name for it."""
        return self.snapshot

    @property
    def timing(self) -> Timing:
        """When what happened, in seconds from the call's start."""
        return Timing.of(self._reader.timer.marks)

    def __repr__(self) -> str:
        return repr(self._reader)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A stream can't be copied or pickled: it is a connection, read once. Its `snapshot` can.")

    # Leaving.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reader.abort()

    async def aclose(self) -> None:
        """Close the stream; a request under way is aborted. Harmless after the end, and twice.

        Chunks that were received before can still be read.
        """
        self._reader.abort()

    async def close(self) -> None:
        """Do as `aclose`."""
        self._reader.abort()


class CastStream(ChatStream[Item]):
    """A stream whose chunks come as objects of the user's own type; see `cast_to` of `create`.

    Args:
        reader: Which keeps the data of each chunk.
        cast: Makes an object of a chunk's JSON; raises an `APIError` where it does not fit.
    """

    def __init__(self, reader: ChunkReader, cast: Callable[[bytes], Item]) -> None:
        super().__init__(reader)
        self._cast = cast

    async def __anext__(self) -> Item:
        """Return the next chunk as the user's type; cancels and raises as `ChatStream.__anext__`.

        Raises:
            APIResponseValidationError: The chunk does not fit the type.
        """
        reader = self._reader
        if not reader.chunks:
            await reader.more()
        reader.hand_out()
        with redacted(reader.secrets):
            return self._cast(reader.last_data)


class EventStream(ChatStream[ChatCompletionStreamEvent[T]], Generic[T]):
    """A streamed chat completion told as events: what `chat.completions.stream` gives.

    With a `response_format`, the final completion's `message.parsed` is of type `T`. What can't be parsed (the answer
    was cut off, withheld, or is no such JSON) is raised at the stream's end, when all is received, usage included.

    Args:
        reader: Of the stream.
        parser: Knows what contents and arguments are to become.
    """

    def __init__(self, reader: ChunkReader, parser: ResponseParser[T]) -> None:
        super().__init__(reader)
        self._parser = parser
        self._builder = EventBuilder(reader.accumulator, parser)
        self._events: deque[ChatCompletionStreamEvent[T]] = deque()  # of the chunk handed out last
        self._parsed: ParsedChatCompletion[T] | None = None  # the whole completion, once the stream is over

    async def __anext__(self) -> ChatCompletionStreamEvent[T]:
        """Return the next event; cancels as `ChatStream.__anext__`.

        Raises:
            APIError: The stream failed; `partial` has what was received.
            LengthFinishReasonError, ContentFilterFinishReasonError, OutputParseError: The stream is complete, and
                what it says can't be parsed; `completion` has it.
            StreamStateError: Another task is reading, or the stream was closed before its end.
        """
        if not self._events:
            reader = self._reader
            try:
                if not reader.chunks:
                    await reader.more()
            except StopAsyncIteration:
                self._events.extend(self._current_builder().end())
                if not self._events:
                    self._parse()
                    raise
            else:
                builder = self._builder
                if builder.chunks != reader.accumulator.chunks:
                    builder = self._current_builder()
                self._events.extend(builder.events(reader.hand_out()))  # one event at least
        return self._events.popleft()

    def events(self) -> Self:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] - it keeps T
        """Return the stream itself: it iterates events already."""
        return self

    async def final(self) -> ParsedChatCompletion[T]:
        """Read the stream to its end and return the whole completion, parsed.

        Cancelling it aborts the request; what was received stays in `snapshot`.

        Raises:
            APIError, StreamStateError: As `ChatStream.final`.
            LengthFinishReasonError, ContentFilterFinishReasonError: The answer was cut off or withheld where there
                was something to parse; `completion` has what came.
            OutputParseError: The answer is no JSON, or does not fit its type; likewise.
        """
        await self._reader.drain()
        return self._parse()

    async def get_final_completion(self) -> ParsedChatCompletion[T]:
        """Do as `final`: the official SDK's name for it."""
        return await self.final()

    @property
    def snapshot(self) -> ParsedChatCompletion[T]:
        """The completion as far as it was handed out, joined now; `parsed` holds plain data while it is unfinished."""
        return self._parser.snapshot(self._reader.snapshot())

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[T]:
        """The same as `snapshot`: the official SDK's name for it."""
        return self.snapshot

    def _current_builder(self) -> EventBuilder[T]:
        """The builder of the events; one that missed chunks, which another view took, would miscount."""
        if self._builder.chunks != self._reader.accumulator.chunks:
            self._builder = EventBuilder(self._reader.accumulator, self._parser)
        return self._builder

    def _parse(self) -> ParsedChatCompletion[T]:
        if self._parsed is None:
            self._parsed = self._parser.completion(self._reader.snapshot())
        return self._parsed


def cast_stream(cast: Callable[[bytes, ResponseInfo], Item], reader: ChunkReader) -> CastStream[Item]:
    """Return the stream whose chunks `cast`, of `caster_of`, makes."""
    return CastStream(reader, lambda data: cast(data, reader.info))
