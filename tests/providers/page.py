"""What docs/providers-tried.md says: a table of the real servers and one of the corpus, and the reason of every gap.

Runs come in, text goes out; everything outside of the marks is written by hand and left alone.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.marked import notes
from support.outcome import Outcome

from .cases import CASES
from .corpus import GROUPS, Tally
from .run import Run

__all__ = ["PAGE", "cell", "corpus_table", "servers_table", "tally"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers-tried.md"


def cell(outcome: Outcome | None) -> str:
    """A case as a cell: passed, failed, or that the server can't."""
    if outcome is None:
        return "not run"
    return {True: "pass", False: "**fail**", None: "cannot"}[outcome.passed]


def tally(made: Tally | None) -> str:
    """A group as a cell: how many answers passed, and how many did not."""
    if made is None:
        return "-"
    passed = f"{made.passed} pass" if made.passed else ""
    failed = f"**{len(made.failed)} fail**" if made.failed else ""
    return ", ".join(filter(None, (passed, failed)))


def servers_table(runs: Sequence[Run], date: str) -> str:
    """The table of the real servers, a row for each, with a note for each case that was not passed."""
    ran = [made for made in runs if not made.missing]
    failed = sum(len(made.failed) for made in ran)
    passed = sum(outcome.passed is True for made in ran for outcome in made.outcomes.values())
    cannot = sum(outcome.passed is None for made in ran for outcome in made.outcomes.values())
    summary = (
        f"On {date}, with Python {platform.python_version()}, {len(ran)} of {len(runs)} servers ran: {passed} cases passed, "
        f"{failed} failed, and {cannot} can't be passed with that server."
    )
    rows = [
        f"| {made.server.name}<br>{made.version} | {' | '.join(cell(made.outcomes.get(name)) for name in CASES)} |"
        if not made.missing
        else f"| {made.server.name} | not installed |{' |' * (len(CASES) - 1)}"
        for made in runs
    ]
    return _written(summary, "server", list(CASES), rows, notes(gap for made in runs for gap in _gaps(made)))


def corpus_table(tallies: Mapping[str, Mapping[str, Tally]]) -> str:
    """The table of the corpus, a row for each family, with a note for each answer that came out wrong."""
    groups = [made for family in tallies.values() for made in family.values()]
    failed = sum(len(made.failed) for made in groups)
    summary = f"{sum(made.passed for made in groups)} passed, {failed} failed, in {len(tallies)} families."
    rows = [
        f"| {name} | {' | '.join(tally(family.get(group)) for group in GROUPS)} |" for name, family in tallies.items()
    ]
    gaps = [
        (f"{group}, {answer}", why, name)
        for name, family in tallies.items()
        for group, made in family.items()
        for answer, why in made.failed.items()
    ]
    return _written(summary, "family", list(GROUPS), rows, notes(gaps))


def _written(summary: str, first: str, columns: Sequence[str], rows: Sequence[str], gaps: Sequence[str]) -> str:
    head = f"| {first} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}"
    parts = [summary, "\n".join([head, *rows]), *(["\n".join(gaps)] if gaps else [])]
    return "\n" + "\n\n".join(parts) + "\n\n"


def _gaps(made: Run) -> Iterator[tuple[str, str, str]]:
    """The cases that a server did not pass: name, reason, server."""
    if made.missing:
        yield "not installed", made.missing, made.server.name
    for name in CASES:
        outcome = made.outcomes.get(name)
        if outcome is not None and not outcome.passed:
            yield name, outcome.why, made.server.name
