"""The events of a stream with log probabilities, where the official SDK's time grows with the square of its length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.clients import MESSAGES, official_client, our_client
from benchmarks.row import Client, Goal, Row, Work

__all__ = ["ROW"]


async def _follow(manager: Any) -> int:
    """Every event, and the final completion. The two SDKs' code is the same."""
    async with manager as stream:
        async for event in stream:
            if event.type == "logprobs.content.delta":
                assert event.content[0].top_logprobs
        completion = await stream.get_final_completion()
    tokens = completion.choices[0].logprobs.content
    return sum(len(token.token) for token in tokens)


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[Work]:
    async with official_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            return await _follow(
                client.chat.completions.stream(model=model, messages=MESSAGES, logprobs=True, top_logprobs=5)
            )

        yield work


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[Work]:
    async with our_client(origin) as client:

        async def work(model: str, _units: int) -> int:
            return await _follow(
                client.chat.completions.stream(model=model, messages=MESSAGES, logprobs=True, top_logprobs=5)
            )

        yield work


ROW = Row(
    name="logprobs",
    title="`stream(logprobs=True, top_logprobs=5)`: all events, then the final completion",
    unit="chunk",
    units=4_000,
    quick=1_000,
    model="logprobs-{}",
    contestants=(
        Client(name="openai, .stream()", open=_official),
        Client(name="openai_async, .stream()", open=_ours, rounds=9),
    ),
    # At 4,000 chunks, as docs/design.md has it: one side grows with the length, the other does not.
    goals=(Goal(ours="openai_async, .stream()", rival="openai, .stream()", cpu=1 / 500),),
    repeat=3,
    notes=("openai's time a chunk grows with the stream: `--units 1000` shows a quarter of it, ours the same.",),
)
