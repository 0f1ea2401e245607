"""Plans that depend on what an object says."""

from __future__ import annotations

import pytest

from openai_async.protocol.drafting.plans import MISSING, Constants, Entries, Integer, Items, Scalar, Text
from openai_async.protocol.drafting.records import Choice, Field, Record, Reference, Wrapped
from openai_async.protocol.partial import UnfinishedArray, UnfinishedObject, UnfinishedString


def record(called, /, *, tag=None, required=True, **fields):
    """A record that is drawn as what it is called and the fields that were found."""
    made = {key: Field(key, plan, required) for key, plan in fields.items()}
    constants = {} if tag is None else {"type": Constants([(tag, tag)])}
    return Record(made, lambda found: (called, found), constants=constants)


# Records.

NAMED = Record({"firstName": Field("first", Text(), required=True), "fn": Field("first", Text(), required=True)}, dict)
ROW = Record(
    {"a": Field("a", Integer(), required=True), "b": Field("b", Text(), required=False)},
    dict,
    constants={"type": Constants([("row", "row")])},
    positions=("type", "a", "b"),
    kinds=(list,),
)


@pytest.mark.parametrize(
    ("plan", "value", "drawn"),
    [
        (NAMED, {"firstName": "x"}, {"first": "x"}),
        (NAMED, {"fn": "x", "other": 1}, {"first": "x"}),
        (NAMED, {"first": "x"}, {}),
        (NAMED, {"fn": 1}, {}),
        (NAMED, [], MISSING),
        (NAMED, None, MISSING),
        (ROW, ["row", 1], {"a": 1}),
        (ROW, ["row", 1, UnfinishedString("x")], {"a": 1, "b": "x"}),
        (ROW, [], {}),
        (ROW, ["row", 1, "x", "more"], {"a": 1, "b": "x"}),
        (ROW, {"a": 1}, MISSING),
    ],
)
def test_records(plan, value, drawn):
    """Members become fields by their name in JSON, or their place; what does not fit is not there."""
    assert plan.draw(value) == drawn


def test_extras():
    """A record that keeps what it does not know keeps it as plain data."""
    plan = Record({"a": Field("a", Integer(), required=True)}, dict, extras=True)
    drawn = plan.draw(UnfinishedObject(a="x", b=UnfinishedArray([1])))
    assert drawn == {"b": [1]}
    assert type(drawn["b"]) is list


def test_strangeness():
    """What is unknown or unfit counts first, then what is required and not there; a tag is known."""
    plan = record("A", tag="a", x=Integer(), y=Text())
    assert plan.strangeness({"type": "a", "x": 1, "y": "z"}) == (0, 0, 0)
    assert plan.strangeness({"x": 1}) == (0, 1, 0)
    assert plan.strangeness({"x": "?", "q": 1}) == (2, 2, 0)
    assert record("A", required=False, x=Integer()).strangeness({}) == (0, 0, 0)


# Unions.

KIND_A, KIND_B = Constants([("a", "a")]), Constants([("b", "b")])
A = record("A", kind=KIND_A, x=Integer())
B = record("B", kind=KIND_B, y=Integer())
NUMBER = record("number", value=Integer())
WORD = record("word", value=Text())
MORE = record("more", value=Integer(), more=Integer())
CAT, DOG = record("cat", tag="cat", name=Text()), record("dog", tag="dog", name=Text())
NUMBERS = Entries(Text(), Integer())


def unfinished(**members):
    """An object that is not closed."""
    return UnfinishedObject(members)


