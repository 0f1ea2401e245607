"""The contestants of the rows with many streams: each one's way to open a stream and to read it.

They do the same with every chunk: note when it came. The one that only drains notes it of every read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic_ns
from typing import Any

from .bodies import STAMP
from .clients import MESSAGES, aiohttp_session, official_client, official_client_on_aiohttp, our_client
from .crowd import Arrivals, Read

__all__ = ["by_hand", "drain", "official", "official_on_aiohttp", "ours", "ours_to_final"]

_CONNECTIONS = 2_500  # for those who would have fewer: more than any row opens


def _typed(client: Any) -> Read:
    """Read a client's stream. All SDKs' code is the same."""

    async def read(model: str, first: Callable[[], None], arrivals: Arrivals) -> None:
        note, begun = arrivals.append, False
        stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        async for chunk in stream:
            for choice in chunk.choices:
                if choice.delta.content:
                    note(monotonic_ns() + STAMP - chunk.created)
                    if not begun:
                        begun = True
                        first()

    return read


@asynccontextmanager
async def official(origin: str) -> AsyncIterator[Read]:
    """The official SDK as it comes."""
    async with official_client(origin) as client:
        yield _typed(client)


@asynccontextmanager
async def official_on_aiohttp(origin: str) -> AsyncIterator[Read]:
    """The official SDK on its other transport."""
    async with official_client_on_aiohttp(origin) as client:
        yield _typed(client)


@asynccontextmanager
async def ours(origin: str) -> AsyncIterator[Read]:
    """Our client."""
    async with our_client(origin, limit=_CONNECTIONS) as client:
        yield _typed(client)


@asynccontextmanager
async def ours_to_final(origin: str) -> AsyncIterator[Read]:
    """Our client, and the whole completion at the end."""
    async with our_client(origin) as client:

        async def read(model: str, first: Callable[[], None], arrivals: Arrivals) -> None:
            note, characters = arrivals.append, 0
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        note(monotonic_ns() + STAMP - chunk.created)
                        if not characters:
                            first()
                        characters += len(choice.delta.content)
            completion = await stream.final()
            assert len(completion.choices[0].message.content) == characters

        yield read


@asynccontextmanager
async def by_hand(origin: str) -> AsyncIterator[Read]:
    """aiohttp and orjson, line by line."""
    import orjson

    async with aiohttp_session(origin, limit=_CONNECTIONS) as session:

        async def read(model: str, first: Callable[[], None], arrivals: Arrivals) -> None:
            note, begun = arrivals.append, False
            request = orjson.dumps({"model": model, "messages": MESSAGES, "stream": True})
            async with session.post("/v1/chat/completions", data=request) as response:
                async for line in response.content:
                    if not line.startswith(b"data: "):
                        continue
                    data = line[6:].strip()
                    if data == b"[DONE]":
                        break
                    chunk = orjson.loads(data)
                    for choice in chunk["choices"]:
                        if choice["delta"].get("content"):
                            note(monotonic_ns() + STAMP - chunk["created"])
                            if not begun:
                                begun = True
                                first()

        yield read


@asynccontextmanager
async def drain(origin: str) -> AsyncIterator[Read]:
    """aiohttp alone, which throws the bytes away; here, keeps them until the clock stands."""
    import orjson

    async with aiohttp_session(origin, limit=_CONNECTIONS) as session:

        async def read(model: str, first: Callable[[], None], arrivals: Arrivals) -> None:
            note, begun = arrivals.append, False
            request = orjson.dumps({"model": model, "messages": MESSAGES, "stream": True})
            async with session.post("/v1/chat/completions", data=request) as response:
                async for data in response.content.iter_any():
                    note((monotonic_ns(), data))
                    del data  # the name would hold it until the next one comes
                    if not begun:
                        begun = True
                        first()

        yield read
