"""Whether and when a failed attempt is repeated: tables of errors and headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from openai_async import errors
from openai_async.protocol.failures import from_response
from openai_async.transport.message import StaleConnectionError
from openai_async.transport.retry import MAX_RETRY_AFTER, backoff, retry_after, retry_delay

NOW = 1_700_000_000.0


def delay(error: errors.APIError, *, taken: int = 0, allowed: int = 2, chance: float = 0.0) -> float | None:
    """The delay at a fixed moment and chance."""
    return retry_delay(error, taken=taken, allowed=allowed, now=NOW, chance=chance)


def refusal(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> errors.APIStatusError:
    """The error of a response."""
    return from_response(status, headers or {}, body)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520, 529, 599])
def test_statuses_that_may_pass_are_retried(status: int) -> None:
    """What another attempt may cure gets one, after half a second at most."""
    assert delay(refusal(status)) == 0.5


@pytest.mark.parametrize(
    "status", [300, 301, 304, 307, 400, 401, 402, 403, 404, 405, 410, 413, 418, 422, 423, 425, 451, 499]
)
def test_statuses_that_stay_are_not_retried(status: int) -> None:
    """What the request itself is to blame for is raised at once."""
    assert delay(refusal(status)) is None


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (errors.APIConnectionError("lost"), True),
        (errors.IncompleteStreamError("cut"), True),
        (StaleConnectionError("dead"), True),
        (errors.APITimeoutError("late", phase="pool"), True),
        (errors.APITimeoutError("late", phase="connect"), True),
        (errors.APITimeoutError("late", phase="first_token"), True),
        (errors.APITimeoutError("late", phase="idle"), True),
        (errors.APITimeoutError("late", phase="total"), False),
        (errors.APIError("an error in a stream that does not say what it is"), True),
        (errors.APIResponseValidationError("html"), False),
        (errors.StreamProtocolError("garbage"), False),
        (errors.APIStatusError("no status"), False),
        (errors.InsufficientQuotaError("empty", status_code=429), False),
    ],
)
def test_errors_by_class(error: errors.APIError, retried: bool) -> None:  # noqa: FBT001 - a column of the table
    """Lost connections, errors that don't say what they are, and limits but the total one are retried, no others."""
    assert (delay(error) is not None) is retried


@pytest.mark.parametrize(
    "error",
    [
        errors.APIConnectionError("lost", partial=object()),
        errors.RateLimitError("slow down", status_code=429, partial=object(), headers={"x-should-retry": "true"}),
    ],
)
def test_nothing_is_retried_after_the_first_token(error: errors.APIError) -> None:
    """An error with a partial answer is never retried, whatever the server says: the caller has seen some of it."""
    assert delay(error) is None


@pytest.mark.parametrize(
    ("status", "said", "retried"),
    [
        (400, "true", True),
        (400, " True ", True),
        (500, "false", False),
        (500, "FALSE", False),
        (500, "0", True),
        (500, "", True),
        (400, "1", False),
    ],
)
def test_server_decides_where_it_says_so(status: int, said: str, retried: bool) -> None:  # noqa: FBT001 - a column
    """`x-should-retry` overrides the status, and anything but true and false is no answer."""
    assert (delay(refusal(status, {"x-should-retry": said})) is not None) is retried


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "insufficient_quota", "message": "m"}}',
        b'{"error": {"type": "insufficient_quota", "message": "m"}}',
        b'{"error": {"code": "billing_hard_limit_reached", "message": "m"}}',
    ],
)
def test_used_up_quota_is_never_retried(body: bytes) -> None:
    """A quota does not come back in seconds, even if the server asks for a retry."""
    error = refusal(429, {"retry-after": "1", "x-should-retry": "true"}, body)

    assert isinstance(error, errors.InsufficientQuotaError)
    assert delay(error) is None


def test_attempts_are_counted() -> None:
    """No attempt follows when the allowed ones are taken; none at all is allowed with 0."""
    error = refusal(500)

    assert [delay(error, taken=taken, allowed=2) is not None for taken in range(4)] == [True, True, False, False]
    assert delay(error, allowed=0) is None


@pytest.mark.parametrize(
    ("taken", "chance", "seconds"),
    [
        (0, 0, 0.5),
        (0, 1, 0.375),
        (1, 0, 1),
        (2, 0, 2),
        (3, 0.5, 3.5),
        (4, 0, 8),
        (5, 0, 8),
        (100_000, 1, 6),
    ],
)
def test_backoff_doubles_up_to_eight_seconds(taken: int, chance: float, seconds: float) -> None:
    """The wait doubles from half a second to eight, less up to a quarter by chance."""
    assert backoff(taken, chance=chance) == seconds
    assert delay(refusal(500), taken=taken, allowed=taken + 1, chance=chance) == seconds


def http_date(seconds: float, zone: timezone = UTC) -> str:
    """An HTTP date that lies `seconds` after NOW."""
    return format_datetime(datetime.fromtimestamp(NOW, UTC).astimezone(zone) + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20),
        ({"retry-after-ms": "0", "retry-after": "20"}, 20),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-10"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "in a minute"}, None),
        ({"retry-after": http_date(30)}, 30),
        ({"retry-after": http_date(30, timezone(timedelta(hours=2)))}, 30),
        ({"retry-after": http_date(30).replace("+0000", "GMT")}, 30),
        ({"retry-after": http_date(30).replace("+0000", "-0000")}, 30),
        ({"retry-after": http_date(-30)}, None),
        ({"retry-after": "Zun, 29 Sep 2023 16:26:27 GMT, and more"}, None),
        ({"retry-after": "Fri, 29 Sep 100000 16:26:57 GMT"}, None),
        ({"retry-after": "Fri, 99 Sep 2023 16:26:57 GMT"}, None),
    ],
)
def test_server_asks_for_a_delay(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds and dates are understood; zero, the past and nonsense count as nothing."""
    assert retry_after(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, MAX_RETRY_AFTER),
        ({"retry-after": "120.5"}, None),
        ({"retry-after-ms": "120001"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": http_date(121)}, None),
        ({"retry-after": "0.01"}, 0.01),
        ({"retry-after": "0"}, 0.5),
    ],
)
def test_long_delays_are_the_callers_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """What the server asks for is waited for as it stands, and beyond two minutes the error is raised instead."""
    assert delay(refusal(429, headers)) == seconds
