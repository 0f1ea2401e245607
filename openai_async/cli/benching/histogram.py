"""A histogram: how often which value occurred, in memory that does not grow with the number of values.

Values above 0 come in one by one; out go quantiles within 1 % of the exact ones, and counts by range. Nothing here
knows what the values measure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from math import ceil, inf, log

__all__ = ["Histogram"]

# Each bucket ends at this multiple of where it begins. Its middle is then within 1 % of every value in it (the buckets
# of DDSketch, VLDB 2019): (1 + 0.01) / (1 - 0.01).
_GROWTH = 1.01 / 0.99
_LOG = log(_GROWTH)
# What is smaller is counted as zero: of seconds, less than a nanosecond, which no clock of ours tells.
_LEAST = 1e-9


class Histogram:
    """The values seen so far.

    Attributes:
        count: How many they are.
        zeros: How many of them are 0.
        total: Their sum.
        least: The smallest; infinite where there is none.
        most: The largest; 0 where there is none.
    """

    def __init__(self) -> None:
        self.count: int = 0
        self.zeros: int = 0
        self.total: float = 0.0
        self.least: float = inf
        self.most: float = 0.0
        # A value from 1 ns to 100,000 years is in one of 3,000 buckets: no more than these are ever made.
        self._buckets: Counter[int] = Counter()

    def add(self, value: float) -> None:
        """Count a value, 0 or more."""
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        if value < _LEAST:
            self.zeros += 1
        else:
            self._buckets[ceil(log(value) / _LOG)] += 1

    @property
    def mean(self) -> float | None:
        """The mean of the values, exact; None: there are none."""
        return self.total / self.count if self.count else None

    @property
    def least_bucket(self) -> float:
        """Where the lowest bucket begins that is not of zeros; infinite where there is none."""
        return _GROWTH ** (min(self._buckets) - 1) if self._buckets else inf

    def quantile(self, share: float) -> float | None:
        """Return the value that `share` (from 0 to 1) of the values do not exceed, within 1 %; None: there are none."""
        if not self.count:
            return None
        rank = max(1, ceil(share * self.count))
        seen = self.zeros
        if rank <= seen:
            return 0.0
        places = iter(sorted(self._buckets))
        place = next(places)
        while (seen := seen + self._buckets[place]) < rank:
            place = next(places)
        return min(max(_middle(place), self.least), self.most)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Give the upper end of each bucket that has values, and how many: the lowest first, zeros at 0."""
        if self.zeros:
            yield 0.0, self.zeros
        for place in sorted(self._buckets):
            yield _GROWTH**place, self._buckets[place]

    def counts(self, edges: list[float]) -> list[int]:
        """Return how many values lie below the first edge, between each two, and from the last on, within a bucket.

        Args:
            edges: In ascending order.
        """
        counts = [0] * (len(edges) + 1)
        counts[0] = self.zeros
        for place, number in self._buckets.items():
            counts[bisect_left(edges, _middle(place))] += number
        return counts


def _middle(place: int) -> float:
    """The value from which no value of a bucket is further than 1 % of itself."""
    return 2 * _GROWTH**place / (_GROWTH + 1)
