"""Whether a value fits a schema."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_async.server.schemas import fits, is_list, is_object, resolve

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.5, 1.0, 2.5])
    | st.sampled_from(["", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=4,
)
_SMALL = st.integers(0, 3)
_KEYWORDS = {
    "type": st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object", ["string", "null"]]),
    "const": _VALUES,
    "enum": st.lists(_VALUES, min_size=1, max_size=3),
    "minimum": _SMALL,
    "maximum": _SMALL,
    "exclusiveMinimum": _SMALL,
    "exclusiveMaximum": _SMALL,
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": _SMALL,
    "maxLength": _SMALL,
    "pattern": st.sampled_from(["a", "^b", "b$"]),
    "minItems": _SMALL,
    "maxItems": _SMALL,
    "uniqueItems": st.booleans(),
    "minProperties": _SMALL,
    "maxProperties": _SMALL,
    "required": st.lists(st.sampled_from(["a", "b"]), unique=True),
    "dependentRequired": st.just({"a": ["b"]}),
}


def _combined(inner):
    lists = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            **_KEYWORDS,
            "anyOf": lists,
            "allOf": lists,
            "oneOf": lists,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "items": inner,
            "prefixItems": lists,
            "contains": inner,
            "minContains": _SMALL,
            "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            "patternProperties": st.dictionaries(st.just("a"), inner, max_size=1),
            "additionalProperties": inner,
            "propertyNames": inner,
            "$ref": st.just("#/$defs/x"),
        },
    )


_SCHEMAS = st.recursive(st.booleans() | st.fixed_dictionaries({}, optional=_KEYWORDS), _combined, max_leaves=4)


@settings(max_examples=max(150, settings().max_examples))
@given(_SCHEMAS, _SCHEMAS.filter(lambda schema: "$ref" not in repr(schema)), _VALUES)
def test_agrees_with_jsonschema(schema, named, value):
    """For any schema of the keywords that are known, the answer is that of the reference implementation."""
    if isinstance(schema, dict):
        schema = {**schema, "$defs": {"x": named}}
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)

    assert fits(value, schema) is expected


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({}, {"minProperties": 1}),
        ({"a": 1, "b": 2}, {"maxProperties": 1}),
        ({}, {"required": ["a"]}),
        ({"a": 1}, {"dependentRequired": {"a": ["b"]}}),
        ({"a": 1}, {"propertyNames": {"maxLength": 0}}),
        ({"a": 1}, {"patternProperties": {"a": False}}),
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}),
        ({"a": 1}, {"additionalProperties": False}),
        ([], {"minItems": 1}),
        ([1, 1.0], {"uniqueItems": True}),
        ([1], {"prefixItems": [{"type": "string"}]}),
        (["a", 1], {"prefixItems": [True], "items": {"type": "string"}}),
        (["a"], {"contains": {"type": "integer"}}),
        ([1, 2], {"contains": {"type": "integer"}, "maxContains": 1}),
        ("ab", {"maxLength": 1}),
        ("ab", {"pattern": "^b"}),
        (3, {"multipleOf": 2}),
        (0.3, {"multipleOf": 0.2}),
        (1, {"exclusiveMinimum": 1}),
        (1, {"maximum": 0.5}),
    ],
)
def test_each_keyword_excludes_something(value, schema):
    """A value that one keyword rules out does not fit, and the reference implementation agrees."""
    assert not fits(value, schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid(value)


def test_one_is_not_true():
    """Numbers and booleans are different values, 1 and 1.0 the same."""
    assert not fits(1, {"const": True})
    assert not fits([False], {"enum": [[0]]})
    assert fits(1.0, {"const": 1})


def test_references_lead_into_the_schema():
    """A reference is a path of keys and indexes, with the escapes of JSON pointers."""
    root = {"$defs": {"a/b": [{"type": "string"}], "t~": 1}}

    assert resolve("#", root) is root
    assert resolve("#/$defs/a~1b/0", root) == {"type": "string"}
    assert resolve("#/$defs/t~0", root) == 1


@pytest.mark.parametrize("reference", ["other.json", "#/nothing", "#/$defs/x/0/y", "#/list/7"])
def test_references_that_lead_nowhere_are_errors(reference):
    """A reference to nothing is a LookupError, never a schema that takes everything."""
    with pytest.raises(LookupError):
        resolve(reference, {"$defs": {"x": 1}, "list": []})


def test_types_of_json_values():
    """Arrays and objects are told apart."""
    assert (is_list([]), is_list({})) == (True, False)
    assert (is_object({}), is_object([])) == (True, False)
