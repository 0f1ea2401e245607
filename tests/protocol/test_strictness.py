"""Strict schemas: each rule, and the official SDK's converter as the measure wherever it comes to an end."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib._pydantic import _ensure_strict_json_schema

from openai_async.protocol.strictness import permitted, resolve, strict, subschemas

NAMES = ["A", "B", "C", "a/b~c"]
POINTERS = {name: "#/$defs/" + name.replace("~", "~0").replace("/", "~1") for name in NAMES}
REFERENCES = st.sampled_from(NAMES[:3]).map(lambda name: {"$ref": POINTERS[name]})
DESCRIBED = REFERENCES.flatmap(lambda node: st.just({**node, "description": "d"}) | st.just({**node, "default": None}))
LEAVES = st.sampled_from([{"type": "string", "default": "x"}, {"type": ["integer", "null"], "default": None}, {}])
NODES = st.recursive(
    LEAVES
    | REFERENCES
    | DESCRIBED
    | st.builds(
        lambda one, more: {"allOf": [one], **more}, REFERENCES | DESCRIBED, st.sampled_from([{}, {"title": "t"}])
    ),
    lambda inner: (
        st.builds(
            lambda members: {"type": "object", "properties": members},
            st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
        )
        | st.builds(lambda one: {"type": "array", "items": one}, inner)
        | st.builds(lambda many: {"anyOf": many}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=6,
)
OBJECTS = st.builds(
    lambda members: {"type": "object", "properties": members},
    st.dictionaries(st.sampled_from("xyz"), NODES, min_size=1, max_size=3),
)
SCHEMAS = st.builds(
    lambda root, *definitions: {**root, "$defs": dict(zip(NAMES[:3], definitions, strict=True))},
    OBJECTS | st.just({"$ref": POINTERS["A"]}),
    OBJECTS,
    OBJECTS,
    OBJECTS,
)


def official(schema: dict[str, Any]) -> Any:
    """What the official SDK makes of a schema; None: it never ends."""
    whole = copy.deepcopy(schema)
    try:
        return _ensure_strict_json_schema(whole, path=(), root=whole)  # type: ignore[arg-type]  # private to the official SDK
    except RecursionError:
        return None


@given(schema=SCHEMAS)
def test_as_the_official_sdk_has_it(schema: dict[str, Any]) -> None:
    """Ours is the official SDK's; where that recurses for ever, ours ends, and no reference has siblings."""
    before = copy.deepcopy(schema)
    made = strict(schema)
    assert schema == before
    expected = official(schema)
    assert expected is None or made == expected
    for node in subschemas(made):
        assert "$ref" not in node or len(node) == 1
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
    assert strict(made) == made


