"""From Python types to strict JSON schemas, as the API's structured outputs want them.

A type comes in, or any JSON schema; out goes a schema by the documented rules: every object lists all its properties as
required and allows no others. Types are described by msgspec, those that hold pydantic models by pydantic.
"""

from __future__ import annotations

import copy
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, cast

import msgspec

from openai_async.types.json import is_array, is_object

__all__ = ["holds_pydantic", "raw_schema", "strict", "strict_schema"]

# Where schemas stand inside a schema: by name, in a list, or alone.
_NAMED = ("$defs", "definitions", "properties")
_LISTED = ("anyOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")


def strict_schema(type: Any) -> dict[str, Any]:
    """Return the strict JSON schema of a type.

    Raises:
        TypeError: The type has no JSON schema.
    """
    return strict(raw_schema(type))


def raw_schema(type: Any) -> dict[str, Any]:
    """Return the JSON schema of a type as msgspec or pydantic writes it, its root no `$ref`.

    Raises:
        TypeError: The type has no JSON schema.
    """
    if holds_pydantic(type):
        return _pydantic_schema(type)
    try:
        schema: dict[str, Any] = msgspec.json.schema(type)
    except (TypeError, NameError, AttributeError, SyntaxError, RecursionError) as error:
        raise TypeError(f"{type!r} has no JSON schema: {error}") from error
    _drop_generated_docs(schema, type)
    return _with_inline_root(schema)


def _pydantic_schema(type: Any) -> dict[str, Any]:
    # Imported here: who uses no pydantic models need not have it, nor wait for it.
    from pydantic import TypeAdapter  # noqa: PLC0415 - see above
    from pydantic.errors import PydanticUserError  # noqa: PLC0415 - see above

    try:
        return _with_inline_root(TypeAdapter(type).json_schema())
    except (PydanticUserError, NameError, AttributeError, SyntaxError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise TypeError(f"{type!r} has no JSON schema (structs in pydantic's types have none): {reason}") from error


def holds_pydantic(type: Any) -> bool:
    """Whether a type is, or has somewhere inside, one of pydantic's models or dataclasses."""
    return any(hasattr(part, "__pydantic_core_schema__") for part in _parts(type))


def _parts(type: Any) -> Iterator[Any]:
    """The classes that a type is made of: itself, its arguments, the types of its fields."""
    seen: list[Any] = []
    waiting = [type]
    while waiting:
        part = waiting.pop()
        if any(part is known for known in seen):
            continue
        seen.append(part)
        yield part
        waiting.extend(typing.get_args(part))
        origin: Any = typing.get_origin(part) or part
        if hasattr(origin, "__value__"):  # an alias made by a `type` statement, from Python 3.12 on
            waiting.append(origin.__value__)
        if hasattr(origin, "__annotations__") and (_is_fielded(origin)):
            try:
                waiting.extend(typing.get_type_hints(origin, include_extras=True).values())
            except (NameError, AttributeError, SyntaxError, TypeError):
                waiting.extend(origin.__annotations__.values())


def _is_fielded(cls: Any) -> bool:
    # TypedDicts by an attribute of theirs: those of typing_extensions are none to `typing.is_typeddict`.
    return is_dataclass(cls) or any(hasattr(cls, name) for name in ("__struct_fields__", "__total__", "_fields"))


def _with_inline_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Put a root that is only a reference in the place of it: the API wants an object there."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target = _resolve(reference, schema)
    definitions = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    if not _refers(target, reference) and not any(
        _refers(definition, reference)
        for group in definitions.values()
        for name, definition in group.items()
        if not reference.endswith(f"/{name}")
    ):
        definitions = {
            group: {name: item for name, item in items.items() if not reference.endswith(f"/{name}")}
            for group, items in definitions.items()
        }
    return {**target, **{group: items for group, items in definitions.items() if items}}


def _drop_generated_docs(schema: dict[str, Any], type: Any) -> None:
    """Drop the descriptions that Python writes for dataclasses by itself, such as `Point(x: int, y: int)`."""
    generated: set[str] = {getattr(part, "__name__", "") for part in _parts(type) if is_dataclass(part)} - {""}
    nodes: list[Any] = [schema]
    while nodes:
        node = nodes.pop()
        if is_object(node):
            text = node.get("description")
            if isinstance(text, str) and any(text.startswith(f"{name}(") for name in generated) and text.endswith(")"):
                del node["description"]
            nodes.extend(node.values())
        elif is_array(node):
            nodes.extend(node)


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a strict copy of any JSON schema.

    Objects allow no properties but their own (unless the schema says otherwise itself) and require all of them;
    `oneOf` becomes `anyOf`, an `allOf` of one schema that schema; `discriminator` and null defaults go. A `$ref` with
    siblings is replaced by what it names, the siblings first; where that leads back to itself, the siblings go.

    Raises:
        TypeError: A `$ref` leads nowhere.
    """
    whole = copy.deepcopy(schema)
    return _strict(whole, whole, ())


def _strict(node: dict[str, Any], root: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    reference = node.get("$ref")
    if isinstance(reference, str) and len(node) > 1:
        if reference in inside:
            return {"$ref": reference}
        merged = {**copy.deepcopy(_resolve(reference, root)), **node}
        del merged["$ref"]
        return _strict(merged, root, (*inside, reference))
    if "oneOf" in node and "anyOf" not in node:
        node["anyOf"] = node.pop("oneOf")
    node.pop("discriminator", None)
    for name in _NAMED:
        if is_object(members := node.get(name)):
            for key, member in members.items():
                if is_object(member):
                    here = (*inside, f"#/{name}/{key}") if name != "properties" else inside
                    members[key] = _strict(member, root, here)
    for name in _LISTED:
        if is_array(listed := node.get(name)):
            node[name] = [_strict(item, root, inside) if is_object(item) else item for item in listed]
    for name in _SINGLE:
        if is_object(member := node.get(name)):
            node[name] = _strict(member, root, inside)
    every = node.get("allOf")
    if is_array(every) and len(every) == 1 and is_object(every[0]):
        del node["allOf"]
        node.update({name: value for name, value in every[0].items() if name not in node})
    if node.get("type") == "object" and "additionalProperties" not in node:
        node["additionalProperties"] = False
    if is_object(properties := node.get("properties")):
        node["required"] = list(properties)
    if "default" in node and node["default"] is None:
        del node["default"]
    return node


def _resolve(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    node: Any = root
    for step in reference.removeprefix("#/").split("/"):
        node = cast("Any", node).get(step.replace("~1", "/").replace("~0", "~")) if is_object(node) else None
    if not reference.startswith("#/") or not is_object(node):
        raise TypeError(f"the schema's reference {reference!r} leads nowhere")
    return node


def _refers(node: Any, reference: str) -> bool:
    """Whether a reference stands anywhere in a schema."""
    if is_object(node):
        return node.get("$ref") == reference or any(_refers(item, reference) for item in node.values())
    return is_array(node) and any(_refers(item, reference) for item in node)
