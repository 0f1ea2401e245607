"""One stream, its chunks back to back: what a chunk costs when the network never makes anyone wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.row import Client, Goal, Row, Work

__all__ = ["MESSAGES", "ROW", "aiohttp_session", "official_client", "our_client"]

MESSAGES: Any = [
    {"role": "system", "content": "You are a helpful assistant. Answer in one paragraph."},
    {"role": "user", "content": "Why do large language models stream their answers token by token?"},
]


@asynccontextmanager
async def official_client(origin: str) -> AsyncIterator[Any]:
    """The official SDK's client as it comes, with its default transport."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="k", base_url=f"{origin}/v1") as client:
        yield client


@asynccontextmanager
async def our_client(origin: str) -> AsyncIterator[Any]:
    """Our client as it comes."""
    from openai_async import AsyncOpenAI

    async with AsyncOpenAI(api_key="k", base_url=f"{origin}/v1") as client:
        yield client


@asynccontextmanager
async def aiohttp_session(origin: str) -> AsyncIterator[Any]:
    """A bare session of aiohttp's."""
    import aiohttp

    async with aiohttp.ClientSession(origin, headers={"authorization": "Bearer k"}) as session:
        yield session


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            characters = 0
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for chunk in stream:
                for choice in chunk.choices:
                    characters += len(choice.delta.content or "")
            return characters

        yield work


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            characters = 0
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for chunk in stream:
                for choice in chunk.choices:
                    characters += len(choice.delta.content or "")
            return characters

        yield work


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


ROW = Row(
    name="burst",
    title="One stream, all chunks back to back",
    unit="chunk",
    units=20_000,
    quick=4_000,
    model="text-{}",
    contestants=(
        Client(name="openai", open=_official),
        Client(name="aiohttp + orjson by hand", open=_by_hand, rounds=7),
        Client(name="aiohttp, only draining", open=_drain, proof="bytes", rounds=11),
        Client(name="openai_async", open=_ours, rounds=9),
        Client(name="openai_async, .batches()", open=_ours_in_batches, rounds=9),
    ),
    goals=(
        Goal(ours="openai_async", rival="openai", cpu=1 / 30),
        Goal(ours="openai_async", rival="aiohttp + orjson by hand", cpu=1 / 1.5),
        Goal(ours="openai_async", rival="aiohttp, only draining", cpu=2.2),
    ),
    notes=(
        "By hand: `async for line in response.content`, then `orjson.loads`; no types, no errors, no time limits.",
        "Draining: the bytes are counted and thrown away, which is the floor for anything on aiohttp.",
    ),
)
