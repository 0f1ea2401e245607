"""`Pace`: when the next request may go, by what the server's answers say of its rate limits. Arithmetic, no clock.

Requests that want to go, heads of responses and moments come in; leaves and waits go out. It mirrors the server's two
buckets, of requests and of tokens, from the `x-ratelimit-*` headers, and spends them as they fill up. Limits are rates:
how many requests run at once follows from them. Only where a server says nothing of rates, or is overloaded, is it
their number that is learnt, and the rate from what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from openai_async.transport.limits import RateLimitInfo

from .bucket import Bucket
from .guess import RateGuess
from .load import Grant, Load
from .numbers import fraction

__all__ = ["Pace"]


class Pace:
    """One budget, as far as it is known.

    Args:
        share: The part of the budget that is ours, above 0, up to 1: 0.25 for each of four workers.
        reserve: The part of each bucket that is left alone: servers round what they tell.
        probes: Requests at once at first, and as many more each second until the first answer; 1 or more.
        max_in_flight: Requests at once, at most, 1 or more; None: any number.

    Raises:
        TypeError: An argument is no number, or no whole one.
        ValueError: A number is out of its range.
    """

    def __init__(
        self, *, share: float = 1.0, reserve: float = 0.02, probes: int = 8, max_in_flight: int | None = None
    ) -> None:
        if not fraction("share", share):
            raise ValueError("share must be above 0")
        if fraction("reserve", reserve) == 1:
            raise ValueError("reserve must be below 1")
        self._load = Load(probes=probes, max_in_flight=max_in_flight)
        self._requests = Bucket(share, reserve)
        self._tokens = Bucket(share, reserve)
        self._guess = RateGuess()

    @property
    def in_flight(self) -> int:
        """Requests that were given leave and are not over."""
        return self._load.in_flight

    @property
    def rejected(self) -> int:
        """How many were refused with 429."""
        return self._load.rejected

    def wait(self, tokens: int, now: float) -> float:
        """Return the seconds until a request may go; 0.0: it may; `math.inf`: not before another one is over.

        Args:
            tokens: What it may cost. More than the bucket holds is waited for until the bucket is full.
            now: The time, in seconds of a clock that never goes back.
        """
        seconds = max(self._load.wait(tokens, now), self._rest(tokens, now))
        if seconds > 0:
            self._guess.press()
        return seconds

    def grant(self, tokens: int, now: float) -> Grant:
        """Give leave, and take the request's cost out of the buckets; `wait` has said 0.0."""
        self._requests.take(1, now)
        self._tokens.take(tokens, now)
        self._guess.go(now)
        grant = self._load.grant(tokens, now)
        grant.requests_balance, grant.tokens_balance = self._requests.balance, self._tokens.balance
        return grant

    def observe(self, grant: Grant, status: int, headers: Mapping[str, str], now: float) -> None:
        """Take note of a response's head.

        Args:
            grant: The request's.
            status: The HTTP status.
            headers: Names in lower case.
            now: As for `wait`.
        """
        if (told := RateLimitInfo.of(headers)) is not None:
            self._requests.observe(told.requests, now, grant.at, grant.requests_balance)
            self._tokens.observe(told.tokens, now, grant.at, grant.tokens_balance)
        known = self._known
        explained = known and self._rest(grant.tokens, now) > 0
        asked = "retry-after" in headers
        self._load.note(grant, status, headers, now, paced=explained or asked or not known, explained=explained)
        if status == 429 and not known:
            self._guess.refused(grant.at, now, asked=asked)
        elif status < 400 and known:
            self._load.window.paced()  # the buckets pace, not the number

    def settle(self, grant: Grant, used: int | None, now: float) -> None:
        """Take note that a request is over; what it cost more than its estimate is taken, too.

        Args:
            grant: Its leave, which is used up.
            used: Tokens, by the server's count; None: not known.
            now: As for `wait`.
        """
        # APIs decide by an estimate of their own, which the next headers tell; without headers nothing is kept anyway.
        if used is not None and used > grant.tokens:
            self._tokens.take(used - grant.tokens, now)
        self._load.settle(grant, used, now)

    def give_back(self, grant: Grant) -> None:
        """Take back a leave that nobody used."""
        self._requests.give(1)
        self._tokens.give(grant.tokens)
        self._load.give_back(grant)

    @property
    def _known(self) -> bool:
        """Whether the server has told of a bucket."""
        return self._requests.known or self._tokens.known

    def _rest(self, tokens: int, now: float) -> float:
        """Seconds until the server's rates allow a request."""
        if not self._known:
            return self._guess.wait(now)
        return max(self._requests.wait(1, now), self._tokens.wait(tokens, now) if tokens else 0.0)
