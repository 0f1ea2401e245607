"""Plans: how plain values become drafts of one type.

Values of the monotonic reading (`partial`) come in, and drafts go out, or `MISSING`: the value does not fit, or it can't
be told yet what it will be. Plans are made once for a type (`draft`); none of them raises, or changes a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from types import NoneType
from typing import Any, Final, cast

import msgspec

from openai_async.protocol.partial import Unfinished, UnfinishedArray, UnfinishedObject, UnfinishedString
from openai_async.types.json import is_array, is_object

__all__ = [
    "ALL_KINDS",
    "MISSING",
    "Anything",
    "Constants",
    "Converted",
    "Entries",
    "Integer",
    "Items",
    "Memory",
    "Plan",
    "Positions",
    "Real",
    "Scalar",
    "Text",
    "kind_of",
]

MISSING: Final[Any] = object()  # where there is no draft; None is one

ALL_KINDS: Final[frozenset[type]] = frozenset({str, int, float, bool, NoneType, list, dict})
_SCALARS: Final = ALL_KINDS - {list, dict}
_UNFINISHED: Final[dict[Any, type]] = {UnfinishedString: str, UnfinishedArray: list, UnfinishedObject: dict}


class Memory:
    """What was drawn of one text that grows: a part that is whole is drawn once, however often the text is looked at.

    Parts are known by their identity, which `PartialJSON` keeps: they are held here, so that it stays theirs.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[Plan, int], tuple[Any, Any]] = {}
        self._arrays: dict[tuple[Plan, int], tuple[Any, list[Any]]] = {}

    def part(self, plan: Plan, value: Any) -> Any:
        """Return the draft of a member of a container."""
        if not _is_whole_container(value):
            return plan.draw(value, self)
        place = (plan, id(value))
        known = self._parts.get(place)
        if known is None:
            known = self._parts[place] = value, plan.draw(value, self)
        return known[1]

    def items(self, plan: Plan, array: list[Any]) -> list[Any]:
        """Return the drafts of an array's items, in a list of the caller's own; of all but the last, None for MISSING.

        An array that grows is known by its first item, if that is a container and whole: then all but the last item
        were whole when they were drawn, and are copied at once.
        """
        before = len(array) - 1
        if before < 0:
            return []
        first: Any = array[0]
        drawn: list[Any] = []
        if _is_whole_container(first):
            drawn = self._arrays.setdefault((plan, id(first)), (first, drawn))[1]
        drawn.extend([_or_none(self.part(plan, item)) for item in array[len(drawn) : before]])
        return [*drawn[:before], self.part(plan, array[-1])]


def _is_whole_container(value: Any) -> bool:
    kind = cast("Any", type(value))  # those that are unfinished have a type of their own
    return kind is dict or kind is list


def _or_none(draft: Any) -> Any:
    return None if draft is MISSING else draft


def kind_of(value: Any) -> Any:
    """Return the plain type of a value, unfinished or not."""
    kind = cast("Any", type(value))
    return _UNFINISHED.get(kind, kind)


class Plan:
    """How values become drafts of a type; this one is that of a type that has none.

    Attributes:
        kinds: The plain types of the values that may fit.
    """

    kinds: frozenset[type] = frozenset()

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use them
        """Return the draft of any value."""
        return MISSING

    def fits(self, value: Any) -> bool:
        """Whether a value may be, or become, one of the type; a container's items are looked at, theirs are not."""
        kind = kind_of(value)
        if kind not in self.kinds:
            return False
        return kind in {list, dict} or isinstance(value, Unfinished) or self.draw(value) is not MISSING

    def excludes(self, value: Any) -> bool:  # noqa: ARG002 - likewise
        """Whether a constant in a value says that it is of another type."""
        return False

    def strangeness(self, value: Any) -> tuple[int, int, int]:
        """How badly a whole container fits: its unfit members, the members that are not there, and the plan's rank."""
        return int(not self.fits(value)), 0, 2


class Scalar(Plan):
    """Values of one kind, as they are: booleans and null."""

    def __init__(self, kind: type) -> None:
        self.kinds: frozenset[type] = frozenset({kind})

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use it
        """Return the value."""
        return value if type(value) in self.kinds else MISSING


class Text(Plan):
    """Strings, as far as they are written."""

    kinds: frozenset[type] = frozenset({str})

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use it
        """Return the string, unmarked."""
        return str(value) if isinstance(value, str) else MISSING


class Integer(Plan):
    """Integers; a float without a fraction is one."""

    kinds: frozenset[type] = frozenset({int, float})

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use it
        """Return the integer."""
        if type(value) is int:
            return value
        return int(value) if type(value) is float and value.is_integer() else MISSING


