"""What a decoded JSON value is."""

from __future__ import annotations

import pytest

from openai_async.types.json import is_array, is_object


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", [], {}, (1,)])
def test_objects_and_arrays(value: object) -> None:
    """A dict is an object, a list is an array, and nothing else is either."""
    assert is_object(value) is isinstance(value, dict)
    assert is_array(value) is isinstance(value, list)
