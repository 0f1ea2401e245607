"""What vendors add to a stream beyond the published schema, joined over its chunks.

Mappings of unknown keys come in, one a chunk; out goes one mapping with each key's joined value. No rule here looks
for a vendor: a key's name and place decide.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from .codec import is_array, is_object
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
            return self._joined_list(old if is_array(old) else [], new, name)
        return new

    def _joined_text(self, old: Any, new: str, name: str) -> Any:
        if not self._appends or name in _LABELS or name.endswith(_LABEL_ENDINGS):
            return new or old
        if not isinstance(old, Text):
            old = Text()
        old.append(new)
        return old

    def _joined_list(self, old: list[Any], new: list[Any], name: str) -> list[Any]:
        """Members with an `index` continue the member that has it (OpenRouter's reasoning_details); others are new."""
        for item in new:
            index = item.get("index") if is_object(item) else None
            known = (
                next((place for place, member in enumerate(old) if _index(member) == index), None)
                if isinstance(index, int)
                else None
            )
            if known is None:
                old.append(self._joined(None, item, name) if isinstance(item, dict | list) else item)
            else:
                old[known] = self._joined(old[known], item, name)
        return old

    def values(self) -> dict[str, Any] | UnsetType:
        """Return the joined values as plain data, sharing nothing that later chunks change; UNSET: there are none."""
        return {name: _value(value) for name, value in self._values.items()} if self._values else UNSET


def _index(member: Any) -> Any:
    return member._values.get("index") if isinstance(member, Extras) else None


def _value(value: Any) -> Any:
    if isinstance(value, Text):
        return value.value()
    if isinstance(value, Extras):
        joined = value.values()
        return {} if joined is UNSET else joined
    if is_array(value):
        return [_value(item) for item in value]
    return value
