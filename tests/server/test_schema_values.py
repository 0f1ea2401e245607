"""Values that fit a schema."""

from __future__ import annotations

import re

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_async.server.dice import Dice
from openai_async.server.samples import Hints
from openai_async.server.schema_values import UnmetSchemaError, value_for

_DEFS = {
    "tree": {
        "type": "object",
        "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "required": ["v", "kids"],
        "additionalProperties": False,
    },
    "chain": {
        "type": "object",
        "properties": {"v": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/chain"}, {"type": "null"}]}},
        "required": ["v", "next"],
        "additionalProperties": False,
    },
}
_NUMERIC = st.sampled_from(["integer", "number"])
_LEAVES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 20), "maxLength": st.integers(20, 40)}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("string"),
            "format": st.sampled_from(
                ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri", "odd"]
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("string"),
            "pattern": st.sampled_from(
                [r"^[a-z]{3,5}-\d+$", r"^(foo|bar)+$", r"\d{3}", r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$"]
            ),
        }
    ),
    st.fixed_dictionaries(
        {"type": _NUMERIC},
        optional={
            "minimum": st.integers(-100, 100),
            "maximum": st.integers(101, 500),
            "multipleOf": st.sampled_from([1, 2, 5, 0.5, 0.1]),
        },
    ),
    st.fixed_dictionaries(
        {"type": _NUMERIC},
        optional={"exclusiveMinimum": st.floats(-5, 5), "exclusiveMaximum": st.integers(7, 500)},
    ),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"type": ["integer", "array"]}]
    ),
    st.sampled_from([{}, True, {"minimum": 3}, {"minLength": 3}]),
    st.lists(st.sampled_from([1, 2.5, "a", None, True, "x y"]), min_size=1).map(lambda options: {"enum": options}),
    st.sampled_from([1, "k", None, False, [1], {"a": 1}]).map(lambda constant: {"const": constant}),
    st.sampled_from([{"$ref": "#/$defs/tree"}, {"$ref": "#/$defs/chain"}]),
)


@st.composite
def _objects(draw, inner):
    properties = draw(st.dictionaries(st.sampled_from(["city", "age", "unit", "who", "a b", "x"]), inner, max_size=4))
    names = sorted(properties)
    schema = {"type": "object", "properties": properties}
    schema["required"] = draw(st.lists(st.sampled_from([*names, "other"]), unique=True)) if names else []
    closed = draw(st.sampled_from([None, False, True]))
    if closed is False and "other" not in schema["required"]:
        schema["additionalProperties"] = False
    elif closed:
        schema["additionalProperties"] = draw(inner)
        schema["minProperties"] = draw(st.integers(0, 6))
    return schema


def _containers(inner):
    return st.one_of(
        _objects(inner),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.integers(0, 3), "maxItems": st.integers(3, 6)},
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda first: {"type": "array", "prefixItems": first, "minItems": len(first)}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        inner.map(lambda schema: {"allOf": [schema, {"description": "twice said"}]}),
    )


_SCHEMAS = st.recursive(_LEAVES, _containers, max_leaves=10).filter(lambda schema: isinstance(schema, dict))


