"""A series' outcome as text: a table for the terminal, a section of the documentation's page.

An `Outcome` comes in, strings go out. Nothing here measures, and nothing is rounded before it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from .contest import Outcome
from .series import OURS, Case, Column, Target

__all__ = ["section", "sheet"]


def sheet(outcome: Outcome) -> str:
    """Return the table for a terminal."""
    cells = _cells(outcome)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_title(outcome)]
    for row in cells:
        padded = (text.ljust(width) if column == 0 else text.rjust(width)
                  for column, (text, width) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        lines.append("  " + "  ".join(padded).rstrip())
    lines.extend(f"  {sentence}" for sentence in _sentences(outcome))
    return "\n".join(lines)


def section(outcome: Outcome) -> str:
    """Return the page's section, in Markdown."""
    head, *cells = _cells(outcome)
    lines = [f"## {_title(outcome)}\n", f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    lines.extend(f"| {' | '.join(row)} |" for row in cells)
    lines.append("")
    lines.extend(f"- {sentence}" for sentence in _sentences(outcome))
    return "\n".join(lines) + "\n"


def _title(outcome: Outcome) -> str:
    quick = " (quick: no target is set for so little work)" if outcome.quick else ""
    return f"{outcome.series.name}: {outcome.series.title}{quick}"


def _cells(outcome: Outcome) -> list[tuple[str, ...]]:
    """The table's head and its rows, without the columns in which nothing stands."""
    columns = outcome.series.columns
    rows: list[tuple[str, ...]] = [
        ("", "size", columns[0].title, "from … to", "times ours", *(c.title for c in columns[1:]))
    ]
    rows.extend(
        (
            case.contestant,
            case.size,
            _middle(outcome, case, columns[0]),
            _span(outcome, case, columns[0]),
            _times(outcome, case, columns[0].key),
            *(_middle(outcome, case, column) for column in columns[1:]),
        )
        for case in outcome.series.cases
    )
    filled = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*filled, strict=True))


def _middle(outcome: Outcome, case: Case, column: Column) -> str:
    found = outcome.median(case, column.key)
    return "" if found is None else _amount(found, column)


def _span(outcome: Outcome, case: Case, column: Column) -> str:
    found = [turn[column.key] for turn in outcome.turns[case.contestant, case.size] if column.key in turn]
    return f"{_amount(min(found), column)} … {_amount(max(found), column)}" if len(found) > 1 else ""


def _times(outcome: Outcome, case: Case, key: str) -> str:
    ratios = outcome.ratios(case.contestant, case.size, key)
    return "1" if case.contestant == OURS and ratios else f"{1 / median(ratios):.3g}" if ratios else ""


def _sentences(outcome: Outcome) -> Iterator[str]:
    series = outcome.series
    yield from series.notes
    yield from series.verdict(outcome.turns)
    for target in () if outcome.quick else series.targets:
        if outcome.ratios(target.rival, target.size, target.column):  # else it can't be measured here
            yield _judgement(outcome, target)


def _judgement(outcome: Outcome, target: Target) -> str:
    ratios = outcome.ratios(target.rival, target.size, target.column)
    title = next(column.title for column in outcome.series.columns if column.key == target.column)
    verdict = "reached" if median(ratios) <= target.limit else "missed"
    size = f" at {target.size}" if target.size else ""
    return (
        f"Goal {verdict}{size}: {title} of {OURS} {_share(median(ratios))} of {target.rival}'s "
        f"({_share(min(ratios))} … {_share(max(ratios))}); wanted {_share(target.limit)} or less."
    )


def _share(ratio: float) -> str:
    return f"1/{1 / ratio:.3g}" if ratio < 0.2 else f"{ratio:.3g}×"  # noqa: RUF001 - a multiplication sign


def _amount(value: float, column: Column) -> str:
    if column.unit == "bytes":
        return f"{value / 1024:.1f} KiB"
    if column.unit == "number":
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if abs(value) >= 1e-3 else f"{value * 1e6:.3g} µs"
