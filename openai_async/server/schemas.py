"""Whether a value fits a JSON schema.

A plain JSON value and a schema come in, true or false goes out. It knows the keywords of draft 2020-12 that say
something about values, apart from `$dynamicRef`, `unevaluated…` and remote references; formats are not checked, as the
standard has it. It never changes either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Schema", "fits", "is_list", "is_object", "resolve"]

Schema = dict[str, Any]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and value == int(value),
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Say whether a JSON value is an array."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[Schema]:
    """Say whether a JSON value is an object."""
    return isinstance(value, dict)


def resolve(reference: str, root: Schema) -> Any:
    """Return the schema that a `$ref` names inside of `root`.

    Args:
        reference: `#`, or `#/` and a path of keys.
        root: The whole schema.

    Raises:
        LookupError: The reference leads elsewhere, or to nothing.
    """
    if not reference.startswith("#"):
        raise LookupError(reference)
    node: Any = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key)] if is_list(node) else node[key]
        except (TypeError, ValueError, LookupError) as error:
            raise LookupError(reference) from error
    return node


def fits(value: Any, schema: Any, *, root: Schema | None = None) -> bool:
    """Say whether `value` fits `schema`.

    Args:
        value: Plain JSON data.
        schema: A schema object, true (all fit) or false (none does).
        root: What references refer to; None: the schema itself.

    Raises:
        LookupError: A reference leads nowhere.
        re.error: A pattern is no regular expression of Python's.
    """
    if not is_object(schema):
        return schema is not False
    top = schema if root is None else root
    return _fits_combinations(value, schema, top) and all(
        check(value, schema, top) for kind, check in _CHECKS if isinstance(value, kind) and not isinstance(value, bool)
    )


def _fits_combinations(value: Any, node: Schema, top: Schema) -> bool:
    if "$ref" in node and not fits(value, resolve(node["$ref"], top), root=top):
        return False
    kinds = node.get("type")
    if kinds is not None and not any(_TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if "const" in node and not _same(value, node["const"]):
        return False
    if "enum" in node and not any(_same(value, option) for option in node["enum"]):
        return False
    return _fits_applicators(value, node, top)


def _fits_applicators(value: Any, node: Schema, top: Schema) -> bool:
    def matches(inner: Any) -> bool:
        return fits(value, inner, root=top)

    if not all(matches(inner) for inner in node.get("allOf", ())):
        return False
    if "anyOf" in node and not any(matches(inner) for inner in node["anyOf"]):
        return False
    if "oneOf" in node and sum(matches(inner) for inner in node["oneOf"]) != 1:
        return False
    if "not" in node and matches(node["not"]):
        return False
    return "if" not in node or matches(node.get("then" if matches(node["if"]) else "else", True))


def _fits_number(value: float, node: Schema, _top: Schema) -> bool:
    if value < node.get("minimum", value) or value > node.get("maximum", value):
        return False
    if value <= node.get("exclusiveMinimum", value - 1) or value >= node.get("exclusiveMaximum", value + 1):
        return False
    step = node.get("multipleOf")
    return step is None or (
        value % step == 0 if isinstance(value, int) and isinstance(step, int) else _is_multiple(value, step)
    )


def _is_multiple(value: float, step: float) -> bool:
    return (value / step).is_integer()


def _fits_string(value: str, node: Schema, _top: Schema) -> bool:
    if not node.get("minLength", 0) <= len(value) <= node.get("maxLength", len(value)):
        return False
    return "pattern" not in node or re.search(node["pattern"], value) is not None


def _fits_array(value: list[Any], node: Schema, top: Schema) -> bool:
    if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", len(value)):
        return False
    if node.get("uniqueItems") and any(_same(one, other) for at, one in enumerate(value) for other in value[:at]):
        return False
    first: list[Any] = node.get("prefixItems", [])
    if not all(fits(item, inner, root=top) for item, inner in zip(value, first, strict=False)):
        return False
    if not all(fits(item, node.get("items", True), root=top) for item in value[len(first) :]):
        return False
    if "contains" not in node:
        return True
    found = sum(fits(item, node["contains"], root=top) for item in value)
    return bool(node.get("minContains", 1) <= found <= node.get("maxContains", found))


def _fits_object(value: dict[str, Any], node: Schema, top: Schema) -> bool:
    if not node.get("minProperties", 0) <= len(value) <= node.get("maxProperties", len(value)):
        return False
    if not all(name in value for name in node.get("required", ())):
        return False
    for name, others in node.get("dependentRequired", {}).items():
        if name in value and not all(other in value for other in others):
            return False
    return all(_fits_property(name, item, node, top) for name, item in value.items())


def _fits_property(name: str, item: Any, node: Schema, top: Schema) -> bool:
    if not fits(name, node.get("propertyNames", True), root=top):
        return False
    patterns: dict[str, Any] = node.get("patternProperties", {})
    inner = [schema for pattern, schema in patterns.items() if re.search(pattern, name)]
    if name in node.get("properties", {}):
        inner.append(node["properties"][name])
    return all(fits(item, schema, root=top) for schema in (inner or [node.get("additionalProperties", True)]))


_CHECKS: tuple[tuple[Any, Callable[[Any, Schema, Schema], bool]], ...] = (
    (int | float, _fits_number),
    (str, _fits_string),
    (list, _fits_array),
    (dict, _fits_object),
)


def _same(one: Any, other: Any) -> bool:
    """JSON equality: 1 is 1.0 but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_list(one) and is_list(other):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))
    if is_object(one) and is_object(other):
        return one.keys() == other.keys() and all(_same(item, other[name]) for name, item in one.items())
    return bool(one == other)
