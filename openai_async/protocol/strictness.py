"""Strictness: any JSON schema as the API's structured outputs want it.

A schema comes in; a copy goes out in which every object lists all its properties as required and allows no others. It
never looks at Python types, and never changes what it is given.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

from openai_async.types.json import is_array, is_object

__all__ = ["permitted", "resolve", "strict", "subschemas"]

# Where schemas stand inside a schema: by name, in a list, or alone.
_DEFINED = ("$defs", "definitions")
_NAMED = (*_DEFINED, "properties")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")

# What strict mode refuses, and of `format` what it takes: see the supported schemas in the API's guide to structured
# outputs. It says "'uniqueItems' is not permitted" and answers nothing.
_REFUSED = ("minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties", "propertyNames")
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a strict copy of any JSON schema.

    Objects allow no properties but their own (unless the schema says otherwise itself) and require all of them;
    `oneOf` becomes `anyOf`, an `allOf` of one schema that schema; `discriminator` and null defaults go. A `$ref` with
    siblings is replaced by what it names, the siblings first. Where that would lead back to itself, the siblings go.

    Raises:
        TypeError: A `$ref` leads nowhere.
    """
    return _Strictness(schema).of(schema, "")


def permitted(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a schema without the constraints that strict mode refuses; every `enum` says its `type`.

    Whoever parses has to check them. The official SDK leaves them in, so its schemas do not come here.
    """
    whole = copy.deepcopy(schema)
    for node in subschemas(whole):
        for keyword in _REFUSED:
            node.pop(keyword, None)
        if "format" in node and node["format"] not in _FORMATS:
            del node["format"]
        if "type" not in node and (kinds := _kinds(node.get("enum"))):
            node["type"] = kinds if len(kinds) > 1 else kinds[0]
    return whole


def _kinds(constants: Any) -> list[str]:
    """The types of some constants, each once; none if there is another than JSON's simple ones."""
    known = is_array(constants) and all(type(constant) in _KINDS for constant in constants)
    return list(dict.fromkeys(_KINDS[type(constant)] for constant in constants)) if known else []


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All schemas in a schema, itself first; what only looks like one (a default, an example) is none."""
    yield schema
    for keyword, value in schema.items():
        for member in _members(keyword, value):
            yield from subschemas(member)


def _members(keyword: str, value: Any) -> list[dict[str, Any]]:
    """The schemas that stand directly at a keyword."""
    found: list[Any] = []
    if keyword in _NAMED and is_object(value):
        found = list(value.values())
    elif keyword in _LISTED and is_array(value):
        found = value
    elif keyword in _SINGLE:
        found = [value]
    return [member for member in found if is_object(member)]


def resolve(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a `$ref` names.

    Raises:
        TypeError: There is none in `root`.
    """
    node: Any = root
    for step in reference.split("/")[1:]:
        node = cast("Any", node).get(step.replace("~1", "/").replace("~0", "~")) if is_object(node) else None
    if reference.partition("/")[0] != "#" or not is_object(node):
        raise TypeError(f"the schema's reference {reference!r} leads nowhere")
    return node


class _Strictness:
    """One schema's way to be strict.

    Throughout, `inside` is the reference of the definition that a schema is a part of, or was inlined from; "": none.
    """

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._inlined: dict[str, set[str]] = {}

    def of(self, node: dict[str, Any], inside: str) -> dict[str, Any]:
        made = self._with_strict_members(node, inside)
        every = made.get("allOf")
        if is_array(every) and len(every) == 1 and is_object(every[0]):
            del made["allOf"]
            made.update(every[0])  # over what stands beside it, as the official SDK has it
        reference = made.get("$ref")
        if isinstance(reference, str) and len(made) > 1:
            if self._leads_back(reference, inside):
                return {"$ref": reference}
            del made["$ref"]
            target = self.of(resolve(reference, self._root), reference)
            made.update({keyword: value for keyword, value in target.items() if keyword not in made})
        return _closed(made)

    def _with_strict_members(self, node: dict[str, Any], inside: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for keyword, value in _kept(node).items():
            name = "anyOf" if keyword == "oneOf" and "anyOf" not in node else keyword
            made[name] = self._strict_value(keyword, value, inside)
        return made

    def _strict_value(self, keyword: str, value: Any, inside: str) -> Any:
        if keyword in _NAMED and is_object(value):
            defines = keyword in _DEFINED and value is self._root.get(keyword)
            return {
                name: self.of(member, f"#/{keyword}/{_escaped(name)}" if defines else inside)
                if is_object(member)
                else copy.deepcopy(member)
                for name, member in value.items()
            }
        if keyword in _LISTED and is_array(value):
            return [self.of(member, inside) if is_object(member) else member for member in value]
        if keyword in _SINGLE and is_object(value):
            return self.of(value, inside)
        return copy.deepcopy(value)

    def _leads_back(self, reference: str, inside: str) -> bool:
        """Whether to inline `reference` there would never end, as each is inlined in the other.

        Asked of the two, not of the way so far: among definitions that all name each other there are more ways than one
        can write.
        """
        if reference in ("#", inside):
            return True
        return inside != "" and inside in self._inlines(reference) and reference in self._inlines(inside)

    def _inlines(self, reference: str) -> set[str]:
        """The references that are inlined in what `reference` names, and in those, and so on."""
        if reference not in self._inlined:
            found: set[str] = set()
            waiting = {reference}
            while waiting:
                new = _inlined_in(resolve(waiting.pop(), self._root)) - found
                found |= new
                waiting |= new
            self._inlined[reference] = found
        return self._inlined[reference]


def _inlined_in(schema: dict[str, Any]) -> set[str]:
    """The references in a schema that are inlined."""
    parts = {keyword: value for keyword, value in schema.items() if keyword not in _DEFINED}
    found = (_reference(node) for node in subschemas(parts))
    return {reference for reference, alone in found if reference and not alone}


def _reference(node: dict[str, Any]) -> tuple[str, bool]:
    """The reference that a schema is, perhaps in an `allOf`; "": it is none. And whether nothing stands beside it."""
    kept = _kept(node)
    reference, every = kept.get("$ref"), kept.get("allOf")
    if isinstance(reference, str):
        return reference, len(kept) == 1
    if is_array(every) and len(every) == 1 and is_object(every[0]):
        inner, alone = _reference(every[0])
        return inner, alone and len(kept) == 1
    return "", True


def _kept(node: dict[str, Any]) -> dict[str, Any]:
    """A schema without the keywords that say nothing to the API."""
    return {
        keyword: value
        for keyword, value in node.items()
        if keyword != "discriminator" and not (keyword == "default" and value is None)
    }


def _closed(node: dict[str, Any]) -> dict[str, Any]:
    """Close an object's schema, changing it."""
    properties = node.get("properties")
    kind = node.get("type", "object" if is_object(properties) else None)
    if kind == "object" or (is_array(kind) and "object" in kind):
        node.setdefault("additionalProperties", False)
    if is_object(properties):
        node["required"] = list(properties)
    return node


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
