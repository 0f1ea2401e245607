"""aiohttp as a transport: one session per event loop, made when it is first needed, closed with the loop.

Requests go in, responses come out, and every exception of aiohttp's and of the socket's leaves through one door
(`translation`). Only this module and its two parts, `connector` and `translation`, import aiohttp; none of them knows
what the bytes mean.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncGenerator
from io import BytesIO
from os import PathLike
from ssl import SSLContext
from weakref import WeakSet

import aiohttp
from aiohttp import ClientSession, hdrs
from multidict import CIMultiDict
from yarl import URL

from openai_async.errors import APIConnectionError, OpenAIError

from .connector import Connector, Sending, TellingConnector, UnixConnector, sending, socket_path
from .message import Request, plain_headers
from .proxy import Proxies
from .sockets import keepalive_socket
from .timer import Timer
from .translation import translate_body_error, translate_sending_error

__all__ = ["AiohttpTransport", "ClientSession"]

_log = logging.getLogger("openai_async")

# More than any one loop streams at a time in practice; aiohttp's own 100 would cap concurrency silently.
_CONNECTIONS = 1000
# Below the idle limit of common load balancers (AWS 60 s, nginx 75 s), equal to aiohttp's.
_KEEP_ALIVE = 15.0
_DNS_CACHE = 300
_LARGE_BODY = 2**20
# aiohttp's buffer of a body, in bytes. Its own 64 KiB lets a burst pile up to 240 KiB a read, which costs memory pages
# and garbage collections: 4.0 µs a chunk instead of 3.5.
_READ_BUFFER = 2**15
# What the rest of a body may cost after it became uninteresting, before the connection is given up instead.
_DRAIN_BYTES, _DRAIN_SECONDS = 256 * 1024, 1.0

# Every limit is the Timer's business.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class AiohttpTransport:
    """Sends requests through aiohttp.

    Args:
        session: A session of the user's, with its own connector, proxy and cookies, and never closed here; None:
            sessions of our own. A session of the user's tells nothing of its pool: waiting for a connection and
            opening it count toward the `first_token` limit.
        proxy: Address of an HTTP proxy for every request; None: what the environment says for the host
            (`HTTPS_PROXY`, `NO_PROXY` …), or what the user's session says.
        ssl: A context with the user's own certificates, those that the client shows included
            (`SSLContext.load_cert_chain`); None: one context for the whole process, of the system's.
        limit: Connections open at once, per event loop, 1 or more; further requests wait for one.
        uds: Path of a Unix socket to which every request goes, whatever host its address names, in plain HTTP and
            through no proxy; None: TCP.

    Raises:
        OpenAIError: `proxy` is no address of an HTTP proxy.
        TypeError: `uds` is no path.
        ValueError: `limit` is below 1, or `uds` is given together with what can't be had at once.
    """

    def __init__(
        self,
        *,
        session: ClientSession | None = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        limit: int = _CONNECTIONS,
        uds: str | PathLike[str] | None = None,
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit must be 1 connection or more, not {limit}")
        if uds is not None and not (session is None and proxy is None and ssl is None):
            raise ValueError(
                "uds= is a way of its own: it goes together with none of session=, proxy= and ssl_context="
            )
        self._given = None if session is None else _Home(session, set())
        self._uds = None if uds is None else socket_path(uds)
        direct = uds is not None or (session is not None and proxy is None)
        self._proxies = None if direct else Proxies(proxy)
        self._ssl = ssl
        self._limit = limit
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called; see `Transport.closed`."""
        return self._closed

    async def send(self, request: Request, timer: Timer) -> AiohttpResponse:
        """Send `request`; see `Transport.send`."""
        home = await self._home(timer.loop)
        url = URL(request.url, encoded=True)
        if self._uds is not None and url.scheme != "http":
            # aiohttp would send an https request in the clear.
            raise OpenAIError("A Unix socket (uds=...) speaks plain HTTP: base_url must begin with http://")
        told = Sending(timer)
        cancelled = _cancellations()
        timer.enter("first_token" if home is self._given else "pool")
        token = sending.set(told)
        try:
            with timer:
                response = await home.session.request(
                    request.method,
                    url,
                    data=_body(request.body),
                    headers=CIMultiDict(request.headers),
                    proxy=self._proxy(url),
                    allow_redirects=False,
                    raise_for_status=False,
                    timeout=_NO_TIMEOUT,
                    skip_auto_headers=_SKIPPED,
                )
        except OpenAIError:
            raise
        except asyncio.CancelledError:
            # A connector that is closed cancels whoever waits for one of its connections, and not their task.
            if _cancellations() > cancelled or not home.session.closed:
                raise
            failure: OpenAIError = APIConnectionError("Connection error: the client was closed.")
        except Exception as error:  # noqa: BLE001 - nothing foreign passes the door
            failure = translate_sending_error(error, request.url, reused=told.reused)
        else:
            timer.mark("headers")
            return AiohttpResponse(response, home, self)
        finally:
            sending.reset(token)
        # Raised out here, where no exception is being handled: a ClientResponseError knows the request's headers, the
        # key among them, and must not become the context of ours.
        raise failure

    def _proxy(self, url: URL) -> str | None:
        return None if self._proxies is None else self._proxies.choose(url.scheme, url.host or "", url.port)

    async def _home(self, loop: asyncio.AbstractEventLoop) -> _Home:
        """The sessions and responses of `loop`, made at its first request. Nothing is awaited that could wait."""
        if self._closed:
            raise OpenAIError("The client is closed; make a new one, or close it later.")
        if self._given is not None:
            if self._given.session.closed:
                raise OpenAIError("The aiohttp session that was given as session= is closed.")
            return self._given
        home = self._homes.get(loop)
        if home is None or home.session.closed:
            self._bury()
            home = self._homes[loop] = self._make_home()
            await anext(home.guard)
        return home

    def _make_home(self) -> _Home:
        drains: set[asyncio.Task[None]] = set()
        connector = self._connector(drains)
        # A jar would replay one tenant's cookies on another's request.
        session = ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            read_bufsize=_READ_BUFFER,
        )
        return _Home(session, drains)

    def _connector(self, drains: set[asyncio.Task[None]]) -> TellingConnector:
        if self._uds is not None:
            return UnixConnector(drains=drains, limit=self._limit, keepalive_timeout=_KEEP_ALIVE, path=self._uds)
        return Connector(
            drains=drains,
            limit=self._limit,
            keepalive_timeout=_KEEP_ALIVE,
            ttl_dns_cache=_DNS_CACHE,
            socket_factory=keepalive_socket,
            ssl=self._ssl if self._ssl is not None else True,
        )

    def _bury(self) -> None:
        """Close the sockets of sessions whose event loop is gone: nobody can await their closing any more."""
        for loop in [loop for loop in self._homes if loop.is_closed()]:
            self._homes.pop(loop).abandon()

    async def aclose(self) -> None:
        """Close this loop's session and the sockets of loops that are gone; a session of the user's stays open.

        What still reads from this loop's connections gets an `APIConnectionError`.
        """
        self._closed = True
        self._bury()
        if self._given is not None:
            await self._given.leave()
        home = self._homes.pop(asyncio.get_running_loop(), None)
        if home is not None:
            await home.guard.aclose()

    def __del__(self) -> None:
        # Responses hold on to their transport: here no stream is open.
        left = [home for home in getattr(self, "_homes", {}).values() if not home.session.closed]
        if left:
            warnings.warn("a client was not closed; its connections are", ResourceWarning, stacklevel=2, source=self)
        for home in left:
            home.abandon()


