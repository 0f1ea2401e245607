"""How far a bulk run is, for people: a bar on a terminal, plain lines elsewhere.

Totals come in as often as one likes; out go a bar drawn by rich, or a line on stderr every ten seconds and at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, Protocol

from .result import BulkStats

__all__ = ["LineProgress", "Progress", "RichProgress", "rates", "standard_progress", "summary"]

# Seconds between two lines.
_PAUSE = 10.0


class Progress(Protocol):
    """Whatever shows how far a run is. It must not block, and what it raises ends the run."""

    def show(self, stats: BulkStats) -> None:
        """Show the totals; called ten times a second."""
        ...

    def end(self, stats: BulkStats) -> None:
        """Show the totals for the last time; called once, also when the run failed or was cancelled."""
        ...


def standard_progress() -> Progress:
    """Return a bar where stderr is a terminal and rich is installed, else lines."""
    if sys.stderr.isatty() and find_spec("rich") is not None:
        return RichProgress()
    return LineProgress()


class LineProgress:
    """A line on stderr every ten seconds, and one at the end.

    Args:
        write: Gets the lines; None: stderr does.
    """

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or _to_stderr
        self._next = _PAUSE

    def show(self, stats: BulkStats) -> None:
        """Write a line, if it is time for one."""
        if stats.seconds >= self._next:
            self._next = stats.seconds + _PAUSE
            self._write(summary(stats))

    def end(self, stats: BulkStats) -> None:
        """Write the last line."""
        self._write(summary(stats))


class RichProgress:
    """A bar with the rates and the time that is left; it stays when the run is over.

    Args:
        console: Where it is drawn, a `rich.console.Console`; None: on stderr.

    Raises:
        ImportError: rich is not installed.
    """

    def __init__(self, console: Any = None) -> None:
        try:
            from rich.console import Console  # noqa: PLC0415 - an optional dependency
            from rich.progress import (  # noqa: PLC0415 - see above
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
            )
            from rich.progress import Progress as Bar  # noqa: PLC0415 - see above
        except ImportError as error:
            raise ImportError("A progress bar needs rich: pip install 'openai-async-sdk[cli]'") from error
        self._bar = Bar(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            console=console or Console(stderr=True),
            auto_refresh=False,  # no thread: `show` is called often enough
        )
        self._task = self._bar.add_task("", total=None, told="")
        self._begun = False

    def show(self, stats: BulkStats) -> None:
        """Draw the bar."""
        if not self._begun:
            self._begun = True
            self._bar.start()
        told = ", ".join(filter(None, (rates(stats), f"{_span(stats.seconds)} gone", _left(stats))))
        self._bar.update(self._task, total=stats.total, completed=stats.finished, told=told)
        self._bar.refresh()

    def end(self, stats: BulkStats) -> None:
        """Draw the bar for the last time."""
        self.show(stats)
        self._bar.stop()


def summary(stats: BulkStats) -> str:
    """Return the totals as a line: `1,200 of 5,000 done, 3 failed, 41/s, 1,630 tokens/s, 2 retries; 92 s left`."""
    of = "" if stats.total is None else f" of {stats.total:,}"
    parts = [f"{stats.finished:,}{of} done"]
    if stats.resumed:
        parts.append(f"{stats.resumed:,} of them before")
    parts.append(rates(stats))
    told = ", ".join(filter(None, parts))
    if stats.total is None or not stats.done + stats.failed:
        return told
    return f"{told}; {_left(stats) or f'{stats.seconds:,.1f} s'}"


def rates(stats: BulkStats) -> str:
    """Return how fast it goes, and what went wrong."""
    parts: list[str] = []
    if stats.failed:
        parts.append(f"{stats.failed:,} failed")
    if stats.seconds > 0 and stats.done + stats.failed:
        parts.append(f"{_rounded((stats.done + stats.failed) / stats.seconds)}/s")
        tokens = stats.prompt_tokens + stats.completion_tokens
        if tokens:
            parts.append(f"{_rounded(tokens / stats.seconds)} tokens/s")
    if stats.rate_limited:
        parts.append(f"{stats.rate_limited:,} x 429")
    if stats.retries:
        parts.append(f"{stats.retries:,} {'retry' if stats.retries == 1 else 'retries'}")
    return ", ".join(parts)


def _left(stats: BulkStats) -> str:
    """How long what is missing takes at the pace so far; empty: nothing is missing, or it can't be told."""
    called = stats.done + stats.failed
    if stats.total is None or not called or stats.finished >= stats.total:
        return ""
    return f"{_span((stats.total - stats.finished) * stats.seconds / called)} left"


def _span(seconds: float) -> str:
    """Seconds, from ten minutes on as hours, minutes and seconds: `1:23:20`."""
    return f"{seconds:.0f} s" if seconds < 600 else str(timedelta(seconds=round(seconds)))


def _rounded(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - asked for with `progress=True`
