"""`DirectRelay`: one answer for one reader, from the server's socket to the browser's, without a hub between them.

A call that was not sent comes in; the bytes or payloads of its stream go out, as they came. It decides what becomes of
the answer when the reader leaves, and tells at the end what the whole answer was. It knows no web framework.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeAlias

import anyio

from openai_async.errors import OpenAIError, StreamStateError

from .refusal import Refusal
from .sse import DONE, error_event

__all__ = ["DirectRelay", "EventBody", "OnDisconnect", "OnEnd", "Streaming"]

_log = logging.getLogger("openai_async")

OnDisconnect: TypeAlias = Literal["cancel", "drain", "detach"]
"""What becomes of the answer when the reader leaves before its end.

* `"cancel"`: the request to the model's server is aborted, before the first token as well.
* `"drain"`: the answer is read to its end for `on_end`; the browser's request counts as under way until then.
* `"detach"`: likewise, in a task of its own; the browser's request is over.
"""

OnEnd: TypeAlias = Callable[[Any, OpenAIError | None], Awaitable[object] | object]
"""Called once with the completion, whole or as far as it came (None: nothing came), and what ended it (None: it is
complete). It may be a coroutine function. What it raises is logged."""

# Bytes that the reader may be behind before the server has to wait, too.
_AHEAD = 1 << 20
# Seconds that `on_end` has where the task is being cancelled.
_GRACE = 5.0

_detached: set[asyncio.Task[None]] = set()  # the event loop itself keeps no task alive


class RelayableStream(Protocol):
    """What is needed of a `ChatStream`."""

    def raw(self) -> AsyncIterator[bytes]:
        """Return the stream's bytes, in pieces of whole events."""
        ...

    def payloads(self) -> AsyncIterator[list[bytes]]:
        """Return the events' JSON, as bytes, by socket read."""
        ...

    @property
    def snapshot(self) -> Any:
        """The completion so far."""
        ...


Streaming: TypeAlias = AbstractAsyncContextManager[RelayableStream]
"""A call that gives a stream, not sent yet: `client.chat.completions.create(stream=True, ...)`, not awaited."""


