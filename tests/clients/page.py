"""What docs/clients.md says of the clients: a table between two marks, and below it the reason of every gap.

Runs come in, text goes out; everything outside of the marks is written by hand and left alone.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from support.marked import notes
from support.outcome import Outcome

from .case import CASES
from .run import Run

__all__ = ["PAGE", "cell", "table"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"


def table(runs: Sequence[Run], date: str) -> str:
    """The table, a row for each client, with a note for each case that was not passed."""
    installed = [run for run in runs if not run.missing]
    passing = sum(not _failures(run) for run in installed)
    head = f"| client | {' | '.join(name.replace('_', ' ') for name in CASES)} |\n|---|{'---|' * len(CASES)}"
    rows = [_row(run) for run in runs]
    summary = (
        f"On {date}, with Python {platform.python_version()}, {len(installed)} of {len(runs)} clients were installed, and "
        f"{passing} pass every case that they have a call for."
    )
    parts = [summary, "\n".join([head, *rows])]
    if gaps := notes((case, why, run.client.name) for run in runs for case, why in _gaps(run)):
        parts.append("\n".join(gaps))
    return "\n" + "\n\n".join(parts) + "\n\n"


def cell(outcome: Outcome | None) -> str:
    """A case as a cell: passed, failed, or no call for it."""
    if outcome is None:
        return "not run"
    return {True: "pass", False: "**fail**", None: "no call"}[outcome.passed]


def _failures(run: Run) -> list[str]:
    return [name for name, outcome in run.outcomes.items() if outcome.passed is False]


def _row(run: Run) -> str:
    if run.missing:
        return f"| {run.client.name} | not installed |{' |' * (len(CASES) - 1)}"
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    cells = " | ".join(cell(run.outcomes.get(name)) for name in CASES)
    options = "".join(f"<br>`{name}={value}`" for name, value in run.client.options.items())
    return f"| {run.client.name}<br>{versions}{options} | {cells} |"


def _gaps(run: Run) -> list[tuple[str, str]]:
    """The cases that a client did not pass, each with the reason."""
    if run.missing:
        return [("not installed", run.missing)]
    gaps: list[tuple[str, str]] = []
    for name in CASES:
        outcome = run.outcomes.get(name)
        if outcome is not None and not outcome.passed:
            limit = run.client.limits.get(name)
            why = outcome.why if limit is None else f"{outcome.why.partition(':')[0]}. {limit}"
            gaps.append((name.replace("_", " "), why))
    return gaps
