"""`EventStream`: sse-starlette's response, with an end that loses nothing; and the two responses that lead to one.

A body of bytes comes in; ASGI messages go out until it ends, the reader leaves or does not read, or the server stops.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio

try:
    from sse_starlette import EventSourceResponse
    from sse_starlette.sse import AppStatus
    from starlette.responses import Response
except ImportError as _error:
    raise ImportError(
        "event streams under Starlette and FastAPI need sse-starlette: pip install 'openai-async-sdk[server]'"
    ) from _error

from openai_async.errors import OpenAIError

from .direct import DirectRelay
from .following import Following
from .refusal import Refusal
from .sse import PING
from .watcher import until

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.types import Receive, Scope, Send

__all__ = ["DirectResponse", "EventStream", "SubscriptionResponse", "stopping", "unless_gone"]


def stopping() -> bool:
    """Whether this process's uvicorn was told to stop.

    `AppStatus.should_exit` is for gunicorn, whose signals are its own. Alone it won't do: it is set by the first signal,
    for all later servers of the process.
    """
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", AppStatus.should_exit))


class EventStream(EventSourceResponse):
    """sse-starlette's response, with an end that loses nothing.

    Overridden are two private methods; a test fails when they are no longer called. Its own watch for shutdowns is left
    out: it cuts the body off, polls in a task that outlives the server, and follows a flag that is never reset.

    Args:
        body: Bytes, sent verbatim; no clean-up waits in it.
        ping: Seconds; 0: none.
        send_timeout: Seconds.
        patience: Seconds from the server's stop until the body is ended.
        grace: Seconds that the farewell has.
        farewell: Sent then.
        headers: Further ones; None: none.
    """

    def __init__(
        self,
        body: AsyncIterable[bytes],
        *,
        ping: float,
        send_timeout: float,
        patience: float,
        grace: float,
        farewell: bytes,
        headers: Mapping[str, str] | None,
    ) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - its `content` may be of dicts of anything
            body,
            ping=ping,
            sep="\n",
            ping_message_factory=lambda: PING,  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType] - bytes are sent as they are
            send_timeout=send_timeout or None,  # of pings
            data_sender_callable=self._watch_sends if send_timeout else None,
            headers=headers,
        )
        self._body = body
        self._limit = send_timeout
        self._since: float | None = None  # when the send under way began; None: none is
        self._patience = patience
        self._grace = grace
        self._farewell = farewell
        self._sending: anyio.CancelScope

    async def _stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with self._sending:
            async for data in self._body:
                await self._deliver(send, data)
        if self._sending.cancelled_caught:
            await self._deliver(send, self._farewell)
        async with self._send_lock:
            self.active = False
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver(self, send: Send, data: bytes) -> None:
        self._since = monotonic()
        await send({"type": "http.response.body", "body": data, "more_body": True})
        self._since = None

    async def _watch_sends(self) -> None:
        """Raise a `TimeoutError` once the reader does not read: a limit for each send would cost as much as the send."""
        await until(self._stalled)
        raise TimeoutError

    def _stalled(self) -> bool:
        return self._since is not None and monotonic() - self._since > self._limit

    async def _listen_for_exit_signal_with_grace(self) -> None:
        await until(stopping)
        await anyio.sleep(self._patience)
        self._sending.cancel()
        await anyio.sleep(self._grace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; a reader that does not read is dropped."""
        self._sending = anyio.CancelScope()  # here: a response may be made in a thread, by a plain `def` of FastAPI
        try:
            await super().__call__(scope, receive, send)
        except TimeoutError:
            # The reader does not read. Closing in order would wait for it, too; uvicorn shows the transport only here.
            transport = getattr(getattr(receive, "__self__", None), "transport", None)
            if transport is not None:
                transport.abort()


class SubscriptionResponse(Response):
    """A subscription as a response: by status where it can't begin, else as events.

    Args:
        body: Not begun.
        stream: Of the body.
    """

    def __init__(self, body: Following, stream: EventStream) -> None:
        self._body = body
        self._stream = stream
        self.background: BackgroundTask | None = None  # FastAPI puts its tasks here
        self.status_code: int = stream.status_code
        self.raw_headers: list[tuple[bytes, bytes]] = stream.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        try:
            try:
                await self._body.begin()
            except OpenAIError as error:
                await _refuse(error)(scope, receive, send)
                return
            await self._stream(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._body.close()
        if self.background is not None:
            await self.background()


class DirectResponse(Response):
    """A direct relay as a response: by status what fails before the first token, else as events.

    Args:
        relay: Not started.
        stream: Of its `EventBody`.
        hold: Seconds that the head waits for the first token; None: as long as that takes.
    """

    def __init__(self, relay: DirectRelay, stream: EventStream, *, hold: float | None) -> None:
        self._relay = relay
        self._stream = stream
        self._hold = hold
        self.background: BackgroundTask | None = None  # FastAPI puts its tasks here
        self.status_code: int = stream.status_code
        self.raw_headers: list[tuple[bytes, bytes]] = stream.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the request to the model's server, and the response to the browser."""
        relay = self._relay
        if scope["type"] == "http" and scope["method"] == "HEAD":
            relay.drop()
            await self._stream(scope, receive, send)
            return
        relay.start()
        try:
            if not await unless_gone(relay.begun, receive, self._hold):
                return
            if (refused := relay.refused) is not None:
                await _refuse(refused)(scope, receive, send)
            else:
                await self._stream(scope, receive, send)
        finally:
            await relay.leave()
        if self.background is not None:
            await self.background()


async def unless_gone(wait: Callable[[], Awaitable[None]], receive: Receive, seconds: float | None) -> bool:
    """Wait for something, for so many seconds at most; False: the browser has left."""
    gone = False
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            nonlocal gone
            while (await receive())["type"] != "http.disconnect":
                pass
            gone = True
            group.cancel_scope.cancel()

        group.start_soon(watch)
        with anyio.move_on_after(seconds):
            await wait()
        group.cancel_scope.cancel()
    return not gone


def _refuse(error: OpenAIError) -> Response:
    refusal = Refusal.of(error)
    return Response(refusal.body, refusal.status, headers=refusal.headers, media_type="application/json")
