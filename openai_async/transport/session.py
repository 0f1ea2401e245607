"""aiohttp as a transport: one session per event loop, made when it is first needed, closed with the loop.

Requests go in, responses come out, and every exception of aiohttp's and of the socket's leaves through one door
(`translation`). Only this module and its two parts, `connector` and `translation`, import aiohttp; none of them knows
what the bytes mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from os import PathLike
from ssl import SSLContext
from weakref import finalize

import aiohttp
from aiohttp import ClientSession

from openai_async.errors import APIConnectionError, OpenAIError

from .body import as_sent
from .connector import Connector, Sending, TellingConnector, UnixConnector, connection_limit, sending, socket_path
from .home import Home, abandon_all
from .loops import in_loop, owe_nothing
from .message import Request, plain_headers
from .proxy import Proxies, parted
from .sockets import close_without_loop, keepalive_socket
from .timer import Timer
from .translation import address_of, hide_request, translate_body_error, translate_sending_error

__all__ = ["AiohttpTransport", "ClientSession"]

_log = logging.getLogger("openai_async")

# More than any one loop streams at a time in practice; aiohttp's own 100 would cap concurrency silently.
_CONNECTIONS = 1000
# Below the idle limit of common load balancers (AWS 60 s, nginx 75 s), equal to aiohttp's.
_KEEP_ALIVE = 15.0
_DNS_CACHE = 300
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
        TypeError: `uds` is no path, or another argument of the wrong type.
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
        if uds is not None and not (session is None and proxy is None and ssl is None):
            raise ValueError(
                "uds= is a way of its own: it goes together with none of session=, proxy= and ssl_context="
            )
        known: list[tuple[str, object, type]] = [("session", session, ClientSession), ("ssl_context", ssl, SSLContext)]
        for name, given, kind in known:
            if not (given is None or isinstance(given, kind)):
                raise TypeError(f"{name} must be of the type {kind.__name__}, not a {type(given).__name__}")
        self._given = None if session is None else Home(session, set())
        self._uds = None if uds is None else socket_path(uds)
        direct = uds is not None or (session is not None and proxy is None)
        self._proxies = None if direct else Proxies(proxy)
        self._ssl = ssl
        self._limit = connection_limit(limit)
        self._homes: dict[asyncio.AbstractEventLoop, Home] = {}
        self._closed = False
        # No `__del__`: in a reference cycle that of aiohttp's session might be called first, and complain. Responses
        # hold on to their transport: when this is called, no stream is open.
        finalize(self, abandon_all, self._homes)

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called; see `Transport.closed`."""
        return self._closed

    async def send(self, request: Request, timer: Timer) -> AiohttpResponse:
        """Send `request`; see `Transport.send`."""
        home = self._homes.get(timer.loop)
        if home is None or self._closed or home.session.closed:
            home = await self._make_sure(timer.loop)
        if self._uds is not None and request.url[:7].lower() != "http://":
            # aiohttp would send an https request in the clear.
            raise OpenAIError("A Unix socket (uds=...) speaks plain HTTP: base_url must begin with http://")
        task = asyncio.current_task(timer.loop)
        assert task is not None  # a coroutine that awaits runs in a task
        cancelled = task.cancelling()
        timer.enter("first_token" if home is self._given else "pool")
        token = sending.set(told := Sending(timer))
        try:
            with timer:
                try:
                    response = await self._begin(home.session, request)
                except BaseException as error:
                    hide_request(error)
                    raise
        except OpenAIError:
            raise
        except asyncio.CancelledError:
            # A connector that is closed cancels whoever waits for one of its connections, and not their task.
            if task.cancelling() > cancelled or not home.session.closed:
                raise
            failure: OpenAIError = APIConnectionError("Connection error: the client was closed.")
        except Exception as error:  # noqa: BLE001 - nothing foreign passes the door
            failure = translate_sending_error(error, request.url, reused=told.reused)
            told.note(failure)
        else:
            timer.mark("headers")
            return AiohttpResponse(response, home, self)
        finally:
            with suppress(ValueError):  # the garbage collector ends a coroutine in a context of its own
                sending.reset(token)
        # Raised out here, where no exception is being handled: a ClientResponseError knows the request's headers, the
        # key among them, and must not become the context of ours.
        raise failure

    def _begin(self, session: ClientSession, request: Request) -> Awaitable[aiohttp.ClientResponse]:
        """Hand a request to aiohttp. No coroutine: with its headers and address it is in no traceback of a failure."""
        url, headers = address_of(request), request.headers
        proxy = None if self._proxies is None else self._proxies.choose(url.scheme, url.host or "", url.port)
        own: dict[str, str] | None = None  # headers for the proxy alone
        if proxy is not None:
            proxy, credentials = parted(proxy)
            if credentials is not None and url.scheme == "http":
                # The proxy takes it, and passes the rest on.
                headers = {**headers, "Proxy-Authorization": credentials}
            elif credentials is not None:
                own = {"Proxy-Authorization": credentials}
        return session.request(
            request.method,
            url,
            data=as_sent(request.body),
            headers=headers,
            proxy=proxy,
            proxy_headers=own,
            allow_redirects=False,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
            # What the user left out, aiohttp shall not put back; naming none saves it 2 µs.
            skip_auto_headers=[name for name in _OWN if name not in request.headers] or None,
        )

    async def _make_sure(self, loop: asyncio.AbstractEventLoop) -> Home:
        """The sessions and responses of `loop`, made at its first request. Nothing is awaited that could wait."""
        if self._closed:
            raise OpenAIError("The client is closed; make a new one, or close it later.")
        if self._given is not None:
            if self._given.session.closed:
                raise OpenAIError("The aiohttp session that was given as session= is closed.")
            if self._given.loop is not loop:
                raise OpenAIError(
                    "The aiohttp session that was given as session= belongs to another event loop; make a client and a "
                    "session in each, or give none: then each loop gets one of the client's own."
                )
            return self._given
        self._bury()
        home = self._homes[loop] = self._make_home()
        await anext(home.guard)
        return home

    def _make_home(self) -> Home:
        drains: set[asyncio.Task[None]] = set()
        connector = self._connector(drains)
        # A jar would replay one tenant's cookies on another's request.
        session = ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            read_bufsize=_READ_BUFFER,
        )
        session._retry_connection = False  # aiohttp would send a GET or DELETE twice, where `exchange` counts one
        return Home(session, drains)

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
        for loop, home in list(self._homes.items()):  # a copy: other loops' threads come by as well
            if loop.is_closed() and self._homes.pop(loop, None) is not None:
                home.abandon()

    async def aclose(self) -> None:
        """Close this loop's session and the sockets of loops that are gone; a session of the user's stays open.

        What still reads from this loop's connections gets an `APIConnectionError`.
        """
        self._closed = True
        self._bury()
        if self._given is not None:
            await self._given.leave()
        here = asyncio._get_running_loop()
        home = self._homes.pop(here, None) if here is not None else None  # under trio there are no connections
        if home is not None:
            await home.close()


