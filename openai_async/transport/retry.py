"""Whether a failed attempt is worth another, and when: a decision, from plain data to a number of seconds.

Errors and headers come in, a delay or None comes out. Clock and chance are arguments; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from openai_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    InsufficientQuotaError,
)

__all__ = ["MAX_RETRY_AFTER", "backoff", "retry_after", "retry_delay"]

# A server that asks for more is left to the caller: raising tells sooner than sleeping does.
MAX_RETRY_AFTER = 120.0

_RETRIED_STATUS = frozenset({408, 409, 429})


def retry_delay(error: APIError, *, taken: int, allowed: int, now: float, chance: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there shall be none.

    Retried are 408, 409, 429 and statuses of 500 and above, lost connections, time limits other than the total, and
    errors in a stream that don't say what they are: the request was accepted, so it is the server that failed.
    `x-should-retry: true` or `false` overrides that; a used-up quota is never retried, nor an error after the first
    token.

    Args:
        error: What the last attempt raised.
        taken: Retries so far.
        allowed: Retries in all (`max_retries`).
        now: Unix time in seconds, for a `retry-after` that is a date.
        chance: A random number from 0 to 1; callers that failed together come back apart.
    """
    if taken >= allowed or error.partial is not None or not _worth_it(error):
        return None
    asked = retry_after(error.headers, now=now)
    if asked is None:
        return backoff(taken, chance=chance)
    return asked if asked <= MAX_RETRY_AFTER else None


def _worth_it(error: APIError) -> bool:
    if isinstance(error, InsufficientQuotaError):
        return False
    said = error.headers.get("x-should-retry", "").strip().lower()
    if said in {"true", "false"}:
        return said == "true"
    if isinstance(error, APIStatusError):
        status = error.status_code or 0
        return status in _RETRIED_STATUS or status >= 500
    if isinstance(error, APITimeoutError):
        return error.phase != "total"
    return isinstance(error, APIConnectionError) or type(error) is APIError


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that the server asks to wait; None: it asks for nothing, or nonsense.

    `retry-after-ms` goes first (milliseconds, OpenAI's own), then `retry-after`: seconds, or an HTTP date. Zero and
    below count as nothing: a server that says so leaves the pace to us.
    """
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        try:
            seconds = float(value) * factor
        except ValueError:
            seconds = _seconds_until(value, now)
        if 0 < seconds < float("inf"):
            return seconds
    return None


def _seconds_until(date: str, now: float) -> float:
    """Seconds from `now` to an HTTP date (RFC 9110, section 5.6.7); 0.0 for what is no date."""
    # Imported here: few servers send dates, and no program should wait 5 ms for that.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - see above

    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    # "-0000" means UTC, and parses without a time zone.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now


def backoff(taken: int, *, chance: float) -> float:
    """Return the seconds to wait after `taken` retries: min(0.5 * 2 ** taken, 8) * (0.75 … 1)."""
    return min(0.5 * 2.0 ** min(taken, 10), 8.0) * (1 - 0.25 * chance)
