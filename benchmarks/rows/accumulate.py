"""A stream followed by its events, and the whole completion at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.clients import MESSAGES, official_client, our_client
from benchmarks.row import Client, Goal, Row, Work

__all__ = ["ROW"]


async def _follow(manager: Any) -> int:
    """Every event, and the final completion. The two SDKs' code is the same."""
    heard = 0
    async with manager as stream:
        async for event in stream:
            if event.type == "content.delta":
                heard += len(event.delta)
        completion = await stream.get_final_completion()
    whole = len(completion.choices[0].message.content or "")
    return whole if whole == heard else -1


async def _watch(manager: Any) -> int:
    """The same, looking at the text so far with every piece, as a program that redraws does."""
    longest = 0
    async with manager as stream:
        async for event in stream:
            if event.type == "content.delta":
                longest = max(longest, len(event.snapshot))
        completion = await stream.get_final_completion()
    whole = len(completion.choices[0].message.content or "")
    return whole if whole == longest else -1


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            return await _follow(client.chat.completions.stream(model=model, messages=MESSAGES))

        yield work


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            return await _follow(client.chat.completions.stream(model=model, messages=MESSAGES))

        yield work


@asynccontextmanager
async def _ours_watching(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            return await _watch(client.chat.completions.stream(model=model, messages=MESSAGES))

        yield work


@asynccontextmanager
async def _ours_only_final(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            completion = await stream.final()
            return len(completion.choices[0].message.content or "")

        yield work


ROW = Row(
    name="accumulate",
    title="`stream()`: all events, then the final completion",
    unit="chunk",
    units=10_000,
    quick=2_000,
    model="text-{}",
    contestants=(
        Client(name="openai, .stream()", open=_official),
        Client(name="openai_async, .stream()", open=_ours, rounds=7),
        Client(name="openai_async, .stream(), every snapshot", open=_ours_watching, rounds=5),
        Client(name="openai_async, create() and .final()", open=_ours_only_final, rounds=9),
    ),
    goals=(Goal(ours="openai_async, .stream()", rival="openai, .stream()", cpu=1 / 40),),
    repeat=5,
    notes=("Every snapshot: the text so far is looked at with each piece; openai makes it whether looked at or not.",),
)
