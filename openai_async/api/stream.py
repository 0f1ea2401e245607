"""`ChatStream`: the pump between the socket and the chunks in your hands.

The only module that both awaits and understands: read bytes, feed the parser, decode, hand out, add to the snapshot.
Between two chunks of one read nothing is awaited. It never retries: that ended when the first token came.
"""

from __future__ import annotations

import logging
import warnings
from collections import deque
from types import TracebackType
from typing import Generic, Self, TypeVar

from openai_async.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    IncompleteStreamError,
    StreamStateError,
)
from openai_async.protocol.chunks import ChunkDecoder, Done, has_payload
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.eventtypes import StreamEvent
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import EventParser
from openai_async.transport.message import Response
from openai_async.transport.redaction import redact
from openai_async.transport.timer import Timer
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion

from .response import ResponseInfo, Timing, not_an_answer
from .views import BatchIterator, TextIterator

__all__ = ["ChatStream"]

Item = TypeVar("Item")

_log = logging.getLogger("openai_async")


class ChatStream(Generic[Item]):
    """A streamed chat completion: an async iterator of chunks, or from `stream()` of events.

    Use it with `async with`, so that the request is aborted when you leave early:

        async with client.chat.completions.create(model=…, messages=…, stream=True) as stream:
            async for chunk in stream:
                ...

    Iteration ends when the answer is complete: `[DONE]` came, or every choice has its `finish_reason`. Anything else
    raises, with all that was received in the error's `partial`. It can be iterated once, by one task at a time.

    Attributes:
        response: Status and headers of the response that carries the stream.
    """

    def __init__(
        self,
        response: Response,
        timer: Timer,
        *,
        events: bool = False,
        choices: int = 1,
        deviations: set[str] | None = None,
    ) -> None:
        self.response = ResponseInfo(response.status, response.headers)
        self._body = response
        self._timer = timer
        self._parser = EventParser()
        self._decoder = ChunkDecoder(headers=response.headers)
        self._deviations = deviations  # those that this client has logged; None: nobody wants to know
        self._accumulator = ChatCompletionAccumulator()
        self._tells_events = events
        self._builder: EventBuilder | None = None  # of the events so far; None: none yet, or chunks went without
        self._chunks: deque[ChatCompletionChunk] = deque()  # decoded, not handed out yet
        self._events: deque[StreamEvent] = deque()  # of the chunk handed out last, not handed out yet
        self._secrets: tuple[str, ...] = ()  # keys that no error may show
        self._asked = choices  # how many answers the request wanted
        self._failure: APIError | None = None  # raised once the chunks before it are handed out
        self._chunked = False  # any chunk came
        self._payload = False  # any content came
        self._done = False  # [DONE] came
        self._over = False  # nothing more is read
        self._closed = False  # because the reader left
        self._reading = False

    # Reading.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        """Return the next chunk or event.

        Cancelling it aborts the request; what was received stays in `snapshot`.

        Raises:
            APIError: The stream failed; `partial` has what was received.
            StreamStateError: Another task is reading, or the stream was closed before its end.
        """
        if not self._events:
            if not self._chunks:
                await self._more()
            if not self._tells_events:
                # Item is ChatCompletionChunk here, and StreamEvent below.
                return self._hand_out()  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - see above
            builder = self._builder or EventBuilder(self._accumulator)
            self._events.extend(builder.events(self._hand_out()))  # one event at least
            self._builder = builder
        return self._events.popleft()  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - see above

    def events(self) -> ChatStream[StreamEvent]:
        """Return the same stream, iterating events from the next chunk on."""
        self._tells_events = True
        return self  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - from here on Item is StreamEvent

    def text(self) -> TextIterator:
        """Return an iterator of the pieces of choice 0's text, empty ones left out."""
        return TextIterator(self)

    def batches(self) -> BatchIterator:
        """Return an iterator of lists of chunks, one list per socket read, none of them empty."""
        return BatchIterator(self)

    async def final(self) -> ChatCompletion:
        """Read the stream to its end and return the whole completion.

        Cancelling it aborts the request; what was received stays in `snapshot`.

        Raises:
            APIError: The stream failed, now or earlier; `partial` has what was received.
            StreamStateError: The stream was closed before its end.
        """
        while await self._has_more():
            self._hand_out()
        return self.snapshot

    async def get_final_completion(self) -> ChatCompletion:
        """Do as `final`: the official SDK's name for it."""
        return await self.final()

    async def until_done(self) -> Self:
        """Read the stream to its end and return it."""
        await self.final()
        return self

    # Looking.

    @property
    def snapshot(self) -> ChatCompletion:
        """The completion as far as it was handed out, joined now; later chunks don't change it."""
        completion = self._accumulator.completion()
        if self.response.request_id is not None:
            completion._response_id = self.response.request_id
        return completion

    @property
    def current_completion_snapshot(self) -> ChatCompletion:
        """The same as `snapshot`: the official SDK's name for it."""
        return self.snapshot

    @property
    def timing(self) -> Timing:
        """When what happened, in seconds from the call's start."""
        return Timing.of(self._timer.marks)

    def __repr__(self) -> str:
        state = "failed" if self._failure else "complete" if self._done else "closed" if self._over else "open"
        return f"<ChatStream {state} status={self.response.status} request_id={self.response.request_id!r}>"

    # Leaving.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._abort()

    async def aclose(self) -> None:
        """Close the stream; a request under way is aborted. Harmless after the end, and twice.

        Chunks that were received before can still be read.
        """
        self._abort()

    async def close(self) -> None:
        """Do as `aclose`."""
        self._abort()

    def __del__(self) -> None:
        if not getattr(self, "_over", True):
            warnings.warn(
                f"{self!r} was neither read to its end nor closed", ResourceWarning, stacklevel=2, source=self
            )
            self._abort()

    # The pump.

    async def _has_more(self) -> bool:
        """Whether a chunk can be handed out; waits for one."""
        if not self._chunks:
            try:
                await self._more()
            except StopAsyncIteration:
                return False
        return True

    async def _more(self) -> None:
        """Read until there is a chunk; where the stream is over, raise what ends the iteration."""
        if self._reading:
            raise StreamStateError("Another task is reading this stream; a stream has one reader.")
        self._reading = True
        try:
            self._timer.resume()  # time that the reader took is not the server's silence
            while not self._chunks:
                if self._over:
                    raise self._outcome()
                await self._fill()
        except StopAsyncIteration:
            raise
        except BaseException:
            self._abort()
            raise
        finally:
            self._reading = False
            self._timer.pause()

    async def _fill(self) -> None:
        """Take the bytes of one socket read, or note that there are no more."""
        data, failure = b"", None
        try:
            with self._timer:
                data = await self._body.read()
        except APIConnectionError as error:
            failure = error
        if self._over:
            return  # another task closed the stream meanwhile, and that ended the reading
        if failure is not None:
            self._end(failure)
        elif data:
            self._take(data)
        else:
            self._end(None)

    def _take(self, data: bytes) -> None:
        """Decode what the bytes complete."""
        if not self._chunked and "first_byte" not in self._timer.marks:
            self._timer.mark("first_byte")
        decode, chunks = self._decoder.decode, self._chunks
        payload = False
        try:
            for event in self._parser.feed(data):
                chunk = decode(event)
                if chunk is None:
                    continue
                if isinstance(chunk, Done):
                    self._finish()
                    break
                chunks.append(chunk)
                payload = payload or has_payload(chunk)
        except APIError as error:
            # The chunks before it are handed out first.
            self._failure = error
            self._abort()
        self._chunked = self._chunked or bool(chunks)
        if payload:
            if not self._payload:
                self._payload = True
                self._timer.mark("first_token")
            self._timer.progress()

    def _take_whole(self, chunk: ChatCompletionChunk) -> None:
        """Take a whole answer that came instead of a stream."""
        self._chunks.append(chunk)
        self._chunked = self._payload = self._done = True
        self._timer.mark("first_token")
        self._mark_over()

    def _hand_out(self) -> ChatCompletionChunk:
        """Take the next decoded chunk and add it to the snapshot."""
        chunk = self._chunks.popleft()
        # A builder that misses a chunk would miscount: whoever tells events of this one puts it back.
        self._builder = None
        try:
            self._accumulator.add(chunk)
        except APIError as error:
            self._chunks.clear()
            self._failure = error
            self._abort()
            raise self._outcome() from None
        return chunk

    def _finish(self) -> None:
        """`[DONE]` came: the iteration ends here, whatever the body still has."""
        self._done = True
        self._mark_over()
        self._body.release()

    def _end(self, error: APIConnectionError | None) -> None:
        """The body ended, cleanly or with an error. Whether that is an answer's end shows when all is handed out."""
        self._mark_over()
        if error is None:
            self._body.release()
        else:
            self._body.close()
            self._failure = error

    def _abort(self) -> None:
        """Read no more; the server sees the connection go away, unless the body was at its end."""
        if not self._over:
            self._closed = True
            self._mark_over()
            self._body.close()

    def _mark_over(self) -> None:
        self._over = True
        self._timer.mark("last")
        self._timer.stop()
        deviation = self._decoder.deviation
        if deviation is not None and self._deviations is not None and deviation not in self._deviations:
            self._deviations.add(deviation)
            _log.debug("the server deviates from the published schema, and is read all the same: %s", deviation)

    def _outcome(self) -> Exception:
        """What ends the iteration, all chunks being handed out: `StopAsyncIteration`, or why there is no answer."""
        outcome = self._ending()
        if not isinstance(outcome, APIError):
            return outcome
        if not outcome.headers:  # what is raised below this module does not know the response
            outcome.headers, outcome.request_id = dict(self.response.headers), self.response.request_id
        redact(outcome, self._secrets)
        if outcome.partial is None and self._payload:
            outcome.partial = self.snapshot
        self._failure = outcome
        return outcome

    @property
    def _all_began(self) -> bool:
        """Whether as many answers began as were asked for: after a break, one that did not would be missed by nobody.

        Where the server ends the stream in order, fewer are its decision: some ignore `n`.
        """
        return len(self._accumulator.choices) >= self._asked

    def _ending(self) -> Exception:
        """How the stream ended: the answer is whole, or it is not, and why."""
        failure = self._failure
        if failure is not None and not isinstance(failure, APIConnectionError):
            return failure
        # The body ended, cleanly or not. A connection that breaks after the last finish_reason breaks nothing.
        if self._done and not (self._accumulator.choices or self._accumulator.usage):
            body = self.snapshot.to_json(indent=None).encode() if self._chunked else b"data: [DONE]"
            return not_an_answer(self.response, body, "a stream with an answer in it")
        if self._done or (self._accumulator.finished and (failure is None or self._all_began)):
            return StopAsyncIteration()
        if failure is None and self._closed:
            return StreamStateError("The stream was closed before its end; `snapshot` has what was received.")
        if failure is None and not self._chunked:
            return not_an_answer(self.response, b"", "an event stream")
        if isinstance(failure, APITimeoutError | IncompleteStreamError):
            return failure
        how = failure.message if failure is not None else "the server closed it without an error."
        error = IncompleteStreamError(f"The stream ended before the answer did: {how}")
        error.__cause__ = failure
        return error
