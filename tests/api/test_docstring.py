"""What docstrings tell of functions and parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.api.docstring import read_docstring


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        (None, "", {}),
        ("Sum.", "Sum.", {}),
        ("Sum.\n\nMore.\n\n    indented", "Sum.\n\nMore.\n\n    indented", {}),
        ("Sum.\n\nArgs:\n    a: first\n    *b (int): second,\n        third\n\nReturns:\n    x: y", "Sum.",
         {"a": "first", "b": "second, third"}),
        ("Sum.\n\nArgs:\n    a: It is\n        one of: x, y\n\n        and so on\n    b (Callable[[int], str]): bee\nReturns: it", "Sum.",
         {"a": "It is one of: x, y and so on", "b": "bee"}),
        ("Sum.\n\nArgs:\n    a: first\n\nKeyword Args:\n    b: second", "Sum.", {"a": "first", "b": "second"}),
        ("Sum.\n\nArgs:\n    no entry\n    a: first", "Sum.", {"a": "first"}),
        ("Sum.\n\nParameters\n----------\na : int\n    first\nb, c\n    second\n\nReturns\n-------\nint\n    d", "Sum.",
         {"a": "first", "b": "second", "c": "second"}),
        ("Sum.\n\nParameters\n----------\na : {'x', 'y'}, optional\n    One.\n\n    Two.\n- none -\n    lost", "Sum.", {"a": "One. Two."}),
        ("Sum.\n\n:param a: first\n    second\n\n    third\n:param int b: fourth\n:type b: int\n:returns: x", "Sum.",
         {"a": "first second third", "b": "fourth"}),
        ("Sum.\n\n:returns: x\n:param a: first", "Sum.", {"a": "first"}),
        ("Sum.\n\nReturns:\n    a: b", "Sum.", {}),
        ("Note: not a section.\n\nMore.", "Note: not a section.\n\nMore.", {}),
    ],
)  # fmt: skip
def test_docstrings(text: str | None, description: str, parameters: dict[str, str]) -> None:
    """The three usual styles are read; what is none of them is description."""
    assert read_docstring(text) == (description, parameters)


LINES = st.lists(
    st.sampled_from(
        ["", "Args:", "Parameters", "----", ":param a: x", "    a: x", "a : int", "    more", ":", "Returns:"]
    )
)


@given(lines=LINES)
def test_any_text(lines: list[str]) -> None:
    """Any text is read; what it says of parameters is said in one line."""
    _, parameters = read_docstring("\n".join(lines))
    assert all("\n" not in text for text in parameters.values())
