"""`OutputType`: names, wrapped roots, and text that becomes an object or an error of ours."""

from __future__ import annotations

import contextlib
import copy
import enum
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from support.names import name_of

from openai_async import OpenAIError, OutputParseError
from openai_async.protocol.output import OutputType
from openai_async.protocol.schema import holds_pydantic

T = TypeVar("T")


class Step(msgspec.Struct):
    text: str
    number: int = 0


class Tree(msgspec.Struct):
    value: int
    children: list[Tree] = []


class Model(pydantic.BaseModel):
    name: str
    tags: list[str] = []


class Picky(pydantic.BaseModel):
    age: int

    @pydantic.field_validator("age")
    @classmethod
    def check(cls, age: int) -> int:
        """Fail in ways that pydantic does not expect."""
        if age == 13:
            raise KeyError("thirteen")
        if age < 0:
            raise ValueError("below zero")
        return age


class Strict(msgspec.Struct):
    age: int

    def __post_init__(self) -> None:
        if self.age < 0:
            raise ZeroDivisionError("never below zero")


class RudeError(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


class Rude(pydantic.BaseModel):
    age: int

    @pydantic.field_validator("age")
    @classmethod
    def check(cls, age: int) -> int:
        """Fail with an error that can't even be told."""
        raise RudeError(age)


class Looping(msgspec.Struct):
    age: int

    def __post_init__(self) -> None:
        raise RecursionError


class Gen(pydantic.BaseModel, Generic[T]):
    item: T


class _Private(msgspec.Struct):
    pass


class Cat(msgspec.Struct, tag=True):
    value: int


class Dog(msgspec.Struct, tag=True):
    good: bool


class First(pydantic.BaseModel):
    x: int


class Second(pydantic.BaseModel):
    x: int


class Own(pydantic.BaseModel):
    x: int

    @classmethod
    def model_validate_json(cls, json_data: Any, **options: Any) -> Any:
        """Take single quotes, too."""
        return super().model_validate_json(json_data.replace("'", '"'), **options)


@pydantic.dataclasses.dataclass
class Event:
    name: str


class Pair(NamedTuple):
    a: int
    b: str


class Whole(TypedDict):
    place: Place
    bag: dict[str, Any]


class Box(msgspec.Struct, Generic[T]):
    item: T


class Numbers(pydantic.RootModel[list[int]]):
    """Numbers."""


@dataclass
class Point:
    x: int
    at: datetime | None = None


class Place(TypedDict):
    city: str


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("type", "name"),
    [
        (Step, "Step"),
        (Model, "Model"),
        (list[Step], "list_Step"),
        (Step | None, "Step_or_null"),
        (dict[str, list[int]], "dict_str_list_int"),
        (Gen[int], "Gen_int"),
        (int, "int"),
        (_Private, "_Private"),
        (type("A__b-", (msgspec.Struct,), {}), "A__b-"),
        (Literal["a", "b"], "Literal_a_b"),
        (list[Annotated[Step, msgspec.Meta(title="t")]], "list_Step"),
        (Annotated[Step, msgspec.Meta(title="t")], "Step"),
        (NewType("Count", int), "Count"),
        (type("É" * 3, (msgspec.Struct,), {}), "output"),
        (type("A" * 100, (msgspec.Struct,), {}), "A" * 64),
    ],
    ids=str,
)
def test_names(type: Any, name: str) -> None:
    """A name has only what the API allows in one."""
    assert OutputType.of(type).name == name
    assert OutputType.of(type).response_format()["json_schema"]["name"] == name


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (Step, '{"text": "a"}', Step("a")),
        (Point, ' {"x": 1, "at": "2026-01-02T03:04:05"}\n', Point(1, datetime(2026, 1, 2, 3, 4, 5))),  # noqa: DTZ001 - the text has no zone
        (Place, '{"city": "Rome"}', {"city": "Rome"}),
        (Model, '{"name": "a", "tags": ["b"]}', Model(name="a", tags=["b"])),
        (list[Step], '{"value": [{"text": "a"}]}', [Step("a")]),
        (list[Step], '[{"text": "a"}]', [Step("a")]),
        (list[Model], '{"value": [{"name": "a"}]}', [Model(name="a")]),
        (Colour, '{"value": "red"}', Colour.RED),
        (int, '{"value": 3}', 3),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Step | None, '{"value": null}', None),
        (list[Decimal], '{"value": [12345678901234567.89]}', [Decimal("12345678901234567.89")]),
        (list[Model], '{"value": [{"name": "a", "tags": []}]}', [Model(name="a")]),
        (Cat | Dog, '{"value": {"type": "Cat", "value": 1}}', Cat(1)),
        (Cat | Dog, '{"type": "Cat", "value": 1}', Cat(1)),
        (Cat | Dog, '{"type": "Dog", "good": true}', Dog(good=True)),
        (Numbers, '{"value": [1]}', Numbers([1])),
        (Own, "{'x': 1}", Own(x=1)),
        (Event, '{"name": "a"}', Event(name="a")),
        (Annotated[int, msgspec.Meta(ge=1)], '{"value": 1}', 1),
        (Annotated[list[int], ["no hash"]], "[1]", [1]),
        (dict[str, Any], '{"value": 1}', {"value": 1}),
        (dict, '{"a": [1, null]}', {"a": [1, None]}),
        (Any, "[1]", [1]),
    ],
    ids=str,
)
def test_parse(type: Any, text: str, value: Any) -> None:
    """Text becomes an object of the type; what is no object travels in one, and may come bare."""
    assert OutputType.of(type).parse(text) == value


