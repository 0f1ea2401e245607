"""One stream, its chunks back to back: what a chunk costs when the network never makes anyone wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from benchmarks.bodies import body
from benchmarks.clients import (
    MESSAGES,
    aiohttp_session,
    official_client,
    official_client_on_aiohttp,
    our_client,
)
from benchmarks.row import Client, Goal, Row, Work

__all__ = ["MESSAGES", "ROW", "aiohttp_session", "official_client", "official_client_on_aiohttp", "our_client"]


def _stream_of(client: Any) -> Work:
    """Read the chunks of a client's stream. All SDKs' code is the same."""

    async def work(model: str, _units: int) -> int:
        characters = 0
        stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        async for chunk in stream:
            for choice in chunk.choices:
                characters += len(choice.delta.content or "")
        return characters

    return work


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:
        yield _stream_of(client)


@asynccontextmanager
async def _official_on_aiohttp(origin: str) -> AsyncIterator[Work]:
    async with official_client_on_aiohttp(origin) as client:
        yield _stream_of(client)


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:
        yield _stream_of(client)


@asynccontextmanager
async def _ours_in_batches(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            characters = 0
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for batch in stream.batches():
                for chunk in batch:
                    for choice in chunk.choices:
                        characters += len(choice.delta.content or "")
            return characters

        yield work


@asynccontextmanager
async def _by_hand(origin: str) -> AsyncIterator[Work]:
    import orjson

    async with aiohttp_session(origin) as session:

        async def work(model: str, _units: int) -> int:
            characters = 0
            request = orjson.dumps({"model": model, "messages": MESSAGES, "stream": True})
            async with session.post("/v1/chat/completions", data=request) as response:
                async for line in response.content:
                    if not line.startswith(b"data: "):
                        continue
                    data = line[6:].strip()
                    if data == b"[DONE]":
                        break
                    for choice in orjson.loads(data)["choices"]:
                        characters += len(choice["delta"].get("content") or "")
            return characters

        yield work


@asynccontextmanager
async def _drain(origin: str) -> AsyncIterator[Work]:
    import orjson

    async with aiohttp_session(origin) as session:

        async def work(model: str, _units: int) -> int:
            size = 0
            request = orjson.dumps({"model": model, "messages": MESSAGES, "stream": True})
            async with session.post("/v1/chat/completions", data=request) as response:
                async for data in response.content.iter_any():
                    size += len(data)
            return size

        yield work


class _Count(asyncio.Protocol):
    """Counts what arrives until a body's last bytes do: less can't be done with an event loop's transport."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.received = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if not self.received:
            self.received = -len(data.partition(b"\r\n\r\n")[0]) - 4
        self.received += len(data)
        if data.endswith(b"\r\n0\r\n\r\n"):  # no event ends so
            self.ended.set_result(None)


@asynccontextmanager
async def _raw(origin: str) -> AsyncIterator[Work]:
    host, _, port = origin.removeprefix("http://").partition(":")
    _, protocol = await asyncio.get_running_loop().create_connection(_Count, host, int(port))

    async def work(model: str, _units: int) -> int:
        request = json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode()
        protocol.received = 0
        protocol.ended = asyncio.get_running_loop().create_future()
        protocol.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(request), request)
        )
        await protocol.ended
        # Of the bytes on the wire to those that the others see. The body is made in the first round, and kept.
        wanted = body(model)
        return wanted.size if protocol.received == len(wanted.data) else -1

    try:
        yield work
    finally:
        protocol.transport.close()


ROW = Row(
    name="burst",
    title="One stream, all chunks back to back",
    unit="chunk",
    units=20_000,
    quick=4_000,
    model="text-{}",
    contestants=(
        Client(name="openai", open=_official),
        Client(name="openai on aiohttp", open=_official_on_aiohttp),
        Client(name="aiohttp + orjson by hand", open=_by_hand, rounds=7),
        Client(name="aiohttp, only draining", open=_drain, proof="bytes", rounds=11),
        Client(name="asyncio.Protocol, only counting", open=_raw, proof="bytes", rounds=15),
        Client(name="openai_async", open=_ours, rounds=9),
        Client(name="openai_async, .batches()", open=_ours_in_batches, rounds=9),
    ),
    goals=(
        Goal(ours="openai_async", rival="openai", cpu=1 / 30),
        Goal(ours="openai_async", rival="aiohttp + orjson by hand", cpu=1 / 1.5),
        Goal(ours="openai_async", rival="aiohttp, only draining", cpu=2.2),
    ),
    repeat=5,
    notes=(
        "On aiohttp: `http_client=DefaultAioHttpClient()`, the official SDK's other transport.",
        "By hand: `async for line in response.content`, then `orjson.loads`; no types, no errors, no time limits.",
        "Draining: the bytes are counted and thrown away, which is the floor for anything on aiohttp.",
        "Counting: the same without HTTP, on the bare transport of the event loop: the floor for anything on asyncio.",
    ),
)
