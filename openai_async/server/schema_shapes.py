"""The shape of a JSON schema: how schemas combine, and how small their smallest value is.

Schemas come in; out go one schema that says what two said, the types that a schema means, and the depth of nesting
below which it can't be met. It never writes a value, and never changes a schema it was given.
"""

from __future__ import annotations

import math
from typing import Any

from .schemas import Schema, is_list, is_object, resolve

__all__ = ["Heights", "merged", "shape_of"]

_ALL_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")

# Keywords that tell the type of a schema which does not name it.
_TELLING = (
    (
        "object",
        ("properties", "required", "additionalProperties", "minProperties", "patternProperties", "propertyNames"),
    ),
    ("array", ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)
_LARGEST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_SMALLEST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
_LISTS_JOINED = frozenset({"allOf"})


def shape_of(node: Schema) -> list[str]:
    """Return the JSON types that a schema without references and alternatives is about, at least one."""
    kinds = node.get("type")
    if isinstance(kinds, str):
        return [kinds]
    if kinds:
        return list(kinds)
    return [next((kind for kind, keys in _TELLING if any(key in node for key in keys)), "string")]


def merged(one: Any, other: Any) -> Schema:
    """Return a schema that a value fits only if it fits both, as far as one schema can say that.

    Raises:
        LookupError: One of them is false: nothing fits it.
    """
    if one is False or other is False:
        raise LookupError("false fits nothing")
    result = dict(one) if is_object(one) else {}
    for key, value in (other if is_object(other) else {}).items():
        result[key] = _joined(key, result[key], value) if key in result else value
    return result


def _joined(key: str, one: Any, other: Any) -> Any:
    if key in _LARGEST:
        return max(one, other)
    if key in _SMALLEST:
        return min(one, other)
    if key == "required":
        return [*one, *(name for name in other if name not in one)]
    if key == "type":
        return _common_types(one, other)
    if key == "enum":
        return [option for option in one if option in other]
    if key in ("properties", "$defs", "definitions"):
        names = [*one, *(name for name in other if name not in one)]
        return {name: _both(one.get(name, True), other.get(name, True)) for name in names}
    if key in ("items", "additionalProperties", "contains"):
        return _both(one, other)
    if key in _LISTS_JOINED:
        return [*one, *other]
    return other


def _both(one: Any, other: Any) -> Any:
    """Two schemas as one; kept apart until it is known whether they are needed."""
    if one is False or other is False:
        return False
    if one is True or one == other:
        return other
    return one if other is True else {"allOf": [one, other]}


def _common_types(one: Any, other: Any) -> list[str]:
    left, right = ([kinds] if isinstance(kinds, str) else list(kinds) for kinds in (one, other))
    common = [kind for kind in left if kind in right or (kind == "integer" and "number" in right)]
    common += [kind for kind in right if kind == "integer" and "number" in left and kind not in common]
    if not common:
        raise LookupError(f"nothing is {one} and {other}")
    return common


class Heights:
    """How many levels a schema's flattest value has; infinity: it has none.

    Args:
        root: The whole schema, into which references point.
    """

    def __init__(self, root: Any) -> None:
        self._known: dict[str, float] = {}
        _collect(root, self._known)
        # Each round settles at least one reference: as many rounds as there are references suffice.
        targets = {reference: resolve(reference, root) for reference in self._known}
        for _ in targets:
            before = dict(self._known)
            for reference, target in targets.items():
                self._known[reference] = self.of(target)
            if before == self._known:
                break

    def of(self, schema: Any) -> float:
        """Return the height of a schema: 0 for a scalar or an empty container, 1 more for each level around it."""
        if not is_object(schema):
            return math.inf if schema is False else 0
        node = schema
        parts = [0.0]
        if "$ref" in node:
            parts.append(self._known.get(node["$ref"], 0))
        parts.extend(self.of(inner) for inner in node.get("allOf", ()))
        parts.extend(min(map(self.of, node[key]), default=math.inf) for key in ("anyOf", "oneOf") if node.get(key))
        if "const" not in node and "enum" not in node:
            parts.append(min(self._of_kind(node, kind) for kind in self._kinds(node)))
        return max(parts)

    def _kinds(self, node: Schema) -> list[str]:
        # An alternative may bring the type; then the object and array keywords here do not tell it.
        combined = any(key in node for key in ("$ref", "allOf", "anyOf", "oneOf"))
        return shape_of(node) if "type" in node or not combined else list(_ALL_TYPES)

    def _of_kind(self, node: Schema, kind: str) -> float:
        inner: list[Any] = []
        if kind == "object":
            properties: dict[str, Any] = node.get("properties", {})
            inner = [properties.get(name, True) for name in node.get("required", ())]
        elif kind == "array" and node.get("minItems", 0) > 0:
            first: list[Any] = node.get("prefixItems", [])[: node["minItems"]]
            inner = [*first, node.get("items", True)] if len(first) < node["minItems"] else first
        return 1 + max(map(self.of, inner)) if inner else 0


def _collect(node: Any, found: dict[str, float]) -> None:
    """Note every reference below `node`, with an unknown height."""
    if is_object(node):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                found[value] = math.inf
            else:
                _collect(value, found)
    elif is_list(node):
        for value in node:
            _collect(value, found)
