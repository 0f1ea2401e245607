"""Rate limits."""

from __future__ import annotations

import pytest

from openai_async.server.limits import RateLimits
from openai_async.server.problems import Problem


def test_headers_tell_limit_rest_and_reset():
    """Both families of headers tell what is allowed, what is left and when all of it is back."""
    limits = RateLimits(requests=60, tokens=600)
    limits.check(now=100)
    limits.spend(100, now=100)

    assert limits.headers(now=100) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "500",
        "x-ratelimit-reset-tokens": "10s",
    }


def test_buckets_fill_up_with_time():
    """What was spent comes back evenly."""
    limits = RateLimits(requests=60, tokens=600)
    limits.spend(600, now=0)

    assert limits.headers(now=30)["x-ratelimit-remaining-tokens"] == "300"
    assert limits.headers(now=60)["x-ratelimit-remaining-tokens"] == "600"


def test_limits_that_are_not_enforced_only_report():
    """Beyond a limit that is not enforced, nothing is left, and nothing is refused."""
    limits = RateLimits(requests=1)
    for _ in range(3):
        limits.check(now=0)

    assert limits.headers(now=0)["x-ratelimit-remaining-requests"] == "0"


def test_enforced_requests_are_refused_until_there_is_room():
    """One request too many is refused with the time to wait, and taken after it."""
    limits = RateLimits(requests=30, enforce=True)
    for _ in range(30):
        limits.check(now=0)

    with pytest.raises(Problem, match="on requests per min: Limit 30") as caught:
        limits.check(now=0)
    assert (caught.value.status, caught.value.code, caught.value.type) == (429, "rate_limit_exceeded", "requests")
    assert caught.value.retry_after == pytest.approx(2)
    limits.check(now=2.001)


def test_enforced_tokens_are_refused_when_they_are_spent():
    """Tokens are counted after the answer: the bucket may be emptied, but not overdrawn for long."""
    limits = RateLimits(tokens=60, enforce=True)
    limits.check(now=0)
    limits.spend(1000, now=0)

    assert limits.headers(now=0)["x-ratelimit-remaining-tokens"] == "0"
    assert limits.headers(now=0)["x-ratelimit-reset-tokens"] == "1m0s"


@pytest.mark.parametrize(("spent", "written"), [(0, "0ms"), (2, "17ms"), (120, "1s"), (180, "1.5s"), (7200, "1m0s")])
def test_durations_are_written_as_the_api_does(spent, written):
    """Milliseconds, seconds, and minutes with seconds."""
    limits = RateLimits(tokens=7200)
    limits.spend(spent, now=0)

    assert limits.headers(now=0)["x-ratelimit-reset-tokens"] == written