class Real(Plan):
    """Floats; an integer is one."""

    kinds: frozenset[type] = frozenset({int, float})

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use it
        """Return the float."""
        if type(value) not in self.kinds:
            return MISSING
        try:
            return float(value)
        except OverflowError:
            return MISSING


class Constants(Plan):
    """Values of which there are only a few: those of a Literal or an Enum, whole."""

    def __init__(self, members: Iterable[tuple[Any, Any]], enum: type[Enum] | None = None) -> None:
        self._members: dict[Any, Any] = {
            (type(value), value): member for value, member in members if type(value) in _SCALARS
        }
        self._enum = enum
        self.kinds: frozenset[type] = frozenset(kind for kind, _ in self._members)

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use it
        """Return the member of that value."""
        if type(value) not in self.kinds:
            return MISSING
        member = self._members.get((type(value), value), MISSING)
        if member is MISSING and self._enum is not None:
            try:
                return self._enum(value)
            except Exception:  # noqa: BLE001 - the enum's own `_missing_` may do what it likes
                return MISSING
        return member


class Converted(Plan):
    """Strings (numbers too, for some types) that stand for something else once they are whole: a date, a UUID."""

    def __init__(self, type: Any, kinds: Iterable[type] = (str,), *, strict: bool = True) -> None:
        self._type = type
        self._strict = strict
        self.kinds: frozenset[type] = frozenset(kinds)

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - containers use it
        """Return what the value stands for."""
        if type(value) not in self.kinds:
            return MISSING
        try:
            return msgspec.convert(value, self._type, strict=self._strict)
        except (msgspec.MsgspecError, ValueError, ArithmeticError):
            return MISSING


class Anything(Plan):
    """Values of any kind, as plain data."""

    kinds = ALL_KINDS

    def draw(self, value: Any, memory: Memory | None = None) -> Any:  # noqa: ARG002 - what is whole is shared anyway
        """Return the value, unmarked; parts that are whole are shared with it."""
        if not isinstance(value, Unfinished):
            return value
        if isinstance(value, UnfinishedArray):
            return [self.draw(item) for item in value]
        if isinstance(value, UnfinishedObject):
            return {key: self.draw(item) for key, item in value.items()}
        return str(value)


class Items(Plan):
    """Arrays of any length whose items are of one type."""

    kinds: frozenset[type] = frozenset({list})

    def __init__(self, item: Plan, make: Callable[[Any], Any], *, ordered: bool = True) -> None:
        self._item = item
        self._make = make
        self._ordered = ordered

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the items. One that is MISSING is None where others follow it, or will not any more.

        What has no order has only items that are whole: others would be gone when they are.
        """
        if not is_array(value):
            return MISSING
        if not self._ordered:
            return self._set(item for item in value if not isinstance(item, Unfinished))
        drafts = (memory or Memory()).items(self._item, value)
        if drafts and drafts[-1] is MISSING:
            drafts[-1:] = () if isinstance(value, Unfinished) else (None,)
        return self._make(drafts)

    def _set(self, items: Iterable[Any]) -> Any:
        drafts = [draft for draft in map(self._item.draw, items) if draft is not MISSING]
        try:
            return self._make(drafts)
        except TypeError:  # an item that can't be hashed
            return MISSING

    def fits(self, value: Any) -> bool:
        """Whether it is an array, and its first item of a kind that fits."""
        return is_array(value) and all(kind_of(item) in self._item.kinds for item in value[:1])


class Positions(Plan):
    """Arrays whose items are each of a type of its own: tuples."""

    kinds: frozenset[type] = frozenset({list})

    def __init__(self, items: Sequence[Plan]) -> None:
        self._items = items

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the tuple, None for what has not come; what there is no place for is left out."""
        if not is_array(value):
            return MISSING
        draw = (memory or Memory()).part
        drafts = [draw(plan, item) for plan, item in zip(self._items, value, strict=False)]
        drafts += [None] * (len(self._items) - len(drafts))
        return tuple(map(_or_none, drafts))


class Entries(Plan):
    """Objects whose keys say nothing of the type of their values."""

    kinds: frozenset[type] = frozenset({dict})

    def __init__(self, key: Plan, value: Plan) -> None:
        self._key = key
        self._value = value

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the dict, without the entries that are MISSING."""
        if not is_object(value):
            return MISSING
        draw = (memory or Memory()).part
        drafts = {self._key.draw(key): draw(self._value, item) for key, item in value.items()}
        return {key: draft for key, draft in drafts.items() if key is not MISSING and draft is not MISSING}

    def fits(self, value: Any) -> bool:
        """Whether it is an object, and its values of kinds that fit."""
        return is_object(value) and not self.strangeness(value)[0]

    def strangeness(self, value: Any) -> tuple[int, int, int]:
        """How badly an object fits, by the kinds of its values."""
        return sum(kind_of(item) not in self._value.kinds for item in value.values()), 0, 1