class DirectRelay:
    """Reads one answer for one reader.

    Args:
        call: Sent by `start`, once.
        on_disconnect: See `OnDisconnect`.
        on_end: See `OnEnd`; None: nobody asks.
        payloads: Whether JSON payloads are handed out, one an event, instead of pieces of the event stream.

    Attributes:
        refused: Why there is no stream at all; None: there is one, or nobody knows yet.
        failure: What ended the stream wrongly; None: nothing did so far.

    Raises:
        TypeError: `call` can't be entered: it was awaited already, for instance.
        ValueError: `on_disconnect` is none of the three.
    """

    def __init__(
        self,
        call: Streaming,
        *,
        on_disconnect: OnDisconnect = "cancel",
        on_end: OnEnd | None = None,
        payloads: bool = False,
    ) -> None:
        if on_disconnect not in ("cancel", "drain", "detach"):
            raise ValueError(f'on_disconnect is "cancel", "drain" or "detach", not {on_disconnect!r}')
        if not hasattr(call, "__aenter__") or hasattr(call, "__anext__"):
            raise TypeError(
                "a relay takes the call itself, as create(stream=True) returns it: don't await it, it is sent when the "
                f"response begins; this is a {type(call).__name__}"
            )
        self._call = call
        self._policy: OnDisconnect = on_disconnect
        self._on_end = on_end
        self._payloads = payloads
        self.refused: OpenAIError | None = None
        self.failure: OpenAIError | None = None
        self._fault: Exception | None = None  # not one of ours: a bug, for the log of whoever runs the response
        self._stream: RelayableStream | None = None
        self._begun = asyncio.Event()  # there is a stream, or there never will be one
        self._news = asyncio.Event()  # something is ready, or nothing more will be
        self._room = asyncio.Event()
        self._ready: list[bytes] = []
        self._size = 0
        self._over = False
        self._left = False  # the reader has
        self._task: asyncio.Task[None] | None = None

    # The reader's side.

    def start(self) -> None:
        """Send the request; what comes is kept until it is taken."""
        self._task = asyncio.create_task(self._run(), name="relay")

    def drop(self) -> None:
        """Never send it: nobody wants the answer's body."""
        close = getattr(self._call, "close", None)  # a `Call` warns when it was never used
        if close is not None and not inspect.iscoroutinefunction(close):
            close()

    @property
    def over(self) -> bool:
        """Whether nothing more comes from the server; some may still be ready."""
        return self._over

    async def begun(self) -> None:
        """Wait until there is a stream, or `refused`; cancelling it loses nothing."""
        await self._begun.wait()

    async def take(self) -> list[bytes]:
        """Return all that came since the last call; empty: the stream is over, and `failure` says how.

        Cancelling it loses nothing.
        """
        while not self._ready and not self._over:
            self._news.clear()
            await self._news.wait()
        ready, self._ready, self._size = self._ready, [], 0
        self._room.set()
        return ready

    def stop(self) -> None:
        """Abort the request, as a reader's stop button does; what came is still handed out."""
        if self._task is not None and not self._over:
            self._task.cancel()

    async def leave(self) -> None:
        """Let the reader go: before the answer's end, do as the policy says; then wait for `on_end`.

        Cancelling it aborts the request.

        Raises:
            Exception: Whatever the call raised that is no error of this package; it belongs into a log.
        """
        task = self._task
        if task is None:
            return
        self._left = True
        self._ready, self._size = [], 0
        self._room.set()
        if self._policy == "detach" and not task.done():
            _detached.add(task)
            task.add_done_callback(_detached.discard)
            return
        if self._policy == "cancel" and not self._over:
            task.cancel()
        try:
            # A web framework's cancel scope is what told of the reader's leaving; the task's own cancellation gets in.
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        except BaseException:
            task.cancel()
            raise
        if self._fault is not None:
            raise self._fault

    # The server's side.

    async def _run(self) -> None:
        try:
            async with self._call as stream:
                self._stream = stream
                self._begun.set()
                await self._pump(stream)
        except OpenAIError as error:
            self.failure = error
        except asyncio.CancelledError:
            self.failure = StreamStateError("The answer was stopped before its end: its reader left, or asked for it.")
            raise
        except Exception as error:  # noqa: BLE001 - raised by `leave`, where the framework logs it
            self._fault = error
            self.failure = OpenAIError(f"The call failed: {type(error).__name__}")
        finally:
            if self._stream is None:
                self.refused = self.failure
            self._over = True
            self._begun.set()
            self._news.set()
            with anyio.move_on_after(_GRACE if isinstance(self.failure, StreamStateError) else None, shield=True):
                await self._tell()

    async def _pump(self, stream: RelayableStream) -> None:
        if self._payloads:
            async for payloads in stream.payloads():
                await self._put(payloads)
        else:
            async for piece in stream.raw():
                await self._put([piece])

    async def _put(self, pieces: list[bytes]) -> None:
        if self._left:
            return
        self._ready += pieces
        self._size += sum(map(len, pieces))
        self._news.set()
        while self._size > _AHEAD:
            self._room.clear()
            await self._room.wait()

    async def _tell(self) -> None:
        if self._on_end is None:
            return
        completion = self._stream.snapshot if self._stream is not None else None
        if not getattr(completion, "choices", None):
            completion = None
        try:
            told = self._on_end(completion, self.failure)
            if inspect.isawaitable(told):
                await told
        except Exception:  # noqa: BLE001 - the user's code; the answer is out already
            _log.exception("on_end of a relay failed")


class EventBody:
    """A direct relay as the body of an event stream: pieces as they came, then the error or `[DONE]`."""

    def __init__(self, relay: DirectRelay) -> None:
        self._relay = relay
        self._tail = b""  # of what was sent last
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return all events that came meanwhile; cancelling it loses nothing.

        Raises:
            StopAsyncIteration: All is said, an error included.
        """
        if self._ended:
            raise StopAsyncIteration
        if pieces := await self._relay.take():
            data = b"".join(pieces)
            self._tail = data[-32:]
            return data
        self._ended = True
        failure = self._relay.failure
        if failure is not None:
            return error_event(Refusal.of(failure).error)
        if self._tail.rstrip().endswith(b"[DONE]"):
            raise StopAsyncIteration
        return DONE  # the server ended without: clients of ours wait for it
