"""Unknown keys, joined over the chunks: nothing a vendor sends is lost, added up or repeated."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from support.fold import clean, fold
from support.strategies import EXTRAS

from openai_async.protocol.extras import Extras


def joined(*values, appends=True, name="x"):
    """What the values of one key, one a chunk, add up to."""
    extras = Extras(appends=appends)
    for value in values:
        extras.merge({name: value})
    return extras.values()[name]


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        (["a", "b"], "ab"),
        (["a", None, "b", None], "ab"),
        ([None, None], None),
        ([None, "a"], "a"),
        (["", ""], ""),
        ([1, 2], 2),
        ([1, None], 1),
        ([True, True], True),
        ([1.5, False], False),
        ([[1], [2, None]], [1, 2, None]),
        ([["a"], ["b"]], ["a", "b"]),
        ([[], []], []),
        ([[[1]], [[2]]], [[1], [2]]),
        ([{"a": "x"}, {"a": "y", "b": 1}], {"a": "xy", "b": 1}),
        ([{"a": None}, {"a": "x"}, {"a": None}], {"a": "x"}),
        ([{}, {}], {}),
        ([{"a": {"b": [1]}}, {"a": {"b": [2]}}], {"a": {"b": [1, 2]}}),
        # Another type takes the place of what was there.
        ([1, "a", "b"], "ab"),
        (["a", 1], 1),
        (["a", [1]], [1]),
        (["a", {"b": 1}], {"b": 1}),
        ([[1], "a"], "a"),
        ([{"a": 1}, [1]], [1]),
        # Members of lists go by their index, where they have one.
        ([[{"index": 0, "t": "a"}], [{"index": 0, "t": "b"}]], [{"index": 0, "t": "ab"}]),
        (
            [[{"index": 1, "t": "a"}], [{"index": 0, "t": "b"}], [{"index": 1, "t": "c"}]],
            [
                {"index": 1, "t": "ac"},
                {"index": 0, "t": "b"},
            ],
        ),
        ([[{"index": 0, "t": "a"}, {"index": 0, "t": "b"}]], [{"index": 0, "t": "ab"}]),
        ([[{"t": "a"}], [{"t": "b"}]], [{"t": "a"}, {"t": "b"}]),
        (
            [[{"index": "0", "t": "a"}], [{"index": "0", "t": "b"}]],
            [{"index": "0", "t": "a"}, {"index": "0", "t": "b"}],
        ),
        ([[{"index": 0, "t": "a"}], ["x"], [{"index": 0, "t": "b"}]], [{"index": 0, "t": "ab"}, "x"]),
    ],
)
def test_values_join_by_their_type(values, whole):
    """Text is appended, lists are extended, objects are joined, the rest is replaced; null says nothing."""
    assert joined(*values) == whole


LABELS = [
    "id",
    "type",
    "name",
    "role",
    "index",
    "format",
    "model",
    "object",
    "provider",
    "status",
    "channel",
    "item_id",
    "tool_name",
    "block_type",
    "x_role",
    "native_finish_reason",
    "x_status",
    "x_format",
    "x_model",
    "service_tier",
]


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    """Text under a name that says what something is, is set; the newest that is not empty counts."""
    assert joined("a", "a", "", None, name=name) == "a"
    assert joined("a", "b", name=name) == "b"
    assert joined("", name=name) == ""
    assert joined(5, "", name=name) == 5
    assert joined({name: "a"}, {name: "a"}) == {name: "a"}
    assert joined([{"index": 0, name: "a"}], [{"index": 0, name: "a"}])[0][name] in {"a", 0}


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "text", "signature", "identity", "types", "idea"])
def test_pieces(name):
    """Text under any other name inside a delta is a piece."""
    assert joined("a", "a", name=name) == "aa"


@pytest.mark.parametrize("name", ["reasoning_content", "provider", "stop_sequence"])
def test_beside_the_deltas(name):
    """Beside the deltas, in chunk and choice, all text is a label; lists are extended there, too."""
    assert joined("a", "a", appends=False, name=name) == "a"
    assert joined("a", "b", "", appends=False, name=name) == "b"
    assert joined([1], [2], appends=False, name=name) == [1, 2]
    assert joined({"a": "x"}, {"a": "x"}, appends=False, name=name) == {"a": "x"}


def test_no_values():
    """Without keys there is nothing, rather than an empty object."""
    assert Extras(appends=True).values() is UNSET
    extras = Extras(appends=True)
    extras.merge({})
    assert extras.values() is UNSET


def test_keys_stay_in_order():
    """Keys stand in the order in which they first came."""
    extras = Extras(appends=True)
    for extra in ({"b": 1}, {"a": 1}, {"b": 2, "c": 1}):
        extras.merge(extra)
    assert list(extras.values()) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("field", "kept"), [("text", False), (1, False), ([1], False), ("", True), (None, True), (0, True)]
)
def test_values_beside_fields(field, kept):
    """A value of a field's name is left out where the field holds something, as it would hide it."""
    extras = Extras(appends=True)
    extras.merge({"content": ["misfit"], "x": 1})
    expected = {"x": 1, "content": ["misfit"]} if kept else {"x": 1}
    assert extras.values({"content": field, "other": "y"}) == expected


def test_only_values_that_fields_hold():
    """Where only such values were, there is nothing."""
    extras = Extras(appends=True)
    extras.merge({"content": ["misfit"]})
    assert extras.values({"content": "text"}) is UNSET


VALUE = {"a": ["x"], "b": {"c": [{"index": 0, "t": "x"}]}, "t": "x", "n": 1}


def test_nothing_is_shared():
    """Neither what was merged nor what was returned changes when more is merged."""
    merged = copy.deepcopy(VALUE)
    extras = Extras(appends=True)
    extras.merge(merged)
    first = extras.values()
    extras.merge(copy.deepcopy(VALUE))
    assert merged == VALUE
    assert first == VALUE
    assert extras.values()["b"] == {"c": [{"index": 0, "t": "xx"}]}


class Watched(int):
    """An index that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        type(self).compared += 1
        return super().__eq__(other)

    __hash__ = int.__hash__


def test_finding_a_member_is_no_search():
    """A thousand members with an index each are found without comparing each with all."""
    extras = Extras(appends=True)
    for index in range(1000):
        extras.merge({"details": [{"index": Watched(index), "text": "a"}]})
        extras.merge({"details": [{"index": Watched(index), "text": "b"}]})
    assert extras.values()["details"][999]["text"] == "ab"
    assert Watched.compared <= 4000


@given(chunks=st.lists(EXTRAS, max_size=5), inside=st.booleans())
def test_any_values(chunks, inside):
    """Whatever the chunks add, the whole is that of a fold over plain data."""
    extras = Extras(appends=inside)
    for chunk in chunks:
        extras.merge(chunk)
    if inside:
        whole = fold({"choices": [{"delta": chunk}]} for chunk in chunks)
        expected = whole["choices"][0]["message"] if chunks else {}
        expected.pop("role", None)
    else:
        whole = fold(chunks)
        expected = {
            name: value for name, value in whole.items() if name not in {"id", "object", "created", "model", "choices"}
        }
    values = extras.values()
    assert clean({} if values is UNSET else values) == clean(expected)
