"""Plain calls, fifty at a time: what a request costs beside the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.row import Client, Goal, Row, Work

from .burst import MESSAGES, aiohttp_session, official_client, our_client

__all__ = ["ROW"]

_AT_A_TIME = 50


async def _crowd(call: Callable[[], Awaitable[int]], count: int) -> int:
    """Make `count` calls, fifty under way at any time, and add up what they return."""
    total, left = 0, count

    async def one_after_the_other() -> None:
        nonlocal total, left
        while left > 0:
            left -= 1
            found = await call()
            total += found  # `total += await …` would add to the total of before the wait

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_A_TIME)))
    return total


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:

        async def work(model: str, units: int) -> int:
            async def call() -> int:
                completion = await client.chat.completions.create(model=model, messages=MESSAGES, temperature=0.5)
                return len(completion.choices[0].message.content)

            return await _crowd(call, units)

        yield work


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, units: int) -> int:
            async def call() -> int:
                completion = await client.chat.completions.create(model=model, messages=MESSAGES, temperature=0.5)
                return len(completion.choices[0].message.content)

            return await _crowd(call, units)

        yield work


@asynccontextmanager
async def _by_hand(origin: str) -> AsyncIterator[Work]:
    import orjson

    async with aiohttp_session(origin) as session:
        headers = {"content-type": "application/json"}

        async def work(model: str, units: int) -> int:
            async def call() -> int:
                request = orjson.dumps({"model": model, "messages": MESSAGES, "temperature": 0.5})
                async with session.post("/v1/chat/completions", data=request, headers=headers) as response:
                    completion = orjson.loads(await response.read())
                return len(completion["choices"][0]["message"]["content"])

            return await _crowd(call, units)

        yield work


ROW = Row(
    name="plain",
    title="Plain `create()`, 50 requests at a time",
    unit="request",
    units=2_000,
    quick=500,
    model="plain-150",
    contestants=(
        Client(name="openai", open=_official),
        Client(name="aiohttp + orjson by hand", open=_by_hand, rounds=7),
        Client(name="openai_async", open=_ours, rounds=7),
    ),
    goals=(
        Goal(ours="openai_async", rival="openai", cpu=1 / 9),
        Goal(ours="openai_async", rival="aiohttp + orjson by hand", cpu=1.4),
    ),
    repeat=5,
    notes=("By hand: no types, no retries, no time limits but aiohttp's own.",),
)
