"""`Load`: how much a server bears, by what it answers, refuses, and leaves without an answer."""

from __future__ import annotations

import math

import pytest

from openai_async.bulk.load import Load


def answered(load: Load, times: int, now: float, *, seconds: float = 1.0) -> None:
    """So many requests, one after the other, each answered in that time."""
    for _ in range(times):
        grant = load.grant(0, now)
        now += seconds
        load.observe(grant, 200, {}, now)
        load.settle(grant, None, now)


def test_probes_come_first() -> None:
    """Until the first answer only a few go, and as many each second."""
    load = Load(probes=3, max_in_flight=None)
    for _ in range(3):
        assert load.wait(0, 0.0) == 0.0
        load.grant(0, 0.0)
    assert load.wait(0, 0.0) == pytest.approx(1 / 3)


def test_accepted_requests_make_room_for_others_at_first() -> None:
    """While the number is being tried, those that are accepted and not over do not count; the maximum is for all."""
    load = Load(probes=2, max_in_flight=3)
    grants = [load.grant(0, 0.0) for _ in range(2)]
    for grant in grants:
        load.observe(grant, 200, {}, 1.0)
    assert load.wait(0, 1.0) == 0.0
    load.grant(0, 1.0)
    assert load.wait(0, 1.0) == math.inf


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 429])
def test_signs_of_overload(status: int) -> None:
    """A refusal lowers the number at once, and pauses; of the others three may be strays."""
    load = Load(probes=8, max_in_flight=None)
    grants = [load.grant(0, 0.0) for _ in range(8)]
    if status != 429:
        for grant in grants[1:4]:
            load.observe(grant, status, {}, 0.1)
        assert load.window.size == 8
    load.observe(grants[0], status, {}, 0.1)
    assert load.window.size < 8
    assert load.rejected == (status == 429)


def test_a_pause_lowers_the_number_once() -> None:
    """Who tries in vain whether a storm is over says nothing of the number at once."""
    load = Load(probes=8, max_in_flight=None)
    grants = [load.grant(0, 0.0) for _ in range(8)]
    load.observe(grants[0], 429, {"retry-after": "20"}, 0.1)
    size = load.window.size
    trial = load.grant(0, 20.1)
    load.observe(trial, 429, {"retry-after": "20"}, 20.2)
    assert load.window.size == size


def test_an_overloaded_server_that_says_when() -> None:
    """`retry-after` holds back all, whatever the status."""
    load = Load(probes=8, max_in_flight=None)
    load.observe(load.grant(0, 0.0), 503, {"retry-after": "20"}, 0.1)
    assert load.wait(0, 0.1) == pytest.approx(20.0)
    assert load.window.size == 8


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_other_errors_are_no_signs(status: int) -> None:
    """What is wrong with a request says nothing of the server's strength, and does not make it grow either."""
    load = Load(probes=8, max_in_flight=None)
    grants = [load.grant(0, 0.0) for _ in range(8)]
    load.observe(grants[0], status, {}, 0.1)
    assert load.window.size == 8


def test_a_time_out_is_a_sign() -> None:
    """Requests that were given up without an answer, after twice the usual time; not those that were given up at once."""
    load = Load(probes=8, max_in_flight=None)
    answered(load, 20, 0.0, seconds=2.0)
    size = load.window.size
    grants = [load.grant(0, 100.0) for _ in range(8)]
    for grant in grants[:4]:
        load.settle(grant, None, 103.0)
    assert load.window.size == size
    for grant in grants[4:]:
        load.settle(grant, None, 104.5)
    assert load.window.size < size


def test_without_an_answer_ten_seconds_are_late() -> None:
    """Where nothing was answered yet, it is not known what is usual."""
    load = Load(probes=6, max_in_flight=None)
    grants = [load.grant(0, 0.0) for _ in range(6)]
    for grant in grants[:3]:
        load.settle(grant, None, 9.0)
    assert load.window.size == 6
    for grant in grants[3:]:
        load.settle(grant, None, 10.0)
    assert load.window.size < 6


def test_a_leave_that_nobody_used_goes_back() -> None:
    """Its place is free again."""
    load = Load(probes=1, max_in_flight=1)
    grant = load.grant(0, 0.0)
    assert load.wait(0, 0.0) == math.inf
    load.give_back(grant)
    assert load.wait(0, 0.0) == 0.0
    assert load.in_flight == 0
