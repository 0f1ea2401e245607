"""An ASGI app in this process as a transport: the whole stack without a socket, for tests and for mounting in one app.

Requests go to the app, its messages come out as responses, as it sends them. It runs no lifespan, decodes nothing, and
knows nothing of any framework.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from openai_async.errors import APIConnectionError, OpenAIError

from .loops import in_loop, owe_nothing
from .message import Request, plain_headers
from .timer import Timer

__all__ = ["ASGIApp", "ASGITransport"]

_log = logging.getLogger("openai_async")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Parts of a body that the app may be ahead of its reader; then its `send` waits.
_AHEAD = 16
# Seconds that an app has, after the reader has left, to notice; and that it may take to end what nobody reads.
_GRACE = 1.0


class ASGITransport:
    """Calls an ASGI app for each request.

        AsyncOpenAI(transport=ASGITransport(app), base_url="http://test/v1", api_key="any")

    Each request runs the app in a task of its own. When the reader leaves early the app gets `http.disconnect`, its
    `send` raises an `OSError`, and a second later it is cancelled. An exception of the app's before its response began
    is an `APIConnectionError` with the exception as its `__cause__`; after that it is a body that was cut off.

    Args:
        app: An ASGI 3 application.
        client: Host and port that the app sees as its client.
    """

    def __init__(self, app: ASGIApp, *, client: tuple[str, int] = ("127.0.0.1", 50000)) -> None:
        self._app = app
        self._client = client
        self._open: set[_Response] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called; see `Transport.closed`."""
        return self._closed

    async def send(self, request: Request, timer: Timer) -> _Response:
        """Call the app and return its response; see `Transport.send`."""
        if self._closed:
            raise OpenAIError("The client is closed; make a new one, or close it later.")
        timer.enter("first_token")
        response = _Response(request.body or b"", timer.loop, forget=self._open.discard)
        response.start(self._app, _scope(request, self._client))
        self._open.add(response)
        try:
            with timer:
                await response.began.wait()
            if not response.status:
                raise APIConnectionError(f"Connection error: the app {response.failed()}.") from response.error
        except BaseException:
            response.close()
            raise
        timer.mark("headers")
        return response

    async def aclose(self) -> None:
        """Close all responses, and wait for the app to leave those of this event loop.

        Cancelling it leaves that to the event loop.
        """
        self._closed = True
        here = asyncio._get_running_loop()  # none under trio, which had no responses
        tasks = [response.task for response in self._open if response.loop is here]
        for response in tuple(self._open):
            response.close()
        if tasks:
            await asyncio.wait(tasks)


class _Response:
    """The app's side and the reader's side of one request."""

    def __init__(self, body: bytes, loop: asyncio.AbstractEventLoop, *, forget: Callable[[_Response], None]) -> None:
        self.loop = loop
        self._forget = forget  # called when the app has left it
        self.status = 0  # 0: the response has not begun
        self.headers: dict[str, str] = {}
        self.began = asyncio.Event()  # or the app has ended without a response
        self.error: BaseException | None = None
        self.task: asyncio.Task[None]
        self._request: bytes | None = body  # None: the app has taken it
        self._parts: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
        self._whole = False  # the last part is in the queue
        self._left = False  # the reader has
        self._gone = asyncio.Event()  # the app is to be told so
        self._told = False
        self._ending: asyncio.TimerHandle | None = None  # of what the app is done to next

    def start(self, app: ASGIApp, scope: MutableMapping[str, Any]) -> None:
        """Begin the app's task."""
        self.task = self.loop.create_task(self._run(app, scope))
        owe_nothing(self.task)
        self.task.add_done_callback(self._left_by_app)

    async def _run(self, app: ASGIApp, scope: MutableMapping[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - whatever the app raises is the app's
            self.error = error
            if self._whole and not self._left:
                _log.exception("the ASGI app failed after its answer")
        finally:
            self.began.set()
            if self._parts.empty():
                self._parts.put_nowait(b"")  # wakes who reads

    # What the app calls.

    async def _receive(self) -> Message:
        if self._request is not None:
            body, self._request = self._request, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._gone.is_set() and not self._whole:
            raise OSError("the client has left")
        if kind == "http.response.start" and not self.status:
            self.headers = plain_headers(
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                for name, value in message.get("headers", ())
            )
            self.status = message["status"]
            self.began.set()
        elif kind == "http.response.body" and self.status and not self._whole:
            await self._put(bytes(message.get("body", b"")), last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"the app sent {kind!r} where that can't be")

    async def _put(self, part: bytes, *, last: bool) -> None:
        if self._left:
            await asyncio.sleep(0)  # an app that never waits must not keep the loop
        elif part:
            await self._parts.put(part)
        if last:
            self._whole = True
            self._gone.set()  # what an app receives after its answer is a disconnect
            if self._parts.empty():
                self._parts.put_nowait(b"")

    # What the reader calls.

    async def read(self) -> bytes:
        """Return the next part of the body; see `Response.read`."""
        while not self._left:
            if self._parts.empty() and self._whole:
                return b""
            if self._parts.empty() and self.task.done():
                raise APIConnectionError(f"Connection error: the app {self.failed()}.") from self.error
            if part := await self._parts.get():
                return part
        raise APIConnectionError("Connection error: the response was closed.")

    def failed(self) -> str:
        """What the app did instead of ending its answer."""
        where = "in the middle of its answer" if self.status else "before it answered"
        how = f"raised {type(self.error).__name__}" if self.error is not None else "ended"
        return f"{how} {where}"

    def release(self) -> None:
        """Let the app end on its own, and drop what it still sends; an answer that goes on is ended."""
        if not self._whole:
            self._leave(at_once=False)

    def close(self) -> None:
        """Abort; see `Response.close`. From any thread: the garbage collector's is whichever it likes."""
        in_loop(self.loop, lambda: self._leave(at_once=True))

    def _leave(self, *, at_once: bool) -> None:
        self._left = True
        if self.loop.is_closed():  # and the app's task gone with it
            self._forget(self)
            return
        while not self._parts.empty():
            self._parts.get_nowait()  # wakes an app that waits for room
        self._parts.put_nowait(b"")  # wakes who reads
        if self.task.done() or self._told:
            return
        if at_once:
            self._tell()
        elif self._ending is None:
            self._ending = self.loop.call_later(_GRACE, self._tell)

    def _tell(self) -> None:
        """Tell the app that its reader has left, and give it a time to leave as well."""
        self._told = True
        self._gone.set()
        if self._ending is not None:
            self._ending.cancel()
        self._ending = self.loop.call_later(_GRACE, self.task.cancel)

    def _left_by_app(self, _: asyncio.Task[None]) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._forget(self)


def _scope(request: Request, client: tuple[str, int]) -> dict[str, Any]:
    url = urlsplit(request.url)
    host, port = url.hostname or "", url.port
    headers = {
        "host": url.netloc,
        **request.headers,
        "accept-encoding": "identity",  # the parts of the body are handed on as they come
        "content-length": str(len(request.body or b"")),
    }
    return {
        "type": "http",
        # 2.3 promises no error from `send` after a disconnect, so that frameworks listen for it at once.
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path),
        "raw_path": url.path.encode("ascii"),
        "query_string": url.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()],
        "client": client,
        "server": (host, port or (443 if url.scheme == "https" else 80)),
    }
