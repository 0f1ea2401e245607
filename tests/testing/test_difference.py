"""Where two JSON values differ."""

from __future__ import annotations

import pytest

from openai_async.testing.difference import difference, nearness


@pytest.mark.parametrize(
    ("recorded", "asked", "said"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, "a: recorded 1, asked 2"),
        ({"a": 1}, {}, "a: recorded 1, not asked"),
        ({}, {"b": [1]}, "b: not recorded, asked [1]"),
        (
            {"messages": [{"content": "a"}, {"content": "b"}]},
            {"messages": [{"content": "a"}, {"content": "c"}]},
            "messages[1].content: recorded 'b', asked 'c'",
        ),
        ({"messages": [1, 2]}, {"messages": [1]}, "messages: recorded 2 items, asked 1"),
        ([1], [1, 2], "the body: recorded 1 items, asked 2"),
        ({"a": 1}, None, "the body: recorded {'a': 1}, asked None"),
        ({"a": "x" * 90}, {"a": 1}, f"a: recorded '{'x' * 39} … {'x' * 14}', asked 1"),
    ],
)
def test_the_first_difference_is_named(recorded, asked, said):
    """The path leads to the innermost value that differs, and both values are shown, shortened."""
    assert difference(recorded, asked) == said


def test_nearness_orders_by_what_is_the_same():
    """Equal values are 1, values with nothing in common 0, and more in common is nearer."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    near = {"model": "m", "messages": [{"role": "user", "content": "b"}]}
    far = {"model": "other", "messages": [{"role": "system", "content": "b"}]}

    assert nearness(asked, asked) == 1
    assert 1 > nearness(near, asked) > nearness(far, asked)
    assert nearness({"a": 1}, {"b": 1}) == nearness(1, "1") == 0
