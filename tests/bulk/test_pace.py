"""`Pace`: against a simulated server, in time that is only counted."""

from __future__ import annotations

import math

import pytest
from support.ratesim import Server, simulate

from openai_async.bulk.pace import Pace

HEADERS = {
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "60s",
}


@pytest.mark.parametrize("headers_after", [0.5, None])
@pytest.mark.parametrize(("latency", "rpm"), [(1.0, 600), (4.0, 600), (4.0, 3000), (15.0, 3000)])
def test_quotas_are_used_and_not_exceeded(latency: float, rpm: int, headers_after: float | None) -> None:
    """Whatever the latency, and whenever headers come, 93 % of a quota are used, with 2 % of the calls refused at most."""
    server = Server(rpm, latency=latency, headers_after=headers_after)

    outcome = simulate(server, Pace(max_in_flight=2000))

    assert outcome.used >= 0.93
    assert outcome.wasted <= 0.02


def test_tokens_are_a_budget_of_their_own() -> None:
    """Where tokens are scarcer than requests, they set the pace."""
    outcome = simulate(Server(6000, tpm=300_000), Pace())

    assert outcome.used >= 0.93
    assert outcome.wasted <= 0.02


def test_a_tenant_nobody_knows_of() -> None:
    """Somebody else who takes half of the quota for a while is noticed by the headers."""
    outcome = simulate(Server(600, tenant=(0.5, 180, 360)), Pace())

    assert outcome.used >= 0.93
    assert outcome.wasted <= 0.02


def test_workers_with_a_share() -> None:
    """Workers that don't know of each other use a quota together; refused are far fewer than without shares."""
    shared = simulate(Server(3000), *(Pace(share=1 / 8) for _ in range(8)), seconds=180)
    unaware = simulate(Server(3000), *(Pace() for _ in range(8)), seconds=180)

    assert shared.used >= 0.93
    assert shared.wasted < 0.5 * unaware.wasted


def test_a_server_that_says_nothing() -> None:
    """Without headers the number at once is learnt: the quota is used, and refusals stay few."""
    outcome = simulate(Server(600, silent=True), Pace())

    assert outcome.used >= 0.9
    assert outcome.wasted <= 0.1


def test_a_storm_is_waited_for() -> None:
    """While a server refuses everything, it is asked as rarely as it wants; afterwards all goes on."""
    outcome = simulate(Server(600, storm=(60, 120)), Pace())

    assert outcome.used >= 0.93
    assert outcome.wasted <= 0.15


def test_overload_lowers_the_number_at_once() -> None:
    """A server that can do fifty at once, and says 503 beyond that, is kept busy and rarely overloaded."""
    outcome = simulate(Server(1e6, tpm=1e12, capacity=50, silent=True), Pace())

    assert outcome.answered >= 0.75 * 50 * 600 / 4
    assert outcome.overloaded <= 0.02 * outcome.answered


def test_probes_come_first() -> None:
    """Until the first answer only a few go."""
    pace = Pace(probes=3)
    for _ in range(3):
        assert pace.wait(0, 0.0) == 0.0
        pace.grant(0, 0.0)

    assert pace.wait(0, 0.0) == math.inf


def test_an_empty_bucket_is_waited_for() -> None:
    """What is missing comes back at the bucket's rate."""
    pace = Pace(reserve=0.0)
    pace.observe(pace.grant(0, 0.0), 200, HEADERS, 0.0)

    assert pace.wait(0, 0.0) == pytest.approx(0.6)
    assert pace.wait(0, 0.6) == pytest.approx(0.0, abs=1e-9)


def test_a_refusal_holds_back_everybody() -> None:
    """`retry-after` is for all, and what is left of it is told."""
    pace = Pace()
    pace.observe(pace.grant(0, 0.0), 429, {"retry-after": "20"}, 0.0)

    assert pace.wait(0, 5.0) == pytest.approx(15.0)
    assert pace.rejected == 1


@pytest.mark.parametrize("told", [{"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0"}, {
    "x-ratelimit-limit-requests": "5", "x-ratelimit-remaining-requests": "0", "x-ratelimit-renewalperiod-requests": "0"
}])  # fmt: skip
def test_a_bucket_that_never_says_when(told: dict[str, str]) -> None:
    """A refusal that tells what is left, and not when there is more, is waited for as long as it asks, and no longer."""
    pace = Pace()
    grant = pace.grant(0, 0.0)
    pace.observe(grant, 429, {**told, "retry-after": "5"}, 0.0)
    pace.settle(grant, None, 0.0)

    assert pace.wait(0, 0.0) == pytest.approx(5.0)
    assert pace.wait(0, 6.0) == 0.0


def test_a_leave_that_nobody_used_goes_back() -> None:
    """Giving it back restores the buckets and the place."""
    pace = Pace(reserve=0.0, probes=1)
    pace.observe(pace.grant(0, 0.0), 200, {**HEADERS, "x-ratelimit-remaining-requests": "1"}, 0.0)
    grant = pace.grant(0, 0.0)
    assert pace.wait(0, 0.0) > 0
    pace.give_back(grant)

    assert pace.wait(0, 0.0) == 0.0


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 2}, {"reserve": 1}, {"probes": 0}, {"max_in_flight": 0}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    """They are errors."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Pace(**wrong)  # type: ignore[arg-type]  # on purpose