_SKIPPED = (hdrs.USER_AGENT, hdrs.CONTENT_TYPE, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING)


class _Home:
    """What one event loop has of a transport.

    Args:
        session: A session of ours, or the user's.
        drains: Bodies that are being read to their end, of no other interest.
    """

    def __init__(self, session: ClientSession, drains: set[asyncio.Task[None]]) -> None:
        self.session = session
        self.drains = drains
        self.responses: WeakSet[AiohttpResponse] = WeakSet()
        # Begun once the session is used: an event loop that ends in order (`asyncio.run`) closes its generators, and
        # the connections with this one, while they still can be closed without a warning.
        self.guard: AsyncGenerator[None] = _close_at_the_end(session, drains, self.responses)

    async def leave(self) -> None:
        """Close the responses, and with them their connections, but not the session."""
        await _leave(self.drains, self.responses)

    def abandon(self) -> None:
        """Close a session of ours without awaiting anything."""
        connector = self.session.connector
        if isinstance(connector, TellingConnector):
            connector.abandon()
        self.session.detach()


async def _close_at_the_end(
    session: ClientSession, drains: set[asyncio.Task[None]], responses: WeakSet[AiohttpResponse]
) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await _leave(drains, responses)
        await session.close()


async def _leave(drains: set[asyncio.Task[None]], responses: WeakSet[AiohttpResponse]) -> None:
    for response in tuple(responses):
        response.close()  # aiohttp leaves whoever reads from a closed session waiting
    ending = tuple(drains)
    for drain in ending:
        drain.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _cancellations() -> int:
    """How often the running task was cancelled, and not uncancelled."""
    task = asyncio.current_task()
    assert task is not None  # a coroutine that awaits runs in a task
    return task.cancelling()


class AiohttpResponse:
    """A response of aiohttp's as a `Response`."""

    __slots__ = ("__weakref__", "_content", "_drains", "_owner", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, home: _Home, owner: AiohttpTransport) -> None:
        self._response = response
        self._content = response.content
        self._drains = home.drains
        self._owner = owner  # keeps the connections alive, even if the client that made them is dropped
        home.responses.add(self)
        self.status: int = response.status
        self.headers: dict[str, str] = plain_headers(response.headers.items())

    async def read(self) -> bytes:
        """Return the next bytes; see `Response.read`."""
        try:
            return await self._content.readany()
        except Exception as error:
            # aiohttp raises before it hands out what it holds: the tokens that came before the connection broke,
            # perhaps the last of them and [DONE]. They go first, and the error comes with the next read.
            if self._content._buffer:
                return self._content._read_nowait(-1)
            raise translate_body_error(error) from error

    def release(self) -> None:
        """Read the rest in the background, within bounds, so that the connection can be used again."""
        if self._content.is_eof():
            self._response.release()
            return
        task = asyncio.get_running_loop().create_task(self._drain())
        self._drains.add(task)
        task.add_done_callback(self._drained)

    async def _drain(self) -> None:
        left = _DRAIN_BYTES
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while left > 0 and (data := await self._content.readany()):
                    left -= len(data)
        except Exception as error:  # noqa: BLE001 - the answer is whole; how the rest fails is of no interest
            _log.debug("the rest of a finished stream was not read: %s", error)

    def _drained(self, task: asyncio.Task[None]) -> None:
        self._drains.discard(task)
        # After the body's end this does nothing, the connection being back in the pool. Here and not in the task's
        # own `finally`: a task that is cancelled before its first step runs none.
        self._response.close()

    def close(self) -> None:
        """Abort; see `Response.close`."""
        self._response.close()


def _body(body: bytes | None) -> bytes | BytesIO | None:
    """The body as aiohttp wants it: of plain bytes above 1 MiB (an image, often) it warns."""
    return BytesIO(body) if body is not None and len(body) > _LARGE_BODY else body
