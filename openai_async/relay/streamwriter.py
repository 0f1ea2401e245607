"""`StreamWriter`: an event stream under aiohttp.web, which sse-starlette is under Starlette.

A request, its response and a body come in; writes go out until the body ends, the reader leaves or does not read, or
the server stops. aiohttp itself is not imported.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Protocol

import anyio

from .sse import PING
from .watcher import until

__all__ = ["StreamWriter", "stopping", "unless_gone"]


class Request(Protocol):
    """What is needed of an `aiohttp.web.Request`."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection; None: it is lost."""
        ...


class Response(Protocol):
    """What is needed of an `aiohttp.web.StreamResponse`."""

    async def prepare(self, request: Any) -> Any:
        """Send the head."""
        ...

    async def write(self, data: bytes) -> Any:
        """Send a part of the body."""
        ...

    async def write_eof(self) -> Any:
        """Send its end."""
        ...


def stopping() -> bool:
    """Whether the server was told to stop: nothing shows it, so whoever knows announces it."""
    return False


def _gone(request: Request) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()


class StreamWriter:
    """Writes one event stream.

    Args:
        request: Whose response it is.
        response: Not prepared yet.
        ping: Seconds between comments; 0: none.
        send_timeout: Seconds that a write may wait for the reader; 0: no limit.
    """

    def __init__(self, request: Request, response: Response, *, ping: float, send_timeout: float) -> None:
        self._request = request
        self._response = response
        self._ping = ping
        self._send_timeout = send_timeout
        self._sending = anyio.CancelScope()
        self._since: float | None = None  # by the loop's clock, when the write under way began; None: none is

    async def send(self, body: AsyncIterable[bytes], *, patience: float, grace: float, goodbye: bytes) -> None:
        """Send the head and the body; return when it is over, whoever ended it. Cancelling it cuts the body off.

        Args:
            body: Sent verbatim.
            patience: Seconds from the server's stop until the body is ended.
            grace: Seconds that `goodbye` has to get out.
            goodbye: Sent last where the server stops.
        """
        failures: list[Exception] = []
        # aiohttp raises a lost connection from a write; it ends the response like one that was noticed.
        with contextlib.suppress(ConnectionError):
            await self._response.prepare(self._request)
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch, group.cancel_scope)
                group.start_soon(self._farewell, group.cancel_scope, patience, grace)
                if self._ping:
                    group.start_soon(self._pings)
                try:
                    await self._write_all(body, goodbye)
                except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
                    failures.append(error)
                group.cancel_scope.cancel()
            if failures:
                raise failures[0]

    async def _write_all(self, body: AsyncIterable[bytes], goodbye: bytes) -> None:
        with self._sending:
            async for data in body:
                await self._write(data)
        if self._sending.cancelled_caught:
            await self._write(goodbye)
        await self._response.write_eof()

    async def _write(self, data: bytes) -> None:
        self._since = asyncio.get_running_loop().time()
        await self._response.write(data)
        self._since = None

    async def _pings(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await anyio.sleep(self._ping)
                if self._since is None:  # else the reader is behind, and has something to read
                    await self._response.write(PING)

    async def _watch(self, response: anyio.CancelScope) -> None:
        """End the response when its reader has left, or does not read; that one is cut off."""
        clock = asyncio.get_running_loop().time
        request, limit = self._request, self._send_timeout

        def over() -> bool:
            return _gone(request) or bool(limit and self._since is not None and clock() - self._since > limit)

        await until(over)
        if request.transport is not None:
            request.transport.abort()
        response.cancel()

    async def _farewell(self, response: anyio.CancelScope, patience: float, grace: float) -> None:
        await until(stopping)
        await anyio.sleep(patience)
        self._sending.cancel()
        await anyio.sleep(grace)
        response.cancel()


async def unless_gone(wait: Callable[[], Awaitable[None]], request: Request, seconds: float | None) -> bool:
    """Wait for something while watching the connection; cancelling it cancels the wait.

    Args:
        wait: What to wait for.
        request: Whose connection is watched.
        seconds: That the wait may take; None: no limit.

    Returns:
        Whether the browser is still there.
    """
    gone = False
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            nonlocal gone
            await until(lambda: _gone(request))
            gone = True
            group.cancel_scope.cancel()

        group.start_soon(watch)
        with anyio.move_on_after(seconds):
            await wait()
        group.cancel_scope.cancel()
    return not gone
