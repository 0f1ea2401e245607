"""A histogram as text."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from openai_async.cli.benching.barplot import plot
from openai_async.cli.benching.histogram import Histogram

ROW = re.compile(r" *(together|[\d.]+ [nµm]?s - [\d.]+ [nµm]?s) +([\d,]+)(?:  ([█▏▎▍▌▋▊▉]+))?")


def filled(values):
    """A histogram of values."""
    made = Histogram()
    for value in values:
        made.add(value)
    return made


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e4)), min_size=1, max_size=50), st.integers(40, 200))
def test_every_value_is_in_a_row(values, width):
    """Rows fit the width, are 13 at most, and their numbers are those of the values."""
    rows = list(plot(filled(values), width))

    assert 1 <= len(rows) <= 13
    assert max(map(len, rows)) <= width
    assert sum(int(ROW.fullmatch(row)[2].replace(",", "")) for row in rows) == len(values)


def test_it_can_be_read():
    """Ranges have round edges, bars are as long as their numbers are large, and gaps in between are shown."""
    rows = list(plot(filled([0.0] * 5 + [0.0101] * 10 + [0.0151] * 20), 60))

    assert rows == [
        "     together   5  ██████████▎",
        "10 ms - 12 ms  10  ████████████████████▌",
        "12 ms - 14 ms   0",
        "14 ms - 16 ms  20  █████████████████████████████████████████",
    ]


def test_terminals_that_know_no_blocks():
    """Where only ASCII can be shown, nothing else is."""
    rows = list(plot(filled([0.00001, 0.00002]), 60, ascii_only=True))

    assert all(row.isascii() for row in rows)
    assert "#" in rows[0]


def test_nothing_to_show():
    """Without values there are no rows."""
    assert list(plot(Histogram(), 80)) == []
