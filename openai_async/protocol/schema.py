"""From Python types to JSON schemas.

A type comes in, out goes its schema, strict if that is asked for. Types are described by msgspec, those that hold
pydantic models by pydantic, for whom the strict schema is the official SDK's. Nothing here reads JSON.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from inspect import isclass
from typing import Any, ClassVar

import msgspec

from .strictness import permitted, resolve, strict, subschemas

__all__ = ["holds_pydantic", "raw_schema", "strict", "strict_schema", "text_of", "written_doc"]

_REFERENCE = "#/$defs/{name}"

# By these attributes pydantic knows its models and dataclasses, and the types that others made for it.
_PYDANTIC = ("__pydantic_core_schema__", "__pydantic_validator__", "__get_pydantic_core_schema__")


def strict_schema(type: Any) -> dict[str, Any]:
    """Return the strict JSON schema of a type: for pydantic's the official SDK's, constraints that are refused and all.

    Raises:
        TypeError: The type has no JSON schema.
    """
    schema = raw_schema(type)
    return strict(schema if holds_pydantic(type) else permitted(schema))


def raw_schema(type: Any) -> dict[str, Any]:
    """Return the JSON schema of a type as msgspec or pydantic writes it, its root no `$ref`.

    Raises:
        TypeError: The type has no JSON schema.
    """
    return _pydantic_schema(type) if holds_pydantic(type) else _msgspec_schema(type)


# Pydantic's.


def _pydantic_schema(type: Any) -> dict[str, Any]:
    try:
        # Imported here: who uses no pydantic models need not have it, nor wait for it.
        from pydantic import TypeAdapter  # noqa: PLC0415 - see above

        own: Any = getattr(type, "model_json_schema", None)
        schema: dict[str, Any] = TypeAdapter(type).json_schema() if own is None else own()
        if "$ref" in schema:
            # A model that refers to itself, or a root model. Its definition stays, used or not: so the official SDK.
            target = resolve(schema.pop("$ref"), schema)
            schema.update({keyword: value for keyword, value in target.items() if keyword not in schema})
    except Exception as error:  # the type's own code ran, too
        reason = f"{error}".partition("\n")[0]
        mixed = " (structs in pydantic's types have none)" if any(map(_is_struct, _parts(type))) else ""
        raise TypeError(f"{type!r} has no JSON schema{mixed}: {reason}") from error
    return schema


def holds_pydantic(type: Any) -> bool:
    """Whether a type is pydantic's to describe and to parse.

    It is if it has one of pydantic's models, dataclasses or types somewhere inside; or, unless it holds what pydantic
    can't read, if something in it is annotated with a field of pydantic's: `Annotated[int, Field(ge=1)]`.
    """
    parts = list(_parts(type))
    if any(_is_pydantic(part) for part in parts):
        return True
    return any(_is_metadata(part) for part in parts) and not any(_is_foreign(part) for part in parts)


def _is_pydantic(part: Any) -> bool:
    origin: Any = typing.get_origin(part) or part
    return any(hasattr(origin, name) for name in _PYDANTIC) and not _is_struct(origin)


def _is_struct(part: Any) -> bool:
    return hasattr(typing.get_origin(part) or part, "__struct_fields__")


def _is_metadata(part: Any) -> bool:
    module: object = getattr(part.__class__, "__module__", "")
    return isinstance(module, str) and module.partition(".")[0] == "pydantic"


def _is_foreign(part: Any) -> bool:
    """Whether pydantic refuses this: a struct, and before Python 3.12 a TypedDict of `typing`."""
    origin: Any = typing.get_origin(part) or part
    old = sys.version_info < (3, 12) and part.__class__.__module__ == "typing" and typing.is_typeddict(origin)
    return old or _is_struct(part)


# Msgspec's.


def _msgspec_schema(type: Any) -> dict[str, Any]:
    classes = [part for part in _parts(type) if part is not type and _is_object(part)]
    try:
        (root, *places), components = msgspec.json.schema_components([type, *classes], ref_template=_REFERENCE)
        named = [*zip(classes, places, strict=True), (type, root)]
        whole: dict[str, Any] = {"$defs": components}
        for part, place in named:
            if "$ref" in place:
                _describe(part, resolve(place["$ref"], whole))
    except Exception as error:  # annotations are code of the type's author
        reason = f"{error}".rpartition("\n\n")[2]  # before it msgspec tells of hooks, and there are none here
        instead = "; structs, dataclasses, TypedDicts and pydantic models have one" if isclass(type) else ""
        raise TypeError(f"{type!r} has no JSON schema: {reason}{instead}") from error
    for node in (*subschemas(root), *subschemas(whole)):
        if node.get("type") == "object" and "properties" not in node:
            node.setdefault("additionalProperties", True)  # a dict of anything; an empty class has `properties`
    return _with_used(root, components)


def _describe(part: Any, schema: dict[str, Any]) -> None:
    """Add what the annotations of a class say of its fields; drop the docstring that Python wrote by itself."""
    origin: Any = typing.get_origin(part) or part
    if _is_dataclass(origin) and written_doc(origin) is None:
        schema.pop("description", None)
    properties = schema.get("properties", {})
    names: dict[str, str] = {}
    if _is_struct(origin):
        names = dict(zip(origin.__struct_fields__, origin.__struct_encode_fields__, strict=True))
    for name, annotation in _hints(origin).items():
        field = properties.get(names.get(name, name))
        if field is not None and (text := text_of(annotation)):
            field.setdefault("description", text)


def _with_used(root: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Return the root with the definitions that it needs, in the place of a reference what that names."""
    schema = root
    if "$ref" in root:
        target = resolve(root["$ref"], {"$defs": components})
        schema = {**target, **{keyword: value for keyword, value in root.items() if keyword != "$ref"}}
    used: set[str] = set()
    waiting = [schema]
    while waiting:
        names = {node["$ref"].rpartition("/")[2] for node in subschemas(waiting.pop()) if "$ref" in node}
        names = (names & components.keys()) - used
        used |= names
        waiting += [components[name] for name in names]
    kept = {name: component for name, component in components.items() if name in used}
    return {**schema, "$defs": kept} if kept else schema


