"""The matrix: what a chunk and a plain request cost on each interpreter and event loop.

Settings come in, a line of figures each goes out, and a table of them. It is a short run of two rows beside the rivals
that matter: how much the setting changes, not the last per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

from .amounts import seconds, table
from .contest import Outcome, contest
from .match import Result, play
from .rows import burst, plain
from .series import OURS, Series
from .setting import Setting
from .source import Source

__all__ = ["NOTES", "TITLE", "Line", "cells", "measure", "sheet", "steps"]

_BY_HAND = "aiohttp + orjson by hand"
_DRAIN = "aiohttp, only draining"
_STREAM_RIVALS = ("openai", _BY_HAND, _DRAIN)
_REQUEST_RIVALS = ("openai", _BY_HAND)
_SIZE, _REQUESTS = "50 at a time", plain.QUICK
_REPEAT, _QUICK_REPEAT = 3, 1

_STREAM = replace(
    burst.ROW,
    contestants=tuple(one for one in burst.ROW.contestants if one.name in {OURS, *_STREAM_RIVALS}),
)
_REQUEST: Series = replace(
    plain.ROW,
    cases=tuple(
        case
        for case in plain.ROW.cases
        if case.size == _SIZE and case.contestant in {OURS, *_REQUEST_RIVALS}
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Line:
    """The figures of one setting."""

    setting: Setting
    stream: Result
    request: Outcome


def steps(settings: list[Setting], *, quick: bool) -> list[int]:
    """How many runs each setting takes."""
    turns = _QUICK_REPEAT if quick else _REPEAT
    return [turns * (len(_STREAM.contestants) + len(_REQUEST.cases)) for _ in settings]


def measure(
    settings: list[Setting], source: Source, *, quick: bool, begin: Callable[[str], Callable[[str], None]]
) -> Iterator[Line]:
    """Run both rows on each setting.

    Args:
        settings: In the order of the table.
        source: Where the stream comes from.
        quick: Whether once is enough.
        begin: Told that a setting begins; what it returns is told each run.

    Raises:
        subprocess.CalledProcessError: A contestant failed; its traceback is on stderr.
    """
    repeat = _QUICK_REPEAT if quick else _REPEAT
    for setting in settings:
        progress = begin(f"matrix, {setting}:")
        yield Line(
            setting=setting,
            stream=play(_STREAM, source, units=_STREAM.quick, repeat=repeat, setting=setting, progress=progress),
            request=contest(
                _REQUEST,
                quick=True,
                repeat=repeat,
                with_uvloop=setting.uvloop,
                progress=progress,
                python=setting.python,
            ),
        )


def cells(lines: list[Line]) -> list[tuple[str, ...]]:
    """The table's head and its rows: our CPU time, and what each rival takes more, or less."""
    head = (
        "",
        "CPU a chunk",
        *(f"× {short}" for short in ("openai", "by hand", "draining")),  # noqa: RUF001 - a multiplication sign
        "CPU a request",
        *(f"× {short}" for short in ("openai", "by hand")),  # noqa: RUF001 - the sign of multiplication
    )
    return [head, *map(_cells, lines)]


def _cells(line: Line) -> tuple[str, ...]:
    request = [turn["cpu"] for turn in line.request.turns[OURS, _SIZE]]
    return (
        str(line.setting),
        seconds(median(line.stream.figures[OURS].cpu)),
        *(f"{1 / median(line.stream.ratio(OURS, name)):.3g}" for name in _STREAM_RIVALS),
        seconds(median(request)),
        *(f"{1 / median(line.request.ratios(name, _SIZE, 'cpu')):.3g}" for name in _REQUEST_RIVALS),
    )


TITLE = f"matrix: Interpreters and event loops: burst and plain ({_SIZE}), our CPU time and the rivals' as multiples"
NOTES = (
    f"A short run: {_STREAM.quick:,} chunks, {_REQUESTS:,} requests.",
    "By hand is aiohttp with orjson; draining is aiohttp throwing the bytes away.",
)


def sheet(lines: list[Line]) -> str:
    """Return the table for a terminal."""
    return "\n".join((TITLE, *table(cells(lines)), *(f"  {note}" for note in NOTES)))
