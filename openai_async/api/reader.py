"""`ChunkReader`: the pump between the socket and the chunks.

The only module that both awaits and understands: read bytes, feed the parser, decode, hand out, add to the snapshot.
Between two chunks of one read nothing is awaited. It never retries: that ended when the first token came.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable
from itertools import islice

from openai_async.errors import APIConnectionError, APIError, StreamStateError
from openai_async.protocol.chunks import ChunkDecoder, Done, has_payload
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import MAX_EVENT_SIZE, EventParser, ServerSentEvent, encode
from openai_async.transport.message import Response
from openai_async.transport.redaction import masked, redact
from openai_async.transport.timer import Timer
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion

from .deviations import Deviations
from .ending import ending_of
from .response import ResponseInfo, introduce, not_an_answer

__all__ = ["ChunkReader"]


class ChunkReader:
    """One streamed response, read chunk by chunk; every view of a `ChatStream` takes its chunks from here.

    Args:
        response: Of status 2xx, its body not read yet.
        timer: Of the call.
        choices: How many answers the request asks for (`n`).
        deviations: Told of where the stream leaves the published schema; None: nobody is.
        keep_data: Whether the data of each chunk's event is kept beside the chunk, for who decodes it otherwise.

    Attributes:
        info: Status and headers of the response.
        accumulator: What was handed out, added up.
        asked: How many answers the request asks for.
        chunked: Whether any chunk came.
        chunks: Decoded and not handed out yet.
        closed: Whether the reader left before the stream's end.
        data: The JSON of each of `chunks`; None: nobody asked.
        last_data: That of the chunk handed out last, if it is kept.
        reads: What the socket brought, read by read, that nobody has taken yet; None: nobody will.
        size: Bytes in `reads`; whoever takes them sets it back.
        wants_bytes: Whether somebody takes `reads`; else they are dropped with the first chunk.
        failure: What ended the stream wrongly, raised once the chunks before it are handed out; None: nothing did.
        payload: Whether any content came.
        done: Whether `[DONE]` came.
        over: Whether nothing more is read.
        secrets: Keys that no error may show.
    """

    __slots__ = ("__weakref__", "_body", "_decoder", "_deviations", "_parser", "_reading", "_watched",
                 "accumulator", "asked", "chunked", "chunks", "closed", "data", "done", "failure", "info", "last_data", "over", "payload",
                 "reads", "secrets", "size", "timer", "wants_bytes")  # fmt: skip

    def __init__(
        self,
        response: Response,
        timer: Timer,
        *,
        choices: int = 1,
        deviations: Deviations | None = None,
        keep_data: bool = False,
    ) -> None:
        self.info: ResponseInfo = ResponseInfo.of(response, timer)
        self.timer: Timer = timer
        self.accumulator: ChatCompletionAccumulator = ChatCompletionAccumulator()
        self.asked: int = choices
        self.chunks: deque[ChatCompletionChunk] = deque()
        self.closed: bool = False
        self.data: deque[bytes] | None = deque() if keep_data else None
        self.last_data: bytes = b""
        self.reads: list[bytes] | None = []
        self.size: int = 0
        self.wants_bytes: bool = False
        self.failure: APIError | None = None
        self.chunked: bool = False
        self.payload: bool = False
        self.done: bool = False
        self.over: bool = False
        self.secrets: Iterable[str] = ()
        self._body = response
        self._parser = EventParser()
        self._decoder = ChunkDecoder(headers=response.headers)
        self._deviations = deviations
        self._watched = True  # a chunk handed out has more to it than the chunk
        self._reading = False

    # For the views: what each of them does with a chunk is its own business.

    async def more(self) -> None:
        """Read until there is a chunk to hand out.

        Cancelling it aborts the request.

        Raises:
            StopAsyncIteration: The stream is complete.
            APIError: It failed; `partial` has what was received.
            StreamStateError: Another task is reading, or the stream was closed before its end.
        """
        if self._reading:
            raise StreamStateError("Another task is reading this stream; a stream has one reader.")
        if not self.over:
            self.timer.resume()  # time that the user took is not the server's silence
        self._reading = True
        try:
            while not self.chunks:
                if self.over:
                    raise self.outcome()
                # What `fill` does, without awaiting it: a coroutine less is 5 % of a read, and 1 KB of an open stream.
                data, failure = b"", None
                try:
                    with self.timer:
                        data = await self._body.read()
                except APIConnectionError as error:
                    failure = error
                if data and not self.over:
                    self.take(data)
                else:
                    self._note_end(failure)
                del data, failure  # what is raised here holds this frame, and the server may have sent keys back
        except BaseException:
            self.abort()  # nothing, where the stream is over
            raise
        finally:
            self._reading = False
            self.timer.pause()

    def hand_out(self) -> ChatCompletionChunk:
        """Take the next decoded chunk, of which there is one, and add it to the snapshot.

        Raises:
            StreamProtocolError: The chunk names an impossible choice or call; the stream ends here.
        """
        chunk = self.chunks.popleft()
        if self._watched:
            self._pair()
        try:
            self.accumulator.add(chunk)
        except APIError as error:
            self.chunks.clear()
            self.failure = error
            self.abort()
            raise self.outcome() from None
        return chunk

    def _pair(self) -> None:
        """Take the data of the chunk handed out, if it is kept, and drop the bytes that nobody wants."""
        if self.data is not None:
            self.last_data = self.data.popleft()
        if not self.wants_bytes:
            self.reads = None
        self._watched = self.data is not None

    def keep_data(self, waiting: Iterable[bytes]) -> None:
        """Keep the JSON of each chunk, too; `waiting` is that of those in `chunks`."""
        self.data, self._watched = deque(waiting), True

    async def drain(self) -> None:
        """Hand out everything up to the stream's end; cancels and raises as `more`, but for `StopAsyncIteration`."""
        while True:
            if not self.chunks:
                try:
                    await self.more()
                except StopAsyncIteration:
                    return
            self.hand_out()

    def snapshot(self) -> ChatCompletion:
        """Return the completion as far as it was handed out; later chunks don't change it."""
        completion = self.accumulator.completion()
        if self.info.request_id is not None:
            completion._response_id = self.info.request_id
        return completion

    def abort(self) -> None:
        """Read no more; the server sees the connection go away, unless the body was at its end."""
        if not self.over:
            self.closed = True
            self._mark_over()
            self._body.close()

    def __repr__(self) -> str:
        state = "failed" if self.failure else "complete" if self.done else "closed" if self.over else "open"
        request = masked(f"request_id={self.info.request_id!r}", self.secrets)
        return f"<ChatStream {state} status={self.info.status} {request}>"

    def __del__(self) -> None:
        if not getattr(self, "over", True):
            told = f"{self!r} was neither read to its end nor closed"
            warnings.warn(told, ResourceWarning, stacklevel=2, source=self)
            self.abort()

    # The pump.

    async def fill(self) -> None:
        """Take the bytes of one socket read, or note that there are no more.

        Cancelling it loses nothing. A limit that passed is the stream's end like any other, and `outcome` has it.
        """
        data, failure = b"", None
        try:
            with self.timer:
                data = await self._body.read()
        except APIConnectionError as error:
            failure = error
        if data and not self.over:
            self.take(data)
        else:
            self._note_end(failure)

    def take(self, data: bytes) -> None:
        """Decode what the bytes complete."""
        if not self.chunked and "first_byte" not in self.timer.marks:
            self.timer.mark("first_byte")
        if self.reads is not None:
            self.reads.append(data)
            self.size += len(data)
        before = len(self.chunks)
        try:
            self._decode(data)
        except APIError as error:
            # The chunks before it are handed out first.
            self.failure = error
            self.abort()
        self.chunked = self.chunked or bool(self.chunks)
        if any(map(has_payload, islice(self.chunks, before, None) if before else self.chunks)):
            if not self.payload:
                self.payload = True
                self.timer.mark("first_token")
            self.timer.progress()
        elif self.reads and self.size - self._parser.pending > MAX_EVENT_SIZE and not self.over:
            # All of it is held, for who wants the bytes.
            self.failure = not_an_answer(self.info, self.reads[0], "content after 16 MiB of events without")
            self.abort()

    def _decode(self, data: bytes) -> None:
        """Append what the bytes complete to `chunks`: all at once where the events are plain, else one by one."""
        parser, decoder, chunks, kept = self._parser, self._decoder, self.chunks, self.data
        blocks = parser.complete(data)
        lines = parser.plain(blocks)
        if lines is None:
            events = parser.events(blocks)
        else:
            plain = decoder.decode_plain(lines)
            chunks.extend(plain)
            if kept is not None:
                kept.extend(lines[: len(plain)])
            events = list(map(ServerSentEvent, lines[len(plain) :]))
        for event in events:
            chunk = decoder.decode(event)
            if isinstance(chunk, Done):
                self._finish()
                return
            if chunk is not None:
                chunks.append(chunk)
                if kept is not None:
                    kept.append(event.data)
        if parser.failure is not None:
            raise parser.failure

    def take_whole(self, chunk: ChatCompletionChunk, body: bytes) -> None:
        """Take a whole answer that came instead of a stream, and the body that says it."""
        self.chunks.append(chunk)
        if self.data is not None:
            self.data.append(body)
        if self.reads is not None:  # for who wants an event stream's bytes, it becomes one
            said = chunk.to_json(indent=None).encode()
            self.reads += (encode(ServerSentEvent(said)), encode(ServerSentEvent(b"[DONE]")))
        self.chunked = self.payload = self.done = True
        self.timer.mark("first_token")
        self._mark_over()

    def _finish(self) -> None:
        """`[DONE]` came: the iteration ends here, whatever the body still has."""
        self.done = True
        self._mark_over()
        self._body.release()

    def _note_end(self, error: APIConnectionError | None) -> None:
        """The body ended, cleanly or with an error. Whether that is an answer's end shows when all is handed out."""
        if self.over:
            return  # another task closed the stream meanwhile, and that ended the reading
        self._mark_over()
        self.failure = error
        if error is None:
            self._body.release()
        else:
            self._body.close()

    def _mark_over(self) -> None:
        self.over = True
        self.timer.mark("last")
        self.timer.stop()
        if self._deviations is not None:
            self._deviations.note(self._decoder.deviation)

    # The end.

    def outcome(self) -> Exception:
        """What ends the iteration, all chunks being handed out: `StopAsyncIteration`, or why there is no answer."""
        outcome = ending_of(self, self.accumulator)
        if not isinstance(outcome, APIError):
            return outcome
        introduce(outcome, self.info)
        redact(outcome, self.secrets)
        if outcome.partial is None and self.payload:
            outcome.partial = self.snapshot()
            outcome.partial._response_id = outcome.request_id  # a key was taken out of it
        self.failure = outcome
        return outcome
