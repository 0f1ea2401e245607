"""Function tools: what functions and types tell the model, and what its arguments become."""

from __future__ import annotations

import copy
import enum
import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, NewType, TypedDict, TypeVar

import jsonschema
import msgspec
import openai
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shared

from openai_async import FunctionTool, OutputParseError, function_tool, pydantic_function_tool
from openai_async.api.tools import argument_types
from openai_async.protocol.codec import dumps

T = TypeVar("T")


class City(msgspec.Struct):
    """A city."""

    name: str
    size: int = 0


@dataclass
class Point:
    x: int


class Place(TypedDict):
    city: str


class Weather(pydantic.BaseModel):
    """Look up the weather.

    In a city.
    """

    city: str
    units: Literal["c", "f"] = "c"


class Silent(pydantic.BaseModel):
    city: str


class Described(pydantic.BaseModel):
    """Described(x) is how this docstring begins."""

    city: str = pydantic.Field(description="a city")
    near: Weather | None = pydantic.Field(None, description="another")
    at: Silent = pydantic.Field(description="inlined")


class GenericModel(pydantic.BaseModel, Generic[T]):
    """Any item."""

    item: T


class Box(msgspec.Struct, Generic[T]):
    """A box."""

    item: T


class Unit(enum.Enum):
    C = "c"
    F = "f"


async def get_weather(
    city: Annotated[str, "Its English name."],
    at: City | None = None,
    *,
    unit: Literal["c", "f"] = "c",
    places: list[Point] = [],  # noqa: B006 - as users write it
) -> str:
    """Look up the weather.

    It takes a while.

    Args:
        city: Told better by the annotation.
        unit (str): Celsius,
            or Fahrenheit.

    Returns:
        A sentence.
    """
    return f"{city} {at} {unit} {places}"


def test_functions() -> None:
    """A function's name, docstring and parameters make the tool."""
    tool = function_tool(get_weather)
    function = tool["function"]
    assert (tool.name, function["strict"]) == ("get_weather", True)
    assert function["description"] == "Look up the weather.\n\nIt takes a while."
    schema = function["parameters"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["city", "at", "unit", "places"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["city"]["description"] == "Its English name."
    assert properties["unit"]["description"] == "Celsius, or Fahrenheit."
    assert (properties["unit"]["default"], properties["unit"]["enum"]) == ("c", ["c", "f"])
    assert msgspec.json.decode(dumps({"tools": [tool]})) == {"tools": [{"type": "function", "function": function}]}


def test_bound_arguments() -> None:
    """The model's text becomes keyword arguments of the parameters' types; those left out keep their defaults."""

    def plan(city: str, at: City | None = None, days: int = 3) -> Any:
        return city, at, days

    tool = function_tool(plan)
    assert tool.function is not None
    assert tool.function(**tool.bind('{"city": "Rome", "at": {"name": "a"}}')) == ("Rome", City("a"), 3)
    assert function_tool(get_weather).bind('{"city": "R", "places": [{"x": 1}]}')["places"] == [Point(1)]

    def look_up(places: list[Weather]) -> Any:
        return places

    assert function_tool(look_up).bind('{"places": [{"city": "b"}]}') == {"places": [Weather(city="b")]}

    def mixed(city: City, weather: Weather) -> None: ...

    with pytest.raises(
        TypeError, match=r"parameters of mixed\(\) can't be described together.*structs in pydantic's types"
    ):
        function_tool(mixed)
    for text in ("{", '{"city": 1}', "{}", "[]"):
        with pytest.raises(OutputParseError, match="plan") as caught:
            tool.bind(text)
        assert caught.value.text == text


def test_decorated() -> None:
    """A decorated function is a tool, and can be called as before."""

    @function_tool
    def add(a: int, b: int = 1) -> int:
        return a + b

    @function_tool(name="sum", description="Adds.", strict=False)
    def other(a: int, b: int = 1) -> int:
        return a + b

    assert (add(1, b=2), other(1)) == (3, 2)
    assert (add.name, other.name) == ("add", "sum")
    assert "description" not in add["function"]
    assert other["function"]["description"] == "Adds."
    assert other["function"]["strict"] is False
    assert other["function"]["parameters"]["required"] == ["a"]
    assert function_tool(add) is add


class Clock:
    """A clock."""

    def now(self, zone: str) -> str:
        """Tell the time."""
        return zone

    def __call__(self, zone: str) -> str:
        return zone


def test_other_callables() -> None:
    """Methods, callable objects and partial functions are tools as well; a function may have no parameters."""
    method = function_tool(Clock().now)
    assert (method.name, method["function"]["description"]) == ("now", "Tell the time.")
    assert list(method["function"]["parameters"]["properties"]) == ["zone"]
    called = function_tool(Clock(), name="clock")
    assert called.function is not None
    assert called.function(**called.bind('{"zone": "UTC"}')) == "UTC"
    partial = function_tool(functools.partial(get_weather, unit="f"))
    assert partial.name == "get_weather"
    assert "unit" not in partial["function"]["parameters"]["properties"]

    def nothing() -> None: ...

    parameters = function_tool(nothing)["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert function_tool(nothing).bind("") == {}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def f(a): ...", "'a' of f"),
        ("def f(*a: int): ...", r"\*a"),
        ("def f(**a: int): ...", r"\*\*a"),
        ("def f(a: int, /): ...", "by name"),
        ("def f(a: 'Missing'): ...", "Missing"),
        ("def f(a: complex): ...", "complex"),
        ("def f(a: 'list['): ...", "resolved"),
        ("import json\ndef f(a: 'json.nope'): ...", "resolved"),
    ],
)
def test_functions_that_are_no_tools(source: str, told: str) -> None:
    """A parameter that a model can't give is named, with what to do."""
    space: dict[str, Any] = {}
    exec(source, space)
    with pytest.raises(TypeError, match=told):
        function_tool(space["f"])


