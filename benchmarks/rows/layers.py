"""Where the time of a paced chunk goes: the way from the socket to a typed chunk, a layer more in each line."""

from __future__ import annotations

from functools import partial

from benchmarks import layers, readers
from benchmarks.crowd import Opener, crowd
from benchmarks.series import OURS, Case, Column, Measured, Series, Turns

__all__ = ["ROW"]

_RATE = 20  # chunks a second
_CHUNKS, _QUICK = 30, 10  # of each stream
_STREAMS = 300

# From the bottom to the top.
_LAYERS: tuple[tuple[str, Opener], ...] = (
    ("asyncio.Protocol, only noting", layers.protocol),
    ("aiohttp, only draining", readers.drain),
    ("+ limits and errors", layers.transport),
    ("+ events", layers.events),
    ("+ chunks", layers.chunks),
    (OURS, readers.ours),
)


async def _measure(contestant: Opener, spread: float, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    found = await crowd(
        contestant,
        streams=_STREAMS,
        pace={"chunks": _QUICK if quick else _CHUNKS, "rate": _RATE, "spread": spread, "burst": 0, "ending": True},
    )
    return {
        "cpu": found.cpu / found.chunks,
        "user": (found.cpu - found.kernel) / found.chunks,
        "kernel": found.kernel / found.chunks,
        "opening": found.opening / _STREAMS,
    }


def _shares(turns: Turns) -> tuple[str, ...]:
    """What each layer adds to the one below it, of the medians."""
    return tuple(_share(turns, size) for size in ("apart", "in step"))


def _share(turns: Turns, size: str) -> str:
    costs = [sorted(turn["cpu"] for turn in turns[name, size]) for name, _ in _LAYERS]
    medians = [cost[len(cost) // 2] * 1e6 for cost in costs]
    steps = zip((name for name, _ in _LAYERS[1:]), medians, medians[1:], strict=False)
    added = ", ".join(f"{name.removeprefix('+ ')} {above - below:+.1f}" for name, below, above in steps)
    return f"Layer by layer, {size}, in µs a chunk: {medians[0]:.1f} at the bottom; {added}."


ROW = Series(
    name="layers",
    title=f"Where a chunk's time goes: {_STREAMS} streams at {_RATE} chunks a second each, once open",
    cases=tuple(
        Case(contestant=name, size=size, measure=partial(_measure, contestant, spread))
        for size, spread in (("apart", 1.0), ("in step", 0.0))
        for name, contestant in _LAYERS
    ),
    columns=(
        Column(key="cpu", title="CPU a chunk"),
        Column(key="user", title="of it in Python"),
        Column(key="kernel", title="of it in the kernel"),
        Column(key="opening", title="to open a stream"),
    ),
    verdict=_shares,
    notes=(
        (
            "The same streams as in the row `paced`. Each line does what the line above it does, and one thing more; "
            "the last is the client as it is used, which adds the coroutines of its iterator and the snapshot."
        ),
        "The kernel's part is what `epoll` and `recv` take: two system calls a chunk, whoever reads.",
        (
            "The code runs cold here: between two chunks the process sleeps, and others have the caches. In a tight loop, "
            "where a read that brings one chunk takes 6 µs in all (row `hooks`), the client adds 4 to the loop's turn; here "
            "7 to 14."
        ),
    ),
)
