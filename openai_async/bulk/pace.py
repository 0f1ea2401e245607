"""`Pace`: when the next request may go, by what the server's answers say of its rate limits. Arithmetic, no clock.

Requests that want to go, heads of responses and moments come in; leaves and waits go out. It mirrors the server's two
buckets, of requests and of tokens, from the `x-ratelimit-*` headers, and spends them as they fill up. Limits are rates:
how many requests run at once follows from them. Only where a server says nothing of rates, or is overloaded, is it
their number that is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from openai_async.transport.limits import RateLimit, RateLimitInfo, parse_duration

__all__ = ["Grant", "Pace"]

# Statuses by which a server says that it can't keep up, whatever the buckets hold (529 is Anthropic's and DeepSeek's).
_OVERLOADED = frozenset({500, 502, 503, 504, 529})
# What is left of the requests at once after a sign of overload, and the seconds in which that happens once.
_CUT, _CUT_EVERY = 0.7, 1.0
# Seconds of the first pause after a refusal that says neither when to come again nor what is left; doubled up to the last.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Grant:
    """The leave for one request, with what is to be known when its answer comes.

    Attributes:
        tokens: Taken from the bucket of tokens, by estimate.
        at: When it was given, in seconds of the caller's clock.
    """

    __slots__ = ("at", "requests_before", "tokens", "tokens_before")

    def __init__(self, tokens: int, at: float, requests_before: float, tokens_before: float) -> None:
        self.tokens: int = tokens
        self.at: float = at
        self.requests_before: float = requests_before
        self.tokens_before: float = tokens_before


class Pace:
    """One budget, as far as it is known.

    Args:
        share: The part of the budget that is ours, above 0, up to 1: 0.25 for each of four workers.
        reserve: The part of each bucket that is left alone: servers round what they tell.
        probes: Requests at once until the first answer, 1 or more.
        max_in_flight: Requests at once, at most, 1 or more.

    Attributes:
        in_flight: Requests that were given leave and are not over.
        rejected: How many were refused with 429.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self, *, share: float = 1.0, reserve: float = 0.02, probes: int = 8, max_in_flight: int = 1000
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share is above 0 and at most 1, not {share!r}")
        if not 0 <= reserve < 1:
            raise ValueError(f"reserve is 0 or more and below 1, not {reserve!r}")
        if probes < 1 or max_in_flight < 1:
            raise ValueError("probes and max_in_flight are 1 or more")
        self._requests = _Bucket(share, reserve)
        self._tokens = _Bucket(share, reserve)
        self._most = max_in_flight
        self._at_once = float(min(probes, max_in_flight))
        self._doubling = True  # until the first sign of overload
        self._cut_at = -inf
        self._paused_until = -inf
        self._pause = _PAUSE
        self.in_flight: int = 0
        self.rejected: int = 0

    def wait(self, tokens: int, now: float) -> float:
        """Return the seconds until a request may go; 0.0: it may; `math.inf`: not before another one is over.

        Args:
            tokens: What it may cost. More than the bucket holds is waited for until the bucket is full.
            now: The time, in seconds of a clock that never goes back.
        """
        if self.in_flight >= int(self._at_once):
            return inf
        return max(
            self._paused_until - now,
            self._requests.wait(1, now),
            self._tokens.wait(tokens, now) if tokens else 0.0,
            0.0,
        )

    def grant(self, tokens: int, now: float) -> Grant:
        """Give leave, and take the request's cost out of the buckets; `wait` has said 0.0."""
        grant = Grant(tokens, now, self._requests.taken, self._tokens.taken)
        self._requests.take(1, now)
        self._tokens.take(tokens, now)
        self.in_flight += 1
        return grant

    def observe(self, grant: Grant, status: int, headers: Mapping[str, str], now: float) -> None:
        """Take note of a response's head.

        Args:
            grant: The request's.
            status: The HTTP status.
            headers: Names in lower case.
            now: As for `wait`.
        """
        told = RateLimitInfo.of(headers)
        paces = False
        if told is not None:
            requests = self._requests.observe(told.requests, now, grant.at, grant.requests_before)
            tokens = self._tokens.observe(told.tokens, now, grant.at, grant.tokens_before)
            paces = requests or tokens
        if status == 429:
            self.rejected += 1
            self._hold(_retry_after(headers), now, paces=paces)
        if status in _OVERLOADED or (status == 429 and not paces):
            self._cut(now)
        elif status < 400:
            self._pause = _PAUSE
            self._grow(paces=paces)

    def settle(self, grant: Grant, used: int | None, now: float) -> None:
        """Take note that a request is over; what it cost more than its estimate is taken, too.

        Args:
            grant: Its leave, which is used up.
            used: Tokens, by the server's count; None: not known.
            now: As for `wait`.
        """
        self.in_flight -= 1
        # APIs decide by an estimate of their own, which the next headers tell; without headers nothing is kept anyway.
        if used is not None and used > grant.tokens:
            self._tokens.take(used - grant.tokens, now)

    def give_back(self, grant: Grant) -> None:
        """Take back a leave that nobody used."""
        self.in_flight -= 1
        self._requests.give(1)
        self._tokens.give(grant.tokens)

    def _hold(self, seconds: float | None, now: float, *, paces: bool) -> None:
        """Let nothing go for a while: the others would only be refused as well, and refusals count, too."""
        if seconds is None:
            if paces:
                return  # the buckets know when there is something again
            seconds, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, now + seconds)

    def _cut(self, now: float) -> None:
        self._doubling = False
        if now - self._cut_at >= _CUT_EVERY:
            self._cut_at = now
            self._at_once = max(1.0, self._at_once * _CUT)

    def _grow(self, *, paces: bool) -> None:
        if paces and self._doubling:
            self._at_once = float(self._most)  # the buckets pace, not the number
        else:
            # One more for each answer doubles it in the time of one; afterwards one more in the time of one.
            step = 1.0 if self._doubling else 1.0 / self._at_once
            self._at_once = min(float(self._most), self._at_once + step)


