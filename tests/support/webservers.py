"""Web servers in the test's own event loop, and a browser that reads one response off the socket, byte by byte.

An app goes in, the address of a server that runs it comes out: uvicorn, hypercorn or aiohttp.web. They are stopped as an
operator would stop them, and have closed every socket when the `async with` ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import uvicorn
from aiohttp import web
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config as HypercornConfig

__all__ = ["Browser", "Served", "aiohttp_web", "eventually", "hypercorn", "uvicorn_server"]

Served = Callable[[Any], AbstractAsyncContextManager[str]]


async def eventually(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait for what no event tells; it must come within so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=256)


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.asynccontextmanager
async def uvicorn_server(app: Any) -> AsyncGenerator[str]:
    """Run an ASGI app under uvicorn."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    with _listener() as listener:
        task = asyncio.create_task(server._serve([listener]))  # `serve` would take the signals of the test's process
        await eventually(lambda: server.started)
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            await task


@contextlib.asynccontextmanager
async def hypercorn(app: Any) -> AsyncGenerator[str]:
    """Run an ASGI app under hypercorn."""
    stop = asyncio.Event()
    with _listener() as listener:
        config = HypercornConfig()
        config.bind = [f"fd://{listener.fileno()}"]
        config.graceful_timeout = 1
        config.accesslog = config.errorlog = None
        task = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait))
        try:
            yield _url(listener)
        finally:
            stop.set()
            await task
            listener.detach()  # hypercorn has closed the descriptor


def aiohttp_web(*, handler_cancellation: bool = False) -> Served:
    """Return what runs an aiohttp app."""

    @contextlib.asynccontextmanager
    async def served(app: web.Application) -> AsyncGenerator[str]:
        runner = web.AppRunner(app, handler_cancellation=handler_cancellation, shutdown_timeout=2)
        await runner.setup()
        listener = _listener()
        await web.SockSite(runner, listener).start()
        try:
            yield _url(listener)
        finally:
            await runner.cleanup()

    return served


class Browser:
    """One request and what comes back, until it leaves.

    Attributes:
        status: Of the response.
        headers: Names in lower case.
    """

    def __init__(self, url: str, method: str = "GET", headers: dict[str, str] | None = None) -> None:
        self._host, _, self._path = url.removeprefix("http://").partition("/")
        self._method = method
        self._headers = headers or {}
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        host, _, port = self._host.partition(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        lines = [f"{self._method} /{self._path} HTTP/1.1", f"host: {self._host}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Close the connection."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def head(self) -> int:
        """Read the head and return the status."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return self.status

    async def part(self) -> bytes:
        """Return the next chunk of the chunked body; b"": it is over, in order."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def until(self, text: bytes) -> bytes:
        """Return the body as far as it has come once it holds `text`."""
        data = b""
        while text not in data:
            part = await self.part()
            assert part, f"the body ended without {text!r}: {data!r}"
            data += part
        return data

    async def body(self) -> bytes:
        """Read and return what is left of the body, chunked or not."""
        if "content-length" in self.headers:
            return await self.reader.readexactly(int(self.headers["content-length"]))
        data = b""
        while part := await self.part():
            data += part
        return data