@pytest.mark.parametrize(
    ("members", "value", "chosen"),
    [
        # A constant says which it is, once it is whole.
        ([A, B], unfinished(kind="b"), "B"),
        ([A, B], unfinished(kind=UnfinishedString("b")), None),
        ([CAT, DOG], unfinished(name="x"), None),
        ([CAT, DOG], unfinished(name="x", type="dog"), "dog"),
        ([CAT, DOG], {"name": "x", "type": "cow"}, None),
        ([CAT, DOG], {"name": "x"}, "cat"),
        # Or a key does that only one of them knows.
        ([A, B], unfinished(), None),
        ([A, B], unfinished(y=1), "B"),
        ([A, B], unfinished(z=1), None),
        ([NUMBER, MORE], unfinished(value=1), None),
        ([NUMBER, MORE], unfinished(value=1, more=2), "more"),
        # Or a value, by its kind, even while it is unfinished.
        ([NUMBER, WORD], unfinished(value=UnfinishedString("")), "word"),
        ([NUMBER, WORD], unfinished(value=1), "number"),
        # When the object is closed, the best one is taken.
        ([NUMBER, MORE], {"value": 1}, "number"),
        ([MORE, NUMBER], {"value": 1}, "number"),
        ([NUMBER, MORE], {"value": 1, "more": 2}, "more"),
        ([A, B], {}, "A"),
        ([NUMBERS, NUMBER], {"value": 1}, "number"),
        ([NUMBERS, NUMBER], unfinished(value=1), None),
        ([NUMBERS, NUMBER], unfinished(other=1), {"other": 1}),
        ([NUMBERS, NUMBER], {"other": 1}, {"other": 1}),
    ],
)
def test_objects(members, value, chosen):
    """An object of a union is drawn as soon as it is sure of which member it is, and no sooner."""
    drawn = Choice(members).draw(value)
    assert (None if drawn is MISSING else drawn[0] if isinstance(drawn, tuple) else drawn) == chosen


def test_arrays():
    """The first item says of which array it is."""
    plan = Choice([Items(Integer(), list), Items(Text(), tuple)])
    assert plan.draw(UnfinishedArray()) is MISSING
    assert plan.draw(UnfinishedArray([UnfinishedString("x")])) == ("x",)
    assert plan.draw(UnfinishedArray([1])) == [1]
    assert plan.draw([]) == []
    assert plan.draw(["x"]) == ("x",)


def test_strings():
    """A string that may become something else is not shown before it is whole; a Literal beside text is text."""
    either = Choice([KIND_A, Constants([("b", "B")])])
    assert either.draw(UnfinishedString("b")) is MISSING
    assert either.draw("b") == "B"
    text = Choice([KIND_A, Text()])
    assert text.draw(UnfinishedString("a")) == "a"


def test_fits():
    """Whether a union fits depends on the kind of a container, and on the value of anything else."""
    plan = Choice([Integer(), KIND_A, A])
    assert plan.kinds == frozenset({int, float, str, dict})
    for value in (1, "a", {}, {"z": 1}, UnfinishedString("x")):
        assert plan.fits(value)
    for value in ("b", [], None, 1.5):
        assert not plan.fits(value)


def test_references():
    """A type inside of itself does as the type does."""
    inner = Reference()
    tree = record("tree", children=Items(inner, list), leaf=Choice([inner, Scalar(type(None))]))
    inner.target = tree
    value = {"children": [{"children": [], "leaf": None}], "leaf": unfinished(children=UnfinishedArray())}
    leaf = ("tree", {"children": [], "leaf": None})
    assert tree.draw(value) == ("tree", {"children": [leaf], "leaf": ("tree", {"children": []})})
    assert inner.fits(value)
    assert not inner.fits({"other": 1})
    assert not inner.excludes(value)
    assert inner.strangeness({}) == tree.strangeness({})


def test_wrapped():
    """An object around another value takes what that takes."""
    plan = Wrapped(Integer(), lambda value: [value])
    assert plan.draw(1) == [1]
    assert plan.draw("x") is MISSING
    assert plan.kinds == Integer.kinds


def test_deep_unions():
    """Objects of a union of alike objects, a hundred in each other, are no trouble."""
    inner = Reference()
    either = Choice([record("A", a=inner), record("B", a=inner, b=Integer())])
    inner.target = Choice([either, Scalar(type(None))])
    value, drawn = None, None
    for _ in range(100):
        value = {"a": value}
        drawn = ("A", {"a": drawn})
    assert repr(either.draw(value)) == repr(drawn)
