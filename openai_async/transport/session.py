"""aiohttp as a transport: one session per event loop, made when it is first needed.

Requests go in, responses come out, and every exception of aiohttp's and of the socket's is translated at one door.
This is the only module that imports aiohttp; nothing here knows what the bytes mean.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from ssl import SSLContext, SSLError
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from openai_async.errors import APIConnectionError, APIResponseValidationError, OpenAIError

from .message import Request, StaleConnectionError
from .timer import Timer

__all__ = ["AiohttpTransport"]

_log = logging.getLogger("openai_async")

# More than any one loop streams at a time in practice; aiohttp's own 100 would cap concurrency silently.
_CONNECTIONS = 1000
# Below the idle limit of common load balancers (AWS 60 s, nginx 75 s), equal to aiohttp's.
_KEEP_ALIVE = 15.0
_DNS_CACHE = 300
# What the rest of a body may cost after it became uninteresting, before the connection is given up instead.
_DRAIN_BYTES, _DRAIN_SECONDS = 256 * 1024, 1.0
_POOL_WARNING = 1.0
# How long a request waits for such a rest, in seconds, before it opens a connection of its own.
_DRAIN_WAIT = 0.005

# Every limit is the Timer's business.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class AiohttpTransport:
    """Sends requests through aiohttp.

    Args:
        session: A session of the user's, used as it is and never closed here; None: sessions of our own.
        proxy: Address of an HTTP proxy for every request; None: what the environment says for the host
            (`HTTPS_PROXY`, `NO_PROXY` …).
        ssl: A context with the user's own certificates; None: one context for the whole process, of the system's.
        limit: Connections open at once, per event loop; further requests wait for one.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        limit: int = _CONNECTIONS,
    ) -> None:
        self._given = session
        self._proxy = proxy
        self._ssl = ssl
        self._limit = limit
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._proxies: dict[str, str | None] = {}
        self.drains: set[asyncio.Task[None]] = set()  # bodies being read to their end, of no other interest

    async def send(self, request: Request, timer: Timer) -> AiohttpResponse:
        """Send `request`; see `Transport.send`."""
        session = self._session(timer.loop)
        url = URL(request.url, encoded=True)
        sending = _Sending(timer)
        token = _current.set(sending)
        timer.enter("pool")
        try:
            with _translated(request.url, sending), timer:
                response = await session.request(
                    request.method,
                    url,
                    data=request.body,
                    headers=CIMultiDict(request.headers),
                    proxy=self._proxy or self._environment_proxy(url),
                    allow_redirects=False,
                    timeout=_NO_TIMEOUT,
                    skip_auto_headers=_SKIPPED,
                )
        finally:
            _current.reset(token)
        timer.mark("headers")
        return AiohttpResponse(response, self)

    def _session(self, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        session = self._sessions.get(loop)
        if session is None or session.closed:
            self._bury()
            session = self._sessions[loop] = self._make_session()
        return session

    def _make_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                limit=self._limit,
                keepalive_timeout=_KEEP_ALIVE,
                ttl_dns_cache=_DNS_CACHE,
                socket_factory=_keepalive_socket,
                ssl=self._ssl if self._ssl is not None else True,
                drains=self.drains,
            ),
            # A jar would replay one tenant's cookies on another's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )

    def _environment_proxy(self, url: URL) -> str | None:
        # Looked up once a host: aiohttp's trust_env asks netrc and the environment in a thread, at every request.
        key = f"{url.scheme}://{url.host}"
        if key not in self._proxies:
            address = getproxies().get(url.scheme)
            self._proxies[key] = None if address is None or proxy_bypass(url.host or "") else address
        return self._proxies[key]

    def _bury(self) -> None:
        """Close the sockets of sessions whose event loop is gone: nobody can await their closing any more."""
        for loop in [loop for loop in self._sessions if loop.is_closed()]:
            _abandon(self._sessions.pop(loop))

    def __del__(self) -> None:
        # Responses hold on to their transport: here no stream is open.
        left = [session for session in getattr(self, "_sessions", {}).values() if not session.closed]
        if left:
            warnings.warn("a client was not closed; its connections are", ResourceWarning, stacklevel=2, source=self)
        for session in left:
            _abandon(session)

    async def aclose(self) -> None:
        """Close this loop's session and the sockets of loops that are gone; a session of the user's stays open."""
        self._bury()
        drains = tuple(self.drains)
        for drain in drains:
            drain.cancel()
        await asyncio.gather(*drains, return_exceptions=True)
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()


_SKIPPED = (hdrs.USER_AGENT, hdrs.CONTENT_TYPE, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING)


class AiohttpResponse:
    """A response of aiohttp's as a `Response`."""

    __slots__ = ("_content", "_owner", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, owner: AiohttpTransport) -> None:
        self._response = response
        self._content = response.content
        self._owner = owner  # keeps the connections alive, even if the client that made them is dropped
        self.status = response.status
        self.headers = _plain_headers(response.headers)

    async def read(self) -> bytes:
        """Return the next bytes; see `Response.read`."""
        try:
            return await self._content.readany()
        except Exception as error:
            raise _cut_off(error) from error

    def release(self) -> None:
        """Read the rest in the background, within bounds, so that the connection can be used again."""
        if self._content.is_eof():
            self._response.release()
            return
        task = asyncio.get_running_loop().create_task(self._drain())
        self._owner.drains.add(task)
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
        self._owner.drains.discard(task)
        # After the body's end this does nothing, the connection being back in the pool. Here and not in the task's
        # own `finally`: a task that is cancelled before its first step runs none.
        self._response.close()

    def close(self) -> None:
        """Abort; see `Response.close`."""
        self._response.close()


