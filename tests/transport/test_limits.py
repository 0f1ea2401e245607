"""Rate limits: durations, the headers of those who send them, and what follows from them."""

from __future__ import annotations

from decimal import Decimal
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.server import RateLimits
from openai_async.transport.limits import RateLimit, RateLimitInfo, estimate_tokens, parse_duration


def read(headers: dict[str, str]) -> RateLimitInfo:
    """What headers say, which do say something."""
    info = RateLimitInfo.of(headers)
    assert info is not None
    return info


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("12ms", 0.012),
        ("9ms", 0.009),
        ("1s", 1),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("6m0s", 360),
        ("4m12.172s", 252.172),
        ("23h18m29.144s", 83_909.144),
        ("1h2m3.5s", 3_723.5),
        ("1d2h", 93_600),
        ("2m", 120),
        ("250us", 0.00025),
        ("250\u00b5s", 0.00025),
        ("250\u03bcs", 0.00025),
        ("40ns", 4e-8),
        ("1s1h", 3_601),
        ("0", 0),
        ("0.5", 0.5),
        ("60", 60),
        ("33011.382867", 33_011.382867),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Go's notation, as OpenAI writes it, and plain seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s",
        ".",
        ".s",
        "-1",
        "-1s",
        "+1s",
        "1 s",
        " 1s",
        "1s ",
        "1s\n",
        "1h2",
        "1x",
        "1S",
        "1,5s",
        "1.2.3s",
        "1e3",
        "1e3s",
        "1_000",
        "0x10",
        "nan",
        "inf",
        "infinity",
        "NaNs",
        "PT1S",
        "٣s",
        "2024-01-15T10:30:00Z",
        "1" * 65,
        "1s" * 33,
        "1" * 100_000_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_duration(text: str) -> None:
    """Everything else is a ValueError, which quotes no more than a line of it."""
    with pytest.raises(ValueError, match="Not a duration") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 200


def written_by_go(nanoseconds: int) -> str:
    """A duration as Go's `time.Duration.String` writes it."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("\u00b5s", 10**3), ("ms", 10**6)):
        if nanoseconds < size * 1000 and nanoseconds < 10**9:
            return f"{(Decimal(nanoseconds) / size).normalize():f}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes_left = divmod(minutes, 60)
    seconds = f"{(Decimal(rest) / 10**9).normalize():f}s"
    return (f"{hours}h" if hours else "") + (f"{minutes_left}m" if minutes else "") + seconds


@given(st.integers(0, 2**63 - 1) | st.integers(0, 10**12))
def test_whatever_go_writes_is_read(nanoseconds: int) -> None:
    """Every duration that Go can hold comes back."""
    assert parse_duration(written_by_go(nanoseconds)) == pytest.approx(nanoseconds / 10**9, rel=1e-12)


@given(st.text(alphabet="0123456789.hmsund+- e", max_size=20))
def test_a_duration_is_a_finite_number_of_seconds(text: str) -> None:
    """Whatever is accepted is finite and not negative; nothing fails but with a ValueError."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds < inf


OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "9ms",
    "x-request-id": "req_1",
}


def test_openai() -> None:
    """Both buckets are read, and what they hold per minute follows."""
    info = read(OPENAI)

    assert info.requests == RateLimit(limit=5000, remaining=4999, reset=0.012)
    assert info.tokens == RateLimit(limit=160_000, remaining=159_976, reset=0.009)
    assert info.requests.rate == pytest.approx(5000 / 60)
    assert info.requests.window == pytest.approx(60)
    assert info.tokens.window == pytest.approx(60)


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "window"),
    [
        ("1500000", "1495621", "4m12.172s", 86_400),  # OpenAI's tokens per day
        ("1500000", "43244", "23h18m29.144s", 86_400),
        ("1000", "998", "2m52.8s", 86_400),  # Groq's requests per day
        ("12000", "11961", "194ms", 60),
        ("30000", "29999", "2ms", 60),
    ],
)
def test_windows_follow_from_one_response(limit: str, remaining: str, reset: str, window: float) -> None:
    """A limit per day is told from one per minute by what comes back, to the reset's rounding."""
    bucket = read(
        {
            "x-ratelimit-limit-tokens": limit,
            "x-ratelimit-remaining-tokens": remaining,
            "x-ratelimit-reset-tokens": reset,
        }
    ).tokens

    assert bucket.window == pytest.approx(window, rel=0.01)


