"""The layers between a socket and a typed chunk, each with those below it: what a paced chunk costs, layer by layer.

Each is a way to read a stream, as those in `readers` are. The lowest is a bare protocol on the event loop, the
highest the client itself; between them stand parts of the client, called as the client calls them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from .clients import MESSAGES
from .crowd import Arrivals, Read

if TYPE_CHECKING:
    from openai_async.transport.message import Response
    from openai_async.transport.timer import Timer

__all__ = ["chunks", "events", "protocol", "transport"]

_CONNECTIONS = 2_500  # more than any row opens
_END = b"\r\n0\r\n\r\n"  # of a chunked body; no event ends so


class _Arrivals(asyncio.Protocol):
    """Notes what arrives: less can't be done with an event loop's transport.

    Args:
        first: Called when the first chunk is here.
        arrivals: Where each read is noted.
    """

    def __init__(self, first: Callable[[], None], arrivals: Arrivals) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self._first, self._arrivals, self._begun = first, arrivals, False

    def data_received(self, data: bytes) -> None:
        self._arrivals.append((monotonic_ns(), data))
        if not self._begun:
            self._begun = True
            self._first()
        if data.endswith(_END):
            self.ended.set_result(None)


@asynccontextmanager
async def protocol(origin: str) -> AsyncIterator[Read]:
    """No HTTP, no coroutine: the floor for anything on asyncio."""
    host, _, port = origin.removeprefix("http://").partition(":")

    async def read(model: str, first: Callable[[], None], arrivals: Arrivals) -> None:
        loop = asyncio.get_running_loop()
        opened, noting = await loop.create_connection(lambda: _Arrivals(first, arrivals), host, int(port))
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: {len(body)}\r\n\r\n"
        opened.write(head.encode() + body)
        await noting.ended
        opened.close()

    yield read


@asynccontextmanager
async def _responses(origin: str) -> AsyncIterator[Callable[[str], Any]]:
    """The client's transport, and what sends a request with it: a response, and the timer that it is read under."""
    from openai_async.transport.message import Request
    from openai_async.transport.session import AiohttpTransport
    from openai_async.transport.timer import Timer
    from openai_async.types.options import Timeout

    sender = AiohttpTransport(limit=_CONNECTIONS)
    headers = {"authorization": "Bearer k", "content-type": "application/json"}

    async def send(model: str) -> tuple[Response, Timer]:
        timer = Timer(Timeout())
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode()
        url = f"{origin}/v1/chat/completions"
        return await sender.send(Request(method="POST", url=url, headers=headers, body=body), timer), timer

    try:
        yield send
    finally:
        await sender.aclose()


async def _next(response: Response, timer: Timer) -> bytes:
    """One read under the call's limits, as `ChunkReader` does it. Cancelling it loses nothing."""
    timer.resume()
    with timer:
        data = await response.read()
    timer.progress()
    timer.pause()
    return data


# Makes, for one stream, what is done with each of its reads.
_Look: TypeAlias = Callable[[Arrivals], Callable[[bytes], object]]


@asynccontextmanager
async def _reading(origin: str, look: _Look) -> AsyncIterator[Read]:
    async with _responses(origin) as send:

        async def read(model: str, first: Callable[[], None], arrivals: Arrivals) -> None:
            response, timer = await send(model)
            seen, begun = look(arrivals), False
            while data := await _next(response, timer):
                seen(data)
                if not begun:  # the source sends the first chunk with the head
                    begun = True
                    first()
            response.release()
            timer.stop()

        yield read


def transport(origin: str) -> AbstractAsyncContextManager[Read]:
    """aiohttp under the client's time limits and with its errors; the bytes are not looked at."""
    return _reading(origin, lambda arrivals: lambda data: arrivals.append((monotonic_ns(), data)))


def events(origin: str) -> AbstractAsyncContextManager[Read]:
    """The same, and the bytes cut into server-sent events."""
    from openai_async.protocol.sse import EventParser

    def look(arrivals: Arrivals) -> Callable[[bytes], object]:
        parser = EventParser()
        return lambda data: arrivals.extend(
            (monotonic_ns(), line) for line in parser.plain(parser.complete(data)) or ()
        )

    return _reading(origin, look)


def chunks(origin: str) -> AbstractAsyncContextManager[Read]:
    """The same, and each event decoded to a typed chunk."""
    from openai_async.protocol.chunks import ChunkDecoder
    from openai_async.protocol.sse import EventParser

    from .bodies import STAMP

    def look(arrivals: Arrivals) -> Callable[[bytes], object]:
        parser, decoder = EventParser(), ChunkDecoder()

        def seen(data: bytes) -> None:
            for chunk in decoder.decode_plain(parser.plain(parser.complete(data)) or []):
                if chunk.text:
                    arrivals.append(monotonic_ns() + STAMP - chunk.created)

        return seen

    return _reading(origin, look)