@settings(max_examples=max(300, settings().max_examples))
@given(_SCHEMAS, st.integers(0, 2**32), st.sampled_from(["", "Paris, 7 people, Ada Lovelace; unit a"]))
def test_values_fit_their_schemas(schema, seed, text):
    """For any schema that can be met, the value fits, recursion, alternatives and hints included."""
    schema = {**schema, "$defs": _DEFS}

    value = value_for(schema, dice=Dice(seed), hints=Hints(text))

    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "not": {"multipleOf": 2}, "minimum": 0, "maximum": 9},
        {"type": "string", "if": {"maxLength": 3}, "then": {"pattern": "^a"}, "else": {"pattern": "z$"}},
        {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 50}]},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "contains": {"const": "needle"}, "minItems": 2, "items": {"type": "string"}},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": False},
        {"type": "array", "maxItems": 0},
        {"type": "object", "minProperties": 2, "propertyNames": {"pattern": "^k[0-9]+$"}},
        {
            "type": "object",
            "minProperties": 2,
            "patternProperties": {"^x-\\w{3}$": {"type": "null"}},
            "additionalProperties": False,
        },
        {"type": "object", "required": ["x-a"], "patternProperties": {"^x-": {"type": "boolean"}}},
        {"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"never": False}},
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 30, "maxLength": 40},
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
        {"type": "integer", "minimum": 1000},
        {"type": "number", "maximum": -1000},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e-9},
        {"type": "number", "multipleOf": 0.25, "minimum": 1, "maximum": 2},
        {"allOf": [{"properties": {"a": {"minimum": 1}}}, {"properties": {"a": {"maximum": 2}}, "required": ["a"]}]},
        {"enum": ["a", 1], "type": "integer"},
        {"anyOf": [False, {"type": "string"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "string"}}, "minLength": 9},
    ],
)
def test_rarer_keywords_are_met_too(schema):
    """What can't be built by construction is found by trying."""
    for seed in range(10):
        jsonschema.validate(value_for(schema, dice=Dice(seed)), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"type": "string"}]},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "https://example.org/schema.json"},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "("},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9},
        {"type": "object", "minProperties": 10**9},
        {"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True},
        {"type": "integer", "minimum": 1, "maximum": 0},
        {"enum": []},
        {"type": "objekt"},
        {"type": "object", "properties": 1},
        {"allOf": [{"type": "string"}, {"type": "array"}]},
        {"not": {}},
        {"$ref": "#/$defs/0", "$defs": {**{str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(150)}, "150": True}},
    ],
)
def test_what_can_not_be_met_is_said(schema):
    """Contradictions, endless recursion and nonsense raise one error, with a reason."""
    with pytest.raises(UnmetSchemaError, match=r"\w"):
        value_for(schema, dice=Dice(1))


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("date", r"\d{4}-\d\d-\d\d"),
        ("time", r"\d\d:\d\d:\d\dZ"),
        ("date-time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("duration", r"P\d+DT\d+H"),
        ("email", r"\w+\.\w+@example\.org"),
        ("hostname", r"\w+\.example\.org"),
        ("ipv4", r"192\.0\.2\.\d{1,3}"),
        ("ipv6", r"2001:db8::[0-9a-f]{1,4}"),
        ("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}"),
        ("uri", r"https://example\.org/\w+"),
        ("uri-reference", r"/\w+"),
    ],
)
def test_formats_are_kept(name, pattern):
    """Texts of a known format look like it, and name only places reserved for examples."""
    for seed in range(20):
        assert re.fullmatch(pattern, value_for({"type": "string", "format": name}, dice=Dice(seed)))


def test_the_same_dice_give_the_same_value():
    """Values depend on the schema and the dice alone."""
    schema = {**_DEFS["tree"], "$defs": _DEFS}

    assert value_for(schema, dice=Dice(7)) == value_for(schema, dice=Dice(7))
    assert len({repr(value_for(schema, dice=Dice(seed))) for seed in range(20)}) > 10


def test_values_take_up_the_users_words():
    """Names, numbers and options of the message are used where they fit."""
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "people": {"type": "integer", "minimum": 1},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "price": {"type": "number"},
        },
        "required": ["city", "people", "unit", "price"],
    }

    value = value_for(schema, dice=Dice(1), hints=Hints("A table for 4 in Lisbon, in fahrenheit, for 12.5 euros"))

    assert value == {"city": "Lisbon", "people": 4, "unit": "fahrenheit", "price": 12.5}


def test_wide_schemas_stay_small():
    """A schema that doubles at every level does not make an exponential value."""
    defs = {
        f"l{level}": {
            "type": "object",
            "properties": {name: {"$ref": f"#/$defs/l{level + 1}"} for name in "abcdefgh"},
        }
        for level in range(12)
    }
    schema = {"$ref": "#/$defs/l0", "$defs": {**defs, "l12": {"type": "null"}}}

    assert len(repr(value_for(schema, dice=Dice(1)))) < 500_000
