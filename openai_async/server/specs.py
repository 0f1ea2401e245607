"""The kinds of JSON values that a parameter may have, and how the API complains about others.

A value and the path that led to it come in; nothing goes out, or a `Problem` that names the path. Specs are data: which
parameter has which spec stands in `requests`. A spec never looks at a second parameter; `rules` does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from .problems import Problem
from .schemas import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Anything", "Either", "Fields", "Flag", "Items", "Number", "Pairs", "Spec", "Tagged", "Text"]


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a value may be. Every kind below is one; `null` makes JSON null welcome."""

    null: bool = False

    # The JSON types that fit, as `_type_of` names them, and how a complaint calls them.
    kinds: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = ""

    def accepts(self, kind: str) -> bool:
        """Say whether values of a JSON type fit at all."""
        return kind in self.kinds or (self.null and kind == "null")

    def expected(self) -> str:
        """Return how a complaint calls what would fit: "an integer"."""
        return self.label

    def check(self, value: Any, *, path: str) -> None:
        """Raise a `Problem` with status 400 unless `value` fits.

        Args:
            value: Decoded JSON.
            path: Where it stands in the request, such as `messages[0].role`.

        Raises:
            Problem: It does not fit; `param` is the path of the innermost value that is to blame.
        """
        if not self.accepts(_type_of(value)):
            raise _mistyped(path, self.expected(), value)
        if value is not None:
            self.check_inside(value, path)

    def check_inside(self, value: Any, path: str) -> None:
        """Check a value of the right JSON type, not null; kinds with something to check override this."""

    def known(self, value: Any) -> Any:
        """Return a value without the keys that the API does not know, however deep inside; any other value as it is."""
        return value


class Anything(Spec, frozen=True, kw_only=True):
    """Any JSON object: a JSON schema, for one."""

    kinds: ClassVar[frozenset[str]] = frozenset({"object"})
    label: ClassVar[str] = "an object"


class Flag(Spec, frozen=True, kw_only=True):
    """True or false."""

    kinds: ClassVar[frozenset[str]] = frozenset({"boolean"})
    label: ClassVar[str] = "a boolean"


class Number(Spec, frozen=True, kw_only=True):
    """A number from `low` to `high`, both included; None: no limit. `whole` numbers have no point."""

    low: float | None = None
    high: float | None = None
    whole: bool = False

    kinds: ClassVar[frozenset[str]] = frozenset({"integer", "decimal"})

    def expected(self) -> str:
        """Return how a complaint calls it."""
        return "an integer" if self.whole else "a decimal"

    def check_inside(self, value: Any, path: str) -> None:
        """Check the limits."""
        if self.whole and isinstance(value, float):
            raise _mistyped(path, "an integer", value)
        kind = "integer" if self.whole else "decimal"
        if self.low is not None and value < self.low:
            text = f"Invalid '{path}': {kind} below minimum value. Expected a value >= {self.low:g}, but got {value} instead."
            raise _bad(path, text, code=f"{kind}_below_min_value")
        if self.high is not None and value > self.high:
            text = f"Invalid '{path}': {kind} above maximum value. Expected a value <= {self.high:g}, but got {value} instead."
            raise _bad(path, text, code=f"{kind}_above_max_value")


class Text(Spec, frozen=True, kw_only=True):
    """A string: one of `options` (empty: any), of at most `longest` characters (None: no limit), as `pattern` says."""

    options: tuple[str, ...] = ()
    longest: int | None = None
    shortest: int = 0
    pattern: str | None = None

    kinds: ClassVar[frozenset[str]] = frozenset({"string"})
    label: ClassVar[str] = "a string"

    def check_inside(self, value: str, path: str) -> None:
        """Check options, length and pattern."""
        if self.options and value not in self.options:
            raise _bad(
                path, f"Invalid value: '{value}'. Supported values are: {_listed(self.options)}.", code="invalid_value"
            )
        if len(value) < self.shortest:
            text = f"Invalid '{path}': empty string. Expected a string with minimum length {self.shortest}, but got an empty string instead."
            raise _bad(path, text, code="empty_string")
        if self.longest is not None and len(value) > self.longest:
            text = f"Expected a string with maximum length {self.longest}, but got a string with length {len(value)} instead."
            raise _bad(path, f"Invalid '{path}': string too long. {text}", code="string_above_max_length")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            text = f"Expected a string that matches the pattern '^{self.pattern}$'."
            raise _bad(path, f"Invalid '{path}': string does not match pattern. {text}", code="invalid_value")


