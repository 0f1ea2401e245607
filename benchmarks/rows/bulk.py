"""A bulk run, a hundred calls at a time: what `amap` and its journal cost beside loops that one writes by hand."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from benchmarks.clients import MESSAGES, our_client
from benchmarks.row import Client, Goal, Row, Work

__all__ = ["ROW"]

_AT_A_TIME = 100

# Makes a call for each number, and gives the characters of all answers.
_Loop = Callable[[Callable[[int], Awaitable[Any]], int], Awaitable[int]]


def _characters(completion: Any) -> int:
    return len(completion.choices[0].message.content)


async def _workers(call: Callable[[int], Awaitable[Any]], count: int) -> int:
    """A hundred tasks, each making one call after the other: the least that a loop can do."""
    total, numbers = 0, iter(range(count))

    async def work() -> None:
        nonlocal total
        for number in numbers:
            completion = await call(number)
            total += _characters(completion)

    await asyncio.gather(*(work() for _ in range(_AT_A_TIME)))
    return total


async def _semaphore(call: Callable[[int], Awaitable[Any]], count: int) -> int:
    """A task for each call, and a semaphore: the loop that most write."""
    semaphore = asyncio.Semaphore(_AT_A_TIME)

    async def one(number: int) -> int:
        async with semaphore:
            return _characters(await call(number))

    return sum(await asyncio.gather(*(one(number) for number in range(count))))


async def _amap(call: Callable[[int], Awaitable[Any]], count: int, *, journal: bool) -> int:
    from openai_async.bulk import amap

    total = 0
    with tempfile.TemporaryDirectory() as folder:
        kept = folder if journal else None
        async with amap(range(count), call, limit=_AT_A_TIME, journal=kept, key=str, errors="raise") as run:
            async for result in run:
                total += _characters(result.value)
    return total


@asynccontextmanager
async def _opened(loop: _Loop, origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, units: int) -> int:
            def call(number: int) -> Awaitable[Any]:
                del number  # each asks the same
                return client.chat.completions.create(model=model, messages=MESSAGES)

            return await loop(call, units)

        yield work


ROW = Row(
    name="bulk",
    title="A bulk run of plain calls, 100 at a time, all with this package's client",
    unit="request",
    units=3_000,
    quick=1_000,
    model="plain-150",
    contestants=(
        Client(name="worker tasks by hand", open=partial(_opened, _workers), rounds=5),
        Client(name="gather and a semaphore", open=partial(_opened, _semaphore), rounds=5),
        Client(name="amap", open=partial(_opened, partial(_amap, journal=False)), rounds=5),
        Client(name="amap with a journal", open=partial(_opened, partial(_amap, journal=True)), rounds=5),
    ),
    goals=(
        Goal(ours="amap with a journal", rival="worker tasks by hand", cpu=1 / 0.9),
        Goal(ours="amap with a journal", rival="gather and a semaphore", cpu=1 / 0.9),
    ),
    repeat=5,
    notes=("By hand: no failures, nothing to resume, all answers of the input's length, which is known.",),
)
