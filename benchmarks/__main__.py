"""The command: `python -m benchmarks [row …] [--quick] [--repeat N] [--units N] [--uvloop] [--write]`."""

from __future__ import annotations

import argparse
from functools import partial

from .match import Result, play
from .report import machine, page, progress, table
from .rows import ROWS
from .source import ROOT, source

_QUICK_REPEAT = 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What the client costs beside its rivals."
    )
    parser.add_argument("rows", nargs="*", metavar="row", help=f"which to run, all without any: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="less work and fewer runs: a first impression")
    parser.add_argument("--repeat", type=int, help="runs of each contestant")
    parser.add_argument("--units", type=int, help="chunks, or requests, of one run")
    parser.add_argument("--uvloop", action="store_true", help="run the contestants on uvloop")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md; takes all rows, in full")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if arguments.write and (arguments.rows or arguments.quick or arguments.units):
        parser.error("--write takes all rows, in full")
    return arguments


def _main() -> None:
    arguments = _arguments()
    print(machine(with_uvloop=arguments.uvloop), flush=True)
    results: list[Result] = []
    with source() as running:
        for row in (ROWS[name] for name in arguments.rows or ROWS):
            repeat = arguments.repeat or (_QUICK_REPEAT if arguments.quick else row.repeat)
            units = row.units if row.units == 1 else arguments.units or (row.quick if arguments.quick else row.units)
            results.append(
                play(
                    row,
                    running,
                    units=units,
                    repeat=repeat,
                    with_uvloop=arguments.uvloop,
                    progress=partial(progress, row.name),
                )
            )
            progress("", "")
            print(f"\n{table(results[-1])}", flush=True)
    if arguments.write:
        target = ROOT / "docs" / "performance.md"
        target.write_text(page(results, with_uvloop=arguments.uvloop))
        print(f"\nwritten: {target.relative_to(ROOT)}")


if __name__ == "__main__":
    _main()
