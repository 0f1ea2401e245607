"""Objects that are still being written."""

from __future__ import annotations

import collections
import copy
import dataclasses
import itertools
import json
import subprocess
import sys
import uuid
from collections import abc
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pydantic
import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol.draft import Memory, draft
from openai_async.protocol.drafting.records import Record
from openai_async.protocol.partial import PartialJSON
from openai_async.protocol.schema import holds_pydantic

T = TypeVar("T")


# Types, of every kind that there is.


class Colour(Enum):
    """An enum of strings."""

    RED = "red"
    DARK_RED = "red-dark"


class Level(IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 12


class Mood(StrEnum):
    """An enum that takes more than it lists."""

    GOOD = "good"

    @classmethod
    def _missing_(cls, value):
        if value == "broken":
            raise RuntimeError("an enum's own trouble")
        return cls.GOOD if value == "fine" else None


class Step(msgspec.Struct):
    """A plain struct."""

    explanation: str
    output: str = "none"


class Frozen(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A struct that does not change, and has other names in JSON."""

    first_name: str
    last_name: str | None = "x"
    inner_steps: list[Step] = []


class Page(msgspec.Struct, Generic[T]):
    """A generic struct."""

    items: list[T]
    first: T | None = None


class Cat(msgspec.Struct, tag="cat"):
    """One of a tagged union."""

    lives: int


class Dog(msgspec.Struct, tag="dog"):
    """The other."""

    name: str
    friends: list[Cat | Dog]


class Row(msgspec.Struct, array_like=True, tag=True):
    """A struct that travels as an array."""

    number: int
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A dataclass."""

    x: float
    y: float
    label: str = "here"


@dataclasses.dataclass
class Line(Generic[T]):
    """A generic dataclass; a field of it is not said."""

    points: tuple[Point, ...]
    mark: T
    length: float = dataclasses.field(init=False, default=-1.0)
    notes: list[str] = dataclasses.field(init=False, default_factory=list)


class Options(TypedDict, total=False):
    """A TypedDict."""

    verbose: typing_extensions.Required[bool]
    depth: int


class Pair(NamedTuple):
    """A named tuple."""

    left: int
    right: str = "r"


class Address(pydantic.BaseModel):
    """A pydantic model."""

    model_config = pydantic.ConfigDict(frozen=True, populate_by_name=True)
    street_name: str = pydantic.Field(alias="streetName")
    zip_code: int = pydantic.Field(validation_alias=pydantic.AliasChoices("zip", "plz"))


class Person(pydantic.BaseModel):
    """A pydantic model that holds others, itself too."""

    name: str
    born: date | None = None
    address: Address | None = None
    parents: list[Person] = []
    _seen: list[int] = pydantic.PrivateAttr(default_factory=list)


class Open(pydantic.BaseModel):
    """A pydantic model that keeps what it does not know."""

    model_config = pydantic.ConfigDict(extra="allow")
    known: int


class Numbers(pydantic.RootModel[list[int]]):
    """A pydantic model that is a list in JSON."""


class Box(pydantic.BaseModel, Generic[T]):
    """A generic pydantic model."""

    content: T


@pydantic.dataclasses.dataclass(kw_only=True)
class Circle:
    """A pydantic dataclass."""

    radius: float = pydantic.Field(alias="r")
    centre: Point
    scale: dataclasses.InitVar[int] = 1
    area: float = dataclasses.field(init=False, default=-1.0)


class Circles(pydantic.BaseModel):
    """A union told apart by a Literal."""

    shape: Annotated[Square | Round, pydantic.Field(discriminator="kind")]


class Square(pydantic.BaseModel):
    """One of it."""

    kind: Literal["square"]
    side: int


class Round(pydantic.BaseModel):
    """The other."""

    kind: Literal["round"]
    radius: int


UserId = NewType("UserId", int)
FEW = Literal["red", 12, True, None]  # noqa: PYI061 - null is one of them, not a type beside
Many = typing_extensions.TypeAliasType("Many", dict[str, list[T]] | None, type_params=(T,))


def drafts(type, text, memory=None):
    """The drafts at every character of a text; the last one is of all of it."""
    reader = PartialJSON()
    for character in text:
        reader.feed(character)
        yield draft(type, reader.value(monotonic=True), memory)


def whole(type, text):
    """The draft of a whole text."""
    return collections.deque(drafts(type, text), maxlen=1).pop()


# What types become.

DRAFTS = [
    (Step, "", None),
    (Step, "{", Step(None, None)),
    (Step, '{"explanation":"a', Step("a", None)),
    (Step, '{"explanation":"a","output":"b"}', Step("a", "b")),
    (
        Frozen,
        '{"firstName":"a","innerSteps":[{',
        Frozen(first_name="a", last_name=None, inner_steps=[Step(None, None)]),
    ),
    (Page[int], '{"items":[1,2', Page([1], None)),
    (Page[Step], '{"items":[],"first":{"output":"', Page([], Step(None, ""))),
    (list[Cat | Dog], "[{", []),
    (list[Cat | Dog], '[{"type":"ca', []),
    (list[Cat | Dog], '[{"name":"x', [Dog("x", None)]),
    (list[Cat | Dog], '[{"name":"x","type":"dog"', [Dog("x", None)]),
    (list[Cat | Dog], '[{"type":"cat"},{"type":"cow"},{"type":"cat"', [Cat(None), None, Cat(None)]),
    (Row, '["Row",3,"x', Row(3, "x")),
    (Row, "[", Row(None, None)),
    (Point, '{"x":1,"y":2.5,"label":"', Point(1.0, 2.5, "")),
    (Options, "{", {}),
    (Options, '{"verbose":true,"depth":1', {"verbose": True}),
    (Options, '{"verbose":"no","depth":1,', {"depth": 1}),
    (Pair, "[1,", Pair(1, None)),
    (Pair, '{"right":"a', Pair(None, "a")),
    (tuple[int, str], "[1,", (1, None)),
    (tuple[int, str], '[1,"a","b"]', (1, "a")),
    (tuple[int, ...], "[1,2,", (1, 2)),
    (tuple, '[1,["a', (1, ["a"])),
    (list, '[1,["a', [1, ["a"]]),
    (list[str], '["a","b', ["a", "b"]),
    (list[int], '[1,"a",2,', [1, None, 2]),
    (list[int], '[1,"a"]', [1, None]),
    (abc.Sequence[int], "[1,2]", [1, 2]),
    (collections.deque[int], "[1,2]", collections.deque([1, 2])),
    (set[str], '["a","b', {"a"}),
    (frozenset[tuple[int, int]], "[[1,2],[3,", frozenset({(1, 2)})),
    (set[Step], "[{}]", None),
    (dict[str, int], '{"a":1,"b":"x","c":3', {"a": 1}),
    (dict[int, str], '{"1":"a","b":"x","3":"', {1: "a", 3: ""}),
    (dict[float, str], '{"1.5":"a"', {1.5: "a"}),
    (dict[Colour, int], '{"red":1,"blue":2}', {Colour.RED: 1}),
    (dict, '{"a":[{"b":"c', {"a": [{"b": "c"}]}),
    (abc.Mapping[str, Any], '{"a":[{"b":"c', {"a": [{"b": "c"}]}),
    (Any, '{"a":[{"b":"c"},"d', {"a": [{"b": "c"}, "d"]}),
    (object, '"d', "d"),
    (str, '"d', "d"),
    (str, "12 ", None),
    (int, "12 ", 12),
    (int, "12", None),
    (int, "12.0 ", 12),
    (int, "12.5 ", None),
    (int, "true", None),
    (UserId, "12 ", 12),
    (Annotated[int, "anything"], "12 ", 12),
    (Final[int], "12 ", 12),
    (float, "12 ", 12.0),
    (float, "1" + "0" * 400 + " ", None),
    (bool, "true", True),
    (bool, "1 ", None),
    (None, "null", None),
    (FEW, '"re', None),
    (FEW, '"red"', "red"),
    (FEW, "1 ", None),
    (FEW, "12 ", 12),
    (FEW, "true", True),
    (Literal[Colour.RED], '"red"', Colour.RED),
    (Colour, '"red', None),
    (Colour, '"red"', Colour.RED),
    (Colour, '"red-dark"', Colour.DARK_RED),
    (Level, "12 ", Level.HIGH),
    (Mood, '"fine"', Mood.GOOD),
    (Mood, '"bad"', None),
    (Mood, '"broken"', None),
    (date, '"2026-01-0', None),
    (date, '"2026-01-02"', date(2026, 1, 2)),
    (date, '"2026-13-02"', None),
    (datetime, '"2026-01-02T03:04:05Z"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (time, '"03:04:05"', time(3, 4, 5)),
    (timedelta, '"PT1H"', timedelta(hours=1)),
    (Decimal, '"1.50"', Decimal("1.50")),
    (Decimal, "1.5 ", Decimal("1.5")),
    (uuid.UUID, '"12345678-1234-5678-1234-567812345678"', uuid.UUID("12345678-1234-5678-1234-567812345678")),
    (int | None, "null", None),
    (int | str, '"a', "a"),
    (int | str, "1 ", 1),
    (float | int, "1 ", 1),
    (int | float, "1.0 ", 1.0),
    (float | None, "1 ", 1.0),
    (date | str, '"2026-01-0', None),
    (date | str, '"2026-01-02"', date(2026, 1, 2)),
    (date | str, '"soon"', "soon"),
    (str | time, '"03:04:05"', "03:04:05"),
    (Literal["auto"] | str, '"au', "au"),  # noqa: PYI051 - people write it
    (int | list[int] | Step, "[1,", [1]),
    (int | list[int] | Step, '{"output":"', Step(None, "")),
    (list[int] | list[str], "[", None),
    (list[int] | list[str], '["', [""]),
    (list[int] | list[str], "[]", []),
    (dict[str, int] | Step, '{"output":"', Step(None, "")),
    (dict[str, int] | Step, '{"a":', None),
    (dict[str, int] | Step, '{"a":1,', {"a": 1}),
    (dict[str, int] | Step, "{}", {}),
    (Person, '{"name":"A","born":"2026-01-0', Person.model_construct(name="A", born=None, address=None, parents=None)),
    (Open, '{"known":1,"more":["x', Open.model_construct(known=1, more=["x"])),
    (Numbers, "[1,2", Numbers([1])),
    (Numbers, "", None),
    (Numbers, "{}", None),
    (Box[int], '{"content":1}', Box[int](content=1)),
    (Box[list[Point]], '{"content":[{"label":"x', Box[list[Point]].model_construct(content=[Point(None, None, "x")])),
    (Many[int], '{"a":[1,2],"b":["x",3', {"a": [1, 2], "b": []}),
    (complex, "1 ", None),
    (bytes, '"YQ=="', None),
    (type, "{}", None),
    (Step, '["a"]', None),
    (Row, '{"number":1}', None),
    (list["Nobody"], "[1]", [None]),  # noqa: F821 - that nobody is there is what it tests
]


@pytest.mark.parametrize(("type", "text", "expected"), DRAFTS, ids=lambda part: ascii(part)[:40])
def test_drafts(type, text, expected):
    """A draft says what has come, None for the rest, and nothing that may become something else."""
    reader = PartialJSON()
    reader.feed(text)
    drawn = draft(type, reader.value(monotonic=True))
    assert same(drawn, expected)


def same(one, other):
    """Whether two objects are equal, and of the same types all the way in."""
    return one == other and (isinstance(one, set | frozenset) or repr(one) == repr(other))


def test_tree_of_itself():
    """A type that holds itself is drawn as deep as the text goes."""
    text = '{"name":"a","parents":[{"name":"b","parents":[{"name":"c'
    drawn = whole(Person, text)
    assert drawn.parents[0].parents[0].name == "c"
    assert drawn.parents[0].parents[0].parents is None


def test_unhashable_types():
    """A type with an annotation that can't be hashed is one as any other."""
    number = Annotated[int, ["a list"]]
    with pytest.raises(TypeError):
        hash(list[number])
    assert whole(list[number], "[1,2") == [1]
    assert whole(list[number] | None, "[1,2") == [1]


def test_models():
    """A model's draft is used as the model: what came is set, private attributes are there, it can be copied."""
    drawn = whole(Person, '{"name":"A","address":{"streetName":"S","plz":1},"parents":[')
    assert type(drawn) is Person
    assert drawn.model_dump(exclude_unset=True) == {
        "name": "A",
        "address": {"street_name": "S", "zip_code": 1},
        "parents": [],
    }
    assert drawn._seen == []
    assert drawn.model_copy(update={"name": "B"}).name == "B"
    assert whole(Address, '{"street_name":"S","zip_code":1}') == Address(streetName="S", zip=1)
    assert whole(Address, '{"zip":1}').street_name is None


def test_fields_that_are_not_said():
    """What is no parameter of a dataclass has its default at once: no text will ever say it."""
    drawn = whole(Line[str], '{"points":[{"x":1,"y":2')
    assert type(drawn) is Line
    assert drawn.points == (Point(1.0, None, None),)
    assert (drawn.mark, drawn.length, drawn.notes) == (None, -1.0, [])


# Nothing of the type's own runs.


class Guarded(msgspec.Struct, frozen=True):
    """A struct with code of its own."""

    a: int
    b: str = "x"

    def __init_subclass__(cls, **options):
        raise RuntimeError("nobody derives from this")

    def __post_init__(self):
        raise RuntimeError("a draft has not been checked")


@dataclasses.dataclass
class GuardedData:
    """A dataclass with code of its own."""

    a: int
    b: str = "x"

    def __new__(cls, *_args, **_kwargs):
        raise RuntimeError("a draft is not called for")

    def __setattr__(self, name, value):
        raise RuntimeError("nor is this")

    def __post_init__(self):
        raise RuntimeError("nor this")


class GuardedModel(pydantic.BaseModel):
    """A model with code of its own."""

    a: int
    b: str = "x"

    def __init__(self, **_data):
        raise RuntimeError("a draft is not called for")

    def model_post_init(self, _context):
        raise RuntimeError("nor is this")

    @pydantic.field_validator("a")
    @classmethod
    def _positive(cls, _value):
        raise RuntimeError("nor this")


@pytest.mark.parametrize("type_", [Guarded, GuardedData, GuardedModel])
def test_no_code_runs(type_):
    """No constructor, validator or `__post_init__` runs, and a draft is nevertheless of its type."""
    for text, values in (("{", (None, None)), ('{"a":-1,"b":"y"}', (-1, "y"))):
        drawn = whole(type_, text)
        assert type(drawn) is type_
        assert (drawn.a, drawn.b) == values


class Lost(msgspec.Struct):
    """A struct whose annotations lead nowhere."""

    a: Nowhere  # noqa: F821 - that is what it tests


def test_lost_annotations():
    """A type that can't be understood has no draft, and is no error."""
    assert whole(Lost, '{"a":1}') is None
    assert whole(dict[str, Lost | int], '{"a":1,"b":{}}') == {"a": 1}


def test_no_room():
    """A value that is too deep for where the caller stands is no error."""

    def deep(left):
        return deep(left - 1) if left else draft(Any, value)

    value = PartialJSON()
    value.feed('{"a":' * 120)
    value = value.value(monotonic=True)
    limit = sys.getrecursionlimit()
    found = []
    for left in range(limit):
        try:
            found.append(deep(left))
        except RecursionError:  # there is not even room to call
            break
    assert found[0] is not None
    assert None in found


def test_pydantic_stays_out():
    """Drafts of other types load no pydantic."""
    code = (
        "import sys, msgspec\n"
        "from openai_async.protocol.draft import draft\n"
        "S = msgspec.defstruct('S', [('a', int)])\n"
        "assert draft(S, {'a': 1}) == S(1)\n"
        "assert 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Over a growing text.

WORDS = st.text(st.characters(codec="utf-8"), max_size=5)
INTEGERS = st.integers(-(2**60), 2**60)
STEPS = st.fixed_dictionaries({"explanation": WORDS, "output": WORDS})
CATS = st.fixed_dictionaries({"type": st.just("cat"), "lives": INTEGERS})
DOGS = st.recursive(
    st.fixed_dictionaries({"name": WORDS, "type": st.just("dog"), "friends": st.just([])}),
    lambda dogs: st.fixed_dictionaries(
        {"name": WORDS, "friends": st.lists(CATS | dogs, max_size=2), "type": st.just("dog")}
    ),
    max_leaves=4,
)
POINTS = st.fixed_dictionaries({"x": st.floats(-1e9, 1e9), "y": INTEGERS, "label": WORDS})
ADDRESSES = st.fixed_dictionaries({"streetName": WORDS, "zip": INTEGERS})
PEOPLE = st.recursive(
    st.fixed_dictionaries(
        {
            "name": WORDS,
            "born": st.none() | st.dates().map(str),
            "address": st.none() | ADDRESSES,
            "parents": st.just([]),
        }
    ),
    lambda people: st.fixed_dictionaries(
        {
            "parents": st.lists(people, max_size=2),
            "name": WORDS,
            "born": st.none() | st.dates().map(str),
            "address": st.none(),
        }
    ),
    max_leaves=4,
)
SQUARES = st.fixed_dictionaries({"side": INTEGERS, "kind": st.just("square")})
ROUNDS = st.fixed_dictionaries({"kind": st.just("round"), "radius": INTEGERS})
ANYTHING = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)

FITTING = {
    Frozen: st.fixed_dictionaries(
        {"firstName": WORDS, "lastName": st.none() | WORDS, "innerSteps": st.lists(STEPS, max_size=2)}
    ),
    Page[Step]: st.fixed_dictionaries({"items": st.lists(STEPS, max_size=2), "first": st.none() | STEPS}),
    Page[Page[int]]: st.fixed_dictionaries(
        {
            "items": st.lists(
                st.fixed_dictionaries({"items": st.lists(INTEGERS, max_size=3), "first": INTEGERS}), max_size=2
            ),
            "first": st.none(),
        }
    ),
    list[Cat | Dog]: st.lists(CATS | DOGS, max_size=3),
    list[Row]: st.lists(st.tuples(st.just("Row"), INTEGERS, WORDS), max_size=3),
    Line[Colour]: st.fixed_dictionaries(
        {"points": st.lists(POINTS, max_size=2), "mark": st.sampled_from(["red", "red-dark"])}
    ),
    Options: st.fixed_dictionaries({"verbose": st.booleans(), "depth": INTEGERS}),
    dict[str, Pair]: st.dictionaries(WORDS, st.tuples(INTEGERS, WORDS), max_size=3),
    tuple[int, str | None, list[date]]: st.tuples(
        INTEGERS, st.none() | WORDS, st.lists(st.dates().map(str), max_size=2)
    ),
    set[str]: st.lists(WORDS, max_size=3, unique=True),
    list[int | str | bool | None]: st.lists(INTEGERS | WORDS | st.booleans() | st.none()),
    Any: ANYTHING.filter(lambda value: type(value) not in (int, float)),
    Person: PEOPLE,
    Numbers: st.lists(INTEGERS, max_size=3),
    Open: st.fixed_dictionaries({"known": INTEGERS, "more": ANYTHING, "most": ANYTHING}),
    Box[Box[Level]]: st.fixed_dictionaries({"content": st.fixed_dictionaries({"content": st.sampled_from([1, 12])})}),
    Circle: st.fixed_dictionaries({"r": INTEGERS, "centre": POINTS}),
    Circles: st.fixed_dictionaries({"shape": SQUARES | ROUNDS}),
    Person | Address | None: PEOPLE | ADDRESSES,
    list[Square | Round | dict[str, int]]: st.lists(SQUARES | ROUNDS, max_size=3),
    list[date | str | int]: st.lists(st.dates().map(str) | INTEGERS, max_size=3),
}
CASES = st.sampled_from(list(FITTING)).flatmap(lambda type: st.tuples(st.just(type), FITTING[type]))


def strictly(type, text):
    """What the whole text is parsed to."""
    if holds_pydantic(type) or type == list[date | str | int]:  # which msgspec does not take
        return pydantic.TypeAdapter(type).validate_json(text)
    return msgspec.json.decode(text, type=type)


def grew(before, after):
    """Whether nothing that was there before is gone, moved or changed after."""
    if before is None:
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, str):
        return after.startswith(before)
    if isinstance(before, set | frozenset):
        return before <= after
    if isinstance(before, dict):
        return list(after)[: len(before)] == list(before) and all(
            grew(item, after[key]) for key, item in before.items()
        )
    if isinstance(before, list | tuple):
        return len(before) <= len(after) and all(map(grew, before, after))
    names = [name for name in fields(before) if not name.startswith("__")]
    return all(grew(getattr(before, name), getattr(after, name)) for name in names) if names else before == after


def fields(value):
    """The names of an object's fields; none: it is no record."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return [*type(value).model_fields, *(value.model_extra or {})] if isinstance(value, pydantic.BaseModel) else []


@given(case=CASES, ascii_only=st.booleans())
def test_growing(case, ascii_only):
    """Drafts only grow, the last one is what the whole text is parsed to, and none is changed by what comes later."""
    type, value = case
    text = json.dumps(value, ensure_ascii=ascii_only)
    seen = [(drawn, copy.deepcopy(drawn)) for drawn in drafts(type, text)]
    for (before, _), (after, _) in itertools.pairwise(seen):
        assert grew(before, after)
    last = seen[-1][0]
    assert same(last, strictly(type, text))
    assert all(same(drawn, twin) for drawn, twin in seen)
    remembered = list(drafts(type, text, Memory()))
    assert all(same(drawn, twin) for drawn, (_, twin) in zip(remembered, seen, strict=True))


def test_remembered_parts():
    """With a memory, what is whole is drawn once: the number of objects made is that of the text's."""
    made = []

    class Counted(msgspec.Struct):
        number: int
        inner: list[dict[str, int]] = []

    def counting(plan, value, memory=None):
        made.append(value)
        return draw(plan, value, memory)

    text = json.dumps([{"number": number, "inner": [{"a": 1}, {"b": 2}]} for number in range(50)])
    draw = Record.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Record, "draw", counting)
        seen = list(drafts(list[Counted], text, Memory()))
    assert sum(type(value) is dict for value in made) == 50
    assert seen[-1] == msgspec.json.decode(text, type=list[Counted])
    assert all(first is last for first, last in zip(seen[-2], seen[-1], strict=True))


@given(type=st.sampled_from([*FITTING, Guarded, GuardedData, GuardedModel]), value=ANYTHING, data=st.data())
def test_anything(type, value, data):
    """No value is an error, whatever the type, and whatever is wrong in it."""
    fitting = data.draw(FITTING.get(type, STEPS))
    for text in (json.dumps(value), json.dumps(spoilt(fitting, value, data))):
        for drawn in drafts(type, text):
            assert drawn is None or type in (Any, Person | Address | None) or isinstance(drawn, origin(type))


def origin(type):
    """The class that drafts of a type are of."""
    cls = getattr(type, "__origin__", type)
    return dict if cls is Options else cls if not hasattr(type, "__pydantic_generic_metadata__") else type


def spoilt(value, junk, data):
    """A value with `junk` somewhere in it."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(list(value)))
        return {**value, key: spoilt(value[key], junk, data)}
    if isinstance(value, list | tuple) and value and data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], spoilt(value[index], junk, data), *value[index + 1 :]]
    return junk
