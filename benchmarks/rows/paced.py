"""Many streams that trickle, as those of a busy backend do: what a chunk costs when each one wakes the event loop."""

from __future__ import annotations

from functools import partial

from benchmarks import readers
from benchmarks.crowd import Opener, crowd
from benchmarks.pacer import GRACE
from benchmarks.series import OURS, Case, Column, Measured, Series, Target

__all__ = ["ROW"]

_RATE = 20  # chunks a second
_CHUNKS, _QUICK = 30, 10  # of each stream


async def _measure(contestant: Opener, streams: int, spread: float, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    chunks = _QUICK if quick else _CHUNKS
    found = await crowd(
        contestant,
        streams=streams,
        pace={"chunks": chunks, "rate": _RATE, "spread": spread, "burst": 0, "ending": True},
    )
    half, most, _ = found.latency
    return {
        "cpu": (found.opening + found.cpu) / found.chunks,
        "paced": found.cpu / found.chunks,
        "opening": found.opening / streams,
        "half": half,
        "most": most,
        "behind": found.wall - GRACE - (chunks + spread) / _RATE,
        "source": found.source["cpu"] / found.chunks,
        "late": found.source["late"][1],
    }


def _cases(streams: int, *contestants: tuple[str, Opener], spread: float = 1.0) -> tuple[Case, ...]:
    size = f"{streams:,}" if spread else f"{streams:,} in step"
    return tuple(
        Case(contestant=name, size=size, measure=partial(_measure, contestant, streams, spread))
        for name, contestant in contestants
    )


_OFFICIAL = ("openai", readers.official)
_OFFICIAL_ON_AIOHTTP = ("openai on aiohttp", readers.official_on_aiohttp)
_BY_HAND = ("aiohttp + orjson by hand", readers.by_hand)
_DRAIN = ("aiohttp, only draining", readers.drain)
_OURS = (OURS, readers.ours)

ROW = Series(
    name="paced",
    title=f"Many streams at {_RATE} chunks a second each, for {_CHUNKS / _RATE:g} s",
    cases=(
        *_cases(100, _OFFICIAL, _DRAIN, _OURS),
        *_cases(300, _OFFICIAL, _OFFICIAL_ON_AIOHTTP, _BY_HAND, _DRAIN, _OURS),
        *_cases(300, _OFFICIAL, _DRAIN, _OURS, spread=0.0),
        *_cases(1_000, _DRAIN, _OURS),
    ),
    columns=(
        Column(key="cpu", title="CPU a chunk"),
        Column(key="paced", title="once open"),
        Column(key="opening", title="to open a stream"),
        Column(key="half", title="latency p50"),
        Column(key="most", title="latency p99"),
        Column(key="behind", title="behind at the end"),
        Column(key="source", title="source's CPU"),
        Column(key="late", title="source late p99"),
    ),
    targets=(
        Target(column="cpu", rival="openai", size="300", limit=1 / 6),
        Target(column="cpu", rival="aiohttp, only draining", size="300", limit=1.25),
        Target(column="cpu", rival="openai", size="300 in step", limit=1 / 6),
        Target(column="cpu", rival="aiohttp, only draining", size="300 in step", limit=1.25),
    ),
    repeat=3,
    notes=(
        "CPU a chunk: all of it, the opening of the streams included; once open: without that.",
        (
            "Latency: from the source's sending of a chunk to the reader's hands. The source itself is late when the "
            "machine is busy; that is not in it."
        ),
        (
            "Each stream has a beat of its own, as with many answers of a public API, so that almost every chunk wakes the "
            "event loop; in step: all chunks come at the same moments, as from one server that batches."
        ),
        "openai is not asked for 1,000 streams: it falls behind at 300, and its figures would be those of its backlog.",
        (
            "1,000 streams are 20,000 chunks a second: where one takes 50 µs, that is all of a core, and every reader "
            "falls behind, who only drains as well."
        ),
        (
            "The floor: what only drains costs about a fifth of openai itself, most of it kernel and event loop, so that "
            "a sixth of openai can't be had on aiohttp; the row `layers` shows where the time goes."
        ),
    ),
)
