"""A match: all contestants of a row, run in turns, each run in a fresh process; then medians and ratios.

A row and a running source come in, a `Result` goes out. Ratios are taken run against run of the same turn, because
what else the machine does changes from one turn to the next; medians are taken over those.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .bodies import body
from .child import FOOTER
from .row import Client, Contestant, Row
from .setting import Setting
from .source import ROOT, Source

__all__ = ["Figures", "Result", "play"]

_WARM_UP = 200  # chunks, or requests


@dataclass(kw_only=True)
class Figures:
    """What one contestant's runs gave, one value a turn.

    Attributes:
        cpu: CPU seconds a unit.
        wall: Wall seconds a unit.
        memory: Peak resident bytes; empty where it is not measured.
        modules: Modules loaded; None where they are not counted.
    """

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    modules: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """A row's outcome.

    Attributes:
        row: The row.
        setting: What it ran on.
        units: Units of work in one run.
        figures: By contestant's name.
        source_cpu: CPU seconds a unit that the source took, all contestants together.
        source_pace: Seconds a unit in which the source delivers to a reader that does nothing; None: not a stream.
    """

    row: Row
    setting: Setting
    units: int
    figures: dict[str, Figures]
    source_cpu: float
    source_pace: float | None

    def ratio(self, ours: str, rival: str) -> list[float]:
        """CPU time of `ours` divided by that of `rival`, turn by turn."""
        return [a / b for a, b in zip(self.figures[ours].cpu, self.figures[rival].cpu, strict=True)]

    def memory_ratio(self, ours: str, rival: str) -> list[float]:
        """The same of peak memory."""
        return [a / b for a, b in zip(self.figures[ours].memory, self.figures[rival].memory, strict=True)]


def play(
    row: Row, source: Source, *, units: int, repeat: int, setting: Setting, progress: Callable[[str], None]
) -> Result:
    """Run a row.

    Args:
        row: The row.
        source: Where the bodies come from.
        units: Units of work in one run.
        repeat: Turns.
        setting: What the contestants run on; a script's event loop is always asyncio's.
        progress: Told what is being run.

    Raises:
        subprocess.CalledProcessError: A contestant failed; its traceback is on stderr.
    """
    figures = {contestant.name: Figures() for contestant in row.contestants}
    stream = body(row.model.format(units)).stream
    pace = source.pace(row.model.format(units)) / units if stream and units >= _WARM_UP else None
    if not isinstance(row.contestants[0], Client):
        for contestant in row.contestants:
            _run(row, contestant, source, units=units, setting=setting)
    source_cpu, rounds = source.cpu(), 0
    for turn in range(repeat):
        # Another one begins each time, and every other turn goes backwards.
        order = [*row.contestants[turn % len(row.contestants) :], *row.contestants[: turn % len(row.contestants)]]
        for contestant in order[:: -1 if turn % 2 else 1]:
            progress(f"{turn + 1}/{repeat} {contestant.name}")
            outcome = _run(row, contestant, source, units=units, setting=setting)
            _note(figures[contestant.name], outcome, units)
            rounds += len(outcome["cpu"])
    source_cpu = (source.cpu() - source_cpu) / rounds / units
    return Result(row=row, setting=setting, units=units, figures=figures, source_cpu=source_cpu, source_pace=pace)


def _note(figures: Figures, outcome: dict[str, Any], units: int) -> None:
    figures.cpu.append(median(outcome["cpu"]) / units)
    figures.wall.append(median(outcome["wall"]) / units)
    if "memory" in outcome:
        figures.memory.append(outcome["memory"])
        figures.modules = outcome["modules"]


def _run(row: Row, contestant: Contestant, source: Source, *, units: int, setting: Setting) -> dict[str, Any]:
    """Run a contestant once, in a process of its own; what it measured."""
    if isinstance(contestant, Client):
        wanted = body(row.model.format(units))
        warm_up = min(_WARM_UP, units)
        command = ["-m", "benchmarks.child", json.dumps({
            "row": row.name,
            "contestant": contestant.name,
            "origin": source.origin,
            "model": row.model.format(units),
            "units": units,
            "warm_up_model": row.model.format(warm_up),
            "warm_up": warm_up,
            "proof": wanted.size if contestant.proof == "bytes" else wanted.characters * (1 if wanted.stream else units),
            "uvloop": setting.uvloop,
        })]  # fmt: skip
    else:
        command = ["-c", f"ORIGIN = {source.origin!r}\n{contestant.code}\n{FOOTER}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    began = time.perf_counter()
    done = subprocess.run(
        [setting.python, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, timeout=900
    )
    took = time.perf_counter() - began
    outcome: dict[str, Any] = {"wall": [took], **json.loads(done.stdout.splitlines()[-1])}
    return outcome
