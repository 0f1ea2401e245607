"""Results as text: a table for the terminal, a page for the documentation.

`Result`s and `Outcome`s come in, strings go out. Nothing here measures.
"""

from __future__ import annotations

import os
import platform
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from . import matrix, sheet
from .amounts import markdown, seconds, share, table
from .contest import Outcome
from .match import Figures, Result
from .row import Goal, Script
from .setting import Setting

__all__ = ["machine", "page", "text"]


def machine(setting: Setting) -> str:
    """Return one line on what the figures were taken with."""
    packages = ", ".join(f"{name} {version}" for name, version in setting.packages.items())
    return f"{setting}; {packages}; {os.cpu_count()} cores ({_processor()}), {platform.system()}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def text(result: Result | Outcome, setting: Setting) -> str:
    """Return a row's table for a terminal."""
    if isinstance(result, Outcome):
        title, *rest = sheet.sheet(result).splitlines()
        figures = len(result.series.cases) + 1
        return "\n".join((f"{title} [{setting}]", *rest[:figures], *map(_wrapped, rest[figures:])))
    title = f"{_title(result)} [{_setting(result)}]"
    return "\n".join((title, *table(_cells(result)), *map(_wrapped, _sentences(result))))


def _wrapped(sentence: str) -> str:
    width = max(60, min(shutil.get_terminal_size((118, 24)).columns, 118))
    return textwrap.fill(sentence.strip(), width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def page(
    results: Sequence[tuple[Result | Outcome, Setting]],
    setting: Setting,
    plots: Mapping[str, Sequence[str]],
    lines: list[matrix.Line],
) -> str:
    """Return the documentation's page, in Markdown.

    Args:
        results: Of all rows, each with what it ran on.
        setting: What the most of them ran on, whose pictures there are.
        plots: Paths of each row's pictures, from the page, by the row's name.
        lines: The matrix.
    """
    parts = [_PAGE_HEAD.format(machine=machine(setting))]
    for result, on in results:
        name = result.row.name if isinstance(result, Result) else result.series.name
        parts += _section(result, on, plots.get(name, ()) if on == setting else ())
    if lines:
        parts += (
            f"## {matrix.TITLE}\n",
            *markdown(matrix.cells(lines)),
            "",
            *(f"- {note}" for note in matrix.NOTES),
            "",
        )
    return "\n".join(parts)


def _section(result: Result | Outcome, setting: Setting, plots: Sequence[str]) -> Iterator[str]:
    pictures = [f"![{Path(path).stem}: the first column of the table]({path})\n" for path in plots]
    if isinstance(result, Outcome):
        title, _, rest = sheet.section(result).partition("\n\n")
        yield from (title, "", f"{setting}.", "", *pictures, rest)
        return
    yield from (f"## {_title(result)}", "", f"{_setting(result)}.", "", *pictures, *markdown(_cells(result)), "")
    yield from (f"- {sentence}" for sentence in _sentences(result))
    yield ""


_PAGE_HEAD = """# Performance

What the client costs beside its rivals: the same bytes, the same machine, the same run. This page is written by
`python -m benchmarks --write` (`pip install -r benchmarks/requirements.txt` first); `python -m benchmarks burst` runs
one row, `--quick` takes some minutes for all of them.

The server is a process of its own that writes prepared bytes. Contestants run in turns, each run in a fresh process
after a warm-up. The figure is the CPU time of that process, kernel included, a unit; the median of the runs, with the
smallest and the largest. Wall time stands beside it: on one connection it hides what the next connection would have to
wait for. *Times* is a rival's CPU time divided by ours, taken turn by turn, the median of that. The pictures' axes are
logarithmic.

{machine}
"""

_WAITING = 2  # times the source's own pace: who is faster than that may be waiting for it
_HEAD = ("", "CPU", "from … to", "wall", "peak memory", "modules", "times ours")


def _setting(result: Result) -> str:
    # A script starts an event loop of its own.
    scripts = isinstance(result.row.contestants[0], Script)
    return str(Setting(python=result.setting.python) if scripts else result.setting)


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
        seconds(median(figures.cpu)),
        f"{seconds(min(figures.cpu))} … {seconds(max(figures.cpu))}" if len(figures.cpu) > 1 else "",
        seconds(median(figures.wall)),
        f"{median(figures.memory) / 2**20:.1f} MiB" if figures.memory else "",
        "" if figures.modules is None else f"{figures.modules:,}",
    )


def _sentences(result: Result) -> Iterator[str]:
    row = result.row
    if result.source_pace is not None:
        yield from _source(result, result.source_pace)
    elif row.unit == "request":
        yield f"The source took {seconds(result.source_cpu)} of CPU a {row.unit}."
    yield from row.notes
    for goal in row.goals if result.units == row.units else ():  # a goal is set for the work in full
        yield from _judgements(goal, result)


def _source(result: Result, pace: float) -> Iterator[str]:
    """How far the source is from being what is waited for."""
    faster = {name: median(figures.wall) / pace for name, figures in result.figures.items()}
    waiting = [name for name, times in faster.items() if times < _WAITING]
    fastest = min((name for name in faster if name not in waiting), key=faster.__getitem__, default=None)
    unit = result.row.unit
    said = (
        f"The source took {seconds(result.source_cpu)} of CPU a {unit}; to a reader that does nothing it delivers one "
        f"every {seconds(pace)}"
    )
    if fastest:
        said += f", {faster[fastest]:.2g} times the pace of the fastest contestant ({fastest})"
    if waiting:
        said += f"; it is what {' and '.join(waiting)} waits for"
    yield f"{said}."


def _judgements(goal: Goal, result: Result) -> Iterator[str]:
    measured = [(goal.cpu, result.ratio(goal.ours, goal.rival), "CPU")]
    if goal.memory is not None:
        measured.append((goal.memory, result.memory_ratio(goal.ours, goal.rival), "memory"))
    for limit, ratios, what in measured:
        got = median(ratios)
        verdict = "reached" if got <= limit else "missed"
        yield (
            f"Goal {verdict}: {what} of {goal.ours} {share(got)} of {goal.rival}'s "
            f"({share(min(ratios))} … {share(max(ratios))}); wanted {share(limit)} or less."
        )