def test_rates_from_few_units_are_too_high() -> None:
    """Between two requests a part of one came back: the window seems shorter than the day it is, never longer."""
    bucket = RateLimit(limit=200, remaining=198, reset=parse_duration("11m32.334s"))

    assert bucket.window == pytest.approx(69_233.4)


@pytest.mark.parametrize(
    "bucket",
    [
        RateLimit(),
        RateLimit(limit=10, remaining=10, reset=0.0),
        RateLimit(limit=10, remaining=12, reset=1.0),
        RateLimit(limit=10, remaining=9, reset=0.0),
        RateLimit(limit=10, remaining=9),
        RateLimit(limit=10, reset=5.0),
        RateLimit(remaining=5, reset=5.0),
        RateLimit(period=60.0),
    ],
    ids=repr,
)
def test_rate_unknown(bucket: RateLimit) -> None:
    """Where nothing was used, or a header is missing, nothing is made up."""
    assert bucket.rate is None
    assert bucket.window == bucket.period


@pytest.mark.parametrize(
    ("bucket", "n", "seconds"),
    [
        (RateLimit(limit=60, remaining=10, reset=50.0), 10, 0.0),
        (RateLimit(limit=60, remaining=10, reset=50.0), 11, 1.0),
        (RateLimit(limit=60, remaining=10, reset=50.0), 60, 50.0),
        (RateLimit(limit=60, remaining=10, reset=50.0), 61, inf),
        (RateLimit(limit=60, remaining=60, reset=0.0), 61, inf),
        (RateLimit(limit=60, remaining=60, reset=0.0), 0, 0.0),
        (RateLimit(limit=60, remaining=59, reset=0.0), 60, 0.0),  # back before a millisecond is over
        (RateLimit(limit=0, remaining=0, period=60.0), 1, inf),  # Mistral, to a key without an allowance
        (RateLimit(limit=60, remaining=0, period=60.0), 3, 3.0),
        (RateLimit(limit=60, remaining=0, period=60.0, reset=20.0), 3, 20.0),
        (RateLimit(limit=60, remaining=5, period=60.0, reset=20.0), 3, 0.0),
        (RateLimit(remaining=5), 5, 0.0),
        (RateLimit(remaining=5), 6, None),
        (RateLimit(remaining=5, reset=7.0), 6, 7.0),
        (RateLimit(limit=60, reset=7.0), 1, None),
        (RateLimit(), 1, None),
    ],
    ids=repr,
)
def test_wait(bucket: RateLimit, n: int, seconds: float | None) -> None:
    """What is missing comes back at the rate; beyond the limit, never; unknown is unknown."""
    assert bucket.wait(n) == (None if seconds is None else pytest.approx(seconds))


@given(
    limit=st.integers(0, 10**15 - 1),
    remaining=st.integers(0, 10**15 - 1),
    reset=st.floats(0, 1e9),
    n=st.integers(0, 10**15),
)
def test_waits_are_never_longer_than_the_reset(limit: int, remaining: int, reset: float, n: int) -> None:
    """What the bucket can hold at all is there when it is full again."""
    seconds = RateLimit(limit=limit, remaining=remaining, reset=reset).wait(n)

    assert seconds is not None
    assert 0 <= seconds <= reset * (1 + 1e-9) if n <= max(limit, remaining) else seconds == inf


