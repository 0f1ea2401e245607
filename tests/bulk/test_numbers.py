"""Arguments that are numbers: what is none is named."""

from __future__ import annotations

import math
from typing import Any

import pytest

from openai_async.bulk.numbers import count, fraction


@pytest.mark.parametrize("value", [1, 5])
def test_whole_numbers_in_range_come_back(value: int) -> None:
    """As they are."""
    assert count("n", value, least=1) == value


@pytest.mark.parametrize(("value", "kind"), [(True, TypeError), (1.0, TypeError), (None, TypeError), (0, ValueError)])
def test_what_is_no_count_is_named(value: Any, kind: type[Exception]) -> None:
    """The message has the argument's name."""
    with pytest.raises(kind, match="n must be"):
        count("n", value, least=1)


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_fractions_come_back(value: float) -> None:
    """As numbers with a point."""
    assert fraction("part", value) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, TypeError), ("1", TypeError), (-0.1, ValueError), (1.1, ValueError), (math.nan, ValueError)],
)
def test_what_is_no_fraction_is_named(value: Any, kind: type[Exception]) -> None:
    """The message has the argument's name."""
    with pytest.raises(kind, match="part must be"):
        fraction("part", value)
