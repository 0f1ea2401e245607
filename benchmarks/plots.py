"""Pictures of the results: what a unit costs, a bar a contestant; how a cost grows, a line a contestant.

Results come in, SVG goes out, written with the standard library alone. Both axes of costs are logarithmic, since what is
compared differs by powers of ten. The page may be light or dark: nothing is drawn behind, and every colour can be read
on both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from statistics import median

from .amounts import seconds
from .contest import Outcome
from .match import Result
from .series import OURS

__all__ = ["Bar", "bars", "lines", "plots"]

_OURS, _OTHERS = "#1f8a70", "#8b949e"
_LINES = (_OURS, "#8b6fc0", "#c4702a", "#4f86c6")  # ours, then the rivals in the order of the table
_TEXT, _GRID = "#6e7781", "#8b949e"
_WIDTH, _VALUES = 760, 90  # pixels: all, the figures on the right
_LETTER = 8.2  # pixels of a bold one, at most, on average
_BAR, _GAP, _HEADING = 18, 8, 26
_GROWING = {"growth", "requests"}  # rows whose sizes are numbers
_SIZE = re.compile(r"([\d,]+) ([A-Za-z]+)")
_BYTES = {"KB": 1_000, "MB": 1_000_000}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        name: Who.
        value: How much; above 0.
        ours: Whether it is in our colour.
        heading: What stands above it, where that changes; "" for nothing.
    """

    name: str
    value: float
    ours: bool
    heading: str = ""


def plots(results: Iterable[Result | Outcome]) -> dict[str, dict[str, str]]:
    """Draw everything that the results have to show.

    Returns:
        The pictures by their file names, by the row's name.
    """
    drawn: dict[str, dict[str, str]] = {}
    for result in results:
        if isinstance(result, Result):
            drawn[result.row.name] = {f"{result.row.name}.svg": _of_row(result)}
        elif result.series.name in _GROWING:
            drawn[result.series.name] = dict(_of_growth(result))
        else:
            drawn[result.series.name] = {f"{result.series.name}.svg": _of_series(result)}
    return drawn


def _of_row(result: Result) -> str:
    found = [Bar(name=name, value=median(figures.cpu), ours=OURS in name) for name, figures in result.figures.items()]
    return bars(f"{result.row.name}: CPU a {result.row.unit}", found, seconds)


def _of_series(outcome: Outcome) -> str:
    column = outcome.series.columns[0]
    text, scale = (_kibibytes, 1024) if column.unit == "bytes" else (seconds, 1)
    found = [
        Bar(name=case.contestant, value=value / scale, ours=OURS in case.contestant, heading=case.size)
        for case in outcome.series.cases
        if (value := outcome.median(case, column.key))
    ]
    return bars(f"{outcome.series.name}: {column.title}", found, text)


