"""`RateGuess`: a rate that nobody tells, by what is refused."""

from __future__ import annotations

import pytest

from openai_async.bulk.guess import RateGuess


def go(guess: RateGuess, began: float, ended: float, rate: float) -> None:
    """Requests without a pause, so many a second."""
    for number in range(int((ended - began) * rate)):
        guess.press()
        guess.go(began + number / rate)


def test_two_refusals_tell_the_rate() -> None:
    """What was accepted between two moments of an empty bucket is what came back: 10 a second."""
    guess = RateGuess()
    go(guess, 0.0, 10.0, 50.0)
    guess.refused(9.99, 10.0, asked=False)
    assert guess.rate == pytest.approx(50.0, rel=0.01)
    go(guess, 10.0, 20.0, 10.0)
    guess.refused(19.9, 20.0, asked=False)
    assert guess.rate == pytest.approx(10.0, rel=0.02)
    assert guess.wait(20.0) == pytest.approx(0.0, abs=0.1)


def test_refusals_of_one_moment_are_one() -> None:
    """A second one within a second says nothing, and those that were sent before are not taken off."""
    guess = RateGuess()
    go(guess, 0.0, 10.0, 50.0)
    guess.refused(9.9, 10.0, asked=False)
    for _ in range(30):
        guess.refused(9.95, 10.1, asked=False)
    go(guess, 10.2, 15.2, 10.0)
    guess.refused(15.1, 15.2, asked=False)
    assert guess.rate == pytest.approx(50 / 5.2, rel=0.05)


def test_idle_time_is_not_counted() -> None:
    """Where nobody wanted anything, it is counted from the next request on."""
    guess = RateGuess()
    go(guess, 0.0, 2.0, 10.0)
    guess.refused(1.9, 2.0, asked=False)
    guess.go(600.0)
    go(guess, 600.0, 602.0, 10.0)
    guess.refused(601.9, 602.0, asked=False)
    assert guess.rate == pytest.approx(10.0, rel=0.1)


def test_a_storm_tells_nothing() -> None:
    """Where nothing at all is accepted between two refusals, what is known stays."""
    guess = RateGuess()
    go(guess, 0.0, 10.0, 10.0)
    guess.refused(9.9, 10.0, asked=False)
    rate = guess.rate
    for now in (30.0, 50.0):
        guess.press()
        guess.go(now)
        guess.refused(now, now + 0.1, asked=False)
    assert guess.rate == rate


def test_a_storm_of_which_the_server_says_when_it_is_over() -> None:
    """What its first refusal seemed to tell is forgotten with the second one."""
    guess = RateGuess()
    go(guess, 0.0, 10.0, 10.0)
    guess.refused(9.9, 10.0, asked=True)
    rate = guess.rate
    guess.go(11.0)
    guess.go(11.5)
    guess.refused(11.5, 12.0, asked=True)
    assert guess.rate != rate
    guess.press()
    guess.go(32.0)
    guess.refused(32.0, 32.1, asked=True)
    assert guess.rate == rate


def test_without_refusals_it_rises() -> None:
    """After a minute it is twice what it was."""
    guess = RateGuess()
    go(guess, 0.0, 10.0, 10.0)
    guess.refused(9.9, 10.0, asked=False)
    guess.go(70.0)
    assert guess.wait(70.0) == pytest.approx(0.05, rel=0.05)
