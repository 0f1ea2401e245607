"""A histogram as rows of text: a range, a bar, a number.

A histogram comes in; out go lines that fit a width. Nothing here prints, and nothing knows what the values measure, but
that they are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import ceil, floor, log10

from .histogram import Histogram

__all__ = ["plot"]

# Round numbers in each power of ten, from fine to coarse; the finest that gives few enough rows is taken.
_STEPS = (
    tuple(step / 10 for step in range(10, 100, 2)),
    tuple(step / 10 for step in range(10, 100, 5)),
    (1, 1.5, 2, 3, 4, 5, 6, 8),
    (1, 2, 3, 5),
    (1, 2, 5),
    (1, 3),
    (1,),
)
_MOST_ROWS = 12
# Eighths of a character's width.
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def plot(histogram: Histogram, width: int, *, ascii_only: bool = False) -> Iterator[str]:
    """Give the rows of a plot: ranges on a logarithmic scale, and how many values each has.

    Args:
        histogram: Of seconds; nothing is given where it is empty.
        width: The longest a row gets, in characters.
        ascii_only: Whether bars are of number signs, for terminals that know no others.
    """
    rows = _rows(histogram)
    if not rows:
        return
    label, digits = max(len(name) for name, _ in rows), len(f"{max(number for _, number in rows):,}")
    room = max(width - label - digits - 4, 1)
    most = max(number for _, number in rows)
    for name, number in rows:
        told = name.replace("µ", "u") if ascii_only else name
        yield f"{told:>{label}}  {number:>{digits},}  {_bar(number / most * room, ascii_only=ascii_only)}".rstrip()


def _rows(histogram: Histogram) -> list[tuple[str, int]]:
    """The ranges, and how many values are in each."""
    # Zeros have a row of their own: on a logarithmic scale there is no place for them.
    rows = [("together", histogram.zeros)] if histogram.zeros else []
    if histogram.count > histogram.zeros:
        edges = _edges(histogram)
        counts = histogram.counts(edges)
        counts[-2] += counts[-1]  # the largest value, if its bucket reaches over the last edge
        ranges = [
            (f"{_edge(low)} - {_edge(high)}", number)
            for (low, high), number in zip(pairwise(edges), counts[1:], strict=False)
        ]
        while not ranges[0][1]:  # the lowest bucket begins below its values
            del ranges[0]
        rows += ranges
    return rows


def _edges(histogram: Histogram) -> list[float]:
    """Round numbers, the first at or below the smallest value above zero, the last above the largest."""
    least, most = histogram.least_bucket, histogram.most
    powers = range(floor(log10(least)) - 1, ceil(log10(most)) + 2)
    scales = ([step * 10.0**power for power in powers for step in steps] for steps in _STEPS)
    fits = [_between(scale, least, most) for scale in scales]
    return next((edges for edges in fits if len(edges) - 1 <= _MOST_ROWS), fits[-1])


def _between(marks: list[float], least: float, most: float) -> list[float]:
    """The marks from the last at or below `least` to the first above `most`."""
    first = max(place for place, mark in enumerate(marks) if mark <= least)
    last = min(place for place, mark in enumerate(marks) if mark > most)
    return marks[first : last + 1]


def _edge(seconds: float) -> str:
    """A round number of seconds."""
    if seconds >= 0.9995:
        return f"{seconds:g} s"
    if seconds >= 0.0009995:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} µs"


def _bar(length: float, *, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * round(length)
    eighths = max(round(length * 8), 1) if length else 0
    return _FULL * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
