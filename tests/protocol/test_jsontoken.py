"""The tokens of JSON text."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol.jsontoken import ESCAPE, ESCAPE_BEGINS, NUMBER_FOLLOWS, TOKEN, Kind, parse_number, unescape

# RFC 8259, section 6.
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def place(text):
    """Where in a number `text` ends; None: it begins none."""
    at = ""
    for mark in text:
        at = NUMBER_FOLLOWS[at].get(mark)
        if at is None:
            return None
    return at


@given(text=st.text("-+.eE0123456789", max_size=8))
def test_numbers(text):
    """What the places lead through is a number, of the value that Python gives it, exactly if the standard says so."""
    at = place(text)
    value = None if at is None else parse_number(text, at)
    assert (value is not None) == bool(NUMBER.fullmatch(text))
    if value is not None:
        assert repr(value) == repr(json.loads(text))


@given(number=st.from_regex(NUMBER, fullmatch=True).filter(str.isascii), cut=st.integers(0, 20))
def test_begun_numbers(number, cut):
    """The beginning of every number is known as one."""
    assert place(number[:cut]) is not None


def test_too_many_digits():
    """An integer that Python would not read is none; a float of as many digits is one."""
    assert parse_number("9" * 4301, "1") is None
    assert parse_number("9" * 4301 + "e-4300", "e1") == 10.0


@given(character=st.characters(), short=st.booleans())
def test_escapes(character, short):
    """A character that is written as an escape is read back, and every beginning of the escape is known as one."""
    escape = json.dumps(character)[1:-1] if short else "".join(rf"\u{unit:04x}" for unit in units(character))
    if not escape.startswith("\\"):
        return
    match = ESCAPE.fullmatch(escape)
    if "\ud800" <= character <= "\udfff":
        assert match is None
        return
    assert match is not None
    assert unescape(match) == character
    for cut in range(1, len(escape)):
        assert ESCAPE_BEGINS.match(escape[:cut])
    assert not ESCAPE_BEGINS.match(escape + "x")


def units(character):
    """The UTF-16 code units of a character."""
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@pytest.mark.parametrize("escape", [r"\x", r"\u12g4", r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\n", r"\ud83d\u0041"])
def test_no_escapes(escape):
    """What is no escape, and what is half a surrogate pair, is no character."""
    assert ESCAPE.match(escape) is None


@pytest.mark.parametrize(
    ("text", "kind", "token"),
    [
        (' "a b",', Kind.STRING, "a b"),
        ('"a\\n"', Kind.STRING_BEGINS, '"'),
        ('"a', Kind.STRING_BEGINS, '"'),
        ("12,", Kind.NUMBER, "12"),
        ("-1.5e3 ", Kind.NUMBER, "-1.5e3"),
        ("12", Kind.NUMBER_BEGINS, "1"),
        ("-", Kind.NUMBER_BEGINS, "-"),
        ("01,", Kind.NUMBER_BEGINS, "0"),
        ("true", Kind.LITERAL, "true"),
        ("\t\n\r {", Kind.MARK, "{"),
        (" nul", Kind.END, "nul"),
        ("  ", Kind.END, ""),
    ],
)
def test_tokens(text, kind, token):
    """A token is found after white space, and whether it is whole."""
    match = TOKEN.match(text)
    assert match is not None
    assert (match.lastindex, match[kind]) == (kind, token)


@pytest.mark.parametrize("text", ["NaN", "'a'", "x", "\ufeff{", "\u00a01", "trux", "+1", ".5"])
def test_no_tokens(text):
    """What JSON has no token for is none."""
    assert TOKEN.match(text) is None
