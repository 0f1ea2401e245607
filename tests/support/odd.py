"""Values that nobody should pass and somebody will, each with what it is as JSON, if it is anything.

A table comes out: by name what makes the value (anew each time: some can be used once), and the plain data that has to
arrive where JSON is sent. What holds text holds `SECRET`, so that a message that shows a value gives itself away.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import io
import itertools
import pathlib
import types
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import pydantic

from openai_async import OpenAIError, not_given, omit

__all__ = ["ODD", "REFUSED", "SECRET", "Loud", "Odd", "Word", "check_refusal", "deep", "pairs_of"]

SECRET: Final = "hunter2 prompt"
REFUSED: Final = object()


class Odd(NamedTuple):
    """A value.

    Attributes:
        make: Makes it.
        plain: What it is as JSON; `REFUSED`: nothing.
    """

    make: Callable[[], Any]
    plain: Any


class Whole:
    """A number as numpy has them."""

    def __index__(self) -> int:
        return 3

    def __int__(self) -> int:
        return 3


class Broken:
    """Likewise, with a point."""

    def __float__(self) -> float:
        return 0.5


class Colour(enum.Enum):
    """Names for texts."""

    RED = SECRET


class Word(str, enum.Enum):  # noqa: UP042 - a StrEnum prints as what it is
    """Names for texts, which are texts themselves, and print as something else."""

    RED = SECRET


class Level(enum.IntEnum):
    """Names for numbers."""

    HIGH = 3


class Loud(str):
    """A text that prints as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"

    def __format__(self, spec: str) -> str:
        return "LOUD"


class Liar(int):
    """A number that says that it is another."""

    def __int__(self) -> int:
        return 7

    def __index__(self) -> int:
        return 7


@dataclass
class Data:
    """A dataclass."""

    text: str = SECRET


class Struct(msgspec.Struct):
    """A struct of msgspec's."""

    text: str = SECRET


class Model(pydantic.BaseModel):
    """A model of pydantic's, which can be iterated."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    text: str = ""
    thing: object = None


class Endless:
    """What is a model of itself, as a mock is."""

    def model_dump(self, **_: object) -> Endless:
        return self


class Hidden:
    """An object that can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError(SECRET)


class NoItems:
    """What says that it can be iterated, and can't, as a numpy array of no dimensions."""

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("iteration over a 0-d array")


