"""What strict structured output asks of a schema.

A JSON schema comes in; nothing goes out, or the `Problem` with which the API refuses it: every object closed, every
property required, an object at the root. It never judges schemas that are not marked as strict.
"""

from __future__ import annotations

from typing import Any

from .problems import Problem
from .schemas import is_object

__all__ = ["check_strict"]

_LISTS = ("anyOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")


def check_strict(schema: dict[str, Any], *, what: str, param: str) -> None:
    """Raise unless strict mode takes the schema.

    Args:
        schema: The schema of an answer or of a function's parameters.
        what: What it belongs to, for the message: "response_format 'person'".
        param: The parameter to blame.

    Raises:
        Problem: Status 400; the message says where in the schema, as a path of keys.
    """
    if schema.get("type") != "object" and "$ref" not in schema:
        kind = schema.get("type", "None")
        found = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        raise _refused(what, param, found)
    _visit(schema, (), what, param)


def _visit(schema: Any, path: tuple[str, ...], what: str, param: str) -> None:
    if not is_object(schema):
        return
    node = schema
    if "properties" in node or node.get("type") == "object":
        _visit_object(node, path, what, param)
    for key in _MAPS:
        for name, inner in node.get(key, {}).items():
            _visit(inner, (*path, key, name), what, param)
    for key in _LISTS:
        for index, inner in enumerate(node.get(key, ())):
            _visit(inner, (*path, key, str(index)), what, param)
    _visit(node.get("items"), (*path, "items"), what, param)


def _visit_object(node: dict[str, Any], path: tuple[str, ...], what: str, param: str) -> None:
    if node.get("additionalProperties") is not False:
        text = f"In context={path!r}, 'additionalProperties' is required to be supplied and to be false."
        raise _refused(what, param, text)
    missing = [name for name in node.get("properties", {}) if name not in node.get("required", ())]
    if missing:
        text = (
            f"In context={path!r}, 'required' is required to be supplied and to be an array including every key "
            f"in properties. Missing '{missing[0]}'."
        )
        raise _refused(what, param, text)


def _refused(what: str, param: str, text: str) -> Problem:
    code = "invalid_function_parameters" if what.startswith("function") else None
    return Problem(400, f"Invalid schema for {what}: {text}", param=param, code=code)
