"""Many streams that are open and wait: what each of them holds in memory."""

from __future__ import annotations

from functools import partial

from benchmarks import readers
from benchmarks.crowd import MEMORY, Opener, crowd
from benchmarks.series import OURS, Case, Column, Measured, Series, Target

__all__ = ["ROW"]

_STREAMS, _QUICK = 1_000, 200


async def _measure(contestant: Opener, quick: bool) -> Measured:  # noqa: FBT001 - the case's
    if not MEMORY.exists():
        return {}
    streams = _QUICK if quick else _STREAMS
    found = await crowd(
        contestant,
        streams=streams,
        pace={"chunks": 0, "rate": 2, "spread": 1, "burst": 0, "ending": True},
        holding=True,
    )
    return {"memory": found.memory / streams, "opening": found.opening / streams}


ROW = Series(
    name="memory",
    title="Memory of an open stream that waits for its next chunk",
    cases=tuple(
        Case(contestant=name, measure=partial(_measure, contestant))
        for name, contestant in (
            ("openai", readers.official),
            ("openai on aiohttp", readers.official_on_aiohttp),
            ("aiohttp, only draining", readers.drain),
            (OURS, readers.ours),
        )
    ),
    columns=(
        Column(key="memory", title="memory a stream", unit="bytes"),
        Column(key="opening", title="CPU to open it"),
    ),
    targets=(Target(column="memory", rival="openai", limit=0.45),),
    repeat=3,
    notes=(
        (
            f"What the process has more (PSS, after a garbage collection) when {_STREAMS:,} streams are open, {_QUICK} if "
            "quick, and have received six chunks one by one, with a task that reads each; before that, 20 streams were "
            "read. Needs Linux."
        ),
        (
            "The floor: almost all of it is aiohttp's connection, parser and task. The bare session has them as well, and "
            "does not reach the goal itself. Runs differ by 5 %."
        ),
    ),
)
