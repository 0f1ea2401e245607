"""Pleasant short English."""

from __future__ import annotations

import pytest

from openai_async.server.dice import Dice
from openai_async.server.prose import answer_text, result_text, wants_filter, wants_refusal


def _answer(text, index=0, verbosity="medium", seed=1):
    return answer_text(text, index=index, verbosity=verbosity, dice=Dice(seed))


def test_answers_refer_to_the_question():
    """The user's words are quoted, long ones shortened."""
    assert "“Why is the sky blue?”" in _answer("Why is the sky blue?")
    assert "…”" in _answer("word " * 100)
    assert len(_answer("x" * 10_000)) < 1000


def test_greetings_are_returned():
    """A greeting, or the wish for one, is answered with a greeting."""
    for text in ("Hello!", "Say hello in one short sentence.", "hi there"):
        assert "You wrote" not in _answer(text)
        assert _answer(text).startswith(("Hello", "Good day"))


def test_verbosity_sets_the_length():
    """More verbosity means more sentences."""
    lengths = [len(_answer("Why?", verbosity=verbosity)) for verbosity in ("low", "medium", "high")]

    assert lengths == sorted(set(lengths))


def test_later_answers_differ():
    """Every answer of several is another one, and each is a sentence."""
    answers = {_answer("Why?", index=index, seed=index) for index in range(128)}

    assert len(answers) == 128
    assert all(answer[0].isupper() and answer[-1] in ".?!" for answer in answers)


@pytest.mark.parametrize("count", [1, 50, 1000])
def test_so_many_words_are_written(count):
    """Asked for a number of words, the answer has exactly so many."""
    assert len(_answer(f"Write {count} words about the sea.").split()) == count


def test_words_are_bounded():
    """A million words are not written."""
    assert len(_answer("Write 999999 words.").split()) == 20_000


def test_nothing_asked_is_said_so():
    """Without a user message there is an answer all the same."""
    assert _answer("").startswith("You have not asked me anything yet.")


def test_results_are_reported():
    """Every tool and what it returned stand in the answer."""
    text = result_text([("get_weather", "18 degrees."), ("get_time", "noon")], index=1, dice=Dice(1))

    assert "get_weather says “18 degrees”; get_time says “noon”." in text
    assert text.startswith("Answer 2: ")


def test_wishes_are_words():
    """Refusals and the content filter are asked for by whole words."""
    assert wants_refusal("Please REFUSE this.")
    assert not wants_refusal("It was refused.")
    assert wants_filter("end with content_filter")
    assert not wants_filter("a filter for content")
