"""What strict mode asks of a schema."""

from __future__ import annotations

import pytest

from openai_async.server.problems import Problem
from openai_async.server.strict import check_strict

_CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        _CLOSED,
        {"$ref": "#/$defs/x", "$defs": {"x": _CLOSED}},
        {**_CLOSED, "properties": {"a": {"anyOf": [_CLOSED, {"type": "null"}]}}},
        {**_CLOSED, "properties": {"a": {"type": "array", "items": _CLOSED}}},
    ],
)
def test_closed_schemas_pass(schema):
    """Closed objects with all properties required are taken, wherever they are nested."""
    assert check_strict(schema, what="response_format 'n'", param="response_format") is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "got 'type: \"array\"'"),
        ({}, "got 'type: \"None\"'"),
        ({**_CLOSED, "additionalProperties": True}, "In context=(), 'additionalProperties' is required"),
        ({**_CLOSED, "required": []}, "Missing 'a'"),
        (
            {**_CLOSED, "properties": {"a": {"type": "object", "properties": {}}}},
            "In context=('properties', 'a'), 'additionalProperties'",
        ),
        ({**_CLOSED, "$defs": {"x": {"type": "object"}}}, "In context=('$defs', 'x')"),
        (
            {**_CLOSED, "properties": {"a": {"anyOf": [{"type": "object"}]}}},
            "In context=('properties', 'a', 'anyOf', '0')",
        ),
        ({**_CLOSED, "properties": {"a": {"items": {"type": "object"}}}}, "In context=('properties', 'a', 'items')"),
    ],
)
def test_open_schemas_are_refused_with_the_place(schema, words):
    """What strict mode can't take is named, with the path of keys to it."""
    with pytest.raises(Problem) as caught:
        check_strict(schema, what="response_format 'n'", param="response_format")

    assert words in caught.value.message
    assert (caught.value.param, caught.value.code) == ("response_format", None)


def test_functions_have_a_code_of_their_own():
    """A function's schema is refused with the API's code for that."""
    with pytest.raises(Problem) as caught:
        check_strict({}, what="function 'f'", param="tools[0].function.parameters")

    assert caught.value.code == "invalid_function_parameters"