# Headers that aiohttp would add where there are none, in lower case as ours are.
_OWN = ("user-agent", "content-type", "accept", "accept-encoding")


class AiohttpResponse:
    """A response of aiohttp's as a `Response`."""

    __slots__ = ("__weakref__", "_content", "_drains", "_loop", "_owner", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, home: Home, owner: AiohttpTransport) -> None:
        self._response = response
        self._content = response.content
        self._drains = home.drains
        self._loop = home.loop
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
        task = self._loop.create_task(self._drain())
        owe_nothing(task)
        self._drains.add(task)
        task.add_done_callback(self._drained)

    async def _drain(self) -> None:
        left = _DRAIN_BYTES
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while left > 0 and (data := await self._content.readany()):
                    left -= len(data)
        except Exception as error:  # noqa: BLE001 - the answer is whole; how the rest fails is of no interest
            _log.debug("the rest of a finished stream was not read: %s", type(error).__name__)

    def _drained(self, task: asyncio.Task[None]) -> None:
        self._drains.discard(task)
        # After the body's end this does nothing, the connection being back in the pool. Here and not in the task's
        # own `finally`: a task that is cancelled before its first step runs none.
        self._response.close()

    def close(self) -> None:
        """Abort; see `Response.close`. From any thread: the garbage collector's is whichever it likes."""
        in_loop(self._loop, self._close)

    def _close(self) -> None:
        if self._loop.is_closed():
            self.disown()
        else:
            self._wake()
            self._response.close()

    def disown(self) -> None:
        """Close this process's end of the connection without a word to server and loop; see `Home.disown`."""
        connection = self._response.connection
        if connection is not None:
            if connection.transport is not None:
                close_without_loop(connection.transport, copied=not self._loop.is_closed())
            connection._protocol = None  # aiohttp would warn of it, and write to it
        self._response._connection = None
        self._response._closed = True
        with suppress(RuntimeError):  # who waited for it is gone with the loop
            self._wake()

    def _wake(self) -> None:
        """Have whoever reads know. aiohttp would raise one exception for all, which keeps all tracebacks for ever."""
        if self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientConnectionError("Connection closed"))
