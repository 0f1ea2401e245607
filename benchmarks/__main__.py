"""The command: `python -m benchmarks [row …] [--quick] [--repeat N] [--units N] [--uvloop] [--python PATH …] [--write]`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from . import matrix, plots, report
from .contest import Outcome, contest
from .match import Result, play
from .progress import Progress, clock
from .row import Row
from .rows import ALL
from .series import Series
from .setting import MAKING, Setting, missing
from .source import ROOT, Source, source

_QUICK_REPEAT = 3
_MATRIX = "matrix"
_PAGE = ROOT / "docs" / "performance.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What the client costs beside its rivals. Without a row: all of them, on this interpreter, and the "
        "matrix of interpreters and event loops after them.",
        epilog=f"Another interpreter needs the same packages: {MAKING}.",
    )
    names = ", ".join((*ALL, _MATRIX))
    parser.add_argument("rows", nargs="*", metavar="row", help=f"which to run: {names}")
    parser.add_argument("--quick", action="store_true", help="less work and fewer runs: a first impression")
    parser.add_argument("--repeat", type=int, help="runs of each contestant")
    parser.add_argument("--units", type=int, help="chunks of one run, for rows of a single size")
    parser.add_argument("--uvloop", action="store_true", help="run the contestants on uvloop")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        type=lambda path: str(Path(path).absolute()),  # and not resolved, which would leave a venv
        metavar="PATH",
        help="run them on this interpreter as well, may be given again: the rows that are named, and the matrix",
    )
    parser.add_argument("--write", action="store_true", help=f"write {_PAGE.relative_to(ROOT)} and its plots; all rows")
    parser.add_argument("--output", type=Path, metavar="PATH", help="write the page, and plots/ beside it, elsewhere")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - {*ALL, _MATRIX}:
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {names}")
    if arguments.write and (arguments.rows or arguments.quick or arguments.units or arguments.repeat):
        parser.error("--write takes all rows, in full; --output PATH writes whatever was run to another place")
    if arguments.write and arguments.output:
        parser.error("--write and --output are two places for one page")
    for python in ({}, *({"python": path} for path in arguments.python)):
        if problem := missing(Setting(uvloop=arguments.uvloop, **python)):
            parser.error(f"{problem}. An interpreter with all that is needed: {MAKING}")
    return arguments


class _Run:
    """One run of the command: which rows on what, in which order."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        pythons = [Setting().python, *arguments.python]
        self.settings = [Setting(python=python, uvloop=arguments.uvloop) for python in pythons]
        names = arguments.rows or [*ALL, _MATRIX]
        # All rows on all interpreters would take an hour.
        on = self.settings if arguments.rows else self.settings[:1]
        self._rows = [(ALL[name], setting) for name in names if name != _MATRIX for setting in on]
        every = [Setting(python=python, uvloop=loop) for python in pythons for loop in (False, True)]
        self._matrix = [one for one in every if not missing(one)] if _MATRIX in names else []
        self.failed: list[str] = []
        self.results: list[tuple[Result | Outcome, Setting]] = []
        self.lines: list[matrix.Line] = []

    def run(self) -> None:
        quick = self._arguments.quick
        steps = [self._turns(row) * len(_contestants(row)) for row, _ in self._rows]
        progress = Progress([*steps, *matrix.steps(self._matrix, quick=quick)])
        with source() as running:
            for row, setting in self._rows:
                progress.begin(row.name)
                try:
                    found = self._one(row, setting, running, progress)
                except (subprocess.SubprocessError, json.JSONDecodeError, IndexError) as error:
                    progress.clear()
                    self.failed.append(row.name)
                    # What the process itself had to say is above.
                    print(f"\n{row.name} failed on {setting}: {type(error).__name__}", file=sys.stderr, flush=True)
                    continue
                self.results.append((found, setting))
                progress.clear()
                print(f"\n{report.text(found, setting)}", flush=True)

            def begin(name: str) -> Progress:
                progress.begin(name)
                return progress

            self.lines.extend(matrix.measure(self._matrix, running, quick=quick, begin=begin))
        progress.clear()
        if self.lines:
            print(f"\n{matrix.sheet(self.lines)}", flush=True)

    def _one(self, row: Row | Series, setting: Setting, running: Source, progress: Progress) -> Result | Outcome:
        asked = self._arguments
        if isinstance(row, Series):
            return contest(
                row,
                quick=asked.quick,
                repeat=asked.repeat,
                with_uvloop=setting.uvloop,
                progress=progress,
                python=setting.python,
            )
        units = row.units if row.units == 1 else asked.units or (row.quick if asked.quick else row.units)
        return play(row, running, units=units, repeat=self._turns(row), setting=setting, progress=progress)

    def _turns(self, row: Row | Series) -> int:
        quick = 1 if isinstance(row, Series) else _QUICK_REPEAT
        turns: int = self._arguments.repeat or (quick if self._arguments.quick else row.repeat)
        return turns

    def write(self, target: Path) -> None:
        """Write the page, and its plots into `plots` beside it."""
        drawn = plots.plots(result for result, setting in self.results if setting == self.settings[0])
        folder = target.parent / "plots"
        folder.mkdir(parents=True, exist_ok=True)
        for pictures in drawn.values():
            for name, picture in pictures.items():
                (folder / name).write_text(picture)
        paths = {row: [f"{folder.name}/{name}" for name in pictures] for row, pictures in drawn.items()}
        target.write_text(report.page(self.results, self.settings[0], paths, self.lines))


def _contestants(row: Row | Series) -> tuple[object, ...]:
    return row.cases if isinstance(row, Series) else row.contestants


def _main() -> None:
    arguments = _arguments()
    run, began = _Run(arguments), time.monotonic()
    print("\n".join(map(report.machine, run.settings)), flush=True)
    run.run()
    print(f"\n{clock(time.monotonic() - began)} in all.")
    if run.failed:
        sys.exit(f"failed, and so no page is written: {', '.join(run.failed)}")
    if target := _PAGE if arguments.write else arguments.output:
        run.write(target)
        print(f"written: {target}, {target.parent / 'plots'}")


if __name__ == "__main__":
    _main()
