"""What signatures tell: names, types, descriptions and defaults of parameters."""

from __future__ import annotations

import enum
import functools
import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pydantic
import pytest
from msgspec import UNSET
from support.names import name_of

from openai_async.api.signature import Parameter, read_signature

if TYPE_CHECKING:
    from elsewhere import Unknown  # type: ignore[import-not-found]  # as the test wants it


class Unit(enum.Enum):
    C = "c"


class City(msgspec.Struct):
    name: str


class Model(pydantic.BaseModel):
    x: int


def described(
    a: Annotated[str, "by text"],
    b: Annotated[str, msgspec.Meta(description="by meta")],
    c: Annotated[str, pydantic.Field(description="by field")],
    d: int,
    e: int,
) -> Unknown:
    """Do it.

    Args:
        a: not this
        b: not this
        c: not this
        d: by docstring
    """


def by_name(function: Any) -> dict[str, Parameter]:
    """A function's parameters."""
    return {one.name: one for one in read_signature(function).parameters}


def test_descriptions() -> None:
    """An annotation says it better than a docstring; what is returned need not be known."""
    signature = read_signature(described)
    assert (signature.name, signature.description) == ("described", "Do it.")
    told = [one.description for one in signature.parameters]
    assert told == ["by text", "by meta", "by field", "by docstring", ""]
    assert [one.type for one in signature.parameters][3] is int
    assert all(not one.optional and one.default is UNSET for one in signature.parameters)


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (3, 3),
        ("x", "x"),
        (False, False),
        (None, UNSET),
        (Unit.C, "c"),
        (City("Rome"), {"name": "Rome"}),
        (Model(x=1), {"x": 1}),
        ([Model(x=1)], [{"x": 1}]),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (b"abc", "YWJj"),
        (math.inf, UNSET),
        ([math.nan], UNSET),
        ("\ud800", UNSET),
        (object(), UNSET),
        (complex(1), UNSET),
    ],
    ids=name_of,
)
def test_defaults(default: Any, expected: Any) -> None:
    """A default is told as JSON has it, if JSON has it and it is not null."""

    def function(x: Any = default) -> None: ...

    parameter = by_name(function)["x"]
    assert parameter.optional
    assert parameter.default == expected


def test_defaults_are_copied() -> None:
    """A default that is changed later changes no signature."""
    given = [1]

    def function(x: Any = given) -> None: ...

    parameter = by_name(function)["x"]
    given.append(2)
    assert parameter.default == [1]


class Clock:
    """A clock."""

    def now(self, zone: str) -> str:
        """Tell the time."""
        return zone

    @classmethod
    def make(cls, zone: str) -> Clock:
        """Make one."""
        raise NotImplementedError

    @staticmethod
    def ask(zone: str) -> str:
        """Ask."""
        return zone

    def __call__(self, zone: str, *, long: bool = False) -> str:
        """Say it.

        Args:
            zone: the zone
        """
        return f"{zone} {long}"


class Silent:
    def __call__(self, zone: str) -> str:
        """Say it."""
        return zone


def wrapping(function: Any) -> Any:
    """Decorate a function as most decorators do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def plan(city: City, days: int = 1) -> str:
    """Plan."""
    return f"{city} {days}"


@pytest.mark.parametrize(
    ("function", "name", "description", "parameters"),
    [
        (plan, "plan", "Plan.", ["city", "days"]),
        (Clock().now, "now", "Tell the time.", ["zone"]),
        (Clock.make, "make", "Make one.", ["zone"]),
        (Clock.ask, "ask", "Ask.", ["zone"]),
        (Clock(), "Clock", "A clock.", ["zone", "long"]),
        (Silent(), "Silent", "Say it.", ["zone"]),
        (functools.partial(plan, days=2), "plan", "Plan.", ["city"]),
        (functools.partial(plan, City("Rome")), "plan", "Plan.", ["days"]),
        (functools.partial(Clock(), long=True), "Clock", "A clock.", ["zone"]),
        (functools.partial(functools.partial(plan, days=2)), "plan", "Plan.", ["city"]),
        (wrapping(plan), "plan", "Plan.", ["city", "days"]),
        (wrapping(wrapping(Clock().now)), "now", "Tell the time.", ["zone"]),
        (functools.cache(plan), "plan", "Plan.", ["city", "days"]),
    ],
    ids=name_of,
)
def test_callables(function: Any, name: str, description: str, parameters: list[str]) -> None:
    """Whatever can be called says the same as the function in it, without what it is given already."""
    signature = read_signature(function)
    assert (signature.name, signature.description) == (name, description)
    assert [one.name for one in signature.parameters] == parameters


def test_objects_that_are_called() -> None:
    """Of an object that can be called, the method describes the parameters."""
    assert by_name(Clock())["zone"].description == "the zone"
    assert by_name(Clock())["long"].default is False


class Wrong:
    """Functions that are no tools."""

    @staticmethod
    def unresolved(x: Unknown) -> None: ...

    @staticmethod
    def dotted(x: math.nothing) -> None: ...  # type: ignore[name-defined]  # what the test is about

    @staticmethod
    def positional(x: int, /) -> None: ...

    @staticmethod
    def many(*x: int) -> None: ...

    @staticmethod
    def named(**x: int) -> None: ...

    @staticmethod
    def bare(x, y: int) -> None: ...  # type: ignore[no-untyped-def]  # what the test is about


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (Wrong.unresolved, "unresolved.*Unknown.*module"),
        (Wrong.dotted, "dotted.*nothing"),
        (Wrong.positional, "x of positional.*by name"),
        (Wrong.many, r"\*x of many.*by name"),
        (Wrong.named, r"\*\*x of named.*by name"),
        (Wrong.bare, "'x' of bare.*write x: str"),
        (Clock.now, r"'self' of now.*function_tool\(thing.method\)"),
        (range, "no annotation|no signature"),
        (print, "by name"),
    ],
    ids=name_of,
)
def test_what_a_model_cannot_give(function: Any, told: str) -> None:
    """A parameter that a model can't give is named, with what to do."""
    with pytest.raises(TypeError, match=told):
        read_signature(function)
