"""Rate limits: what a response's headers say of them, and what keeps a client within them.

Headers come in, two buckets as plain data come out. Here stand the protocols of what paces requests, not a pace: nothing
waits, and no clock is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Protocol

import msgspec

__all__ = ["Limiter", "Permit", "RateLimit", "RateLimitInfo", "estimate_tokens", "parse_duration"]

# Each unit's seconds as a fraction: 9 / 1000 is 0.009, which 9 * 0.001 is not.
_UNITS: dict[str, tuple[int, int]] = {
    "d": (86_400, 1),  # not Go's, and clear all the same
    "h": (3_600, 1),
    "m": (60, 1),
    "s": (1, 1),
    "ms": (1, 1_000),
    "us": (1, 1_000_000),
    "\u00b5s": (1, 1_000_000),  # the micro sign
    "\u03bcs": (1, 1_000_000),  # the Greek letter
    "ns": (1, 1_000_000_000),
}
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PART = re.compile(rf"({_NUMBER})({'|'.join(sorted(_UNITS, key=len, reverse=True))})")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_PLAIN = re.compile(_NUMBER)

# Go's longest duration has 23 characters; Cerebras writes numbers of a dozen digits.
_LONGEST = 64

# What follows "x-ratelimit-limit-" in a header's name: what the bucket counts, and the window in seconds where the name
# tells it. Others are left alone: OpenAI's "tokens_usage_based" was never documented, Fireworks' "tokens-prompt" counts
# some of the tokens only, and no month has a length.
_BUCKETS: dict[str, tuple[str, float | None]] = {
    "requests": ("requests", None),
    "tokens": ("tokens", None),
    "project-tokens": ("tokens", None),  # OpenAI's, where a project has a limit of its own
    "": ("requests", None),  # OpenRouter's, on refusals
    "req-minute": ("requests", 60.0),  # Mistral's, whose tokens are called as Cerebras calls them
    "requests-minute": ("requests", 60.0),  # Cerebras'
    "requests-hour": ("requests", 3_600.0),
    "requests-day": ("requests", 86_400.0),
    "tokens-minute": ("tokens", 60.0),
    "tokens-hour": ("tokens", 3_600.0),
    "tokens-day": ("tokens", 86_400.0),
    "tokens-per-minute": ("tokens", 60.0),  # DigitalOcean's
    "tokens-per-day": ("tokens", 86_400.0),
}

# The bucket and the field that each header is about.
_HEADERS = {
    f"x-ratelimit-{field}-{bucket}".removesuffix("-"): (bucket, field)
    for bucket in _BUCKETS
    for field in ("limit", "remaining", "reset", "renewalperiod")
}

# A "duration" of 31 years is a Unix time (DigitalOcean's in seconds, OpenRouter's in milliseconds).
_MOMENT = 1e9


def parse_duration(text: str) -> float:
    """Return the seconds that a duration in Go's notation means.

    `6m0s`, `12ms`, `1h2m3.5s`, `1d2h`; a number without a unit is in seconds. The units are d, h, m, s, ms, us (also
    with a µ) and ns, in any order, as Go takes them.

    Raises:
        ValueError: `text` is anything else: empty, signed, with spaces, `inf`, or of more than 64 characters.
    """
    if len(text) <= _LONGEST:
        if _PLAIN.fullmatch(text):
            return float(text)
        if _DURATION.fullmatch(text):
            return sum(float(number) * _UNITS[unit][0] / _UNITS[unit][1] for number, unit in _PART.findall(text))
    raise ValueError(f"Not a duration: {text[:_LONGEST]!r}")


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bucket, of requests or of tokens.

    Headers that are not sent, or not readable, leave None: `-1` is Azure's word for that.

    Attributes:
        limit: What it holds when it is full.
        remaining: What is left of it.
        reset: Seconds until it is full again. Not how long to wait: see `wait`.
        period: Seconds in which a whole `limit` comes back, where the server says so by itself, in a header or by the
            header's name (Azure, GitHub Models, Mistral, Cerebras). OpenAI and Groq leave it to be derived.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    period: float | None = None

    @property
    def rate(self) -> float | None:
        """Units that come back per second; None: the headers do not tell, as when nothing was used.

        The bucket fills up evenly: of 5,000 requests a minute, one used is back after 12 ms = 60 / 5,000. So what was
        used, divided by the time until it is back, is the rate. OpenAI rounds `remaining` down and `reset` to
        milliseconds: with few units used the rate comes out too high, by up to a few times; with many it is exact.
        """
        if self.limit is None:
            return None
        if self.period is not None:
            return self.limit / self.period
        if self.remaining is None or not self.reset or self.remaining >= self.limit:
            return None
        return (self.limit - self.remaining) / self.reset

    @property
    def window(self) -> float | None:
        """Seconds in which an empty bucket fills up; None: the headers do not tell.

        About 60 for a limit per minute, 86,400 for one per day: the names of the headers are the same.
        """
        if self.period is not None:
            return self.period
        rate = self.rate
        return None if rate is None or self.limit is None else self.limit / rate

    def wait(self, n: int) -> float | None:
        """Return the seconds until `n` units are there, if nobody else takes any.

        0.0: they are there. `math.inf`: never, as the bucket holds fewer (then the API refuses such a request however
        long one waits). None: the headers do not tell.

        What is missing comes back at `rate`. Where that is unknown, or the server names its window and when it is over,
        everything is back at `reset`, and perhaps earlier. Where the server names its window only, as Mistral does, it
        may take until the window's end.
        """
        if self.remaining is None:
            return None
        if n <= self.remaining:
            return 0.0
        if self.limit is not None and n > self.limit:
            return inf
        rate = self.rate
        if rate is None or (self.period is not None and self.reset is not None):
            return self.reset
        return (n - self.remaining) / rate


class RateLimitInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What one response says of the rate limits: a moment's view, of one model and one key.

    How long a refused request shall wait is not among it: that is `retry-after`, and `transport.retry` reads it.

    Attributes:
        requests: The bucket of requests; all None where the server says nothing of it.
        tokens: The bucket of tokens, those of prompts and answers together; likewise.
    """

    requests: RateLimit = RateLimit()
    tokens: RateLimit = RateLimit()

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> RateLimitInfo | None:
        """Return what `headers` say; None: not one of them is about rate limits.

        Read are `x-ratelimit-{limit,remaining,reset,renewalperiod}-{requests,tokens}` (OpenAI, Azure, Groq and most
        others), OpenAI's `-project-tokens`, the names that tell a window (`-tokens-minute`: Cerebras, Mistral,
        DigitalOcean), and OpenRouter's `x-ratelimit-limit` and `-remaining`, which count requests. Of several buckets
        of one kind the one with the least left is told: it refuses first.

        Args:
            headers: Names in any case.
        """
        sent: dict[str, dict[str, str]] = {}
        for name, value in headers.items():
            place = _HEADERS.get(name.lower())
            if place:
                bucket, field = place
                sent.setdefault(bucket, {})[field] = value.strip()
        if not sent:
            return None
        return cls(requests=_scarcest(sent, "requests"), tokens=_scarcest(sent, "tokens"))


