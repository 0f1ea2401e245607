"""Fitting plain values to fields: what fits, what is left of a list, and JSON text of anything."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.types.fit import MISFIT, Remnant, json_text, plan
from openai_async.types.shared import Unlisted


class Inner(msgspec.Struct):
    """What stands for a model: all that `plan` wants of a struct in a struct is `from_dict`."""

    value: int = 0

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Inner:
        """Take what comes."""
        return cls(data.get("value", 0))


class Outer(msgspec.Struct):
    """A field of each kind."""

    flag: bool = False
    count: int = 0
    score: float = 0.0
    text: str | None = None
    kind: Literal["a", "b"] = "a"
    open_kind: Literal["a", "b"] | Unlisted | None = None
    inner: Inner | None = None
    inners: list[Inner] = []
    counts: dict[str, int] = {}
    anything: Any = None
    arguments: str = ""
    _private: int = 0


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("flag", True, True),
        ("flag", 1, MISFIT),
        ("count", 2.0, 2),
        ("count", None, MISFIT),
        ("count", "12", 12),
        ("count", True, MISFIT),
        ("count", 10**30, 10**30),
        ("score", 1, 1.0),
        ("score", "0.5", 0.5),
        ("score", "x", MISFIT),
        ("score", False, MISFIT),
        ("score", 10**400, MISFIT),
        ("score", None, MISFIT),
        ("text", 1.5, "1.5"),
        ("text", [], MISFIT),
        ("text", True, MISFIT),
        ("kind", "c", "c"),
        ("open_kind", "c", "c"),
        ("inner", {"value": 1}, Inner(1)),
        ("inner", [], MISFIT),
        ("inners", [{}], [Inner()]),
        ("inners", [{}, 1], Remnant([Inner()])),
        ("inners", {}, MISFIT),
        ("counts", {"a": "1"}, {"a": 1}),
        ("counts", {"a": 1, "b": "x"}, Remnant({"a": 1})),
        ("counts", [], MISFIT),
        ("anything", [object], [object]),
        ("arguments", {"a": 1}, '{"a":1}'),
    ],
)
def test_values_are_fitted_by_the_fields_type(field: str, value: Any, expected: Any) -> None:
    """A value becomes its field's type, a remnant, or `MISFIT`."""
    assert plan(Outer)[field](value) == expected


def test_integers_that_python_does_not_print_do_not_fit_text() -> None:
    """An integer of thousands of digits is no text, and no error."""
    assert plan(Outer)["text"](10**5000) is MISFIT


def test_private_fields_are_not_in_the_plan() -> None:
    """No key of a JSON object reaches a private field."""
    assert "_private" not in plan(Outer)
    assert plan(Outer) is plan(Outer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8") | st.just("\ud83d")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def finite(value: Any) -> Any:
    """The value with null for what JSON can't say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {key: finite(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(value=JSON, indent=st.sampled_from([None, 2, 4]))
def test_json_text_is_always_standard_json(value: Any, indent: int | None) -> None:
    """Whatever the data, the text is JSON by the standard and says the same, but for NaN and infinities."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(json_text(value, indent), parse_constant=refuse) == finite(value)


def test_json_text_of_users_objects() -> None:
    """Where msgspec refuses a string, the rest of the data is still encoded as msgspec does it."""
    assert json_text({"half": "\ud83d", "struct": Inner(1)}) == '{"half":"\\ud83d","struct":{"value":1}}'
