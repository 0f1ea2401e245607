"""The histogram: its promise is 1 %, and memory that does not grow."""

from __future__ import annotations

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.cli.benching.histogram import Histogram

VALUES = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e7)), min_size=1, max_size=200)


def filled(values):
    """A histogram of values."""
    made = Histogram()
    for value in values:
        made.add(value)
    return made


@given(VALUES, st.floats(0, 1))
def test_quantiles_are_within_one_percent(values, share):
    """A quantile is within 1 % of the value that stands there when all are sorted."""
    exact = sorted(values)[max(1, ceil(share * len(values))) - 1]

    assert filled(values).quantile(share) == pytest.approx(exact, rel=0.0101)


@given(VALUES)
def test_the_rest_is_exact(values):
    """Count, sum, mean and the ends are those of the values."""
    made = filled(values)

    assert (made.count, made.least, made.most) == (len(values), min(values), max(values))
    assert made.total == pytest.approx(sum(values))
    assert made.mean == pytest.approx(sum(values) / len(values))
    assert made.zeros == values.count(0.0)


@given(VALUES, st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5, unique=True).map(sorted))
def test_ranges_hold_every_value(values, edges):
    """Each value is counted in one range, and but for those within 1 % of an edge, in the right one."""
    counts = filled(values).counts(edges)

    assert sum(counts) == len(values)
    for place, number in enumerate(counts):
        low, high = [0.0, *edges][place], [*edges, inf][place]
        assert number >= sum(low * 1.0202 < value < high / 1.0202 for value in values if value)


@given(VALUES)
def test_buckets_are_all_there_is(values):
    """The buckets hold every value, in ascending order, each below its end."""
    made = filled(values)
    buckets = list(made.buckets())

    assert sum(number for _, number in buckets) == len(values)
    assert buckets == sorted(buckets)
    assert buckets[-1][0] >= max(values) * 0.9999
    assert made.least_bucket <= min(filter(None, values), default=inf)


def test_memory_does_not_grow():
    """100,000 values between a nanosecond and a day are in some 1,600 buckets."""
    made = filled(10 ** (number % 14_000 / 1000 - 9) for number in range(100_000))

    assert made.count == 100_000
    assert len(list(made.buckets())) < 1700


def test_nothing():
    """Without values there is no quantile and no mean."""
    made = Histogram()

    assert (made.quantile(0.5), made.mean, list(made.buckets())) == (None, None, [])
