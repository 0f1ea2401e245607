"""The types of a class's fields."""

from __future__ import annotations

import dataclasses
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import pytest
import typing_extensions

from openai_async.protocol.drafting.hints import field_types, members_of, stripped

T = TypeVar("T")
U = TypeVar("U", bound=int)


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """A generic class that holds itself."""

    items: list[T]
    next: Page[T] | None = None


class Book(Page[dict[str, T]], Generic[T], kw_only=True):
    """A class whose T is not its base's."""

    title: T


class Novel(Book[int], kw_only=True):
    """A class that says what T is, and says a field anew."""

    title: str
    year: Annotated[int, "AD"]


class Movie(TypedDict, Generic[T], total=False):
    """A generic TypedDict."""

    name: Required[T]
    year: NotRequired[int]


class Sequel(Movie[str]):
    """A TypedDict that says what T is."""

    number: typing_extensions.ReadOnly[int]


class Pair(NamedTuple, Generic[T]):
    """A generic named tuple."""

    left: T
    right: list[T]


@dataclasses.dataclass
class Data(Generic[T, U]):
    """A generic dataclass."""

    table: dict[T, U]
    fixed: Final[int]
    shared: ClassVar[int] = 1


@dataclasses.dataclass
class Derived(Data[str, bool]):
    """A dataclass that says what they are."""


@pytest.mark.parametrize(
    ("cls", "arguments", "types"),
    [
        (Page, [int], {"items": list[int], "next": Optional[Page[int]]}),  # noqa: UP045 - another object, equal
        (Book, [int], {"items": list[dict[str, int]], "title": int}),
        (Novel, [], {"items": list[dict[str, int]], "title": str, "year": int}),
        (Movie, [int], {"name": int, "year": int}),
        (Sequel, [], {"name": str, "year": int}),
        (Pair, [int], {"left": int, "right": list[int]}),
        (Data, [str, int], {"table": dict[str, int]}),
        (Derived, [], {"table": dict[str, bool]}),
        (Page, [], {"items": list[T]}),
        (object, [], {}),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_field_types(cls, arguments, types):
    """Type variables are what the class, or its base, says they are; each class's own T is its own."""
    found = field_types(cls, arguments)
    assert {name: found[name] for name in types} == types


def test_all_fields():
    """All annotated names are there, those of base classes first."""
    assert list(field_types(Novel)) == ["items", "next", "title", "year"]
    assert set(field_types(Sequel)) == {"name", "year", "number"}


class Lost(msgspec.Struct):
    """A class whose annotation leads nowhere."""

    a: Nowhere  # noqa: F821 - that is what it tests


def test_lost():
    """A name that is not there is told."""
    with pytest.raises(NameError, match="Nowhere"):
        field_types(Lost)


Id = NewType("Id", int)
Either = typing_extensions.TypeAliasType("Either", list[T] | T, type_params=(T,))


@pytest.mark.parametrize(
    ("annotation", "type"),
    [
        (int, int),
        (Annotated[int, "x"], int),
        (Annotated[Final[int], "x"], int),
        (NotRequired[int], int),
        (typing_extensions.ReadOnly[Required[int]], int),
        (Id, int),
        (T, Any),
        (U, int),
        (list[Annotated[int, "x"]], list[Annotated[int, "x"]]),
        (Either[int], list[int] | int),
    ],
    ids=repr,
)
def test_stripped(annotation, type):
    """What an annotation says beside the type is gone, as far as it stands outside."""
    assert stripped(annotation) == type


@pytest.mark.parametrize(
    ("annotation", "members"),
    [
        (int, [int]),
        (int | None, [int, type(None)]),
        (Union[int, str], [int, str]),  # noqa: UP007 - another object
        (Annotated[int | str, "x"] | None, [int, str, type(None)]),
        (Either[str] | Id, [list[str], str, int]),
    ],
    ids=repr,
)
def test_members(annotation, members):
    """Unions are taken apart, unions in them too, in their order."""
    assert members_of(annotation) == members
