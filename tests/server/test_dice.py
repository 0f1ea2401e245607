"""Dice that always fall the same way."""

from __future__ import annotations

import pytest

from openai_async.server.dice import Dice


def test_numbers_are_those_of_splitmix64():
    """The generator gives the published numbers for seed 1234567: other implementations can reproduce ours."""
    dice = Dice(1234567)

    assert [dice.bits() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_equal_parts_make_equal_dice():
    """Seeds made of the same parts agree, and parts do not run into each other."""
    assert Dice.of("a", 1).bits() == Dice.of("a", "1").bits()
    assert Dice.of("ab", "c").bits() != Dice.of("a", "bc").bits()


@pytest.mark.parametrize("bound", [1, 2, 7, 1000])
def test_below_stays_in_its_range(bound):
    """Numbers are from 0 to the bound, which is not reached, and all of them occur."""
    dice = Dice(1)

    seen = {dice.below(bound) for _ in range(bound * 20)}

    assert seen == set(range(bound))


def test_bound_of_nothing_is_zero():
    """With nothing to choose from, the number is 0."""
    assert Dice(1).below(0) == 0


def test_unit_stays_in_its_range():
    """Floats are from 0 to 1, which is not reached, and are spread over it."""
    dice = Dice(2)
    numbers = [dice.unit() for _ in range(1000)]

    assert 0 <= min(numbers) < 0.1
    assert 0.9 < max(numbers) < 1


def test_words_have_the_wanted_length_and_alphabet():
    """Letters and hexadecimal digits come in the number that was asked for."""
    dice = Dice(3)

    assert len(dice.letters(29)) == 29
    assert set(dice.hex(200)) == set("0123456789abcdef")
    assert dice.between(5, 5) == 5
    assert dice.pick(["only"]) == "only"
