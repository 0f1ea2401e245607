"""aiohttp's connectors, told to tell: when a request leaves the pool's queue, and when it is connected.

Requests of aiohttp's come in, its connections go out. What is told goes to the timer of whoever sends the request.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from os import fspath
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError

from openai_async.errors import OpenAIError

from .loops import owe_nothing
from .message import StaleConnectionError
from .sockets import close_without_loop, rest_of
from .timer import Timer

__all__ = [
    "Connector",
    "Sending",
    "TellingConnector",
    "UnixConnector",
    "connection_limit",
    "sending",
    "socket_path",
]

_log = logging.getLogger("openai_async")

# A wait in the pool's queue that is worth a warning, in seconds.
_POOL_WARNING = 1.0
# How long a request waits for the rest of another's body, in seconds, before it opens a connection of its own.
_DRAIN_WAIT = 0.005


class Sending:
    """What the connector tells of one request, found by it through a context variable: aiohttp passes nothing on."""

    __slots__ = ("idle", "reused", "timer")

    def __init__(self, timer: Timer) -> None:
        self.timer: Timer = timer
        self.reused: bool = False
        # Beside a kept-alive one: the others that nobody uses.
        self.idle: deque[tuple[ResponseHandler, float]] | None = None

    def note(self, failure: OpenAIError) -> None:
        """Close the idle connections where this one was dead: what killed it has most likely killed them as well."""
        while self.idle and isinstance(failure, StaleConnectionError):
            self.idle.popleft()[0].close()


sending: ContextVar[Sending | None] = ContextVar("sending", default=None)


class _Handler(ResponseHandler):
    """aiohttp's end of a connection, which reads what is there before it says that the connection is lost.

    A server may answer before it has read a large request ("413 Content Too Large"), and close. Sending on fails then,
    and asyncio drops the answer that has arrived meanwhile.
    """

    def close(self) -> None:
        """Close the connection at once: what waits to be written, a large request perhaps, is for nobody any more."""
        self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that the connection is gone."""
        if exc is not None:
            self._read_rest()
        self._parse_rest()
        if exc is not None:
            self._break_body(exc)  # aiohttp takes a reset for the end of a body that only the connection's end ends
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Note that sending or receiving failed."""
        parsing = isinstance(exc, HttpProcessingError)
        if not parsing:
            self._read_rest()
        super().set_exception(exc, *(() if exc_cause is None else (exc_cause,)))
        if parsing:
            # aiohttp leaves who reads the body waiting.
            self._break_body(exc_cause if isinstance(exc_cause, ContentEncodingError) else exc)

    def _read_rest(self) -> None:
        if self.transport is not None and (data := rest_of(self.transport)):
            self.data_received(data)

    def _parse_rest(self) -> None:
        """Have the parser go on with what it holds back from a slow reader; aiohttp drops it with the parser.

        TLS of asyncio's brings a connection's last bytes and its end at once, however slow the reader is.
        """
        while self._reading_paused and self._payload is not None and self._payload.exception() is None:
            self.resume_reading()

    def _break_body(self, cause: BaseException) -> None:
        """Have whoever reads an unfinished body know that no more of it comes."""
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            error = aiohttp.ClientPayloadError("the body broke off")
            error.__cause__ = cause
            body.set_exception(error)


class TellingConnector(aiohttp.BaseConnector):
    """A connector of aiohttp's, telling the timer when a request leaves the pool's queue and when it is connected.

    It stands in front of one of aiohttp's own.

    Args:
        drains: Connections that will be free when these tasks end.
        options: As for the connector behind it.
    """

    def __init__(self, *, drains: set[asyncio.Task[None]], **options: Any) -> None:
        super().__init__(**options)
        factory: Any = partial(_Handler, loop=self._loop)
        self._factory = factory
        self._drains = drains
        self._making: set[asyncio.Task[ResponseHandler]] = set()
        self._warned = False

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        """Return a connection, as aiohttp's connector does, and tell the timer."""
        told = sending.get()
        if told is None:
            return await super().connect(req, traces, timeout)
        told.reused = True  # unless a connection has to be made
        if self._drains and not self._conns.get(req.connection_key):
            # A stream has just ended: its connection will be free when the last bytes are in, sooner than a new one.
            await asyncio.wait({next(iter(self._drains))}, timeout=_DRAIN_WAIT)
        warning = self._watch_queue(told.timer)
        try:
            connection = await super().connect(req, traces, timeout)
        finally:
            if warning is not None:
                warning.cancel()
        if told.reused:
            told.idle = self._conns.get(req.connection_key)
        self._note_wait(told)
        told.timer.mark("connected")
        told.timer.enter("first_token")
        return connection

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        told = sending.get()
        if told is not None:
            told.reused = False
            self._note_wait(told)
            told.timer.mark("connecting")
            told.timer.enter("connect")
        # A task of its own: closing the connector can end it, and who waits for it is not cancelled.
        making = self._loop.create_task(super()._create_connection(req, traces, timeout))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        try:
            return await making
        except BaseException:
            making.cancel()  # whoever closes a coroutine does not
            making.add_done_callback(_close_made)
            raise
        finally:
            del making  # its exception knows this frame

    def _close(self, **how: Any) -> list[Any]:
        """Close all, what is only being made included, and return what there is to wait for."""
        if not self._closed and not self._loop.is_closed():
            for making in self._making:
                making.cancel()
        return [*super()._close(**how), *self._making]

    def _note_wait(self, told: Sending) -> None:
        """Mark the end of the wait for a place in the pool."""
        if told.timer.phase == "pool":
            told.timer.mark("queued")

    def _watch_queue(self, timer: Timer) -> asyncio.TimerHandle | None:
        """Have a request warn, the first time that one waits long for a place: while it waits, and perhaps for ever."""
        if self._warned or not self.limit or len(self._acquired) < self.limit:
            return None
        return timer.loop.call_later(_POOL_WARNING, self._warn)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "a request waits for one of %d connections, all in use; are streams left open? Else raise limit=",
                self.limit,
            )

    def abandon(self) -> None:
        """Close every connection without awaiting anything; if the event loop is gone, at the socket."""
        if self._loop.is_closed():
            self.disown()
        else:
            self._close()

    def disown(self) -> None:
        """Close this process's ends of all connections without a word to their servers, nor to the event loop."""
        self._closed = True
        for protocol in (*(one for kept in self._conns.values() for one, _ in kept), *self._acquired):
            if protocol.transport is not None:
                close_without_loop(protocol.transport, copied=not self._loop.is_closed())
        for making in self._making:
            owe_nothing(making)
        for held in (self._conns, self._acquired, self._waiters):
            held.clear()


