"""`Window`: how many at once, by what is answered and what is refused."""

from __future__ import annotations

import math

import pytest

from openai_async.bulk.window import Window


def answer(window: Window, times: int, seconds: float = 1.0) -> None:
    """So many answers while as many run as may."""
    for _ in range(times):
        window.answered(seconds, int(window.size))


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
    window.answered(1.0, 3)
    assert window.size == 10


def test_a_sign_at_the_edge_costs_a_tenth_and_another_one_more() -> None:
    """After as many answers as run at once 0.9 are left; where signs go on, 0.7, and once a second only."""
    window = Window(first=50, most=math.inf)
    answer(window, 50)
    window.overloaded(9.9, 50, 10.0)
    assert window.size == pytest.approx(45)
    window.overloaded(10.1, 45, 10.5)
    assert window.size == pytest.approx(45)
    answer(window, 20)
    window.overloaded(10.6, 45, 11.1)
    assert window.size == pytest.approx(45 * 0.7, abs=0.5)


def test_many_signs_for_few_answers_cost_more() -> None:
    """Where nine of ten are refused, the edge is far away."""
    window = Window(first=100, most=math.inf)
    answer(window, 9)
    for _ in range(90):
        window.overloaded(0.0, 40, 0.0)
    window.overloaded(1.0, 100, 1.1)
    assert window.size <= 10


def test_what_went_before_says_nothing_new() -> None:
    """Requests that hung before the cut show it half a minute later: it counts once."""
    window = Window(first=100, most=math.inf)
    window.overloaded(0.0, 100, 30.0)
    size = window.size
    window.overloaded(1.0, int(size), 32.0)
    assert window.size == size


def test_it_is_careful_near_the_edge() -> None:
    """Back to where the sign came it grows by one in the time of an answer, from there on by a hundredth of itself."""
    window = Window(first=100, most=math.inf)
    window.overloaded(0.0, 100, 0.0)  # half of it is left, as nothing was answered
    answer(window, 50)
    assert window.size == pytest.approx(51, abs=0.1)
    while window.size < 91:
        answer(window, 1)
    before = window.size
    answer(window, 91)
    assert window.size - before < 2


def test_requests_go_evenly() -> None:
    """Once the time of an answer is known, so many are spread over it; the first few are not."""
    window = Window(first=2, most=math.inf)
    answer(window, 2)
    window.go(1.0)
    assert window.wait(1, 1.0) == 0.0
    assert window.wait(3, 1.0) == pytest.approx(0.25)
    assert window.wait(4, 1.0) == math.inf


def test_it_has_an_end() -> None:
    """`most` is never passed, however wide something else lets it be."""
    window = Window(first=8, most=20)
    window.widen()
    answer(window, 50)
    assert window.size == 20
