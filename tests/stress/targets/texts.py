"""Text that is JSON, or was to be: read while it grows (`PartialJSON`, `draft`), and whole (`OutputType.parse`)."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
from collections.abc import Iterator
from datetime import date
from enum import Enum
from random import Random
from typing import Any, Literal, TypedDict

import jiter
import msgspec
import pydantic

from openai_async.errors import OutputParseError
from openai_async.protocol.draft import Memory, draft
from openai_async.protocol.output import OutputType
from openai_async.protocol.partial import PartialJSON, Unfinished
from openai_async.protocol.partialtext import PartialText
from openai_async.protocol.text import Text
from stress.inputs.seeds import json_text
from stress.inputs.words import pieces

from .target import Target, check_error, same

__all__ = ["TEXTS", "TYPES", "grew"]


class Step(msgspec.Struct):
    """A struct."""

    explanation: str
    output: str = "none"


class Solution(msgspec.Struct):
    """A struct of structs."""

    steps: list[Step]
    answer: int | None = None
    sure: bool = False


class Colour(Enum):
    """An enum."""

    RED = "red"
    DARK_RED = "red-dark"


@dataclasses.dataclass
class Person:
    """A dataclass."""

    name: str
    age: int
    born: date | None = None
    mood: Literal["good", "bad"] | None = None


class Numbers(TypedDict, total=False):
    """A TypedDict."""

    a: float
    b: list[Any]


class Model(pydantic.BaseModel):
    """A pydantic model."""

    name: str
    age: int = 0
    steps: list[dict[str, Any]] = []


TYPES: list[Any] = [
    Solution,
    Person,
    Numbers,
    Model,
    list[Step],
    Step | None,
    Colour,
    int,
    dict,
    Any,
    dict[str, Any],
    str,
]


class _Watching(PartialJSON):
    """A reader that notes whether a key came twice: what the second brings replaces what the first had."""

    __slots__ = ("twice",)

    def __init__(self) -> None:
        super().__init__()
        self.twice = False

    def _end_string(self, string: str) -> bool:
        if "k" in self._expected and string in self._open[-1]:
            self.twice = True
        return super()._end_string(string)


def _check(data: bytes, rng: Random) -> str:
    text = data.decode("utf-8", "replace")  # halves of characters come from no decoder of ours
    _check_readings(text, rng)
    parsed = [(kind, _check_parse(kind, text)) for kind in rng.sample(TYPES, 4)]
    kind, whole = next((one for one in parsed if not isinstance(one[1], OutputParseError)), parsed[0])
    _check_drafts(kind, text, rng, whole)
    return "no such JSON" if isinstance(whole, OutputParseError) else "an object"


def _check_readings(text: str, rng: Random) -> None:
    """Both readings are the same however the text is cut; the monotonic one grows; the whole text's is its value."""
    reader, before, cut = _Watching(), None, pieces(text, rng, 30)
    looks = []
    for piece in cut:
        reader.feed(piece)
        after = reader.value(monotonic=True)
        reader.value()
        looks.append((after, repr(after)))
        assert before is None or reader.twice or grew(before, after), "what was shown is gone"
        before = after
    assert all(repr(value) == was for value, was in looks), "a value changed after it was looked at"
    once = PartialJSON()
    once.feed(text)
    for monotonic in (False, True):
        assert same(once.value(monotonic=monotonic), reader.value(monotonic=monotonic)), "another cut, another value"
    assert (once.broken, once.whole) == (reader.broken, reader.whole)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        assert not once.whole, "it is no JSON, and whole"
    else:
        assert once.broken or (once.whole and same(once.value(), value)), "it has another value"
    if once.whole and len(text) < 4000:  # jiter takes no number of 4300 digits
        assert same(jiter.from_json(text.encode(), partial_mode=True), once.value()), "jiter reads another value"
    _check_growing(text, cut, rng)


def _refuse(name: str) -> None:
    raise ValueError(name)


def _check_growing(text: str, cut: list[str], rng: Random) -> None:
    """`PartialText` has at every length, asked for in any order, what a reader of so much text has."""
    growing = Text()
    partial = PartialText(growing)
    there = 0
    for piece in cut:
        growing.append(piece)
        there += len(piece)
        length = rng.choice([there, there, rng.randrange(there + 1)])
        fresh = PartialJSON()
        fresh.feed(text[:length])
        assert same(partial.at(length), fresh.value()), "a growing text has another value"
        if rng.random() < 0.3:
            growing.value()


def _check_parse(kind: Any, text: str) -> Any:
    """Parse the text; return the value, or the error."""
    output = OutputType.of(kind)
    try:
        value = output.parse(text)
    except OutputParseError as error:
        failure = error
    else:
        repr(value)
        return value
    check_error(failure)
    assert len(failure.reason) <= 301, "a long reason"
    assert len(failure.place) <= 301, "a long place"
    return failure


def _check_drafts(kind: Any, text: str, rng: Random, whole: Any) -> None:
    """Drafts never fail; of a text that fits its type, and has no key twice, they grow until they are what it says."""
    output = OutputType.of(kind)
    seen = [*_drafts(output, [*text[:300], text[300:]] if rng.random() < 0.2 else pieces(text, rng, 30))]
    assert all(same(drawn, twin) for drawn, twin in seen), "a draft changed after it was drawn"
    if isinstance(whole, OutputParseError) or _has_twice(text):
        return
    for (before, _), (after, _) in itertools.pairwise(seen):
        assert grew(before, after), f"a draft took something back: {before!r:.100} {after!r:.100}"
    last = seen[-1][0]
    assert grew(last, whole), f"the last draft is not what the text says: {last!r:.200} {whole!r:.200}"


def _has_twice(text: str) -> bool:
    """Whether an object in a JSON text has a key twice."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len(dict(pairs)) < len(pairs)

    json.loads(text.removeprefix("\ufeff"), object_pairs_hook=look, parse_int=str, strict=False)
    return found


def _drafts(output: OutputType[Any], cut: list[str]) -> Iterator[tuple[Any, Any]]:
    reader, memory = PartialJSON(), Memory()
    for piece in cut:
        reader.feed(piece)
        value = output.unwrap(reader.value(monotonic=True))
        drawn = draft(output.type, value, memory)
        assert same(drawn, draft(output.type, value)), "with a memory the draft is another"
        yield drawn, copy.deepcopy(drawn)


def grew(before: Any, after: Any) -> bool:
    """Whether nothing that was there before is gone, moved or changed after."""
    if before is None:
        return True
    if isinstance(before, str) and isinstance(after, str):
        return after.startswith(before)
    if isinstance(before, dict) and isinstance(after, dict):
        return [*after][: len(before)] == [*before] and all(grew(item, after[key]) for key, item in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) <= len(after) and all(map(grew, before, after))
    if isinstance(before, Unfinished) or type(before) is not type(after):
        return False
    names = _fields(before)
    if not names:
        return same(before, after)
    return all(grew(getattr(before, name), getattr(after, name)) for name in names)


def _fields(value: Any) -> list[str]:
    if isinstance(value, msgspec.Struct):
        return [*value.__struct_fields__]
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return [*type(value).model_fields] if isinstance(value, pydantic.BaseModel) else []


TEXTS = Target("texts", 20, json_text, _check)
