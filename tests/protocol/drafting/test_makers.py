"""Objects made field by field."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import weakref
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import pydantic
import pytest

from openai_async.protocol.drafting.makers import dataclass_maker, model_maker, named_tuple_maker, struct_maker

T = TypeVar("T")


class Plain(msgspec.Struct):
    """A struct without code."""

    a: int
    b: list[int] = []


class Checked(msgspec.Struct):
    """A struct that would complain of every draft."""

    a: int
    b: list[int] = []

    def __post_init__(self):
        raise RuntimeError("it ran")


class Frozen(Checked, frozen=True, kw_only=True, eq=True, cache_hash=True):
    """A struct that does not change."""

    c: str


class Linked(Checked, dict=True, weakref=True, order=True):
    """A struct with all that one may have."""


class Untracked(msgspec.Struct, gc=False):
    """A struct that the garbage collector does not see."""

    a: int

    def __post_init__(self):
        raise RuntimeError("it ran")


class Renamed(Checked, rename="camel", tag="x", omit_defaults=True, forbid_unknown_fields=True):
    """A struct with other names in JSON."""

    first_name: str = "n"


class Listed(Checked, array_like=True, tag=True):
    """A struct that travels as an array."""


class Generics(Checked, Generic[T], kw_only=True):
    """A generic struct."""

    t: T


class Registered(Checked):
    """A struct that does not want to be derived from, nor to be changed."""

    def __init_subclass__(cls, **options):
        raise RuntimeError("it ran")

    def __setattr__(self, name, value):
        raise RuntimeError("it ran")


class Mixin:
    """A class that is no struct."""

    def hello(self):
        return "hello"


class Mixed(Mixin, Checked):
    """A struct of two classes."""


class Empty(msgspec.Struct):
    """A struct without fields."""

    def __post_init__(self):
        raise RuntimeError("it ran")


STRUCTS = [Plain, Checked, Frozen, Linked, Untracked, Renamed, Listed, Generics, Registered, Mixed, Empty]


@pytest.mark.parametrize("cls", STRUCTS, ids=lambda cls: cls.__name__)
def test_structs(cls):
    """A struct of every kind is made without its code, of its own class, with None where there is no value."""
    make = struct_maker(cls)
    nothing = make({})
    assert type(nothing) is cls
    assert [getattr(nothing, name) for name in cls.__struct_fields__] == [None] * len(cls.__struct_fields__)
    values = {name: [number] for number, name in enumerate(cls.__struct_fields__)}
    made = make(values)
    assert {name: getattr(made, name) for name in cls.__struct_fields__} == values
    assert make(values) == made
    assert copy.copy(made) == made
    assert make({}) == nothing
    assert bool(msgspec.json.encode(made))
    assert repr(made).startswith(f"{cls.__name__}(")
    assert msgspec.structs.asdict(made) == values


def test_structs_leave_nothing_behind():
    """No derived class is left of what it takes to make a struct."""
    struct_maker(Mixed)
    gc.collect()
    assert Mixed.__subclasses__() == []


@pytest.mark.parametrize("cls", [Linked, type("Both", (Linked,), {}, frozen=True)], ids=["mutable", "frozen"])
def test_structs_are_collected(cls):
    """A struct in a circle is found by the garbage collector."""
    circle: list[Any] = []
    made = struct_maker(cls)({"b": circle})
    circle.append(made)
    found = weakref.ref(made)
    del made, circle
    gc.collect()
    assert found() is None


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A frozen dataclass with slots."""

    x: int
    y: int = 3
    inner: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Guarded:
    """A dataclass that would complain."""

    x: int
    limit: dataclasses.InitVar[int] = 1
    fixed: int = dataclasses.field(init=False, default=5)
    seen: list[int] = dataclasses.field(init=False, default_factory=list)
    made: object = dataclasses.field(init=False, default_factory=lambda: 1 / 0)
    later: int = dataclasses.field(init=False)

    def __post_init__(self, limit):
        raise RuntimeError("it ran")


def test_dataclasses():
    """A dataclass is made without its code; fields that are no parameters have their default, if that runs nothing."""
    made = dataclass_maker(Point)({"x": 1})
    assert type(made) is Point
    assert (made.x, made.y, made.inner) == (1, None, None)
    make = dataclass_maker(Guarded)
    made, other = make({"x": 1}), make({})
    assert (made.x, made.fixed, made.seen, made.made, made.later) == (1, 5, [], None, None)
    assert (other.x, other.seen) == (None, [])
    assert made.seen is not other.seen


class Pair(NamedTuple):
    """A named tuple."""

    left: int
    right: int = 3


def test_named_tuples():
    """A named tuple has all its places."""
    make = named_tuple_maker(Pair)
    assert make({"left": 1}) == Pair(1, None)
    assert type(make({})) is Pair


class Model(pydantic.BaseModel):
    """A model that would complain."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow")
    name: str
    age: int = 3
    _plain: int = 1
    _list: list[int] = pydantic.PrivateAttr(default=[1])
    _new: list[int] = pydantic.PrivateAttr(default_factory=list)
    _made: object = pydantic.PrivateAttr(default_factory=lambda: 1 / 0)
    _bare: int = pydantic.PrivateAttr()

    def __init__(self, **_data):
        raise RuntimeError("it ran")

    def model_post_init(self, _context):
        raise RuntimeError("it ran")

    @pydantic.computed_field
    @property
    def shout(self) -> str:
        return self.name.upper()


def test_models():
    """A model is made without its code, and is one: it is dumped, copied, pickled and compared."""
    make = model_maker(Model)
    made = make({"name": "a", "more": [1]})
    assert type(made) is Model
    assert (made.name, made.age, made.shout) == ("a", None, "A")
    assert made.model_fields_set == {"name", "more"}
    assert made.model_extra == {"more": [1]}
    assert made.model_dump(exclude_unset=True) == {"name": "a", "more": [1], "shout": "A"}
    assert made == make({"name": "a", "more": [1]})
    assert made != make({"name": "b", "more": [1]})
    assert made.model_copy(update={"name": "b"}) == make({"name": "b", "more": [1]})
    assert pickle.loads(pickle.dumps(made)) == made


def test_private_attributes():
    """Private attributes have their default, each model its own, if that runs nothing."""
    make = model_maker(Model)
    made, other = make({}), make({})
    assert (made._plain, made._list, made._new) == (1, [1], [])
    assert made._list is not other._list
    for name in ("_made", "_bare"):
        with pytest.raises(AttributeError):
            getattr(made, name)
