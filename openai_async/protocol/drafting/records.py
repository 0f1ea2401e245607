"""Plans that depend on what an object says: of records, of unions, and of types that hold themselves.

As `plans`: plain values come in, drafts go out, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from openai_async.protocol.partial import Unfinished
from openai_async.types.json import is_object

from .makers import Maker
from .plans import ALL_KINDS, MISSING, Anything, Constants, Integer, Memory, Plan, Real, Text, kind_of

__all__ = ["Choice", "Field", "Record", "Reference", "Wrapped"]

_anything = Anything()


class Field(NamedTuple):
    """A field of a record: its name in Python, its plan, and whether an object must have it."""

    name: str
    plan: Plan
    required: bool


class Record(Plan):
    """Objects of a class; or arrays, with a place for each field.

    Args:
        fields: The fields, by their name in JSON; one may have several.
        make: What makes an object from the values of its fields.
        constants: What names in JSON must say for an object to be of this class, beside Literals.
        positions: The names in JSON, in the order of an array's items; None: it travels as an object only.
        kinds: Whether it travels as an object, an array, or both.
        extras: Whether members that are no fields are kept.
    """

    def __init__(
        self,
        fields: Mapping[str, Field],
        make: Maker,
        *,
        constants: Mapping[str, Plan] | None = None,
        positions: Sequence[str] = (),
        kinds: Iterable[type] = (dict,),
        extras: bool = False,
    ) -> None:
        literals = {key: field.plan for key, field in fields.items() if isinstance(field.plan, Constants)}
        self._fields = fields
        self._make = make
        self._constants = {**literals, **(constants or {})}
        self._positions = positions
        self._extras = extras
        self.kinds: frozenset[type] = frozenset(kinds)

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the object; what has not come is None, and so is what does not fit."""
        if kind_of(value) not in self.kinds:
            return MISSING
        found: dict[str, Any] = {}
        draw = (memory or Memory()).part
        for key, item in self._members(value):
            if field := self._fields.get(key):
                draft = draw(field.plan, item)
                if draft is not MISSING:
                    found[field.name] = draft
            elif self._extras:
                found[key] = _anything.draw(item)
        return self._make(found)

    def fits(self, value: Any) -> bool:
        """Whether it knows all members of an object, and each may fit."""
        return kind_of(value) in self.kinds and not self.strangeness(value)[0]

    def excludes(self, value: Any) -> bool:
        """Whether the object says, in a Literal or a tag, that it is another one."""
        return any(
            not isinstance(item, Unfinished) and self._constants[key].draw(item) is MISSING
            for key, item in self._members(value)
            if key in self._constants
        )

    def strangeness(self, value: Any) -> tuple[int, int, int]:
        """How badly an object fits: members that are unknown or unfit, and fields that are not there."""
        members = dict(self._members(value))
        absent = {field.name for field in self._fields.values() if field.required}
        unfit = 0
        for key, item in members.items():
            field = self._fields.get(key)
            if field is not None and field.plan.fits(item):
                absent.discard(field.name)
            elif key not in self._constants:
                unfit += 1
        return unfit, len(absent), 0

    def _members(self, value: Any) -> Iterable[tuple[str, Any]]:
        return value.items() if is_object(value) else zip(self._positions, value, strict=False)


class Reference(Plan):
    """The plan of a type inside of itself, until `target` is made: it does as that does."""

    kinds = ALL_KINDS
    target: Plan = Plan()

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the target's draft."""
        return self.target.draw(value, memory)

    def fits(self, value: Any) -> bool:
        """Whether it fits the target."""
        return self.target.fits(value)

    def excludes(self, value: Any) -> bool:
        """Whether the target excludes it."""
        return self.target.excludes(value)

    def strangeness(self, value: Any) -> tuple[int, int, int]:
        """How badly it fits the target."""
        return self.target.strangeness(value)


class Wrapped(Reference):
    """Values of one type that become objects with them inside (pydantic's RootModel)."""

    def __init__(self, target: Plan, make: Callable[[Any], Any]) -> None:
        self.target = target
        self.kinds: frozenset[type] = target.kinds
        self._make = make

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the object around the target's draft."""
        draft = self.target.draw(value, memory)
        return MISSING if draft is MISSING else self._make(draft)


class Choice(Plan):
    """Values of one of several types: unions.

    The kind of the value decides, then what it says. As long as an unfinished value may become drafts of two types,
    it has none: nothing that was shown is taken back.
    """

    def __init__(self, members: Sequence[Plan]) -> None:
        self._members = members
        self._by_kind: dict[Any, list[Plan]] = {}
        self.kinds: frozenset[type] = frozenset().union(*(member.kinds for member in members))

    def draw(self, value: Any, memory: Memory | None = None) -> Any:
        """Return the draft of the member that is chosen."""
        kind = kind_of(value)
        able = self._able(kind)
        if len(able) == 1:
            return able[0].draw(value, memory)
        if kind is str and isinstance(value, Unfinished) and able and not isinstance(able[0], Text):
            return MISSING
        if kind is dict or kind is list:
            able = _chosen(able, value)
        drafts = (member.draw(value, memory) for member in able)
        return next((draft for draft in drafts if draft is not MISSING), MISSING)

    def fits(self, value: Any) -> bool:
        """Whether a member takes values of that kind; what containers hold is not looked at."""
        kind = kind_of(value)
        if kind is dict or kind is list or isinstance(value, Unfinished):
            return bool(self._able(kind))
        return self.draw(value) is not MISSING

    def _able(self, kind: Any) -> list[Plan]:
        able = self._by_kind.get(kind)
        if able is None:
            able = self._by_kind[kind] = _able(self._members, kind)
        return able


def _able(members: Sequence[Plan], kind: type) -> list[Plan]:
    """Return the members that take values of a kind, those that are to be asked first in front."""
    targets = [member.target if type(member) is Reference else member for member in members]
    able = [member for member in targets if kind in member.kinds]
    if kind is str and any(isinstance(member, Text) for member in able):
        # Text that a Literal or an Enum would take is text, as pydantic has it: it can be shown while it grows.
        able = [member for member in able if not isinstance(member, Constants)]
    exact = Integer if kind is int else Real if kind is float else None
    if exact is not None:
        able.sort(key=lambda member: not isinstance(member, exact))
    return able


def _chosen(able: list[Plan], value: Any) -> list[Plan]:
    """Return the member that an object or array is of; none: it can't be told yet."""
    able = [member for member in able if not member.excludes(value)]
    if len(able) < 2:
        return able
    if not isinstance(value, Unfinished):
        return [min(able, key=lambda member: member.strangeness(value))]
    able = [member for member in able if member.fits(value)]
    return able if len(able) == 1 else []