class _Sending:
    """What the connector tells of one request, found by it through a context variable: aiohttp passes nothing on."""

    __slots__ = ("reused", "timer")

    def __init__(self, timer: Timer) -> None:
        self.timer = timer
        self.reused = False


_current: ContextVar[_Sending | None] = ContextVar("_current", default=None)


class _Connector(aiohttp.TCPConnector):
    """aiohttp's connector, telling the timer when a request leaves the pool's queue and when it is connected.

    Args:
        drains: Connections that will be free when these tasks end.
        options: As for `aiohttp.TCPConnector`.
    """

    def __init__(self, *, drains: set[asyncio.Task[None]], **options: Any) -> None:
        super().__init__(**options)
        self._drains = drains
        self._warned = False

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        sending = _current.get()
        if sending is None:
            return await super().connect(req, traces, timeout)
        sending.reused = True  # unless a connection has to be made
        if self._drains and not self._conns.get(req.connection_key):
            # A stream has just ended: its connection will be free when the last bytes are in, sooner than a new one.
            await asyncio.wait({next(iter(self._drains))}, timeout=_DRAIN_WAIT)
        connection = await super().connect(req, traces, timeout)
        self._note_wait(sending.timer)
        sending.timer.mark("connected")
        sending.timer.enter("first_token")
        return connection

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        sending = _current.get()
        if sending is not None:
            sending.reused = False
            self._note_wait(sending.timer)
            sending.timer.enter("connect")
        return await super()._create_connection(req, traces, timeout)

    def _note_wait(self, timer: Timer) -> None:
        """Mark the end of the wait for a slot of the pool; the first long one is worth a warning."""
        if timer.phase != "pool":
            return
        waited = timer.mark("queued") - timer.marks["sent"]
        if waited > _POOL_WARNING and not self._warned:
            self._warned = True
            _log.warning("a request waited %.1f s for one of %d connections; raise limit=", waited, self.limit)

    def abandon(self) -> None:
        """Close every connection without awaiting anything; if the event loop is gone, at the socket."""
        if not self._loop.is_closed():
            self._close()
            return
        protocols = [protocol for pool in self._conns.values() for protocol, _ in pool]
        for protocol in (*protocols, *self._acquired):
            transport = protocol.transport
            handle = transport.get_extra_info("socket") if transport is not None else None
            # asyncio's TransportSocket has no close() of its own. uvloop closes its sockets with the loop.
            inner = getattr(handle, "_sock", None)
            if inner is not None:
                inner.close()
        self._close()


def _abandon(session: aiohttp.ClientSession) -> None:
    """Close a session of ours without awaiting anything."""
    connector = session.connector
    if isinstance(connector, _Connector):
        connector.abandon()
    session.detach()


def _keepalive_socket(address: Any) -> socket.socket:
    """A socket that probes a silent peer: NATs drop a connection on which a model thinks for minutes."""
    family, kind, proto, _, _ = address
    made = socket.socket(family=family, type=kind, proto=proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    plain: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()  # noqa: PLW2901 - one name, one spelling
        plain[name] = f"{plain[name]}, {value}" if name in plain else value
    return plain


@contextmanager
def _translated(url: str, sending: _Sending) -> Generator[None]:
    """The door: what aiohttp or a socket raises while a request is sent leaves as one of our errors."""
    try:
        yield
        return
    except (OpenAIError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - nothing foreign passes the door
        translated = _translate(error, url, sending)
        if not isinstance(error, aiohttp.ClientResponseError):
            translated.__cause__ = error
    # Raised out here: a ClientResponseError knows the request's headers, the key among them, and must not be chained.
    raise translated


def _translate(error: Exception, url: str, sending: _Sending) -> OpenAIError:
    """Our error for one of aiohttp's; the order matters, as its classes inherit from each other."""
    where = _origin(url)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return OpenAIError(f"base_url is no address that a request can go to: {url!r}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return APIConnectionError(f"Connection error: the host name of {where} does not resolve.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = error.certificate_error
        return APIConnectionError(f"Connection error: the certificate of {where} is not trusted ({reason}).")
    if isinstance(error, aiohttp.ClientConnectorSSLError | SSLError):
        return APIConnectionError(f"Connection error: no TLS with {where} ({error}).")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return APIConnectionError(f"Connection error: the proxy can't be reached ({_reason(error)}).")
    if isinstance(error, aiohttp.ClientConnectorError):
        return APIConnectionError(f"Connection error: {where} can't be reached ({_reason(error)}).")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        cls = StaleConnectionError if sending.reused else APIConnectionError
        return cls(f"Connection error: {where} closed the connection without an answer.")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return APIConnectionError(f"Connection error: the proxy refused with status {error.status}.")
    if isinstance(error, aiohttp.ClientResponseError):
        return APIResponseValidationError(f"{where} does not speak HTTP: {error.message}")
    return APIConnectionError(f"Connection error: {type(error).__name__}: {error}")


def _origin(url: str) -> str:
    parts = URL(url, encoded=True)
    return f"{parts.scheme}://{parts.host}:{parts.port}"


def _reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    # asyncio's own text is "Connect call failed" and an address; the system's says why.
    return os.strerror(number) if number else str(error.os_error)


def _cut_off(error: Exception) -> APIConnectionError:
    """The error for a body that failed on its way."""
    if isinstance(error, aiohttp.ContentTypeError | aiohttp.ClientPayloadError):
        return APIConnectionError(f"Connection error: the body was cut off ({error}).")
    return APIConnectionError(f"Connection error: the connection broke in the middle of the body ({error!r}).")
