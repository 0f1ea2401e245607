"""Kinds of JSON values, and the complaints about others."""

from __future__ import annotations

import pytest

from openai_async.server.problems import Problem
from openai_async.server.specs import Anything, Either, Fields, Flag, Items, Number, Pairs, Tagged, Text

_SHAPE = Fields(fields={"a": Text(), "b": Number()}, required=("a",))


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (Text(), "x"),
        (Text(null=True), None),
        (Text(options=("a", "b")), "b"),
        (Number(), 1),
        (Number(low=0, high=2), 2),
        (Number(whole=True), -3),
        (Flag(), False),
        (Anything(), {"any": [1]}),
        (Items(item=Text(), least=1, most=2), ["a", "b"]),
        (_SHAPE, {"a": "x"}),
        (Fields(fields={}, open=True), {"more": 1}),
        (Pairs(key=Text(longest=1), value=Text()), {"k": "v"}),
        (Tagged(tag="type", variants={"x": Fields(fields={"type": Text()})}), {"type": "x"}),
        (Either(options=(Text(), Items(item=Text()))), ["x"]),
        (Either(options=(Text(),), null=True), None),
    ],
)
def test_what_fits_is_taken(spec, value):
    """A value of the right kind raises nothing."""
    assert spec.check(value, path="p") is None


@pytest.mark.parametrize(
    ("spec", "value", "code", "param", "message"),
    [
        (Text(), 1, "invalid_type", "p", "Invalid type for 'p': expected a string, but got an integer instead."),
        (Text(), None, "invalid_type", "p", "Invalid type for 'p': expected a string, but got null instead."),
        (Flag(), 0, "invalid_type", "p", "Invalid type for 'p': expected a boolean, but got an integer instead."),
        (Number(), True, "invalid_type", "p", "Invalid type for 'p': expected a decimal, but got a boolean instead."),
        (Number(whole=True), 1.5, "invalid_type", "p", "expected an integer, but got a decimal instead."),
        (Number(whole=True), "1", "invalid_type", "p", "expected an integer, but got a string instead."),
        (Items(item=Text()), {}, "invalid_type", "p", "expected an array of strings, but got an object instead."),
        (Items(item=_SHAPE), "x", "invalid_type", "p", "expected an array of objects, but got a string instead."),
        (Anything(), [], "invalid_type", "p", "expected an object, but got an array instead."),
        (
            Either(options=(Text(), Items(item=Text()))),
            1,
            "invalid_type",
            "p",
            "expected one of a string or an array of strings, but got an integer instead.",
        ),
        (
            Number(high=2),
            3,
            "decimal_above_max_value",
            "p",
            "Invalid 'p': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
        ),
        (Number(low=1, whole=True), 0, "integer_below_min_value", "p", "Expected a value >= 1, but got 0 instead."),
        (
            Text(options=("a", "b", "c")),
            "d",
            "invalid_value",
            "p",
            "Invalid value: 'd'. Supported values are: 'a', 'b', and 'c'.",
        ),
        (Text(options=("a",)), "d", "invalid_value", "p", "Supported values are: 'a'."),
        (Text(shortest=1), "", "empty_string", "p", "Expected a string with minimum length 1"),
        (
            Text(longest=2),
            "abc",
            "string_above_max_length",
            "p",
            "maximum length 2, but got a string with length 3 instead.",
        ),
        (Text(pattern="[a-z]+"), "A", "invalid_value", "p", "Expected a string that matches the pattern '^[a-z]+$'."),
        (Items(item=Text(), least=1), [], "empty_array", "p", "Expected an array with minimum length 1"),
        (Items(item=Text(), most=1), ["a", "b"], "array_above_max_length", "p", "but got an array with length 2"),
        (Items(item=Text()), ["a", 1], "invalid_type", "p[1]", "Invalid type for 'p[1]'"),
        (_SHAPE, {}, "missing_required_parameter", "p.a", "Missing required parameter: 'p.a'."),
        (_SHAPE, {"a": "x", "c": 1}, "unknown_parameter", "p.c", "Unknown parameter: 'p.c'."),
        (_SHAPE, {"a": "x", "b": "y"}, "invalid_type", "p.b", "Invalid type for 'p.b'"),
        (Pairs(key=Text(), value=Text(), most=1), {"a": "", "b": ""}, "object_above_max_properties", "p", "at most 1"),
        (Pairs(key=Text(longest=1), value=Text()), {"ab": ""}, "string_above_max_length", "p.ab", "string too long"),
        (Tagged(tag="t", variants={"x": _SHAPE}), {}, "missing_required_parameter", "p.t", "'p.t'"),
        (Tagged(tag="t", variants={"x": _SHAPE}), {"t": "y"}, "invalid_value", "p.t", "Supported values are: 'x'."),
    ],
)
def test_what_does_not_fit_is_named(spec, value, code, param, message):
    """A value of the wrong kind is refused with the API's code and words, and the path to the culprit."""
    with pytest.raises(Problem) as caught:
        spec.check(value, path="p")

    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, param)
    assert message in caught.value.message


def test_paths_begin_without_a_dot():
    """A field of the request itself is named alone."""
    with pytest.raises(Problem, match=r"'a'") as caught:
        _SHAPE.check({}, path="")

    assert caught.value.param == "a"