class Items(Spec, frozen=True, kw_only=True):
    """A list of `item`s, at least `least` and at most `most` (None: no limit) of them."""

    item: Spec
    least: int = 0
    most: int | None = None

    kinds: ClassVar[frozenset[str]] = frozenset({"array"})

    def expected(self) -> str:
        """Return how a complaint calls it: "an array of strings"."""
        return f"an array of {self.item.expected().split(' ', 1)[1]}s"

    def check_inside(self, value: list[Any], path: str) -> None:
        """Check the length, then each item."""
        if len(value) < self.least:
            text = f"Expected an array with minimum length {self.least}, but got an empty array instead."
            raise _bad(path, f"Invalid '{path}': empty array. {text}", code="empty_array")
        if self.most is not None and len(value) > self.most:
            text = (
                f"Expected an array with maximum length {self.most}, but got an array with length {len(value)} instead."
            )
            raise _bad(path, f"Invalid '{path}': array too long. {text}", code="array_above_max_length")
        for index, item in enumerate(value):
            self.item.check(item, path=f"{path}[{index}]")

    def known(self, value: Any) -> Any:
        """Return the list, of each item what is known."""
        return [self.item.known(item) for item in value] if is_list(value) else value


class Fields(Spec, frozen=True, kw_only=True):
    """An object with these `fields`, of which `required` must be there; `open` ones take other keys, too."""

    fields: Mapping[str, Spec]
    required: tuple[str, ...] = ()
    open: bool = False

    kinds: ClassVar[frozenset[str]] = frozenset({"object"})
    label: ClassVar[str] = "an object"

    def check_inside(self, value: dict[str, Any], path: str) -> None:
        """Check that all required fields are there, that no unknown ones are, then each."""
        prefix = f"{path}." if path else ""
        for name in self.required:
            if name not in value:
                text = f"Missing required parameter: '{prefix}{name}'."
                raise _bad(prefix + name, text, code="missing_required_parameter")
        for name, item in value.items():
            spec = self.fields.get(name)
            if spec is not None:
                spec.check(item, path=prefix + name)
            elif not self.open:
                raise _bad(prefix + name, f"Unknown parameter: '{prefix}{name}'.", code="unknown_parameter")

    def known(self, value: Any) -> Any:
        """Return the object with its own fields, of each what is known."""
        if self.open or not is_object(value):
            return value
        return {name: self.fields[name].known(item) for name, item in value.items() if name in self.fields}


class Pairs(Spec, frozen=True, kw_only=True):
    """An object of at most `most` keys (None: no limit), each a string that fits `key`, each value fitting `value`."""

    key: Text
    value: Spec
    most: int | None = None

    kinds: ClassVar[frozenset[str]] = frozenset({"object"})
    label: ClassVar[str] = "an object"

    def check_inside(self, value: dict[str, Any], path: str) -> None:
        """Check the number of keys, then each key and value."""
        if self.most is not None and len(value) > self.most:
            text = f"Expected an object with at most {self.most} properties, but got an object with {len(value)} properties instead."
            raise _bad(path, f"Invalid '{path}': too many properties. {text}", code="object_above_max_properties")
        for name, item in value.items():
            self.key.check(name, path=f"{path}.{name}")
            self.value.check(item, path=f"{path}.{name}")


class Tagged(Spec, frozen=True, kw_only=True):
    """An object whose string field `tag` says which of the `variants` it is."""

    tag: str
    variants: Mapping[str, Spec]

    kinds: ClassVar[frozenset[str]] = frozenset({"object"})
    label: ClassVar[str] = "an object"

    def check_inside(self, value: dict[str, Any], path: str) -> None:
        """Check the tag, then the object as the variant that it names."""
        if self.tag not in value:
            text = f"Missing required parameter: '{path}.{self.tag}'."
            raise _bad(f"{path}.{self.tag}", text, code="missing_required_parameter")
        Text(options=tuple(self.variants)).check(value[self.tag], path=f"{path}.{self.tag}")
        self.variants[value[self.tag]].check(value, path=path)

    def known(self, value: Any) -> Any:
        """Return what the variant that it names knows of it."""
        name = value.get(self.tag) if is_object(value) else None
        return self.variants[name].known(value) if isinstance(name, str) and name in self.variants else value


class Either(Spec, frozen=True, kw_only=True):
    """One of several specs whose JSON types differ: the value's type says which."""

    options: tuple[Spec, ...]

    def accepts(self, kind: str) -> bool:
        """Say whether any option takes the type."""
        return super().accepts(kind) or any(option.accepts(kind) for option in self.options)

    def expected(self) -> str:
        """Return how a complaint calls it: "one of a string or an array of strings"."""
        return "one of " + " or ".join(option.expected() for option in self.options)

    def check_inside(self, value: Any, path: str) -> None:
        """Check the value as the option that its type names."""
        kind = _type_of(value)
        next(option for option in self.options if option.accepts(kind)).check(value, path=path)

    def known(self, value: Any) -> Any:
        """Return what the option that its type names knows of it."""
        kind = _type_of(value)
        return next((option.known(value) for option in self.options if option.accepts(kind)), value)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "decimal"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _mistyped(path: str, expected: str, value: Any) -> Problem:
    kind = _type_of(value)
    found = {"null": "null", "integer": "an integer", "array": "an array", "object": "an object"}.get(kind, f"a {kind}")
    return _bad(path, f"Invalid type for '{path}': expected {expected}, but got {found} instead.", code="invalid_type")


def _bad(path: str, message: str, *, code: str) -> Problem:
    return Problem(400, message, param=path, code=code)


def _listed(options: tuple[str, ...]) -> str:
    quoted = [f"'{option}'" for option in options]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
