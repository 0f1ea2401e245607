"""Values that fit a JSON schema.

A schema comes in, and dice; out goes a plain JSON value that fits, pleasant to read and the same for the same dice.
What can't be built by construction (`not`, `if`, overlapping `oneOf`) is found by trying, with a bound. It never
returns a value that does not fit.
"""

from __future__ import annotations

import math
import re
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from .dice import Dice
from .patterns import text_matching
from .samples import FORMATS, Hints, sample_range, sample_text
from .schema_shapes import Heights, merged, shape_of
from .schemas import Schema, fits, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UnmetSchemaError", "value_for"]

_ATTEMPTS = 24
_DEEP = 3  # nested values beyond this depth are as small as the schema allows
_MOST_STEPS = 100  # references and alternatives between a schema and what it means
_LARGE = 2_000  # and so are all beyond this number: a schema can ask for exponentially many
_LONGEST = 20_000  # items or characters: what a schema may demand of us
_MOST = 25_000  # values in all
_MOST_UNIQUE = 1_000  # items that must differ: each is compared with every other one


class UnmetSchemaError(ValueError):
    """No value was found that fits a schema: it contradicts itself, never ends, or is no schema at all."""


class _TooLargeError(UnmetSchemaError):
    """Another attempt would become as large."""


def value_for(schema: Any, *, dice: Dice, hints: Hints | None = None) -> Any:
    """Return a value that fits `schema`.

    Args:
        schema: A JSON schema of draft 2020-12; references must point into it.
        dice: Equal dice give equal values.
        hints: The user's words, used where they fit; None: none.

    Returns:
        Plain JSON data.

    Raises:
        UnmetSchemaError: Nothing that fits was found; the message says what is known of the reason.
    """
    reason = "no value was found that fits it"
    try:
        heights = Heights(schema)
        if math.isinf(heights.of(schema)):
            raise UnmetSchemaError("every value that fits it is endless, or nothing fits it")
        for attempt in range(_ATTEMPTS):
            writer = _Writer(schema, heights, Dice(dice.bits()), (hints if attempt == 0 else None) or Hints(), attempt)
            try:
                value = writer.value(schema)
            except _TooLargeError:
                raise
            except UnmetSchemaError as error:
                reason = str(error)
                continue
            if fits(value, schema):
                return value
    except (LookupError, TypeError, AttributeError, RecursionError, re.error, OverflowError) as error:
        raise UnmetSchemaError(f"it is no valid JSON schema ({type(error).__name__}: {error})") from error
    raise UnmetSchemaError(reason)


class _Place(NamedTuple):
    """Where a value stands: under which key, how many levels down, and whether it is to be as small as can be."""

    name: str
    depth: int
    small: bool