@dataclass
class View(Mapping[str, Any]):
    """A mapping that is no dict."""

    inner: dict[str, Any] = field(default_factory=lambda: {"x": 1})

    def __getitem__(self, key: str) -> Any:
        return self.inner[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


async def _later() -> str:
    return SECRET


def _coroutine() -> Any:
    coroutine = _later()
    coroutine.close()  # nobody awaits it: it need not warn
    return coroutine


async def _items() -> AsyncIterator[str]:
    yield SECRET


def _itself() -> list[Any]:
    value: list[Any] = [SECRET]
    value.append({"again": value})
    return value


def deep(levels: int, *, objects: bool = False) -> Any:
    """A text in as many arrays, or objects."""
    value: Any = SECRET
    for _ in range(levels):
        value = {"a": value} if objects else [value]
    return value


# Kept: taking ten thousand levels apart takes its time, each time.
_DEEP, _DEEP_OBJECTS = deep(10_000), deep(10_000, objects=True)


def _used_up() -> Iterator[int]:
    used = iter([1])
    next(used)
    return used


ODD: Final[dict[str, Odd]] = {
    # What JSON has, of any type.
    "null": Odd(lambda: None, None),
    "true": Odd(lambda: True, True),
    "false": Odd(lambda: False, False),
    "zero": Odd(lambda: 0, 0),
    "five": Odd(lambda: 5, 5),
    "below zero": Odd(lambda: -1, -1),
    "half": Odd(lambda: 1.5, 1.5),
    "text": Odd(lambda: SECRET, SECRET),
    "no text": Odd(str, ""),
    "NUL": Odd(lambda: f"{SECRET}\0", f"{SECRET}\0"),
    "line break": Odd(lambda: f"{SECRET}\r\nx-evil: 1", f"{SECRET}\r\nx-evil: 1"),
    "other letters": Odd(lambda: "\u2603é😀\u2028", "\u2603é😀\u2028"),
    "long text": Odd(lambda: "x" * 2**15, "x" * 2**15),
    "list": Odd(lambda: [SECRET], [SECRET]),
    "dict": Odd(lambda: {"x": 1}, {"x": 1}),
    "large number": Odd(lambda: 2**70, 2**70),
    # Other ways to say the same.
    "tuple": Odd(lambda: (1, SECRET), [1, SECRET]),
    "set": Odd(lambda: {1}, [1]),
    "range": Odd(lambda: range(2), [0, 1]),
    "generator": Odd(lambda: (number for number in range(2)), [0, 1]),
    "iterator used up": Odd(_used_up, []),
    "dict view": Odd({"a": 1}.values, [1]),
    "text of a class": Odd(lambda: Loud(SECRET), SECRET),
    "number of a class": Odd(lambda: Liar(5), 5),
    "enum": Odd(lambda: Colour.RED, SECRET),
    "text enum": Odd(lambda: Word.RED, SECRET),
    "number enum": Odd(lambda: Level.HIGH, 3),
    "ordered dict": Odd(lambda: collections.OrderedDict(x=1), {"x": 1}),
    "default dict": Odd(lambda: collections.defaultdict(list, x=1), {"x": 1}),
    "proxy": Odd(lambda: types.MappingProxyType({"x": 1}), {"x": 1}),
    "mapping": Odd(View, {"x": 1}),
    "text as a key": Odd(lambda: {Word.RED: 1}, {SECRET: 1}),
    "pydantic": Odd(lambda: Model(text=SECRET), {"text": SECRET}),
    # What JSON has not.
    "bytes": Odd(SECRET.encode, REFUSED),
    "bytearray": Odd(lambda: bytearray(SECRET.encode()), REFUSED),
    "memoryview": Odd(lambda: memoryview(SECRET.encode()), REFUSED),
    "object": Odd(object, REFUSED),
    "async generator": Odd(_items, REFUSED),
    "coroutine": Odd(_coroutine, REFUSED),
    "whole": Odd(Whole, REFUSED),
    "broken": Odd(Broken, REFUSED),
    "complex": Odd(lambda: 1j, REFUSED),
    "Decimal": Odd(lambda: decimal.Decimal("1.5"), REFUSED),
    "datetime": Odd(lambda: dt.datetime(2026, 1, 1, tzinfo=dt.UTC), REFUSED),
    "UUID": Odd(lambda: uuid.UUID(int=1), REFUSED),
    "path": Odd(lambda: pathlib.Path(SECRET), REFUSED),
    "file": Odd(lambda: io.StringIO(SECRET), REFUSED),
    "dataclass": Odd(Data, REFUSED),
    "struct": Odd(Struct, REFUSED),
    "function": Odd(lambda: _later, REFUSED),
    "class": Odd(lambda: int, REFUSED),
    "pydantic class": Odd(lambda: Model, REFUSED),
    "pydantic with an object": Odd(lambda: Model(thing=object()), REFUSED),
    "endless model": Odd(Endless, REFUSED),
    "number as a key": Odd(lambda: {1: SECRET}, REFUSED),
    "object as a key": Odd(lambda: {Hidden(): SECRET}, REFUSED),
    "tuple as a key": Odd(lambda: {(SECRET,): 1}, REFUSED),
    "not a number": Odd(lambda: float("nan"), REFUSED),
    "infinity": Odd(lambda: float("inf"), REFUSED),
    "number of 400 digits": Odd(lambda: 10**400, REFUSED),
    "number of 5000 digits": Odd(lambda: 10**5000, REFUSED),
    "below all numbers": Odd(lambda: -(10**5000), REFUSED),
    "half a pair": Odd(lambda: f"{SECRET}\ud83d", REFUSED),
    "half a pair as a key": Odd(lambda: {f"\ude00{SECRET}": 1}, REFUSED),
    "secret key": Odd(lambda: {SECRET: {"x": b"x"}}, REFUSED),
    "contains itself": Odd(_itself, REFUSED),
    "10,000 arrays": Odd(lambda: _DEEP, REFUSED),
    "10,000 objects": Odd(lambda: _DEEP_OBJECTS, REFUSED),
    "no repr": Odd(Hidden, REFUSED),
    "no items": Odd(NoItems, REFUSED),
    # What stands for "not sent".
    "omit": Odd(lambda: omit, omit),
    "not given": Odd(lambda: not_given, omit),
}


def check_refusal(error: BaseException, *told: str, secrets: tuple[str, ...] = (SECRET,)) -> None:
    """Hold an error against what a refusal has to be.

    It is of a documented kind, raised by us and not by what we use; it says what `told` is; it is short; and none of
    `secrets` is in it, nor in any exception that is shown with it.
    """
    assert type(error) in {TypeError, ValueError} or isinstance(error, OpenAIError), repr(error)
    text = str(error)
    assert all(word in text for word in told), f"{text} does not tell of {told}"
    assert len(text) < 400, text[:400]
    text.encode()  # it can be printed
    shown: list[str] = []
    behind: BaseException | None = error
    while behind is not None:
        shown += [str(behind), *(ascii(arg) for arg in behind.args if not isinstance(arg, int))]
        behind = behind.__cause__ or behind.__context__
    assert not [secret for secret in secrets for part in shown if secret in part], "\n".join(shown)


def pairs_of(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """How a query says a plain value."""
    if isinstance(value, dict):
        yield from itertools.chain.from_iterable(pairs_of(f"{name}[{key}]", item) for key, item in value.items())
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(pairs_of(f"{name}[]", item) for item in value)
    elif value is not None:
        yield name, ("true" if value else "false") if isinstance(value, bool) else str(value)