def test_a_function_with_everything() -> None:
    """Enum members, objects and lists are defaults as well, described once and for all, and JSON."""

    def plan(
        unit: Unit = Unit.C,
        city: City = City("Rome"),  # noqa: B008 - as users write it
        limit: float = float("inf"),
        tags: dict[str, int] | None = None,
        pair: tuple[int, int] = (1, 2),
    ) -> None:
        """Plan.

        Args:
            city: where
        """

    tool = function_tool(plan)
    properties = tool["function"]["parameters"]["properties"]
    assert properties["unit"] == {"default": "c", "title": "Unit", "enum": ["c", "f"], "type": "string"}
    assert properties["city"]["default"] == {"name": "Rome", "size": 0}
    assert properties["city"]["description"] == "where"
    assert properties["limit"] == {"type": "number"}
    assert properties["pair"]["default"] == [1, 2]
    assert all("default" not in properties[name] for name in ("limit", "tags"))
    dumps(tool)
    dumps(function_tool(plan, strict=False))
    assert tool.bind('{"unit": "f"}') == {"unit": Unit.F}


def test_fields_of_pydantic() -> None:
    """A parameter may be annotated as pydantic's are: the model is told, and the value is checked."""

    def find(
        city: Annotated[str, pydantic.Field(description="a city", min_length=2)], at: Weather | None = None
    ) -> None: ...

    def search(city: Annotated[str, pydantic.Field(description="a city")], at: City) -> None: ...

    properties = function_tool(find)["function"]["parameters"]["properties"]
    assert properties["city"] == {"description": "a city", "title": "City", "type": "string"}
    assert function_tool(find).bind('{"city": "Rome", "at": {"city": "a"}}')["at"] == Weather(city="a")
    with pytest.raises(OutputParseError, match=r"at least 2 characters at \$\.city"):
        function_tool(find).bind('{"city": "R"}')
    assert function_tool(search)["function"]["parameters"]["properties"]["city"]["description"] == "a city"
    assert function_tool(search).bind('{"city": "R", "at": {"name": "a"}}')["at"] == City("a")


def test_no_arguments() -> None:
    """A model that writes nothing gives no arguments; if some are missing, that is what the error says of its text."""

    def nothing() -> None: ...

    assert function_tool(nothing).bind("") == function_tool(nothing).bind(" \n") == {}
    with pytest.raises(OutputParseError, match="city") as caught:
        function_tool(get_weather).bind("")
    assert caught.value.text == ""


def test_copies() -> None:
    """A tool can be copied, as whole requests sometimes are."""
    tool = function_tool(get_weather)
    tool.bind('{"city": "Rome"}')
    for twin in (copy.copy(tool), copy.deepcopy(tool)):
        assert isinstance(twin, FunctionTool)
        assert (twin, twin.output, twin.function) == (tool, tool.output, get_weather)


def test_names() -> None:
    """A name is made valid if it is Python's, and refused if it is given or nothing is left of it."""

    def x(x: int) -> None: ...

    x.__name__ = "größe"
    assert function_tool(x).name == "gr_e"
    x.__name__ = "x" * 70
    assert function_tool(x).name == "x" * 64
    x.__name__ = "天気"
    for wrong, name in ((x, None), (lambda: None, None), (City, "a city"), (City, "x" * 65), (City, "")):
        with pytest.raises(TypeError, match="1 to 64"):
            function_tool(wrong, name=name)
    assert function_tool(lambda: None, name="nothing").name == "nothing"


def test_no_tools() -> None:
    """What is neither a function nor the type of an object is no tool."""
    with pytest.raises(TypeError, match="function or a type"):
        function_tool(3)  # type: ignore[call-overload]  # no tool
    for wrong in (list[int], int, City | None, NewType("Count", int)):
        with pytest.raises(TypeError, match="arguments of a tool are an object"):
            function_tool(wrong)


