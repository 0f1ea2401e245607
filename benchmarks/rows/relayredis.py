"""Streams that another machine reads, by way of Redis: what that costs both, and how much later a token is there."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from benchmarks.bodies import STAMP
from benchmarks.clients import MESSAGES, our_client
from benchmarks.pacer import pacer, percentiles
from benchmarks.redisnodes import KINDS, Write, node, redis_server
from benchmarks.series import OURS, Case, Column, Measured, Series, Turns

__all__ = ["ROW"]

_STREAMS, _RATE = 100, 50
_CHUNKS, _QUICK = 150, 50  # of each stream
_STAMP = re.compile(rb'"created":(\d{18})')
_GOAL = 0.010  # seconds


async def _measure(kind: str, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    chunks = _QUICK if quick else _CHUNKS
    with redis_server() as url, pacer() as upstream, node(kind, url, _STREAMS) as reader:
        async with our_client(upstream.origin) as client, KINDS[kind]["writer"](url) as write:
            writing = _Writing(client, write)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(writing.stream(f"stream-{place}")) for place in range(_STREAMS)]
                await writing.all_open.wait()
                await asyncio.sleep(2)  # until the reader has found all of them
                gc.collect()
                reader.begin()
                writing.latencies.clear()
                cpu = time.process_time()
                upstream.begin({"chunks": chunks, "rate": _RATE, "spread": 1, "burst": 0, "ending": True})
                await asyncio.gather(*tasks)
                cpu = time.process_time() - cpu
            seen = await reader.seen()
            upstream.outcome()
    events = chunks * _STREAMS
    if seen["frames"] < events:
        raise RuntimeError(f"{seen['frames']:,} chunks came, of {events:,}")
    here, there = percentiles(writing.latencies), seen["latency"]
    return {
        "cpu": (cpu + seen["cpu"]) / events,
        "writer": cpu / events,
        "reader": seen["cpu"] / events,
        "half": there[0] - here[0],
        "most": there[1] - here[1],
        "there": there[1],
    }


class _Writing:
    """The streams of the writing node, and when each chunk was there."""

    def __init__(self, client: Any, write: Write) -> None:
        self._client, self._write = client, write
        self._left = _STREAMS
        self.all_open = asyncio.Event()
        self.latencies: list[float] = []

    async def stream(self, name: str) -> None:
        """Ask for an answer, and write it. Cancelling it ends both."""
        call = self._client.chat.completions.create(model="paced-1", messages=MESSAGES, stream=True)
        async with call as stream:
            self._left -= 1
            if not self._left:
                self.all_open.set()
            await self._write(name, self._noted(stream.payloads()))

    async def _noted(self, batches: AsyncIterator[list[bytes]]) -> AsyncIterator[list[bytes]]:
        async for payloads in batches:
            now = time.monotonic_ns() + STAMP
            for payload in payloads:
                if (stamp := _STAMP.search(payload)) is not None:
                    self.latencies.append((now - int(stamp[1])) / 1e9)
            yield payloads


def _verdict(turns: Turns) -> tuple[str, ...]:
    found = sorted(turn["most"] for turn in turns[OURS, ""])
    half = found[len(found) // 2]
    said = "reached" if half <= _GOAL else "missed"
    return (
        (
            f"Goal {said}: 99 in 100 chunks are at the other node {half * 1e3:.1f} ms later at most "
            f"({found[0] * 1e3:.1f} … {found[-1] * 1e3:.1f}); wanted {_GOAL * 1e3:.0f} ms or less."
        ),
    )


ROW = Series(
    name="relay-redis",
    title=f"{_STREAMS} streams of {_RATE} chunks a second, written on one node and read on another",
    cases=(
        Case(contestant="XADD and XREAD by hand", measure=partial(_measure, "by_hand")),
        Case(contestant=OURS, measure=partial(_measure, "ours")),
    ),
    columns=(
        Column(key="cpu", title="CPU a chunk, both nodes"),
        Column(key="writer", title="writer's"),
        Column(key="reader", title="reader's"),
        Column(key="half", title="added latency p50"),
        Column(key="most", title="added p99"),
        Column(key="there", title="in all p99"),
    ),
    verdict=_verdict,
    repeat=3,
    notes=(
        (
            "Added latency: from the chunk at the writing node to the chunk at the reading one, as the difference of their "
            "percentiles. Both nodes, Redis and the model's server share the machine's cores."
        ),
        "The client is ours on both lines; what it costs is in the writer's.",
        "By hand: a round trip for each chunk, a connection that blocks for each stream; no lease, no fencing, no cursor.",
    ),
)
