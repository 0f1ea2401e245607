"""`follow`: a request that is sent under the eyes of hooks, and its response, which tells of its own end.

What sends a request comes in; its answer goes out, and hooks learn of every step. A stream tells of its end itself: when
its last byte is here, when it is closed, when it is dropped. Reading a chunk costs nothing more than without hooks.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import ReferenceType, ref

from msgspec import structs

from openai_async.errors import APIError, OpenAIError
from openai_async.hooks.hook import Hooks
from openai_async.hooks.records import Outcome
from openai_async.protocol import codec
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.transport.message import Response
from openai_async.transport.timer import Timer
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion

from .ending import ending_of
from .findings import Findings, joined
from .reader import ChunkReader
from .request import Plan
from .streamed import StreamedResponse
from .timed import TimedReader
from .watch import Watch, outcome_of

__all__ = ["WatchedResponse", "follow"]

T = TypeVar("T")


class _Send(Protocol):
    def __call__(
        self, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]], watch: Watch, /
    ) -> Coroutine[Any, Any, T]: ...


async def follow(hooks: Hooks, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]], send: _Send) -> T:
    """Send a request and tell the hooks of it; cancels and raises as `send` does."""
    watch = Watch(hooks, plan)
    if watch.headers:
        plan = structs.replace(plan, headers={**plan.headers, **watch.headers})
    try:
        return await send(plan, partial(_accept, watch, accept), watch)
    except BaseException as error:
        watch.end_by(error)
        raise


async def _accept(
    watch: Watch, accept: Callable[[Response, Timer], Awaitable[T]], response: Response, timer: Timer
) -> T:
    watch.accepts(response)
    watched = WatchedResponse(response, watch)
    try:
        answer = await accept(watched, timer)
    except OpenAIError as error:
        if not isinstance(error, APIError):
            watch.answered(response, timer)  # and what the answer says can't be parsed
            watched.fail(error)
        raise
    watch.answered(response, timer)
    if isinstance(answer, ChunkReader):
        watch.first_token(timer)
    watched.hand_over(answer)
    return answer


class WatchedResponse:
    """A response that says when it is over.

    Args:
        response: Whose bytes go through untouched.
        watch: Told of the end.
    """

    def __init__(self, response: Response, watch: Watch) -> None:
        self._response = response
        self._watch = watch
        self._over = False
        self._accepted = False
        self._stream: _Stream | None = None
        self._unread: ReferenceType[Any] | None = None
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        # A plain answer is kept until it is read: one of the user's own type says nothing of its usage.
        self._body = _Body(response, keeps=watch.creates and not watch.stream)
        # Else the method itself: nothing stands between the socket and a stream's reader.
        self.read: Any = response.read if watch.stream else self._body.read

    def hand_over(self, answer: Any) -> None:
        """Note the answer that was made of the response; if its body is still to come, the end comes with it."""
        self._accepted = True
        if isinstance(answer, ChunkReader):
            self.read, self._stream = self._response.read, _Stream(answer)
            if isinstance(answer, TimedReader):
                answer.listen(self._watch.content)
            self._body.pieces.clear()
            if self._over:
                self._watch_stream(self._stream)
        elif isinstance(answer, StreamedResponse):
            self.read, self._unread = self._body.read, ref[Any](answer)
            if answer._open is not None:
                answer._open = partial(self._open, answer._open)
        else:
            self._watch_body()

    def fail(self, error: OpenAIError) -> None:
        """Note that the answer, which is here, is none for its user."""
        self._watch_body(error)

    async def _open(
        self, open: Callable[[Response, Timer], Awaitable[ChunkReader]], response: Response, timer: Timer
    ) -> ChunkReader:
        """Open the stream of a response whose head the user has had; cancels and raises as `open` does."""
        self._accepted = False
        try:
            reader = await open(response, timer)
        except BaseException as error:
            self._watch.end_by(error)
            raise
        self._watch.first_token(timer)
        self.hand_over(reader)
        return reader

    def release(self) -> None:
        """Release the response; see `Response.release`."""
        self._response.release()
        self._end(whole=True)

    def close(self) -> None:
        """Close the response; see `Response.close`."""
        self._response.close()
        self._end(whole=False)

    def _end(self, *, whole: bool) -> None:
        self._over = True
        if not self._accepted:
            return
        unread: StreamedResponse[Any] | None = self._unread() if self._unread is not None else None
        if self._stream is not None:
            self._watch_stream(self._stream)
        elif whole:
            self._watch_body()
        elif unread is None:
            self._watch.end("left", collected=True)
        elif unread._failure is not None:
            self._watch.end("error", unread._failure)
        else:
            self._watch.end(_leaving())

    def _watch_stream(self, stream: _Stream) -> None:
        """Tell how a stream ended. Chunks that were not handed out yet count as well: they are here."""
        accumulator, waiting = stream.accumulator, tuple(stream.chunks)
        found = Findings.of_stream(accumulator, waiting)
        completion = partial(joined, accumulator, waiting, accumulator.chunks)
        reader = stream.reader()
        if reader is None:
            whole = found.finished and found.failure is None
            self._watch.end("done" if whole else "left", None, found, completion, collected=True)
            return
        ending = ending_of(reader, found)
        if found.failure is not None and isinstance(ending, StopAsyncIteration):
            ending = found.failure  # it is whole, and can't be handed out as a whole
        if isinstance(ending, APIError):
            self._watch.end("error", ending, found, completion)
        else:
            outcome: Outcome = "done" if isinstance(ending, StopAsyncIteration) else _leaving()
            self._watch.end(outcome, None, found, completion)

    def _watch_body(self, error: OpenAIError | None = None) -> None:
        """Tell that a plain answer is here, whatever was made of it; what the user has of it is not touched."""
        body = b"".join(self._body.pieces)
        self._body.pieces.clear()
        completion, outcome = _decoded(body), outcome_of(error) if error else "done"
        if completion is None:
            self._watch.end(outcome, error)
        else:
            self._watch.end(outcome, error, Findings.of_completion(completion), partial(_decoded, body))


class _Body:
    """The body of a response, read.

    Args:
        response: Whose body it is.
        keeps: Whether what comes is kept.

    Attributes:
        pieces: What came, if it is kept.
    """

    def __init__(self, response: Response, *, keeps: bool) -> None:
        self._response = response
        self._keeps = keeps
        self.pieces: list[bytes] = []

    async def read(self) -> bytes:
        """Return the next bytes; see `Response.read`."""
        data = await self._response.read()
        if self._keeps:
            self.pieces.append(data)
        return data


class _Stream:
    """What is needed of a reader when its stream ends.

    The reader itself is held weakly: it holds the response, and has to go when the user drops it.
    """

    def __init__(self, reader: ChunkReader) -> None:
        self.reader: ReferenceType[ChunkReader] = ref(reader)
        self.accumulator: ChatCompletionAccumulator = reader.accumulator
        self.chunks: deque[ChatCompletionChunk] = reader.chunks


def _leaving() -> Outcome:
    """What closes a response before its end: a cancellation, if one is under way here, else whoever reads it."""
    return "cancelled" if isinstance(sys.exception(), asyncio.CancelledError) else "left"


def _decoded(body: bytes) -> ChatCompletion | None:
    try:
        return codec.decode(body, ChatCompletion) if body else None
    except ValueError:
        return None