def _of_growth(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """A picture for each unit that the sizes are in."""
    column = outcome.series.columns[0]
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for case in outcome.series.cases:
        size, value = _SIZE.fullmatch(case.size), outcome.median(case, column.key)
        if size and value:
            number, unit = int(size[1].replace(",", "")), size[2]
            along = "bytes" if unit in _BYTES else f"{unit.removesuffix('s')}s"
            found.setdefault(along, {}).setdefault(case.contestant, []).append((number * _BYTES.get(unit, 1), value))
    for along, points in found.items():
        title = f"{outcome.series.name}: {column.title}, by {along}"
        yield f"{outcome.series.name}-{along}.svg", lines(title, along, points, seconds)


def bars(title: str, found: Sequence[Bar], text: Callable[[float], str]) -> str:
    """Draw horizontal bars on a logarithmic axis.

    Args:
        title: Above them.
        found: One or more, from top to bottom.
        text: Writes a value.
    """
    first, last = _decades([bar.value for bar in found])
    names = max(len(bar.name) for bar in found) * _LETTER + 24  # pixels on the left
    scale = (_WIDTH - names - _VALUES) / (last - first)

    def across(value: float) -> float:
        return names + (log10(value) - first) * scale

    marks: list[str] = []
    top, heading = 44.0, ""
    for bar in found:
        if bar.heading != heading:
            heading, top = bar.heading, top + _HEADING
            marks.append(_label(8, top - 9, heading, bold=True))
        width = max(2.0, across(bar.value) - names)
        middle, colour = top + _BAR / 2 + 4, _OURS if bar.ours else _OTHERS
        marks += (
            _label(names - 8, middle, bar.name, anchor="end", bold=bar.ours),
            f'<rect x="{names:g}" y="{top:g}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>',
            _label(names + width + 6, middle, text(bar.value), bold=bar.ours),
        )
        top += _BAR + _GAP
    grid: list[str] = []
    for decade in range(first, last + 1):
        x = across(10.0**decade)
        grid += (_rule(x, 40, x, top), _label(x, top + 16, text(10.0**decade), anchor="middle", small=True))
    return _svg(title, top + 28, [*grid, *marks])


def lines(title: str, along: str, found: dict[str, list[tuple[float, float]]], text: Callable[[float], str]) -> str:
    """Draw lines, both axes logarithmic.

    Args:
        title: Above them.
        along: What the horizontal axis counts.
        found: The points of each line, by its name; all above 0.
        text: Writes a vertical value.
    """
    points = [point for line in found.values() for point in line]
    left, right = floor(log10(min(x for x, _ in points))), ceil(log10(max(x for x, _ in points)))
    low, high = _decades([y for _, y in points])
    margin, top, height, wide = 90, 48, 260, _WIDTH - 90 - 30

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            margin + (log10(x) - left) / (right - left) * wide,
            top + height - (log10(y) - low) / (high - low) * height,
        )

    marks: list[str] = []
    for decade in range(left, right + 1):
        x, y = place(10.0**decade, 10.0**low)
        marks += (_rule(x, top, x, y), _label(x, y + 17, _count(10**decade, along), anchor="middle", small=True))
    for decade in range(low, high + 1):
        x, y = place(10.0**left, 10.0**decade)
        marks += (_rule(x, y, x + wide, y), _label(x - 8, y + 4, text(10.0**decade), anchor="end", small=True))
    bottom = top + height + 44.0
    others = iter(_LINES[1:] * len(found))
    for name, line in found.items():
        ours = name.startswith(OURS)
        colour = _OURS if ours else next(others)
        dots = [place(x, y) for x, y in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{3 if ours else 2}"/>')
        marks += (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 if ours else 3}" fill="{colour}"/>' for x, y in dots)
        marks += (
            f'<rect x="{margin}" y="{bottom - 9:g}" width="22" height="6" rx="2" fill="{colour}"/>',
            _label(margin + 30, bottom - 2, name, bold=ours),
        )
        bottom += 20
    return _svg(title, bottom, marks)


def _decades(values: list[float]) -> tuple[int, int]:
    """The powers of ten below the smallest and above the largest; a value on the lower one would have no bar."""
    first, last = floor(log10(min(values) * 0.8)), ceil(log10(max(values)) - 1e-9)
    return first, max(last, first + 1)


def _count(number: int, along: str) -> str:
    if along != "bytes":
        return f"{number:,}"
    return f"{number // 1_000_000:,} MB" if number >= 1_000_000 else f"{number // 1_000:,} KB"


def _kibibytes(value: float) -> str:
    return f"{value:.3g} KiB"


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{_GRID}" stroke-opacity="0.35" '
        'stroke-width="1"/>'
    )


def _label(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, small: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    size = ' font-size="11"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}{size}>{escape(text)}</text>'


def _svg(title: str, height: float, marks: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" height="{height:g}" '
        f'role="img" font-family="system-ui, \'DejaVu Sans\', sans-serif" font-size="13" fill="{_TEXT}">'
    )
    named = (f"<title>{escape(title)}</title>", _label(8, 24, title, bold=True))
    return "\n".join((head, *named, *marks, "</svg>\n"))
