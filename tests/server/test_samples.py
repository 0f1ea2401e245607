"""Words, names and numbers to fill values with."""

from __future__ import annotations

import pytest

from openai_async.server.dice import Dice
from openai_async.server.samples import Hints, sample_range, sample_text


def test_names_are_found_without_sentence_starts():
    """Capitalised words are names, those that merely begin a sentence are not."""
    hints = Hints("What is the weather in New York? Use celsius. Tell Ada.")

    assert [hints.name() for _ in range(4)] == ["New York", "Ada", "Ada", "Ada"]
    assert Hints("Weather in Oslo").name() == "Oslo"
    assert Hints("Oslo").name() == "Oslo"
    assert Hints("nothing here").name() is None


def test_numbers_are_used_once():
    """Each number serves once, and only where it suits."""
    hints = Hints("between -3 and 12 or 2.5")

    assert hints.number(lambda number: number > 0, whole=True) == 12
    assert hints.number(lambda number: number > 0, whole=True) is None
    assert hints.number(lambda _number: True, whole=False) == -3
    assert hints.number(lambda _number: True, whole=False) == 2.5


def test_options_are_mentioned_as_whole_words():
    """An option counts as mentioned when it is a word of the message, in any case."""
    assert Hints("in Celsius please").mentioned(["celsius", "c", 1, ""]) == ["celsius"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("city", "weather in Oslo", "Oslo"),
        ("searchQuery", "cats and dogs", "cats and dogs"),
        ("currency", "", {"EUR", "USD", "JPY"}),
        ("unit", "in Fahrenheit, please", "fahrenheit"),
        ("lastName", "", {"Lovelace", "Hopper", "Turing", "Noether", "Johnson", "Shannon"}),
    ],
)
def test_texts_suit_their_names(name, text, expected):
    """A property's name decides between the user's words and a list that suits it."""
    found = sample_text(name, dice=Dice(1), hints=Hints(text))

    assert found in ({expected} if isinstance(expected, str) else expected)


def test_unknown_names_get_two_words():
    """A property of any other name gets two harmless words."""
    assert len(sample_text("zzz", dice=Dice(1), hints=Hints()).split()) == 2


def test_ranges_suit_their_names():
    """Known quantities have plausible ranges, others go up to 100."""
    assert sample_range("age") == (18, 80)
    assert sample_range("user_age") == (18, 80)
    assert sample_range("zzz") == (0, 100)
