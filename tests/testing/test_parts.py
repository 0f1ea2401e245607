"""What a scripted answer is made of."""

from __future__ import annotations

import pytest

from openai_async.testing import (
    bad_json,
    cut,
    delay,
    drop,
    error,
    error_event,
    html,
    line_ends,
    ping,
    split,
    stall,
    text,
    tool_call,
)
from openai_async.testing.parts import part_of


@pytest.mark.parametrize(
    ("whole", "chunks", "pieces"),
    [
        ("Hello", 1, ("Hello",)),
        ("Hello", 2, ("Hel", "lo")),
        ("Hello", 3, ("He", "ll", "o")),
        ("Hello", 5, ("H", "e", "l", "l", "o")),
    ],
)
def test_a_text_is_cut_into_about_equal_chunks(whole, chunks, pieces):
    """The chunks are as many as asked for, joined they are the text, and the longer ones come first."""
    assert text(whole, chunks=chunks).pieces == pieces


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (text("Hello"), "text('Hello')"),
        (text("Hello", chunks=3, delay=0.5), "text('Hello', chunks=3, delay=0.5)"),
        (text("x" * 100), f"text('{'x' * 39} … {'x' * 14}')"),
        (tool_call("f", {"a": 1}, id="call_1"), "tool_call('f', {'a': 1}, id='call_1')"),
        (tool_call("f"), "tool_call('f')"),
        (error(429, retry_after=0), "error(429, retry_after=0)"),
        (error(400, "No.", code="c"), "error(400, 'No.', code='c')"),
        (html(), "html()"),
        (html(502), "html(502)"),
        (drop(reset=True), "drop(reset=True)"),
        (cut(), "cut()"),
        (cut(after=2, reset=True), "cut(after=2, reset=True)"),
        (stall(after=1), "stall(after=1)"),
        (error_event(after=1, code="c"), "error_event(after=1, code='c')"),
        (delay(before=1, between=0.5), "delay(before=1, between=0.5)"),
        (split(1, 7), "split(1, 7)"),
        (ping(), "ping()"),
        (line_ends("crlf"), "line_ends('crlf')"),
        (part_of("Hello"), "text('Hello')"),
        (part_of({"content": "Hello"}), "{'content': 'Hello'}"),
    ],
)
def test_parts_show_how_they_are_written(part, written):
    """The repr is the call that makes the part, shortened where it is long."""
    assert repr(part) == written


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text, r"needs a text"),
        (lambda: text("a", "b", chunks=2), r"several pieces, or chunks="),
        (lambda: text("abc", chunks=4), r"from 1 to 3"),
        (lambda: text("abc", chunks=0), r"from 1 to 3"),
        (lambda: text("abc", delay=-1), r"text\('abc', delay=-1\): seconds must be 0 or more"),
        (lambda: text("abc", chunks=2, finish_reason="length"), r"usual finish_reason"),
        (lambda: error(200), r"error\(200\): the status must be from 400 to 599"),
        (lambda: error(429, retry_after=float("nan")), r"seconds must be 0 or more"),
        (lambda: html(302), r"200, or from 400 to 599"),
        (lambda: cut(after=-1), r"cut\(after=-1\): after must be 0 or more"),
        (lambda: stall(after=-1), r"0 or more"),
        (lambda: error_event(after=-1), r"0 or more"),
        (lambda: bad_json(after=-1), r"0 or more"),
        (lambda: delay(before=-1), r"0 or more"),
        (split, r"one size or more"),
        (lambda: split(3, 0), r"each 1 or more"),
        (lambda: line_ends("lfcr"), r"'lf', 'crlf' or 'cr'"),
    ],
)
def test_numbers_out_of_range_are_refused_where_they_are_written(make, said):
    """The error shows the call as it was written, and says what would fit."""
    with pytest.raises(ValueError, match=said):
        make()


def test_only_parts_texts_and_messages_are_parts():
    """Anything else is refused with what may stand there."""
    with pytest.raises(TypeError, match=r"made of text\(\.\.\.\), cut\(\.\.\.\).*not of int"):
        part_of(3)
    with pytest.raises(TypeError, match="list of objects as its choices"):
        part_of({"choices": "none"})