@pytest.mark.parametrize("type", [City, Point, Place, Weather])
def test_types(type: Any) -> None:
    """A type's fields are the arguments, parsed to an object of it."""
    tool = function_tool(type)
    assert (tool.name, tool.model, tool.function) == (type.__name__, type, None)
    values = {"city": "Rome", "name": "Rome", "x": 1}
    known = tool["function"]["parameters"]["properties"]
    text = msgspec.json.encode({name: value for name, value in values.items() if name in known}).decode()
    assert tool.output.parse(text) == type(**msgspec.json.decode(text))
    with pytest.raises(TypeError, match="no function"):
        tool()


def test_generic_types() -> None:
    """A generic type with its arguments is one."""
    for type, name in ((Box[City], "Box_City"), (GenericModel[int], "GenericModel_int")):
        tool = function_tool(type)
        assert tool.name == name
        assert pydantic_function_tool(type).name == name
    assert function_tool(Box[City])["function"]["description"] == "A box."
    assert function_tool(Box[City], description="d")["function"]["description"] == "d"
    assert function_tool(Box[City]).output.parse('{"item": {"name": "a"}}') == Box(City("a"))
    assert "description" not in pydantic_function_tool(Point)["function"]
    assert function_tool(NewType("Town", City)).output.parse('{"name": "a"}') == City("a")


@pytest.mark.parametrize("model", [Weather, Silent, Described])
@pytest.mark.parametrize("options", [{}, {"name": "other"}, {"description": "d"}, {"description": ""}])
def test_pydantic_function_tool(model: Any, options: Any) -> None:
    """It makes the dict that the official SDK's helper makes, to the order of its keys."""
    tool = pydantic_function_tool(model, **options)
    assert isinstance(tool, FunctionTool)
    assert dumps(tool) == dumps(openai.pydantic_function_tool(model, **options))
    assert tool.model is model


@shared.needs("recordings")
def test_recorded_requests() -> None:
    """The tools of the official client's recorded requests."""

    class GetWeatherArgs(pydantic.BaseModel):
        city: str
        country: str
        units: Literal["c", "f"] = "c"

    class GetStockPrice(pydantic.BaseModel):
        ticker: str
        exchange: str

    def recorded(name: str) -> bytes:
        return dumps(shared.load(f"recordings/{name}.request.json")["tools"])

    assert dumps([pydantic_function_tool(GetWeatherArgs)]) == recorded("pyparse_pydantic_tool")
    GetWeatherArgs.__doc__ = "Get the temperature for the given country/city combo"
    GetWeatherArgs.model_rebuild(force=True)
    price = pydantic_function_tool(
        GetStockPrice, name="get_stock_price", description="Fetch the latest price for a given ticker"
    )
    assert dumps([pydantic_function_tool(GetWeatherArgs), price]) == recorded("py_parse_multiple_pydantic_tools")


ARGUMENTS = st.fixed_dictionaries(
    {"city": st.text()},
    optional={
        "at": st.none() | st.builds(City, st.text(), st.integers(-(2**63), 2**63 - 1)),
        "unit": st.sampled_from("cf"),
        "places": st.lists(st.builds(Point, st.integers(-(2**63), 2**63 - 1)), max_size=3),
    },
)


@given(arguments=ARGUMENTS)
def test_round_trip(arguments: dict[str, Any]) -> None:
    """Arguments that are encoded are bound to equal ones; with a schema that is not strict they may be left out."""
    tool = function_tool(get_weather, strict=False)
    text = msgspec.json.encode(arguments).decode()
    jsonschema.validate(msgspec.json.decode(text), tool["function"]["parameters"])
    assert tool.bind(text) == arguments


def test_argument_types() -> None:
    """Tools made of types are parsed to them, the official SDK's too, strict ones to plain data, others not at all."""
    plain = {"name": "plain", "parameters": {}}
    tools: list[Any] = [
        pydantic_function_tool(Weather, name="ours"),
        openai.pydantic_function_tool(Weather, name="theirs"),
        {"type": "function", "function": {**plain, "strict": True, "name": "strict"}},
        {"type": "function", "function": plain},
        {"type": "custom", "custom": {"name": "custom"}},
        {"type": "function"},
        MappingProxyType({"function": MappingProxyType({"name": "mapping", "strict": True})}),
        function_tool(City, strict=False),
        "no tool",
    ]
    types = argument_types(tools)
    assert types.keys() == {"ours", "theirs", "strict", "mapping", "City"}
    assert types["theirs"] is argument_types(tools)["theirs"]
    assert types["ours"].parse('{"city": "a"}') == types["theirs"].parse('{"city": "a"}') == Weather(city="a")
    assert types["strict"].parse('{"city": "a"}') == {"city": "a"}
    with pytest.raises(OutputParseError, match="strict"):
        types["strict"].parse("{")