@pytest.mark.parametrize("spent", [1, 100, 599])
def test_the_embedded_server(spent: int) -> None:
    """What our own server writes is read back: the limits per minute, and when there is room again."""
    limits = RateLimits(requests=60, tokens=600)
    limits.check(now=100)
    limits.spend(spent, now=100)
    info = read(limits.headers(now=100))

    assert info.requests.rate == pytest.approx(1)
    assert info.tokens.rate == pytest.approx(10)
    assert info.tokens.remaining == 600 - spent
    wait = info.tokens.wait(601 - spent)
    assert wait == pytest.approx(0.1)
    assert read(limits.headers(now=100 + wait + 1e-6)).tokens.remaining == 601 - spent


def test_azure() -> None:
    """Only what is left may be sent; then it is told from nothing at all, and nothing else follows."""
    info = read({"x-ratelimit-remaining-requests": "79", "x-ratelimit-remaining-tokens": "61353"})

    assert info.requests == RateLimit(remaining=79)
    assert info.tokens.wait(61_353) == 0
    assert info.tokens.wait(61_354) is None
    assert read({"x-ratelimit-remaining-tokens": "1"}).requests == RateLimit()


@pytest.mark.parametrize("reset", ["0", "12", "12000"])
def test_azure_with_a_renewal_period(reset: str) -> None:
    """The period tells the rate; the reset beside it is in seconds or milliseconds, and left alone."""
    info = read(
        {
            "x-ratelimit-limit-requests": "5",
            "x-ratelimit-remaining-requests": "4",
            "x-ratelimit-renewalperiod-requests": "60",
            "x-ratelimit-reset-requests": reset,
        }
    )

    assert info.requests == RateLimit(limit=5, remaining=4, period=60.0)
    assert info.requests.rate == pytest.approx(5 / 60)
    assert info.requests.wait(5) == pytest.approx(12)


def test_mistral() -> None:
    """The names of the headers tell the window; the month's tokens and the cost of the query are no bucket of ours."""
    info = read(
        {
            "x-ratelimit-limit-req-minute": "60",
            "x-ratelimit-remaining-req-minute": "59",
            "x-ratelimit-limit-tokens-minute": "50000",
            "x-ratelimit-remaining-tokens-minute": "47196",
            "x-ratelimit-limit-tokens-month": "4000000",
            "x-ratelimit-remaining-tokens-month": "0",
            "x-ratelimit-tokens-query-cost": "2804",
        }
    )

    assert info.requests == RateLimit(limit=60, remaining=59, period=60.0)
    assert info.tokens == RateLimit(limit=50_000, remaining=47_196, period=60.0)


@pytest.mark.parametrize(("minute", "day", "period"), [("4", "9500", 60.0), ("4", "2", 86_400.0)])
def test_cerebras(minute: str, day: str, period: float) -> None:
    """Of several windows, the one that refuses first is told, and everything is back when it is over."""
    info = read(
        {
            "x-ratelimit-limit-requests-minute": "120",
            "x-ratelimit-remaining-requests-minute": minute,
            "x-ratelimit-reset-requests-minute": "45.5",
            "x-ratelimit-limit-requests-day": "10000",
            "x-ratelimit-remaining-requests-day": day,
            "x-ratelimit-reset-requests-day": "33011.382867",
        }
    )

    assert info.requests.period == period
    assert info.requests.wait(5) == (45.5 if period == 60 else 33_011.382867)


def test_openai_with_a_project_limit() -> None:
    """A project's tokens are a second bucket, told when less is left in it."""
    project = {
        "x-ratelimit-limit-project-tokens": "60000",
        "x-ratelimit-remaining-project-tokens": "57000",
        "x-ratelimit-reset-project-tokens": "3s",
    }

    assert read(OPENAI | project).tokens == RateLimit(limit=60_000, remaining=57_000, reset=3.0)
    assert read(OPENAI | project | {"x-ratelimit-remaining-tokens": "5"}).tokens.limit == 160_000


