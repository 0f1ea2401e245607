"""`Window`: how many at once, by what is answered and what is refused."""

from __future__ import annotations

import math

import pytest

from openai_async.bulk.window import Window


def answer(window: Window, times: int, seconds: float = 1.0) -> None:
    """So many answers while as many run as may."""
    for _ in range(times):
        window.answered(0.0, int(window.size), seconds)


def overload(window: Window, granted: float, in_flight: int, now: float) -> bool:
    """More signs than strays, at once; whether one of them said that the number is no matter."""
    return any(window.overloaded(granted, in_flight, now) for _ in range(int(0.02 * in_flight) + 4))


def test_it_doubles_in_the_time_of_an_answer() -> None:
    """Each answer gives room for one more, until the first sign."""
    window = Window(first=4, most=math.inf)
    answer(window, 4)
    assert window.size == 8
    answer(window, 8)
    assert window.size == 16


def test_it_grows_only_where_it_is_used() -> None:
    """Who asks less than it allows learns nothing."""
    window = Window(first=10, most=math.inf)
    window.answered(0.0, 3, 1.0)
    assert window.size == 10


def test_signs_at_the_edge_cost_a_twentieth_and_others_more() -> None:
    """After as many answers as run at once 0.95 are left; where signs go on, 0.7, and once a second only."""
    window = Window(first=50, most=math.inf)
    answer(window, 50)
    overload(window, 9.9, 50, 10.0)
    assert window.size == pytest.approx(47.5)
    overload(window, 10.1, 47, 10.5)
    assert window.size == pytest.approx(47.5)
    for _ in range(20):
        window.answered(10.1, 47, 11.0)
    overload(window, 10.6, 47, 11.1)
    assert window.size == pytest.approx(47 * 0.7, abs=0.5)


def test_strays_are_no_overload() -> None:
    """One error of twenty requests changes nothing, whenever it comes; one that is sure does."""
    window = Window(first=8, most=math.inf)
    window.overloaded(0.0, 1, 0.1)
    for number in range(1000):
        window.go(8, float(number))
        if number % 20 == 0:
            window.overloaded(number, 8, number + 0.1)
    assert window.doubling
    window.overloaded(2000.0, 8, 2000.1, sure=True)
    assert not window.doubling


def test_an_outage_says_nothing_of_the_number() -> None:
    """Where nothing is answered any more, the number stays what it was after the first cut, and that is said."""
    window = Window(first=100, most=math.inf)
    answer(window, 100)
    overload(window, 9.9, 100, 10.0)
    size = window.size
    assert overload(window, 10.5, 90, 11.1)
    assert overload(window, 12.5, 90, 13.1)
    assert window.size == size


def test_a_server_that_grew_much_weaker_is_out_of_order_only_until_it_answers() -> None:
    """What was cut before the first answer counts from the cut, not from the signs after it."""
    window = Window(first=50, most=math.inf)
    answer(window, 50)
    overload(window, 9.9, 50, 10.0)
    size = window.size
    assert overload(window, 10.5, 11, 11.1)
    window.answered(10.5, 11, 14.5)
    assert not overload(window, 14.6, 11, 14.7)
    assert window.size < size


def test_many_signs_for_few_answers_cost_more() -> None:
    """Where nine of ten are refused, the edge is far away."""
    window = Window(first=100, most=math.inf)
    answer(window, 9)
    window.overloaded(0.0, 40, 0.0, sure=True)
    for _ in range(90):
        window.overloaded(0.0, 40, 0.0)
    window.answered(0.0, 40, 0.5)
    overload(window, 1.0, 100, 1.1)
    assert window.size <= 10


def test_what_went_before_says_nothing_new() -> None:
    """Requests that hung before the cut show it half a minute later: it counts once."""
    window = Window(first=100, most=math.inf)
    overload(window, 0.0, 100, 30.0)
    size = window.size
    overload(window, 1.0, int(size), 32.0)
    assert window.size == size


def test_it_is_careful_near_the_edge() -> None:
    """Most of the way back to where the signs came twice it goes in the time of an answer, the rest by a hundredth of itself."""
    window = Window(first=100, most=math.inf)
    window.overloaded(0.0, 100, 0.0, sure=True)
    answer(window, 1)
    window.overloaded(1.0, 100, 1.5, sure=True)  # half of it is left, as little was answered
    answer(window, 50)
    assert 70 < window.size < 95
    while window.size < 95:
        answer(window, 1)
    before = window.size
    answer(window, 95)
    assert window.size - before < 2


def test_an_edge_is_doubted_at_first() -> None:
    """Where signs came once, it is tried soon again, and when none comes more and more quickly; a few strays do that, too."""
    window = Window(first=100, most=math.inf)
    answer(window, 100)
    overload(window, 0.0, 100, 0.0)
    assert window.size < 100
    for _ in range(6):
        answer(window, int(window.size))
    assert window.size > 150


def test_who_waits_in_vain_counts_longer() -> None:
    """One of thirty requests that is given up shows a server that hangs; one that is refused does not."""
    for late in False, True:
        window = Window(first=8, most=math.inf)
        for number in range(300):
            window.go(8, float(number))
            if number % 30 == 0:
                window.overloaded(number, 8, number + 0.1, late=late)
        assert window.doubling != late


def test_requests_go_evenly() -> None:
    """Once the time of an answer is known, so many are spread over it, half a second at most; the first few are not."""
    window = Window(first=2, most=math.inf)
    answer(window, 2)
    window.go(1, 1.0)
    assert window.wait(1, 1.0) == 0.0
    assert window.wait(3, 1.0) == pytest.approx(0.125)
    assert window.wait(4, 1.0) == math.inf


def test_some_go_on_trust_before_the_first_answer() -> None:
    """Two at once, and two a second; what ran when the answer comes may run on."""
    window = Window(first=2, most=math.inf)
    window.go(0, 0.0)
    window.go(1, 0.0)
    assert window.wait(2, 0.0) == pytest.approx(0.5)
    window.go(2, 0.5)
    assert window.wait(3, 0.5) == pytest.approx(0.5)
    window.answered(0.0, 3, 0.6)
    assert window.size >= 3


def test_twice_as_many_each_second_where_rates_are_known() -> None:
    """Whatever the number is, for answers may take long, until there is a sign."""
    window = Window(first=8, most=math.inf)
    answer(window, 1, seconds=15.0)
    window.paced()
    now, went = 0.0, 0
    while now < 5.0:
        now += window.wait(1000, now)
        window.go(1000, now)
        went += 1
    assert 200 < went < 400
    window.overloaded(now, 1000, now, sure=True)
    assert window.wait(1000, now) == math.inf


def test_it_has_an_end() -> None:
    """`most` is never passed."""
    window = Window(first=8, most=20)
    answer(window, 50)
    assert window.size == 20
