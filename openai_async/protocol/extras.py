"""What vendors add to a stream beyond the published schema, joined over its chunks.

Mappings of unknown keys come in, one a chunk; out goes one mapping with each key's joined value. No rule here looks
for a vendor: a key's name and place decide.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from openai_async.types.json import is_array, is_object

from .text import Text

__all__ = ["Extras"]

# Text under these names is a label, not a piece: repeated in chunk after chunk, it is still one label.
_LABELS = frozenset(
    {"channel", "format", "id", "index", "model", "name", "object", "provider", "role", "status", "type"}
)
_LABEL_ENDINGS = ("_id", "_name", "_type", "_role", "_reason", "_status", "_format", "_model", "_tier")


class Extras:
    """One place's unknown keys.

    Args:
        appends: Whether text is a piece to append, as inside a delta, unless its name says that it is a label. Beside
            the deltas (a chunk's `provider`, a choice's `native_finish_reason`) all text is a label.
    """

    __slots__ = ("_appends", "_values")

    def __init__(self, *, appends: bool) -> None:
        self._appends = appends
        self._values: dict[str, Any] = {}

    def merge(self, extra: dict[str, Any]) -> None:
        """Add one chunk's keys: text is appended, lists and objects are joined, the rest is replaced; null is not."""
        for name, value in extra.items():
            self._values[name] = self._joined(self._values.get(name), value, name)

    def _joined(self, old: Any, new: Any, name: str) -> Any:
        if new is None:
            return old
        if isinstance(new, str):
            return self._joined_text(old, new, name)
        if is_object(new):
            merged = Extras(appends=self._appends) if not isinstance(old, Extras) else old
            merged.merge(new)
            return merged
        if is_array(new):
            members = old if isinstance(old, _Members) else _Members()
            for item in new:
                self._join_member(members, item, name)
            return members
        return new

    def _joined_text(self, old: Any, new: str, name: str) -> Any:
        if not self._appends or name in _LABELS or name.endswith(_LABEL_ENDINGS):
            return old if old is not None and not new else new
        if not isinstance(old, Text):
            old = Text()
        old.append(new)
        return old

    def _join_member(self, members: _Members, item: Any, name: str) -> None:
        """A member with an `index` continues the one that has it (OpenRouter's reasoning_details); others are new."""
        index = item.get("index") if is_object(item) else None
        if isinstance(index, int):
            if index in members.places:
                place = members.places[index]
                members.items[place] = self._joined(members.items[place], item, name)
                return
            members.places[index] = len(members.items)
        members.items.append(self._joined(None, item, name) if isinstance(item, dict | list) else item)

    def values(self, fields: Mapping[str, object] | None = None) -> dict[str, Any] | UnsetType:
        """Return the joined values as plain data, sharing nothing that later chunks change; UNSET: there are none.

        Args:
            fields: The typed fields beside which they will stand. Where one holds something, a value of the same
                name, which is one that once did not fit, is left out: it would take the field's place in `to_dict`.
        """
        held = {name for name, value in (fields or {}).items() if value}
        joined = {name: _value(value) for name, value in self._values.items() if name not in held}
        return joined or UNSET

    def __deepcopy__(self, memo: object) -> Extras:
        """Return a copy that grows by itself; `copy.deepcopy` would take eight calls a level, of which there may be 128."""
        twin: Extras = _twin(self)
        return twin


class _Members:
    """A list that grows; `places` tells where the members with an `index` are, so that finding one is no search."""

    __slots__ = ("items", "places")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.places: dict[int, int] = {}


def _twin(value: Any) -> Any:
    """Return a copy of a joined value; what is none is a number or a label, and never changes."""
    if isinstance(value, Text):
        return copy.deepcopy(value)
    if isinstance(value, Extras):
        extras = Extras(appends=value._appends)
        extras._values = {name: _twin(item) for name, item in value._values.items()}
        return extras
    if isinstance(value, _Members):
        members = _Members()
        members.items = [_twin(item) for item in value.items]
        members.places = dict(value.places)
        return members
    return value


def _value(value: Any) -> Any:
    if isinstance(value, Text):
        return value.value()
    if isinstance(value, Extras):
        return {name: _value(item) for name, item in value._values.items()}
    if isinstance(value, _Members):
        return [_value(item) for item in value.items]
    return value
