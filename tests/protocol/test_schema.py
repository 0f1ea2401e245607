"""Strict JSON schemas: by the documented rules, and for pydantic models exactly the official SDK's."""

from __future__ import annotations

import copy
import enum
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar

import jsonschema
import msgspec
import pydantic
import pytest
from openai.lib._pydantic import to_strict_json_schema
from support import shared

from openai_async.protocol.output import OutputType
from openai_async.protocol.schema import holds_pydantic, strict, strict_schema

T = TypeVar("T")


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Step(msgspec.Struct):
    text: str
    number: int = 0


class Tree(msgspec.Struct):
    """A tree."""

    value: int
    children: list[Tree] = []


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    good: bool


class Owner(msgspec.Struct):
    pet: Cat | Dog
    other: Cat | None = None


@dataclass
class Point:
    x: int
    y: float | None = None


class Place(TypedDict, total=False):
    city: str
    country: Literal["GB", "DE"]


class Pair(NamedTuple):
    a: int
    b: str


class Box(msgspec.Struct, Generic[T]):
    item: T


class Location(pydantic.BaseModel):
    city: str
    temperature: float
    units: Literal["c", "f"]


class Node(pydantic.BaseModel):
    """A node."""

    value: int = pydantic.Field(description="its value")
    next: Optional[Node] = None  # noqa: UP045 - as users write it
    colour: Colour = pydantic.Field(default=Colour.RED, description="painted")


class Shape(pydantic.BaseModel):
    kind: Literal["a"] = "a"


class Other(pydantic.BaseModel):
    kind: Literal["b"] = "b"
    shape: Shape = pydantic.Field(description="inlined, as it has a description")


class Drawing(pydantic.BaseModel):
    shapes: list[Shape | Other]
    one: Annotated[Shape | Other, pydantic.Field(discriminator="kind")]
    names: dict[str, int] = {}


@pydantic.dataclasses.dataclass
class Event:
    name: str
    participants: list[str]


TYPES: list[Any] = [
    Step, Tree, Owner, Point, Place, Pair, Box[Step], list[Step], list[Box[int]], Cat | Dog, Colour, int, str | None,
    dict[str, Step], tuple[int, str], Literal["a", "b"], Node, Location, Drawing, Event, list[Location],
    Location | None, dict[str, Node], Point | None,
]  # fmt: skip


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object's schema inside a schema."""
    found = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    members = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return found + [inner for member in members for inner in objects(member)]


@pytest.mark.parametrize("type", TYPES, ids=str)
def test_strict(type: Any) -> None:
    """At the root is an object; all objects require everything and allow nothing else; no keyword is refused."""
    schema = OutputType.of(type).schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert "anyOf" not in schema
    for found in objects(schema):
        assert "additionalProperties" in found
        assert found.get("required", []) == list(found.get("properties", {}))
    text = msgspec.json.encode(schema).decode()
    assert "discriminator" not in text
    assert "oneOf" not in text


@pytest.mark.parametrize("model", [Location, Node, Shape, Other, Event], ids=lambda model: model.__name__)
def test_pydantic_models_as_the_official_sdk_has_them(model: Any) -> None:
    """A pydantic model's schema is the one that the official SDK sends."""
    official = pydantic.TypeAdapter(model) if model is Event else model
    assert strict_schema(model) == to_strict_json_schema(official)


def test_discriminated_unions() -> None:
    """A discriminated union, which the official SDK sends as `oneOf`, is what the API takes: `anyOf`."""
    one = strict_schema(Drawing)["properties"]["one"]
    assert one.keys() == {"anyOf", "title"}


def test_tagged_unions() -> None:
    """A tagged union of structs is an `anyOf` whose members name their tags."""
    schema = strict_schema(Owner)
    assert schema["properties"]["pet"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    assert schema["$defs"]["Cat"]["properties"]["type"] == {"enum": ["Cat"]}
    assert schema["required"] == ["pet", "other"]


def test_recursion() -> None:
    """A recursive type refers to itself, also where the official SDK never comes to an end."""
    assert strict_schema(Tree)["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}

    class Chain(pydantic.BaseModel):
        link: Chain | None = pydantic.Field(default=None, description="the next one")

    described = {"$defs": {"C": {"type": "object", "properties": {"c": {"$ref": "#/$defs/C", "description": "d"}}}}}
    made = strict({**described, "$ref": "#/$defs/C"})
    jsonschema.Draft202012Validator.check_schema(made)
    assert OutputType.of(Chain).parse('{"link": {"link": null}}').link == Chain(link=None)


def test_rules() -> None:
    """Null defaults, discriminators and single `allOf` go; other defaults and open objects stay."""
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"], "default": None},
            "b": {"type": "string", "default": "x"},
            "c": {"allOf": [{"type": "integer"}], "description": "kept"},
            "d": {"type": "object", "additionalProperties": True},
            "e": {"oneOf": [{"type": "object", "properties": {}}, {"$ref": "#/definitions/E"}], "discriminator": {}},
            "f": {"$ref": "#/definitions/E", "description": "inlined"},
            "g": {"type": "array", "prefixItems": [{"type": "object", "properties": {"h": {}}}]},
        },
        "definitions": {"E": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    }
    before = copy.deepcopy(schema)
    made = strict(schema)
    assert schema == before
    properties = made["properties"]
    assert made["required"] == list("abcdefg")
    assert properties["a"] == {"type": ["string", "null"]}
    assert properties["b"] == {"type": "string", "default": "x"}
    assert properties["c"] == {"type": "integer", "description": "kept"}
    assert properties["d"] == {"type": "object", "additionalProperties": True}
    closed = {"type": "object", "properties": {}, "additionalProperties": False, "required": []}
    assert properties["e"] == {"anyOf": [closed, {"$ref": "#/definitions/E"}]}
    assert properties["f"]["description"] == "inlined"
    assert properties["f"]["required"] == ["x"]
    assert properties["g"]["prefixItems"][0]["additionalProperties"] is False


def test_no_schema() -> None:
    """A type without a schema, and a reference that leads nowhere, are refused by name."""
    with pytest.raises(TypeError, match="complex"):
        strict_schema(complex)
    with pytest.raises(TypeError, match="#/nowhere"):
        strict({"$ref": "#/nowhere", "title": "x"})


def test_docstrings() -> None:
    """A docstring describes its type, but not the one that Python writes for dataclasses."""
    assert strict_schema(Tree)["description"] == "A tree."
    assert "description" not in strict_schema(Point)


@pytest.mark.parametrize(
    ("type", "holds"),
    [(Step, False), (Tree, False), (list[Location], True), (dict[str, list[Event | int]], True), (Point, False)],
    ids=str,
)
def test_holds_pydantic(type: Any, holds: bool) -> None:  # noqa: FBT001 - what the table says
    """Pydantic's models are found wherever they are."""
    assert holds_pydantic(type) is holds


@shared.needs("recordings")
def test_recorded_requests() -> None:
    """The official client's own requests, as far as its models are known here, have our schema."""
    request = shared.load("recordings/py_parse_pydantic_model.request.json")
    assert request["response_format"] == OutputType.of(Location).response_format()
