"""How our cost grows: with the length of a stream, and with the number of streams."""

from __future__ import annotations

from functools import partial
from math import log
from statistics import linear_regression, median

from benchmarks import readers
from benchmarks.crowd import Opener, crowd
from benchmarks.pacer import Pace
from benchmarks.series import OURS, Case, Column, Measured, Series, Turns

__all__ = ["ROW"]

# Chunks of one stream, and how often it is read.
_LENGTHS = {100: 50, 1_000: 20, 10_000: 5, 100_000: 1, 1_000_000: 1}
# Streams at once, and how often they are read.
_CROWDS = {1: 10, 10: 10, 100: 5, 500: 2, 2_000: 1}
_CHUNKS = 8  # of each of many streams
_RATE = 8_000  # chunks a second of all streams together
_QUICK = 100_000  # chunks at most
_LINEAR = 1.1  # power of the number with which the cost may grow
# Below these the fixed costs of a stream, or of a wake-up that finds one chunk only, show.
_FROM_LENGTH, _FROM_CROWD = 1_000, 10


async def _long(chunks: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    if quick and chunks > _QUICK:
        return {}
    pace: Pace = {"chunks": 0, "rate": 1, "spread": 0, "burst": chunks, "ending": True}
    found = await crowd(readers.ours_to_final, streams=1, pace=pace, rounds=1 if quick else _LENGTHS[chunks])
    return {"cpu": found.cpu / found.chunks, "wall": found.wall}


async def _many(contestant: Opener, streams: int, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    pace: Pace = {"chunks": _CHUNKS, "rate": _RATE / streams, "spread": 1, "burst": 0, "ending": True}
    found = await crowd(
        contestant, streams=streams, pace=pace, warm_up=streams, rounds=1 if quick else _CROWDS[streams]
    )
    return {
        "cpu": (found.opening + found.cpu) / found.chunks,
        "opening": found.opening / found.chunks,
        "most": found.latency[1],
        "late": found.source["late"][1],
    }


def _length_case(chunks: int) -> Case:
    return Case(contestant=f"{OURS}, .final()", size=f"{chunks:,} chunks", measure=partial(_long, chunks))


def _crowd_size(streams: int) -> str:
    return f"{streams:,} streams" if streams > 1 else "1 stream"


def _crowd_case(name: str, contestant: Opener, streams: int) -> Case:
    return Case(contestant=name, size=_crowd_size(streams), measure=partial(_many, contestant, streams))


def _verdict(turns: Turns) -> tuple[str, ...]:
    """Whether the cost of all is the number's first power, fitted through the logarithms."""
    lengths = {number: (f"{OURS}, .final()", f"{number:,} chunks") for number in _LENGTHS if number >= _FROM_LENGTH}
    crowds = {number: (OURS, _crowd_size(number)) for number in _CROWDS if number >= _FROM_CROWD}
    return (
        _growth(f"Chunks of one stream, from {_FROM_LENGTH:,} on", lengths, turns),
        _growth(f"Streams at once, from {_FROM_CROWD} on", crowds, turns),
    )


def _growth(what: str, cases: dict[int, tuple[str, str]], turns: Turns) -> str:
    each = {number: median(turn["cpu"] for turn in turns[case]) for number, case in cases.items() if any(turns[case])}
    power = 1 + linear_regression([log(number) for number in each], [log(cpu) for cpu in each.values()]).slope
    widest = max(each.values()) / min(each.values())
    verdict = "linear" if power <= _LINEAR else "not linear"
    return (
        f"{what}: the cost grows with the power {power:.2f} of their number, {verdict}; the dearest chunk costs "
        f"{widest:.2f} times the cheapest."
    )


ROW = Series(
    name="growth",
    title="What a chunk costs in longer streams, and in more of them",
    cases=(
        *(_length_case(chunks) for chunks in _LENGTHS),
        *(_crowd_case("aiohttp, only draining", readers.drain, streams) for streams in _CROWDS),
        *(_crowd_case(OURS, readers.ours, streams) for streams in _CROWDS),
    ),
    columns=(
        Column(key="cpu", title="CPU a chunk"),
        Column(key="opening", title="of it for opening"),
        Column(key="wall", title="wall"),
        Column(key="most", title="latency p99"),
        Column(key="late", title="source late p99"),
    ),
    verdict=_verdict,
    repeat=3,
    notes=(
        "One stream: its chunks back to back, and the whole completion at its end.",
        (
            f"Many: {_CHUNKS} chunks each, {_RATE:,} a second of all together, however many streams they are of, on connections "
            "that are open already; a stream's opening and end are in the figure."
        ),
    ),
)
