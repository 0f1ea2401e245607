"""The rate limits that a server reports, and keeps if told to.

Requests and tokens come in, with the time; out go the `x-ratelimit-…` headers and whether a request is one too many.
Both buckets fill up evenly, as the API's do. It reads no clock by itself.
"""

from __future__ import annotations

import math

import msgspec

from .problems import Problem

__all__ = ["RateLimits"]


class RateLimits(msgspec.Struct, kw_only=True):
    """Two leaky buckets, requests and tokens.

    Attributes:
        requests: Requests a minute.
        tokens: Tokens a minute, of prompts and answers.
        enforce: Refuse what goes beyond them with status 429; otherwise they are only reported, down to 0.
    """

    requests: int = 10_000
    tokens: int = 2_000_000
    enforce: bool = False

    _spent_requests: float = 0.0
    _spent_tokens: float = 0.0
    _at: float = 0.0

    def check(self, *, now: float) -> None:
        """Count a request.

        Args:
            now: Seconds on any clock that never goes back.

        Raises:
            Problem: Status 429 with `retry-after`; the limits are enforced, and a bucket is empty.
        """
        self._drain(now)
        if self.enforce:
            self._refuse("requests", self._spent_requests + 1, self.requests)
            self._refuse("tokens", self._spent_tokens, self.tokens)
        self._spent_requests = min(self._spent_requests + 1, self.requests)

    def spend(self, tokens: int, *, now: float) -> None:
        """Count tokens of an answered request."""
        self._drain(now)
        self._spent_tokens = min(self._spent_tokens + tokens, self.tokens)

    def headers(self, *, now: float) -> dict[str, str]:
        """Return the six headers for an answer sent at `now`."""
        self._drain(now)
        result: dict[str, str] = {}
        for name, spent, limit in (
            ("requests", self._spent_requests, self.requests),
            ("tokens", self._spent_tokens, self.tokens),
        ):
            result[f"x-ratelimit-limit-{name}"] = str(limit)
            result[f"x-ratelimit-remaining-{name}"] = str(limit - math.ceil(spent))
            result[f"x-ratelimit-reset-{name}"] = _duration(spent / limit * 60)
        return result

    def _drain(self, now: float) -> None:
        minutes = max(now - self._at, 0.0) / 60
        self._at = now
        self._spent_requests = max(self._spent_requests - minutes * self.requests, 0.0)
        self._spent_tokens = max(self._spent_tokens - minutes * self.tokens, 0.0)

    def _refuse(self, name: str, spent: float, limit: int) -> None:
        if spent <= limit:
            return
        wait = (spent - limit) / limit * 60
        text = (
            f"Rate limit reached on {name} per min: Limit {limit}, Used {limit}. Please try again in {_duration(wait)}."
        )
        raise Problem(429, text, type=name, code="rate_limit_exceeded", retry_after=wait)


def _duration(seconds: float) -> str:
    """Go's notation, as the API writes it: 17ms, 1.5s, 6m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{round(seconds, 3):g}s"
    return f"{int(seconds // 60)}m{round(seconds % 60, 3):g}s"
