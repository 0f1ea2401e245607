"""Many streams at once in one client: opened, then read together at the source's pace, and what that costs.

A contestant's way to read a stream comes in, `Figures` of all streams together go out.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .bodies import STAMP
from .pacer import Pace, Pacer, Pacing, pacer, percentiles

__all__ = ["MEMORY", "Arrivals", "Figures", "Opener", "Read", "crowd"]

# When chunks came: the nanoseconds that one took from its sending to the reader's hands; or the monotonic time of a
# read, in nanoseconds, and its bytes, of who does not look into them.
Arrivals: TypeAlias = deque[int | tuple[int, bytes]]
# Opens a stream of the model, reads it to its end, calls the function with the first chunk, and notes every one.
Read: TypeAlias = Callable[[str, Callable[[], None], Arrivals], Coroutine[Any, Any, None]]
# Opens a client on an origin and gives its way to read.
Opener: TypeAlias = Callable[[str], AbstractAsyncContextManager[Read]]

_CREATED = re.compile(rb'"created":(\d{18})')  # a stamp
_BEAT = 0.005  # seconds
_WARM_UP: Pace = {"chunks": 5, "rate": 50, "spread": 1, "burst": 0, "ending": True}
_TRICKLE: Pace = {"chunks": 5, "rate": 5, "spread": 1, "burst": 0, "ending": False}
_CATCH_UP = 0.5  # seconds, for a reader that is slower than the source
MEMORY = Path("/proc/self/smaps_rollup")  # Linux


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a crowd cost.

    Attributes:
        chunks: How many came, of all streams, after all were open.
        opening: CPU seconds until all were open.
        memory: Bytes that the process had more when all were open, its share of what it shares included; 0: not asked.
        cpu: CPU seconds from then to the streams' end.
        kernel: Those of them that the kernel took.
        wall: Seconds of the same.
        latency: Seconds from a chunk's sending to the reader's hands: of half of them, of 99 in 100, of all.
        stall: Seconds that the event loop woke a sleeping task late, at worst; 0.0: not asked.
        turn: CPU seconds of the event loop's dearest turn; 0.0: not asked, or not asyncio's own loop.
        source: How the source did.
    """

    chunks: int
    opening: float
    memory: int
    cpu: float
    kernel: float
    wall: float
    latency: tuple[float, float, float]
    stall: float
    turn: float
    source: Pacing


async def crowd(
    contestant: Opener,
    *,
    streams: int,
    pace: Pace,
    holding: bool = False,
    beating: bool = False,
    warm_up: int = 20,
    rounds: int = 1,
) -> Figures:
    """Read so many streams at once, from a source of their own.

    Args:
        contestant: Who reads.
        streams: How many.
        pace: What the source writes to each.
        holding: Whether to measure what the open streams hold, after five chunks more, instead of when chunks arrive.
        beating: Whether to measure stalls, by a task beside the streams.
        warm_up: Streams that are read before, and leave their connections behind; not more than are read then.
        rounds: How often, where it is quick; the figures are those of the round of the middle CPU time.

    Raises:
        RuntimeError: A chunk was lost, or came twice.
    """
    with pacer() as source:
        async with contestant(source.origin) as read:
            await _Together(read, source).read(min(streams, warm_up), _WARM_UP)
            together = _Together(read, source, holding=holding, beating=beating)
            found = [await together.read(streams, pace) for _ in range(rounds)]
            return sorted(found, key=lambda figures: figures.opening + figures.cpu)[rounds // 2]


class _Together:
    def __init__(self, read: Read, source: Pacer, *, holding: bool = False, beating: bool = False) -> None:
        self._read, self._source = read, source
        self._holding, self._beating = holding, beating

    async def read(self, streams: int, pace: Pace) -> Figures:
        left, all_open, pulse = streams, asyncio.Event(), _Pulse()
        arrivals: Arrivals = deque(maxlen=0 if self._holding else None)

        def first() -> None:
            nonlocal left
            left -= 1
            if not left:
                all_open.set()

        before = _resident() if self._holding else 0
        cpu = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(self._read("paced-1", first, arrivals))
            await all_open.wait()
            opening = time.process_time() - cpu
            memory = await self._trickle() - before if self._holding else 0
            gc.collect()
            arrivals.clear()
            cpu, kernel, wall = time.process_time(), os.times().system, time.perf_counter()
            self._source.begin(pace)
            if self._beating:
                pulse.start()
        cpu, kernel = time.process_time() - cpu, os.times().system - kernel
        wall = time.perf_counter() - wall
        pulse.stop()
        latencies = _latencies(arrivals)
        chunks = pace["chunks"] * (streams - bool(pace["burst"])) + pace["burst"]
        # Of who only drains, a few are cut in two by the end of a read.
        if not (self._holding or chunks * 0.999 <= len(latencies) <= chunks):
            raise RuntimeError(f"{len(latencies):,} chunks came, of {chunks:,}")
        return Figures(
            chunks=chunks,
            opening=opening,
            memory=memory,
            cpu=cpu,
            kernel=kernel,
            wall=wall,
            latency=percentiles(latencies),
            stall=pulse.late,
            turn=pulse.turn,
            source=self._source.outcome(),
        )

    async def _trickle(self) -> int:
        """Have each stream get some chunks; what the process has when all of them wait for the next.

        Cancelling it leaves the source's answer unread.
        """
        self._source.begin(_TRICKLE)
        await asyncio.to_thread(self._source.outcome)
        await asyncio.sleep(_CATCH_UP)
        return _resident()


class _Pulse:
    """A task that asks to be woken every few milliseconds, and notes how late that was at worst."""

    def __init__(self) -> None:
        self.late = self.turn = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._beat())
        loop: Any = asyncio.get_running_loop()
        if hasattr(loop, "_run_once"):
            # Private to asyncio, and looked up at every turn. Waiting takes no CPU time, so a turn's is its callbacks'.
            run_once = loop._run_once

            def timed() -> None:
                began = time.thread_time()
                run_once()
                self.turn = max(self.turn, time.thread_time() - began)

            loop._run_once = timed

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT
            await asyncio.sleep(_BEAT)
            self.late = max(self.late, loop.time() - due)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            vars(asyncio.get_running_loop()).pop("_run_once", None)


def _latencies(arrivals: Arrivals) -> list[float]:
    """Seconds from each chunk's sending to the reader's hands."""
    found: list[float] = []
    for arrival in arrivals:
        if isinstance(arrival, int):
            found.append(arrival / 1e9)
        else:
            now, data = arrival
            found.extend((now + STAMP - int(stamp)) / 1e9 for stamp in _CREATED.findall(data))
    return found


def _resident() -> int:
    """Bytes of memory that this process has, of what it shares with others its share.

    Raises:
        FileNotFoundError: Not on Linux, whose kernel counts it.
    """
    gc.collect()
    line = next(line for line in MEMORY.read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