# Types, taken apart.


def text_of(annotation: Any) -> str:
    """Return the description that `Annotated[T, "text"]` gives, or a field of pydantic's or msgspec's; "": none."""
    while getattr(typing.get_origin(annotation), "_name", None) in ("Required", "NotRequired", "ReadOnly", "Final"):
        annotation = typing.get_args(annotation)[0]
    extras: tuple[Any, ...] = getattr(annotation, "__metadata__", ())
    texts = [extra if isinstance(extra, str) else getattr(extra, "description", None) for extra in extras]
    return next((text for text in texts if isinstance(text, str) and text), "")


def written_doc(cls: Any) -> str | None:
    """Return a class's own docstring; None: it has none but what Python or a base wrote."""
    text: str | None = getattr(cls, "__dict__", {}).get("__doc__")
    generated = text is not None and _is_dataclass(cls) and text.startswith(f"{cls.__name__}(") and text.endswith(")")
    return None if generated else text


def _parts(type: Any) -> Iterator[Any]:
    """The types that a type is made of: itself, its arguments, those of its fields; metadata too."""
    seen: dict[int, Any] = {}  # by identity: not all have a hash; the values keep the identities from being used again
    waiting = [type]
    while waiting:
        part = waiting.pop()
        origin: Any = typing.get_origin(part) or part
        if id(part) in seen or origin is ClassVar:
            continue
        seen[id(part)] = part
        yield part
        waiting += typing.get_args(part)
        waiting += [getattr(origin, name) for name in ("__value__", "__supertype__") if hasattr(origin, name)]
        if _has_fields(origin):
            waiting += [*getattr(origin, "__orig_bases__", ()), *_hints(origin).values()]


def _hints(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are code of the type's author
        return dict(getattr(cls, "__annotations__", {}))


def _has_fields(cls: Any) -> bool:
    # TypedDicts by an attribute of theirs: those of typing_extensions are none to `typing.is_typeddict`.
    known = any(hasattr(cls, name) for name in ("__struct_fields__", "__total__", "_fields"))
    return isclass(cls) and (known or _is_dataclass(cls))


def _is_dataclass(cls: Any) -> bool:
    return hasattr(cls, "__dataclass_fields__")


def _is_object(part: Any) -> bool:
    origin: Any = typing.get_origin(part) or part
    return _has_fields(origin) and not hasattr(origin, "_fields")