@pytest.mark.parametrize(
    ("type", "text", "place"),
    [
        (Step, '{"text": 1}', "$.text"),
        (Step, "{}", ""),
        (Step, '{"text": "a"', ""),
        (Step, '{"text": "a",, }', "byte 13"),
        (Step, "", ""),
        (Step, '{"text": "a"} and so on', "byte 14"),
        (Step, '{"text": NaN}', "byte 9"),
        (Step, '{"text": "\ud800"}', ""),
        (Tree, '{"value": 1, "children": [{"value": 2}, {"value": "3"}]}', "$.children[1].value"),
        (Tree, '{"value":1,"children":[' * 3000, ""),
        (Model, '{"name": "a", "tags": ["b", 2]}', "$.tags[1]"),
        (Model, "{", ""),
        (Picky, '{"age": -1}', "$.age"),
        (Picky, '{"age": 13}', ""),
        (Strict, '{"age": -1}', ""),
        (list[Step], '{"value": 3}', "$.value"),
        (list[Step], '{"value": [{"text": 3}]}', "$.value[0].text"),
        (list[Step], '[{"text": 3}]', "$[0].text"),
        (list[Step], '{"value": [{"text": "a', ""),
        (list[Step], '{"value": [}', "byte 11"),
        (list[Step], '{"value": []}, x', "byte 13"),
        (list[Step], '{"value": [NaN]}', "byte 11"),
        (list[Step], '{"value": [], "more": 1}', ""),
        (list[Step], "{}", ""),
        (list[Step], "[" * 5000, "$[0]"),
        (list[Step], '{"value": ' + "[" * 5000, ""),
        (list[Model], '{"value": [{"name": 1}]}', "$.value[0].name"),
        (list[Model], '{"value": [,]}', "byte 11"),
        (Model | None, '{"value": {"name": 1}}', "$.value.name"),
        (list[Rude], '{"value": [{"age": 1}]}', ""),
        (Rude, '{"age": 1}', ""),
        (Looping, '{"age": 1}', ""),
        (list[Looping], '{"value": [{"age": 1}]}', ""),
        (Step, '\ufeff{"text": "a"}', "byte 0"),
        (Step, '{"text": "\\ud83d"}', ""),
        (Model, '{"name": "\ud83d"}', ""),
        (Model, '{"name": "a",}', "byte 13"),
        (Model, '{"name": "a"} x', "byte 14"),
        (dict, "{", ""),
        (dict, "[1]", ""),
        (dict, '{"a": 1} x', "byte 9"),
        (dict, '{"a": "\ud800', ""),
        (Any, "[" * 5000, ""),
    ],
)
def test_misfits(type: Any, text: str, place: str) -> None:
    """Whatever is wrong, also in a type's own code, is an error of ours that says what, where, and of which text."""
    with pytest.raises(OutputParseError) as caught:
        OutputType.of(type).parse(text)
    error = caught.value
    assert isinstance(error, OpenAIError)
    assert isinstance(error, ValueError)
    assert (error.text, error.target, error.place) == (text, OutputType.of(type).name, place)
    assert error.reason


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "Step",
        Step("a"),
        Model(name="a"),
        3,
        [Step],
        {"type": "text"},
        (Step,),
        print,
        test_parse,
        ...,
        T,
        contextlib,
    ],
    ids=name_of,
)
def test_no_types(wrong: Any) -> None:
    """What is no type is refused at once, with what to pass instead."""
    with pytest.raises(TypeError, match="pass the class itself"):
        OutputType.of(wrong)


@pytest.mark.parametrize("wrong", [complex, list[complex], Step | Place, pydantic.BaseModel, object().__class__ | Step])
def test_no_schema(wrong: Any) -> None:
    """A type that JSON could not become is refused at once."""
    with pytest.raises(TypeError, match="no JSON schema"):
        OutputType.of(wrong)


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        (dict, {"type": "json_object"}),
        (Any, {"type": "json_object"}),
        (
            dict[str, int],
            {
                "type": "json_schema",
                "json_schema": {
                    "schema": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "name": "dict_str_int",
                    "strict": False,
                },
            },
        ),
        (
            list[int],
            {
                "type": "json_schema",
                "json_schema": {
                    "schema": {
                        "type": "object",
                        "properties": {"value": {"type": "array", "items": {"type": "integer"}}},
                        "required": ["value"],
                        "additionalProperties": False,
                    },
                    "name": "list_int",
                    "strict": True,
                },
            },
        ),
    ],
    ids=str,
)
def test_response_format(type: Any, expected: Any) -> None:
    """Any JSON has no schema, and a mapping none that is strict; what is no object travels in one."""
    assert OutputType.of(type).response_format() == expected


