"""Figures and tables as text: numbers come in, strings go out, rounded here and nowhere before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["markdown", "seconds", "share", "table"]


def seconds(value: float) -> str:
    """A time, in the unit that suits it."""
    if abs(value) >= 1:
        return f"{value:.3g} s"
    if abs(value) >= 1e-3:
        return f"{value * 1e3:.3g} ms"
    return f"{value * 1e6:.3g} µs"


def share(ratio: float) -> str:
    """A ratio, as a fraction where it is small."""
    return f"1/{1 / ratio:.3g}" if ratio < 0.2 else f"{ratio:.3g}×"  # noqa: RUF001 - a multiplication sign


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table for a terminal; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        yield "  " + "  ".join((row[0].ljust(len(first)), *others)).rstrip()


def markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of the same in Markdown."""
    head, *others = rows
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'--:|' * (len(head) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in others)
