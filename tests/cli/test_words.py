"""Text on its way to a person's eyes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.cli.words import clean, count, one_line


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    """Cleaned text has no control characters but line feeds and tabs."""
    assert all(char in "\n\t" or not (ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0) for char in clean(text))


@given(st.text())
def test_one_line_is_one_line(text):
    """A line has no line break of any kind, no double space, and no more than 1000 characters and an ellipsis."""
    line = one_line(text)

    assert len(line.splitlines()) <= 1
    assert "  " not in line
    assert len(line) <= 1001


def test_what_is_harmless_stays():
    """Text, line feeds and tabs are not touched; other controls are shown by their pictures."""
    assert clean("caf\u00e9\n\t\u2603") == "caf\u00e9\n\t\u2603"
    assert clean("\x1b[1m\x7f\r\n\x9b") == "\u241b[1m\u2421\n\ufffd"
    assert one_line(" a\r\n\tb\u2028c ") == "a b c"
    assert one_line("x" * 1001) == "x" * 1000 + "\u2026"


@pytest.mark.parametrize(("number", "said"), [(0, "0 tokens"), (1, "1 token"), (2, "2 tokens")])
def test_one_is_not_many(number, said):
    """A count of one is in the singular."""
    assert count(number, "token") == said
