"""What a response's head says of time: when to come back, how much is left, and until when."""

from __future__ import annotations

import math
from contextlib import suppress
from random import Random

from openai_async.errors import APIError, RateLimitError
from openai_async.protocol import failures
from openai_async.transport.limits import RateLimit, RateLimitInfo, parse_duration
from openai_async.transport.message import plain_headers
from openai_async.transport.retry import MAX_RETRY_AFTER, retry_after, retry_delay
from stress.inputs.seeds import header

from .target import Target, check_error

__all__ = ["HEADERS"]

_NAMES = [
    f"x-ratelimit-{field}-{bucket}"
    for field in ("limit", "remaining", "reset", "renewalperiod")
    for bucket in (
        "requests",
        "tokens",
        "project-tokens",
        "req-minute",
        "tokens-minute",
        "tokens-day",
        "tokens_usage_based",
    )
] + ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "X-RateLimit-Limit-Requests"]
_NOW = 1_790_000_000.0
_LONGEST = 400 * 365 * 86_400.0 * 30  # seconds: no date that can be written is further away


def _check(data: bytes, rng: Random) -> str:
    text = data.decode("utf-8", "surrogateescape")
    with suppress(ValueError):
        seconds = parse_duration(text)
        assert math.isfinite(seconds), f"a duration of {seconds} s"
        assert seconds >= 0
    headers = plain_headers(
        [(rng.choice(["retry-after", "Retry-After-Ms"]), text), ("x-should-retry", text), ("x", text)]
    )
    for value in headers.values():
        value.encode()
    wait = retry_after(headers, now=_NOW)
    assert wait is None or 0 < wait < _LONGEST or math.isfinite(wait)
    refused = failures.from_response(429, headers | {"location": text, "x-request-id": headers["x"]}, data)
    check_error(refused)
    errors: list[APIError] = [refused, RateLimitError("busy", status_code=429, headers=headers)]
    for error in errors:
        delay = retry_delay(error, taken=0, allowed=2, now=_NOW, chance=rng.random())
        assert delay is None or 0 < delay <= MAX_RETRY_AFTER, f"a wait of {delay} s"
        assert retry_delay(error, taken=2, allowed=2, now=_NOW, chance=0.5) is None
    _check_limits(text, rng)
    return "no time" if wait is None else "a time"


def _check_limits(text: str, rng: Random) -> None:
    """Whatever rate limits a server tells, they are numbers that can be counted with."""
    values = [text, "60", "0", "1s", "0s", "-1", "1000"]
    info = RateLimitInfo.of({name: rng.choice(values) for name in rng.sample(_NAMES, rng.randrange(1, 8))})
    if info is None:
        return
    for limit in (info.requests, info.tokens):
        _check_limit(limit, rng)


def _check_limit(limit: RateLimit, rng: Random) -> None:
    for value in (limit.limit, limit.remaining, limit.reset, limit.period, limit.rate, limit.window):
        assert value is None or (value >= 0 and not math.isnan(value)), f"{limit} has {value}"
    wait = limit.wait(rng.choice([0, 1, 59, 10**6]))
    assert wait is None or (wait >= 0 and not math.isnan(wait)), f"{limit}: a wait of {wait}"


HEADERS = Target("headers", 8, header, _check)
