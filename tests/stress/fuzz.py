"""The command: `PYTHONPATH=tests python -m stress.fuzz [--inputs N] [--seed N] [--seconds S] [--jobs N] [case …]`.

It throws inputs at everything that reads what servers send, spreads them over its targets by their shares, and exits
with 1 if anything was found. The same seed makes the same inputs, however many jobs there are. Each finding is printed
as a case, `target:salt:hex`, which runs it again when it is given to the command.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import platform
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

from openai_async import __version__

from .progress import Progress
from .targets.catalogue import TARGETS
from .targets.target import Case
from .trial import Finding, attempt, shortened

__all__ = ["main"]

_BATCH = 250  # inputs that one job does at a time


class Batch(NamedTuple):
    """Inputs that follow each other, of one target."""

    target: str
    seed: int
    first: int
    count: int


class Done(NamedTuple):
    """What came of a batch: how often which word, findings by their place, and the seconds of CPU that it took."""

    batch: Batch
    labels: Counter[str]
    findings: dict[str, tuple[Finding, int]]
    seconds: float


def run_batch(batch: Batch) -> Done:
    """Do a batch; of findings at the same place the first is kept, and how many they are."""
    began = time.process_time()
    labels: Counter[str] = Counter()
    found: dict[str, tuple[Finding, int]] = {}
    for number in range(batch.first, batch.first + batch.count):
        outcome = attempt(TARGETS[batch.target].case(batch.seed, number))
        if isinstance(outcome, str):
            labels[outcome] += 1
        else:
            finding, times = found.get(outcome.place, (outcome, 0))
            found[outcome.place] = (finding, times + 1)
    return Done(batch, labels, found, time.process_time() - began)


def batches(names: list[str], inputs: int, seed: int) -> Iterator[Batch]:
    """All inputs of a run, in batches of all targets by turns, so that a run that ends early had some of each."""
    shares = sum(TARGETS[name].share for name in names)
    left = {name: inputs * TARGETS[name].share // shares for name in names}
    left[names[0]] += inputs - sum(left.values())
    whole = dict(left)
    rounds = max(1, max(left.values()) // _BATCH)
    while any(left.values()):
        for name in names:
            count = min(left[name], max(1, whole[name] // rounds))
            if count:
                yield Batch(name, seed, whole[name] - left[name], count)
                left[name] -= count


class Tally:
    """What a run has come to so far."""

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.findings: dict[str, tuple[Finding, int]] = {}

    def add(self, done: Done) -> None:
        """Add a batch."""
        name = done.batch.target
        self.inputs[name] += done.batch.count
        self.seconds[name] += done.seconds
        self.labels[name] += done.labels
        for place, (finding, times) in done.findings.items():
            had = self.findings.get(place)
            self.findings[place] = (finding, times) if had is None else (had[0], had[1] + times)

    def figures(self) -> dict[str, Any]:
        """All of it as plain data."""
        found = Counter[str]()
        for finding, times in self.findings.values():
            found[finding.case.target] += times
        targets = {
            name: {
                "inputs": count,
                "cpu_seconds": round(self.seconds[name], 1),
                "findings": found[name],
                "outcomes": dict(self.labels[name].most_common()),
            }
            for name, count in self.inputs.items()
        }
        findings = [
            {"said": finding.said, "place": finding.place, "times": times, "case": str(finding.case)}
            for finding, times in self.findings.values()
        ]
        return {"targets": targets, "findings": findings}


def _run(todo: Iterator[Batch], arguments: argparse.Namespace, progress: Progress) -> Tally:
    """Do all batches, or as many as there is time for."""
    tally = Tally()
    ends = None if arguments.seconds is None else time.monotonic() + arguments.seconds

    def note(done: Done) -> None:
        for place in done.findings.keys() - tally.findings.keys():
            finding, _ = done.findings[place]
            _say(f"found, and told in full at the end: {finding.said}")
        tally.add(done)
        progress.say(sum(tally.inputs.values()), f"{len(tally.findings)} findings")

    def goes_on() -> bool:
        return ends is None or time.monotonic() < ends

    if arguments.jobs == 1:
        for batch in todo:
            if not goes_on():
                break
            note(run_batch(batch))
        return tally
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, mp_context=context, initializer=faulthandler.enable) as pool:
        under_way: dict[Future[Done], Batch] = {}
        while True:
            while goes_on() and len(under_way) < 2 * arguments.jobs and (batch := next(todo, None)):
                under_way[pool.submit(run_batch, batch)] = batch
            if not under_way:
                return tally
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                batch = under_way.pop(future)
                try:
                    note(future.result())
                except BrokenProcessPool:
                    sys.exit(f"a process died in one of these, or in one that another job had: {under_way or batch}")


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stress.fuzz", description=__doc__.partition("\n\n")[2])
    parser.add_argument("cases", nargs="*", metavar="case", help="cases to run again, and nothing else")
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N", help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of all that is random; else the time's")
    parser.add_argument("--seconds", type=float, default=None, metavar="S", help="end after these, at the latest")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at once")
    parser.add_argument("--target", action="append", choices=[*TARGETS], help="only these; may come again")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures there, too")
    arguments = parser.parse_args(given)
    if arguments.inputs < 1 or arguments.jobs < 1:
        parser.error("--inputs and --jobs take 1 or more")
    if arguments.seed is None:
        arguments.seed = int(time.time())
    return arguments


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command says what it does


def _report(tally: Tally, progress: Progress, arguments: argparse.Namespace) -> dict[str, Any]:
    figures = tally.figures()
    _say(f"{'target':9}{'inputs':>10}{'CPU s':>8}{'ms each':>9}{'findings':>10}  what came of them")
    for name, row in figures["targets"].items():
        outcomes = ", ".join(f"{label} {count:,}" for label, count in row["outcomes"].items())
        each = 1e3 * row["cpu_seconds"] / max(row["inputs"], 1)
        _say(f"{name:9}{row['inputs']:10,}{row['cpu_seconds']:8.1f}{each:9.2f}{row['findings']:10}  {outcomes}")
    total = sum(tally.inputs.values())
    _say(f"{total:,} inputs in {progress.seconds:.0f} s, seed {arguments.seed}: {len(tally.findings)} findings")
    return {
        "seed": arguments.seed,
        "jobs": arguments.jobs,
        "inputs": total,
        "seconds": round(progress.seconds, 1),
        "cpu_seconds": round(sum(tally.seconds.values()), 1),
        "package": __version__,
        "python": platform.python_version(),
        **figures,
    }


def _tell(finding: Finding, times: int = 1) -> None:
    """Print a finding: what it is, where, the input as it is read, and as a case to be run again."""
    _say(f"\nFOUND {times} time(s): {finding.said}\n{finding.trace}input: {finding.case.data!r:.2000}")
    _say(f"again: python -m stress.fuzz {finding.case}")


def _again(cases: list[str]) -> int:
    """Run cases that were found before."""
    failed = 0
    for written in cases:
        outcome = attempt(Case.of(written))
        if isinstance(outcome, str):
            _say(f"nothing is wrong: {outcome}")
        else:
            failed += 1
            _tell(outcome)
    return 1 if failed else 0


def main(given: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = _arguments(given)
    if arguments.cases:
        return _again(arguments.cases)
    _say(f"seed {arguments.seed}")
    progress = Progress(arguments.inputs, "inputs")
    tally = _run(batches(arguments.target or [*TARGETS], arguments.inputs, arguments.seed), arguments, progress)
    progress.end()
    tally.findings = {place: (shortened(finding), times) for place, (finding, times) in tally.findings.items()}
    figures = _report(tally, progress, arguments)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    for finding, times in tally.findings.values():
        _tell(finding, times)
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
