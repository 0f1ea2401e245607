"""How far a run is, as people see it."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from openai_async.bulk import progress
from openai_async.bulk.map import amap
from openai_async.bulk.progress import LineProgress, RichProgress, standard_progress, summary
from openai_async.bulk.result import BulkStats

MIDDLE = BulkStats(
    total=5000,
    done=1180,
    failed=3,
    resumed=17,
    prompt_tokens=100_000,
    completion_tokens=20_000,
    rate_limited=4,
    retries=1,
    seconds=60.0,
)


@pytest.mark.parametrize(
    ("stats", "line"),
    [
        (
            MIDDLE,
            "1,200 of 5,000 done, 17 of them before, 3 failed, 20/s, 2,000 tokens/s, 4 x 429, 1 retry; 193 s left",
        ),
        (BulkStats(done=5, retries=2, seconds=10.0), "5 done, 0.5/s, 2 retries"),
        (BulkStats(total=3, resumed=3, seconds=0.1), "3 of 3 done, 3 of them before"),
        (BulkStats(total=3, done=3, seconds=2.0), "3 of 3 done, 1.5/s; 2.0 s"),
        (BulkStats(total=1_000_000, done=1000, seconds=100.0), "1,000 of 1,000,000 done, 10/s; 1 day, 3:45:00 left"),
        (BulkStats(), "0 done"),
    ],
)
def test_a_line_says_it_all(stats, line):
    """The summary has what is known, and nothing that is not."""
    assert summary(stats) == line


def test_lines_come_every_ten_seconds_and_at_the_end():
    """However often it is shown, a line comes when ten seconds have passed since the last, and once in the end."""
    lines = []
    shown = LineProgress(lines.append)
    for tenth in range(251):
        shown.show(BulkStats(done=tenth, seconds=tenth / 10))
    shown.end(BulkStats(done=251, seconds=25.1))

    assert [line.partition(" ")[0] for line in lines] == ["100", "200", "251"]


def test_the_bar_tells_the_same():
    """On a terminal there is a bar with counts, rates and the time that is left; it stays in the end."""
    file = io.StringIO()
    shown = RichProgress(Console(file=file, force_terminal=True, width=120, color_system=None))
    shown.show(BulkStats(total=5000))
    shown.show(MIDDLE)
    shown.end(MIDDLE)

    assert "1200/5000" in file.getvalue()
    assert "3 failed, 20/s, 2,000 tokens/s, 4 x 429, 1 retry, 60 s gone, 193 s left" in file.getvalue()
    assert "0/5000 0 s gone" in file.getvalue(), "before the first answer nothing is said of the time that is left"
    assert file.getvalue().rstrip("\x1b[?25h \n").count("\n") < 3


@pytest.mark.parametrize(
    ("terminal", "rich", "kind"), [(True, True, RichProgress), (True, False, LineProgress), (False, True, LineProgress)]
)
def test_what_is_shown_depends_on_where(monkeypatch, terminal, rich, kind):
    """The bar needs a terminal and rich; without either there are lines."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(progress, "find_spec", {"rich": object()}.get if rich else {}.get)
    assert type(standard_progress()) is kind


def test_without_rich_the_error_names_the_extra(monkeypatch):
    """Where rich is not installed, asking for the bar says what to install."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=r"pip install 'openai-async-sdk\[cli\]'"):
        RichProgress()


@pytest.mark.anyio
async def test_a_run_shows_how_far_it_is(capsys):
    """With `progress=True` a run tells on stderr how it ended, also when it is left early."""

    async def nothing(item):
        return item

    async for _ in amap(range(10), nothing, progress=True):
        pass
    async with amap(range(10), nothing, limit=1, progress=True) as run:
        await anext(run)

    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("10 of 10 done, ")
    assert " of 10 done, " in second


@pytest.mark.anyio
async def test_a_progress_of_ones_own():
    """Anything with `show` and `end` is shown the totals, and told of the end once."""
    calls = []

    class Own:
        def show(self, stats):
            calls.append(("show", stats.finished))

        def end(self, stats):
            calls.append(("end", stats.finished))

    async def nothing(item):
        return item

    async for _ in amap(range(10), nothing, progress=Own()):
        pass
    assert calls[0] == ("show", 0)
    assert calls[-1] == ("end", 10)
    assert [kind for kind, _ in calls].count("end") == 1
