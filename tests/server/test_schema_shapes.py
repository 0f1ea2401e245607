"""How schemas combine, and how small their values are."""

from __future__ import annotations

import math

import pytest

from openai_async.server.schema_shapes import Heights, merged, shape_of


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"minimum": 1}, {"minimum": 2}, {"minimum": 2}),
        ({"maxLength": 1}, {"maxLength": 2}, {"maxLength": 1}),
        ({"required": ["a"]}, {"required": ["a", "b"]}, {"required": ["a", "b"]}),
        ({"enum": [1, 2]}, {"enum": [2, 3]}, {"enum": [2]}),
        ({"type": ["string", "number"]}, {"type": "integer"}, {"type": ["integer"]}),
        ({"type": "integer"}, {"type": "number"}, {"type": ["integer"]}),
        ({"properties": {"a": True}}, {"properties": {"b": {}}}, {"properties": {"a": True, "b": {}}}),
        (
            {"properties": {"a": {"minimum": 1}}},
            {"properties": {"a": {"maximum": 2}}},
            {"properties": {"a": {"allOf": [{"minimum": 1}, {"maximum": 2}]}}},
        ),
        ({"additionalProperties": False}, {"additionalProperties": {}}, {"additionalProperties": False}),
        ({"items": {"minimum": 1}}, {"items": True}, {"items": {"minimum": 1}}),
        ({"items": True}, {"items": {"minimum": 1}}, {"items": {"minimum": 1}}),
        ({"allOf": [1]}, {"allOf": [2]}, {"allOf": [1, 2]}),
        ({"title": "a"}, {"title": "b"}, {"title": "b"}),
        (True, {"minimum": 1}, {"minimum": 1}),
        ({"minimum": 1}, True, {"minimum": 1}),
    ],
)
def test_merged_says_what_both_say(one, other, expected):
    """Each keyword of the combination is as narrow as the narrower of the two."""
    assert merged(one, other) == expected


@pytest.mark.parametrize(("one", "other"), [(False, {}), ({}, False), ({"type": "string"}, {"type": "array"})])
def test_what_nothing_fits_is_an_error(one, other):
    """Schemas that contradict each other plainly do not combine."""
    with pytest.raises(LookupError):
        merged(one, other)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "null"}, ["null"]),
        ({"type": ["string", "null"]}, ["string", "null"]),
        ({"properties": {}}, ["object"]),
        ({"items": {}}, ["array"]),
        ({"maximum": 1}, ["number"]),
        ({}, ["string"]),
    ],
)
def test_keywords_tell_the_type(node, expected):
    """A schema without a type is about what its keywords are about."""
    assert shape_of(node) == expected


_NODE = {"type": "object", "properties": {"next": {"$ref": "#"}}}


@pytest.mark.parametrize(
    ("schema", "height"),
    [
        (True, 0),
        (False, math.inf),
        ({"type": "string"}, 0),
        ({"const": {"deep": {}}}, 0),
        ({"type": "object"}, 0),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "array"}}}, 1),
        ({"type": "array", "items": {"type": "string"}}, 0),
        ({"type": "array", "minItems": 1, "items": {"type": "string"}}, 1),
        ({"type": "array", "minItems": 1, "prefixItems": [{"minItems": 1}]}, 2),
        (_NODE, 0),
        ({**_NODE, "required": ["next"]}, math.inf),
        ({"$ref": "#"}, math.inf),
        ({"anyOf": [{**_NODE, "required": ["next"]}, {"type": "null"}]}, 0),
        ({"type": ["object", "null"], "required": ["next"], "properties": {"next": {"$ref": "#"}}}, 0),
        ({"allOf": [{"type": "string"}, False]}, math.inf),
        ({"anyOf": [False, False]}, math.inf),
    ],
)
def test_heights_count_levels(schema, height):
    """A schema's height is that of its flattest value, and infinite where there is none."""
    assert Heights(schema).of(schema) == height


def test_mutual_recursion_ends_where_it_can():
    """Definitions that refer to each other are as high as their way out."""
    schema = {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"type": "object", "required": ["b"], "properties": {"b": {"$ref": "#/$defs/b"}}},
            "b": {"type": "object", "required": ["a"], "properties": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {}]}}},
        },
    }

    assert Heights(schema).of(schema) == 2
