"""`OutputType`: names, wrapped roots, and text that becomes an object or an error of ours."""

from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypedDict, TypeVar

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async import OpenAIError, OutputParseError
from openai_async.protocol.output import OutputType

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


class Gen(pydantic.BaseModel, Generic[T]):
    item: T


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
        (Point, ' {"x": 1, "at": "2026-01-02T03:04:05"}\n', Point(1, datetime(2026, 1, 2, 3, 4, 5))),  # noqa: DTZ001
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
        (Step, '{"text": "a"} and so on', "byte 15"),
        (Step, '{"text": NaN}', "byte 9"),
        (Step, '{"text": "\ud800"}', ""),
        (Tree, '{"value": 1, "children": [{"value": 2}, {"value": "3"}]}', "$.children[1].value"),
        (Tree, '{"value":1,"children":[' * 3000, ""),
        (Model, '{"name": "a", "tags": ["b", 2]}', "$.tags[1]"),
        (Model, "{", ""),
        (Picky, '{"age": -1}', "$.age"),
        (Picky, '{"age": 13}', ""),
        (Strict, '{"age": -1}', ""),
        (list[Step], '{"value": 3}', ""),
        (dict, "{", ""),
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


@pytest.mark.parametrize("wrong", [None, "Step", Step("a"), 3, [Step], {"type": "text"}, complex, (Step,)], ids=repr)
def test_no_types(wrong: Any) -> None:
    """What is no type, or has no schema, is refused at once."""
    with pytest.raises(TypeError):
        OutputType.of(wrong)


def test_made_once() -> None:
    """An output type is made once for each type."""
    assert OutputType.of(list[Step]) is OutputType.of(list[Step])


def test_unwrap() -> None:
    """Of plain data that is still growing, a wrapped value is taken out of its object."""
    assert OutputType.of(list[Step]).unwrap({"value": [1]}) == [1]
    assert OutputType.of(list[Step]).unwrap({}) is None
    assert OutputType.of(Step).unwrap({"text": "a"}) == {"text": "a"}


TREES = st.recursive(
    st.builds(Tree, st.integers(-(2**63), 2**63 - 1)),
    lambda inner: st.builds(Tree, st.integers(0, 9), st.lists(inner, max_size=3)),
    max_leaves=5,
)


@given(value=st.one_of(TREES, st.builds(Step, st.text(), st.integers(-(2**63), 2**63 - 1))))
def test_round_trip(value: Any) -> None:
    """An object that is encoded fits its schema, and is parsed to an equal one."""
    output = OutputType.of(type(value))
    text = msgspec.json.encode(value).decode()
    jsonschema.validate(msgspec.json.decode(text), output.schema)
    assert output.parse(text) == value


@given(value=st.lists(st.builds(Model, name=st.text(), tags=st.lists(st.text()))))
def test_round_trip_of_pydantic_models(value: list[Model]) -> None:
    """The same for pydantic's, in a list that travels in an object."""
    output = OutputType.of(list[Model])
    whole = {"value": [one.model_dump() for one in value]}
    jsonschema.validate(whole, output.schema)
    assert output.parse(msgspec.json.encode(whole).decode()) == value


@given(text=st.text(), type=st.sampled_from([Step, Tree, Model, Picky, list[Step], dict, int, Colour, Point]))
def test_nothing_else_gets_out(text: str, type: Any) -> None:
    """Any text is an object or an error of ours."""
    with contextlib.suppress(OutputParseError):
        OutputType.of(type).parse(text)