def _scarcest(sent: Mapping[str, Mapping[str, str]], kind: str) -> RateLimit:
    """The bucket of this kind with the least left, of those that were sent."""
    found = [_read(bucket, fields) for bucket, fields in sent.items() if _BUCKETS[bucket][0] == kind]
    return min(found, key=lambda limit: inf if limit.remaining is None else limit.remaining, default=RateLimit())


def _read(bucket: str, fields: Mapping[str, str]) -> RateLimit:
    # Two that cannot be relied on: Azure and GitHub Models, who send the period, write resets in seconds on some
    # deployments and in milliseconds on others; and a name without a unit is used for every kind of reset there is.
    unclear = "renewalperiod" in fields or not bucket
    return RateLimit(
        limit=_count(fields.get("limit", "")),
        remaining=_count(fields.get("remaining", "")),
        reset=None if unclear else _seconds(fields.get("reset", "")),
        # "5 per 0s" is how GitHub Models limits what runs at once: no rate.
        period=_BUCKETS[bucket][1] or _seconds(fields.get("renewalperiod", "")) or None,
    )


def _count(text: str) -> int | None:
    """The whole number in a header; None: it is none, or larger than any limit."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None


def _seconds(text: str) -> float | None:
    """The duration in a header; None: it is none."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return None
    return seconds if seconds < _MOMENT else None


class Permit(Protocol):
    """The leave to make one attempt, and what came of it.

    The client calls both methods in the event loop that `acquire` ran in. They may neither block nor raise; what they
    raise is logged, and changes nothing.
    """

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of a response's head, whatever its status.

        Called as soon as the head is here, the body still to come; at most once, always before `settle`, and not at all
        when the attempt brought no response.

        Args:
            status: The HTTP status.
            headers: Names in lower case, repeated ones joined by a comma: food for `RateLimitInfo.of`. Servers leave
                rate limits out of some responses.
        """
        ...

    def settle(self, used_tokens: int | None) -> None:
        """Take note that the attempt is over: its answer is whole, it failed, or it was aborted.

        Called exactly once for every permit, also when the attempt was cancelled before anything was sent. For a stream
        that is at its end, long after `observe`.

        Args:
            used_tokens: Tokens of the prompt and the answer, as the server counts them; None: not known, for no usage
                came. That does not mean that none were used: refused requests, too, count against the limits.
        """
        ...


class Limiter(Protocol):
    """Whatever lets requests through at the right time: `limiter=` of a client.

    One limiter stands for one budget: a model and a key. It is called in one event loop at a time; the clients of that
    loop may share it.
    """

    async def acquire(self, *, tokens: int) -> Permit:
        """Wait until an attempt may be made, and return the leave for it.

        Called before every attempt, the retries of a call included, after their back-off.

        Cancelling it gives up the place in the queue and takes nothing from the budget; there is no permit then, and
        nothing to settle.

        Args:
            tokens: What the attempt may cost, by `estimate_tokens`. An estimate, and often too high: it must not be
                waited for beyond what the bucket holds.

        Raises:
            Exception: Whatever it likes: it ends the call, as it is, and the attempt is not made.
        """
        ...


def estimate_tokens(body: bytes | None, max_tokens: int | None) -> int:
    """Return about how many tokens a request takes from the budget: its length / 4, and the longest answer.

    APIs decide by such an estimate, too, before they answer: Azure by the sum, OpenAI by the larger of the two. Images
    and audio in the body are counted as if they were text, so far too high.

    Args:
        body: The request's body, as it is sent; None: there is none.
        max_tokens: How long the answer may become, all choices together; None: not limited, and counted as 0.
    """
    return (len(body or b"") + 3) // 4 + max(max_tokens or 0, 0)