def test_nothing_is_shared() -> None:
    """What comes out can be changed without changing what went in."""
    schema = {"type": "array", "items": {"enum": [["a"]]}, "default": [{"b": []}]}
    before = copy.deepcopy(schema)
    made = strict(schema)
    made["items"]["enum"][0].append("c")
    made["default"][0]["b"].append("c")
    assert schema == before


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": ["string", "null"], "default": None}, {"type": ["string", "null"]}),
        ({"type": "string", "default": "x"}, {"type": "string", "default": "x"}),
        ({"allOf": [{"type": "integer"}], "description": "kept"}, {"description": "kept", "type": "integer"}),
        ({"type": "object", "additionalProperties": True}, {"type": "object", "additionalProperties": True}),
        (
            {"oneOf": [{"type": "object", "properties": {}}, {"$ref": "#/definitions/E"}], "discriminator": {}},
            {
                "anyOf": [
                    {"type": "object", "properties": {}, "additionalProperties": False, "required": []},
                    {"$ref": "#/definitions/E"},
                ]
            },
        ),
        (
            {"$ref": "#/definitions/E", "description": "inlined", "title": "T"},
            {
                "description": "inlined",
                "title": "T",
                "type": "object",
                "properties": {"x": {"type": "integer"}},
                "additionalProperties": False,
                "required": ["x"],
            },
        ),
        (
            {"allOf": [{"$ref": "#/definitions/E"}], "description": "inlined"},
            {
                "description": "inlined",
                "type": "object",
                "properties": {"x": {"type": "integer"}},
                "additionalProperties": False,
                "required": ["x"],
            },
        ),
        (
            {"prefixItems": [{"properties": {"h": {}}}], "items": False},
            {
                "prefixItems": [{"properties": {"h": {}}, "additionalProperties": False, "required": ["h"]}],
                "items": False,
            },
        ),
        (
            {"type": ["object", "null"], "properties": {}},
            {"type": ["object", "null"], "properties": {}, "additionalProperties": False, "required": []},
        ),
        (
            {"type": "object", "additionalProperties": {"oneOf": [{}]}},
            {"type": "object", "additionalProperties": {"anyOf": [{}]}},
        ),
        ({"oneOf": [{"type": "object"}], "anyOf": [{}]}, {"oneOf": [{"type": "object", "additionalProperties": False}], "anyOf": [{}]}),
        ({"allOf": [{}, {"default": None}]}, {"allOf": [{}, {}]}),
        ({"enum": [{"default": None, "oneOf": []}]}, {"enum": [{"default": None, "oneOf": []}]}),
        ({"$ref": "#", "description": "goes"}, {"$ref": "#"}),
    ],
)  # fmt: skip
def test_rules(node: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each rule, in a property of an object; data that looks like a schema is none."""
    definition = {"type": "object", "properties": {"x": {"type": "integer"}}}
    made = strict({"type": "object", "properties": {"default": node}, "definitions": {"E": definition}})
    assert made["properties"]["default"] == expected
    assert made["required"] == ["default"]
    assert made["definitions"]["E"]["required"] == ["x"]


def test_recursion() -> None:
    """A described reference is inlined once where one comes in, and not again inside of what it names."""
    link = {"$ref": "#/$defs/Node", "description": "the next one"}
    node = {"type": "object", "properties": {"next": link}}
    made = strict({"type": "object", "properties": {"first": {**link, "title": "first"}}, "$defs": {"Node": node}})
    assert made["$defs"]["Node"]["properties"] == {"next": {"$ref": "#/$defs/Node"}}
    assert made["properties"]["first"]["title"] == "first"
    assert made["properties"]["first"]["properties"] == {"next": {"$ref": "#/$defs/Node"}}
    assert official({"type": "object", "properties": {"first": link}, "$defs": {"Node": node}}) is None


def test_siblings_that_lead_back() -> None:
    """Neither do the siblings of a reference lead back for ever, nor those in definitions beside the root's."""
    inner = {"$ref": "#/$defs/B", "properties": {"c": {"$ref": "#/$defs/C", "title": "t"}}}
    whole = {"$defs": {"B": {"type": "object"}, "C": {"type": "object", "properties": {"b": inner}}}}
    made = strict({**whole, "$ref": "#/$defs/C"})
    assert made["properties"]["b"]["properties"] == {"c": {"$ref": "#/$defs/C"}}
    nested = {"type": "object", "$defs": {"B": {"$ref": "#/$defs/A", "title": "t"}}, "properties": {}}
    assert strict({"$defs": {"A": nested}, "$ref": "#/$defs/A"})["$defs"]["A"]["$defs"]["B"] == {"$ref": "#/$defs/A"}


def test_definitions_that_all_name_each_other() -> None:
    """Their schema grows with their number, and not with that of the ways through them, which no computer could write."""
    names = [f"N{number}" for number in range(30)]
    members = {name: {"$ref": f"#/$defs/{name}", "description": "d"} for name in names}
    made = strict({"$defs": {name: {"type": "object", "properties": members} for name in names}, "$ref": "#/$defs/N0"})
    assert len(list(subschemas(made))) < 30 * 32 * 2
    jsonschema.Draft202012Validator.check_schema(made)


def test_names_of_any_kind() -> None:
    """A definition's name may have any characters."""
    odd = POINTERS["a/b~c"]
    schema = {"$defs": {"a/b~c": {"type": "object", "properties": {"x": {"$ref": odd, "title": "t"}}}}, "$ref": odd}
    assert strict(schema)["properties"]["x"] == {"$ref": odd}


@pytest.mark.parametrize("reference", ["#/nowhere", "elsewhere.json", "#/anyOf/0", "#/title"])
def test_references_that_lead_nowhere(reference: str) -> None:
    """A reference to nothing is named."""
    schema = {"$ref": reference, "title": "x", "anyOf": [{}]}
    with pytest.raises(TypeError, match=reference):
        strict(schema)
    with pytest.raises(TypeError, match=reference):
        resolve(reference, schema)


def test_permitted() -> None:
    """What strict mode refuses goes, in schemas only; an `enum` gets its type, where its constants have one."""
    schema = {
        "type": "object",
        "properties": {
            "uniqueItems": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True},
            "b": {"type": "string", "format": "decimal", "maxLength": 3, "pattern": "a", "default": {"minLength": 1}},
            "c": {"type": "string", "format": "date-time"},
            "d": {"type": "object", "propertyNames": {}, "minProperties": 1, "maxProperties": 2},
            "e": {"enum": ["a", "b"]},
            "f": {"enum": ["a", 1, None, True, 0.5]},
            "g": {"enum": [["a"]]},
            "h": {"enum": []},
        },
    }
    before = copy.deepcopy(schema)
    properties = permitted(schema)["properties"]
    assert schema == before
    assert properties == {
        "uniqueItems": {"type": "array", "items": {"type": "string"}},
        "b": {"type": "string", "pattern": "a", "default": {"minLength": 1}},
        "c": {"type": "string", "format": "date-time"},
        "d": {"type": "object"},
        "e": {"enum": ["a", "b"], "type": "string"},
        "f": {"enum": ["a", 1, None, True, 0.5], "type": ["string", "integer", "null", "boolean", "number"]},
        "g": {"enum": [["a"]]},
        "h": {"enum": []},
    }
