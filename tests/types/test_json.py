"""What a decoded JSON value is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openai_async.types.json import MAX_DEPTH, is_array, is_deep, is_object, refuse_depth


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", [], {}, (1,)])
def test_objects_and_arrays(value: object) -> None:
    """A dict is an object, a list is an array, and nothing else is either."""
    assert is_object(value) is isinstance(value, dict)
    assert is_array(value) is isinstance(value, list)


@pytest.mark.parametrize(
    "wrap", [lambda value: [1, value], lambda value: {"a": "x", "b": value}], ids=["array", "object"]
)
@pytest.mark.parametrize("innermost", [1, "x", None, [], {}, [1], {"a": 1}], ids=repr)
def test_depth(wrap: Callable[[object], object], innermost: object) -> None:
    """As many levels as may be are not deep, one more is, whatever is inside; a level of any width is one level."""
    levels = 0 if innermost in (1, "x", None) else 1
    value = innermost
    while levels < MAX_DEPTH:
        value, levels = wrap(value), levels + 1
    assert not is_deep(value)
    assert not is_deep([[]] * 1000)
    refuse_depth(value)
    assert is_deep(wrap(value))
    with pytest.raises(ValueError, match="more than 128 levels"):
        refuse_depth(wrap(value))


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_no_depth_is_too_much(depth: int) -> None:
    """A value of any depth can be asked."""
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    assert is_deep(value)
