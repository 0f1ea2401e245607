"""How the figures of a bench run look: a table, two plots, and what to be careful about.

Figures come in; out go lines that fit the terminal. Nothing here is measured or judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from openai_async.cli.durations import seconds_text
from openai_async.cli.words import count

from .barplot import plot
from .figures import Figures, Spread
from .tally import BenchTally

__all__ = ["show_figures"]

# The widest a plot gets, in characters: longer bars are harder to compare.
_WIDEST = 100
# Where fewer columns are, the table has two figures of five, for numbers that are cut off tell nothing.
_ROOMY = 76
_NONE = "-"
# Seconds by which a request may begin late before it is worth a word.
_LATE = 0.1


def show_figures(figures: Figures, tally: BenchTally) -> None:
    """Print the figures on stdout.

    Args:
        figures: What is printed.
        tally: What they were made of; its histograms are plotted.

    Raises:
        OSError: stdout can't be written to.
    """
    console = Console(highlight=False)
    console.print(Text(_headline(figures)), soft_wrap=True)
    for line in _throughput(figures):
        console.print(Text(line), soft_wrap=True)
    if tally.first.count:
        console.print()
        console.print(
            _table(figures, ("p50", "p90", "p99", "mean", "max") if console.width >= _ROOMY else ("p50", "p99"))
        )
        for title, histogram in (("Time to the first token", tally.first), ("Between two tokens", tally.gaps)):
            if histogram.count > 1:
                console.print()
                console.print(Text(title, style="bold"))
                ascii_only = console.options.ascii_only
                for row in plot(histogram, min(console.width, _WIDEST), ascii_only=ascii_only):
                    console.print(Text(row), soft_wrap=True)
    for line in _warnings(figures):
        console.print()
        console.print(Text("note: ", style="bold yellow").append(line, style="not bold default"))
    if figures.errors:
        console.print()
        console.print(Text(f"{count(figures.failed, 'request')} failed:", style="bold red"))
        for kind, failures in sorted(figures.errors.items(), key=lambda item: -item[1].count):
            console.print(Text(f"  {failures.count:,}  {kind}: {failures.example}"))


def _headline(figures: Figures) -> str:
    setting = figures.setting
    pace = f"{setting.concurrency} at once" if setting.rate is None else f"{setting.rate:g} a second"
    place = ", a server in this process" if setting.embedded else ""
    return f"{setting.model}{place}: {count(figures.answered, 'answer')} in {figures.seconds:.2f} s, {pace}"


def _throughput(figures: Figures) -> Iterator[str]:
    if not figures.answered:
        return
    speed = f"{figures.requests_per_second:,.1f} answers/s"
    if figures.tokens_per_second is None:
        yield f"{speed}, {figures.chunks_per_second:,.1f} chunks/s (the server does not count tokens)"
    else:
        tokens = figures.completion_tokens or 0
        per = f"{tokens / figures.chunks:.2f} tokens a chunk" if figures.chunks else "no chunks"
        yield f"{speed}, {figures.tokens_per_second:,.1f} tokens/s ({tokens:,} tokens, {per})"


def _table(figures: Figures, names: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for label, spread, told in _rows(figures):
        values: list[float | None] = [getattr(spread, name) for name in names]
        table.add_row(label, *(_NONE if value is None else told(value) for value in values))
    return table


def _rows(figures: Figures) -> Iterator[tuple[str, Spread, Callable[[float], str]]]:
    yield "first token", figures.first_token, seconds_text
    yield "between tokens", figures.between_chunks, seconds_text
    yield "whole answer", figures.whole_answer, seconds_text
    if figures.stream_tokens_per_second is not None:
        yield "tokens/s, each answer", figures.stream_tokens_per_second, _speed
    else:
        yield "chunks/s, each answer", figures.stream_chunks_per_second, _speed
    if figures.started_late is not None:
        yield "started late", figures.started_late, seconds_text


def _speed(value: float) -> str:
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _warnings(figures: Figures) -> Iterator[str]:
    """What makes the figures worth less than they look."""
    client, gaps = figures.client, figures.between_chunks
    share = f"{client.cpu_share:.0%} of a core"
    if client.bound:
        busy = max(client.busy_share or 0.0, client.cpu_share)
        yield (
            f"The client was the limit: it was busy {busy:.0%} of the time ({share}), so answers waited to be read. Run "
            "several of these commands, on more processors or machines, with a smaller --concurrency each."
        )
    elif client.held_up:
        yield (
            f"The client woke up {seconds_text(client.lag.p99 or 0.0)} late one time in a hundred, though it used "
            f"{share} only: something else keeps this machine's processors busy, and the times have that in them."
        )
    if figures.setting.embedded:
        yield "Client and server share this process, and its time: the figures say little of either."
    late = figures.started_late
    if late is not None and (late.p90 or 0.0) > _LATE:
        yield (
            f"Requests began late, one in ten by {seconds_text(late.p90 or 0.0)} or more: the server is slower than "
            "--rate, and --concurrency does not let more be open at once."
        )
    if figures.missed:
        yield (
            f"{count(figures.missed, 'request')} never began, as --concurrency others were open until the time was over: "
            "the times are better than users' would be."
        )
    together = next((number for end, number in gaps.buckets if not end), 0)
    if gaps.count and together > gaps.count / 2:
        yield (
            f"{together / gaps.count:.0%} of the tokens came together with the one before: the server, or a proxy, "
            "sends several at once."
        )
