"""How plain values become drafts."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from enum import Enum
from types import NoneType

import pytest

from openai_async.protocol.drafting.plans import (
    ALL_KINDS,
    MISSING,
    Anything,
    Constants,
    Converted,
    Entries,
    Integer,
    Items,
    Plan,
    Positions,
    Real,
    Scalar,
    Text,
    kind_of,
)
from openai_async.protocol.partial import UnfinishedArray, UnfinishedObject, UnfinishedString


class Colour(Enum):
    """An enum of two kinds, one of its values no JSON."""

    RED = "red"
    SEVEN = 7
    NONE = ()


COLOURS = Constants(((colour.value, colour) for colour in Colour), Colour)
VALUES = [None, True, 7, 1.5, 2.0, "red", "", [], [7], {}, {"a": 7}, math.inf, 10**400]
UNFINISHED = [UnfinishedString("red"), UnfinishedArray([7]), UnfinishedObject(a=7)]


@pytest.mark.parametrize(
    ("plan", "drafts"),
    [
        (Plan(), {}),
        (Scalar(bool), {1: True}),
        (Scalar(NoneType), {0: None}),
        (Text(), {5: "red", 6: ""}),
        (Integer(), {2: 7, 4: 2, 12: 10**400}),
        (Real(), {2: 7.0, 3: 1.5, 4: 2.0, 11: math.inf}),
        (COLOURS, {2: Colour.SEVEN, 5: Colour.RED}),
        (Converted(date), {}),
        (Converted(Decimal, (str, int, float)), {2: 7, 3: Decimal("1.5"), 4: 2, 11: Decimal("Infinity"), 12: 10**400}),
        (Items(Integer(), list), {7: [], 8: [7]}),
        (Items(Integer(), set, ordered=False), {7: set(), 8: {7}}),
        (Positions([Integer(), Text()]), {7: (None, None), 8: (7, None)}),
        (Entries(Text(), Integer()), {9: {}, 10: {"a": 7}}),
        (Anything(), dict(enumerate(VALUES))),
    ],
    ids=lambda part: type(part).__name__,
)
def test_values(plan, drafts):
    """A plan draws what fits its type, of the kinds that it names, and of all else says that it does not."""
    for number, value in enumerate(VALUES):
        drawn = plan.draw(value)
        if number in drafts:
            assert drawn == drafts[number]
            assert type(value) in plan.kinds
            assert plan.fits(value)
        else:
            assert drawn is MISSING


def test_unfinished_values():
    """What is unfinished is drawn unmarked, where it can be shown; else it is missing, but may fit."""
    word, array, object_ = UNFINISHED
    for plan in (Text(), Anything()):
        assert (plan.draw(word), type(plan.draw(word))) == ("red", str)
    for plan in (COLOURS, Converted(date)):
        assert plan.draw(word) is MISSING
        assert plan.fits(word)
    assert not Integer().fits(word)
    assert type(Anything().draw(array)) is list
    assert type(Anything().draw(object_)) is dict
    assert type(Items(Integer(), list).draw(array)) is list
    assert type(Entries(Text(), Integer()).draw(object_)) is dict


def test_kinds():
    """An unfinished value is of the kind that it will be when it is whole."""
    assert [kind_of(value) for value in UNFINISHED] == [str, list, dict]
    assert {kind_of(value) for value in VALUES} == ALL_KINDS


def test_shared():
    """What is whole is shared by drafts of plain data, and never changed."""
    inner = {"a": [1]}
    value = UnfinishedArray([inner, UnfinishedString("x")])
    drawn = Anything().draw(value)
    assert drawn[0] is inner
    assert type(drawn[1]) is str
    assert drawn == [inner, "x"]


@pytest.mark.parametrize(
    ("value", "drawn"),
    [
        (UnfinishedArray(["no"]), []),
        (UnfinishedArray([UnfinishedString("re")]), []),
        (UnfinishedArray(["no", "red"]), [None, Colour.RED]),
        (["red", "no"], [Colour.RED, None]),
    ],
)
def test_missing_items(value, drawn):
    """An item that does not fit keeps its place, as soon as another follows or none will."""
    assert Items(COLOURS, list).draw(value) == drawn


def test_sets():
    """A set has whole items only, and none that can't be hashed."""
    words = Items(Text(), frozenset, ordered=False)
    assert words.draw(UnfinishedArray(["a", UnfinishedString("b")])) == frozenset("a")
    assert Items(Anything(), set, ordered=False).draw([[1]]) is MISSING


def test_enum_that_fails():
    """An enum's own code may raise what it likes."""

    class Strict(Enum):
        A = "a"

        @classmethod
        def _missing_(cls, value):
            raise KeyError(value)

    assert Constants([("a", Strict.A)], Strict).draw("b") is MISSING


def test_strangeness():
    """Of two plans for an object the one fits better that has fewer unfit values; plain data is the last resort."""
    numbers, words = Entries(Text(), Integer()), Entries(Text(), Text())
    value = {"a": 1, "b": 2, "c": "x"}
    assert min([words, numbers, Anything()], key=lambda plan: plan.strangeness({"a": 1})) is numbers
    assert numbers.strangeness(value) < words.strangeness(value)
    assert min([Items(Text(), list), Items(Integer(), list)], key=lambda plan: plan.strangeness([1])).draw([1]) == [1]