class _Bucket:
    """A bucket of the server's, as we see it: all of its units, of which a share is ours."""

    def __init__(self, share: float, reserve: float) -> None:
        self._share = share
        self._reserve = reserve
        self._limit: float | None = None
        self._level = inf
        self._rate = 0.0  # units that come back per second
        self._resets = inf  # when all is back, where the rate is not known
        self._at = 0.0
        self.taken = 0.0  # units in all, ours

    def take(self, units: float, now: float) -> None:
        self._refill(now)
        self.taken += units
        self._level -= units / self._share  # as all others with a share of theirs do meanwhile

    def give(self, units: float) -> None:
        self.taken -= units
        self._level += units / self._share

    def wait(self, units: float, now: float) -> float:
        if self._limit is None:
            return 0.0
        self._refill(now)
        spare = self._limit * self._reserve
        missing = min(units / self._share, self._limit - spare) - (self._level - spare)
        if missing <= 0:
            return 0.0
        return missing / self._rate if self._rate > 0 else max(self._resets - now, 0.01)

    def observe(self, told: RateLimit, now: float, granted: float, taken_before: float) -> bool:
        """Take over what a response says, and return whether it says enough to pace by.

        What is left is not enough: without a rate, and without a time when all is back, an empty bucket would be waited
        for without end (OpenRouter's refusals are such; GitHub's limits of what runs at once).

        It may tell of the moment of the request's arrival, or of that of the response: of both readings the lower one
        counts. While requests go at the bucket's own rate, both are the same.
        """
        if (
            told.limit is None
            or told.remaining is None
            or (told.rate is None and told.reset is None and not self._rate)
        ):
            return False
        self._limit = float(told.limit)
        if (rate := told.rate) is not None:
            self._rate = rate
        self._resets = now + told.reset if told.reset is not None else inf
        since = (self.taken - taken_before) / self._share
        self._level = min(float(told.remaining), told.remaining + self._rate * (now - granted) - since + 1.0)
        self._at = now
        return True

    def _refill(self, now: float) -> None:
        if self._limit is None:
            return
        if now >= self._resets and not self._rate:
            self._level = self._limit
        self._level = min(self._limit, self._level + self._rate * (now - self._at))
        self._at = now


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a refusal asks to wait; None: it does not say, or names a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if name in headers:
            try:
                return parse_duration(headers[name].strip()) * unit
            except ValueError:
                continue
    return None