def test_openrouter() -> None:
    """Names without a unit count requests; their reset is a point in time, which is no duration."""
    info = read({"x-ratelimit-limit": "50", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1785082980000"})

    assert info.requests == RateLimit(limit=50, remaining=0)
    assert info.tokens == RateLimit()
    assert info.requests.wait(1) is None


def test_digitalocean() -> None:
    """A Unix time in place of a duration is left out."""
    info = read({"x-ratelimit-remaining-tokens-per-minute": "7", "x-ratelimit-reset-tokens-per-minute": "1785082980"})

    assert info.tokens == RateLimit(remaining=7, period=60.0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "20", "x-request-id": "req_1"},
        {"x-ratelimit-remaining-tokens_usage_based": "1", "x-ratelimit-reset-tokens_usage_based": "9ms"},
        {"x-ratelimit-remaining-tokens-prompt": "1", "x-ratelimit-remaining-tokens-generated": "1"},
        {"x-ratelimit-over-limit": "yes", "x-ratelimit-key": "m", "x-ratelimit-type": "Tokens", "x-ratelimit-": "1"},
        {"anthropic-ratelimit-requests-remaining": "1"},
        {"ratelimit-remaining": "1", "ratelimit-reset": "1"},
    ],
)
def test_families_that_are_unknown(headers: dict[str, str]) -> None:
    """What is not known for sure is no information."""
    assert RateLimitInfo.of(headers) is None


@pytest.mark.parametrize("value", ["", "-1", "1.5", "many", "1, 2", "1e3", "²", "٣", "9" * 16, "9" * 10_000])
def test_counts_that_cannot_be_read(value: str) -> None:
    """What is no whole number of a sane size is None, and spoils nothing beside it."""
    bucket = read(OPENAI | {"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": value}).requests

    assert bucket == RateLimit(reset=0.012)
    assert bucket.wait(1) is None


@pytest.mark.parametrize("value", ["", "-1s", "soon", "1s, 2s", "nan", "2024-01-15T10:30:00Z", "1700000000", "1e3"])
def test_resets_that_cannot_be_read(value: str) -> None:
    """What is no duration is None."""
    assert read(OPENAI | {"x-ratelimit-reset-tokens": value}).tokens == RateLimit(limit=160_000, remaining=159_976)


@pytest.mark.parametrize("value", ["0", "0s", "-1", "soon"])
def test_periods_that_cannot_be_read(value: str) -> None:
    """A period of no length is none."""
    bucket = read({"x-ratelimit-limit-requests": "5", "x-ratelimit-renewalperiod-requests": value}).requests

    assert bucket == RateLimit(limit=5)


def test_headers_by_any_spelling() -> None:
    """Names may be in any case and values may have spaces around them, as headers from elsewhere have."""
    assert read({name.upper(): f" {value} " for name, value in OPENAI.items()}) == read(OPENAI)


@given(
    st.dictionaries(
        st.builds(
            "x-ratelimit-{}-{}".format,
            st.sampled_from(["limit", "remaining", "reset", "renewalperiod"]),
            st.sampled_from(["requests", "tokens", "project-tokens", "tokens-minute", "req-minute", "tokens-day"]),
        ),
        st.text(max_size=20) | st.integers(-1, 10**16).map(str) | st.floats(0, 1e6).map("{}s".format),
        min_size=1,
    ),
    st.integers(0, 10**16),
)
def test_no_header_does_harm(headers: dict[str, str], n: int) -> None:
    """Whatever a server writes, the derived numbers can be asked for and are not negative."""
    info = read(headers)

    for bucket in (info.requests, info.tokens):
        for number in (bucket.rate, bucket.window, bucket.wait(n)):
            assert number is None or number >= 0


@pytest.mark.parametrize(
    ("body", "max_tokens", "tokens"),
    [
        (None, None, 0),
        (b"", 0, 0),
        (b"x", None, 1),
        (b"x" * 400, None, 100),
        (b"x" * 401, 50, 151),
        (None, 50, 50),
        (b"x" * 400, -1, 100),
    ],
)
def test_estimates(body: bytes | None, max_tokens: int | None, tokens: int) -> None:
    """Four bytes are a token, and the longest answer comes on top."""
    assert estimate_tokens(body, max_tokens) == tokens
