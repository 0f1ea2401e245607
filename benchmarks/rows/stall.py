"""How long our client holds up the event loop for everybody else."""

from __future__ import annotations

from functools import partial

from benchmarks import readers
from benchmarks.crowd import Opener, crowd
from benchmarks.pacer import Pace
from benchmarks.series import OURS, Case, Column, Measured, Series

__all__ = ["ROW"]

_STREAMS, _RATE = 1_000, 20
_CHUNKS, _QUICK = 30, 10  # of each stream
_BURST = 50_000


async def _measure(contestant: Opener, streams: int, burst: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    chunks = _QUICK if quick else _CHUNKS
    pace: Pace = {"chunks": chunks, "rate": _RATE, "spread": 1, "burst": burst, "ending": True}
    found = await crowd(contestant, streams=streams, pace=pace, beating=True)
    figures = {"stall": found.stall, "cpu": found.cpu / found.chunks, "late": found.source["late"][2]}
    return figures | {"turn": found.turn} if found.turn else figures


def _cases(size: str, streams: int, burst: int) -> tuple[Case, ...]:
    return tuple(
        Case(contestant=name, size=size, measure=partial(_measure, contestant, streams, burst))
        for name, contestant in (
            ("aiohttp, only draining", readers.drain),
            ("aiohttp + orjson by hand", readers.by_hand),
            (OURS, readers.ours),
        )
    )


ROW = Series(
    name="stall",
    title=f"The event loop's longest stall at {_STREAMS:,} streams of {_RATE} chunks a second",
    cases=(
        *_cases("1 burst", 1, _BURST),
        *_cases(f"{_STREAMS:,}", _STREAMS, 0),
        *_cases(f"{_STREAMS:,}, 1 burst", _STREAMS, _BURST),
    ),
    columns=(
        Column(key="stall", title="longest stall"),
        Column(key="turn", title="dearest turn, CPU"),
        Column(key="cpu", title="CPU a chunk"),
        Column(key="late", title="source late at worst"),
    ),
    repeat=5,
    notes=(
        (
            "A task asks to be woken every 5 ms; the stall is how late that was at worst, from the moment when all streams "
            "were open to their end. Up to 1 ms of it is the event loop's own timer."
        ),
        f"1 burst: one of the streams gets {_BURST:,} chunks back to back instead.",
        (
            "Whatever else the machine does shows in the stall as well, its smallest figure says most; the dearest turn is "
            "the CPU time of what asyncio's loop ran between two looks at its sockets, a backlog included."
        ),
    ),
)
