"""`Bucket`: one of the server's buckets, as far as its answers tell: how full it is, and when there is enough.

What we take and what responses say come in, with moments; waits go out. Arithmetic, no clock.

A response is seconds old when its headers are read, and there may be others who take from the same bucket. So each one
is set against the one before: what is missing and was not ours, others took, and they are expected to go on with it.
"""

from __future__ import annotations

from math import exp, inf

from openai_async.transport.limits import RateLimit

__all__ = ["Bucket"]

# Seconds over which what others take is averaged.
_MEMORY = 5.0
# Of what comes back, others are never believed to take more than this: else nobody would look again.
_MOST = 0.95
# Two readings of a response are compared: how much of what each usually misses is the newest one's.
_NEWEST = 0.05
# Seconds until the next look where it is not known when something comes back.
_LOOK = 0.01


class Bucket:
    """A bucket of requests or of tokens.

    Args:
        share: The part of it that is ours, above 0, up to 1.
        reserve: The part of it that is left alone: what servers tell is rounded, and what others begin to take shows late.

    Attributes:
        balance: Units that came back less those that we took, in all. Of two moments it tells how much fuller the bucket
            is at the later one, others aside.
    """

    def __init__(self, share: float, reserve: float) -> None:
        self._share = share
        self._reserve = reserve
        self._limit: float | None = None
        self._rate = 0.0  # units that come back per second
        self._others = 0.0  # units per second that others take
        self._resets = inf  # when all is back, where the rate is not known
        self._level = inf
        self._at = 0.0
        # The newest of what was told: when its request was given leave, what was left, the balance at the leave, and the
        # balance when it was read.
        self._told = (-inf, 0.0, 0.0, 0.0)
        # Units by which it usually differs from what was expected, taken as of the request's arrival, and as of now.
        self._misses = (0.0, 0.0)
        # A share has a bucket of its own beside it: of the same rate for each worker, whoever is quicker.
        self._own = inf
        self.balance: float = 0.0

    @property
    def known(self) -> bool:
        """Whether the server has told enough to pace by."""
        return self._limit is not None

    def take(self, units: float, now: float) -> None:
        """Take out units."""
        self._refill(now)
        self.balance -= units
        self._level -= units
        self._own -= units

    def give(self, units: float) -> None:
        """Put units back that were not used."""
        self.balance += units
        self._level += units
        self._own += units

    def wait(self, units: float, now: float) -> float:
        """Return the seconds until so many units are there; 0.0: they are, or nothing is known.

        Args:
            units: What is wanted. Of more than the bucket holds, all that it holds is waited for.
            now: The time.
        """
        if self._limit is None:
            return 0.0
        self._refill(now)
        # Workers with shares keep off the bottom each by itself: half of the reserve is left for their rounding.
        spare = self._limit * self._reserve * (1.0 if self._share == 1 else 0.5)
        missing = min(units, self._limit - spare) - (self._level - spare)
        wait = self._time_for(missing, self._rate - self._others, now)
        if self._share < 1:
            missing = min(units, self._most_own()) - self._own
            wait = max(wait, self._time_for(missing, self._rate * self._share, now))
        return wait

    def observe(self, told: RateLimit, now: float, granted: float, balance: float) -> bool:
        """Take over what a response says, and return whether it says enough to pace by.

        What is left is not enough: without a rate, and without a time when all is back, an empty bucket would be waited
        for without end (OpenRouter's refusals are such; GitHub's limits of what runs at once).

        Args:
            told: What it says.
            now: When that was read.
            granted: When the request was given leave.
            balance: The balance then, the request taken out: servers tell what is left after it.
        """
        if (
            told.limit is None
            or told.remaining is None
            or (told.rate is None and told.reset is None and not self._rate)
        ):
            return False
        another = told.limit != self._limit  # also the day's bucket instead of the minute's, where a server has both
        if (rate := told.rate) is not None:
            self._rate = rate
        elif another:
            self._rate = 0.0
        at, _, before, _ = self._told
        if not another and (granted < at or (granted == at and balance > before)):
            return True  # what is known is newer
        self._refill(now)
        left, since = float(told.remaining), self.balance - balance
        if another:
            self._limit, self._others = float(told.limit), 0.0
            self._own = min(left * self._share, self._most_own()) + since
        else:
            self._learn(left, granted, balance)
        self._told = (granted, left, balance, self.balance)
        # It may tell of the moment of the request's arrival, or of that of the response. Until it shows that the first
        # fits better, the lower one of both readings counts; always that one would have the pace swing where answers are
        # late. While requests go at the bucket's own rate, both are the same.
        since -= self._others * (now - granted)
        of_arrival, of_response = self._misses
        self._level = left + (since if of_arrival < of_response else min(0.0, since))
        self._at = now
        self._resets = now + told.reset if told.reset is not None else inf
        return True

    def _learn(self, left: float, granted: float, balance: float) -> None:
        """See what others took since what was told before, and which moment it tells of."""
        assert self._limit is not None
        at, left_then, before, before_read = self._told
        seconds = granted - at
        missing = min(self._limit, left_then + balance - before) - left
        missing_now = min(self._limit, left_then + self.balance - before_read) - left
        of_arrival, of_response = self._misses
        self._misses = (
            of_arrival + _NEWEST * (abs(missing) - of_arrival),
            of_response + _NEWEST * (abs(missing_now) - of_response),
        )
        if seconds > 0:
            self._others += (missing / seconds - self._others) * (1 - exp(-seconds / _MEMORY))
        else:
            self._others += missing / _MEMORY
        self._others = min(max(self._others, 0.0), self._rate * _MOST)

    def _refill(self, now: float) -> None:
        if self._limit is None:
            return
        if not self._rate and now >= self._resets:
            self._level = self._own = self._limit
        seconds = now - self._at
        level = self._level + (self._rate - self._others) * seconds
        spilt = max(0.0, level - self._limit)
        self._level = level - spilt
        self._own = min(self._most_own(), self._own + self._rate * self._share * seconds)
        self.balance += self._rate * seconds - spilt
        self._at = now

    def _most_own(self) -> float:
        assert self._limit is not None
        return self._limit * self._share * (1 - self._reserve)

    def _time_for(self, missing: float, rate: float, now: float) -> float:
        if missing <= 0:
            return 0.0
        return missing / rate if rate > 0 else max(self._resets - now, _LOOK)
