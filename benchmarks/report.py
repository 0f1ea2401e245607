"""Results as text: a table for the terminal, a page for the documentation.

`Result`s come in, strings go out. Nothing here measures, and nothing is rounded before it is printed.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from .match import Figures, Result
from .row import Goal

__all__ = ["machine", "page", "progress", "table"]

_PACKAGES = ("openai", "httpx2", "aiohttp", "msgspec", "orjson", "uvloop")


def machine(*, with_uvloop: bool) -> str:
    """Return one line on what the figures were taken with."""
    found: list[str] = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    loop = "uvloop" if with_uvloop else "asyncio"
    return (
        f"Python {platform.python_version()}, event loop of {loop}; {', '.join(found)}; "
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def table(result: Result) -> str:
    """Return a row's table for a terminal."""
    lines = [_title(result)]
    cells = _cells(result)
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        padded = (text.ljust(width) if column == 0 else text.rjust(width)
                  for column, (text, width) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        lines.append("  " + "  ".join(padded).rstrip())
    lines.extend(f"  {sentence}" for sentence in _sentences(result))
    return "\n".join(lines)


def page(results: list[Result], *, with_uvloop: bool) -> str:
    """Return the documentation's page, in Markdown."""
    parts = [_PAGE_HEAD.format(machine=machine(with_uvloop=with_uvloop))]
    for result in results:
        parts.append(f"## {_title(result)}\n")
        head, *cells = _cells(result)
        parts.append(f"| {' | '.join(head)} |\n|---|{'--:|' * (len(head) - 1)}")
        parts.extend(f"| {' | '.join(row)} |" for row in cells)
        parts.append("")
        parts.extend(f"- {sentence}" for sentence in _sentences(result))
        parts.append("")
    return "\n".join(parts)


_PAGE_HEAD = """# Performance

What the client costs beside its rivals: the same bytes, the same machine, the same run. This page is written by
`python -m benchmarks --write` (`pip install -r benchmarks/requirements.txt` first); `python -m benchmarks burst` runs
one row, `--quick` takes a minute.

The server is a process of its own that writes prepared bytes. Contestants run in turns, each run in a fresh process
after a warm-up. The figure is the CPU time of that process, kernel included, a unit; the median of the runs, with the
smallest and the largest. Wall time stands beside it: on one connection it hides what the next connection would have to
wait for. *Times* is a rival's CPU time divided by ours, taken turn by turn, the median of that.

{machine}
"""

_HEAD = ("", "CPU", "from … to", "wall", "peak memory", "modules", "times ours")


def _title(result: Result) -> str:
    row = result.row
    count = f" ({result.units:,} {row.unit}s)" if result.units > 1 else ""
    return f"{row.name}: {row.title}{count}"


def _cells(result: Result) -> list[tuple[str, ...]]:
    """The table's head and its rows, without the columns in which nothing stands."""
    ours = result.row.goals[0].ours if result.row.goals else None
    rows: list[tuple[str, ...]] = [_HEAD]
    for name, figures in result.figures.items():
        times = "1" if name == ours else "" if ours is None else f"{1 / median(result.ratio(ours, name)):.3g}"
        rows.append((name, *_figures(figures), times))
    filled = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*filled, strict=True))


def _figures(figures: Figures) -> tuple[str, ...]:
    return (
        _seconds(median(figures.cpu)),
        f"{_seconds(min(figures.cpu))} … {_seconds(max(figures.cpu))}",
        _seconds(median(figures.wall)),
        f"{median(figures.memory) / 2**20:.1f} MiB" if figures.memory else "",
        "" if figures.modules is None else f"{figures.modules:,}",
    )


def _sentences(result: Result) -> Iterator[str]:
    row = result.row
    if result.source_pace is not None:
        fastest = min(median(figures.wall) for figures in result.figures.values())
        yield (
            f"The source took {_seconds(result.source_cpu)} of CPU a {row.unit}; to a reader that does nothing it "
            f"delivers one every {_seconds(result.source_pace)}, {fastest / result.source_pace:.2g} times the pace of "
            "the fastest contestant."
        )
    elif row.unit == "request":
        yield f"The source took {_seconds(result.source_cpu)} of CPU a {row.unit}."
    yield from row.notes
    for goal in row.goals if result.units == row.units else ():  # a goal is set for the work in full
        yield from _judgements(goal, result)


def _judgements(goal: Goal, result: Result) -> Iterator[str]:
    measured = [(goal.cpu, result.ratio(goal.ours, goal.rival), "CPU")]
    if goal.memory is not None:
        measured.append((goal.memory, result.memory_ratio(goal.ours, goal.rival), "memory"))
    for limit, ratios, what in measured:
        got = median(ratios)
        verdict = "reached" if got <= limit else "missed"
        yield (
            f"Goal {verdict}: {what} of {goal.ours} {_share(got)} of {goal.rival}'s "
            f"({_share(min(ratios))} … {_share(max(ratios))}); wanted {_share(limit)} or less."
        )


def _share(ratio: float) -> str:
    return f"1/{1 / ratio:.3g}" if ratio < 0.2 else f"{ratio:.3g}×"  # noqa: RUF001 - a multiplication sign


def _seconds(value: float) -> str:
    if value >= 1:
        return f"{value:.2f} s"
    if value >= 1e-3:
        return f"{value * 1e3:.3g} ms"
    return f"{value * 1e6:.3g} µs"


def progress(row: str, text: str) -> None:
    """Show what is under way, on a terminal in one line that rewrites itself; two empty strings clear it."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{row} {text}".rstrip(" "), end="", file=sys.stderr, flush=True)
    elif text:
        print(row, text, file=sys.stderr, flush=True)
