"""Strict JSON schemas: by the documented rules, and for pydantic models exactly the official SDK's."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar

import jsonschema
import msgspec
import pydantic
import pytest
import typing_extensions
from openai.lib._pydantic import to_strict_json_schema
from support import shared

from openai_async.protocol.output import OutputType
from openai_async.protocol.schema import holds_pydantic, raw_schema, strict_schema, text_of, written_doc
from openai_async.protocol.strictness import subschemas

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


class Chain(pydantic.BaseModel):
    link: Chain = pydantic.Field(default=None, description="the next one")


class Root(pydantic.RootModel[Location]):
    """A root."""


class Steps(pydantic.RootModel[list[Location]]):
    """Steps."""


class Own(pydantic.BaseModel):
    x: int

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Say more than pydantic would."""
        return {**super().model_json_schema(*args, **options), "description": "own"}


class GenericModel(pydantic.BaseModel, Generic[T]):
    item: T


class Various(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(title="Many")

    when: datetime
    pair: tuple[int, str]
    anything: Any = None
    located: Location = pydantic.Field(description="inlined")
    maybe: Location | None = pydantic.Field(None, description="not inlined")
    limited: int = pydantic.Field(3, ge=1, le=5, alias="limit")
    open: dict[str, Any] = {}
    default: int | None = None
    oneOf: str = "a property of that name"  # noqa: N815 - see its default


@pydantic.dataclasses.dataclass
class GenericEvent(Generic[T]):
    item: T


@dataclass
class Held:
    inner: list[Location] = field(default_factory=list)


@dataclass
class DataBox(Generic[T]):
    item: T


@dataclass
class Inherited(DataBox[Location]):
    more: int


@dataclass
class Registry:
    known: ClassVar[list[Location]] = []
    x: int = 0


@dataclass
class Documented:
    """Documented(x) is one."""

    x: int


class Told(msgspec.Struct, rename="camel"):
    by_text: Annotated[str, "a"]
    by_meta: Annotated[str, msgspec.Meta(description="b")]
    by_field: Annotated[str, pydantic.Field(description="c")]
    step: Annotated[Step, "d"]
    again: Annotated[Told, "e"]
    plain: str = ""


class Remark(TypedDict):
    about: typing_extensions.NotRequired[Annotated[Place, "f"]]


class Bag(msgspec.Struct):
    loose: dict[str, Any]
    typed: dict[str, Step]
    many: set[Annotated[str, msgspec.Meta(min_length=2)]]
    level: Annotated[int, msgspec.Meta(ge=1)]


class Empty(msgspec.Struct):
    pass


@dataclass
class Unmade:
    x: NotThere  # type: ignore[name-defined]  # noqa: F821 - that is the point


@dataclass
class Broken:
    x: sys.nothing  # type: ignore[name-defined]  # what the test is about


@dataclass
class Mixed:
    step: Step
    location: Location


TYPES: list[Any] = [
    Step, Tree, Owner, Point, Place, Pair, Box[Step], list[Step], list[Box[int]], Cat | Dog, Colour, int, str | None,
    tuple[int, str], Literal["a", "b"], Node, Location, Drawing, Event, list[Location],
    Location | None, Point | None, Root, Steps, Chain, Told, Remark, Various,
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
    for node in subschemas(schema):
        assert node.keys().isdisjoint({"discriminator", "oneOf"})
        assert "$ref" not in node or len(node) == 1


MODELS = [Location, Node, Shape, Other, Event, Root, Steps, Own, GenericModel[int], GenericModel[Location], Various]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_pydantic_models_as_the_official_sdk_has_them(model: Any) -> None:
    """A pydantic model's schema is the one that the official SDK sends, to the order of its keys."""
    official = pydantic.TypeAdapter(model) if model is Event else model
    assert msgspec.json.encode(strict_schema(model)) == msgspec.json.encode(to_strict_json_schema(official))


def test_discriminated_unions() -> None:
    """A discriminated union, which the official SDK sends as `oneOf`, is what the API takes: `anyOf`."""
    one = strict_schema(Drawing)["properties"]["one"]
    assert one.keys() == {"anyOf", "title"}


def test_tagged_unions() -> None:
    """A tagged union of structs is an `anyOf` whose members name their tags."""
    schema = strict_schema(Owner)
    assert schema["properties"]["pet"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    assert schema["$defs"]["Cat"]["properties"]["type"] == {"enum": ["Cat"], "type": "string"}
    assert schema["required"] == ["pet", "other"]


def test_recursion() -> None:
    """A recursive type refers to itself, also where the official SDK never comes to an end."""
    assert strict_schema(Tree)["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    with pytest.raises(RecursionError):
        to_strict_json_schema(Chain)
    schema = strict_schema(Chain)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["link"]["properties"]["link"] == {"$ref": "#/$defs/Chain"}
    assert schema["$defs"]["Chain"]["properties"]["link"] == {"$ref": "#/$defs/Chain"}
    assert OutputType.of(Chain).parse('{"link": {}}').link == Chain()


@pytest.mark.parametrize(
    "type", [complex, list[complex], Cat | Step, Unmade, Broken, Mixed, type(None) | Unmade], ids=str
)
def test_no_schema(type: Any) -> None:
    """A type without a schema is refused, whatever its annotations do."""
    with pytest.raises(TypeError, match="has no JSON schema"):
        strict_schema(type)


def test_no_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only pydantic could describe is refused where there is none."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(TypeError, match=r"has no JSON schema.*pydantic"):
        strict_schema(Location)


def test_descriptions() -> None:
    """A docstring describes its type, but not the one that Python writes for dataclasses; annotations their fields."""
    assert strict_schema(Tree)["description"] == "A tree."
    assert "description" not in strict_schema(Point)
    assert strict_schema(Documented)["description"] == "Documented(x) is one."
    assert written_doc(Point) is None
    schema = strict_schema(Told)
    told = {name: member.get("description") for name, member in schema["properties"].items()}
    assert told == {"byText": "a", "byMeta": "b", "byField": "c", "step": "d", "again": "e", "plain": None}
    assert schema["$defs"]["Told"]["properties"]["again"] == {"$ref": "#/$defs/Told"}
    assert schema["properties"]["step"]["required"] == ["text", "number"]
    assert strict_schema(list[Box[int]])["items"]["$ref"] == "#/$defs/Box_int_"
    assert strict_schema(Remark)["properties"]["about"]["description"] == "f"


def test_text_of() -> None:
    """A description is a text, or what has one; it may stand behind words like `NotRequired`."""
    assert text_of(typing_extensions.NotRequired[Annotated[int, 3, "a", "b"]]) == "a"
    assert text_of(Annotated[int, pydantic.Field(ge=1)]) == ""
    assert text_of(int) == ""


def test_dicts() -> None:
    """A dict of anything stays one: closed, it could only be empty."""
    assert strict_schema(dict[str, Any])["additionalProperties"] is True
    properties = strict_schema(Bag)["properties"]
    assert properties["loose"] == {"type": "object", "additionalProperties": True}
    assert properties["typed"] == {"type": "object", "additionalProperties": {"$ref": "#/$defs/Step"}}
    assert strict_schema(Empty)["additionalProperties"] is False


def test_constraints() -> None:
    """What strict mode refuses is left out, and checked when it is parsed; without strict mode it stays."""
    properties = strict_schema(Bag)["properties"]
    assert properties["many"] == {"type": "array", "items": {"type": "string"}}
    assert properties["level"] == {"type": "integer", "minimum": 1}
    assert raw_schema(Bag)["properties"]["many"] == {
        "type": "array",
        "items": {"type": "string", "minLength": 2},
        "uniqueItems": True,
    }


@pytest.mark.parametrize(
    ("type", "holds"),
    [
        (Step, False),
        (Tree, False),
        (list[Location], True),
        (dict[str, list[Event | int]], True),
        (Point, False),
        (Held, True),
        (Inherited, True),
        (GenericEvent[int], True),
        (NewType("Place2", Location), True),
        (pydantic.EmailStr, True),
        (Annotated[int, pydantic.Field(ge=1)], True),
        (Annotated[Step, pydantic.Field(description="d")], False),
        (Registry, False),
        (Told, False),
    ],
    ids=str,
)
def test_holds_pydantic(type: Any, holds: bool) -> None:  # noqa: FBT001 - what the table says
    """Pydantic's models are found wherever they are."""
    assert holds_pydantic(type) is holds


# What the official client sent when its test suite was recorded.


class Color(enum.Enum):
    """The detected color"""  # noqa: D415 - recorded without

    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class ColorDetection(pydantic.BaseModel):
    color: Color
    hex_color_code: str = pydantic.Field(description="The hex color code of the detected color")


@pydantic.dataclasses.dataclass
class CalendarEvent:
    name: str
    date: str
    participants: list[str]


class OptionalUnits(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(title="Location")

    city: str
    temperature: float
    units: Literal["c", "f"] | None = None


OptionalUnits.__name__ = "Location"

RECORDED = {
    "py_parse_pydantic_model": Location,
    "py_parse_max_tokens_reached": Location,
    "py_refusal_logprobs_events": Location,
    "pyparse_pydantic_model_refusal": Location,
    "pyparse_pydantic_dataclass": CalendarEvent,
    "pyparse_pydantic_model_enum": ColorDetection,
    "pyparse_pydantic_model_optional_default": OptionalUnits,
}


@shared.needs("recordings")
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_requests(name: str) -> None:
    """The `response_format` is the recorded one, to the order of its keys."""
    recorded = shared.load(f"recordings/{name}.request.json")["response_format"]
    assert msgspec.json.encode(OutputType.of(RECORDED[name]).response_format()) == msgspec.json.encode(recorded)
