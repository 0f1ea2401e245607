"""Plain calls, one after the other and many at a time: what a request costs beside the bytes."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from benchmarks.bodies import body
from benchmarks.clients import MESSAGES, aiohttp_session, official_client, official_client_on_aiohttp, our_client
from benchmarks.pacer import percentiles
from benchmarks.series import OURS, Case, Column, Measured, Series, Target
from benchmarks.source import source

__all__ = ["QUICK", "ROW"]

_MODEL = "plain-150"
_CONNECTIONS = 1_000  # for those who would have fewer
_COUNT, QUICK = 2_000, 500  # requests of a run

# Makes one call, and gives the characters of the answer.
_Call: TypeAlias = Callable[[], Awaitable[int]]
_Opener: TypeAlias = Callable[[str], AbstractAsyncContextManager[_Call]]


def _calling(client: Any) -> _Call:
    """A client's plain call. All SDKs' code is the same."""

    async def call() -> int:
        completion = await client.chat.completions.create(model=_MODEL, messages=MESSAGES, temperature=0.5)
        return len(completion.choices[0].message.content)

    return call


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[_Call]:
    async with official_client(origin) as client:
        yield _calling(client)


@asynccontextmanager
async def _official_on_aiohttp(origin: str) -> AsyncIterator[_Call]:
    async with official_client_on_aiohttp(origin) as client:
        yield _calling(client)


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[_Call]:
    async with our_client(origin) as client:
        yield _calling(client)


@asynccontextmanager
async def _by_hand(origin: str) -> AsyncIterator[_Call]:
    import orjson

    async with aiohttp_session(origin, limit=_CONNECTIONS) as session:
        headers = {"content-type": "application/json"}

        async def call() -> int:
            request = orjson.dumps({"model": _MODEL, "messages": MESSAGES, "temperature": 0.5})
            async with session.post("/v1/chat/completions", data=request, headers=headers) as response:
                completion = orjson.loads(await response.read())
            return len(completion["choices"][0]["message"]["content"])

        yield call


async def _crowd(call: _Call, count: int, *, at_a_time: int) -> list[float]:
    """Make `count` calls, so many under way at any time; the seconds that each took.

    Raises:
        RuntimeError: An answer was not the one that was asked for.
    """
    took: list[float] = []
    left, wanted = count, body(_MODEL).characters

    async def one_after_the_other() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            if await call() != wanted:
                raise RuntimeError("another answer than the source's")
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(at_a_time)))
    return took


async def _measure(contestant: _Opener, at_a_time: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    count = QUICK if quick else _COUNT
    with source() as running:
        async with contestant(running.origin) as call:
            await _crowd(call, max(200, 2 * at_a_time), at_a_time=at_a_time)  # opens the connections
            gc.collect()
            served, cpu, wall = running.cpu(), time.process_time(), time.perf_counter()
            took = await _crowd(call, count, at_a_time=at_a_time)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            served = running.cpu() - served
    half, most, _ = percentiles(took)
    return {
        "cpu": cpu / count,
        "rate": count / wall,
        "half": half,
        "most": most,
        "source": served / count,
    }


def _cases(at_a_time: int) -> tuple[Case, ...]:
    contestants: tuple[tuple[str, _Opener], ...] = (
        ("openai", _official),
        ("openai on aiohttp", _official_on_aiohttp),
        ("aiohttp + orjson by hand", _by_hand),
        (OURS, _ours),
    )
    return tuple(
        Case(contestant=name, size=f"{at_a_time} at a time", measure=partial(_measure, opener, at_a_time))
        for name, opener in contestants
    )


ROW = Series(
    name="plain",
    title="Plain `create()`, an answer of 150 tokens",
    cases=(*_cases(1), *_cases(50), *_cases(500)),
    columns=(
        Column(key="cpu", title="CPU a request"),
        Column(key="rate", title="requests a second", unit="number"),
        Column(key="half", title="latency p50"),
        Column(key="most", title="latency p99"),
        Column(key="source", title="source's CPU"),
    ),
    targets=(
        Target(column="cpu", rival="openai", size="50 at a time", limit=1 / 9),
        Target(column="cpu", rival="aiohttp + orjson by hand", size="50 at a time", limit=1.4),
    ),
    repeat=5,
    notes=(
        "Latency: from the call to the answer; of many at a time most of it is waiting for the core that all share.",
        "On aiohttp: `http_client=DefaultAioHttpClient()`, the official SDK's other transport.",
        "By hand: no types, no retries, no time limits but aiohttp's own.",
        (
            "Ours on top of the bare loop, about a third each: checking and encoding the request, the attempt "
            "with its time limits, decoding into types."
        ),
    ),
)