class _Writer:
    """One attempt at a value; later attempts take more liberties."""

    def __init__(self, root: Any, heights: Heights, dice: Dice, hints: Hints, attempt: int) -> None:
        self._root = root
        self._heights = heights
        self._dice = dice
        self._hints = hints
        self._attempt = attempt
        self._written = 0

    def value(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """Write a value for `schema`, which stands under the key `name`, `depth` levels below the root."""
        self._written += 1
        if self._written > _MOST:
            raise _TooLargeError(f"it wants more than {_MOST} values")
        small = depth > _DEEP or self._written > _LARGE
        node = self._settled(schema, small=small)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            options = [option for option in node["enum"] if fits(option, node, root=self._root)] or node["enum"]
            return self._dice.pick(self._hints.mentioned(options) or options)
        return self._KINDS[self._kind(node, small=small)](self, node, _Place(name, depth, small))

    # --- Shape ----------------------------------------------------------------------------------------------

    def _settled(self, schema: Any, *, small: bool) -> Schema:
        """Follow references and decide between alternatives until only plain keywords are left."""
        node = merged({}, schema)
        for _ in range(_MOST_STEPS):
            rest = dict(node)
            if "$ref" in node:
                node = merged(resolve(rest.pop("$ref"), self._root), rest)
            elif "allOf" in node:
                node = reduce(merged, rest.pop("allOf"), rest)
            elif "anyOf" in node or "oneOf" in node:
                options = rest.pop("anyOf" if "anyOf" in node else "oneOf")
                node = merged(rest, self._alternative(options, small=small))
            elif "if" in node:
                condition, then, other = rest.pop("if"), rest.pop("then", True), rest.pop("else", True)
                node = merged(merged(rest, condition), then) if self._dice.below(2) else merged(rest, other)
            else:
                return node
        raise UnmetSchemaError(f"it takes more than {_MOST_STEPS} references to find out what it means")

    def _alternative(self, options: list[Any], *, small: bool) -> Any:
        if small:
            return min(options, key=self._heights.of)
        finite = [option for option in options if not math.isinf(self._heights.of(option))]
        full = [option for option in finite if option != {"type": "null"}]
        return self._dice.pick(full if full and self._attempt == 0 else finite)

    def _kind(self, node: Schema, *, small: bool) -> str:
        kinds = shape_of(node)
        if small:
            order = ("null", "boolean", "integer", "number", "string", "array", "object")
            return min(kinds, key=order.index)
        full = [kind for kind in kinds if kind != "null"]
        return self._dice.pick(full if full and self._attempt == 0 else kinds)

    # --- Scalars --------------------------------------------------------------------------------------------

    def _null(self, _node: Schema, _place: _Place) -> None:
        return None

    def _boolean(self, _node: Schema, _place: _Place) -> bool:
        return self._dice.below(2) == 0

    def _integer(self, node: Schema, place: _Place) -> int:
        hint = self._hints.number(lambda number: fits(int(number), node, root=self._root), whole=True)
        if hint is not None:
            return int(hint)
        low, high = _bounds(node, place.name)
        low, high = math.ceil(low), math.floor(high)
        low += low == node.get("exclusiveMinimum")
        high -= high == node.get("exclusiveMaximum")
        step = node.get("multipleOf", 1)
        if step != int(step):
            # Multiples of 0.1 that are whole: multiples of a power of ten times it.
            step = next((step * 10**power for power in range(1, 10) if (step * 10**power).is_integer()), 1)
        step = int(step)
        return step * self._dice.between(-(-low // step), high // step)

    def _number(self, node: Schema, place: _Place) -> float:
        hint = self._hints.number(lambda number: fits(number, node, root=self._root), whole=False)
        if hint is not None:
            return hint
        low, high = _bounds(node, place.name)
        step = node.get("multipleOf")
        if step is not None:
            return float(step * self._dice.between(math.ceil(low / step), math.floor(high / step)))
        value = low + (high - low) * self._dice.unit()
        candidates = [round(value, digits) for digits in (1, 2, 4, 8)] + [value, (low + high) / 2, low, high]
        return next((item for item in candidates if fits(item, node, root=self._root)), value)

    def _string(self, node: Schema, place: _Place) -> str:
        low: int = node.get("minLength", 0)
        high: int = node.get("maxLength", max(low, _LONGEST))
        if low > _LONGEST:
            raise UnmetSchemaError(f"it wants {low} characters, more than {_LONGEST}")
        if "pattern" in node:
            spread = max(3, low) if self._attempt == 0 else min(low + 2**self._attempt, high + 1, 200)
            try:
                return text_matching(node["pattern"], dice=self._dice, spread=spread)
            except ValueError as error:
                raise UnmetSchemaError(f"its pattern is not understood: {error}") from error
        make = FORMATS.get(node.get("format", ""))
        if make is not None:
            return make(self._dice)
        text = sample_text(place.name, dice=self._dice, hints=self._hints)
        while len(text) < low:
            text += " " + sample_text("", dice=self._dice, hints=self._hints)
        return text if len(text) <= high else text[:high]

    # --- Containers -----------------------------------------------------------------------------------------

    def _array(self, node: Schema, place: _Place) -> list[Any]:
        low: int = max(node.get("minItems", 0), node.get("minContains", 1) if "contains" in node else 0)
        if low > _LONGEST:
            raise UnmetSchemaError(f"it wants {low} items, more than {_LONGEST}")
        if node.get("uniqueItems") and low > _MOST_UNIQUE:
            raise UnmetSchemaError(f"it wants {low} different items, more than {_MOST_UNIQUE}")
        first: list[Any] = node.get("prefixItems", [])
        inner = node.get("items", True)
        wanted = low if place.small else min(max(low, len(first)) + self._dice.below(3), node.get("maxItems", _LONGEST))
        if not place.small and wanted == 0 and node.get("maxItems", 1) > 0:
            wanted = 1
        if inner is False or math.isinf(self._heights.of(inner)):
            wanted = min(wanted, len(first))
        items: list[Any] = []
        for index in range(wanted):
            schema = first[index] if index < len(first) else inner
            if "contains" in node and index >= len(first):
                schema = merged(merged({}, inner), node["contains"])
            items.append(self._new_item(schema, items if node.get("uniqueItems") else [], place))
        return items

    def _new_item(self, schema: Any, taken: list[Any], place: _Place) -> Any:
        """Write an item that differs from those in `taken`, if that succeeds soon."""
        item = self.value(schema, place.name, place.depth + 1)
        for _ in range(50):
            if item not in taken:
                break
            item = self.value(schema, place.name, place.depth + 1)
        return item

    def _object(self, node: Schema, place: _Place) -> dict[str, Any]:
        properties: dict[str, Any] = node.get("properties", {})
        required: list[str] = list(node.get("required", ()))
        names = [name for name in properties if name in required or (not place.small and self._dice.below(4))]
        for name in list(names):
            names.extend(other for other in node.get("dependentRequired", {}).get(name, ()) if other not in names)
        names.extend(name for name in required if name not in names)
        optional = [name for name in names if name not in required]
        while len(names) > node.get("maxProperties", len(names)) and optional:
            names.remove(optional.pop())
        missing = node.get("minProperties", 0) - len(names)
        names.extend([name for name in properties if name not in names][: max(missing, 0)])
        result: dict[str, Any] = {}
        for name in names:
            schema = properties.get(name, self._schema_beyond(node, name))
            if name in required or not math.isinf(self._heights.of(schema)):
                result[name] = self.value(schema, name, place.depth + 1)
        return self._filled(result, node, place.depth)

    def _schema_beyond(self, node: Schema, name: str) -> Any:
        """The schema of a property that `properties` does not list."""
        patterns: dict[str, Any] = node.get("patternProperties", {})
        found = [schema for pattern, schema in patterns.items() if re.search(pattern, name)]
        return reduce(merged, found) if found else node.get("additionalProperties", True)

    def _filled(self, result: dict[str, Any], node: Schema, depth: int) -> dict[str, Any]:
        """Add properties of free names until there are as many as `minProperties` says."""
        least: int = node.get("minProperties", 0)
        if least > _LONGEST:
            raise UnmetSchemaError(f"it wants {least} properties, more than {_LONGEST}")
        patterns: list[str] = list(node.get("patternProperties", ()))
        for number in range(least * 3):
            if len(result) >= least:
                break
            name = f"item_{number + 1}"
            if "propertyNames" in node:
                name = str(self.value(merged({"type": "string"}, node["propertyNames"])))
            elif patterns and node.get("additionalProperties") is False:
                name = text_matching(self._dice.pick(patterns), dice=self._dice)
            if name not in result:
                result[name] = self.value(self._schema_beyond(node, name), name, depth + 1)
        return result

    _KINDS: dict[str, Callable[..., Any]] = {
        "null": _null,
        "boolean": _boolean,
        "integer": _integer,
        "number": _number,
        "string": _string,
        "array": _array,
        "object": _object,
    }


def _bounds(node: Schema, name: str) -> tuple[float, float]:
    """The smallest and largest number to choose from; exclusive limits are counted in."""
    lows = [node[key] for key in ("minimum", "exclusiveMinimum") if key in node]
    highs = [node[key] for key in ("maximum", "exclusiveMaximum") if key in node]
    low, high = sample_range(name)
    reach = max(high - low, 10 * node.get("multipleOf", 1))
    if lows and highs:
        return max(lows), min(highs)
    if lows:
        return max(lows), max(high, max(lows) + reach) if max(lows) <= high else max(lows) + reach
    if highs:
        return (low if low <= min(highs) else min(highs) - reach), min(highs)
    return low, max(high, low + reach)
