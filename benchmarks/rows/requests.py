"""Requests with large bodies, a long document or a long conversation: what they cost, and how long they block the loop."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from statistics import median
from typing import Any, TypeAlias

from benchmarks.bodies import body
from benchmarks.clients import aiohttp_session, official_client, our_client
from benchmarks.series import OURS, Case, Column, Measured, Series, Turns
from benchmarks.source import source

__all__ = ["ROW"]

_MODEL = "plain-20"
_MEGABYTE = 1_000_000
_TEXT = "The quick brown fox, naïve as ever, said “no” to\nthe lazy dog \\ and went home: 数据. "
_BEAT = 0.001  # seconds
_BEATEN = 2  # requests beside which the heart beats

# Sends the messages once, and gives the characters of the answer.
_Call: TypeAlias = Callable[[Any], Awaitable[int]]
_Opener: TypeAlias = Callable[[str], AbstractAsyncContextManager[_Call]]


def _calling(client: Any) -> _Call:
    """A client's plain call. Both SDKs' code is the same."""

    async def call(messages: Any) -> int:
        completion = await client.chat.completions.create(model=_MODEL, messages=messages)
        return len(completion.choices[0].message.content)

    return call


@asynccontextmanager
async def _official(origin: str) -> AsyncIterator[_Call]:
    async with official_client(origin) as client:
        yield _calling(client)


@asynccontextmanager
async def _ours(origin: str) -> AsyncIterator[_Call]:
    async with our_client(origin) as client:
        yield _calling(client)


@asynccontextmanager
async def _by_hand(origin: str) -> AsyncIterator[_Call]:
    import orjson

    async with aiohttp_session(origin) as session:
        headers = {"content-type": "application/json"}

        async def call(messages: Any) -> int:
            request = orjson.dumps({"model": _MODEL, "messages": messages})
            async with session.post("/v1/chat/completions", data=request, headers=headers) as response:
                completion = orjson.loads(await response.read())
            return len(completion["choices"][0]["message"]["content"])

        yield call


def _messages(size: int, count: int) -> list[dict[str, str]]:
    """A conversation of `count` messages with `size` bytes of text in all."""
    text = _TEXT * (size // count // len(_TEXT.encode()))
    return [{"role": "assistant" if index % 2 else "user", "content": text} for index in range(count)]


async def _send(call: _Call, messages: Any, times: int) -> None:
    """Send the messages so many times, one after the other.

    Raises:
        RuntimeError: An answer was not the one that was asked for.
    """
    for _ in range(times):
        if await call(messages) != body(_MODEL).characters:
            raise RuntimeError("another answer than the source's")


async def _beat(late: list[float]) -> None:
    """Ask to be woken every millisecond, and note how late that was."""
    while True:
        due = time.perf_counter() + _BEAT
        await asyncio.sleep(_BEAT)
        late.append(time.perf_counter() - due)


def _faults() -> int:
    """Pages that the kernel has given this process one by one."""
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


async def _measure(contestant: _Opener, size: int, count: int, times: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    messages, late = _messages(size, count), [0.0]
    times = max(1, times // 3) if quick else times
    with source() as running:
        async with contestant(running.origin) as call:
            await _send(call, _messages(1_000, 1), 50)
            await _send(call, messages, 1)
            gc.collect()
            served, faults, cpu = running.cpu(), _faults(), time.process_time()
            await _send(call, messages, times)
            cpu, faults, served = time.process_time() - cpu, _faults() - faults, running.cpu() - served
            heart = asyncio.create_task(_beat(late))  # only now: its own CPU time would be in the figure
            await asyncio.sleep(0)
            await _send(call, messages, _BEATEN)
            await asyncio.sleep(_BEAT * 2)  # for a beat that is late by the last of it
            heart.cancel()
    return {
        "cpu": cpu / times,
        # Of smaller ones it would be the cost of a request, whatever its size.
        **({"megabyte": cpu / times * _MEGABYTE / size} if size >= _MEGABYTE else {}),
        "stall": max(late),
        "faults": faults / times,
        "source": served / times,
    }


_SIZES = (  # name, bytes, messages, requests of a run
    ("1 KB", 1_000, 1, 600),
    ("100 KB", 100_000, 1, 150),
    ("1 MB", _MEGABYTE, 1, 30),
    ("10 MB", 10 * _MEGABYTE, 1, 6),
    ("50 MB", 50 * _MEGABYTE, 1, 3),
    ("1 MB, 1,000 messages", _MEGABYTE, 1_000, 20),
    ("10 MB, 10,000 messages", 10 * _MEGABYTE, 10_000, 3),
)
# From where on the bytes are all that counts, and up to where.
_LINEAR = (("1 MB", "10 MB", 10), ("10 MB", "50 MB", 5), ("1 MB, 1,000 messages", "10 MB, 10,000 messages", 10))


def _verdict(turns: Turns) -> tuple[str, ...]:
    """Whether our cost grows as the body does."""
    said: list[str] = []
    for small, large, times in _LINEAR:
        pairs = list(zip(turns[OURS, small], turns[OURS, large], strict=True))
        grown = median(b["cpu"] / a["cpu"] for a, b in pairs)
        faults = median(b["faults"] - a["faults"] for a, b in pairs)
        verdict = (
            "linear" if grown <= 1.3 * times else f"more than linear, with {faults:,.0f} page faults a request more"
        )
        said.append(f"{OURS} from {small} to {large}: {times} times the bytes, {grown:.3g} times the CPU: {verdict}.")
    stall = median(turn["stall"] for turn in turns[OURS, "50 MB"])
    said.append(f"Sending 50 MB, {OURS} holds up the event loop for {stall * 1e3:.0f} ms at most.")
    return tuple(said)


ROW = Series(
    name="requests",
    title="Plain `create()` with a large request body",
    cases=tuple(
        Case(contestant=name, size=title, measure=partial(_measure, opener, size, count, times))
        for title, size, count, times in _SIZES
        for name, opener in (("openai", _official), ("aiohttp + orjson by hand", _by_hand), (OURS, _ours))
    ),
    columns=(
        Column(key="cpu", title="CPU a request"),
        Column(key="megabyte", title="CPU a MB"),
        Column(key="stall", title="longest stall"),
        Column(key="faults", title="page faults", unit="number"),
        Column(key="source", title="source's CPU"),
    ),
    verdict=_verdict,
    repeat=3,
    notes=(
        "One message with a long text, or many of 1 KB; one request after the other.",
        "Longest stall: how late a task was woken that asks for it every millisecond, while two requests were sent.",
        (
            "glibc takes every buffer of more than 32 MiB anew from the kernel, page by page, and gives it back at once: a "
            "mere copy of a body costs 20 µs a MB below that and 400 above it. Encoding into a buffer that is kept would avoid it, and hold that memory for ever."
        ),
        "By hand: `orjson.dumps`, then `session.post(data=…)`; no types, no retries.",
    ),
)