def _close_made(making: asyncio.Task[ResponseHandler]) -> None:
    """Close a connection that was made in the moment that it was given up."""
    if not making.cancelled() and making.exception() is None:
        making.result().close()


class Connector(TellingConnector, aiohttp.TCPConnector):
    """Connects over TCP; options as for `aiohttp.TCPConnector`."""


class UnixConnector(TellingConnector, aiohttp.UnixConnector):
    """Connects to a Unix socket, whatever host an address names; options as for `aiohttp.UnixConnector`."""


def socket_path(path: object) -> str:
    """Return the path of a Unix socket as `UnixConnector` takes it.

    Raises:
        TypeError: It is no path.
        ValueError: It holds what no path can: a NUL that is not its first character (which stands for Linux' abstract
            names), or half of a surrogate pair that Python does not make of bytes.
    """
    known: Any = path
    text: object = None
    with suppress(TypeError):
        text = cast("object", fspath(known))
    if not isinstance(text, str) or not text:
        raise TypeError(f"uds must be the path of a Unix socket, not another {type(path).__name__}")
    if "\0" in text[1:] or any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in text):
        raise ValueError("uds must be the path of a Unix socket: it holds a character that a path can't")
    return text


def connection_limit(limit: object) -> int:
    """Return how many connections may be open at once.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below 1.
    """
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit must be a whole number of connections, not a {type(limit).__name__}")
    if limit < 1:
        raise ValueError("limit must be 1 connection or more")
    return limit
