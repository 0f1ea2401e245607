"""Function tools: what functions and types tell the model, and what its arguments become."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import jsonschema
import msgspec
import openai
import pydantic
import pytest

from openai_async import FunctionTool, OutputParseError, function_tool, pydantic_function_tool
from openai_async.api.docstring import read_docstring
from openai_async.api.tools import argument_types
from openai_async.protocol.codec import dumps


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

    with pytest.raises(TypeError, match="structs in pydantic's types"):
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


def test_names_that_are_no_names() -> None:
    """A name that the API refuses is refused here."""
    with pytest.raises(TypeError, match="1 to 64"):
        function_tool(lambda: None)
    with pytest.raises(TypeError, match="1 to 64"):
        function_tool(City, name="a city")
    with pytest.raises(TypeError, match="function or a type"):
        function_tool(3)  # type: ignore[call-overload]


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
    with pytest.raises(TypeError, match="object"):
        function_tool(int)


@pytest.mark.parametrize("options", [{}, {"name": "other"}, {"description": "d"}])
def test_pydantic_function_tool(options: Any) -> None:
    """It makes the dict that the official SDK's helper makes."""
    tool = pydantic_function_tool(Weather, **options)
    assert isinstance(tool, FunctionTool)
    assert tool == openai.pydantic_function_tool(Weather, **options)
    assert tool.model is Weather


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
    ]
    types = argument_types(tools)
    assert types.keys() == {"ours", "theirs", "strict"}
    assert types["ours"].parse('{"city": "a"}') == types["theirs"].parse('{"city": "a"}') == Weather(city="a")
    assert types["strict"].parse('{"city": "a"}') == {"city": "a"}
    with pytest.raises(OutputParseError, match="strict"):
        types["strict"].parse("{")


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        (None, "", {}),
        ("Sum.", "Sum.", {}),
        ("Sum.\n\nArgs:\n    a: first\n    *b (int): second,\n        third\n\nReturns:\n    x: y", "Sum.",
         {"a": "first", "b": "second, third"}),
        ("Sum.\n\nParameters\n----------\na : int\n    first\nb, c\n    second\n\nReturns\n-------\nint\n    d", "Sum.",
         {"a": "first", "b": "second", "c": "second"}),
        ("Sum.\n\n:param a: first\n    second\n:param int b: third\n:returns: x", "Sum.",
         {"a": "first second", "b": "third"}),
        ("Sum.\n\nReturns:\n    a: b", "Sum.", {}),
        ("Note: not a section.\n\nMore.", "Note: not a section.\n\nMore.", {}),
    ],
)  # fmt: skip
def test_docstrings(text: str | None, description: str, parameters: dict[str, str]) -> None:
    """The three usual styles are read; what is none of them is description."""
    assert read_docstring(text) == (description, parameters)
