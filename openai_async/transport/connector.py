"""aiohttp's connectors, told to tell: when a request leaves the pool's queue, and when it is connected.

Requests of aiohttp's come in, its connections go out. What is told goes to the timer of whoever sends the request.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import ContextVar
from os import fspath
from typing import Any, cast

import aiohttp

from .sockets import close_without_loop
from .timer import Timer

__all__ = ["Connector", "Sending", "TellingConnector", "UnixConnector", "sending", "socket_path"]

_log = logging.getLogger("openai_async")

# A wait in the pool's queue that is worth a warning, in seconds.
_POOL_WARNING = 1.0
# How long a request waits for the rest of another's body, in seconds, before it opens a connection of its own.
_DRAIN_WAIT = 0.005


class Sending:
    """What the connector tells of one request, found by it through a context variable: aiohttp passes nothing on."""

    __slots__ = ("reused", "timer")

    def __init__(self, timer: Timer) -> None:
        self.timer: Timer = timer
        self.reused: bool = False


sending: ContextVar[Sending | None] = ContextVar("sending", default=None)


class TellingConnector(aiohttp.BaseConnector):
    """A connector of aiohttp's, telling the timer when a request leaves the pool's queue and when it is connected.

    It stands in front of one of aiohttp's own.

    Args:
        drains: Connections that will be free when these tasks end.
        options: As for the connector behind it.
    """

    def __init__(self, *, drains: set[asyncio.Task[None]], **options: Any) -> None:
        super().__init__(**options)
        self._drains = drains
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
        self._note_wait(told)
        told.timer.mark("connected")
        told.timer.enter("first_token")
        return connection

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        told = sending.get()
        if told is not None:
            told.reused = False
            self._note_wait(told)
            told.timer.enter("connect")
        return await super()._create_connection(req, traces, timeout)

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
            protocols = [protocol for pool in self._conns.values() for protocol, _ in pool]
            for protocol in (*protocols, *self._acquired):
                if protocol.transport is not None:
                    close_without_loop(protocol.transport)
        self._close()


class Connector(TellingConnector, aiohttp.TCPConnector):
    """Connects over TCP; options as for `aiohttp.TCPConnector`."""


class UnixConnector(TellingConnector, aiohttp.UnixConnector):
    """Connects to a Unix socket, whatever host an address names; options as for `aiohttp.UnixConnector`."""


def socket_path(path: object) -> str:
    """Return the path of a Unix socket as `UnixConnector` takes it.

    Raises:
        TypeError: It is no path.
    """
    known: Any = path
    text: object = None
    with suppress(TypeError):
        text = cast("object", fspath(known))
    if not isinstance(text, str) or not text:
        raise TypeError(f"uds must be the path of a Unix socket, not {path!r}")
    return text
