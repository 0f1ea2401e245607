"""The recorded retry decisions of the official client: ours are the same, but where a difference is meant."""

from __future__ import annotations

import pytest
from support import shared

from openai_async.errors import APIStatusError
from openai_async.transport.retry import MAX_RETRY_AFTER, backoff, retry_delay

RECORDED = shared.load("cases/retry.json") or {"calculate": [], "should_retry": [], "now": 0}

pytestmark = shared.needs("cases")

# Where we decide otherwise, and why: a header's boolean is read in any case, as headers mostly are.
DIFFERENT = {(400, "True"): True}


def delays(error, *, taken=0, allowed=3):
    """The least and the most that the client waits after an error; None: it does not try again."""
    bounds = [retry_delay(error, taken=taken, allowed=allowed, now=RECORDED["now"], chance=chance) for chance in (1, 0)]
    return None if None in bounds else tuple(bounds)


@pytest.mark.parametrize(
    "case", RECORDED["calculate"], ids=lambda case: f"{case['retry_after']}-{case['remaining_retries']}"
)
def test_delays(case):
    """After a 429 the client waits as long as the official one, or does not try again where that does not."""
    taken = case["max_retries"] - case["remaining_retries"]
    headers = {"retry-after": case["retry_after"]} if case["retry_after"] else {}
    found = delays(APIStatusError("m", status_code=429, headers=headers), taken=taken, allowed=taken + 1)
    if case["measured_should_retry_429"]:
        assert found == pytest.approx((case["measured_min"], case["measured_max"]), rel=1e-6)
    else:
        assert found is None


@pytest.mark.parametrize("case", RECORDED["should_retry"], ids=lambda case: f"{case['status']}-{case['headers']}")
def test_decisions(case):
    """A status is worth another attempt exactly where the official client thinks so."""
    error = APIStatusError("m", status_code=case["status"], headers=case["headers"])
    expected = DIFFERENT.get((case["status"], case["headers"].get("x-should-retry")), case["measured"])
    assert (delays(error) is not None) is expected


def test_the_same_numbers():
    """The first delay, the longest delay, and the longest one that a server may ask for are the official client's."""
    assert backoff(0, chance=0) == RECORDED["initial_delay"]
    assert backoff(50, chance=0) == RECORDED["max_delay"]
    assert RECORDED["max_retry_after"] == MAX_RETRY_AFTER


def test_all_cases_are_read():
    """There are 61 recorded decisions."""
    assert len(RECORDED["calculate"]) + len(RECORDED["should_retry"]) == 61