def test_made_once() -> None:
    """An output type is made once for each type."""
    assert OutputType.of(list[Step]) is OutputType.of(list[Step])
    assert OutputType.of(list[Step]) is not OutputType.of(list[Step], name="other")
    assert copy.deepcopy(OutputType.of(Step)) is OutputType.of(Step)


def test_the_order_of_unions() -> None:
    """Unions are equal whatever their order, and yet the first member that fits counts."""
    assert list[First | Second] == list[Second | First]
    assert OutputType.of(list[First | Second]).parse('[{"x": 1}]') == [First(x=1)]
    assert OutputType.of(list[Second | First]).parse('[{"x": 1}]') == [Second(x=1)]


def test_unwrap() -> None:
    """Of plain data that is still growing, a wrapped value is taken out of its object."""
    assert OutputType.of(list[Step]).unwrap({"value": [1]}) == [1]
    assert OutputType.of(list[Step]).unwrap({}) is None
    assert OutputType.of(Step).unwrap({"text": "a"}) == {"text": "a"}
    assert OutputType.of(list[Step]).unwrap([1]) == [1]
    assert OutputType.of(Cat | Dog).unwrap({"type": "Do"}) == {"type": "Do"}


WHOLE = st.integers(-(2**63), 2**63 - 1)
TREES = st.recursive(
    st.builds(Tree, WHOLE), lambda inner: st.builds(Tree, WHOLE, st.lists(inner, max_size=3)), max_leaves=5
)
STEPS = st.builds(Step, st.text(), WHOLE)
MODELS = st.builds(Model, name=st.text(), tags=st.lists(st.text(), max_size=3))
PLAIN = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
PLACES: st.SearchStrategy[Any] = st.fixed_dictionaries({"city": st.text()})
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Step: STEPS,
    Tree: TREES,
    list[Step]: st.lists(STEPS, max_size=3),
    Point: st.builds(Point, WHOLE, st.none() | st.datetimes(timezones=st.just(UTC))),
    Whole: st.fixed_dictionaries({"place": PLACES, "bag": st.dictionaries(st.text(), PLAIN, max_size=3)}),
    Box[list[Step]]: st.builds(Box, st.lists(STEPS, max_size=3)),
    Pair: st.builds(Pair, WHOLE, st.text()),
    Cat | Dog | None: st.none() | st.builds(Cat, WHOLE) | st.builds(Dog, st.booleans()),
    Colour: st.sampled_from(Colour),
    list[Decimal]: st.lists(st.decimals(allow_nan=False, allow_infinity=False), max_size=3),
    set[int]: st.sets(WHOLE, max_size=3),
    tuple[UUID, date, bytes]: st.tuples(st.uuids(), st.dates(), st.binary()),
    dict[str, Step]: st.dictionaries(st.text(), STEPS, max_size=3),
    Literal["a", 1] | None: st.sampled_from(["a", 1, None]),
    dict: st.dictionaries(st.text(), PLAIN, max_size=3),
    Model: MODELS,
    Event: st.builds(Event, name=st.text()),
    Gen[list[Model]]: st.builds(Gen[list[Model]], item=st.lists(MODELS, max_size=3)),
    Numbers: st.builds(Numbers, st.lists(WHOLE)),
    list[Model]: st.lists(MODELS, max_size=3),
    Model | None: st.none() | MODELS,
}
CASES = st.sampled_from(list(VALUES)).flatmap(lambda type: st.tuples(st.just(type), VALUES[type]))


def encoded(type: Any, value: Any) -> bytes:
    """A value as its own library writes it."""
    return TypeAdapter(type).dump_json(value) if holds_pydantic(type) else msgspec.json.encode(value)


@settings(max_examples=300)
@given(case=CASES)
def test_round_trip(case: Any) -> None:
    """An object that is encoded fits its schema, wrapped if it is wrapped, and is parsed to an equal one, bare as well."""
    type, value = case
    output = OutputType.of(type)
    bare = encoded(type, value)
    text = b'{"value":' + bare + b"}" if output.wraps else bare
    if type is not dict:
        jsonschema.validate(json.loads(text), output.schema)
    assert output.parse(text.decode()) == output.parse(bare.decode()) == value


TEXTS = st.text() | st.text(st.sampled_from('{}[]":,value1 \\u\ud83d\ufeffNa'))


@given(text=TEXTS, type=st.sampled_from([*VALUES, Picky, Strict, Rude, Looping, int, Any, list[Rude]]))
def test_nothing_else_gets_out(text: str, type: Any) -> None:
    """Any text is an object or an error of ours."""
    with contextlib.suppress(OutputParseError):
        OutputType.of(type).parse(text)
