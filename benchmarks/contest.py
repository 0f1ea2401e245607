"""A series, run: every case in turns, each in a fresh process; then medians, ratios and what they say.

A `Series` comes in, an `Outcome` goes out. As a program it is one case's process: `python -m benchmarks.contest <case as
JSON>` prints what the case measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from statistics import median
from typing import Any

from .series import OURS, Case, Measured, Series
from .source import ROOT

__all__ = ["Outcome", "contest"]

_QUICK_REPEAT = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a series.

    Attributes:
        series: The series.
        turns: What each case measured, turn by turn, by its contestant and size.
        quick: Whether it was the quick version, for which no target is set.
    """

    series: Series
    turns: dict[tuple[str, str], list[Measured]]
    quick: bool

    def median(self, case: Case, key: str) -> float | None:
        """The middle of a case's figures of one column; None: it has none there."""
        found = [turn[key] for turn in self.turns[case.contestant, case.size] if key in turn]
        return median(found) if found else None

    def ratios(self, rival: str, size: str, key: str) -> list[float]:
        """Our figure divided by the rival's, turn by turn; empty where either has none."""
        ours, theirs = self.turns.get((OURS, size), []), self.turns.get((rival, size), [])
        pairs = zip(ours, theirs, strict=False)
        return [a[key] / b[key] for a, b in pairs if a.get(key) and b.get(key)]


def contest(
    series: Series,
    *,
    quick: bool,
    repeat: int | None,
    with_uvloop: bool,
    progress: Callable[[str], None],
    python: str = sys.executable,
) -> Outcome:
    """Run a series.

    Args:
        series: The series.
        quick: Whether to do less work in fewer turns: a first impression.
        repeat: Turns; None: as many as the series wants.
        with_uvloop: Whether the contestants' event loop is uvloop's.
        progress: Told what is being run.
        python: The interpreter that runs them.

    Raises:
        subprocess.CalledProcessError: A case failed; its traceback is on stderr.
    """
    turns: dict[tuple[str, str], list[Measured]] = {(case.contestant, case.size): [] for case in series.cases}
    count = repeat or (_QUICK_REPEAT if quick else series.repeat)
    for turn in range(count):
        # Every other turn goes backwards: who comes first, and what the machine does meanwhile, are nobody's merit.
        for case in series.cases[:: -1 if turn % 2 else 1]:
            progress(f"{turn + 1}/{count} {case.contestant} {case.size}")
            order = {"series": series.name, "contestant": case.contestant, "size": case.size, "quick": quick}
            turns[case.contestant, case.size].append(_in_process(python, {**order, "uvloop": with_uvloop}))
    return Outcome(series=series, turns=turns, quick=quick)


def _in_process(python: str, order: dict[str, Any]) -> Measured:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = [python, "-m", "benchmarks.contest", json.dumps(order)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, timeout=900)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    return found


def _complete(work: Coroutine[Any, Any, Measured], *, with_uvloop: bool) -> Measured:
    if not with_uvloop:
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


async def _measured(case: Case, *, quick: bool) -> Measured:
    return await case.measure(quick)


if __name__ == "__main__":
    from .rows import SERIES

    asked = json.loads(sys.argv[1])
    wanted = (asked["contestant"], asked["size"])
    chosen = next(case for case in SERIES[asked["series"]].cases if (case.contestant, case.size) == wanted)
    print(json.dumps(_complete(_measured(chosen, quick=asked["quick"]), with_uvloop=asked["uvloop"])))
