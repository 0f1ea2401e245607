"""The base of the response types, for any JSON object: nothing is lost, nothing raises, nothing changes by copying."""

from __future__ import annotations

import copy
import json
import pickle
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from openai_async.types import chat
from openai_async.types.chat import Model

MODELS = sorted(
    (cls for name in chat.__all__ if isinstance(cls := getattr(chat, name), type) and issubclass(cls, Model)),
    key=lambda cls: cls.__name__,
)

EXAMPLES = 25  # of each claim for each type

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["function", "custom", "text", "image_url", "error", "mcp", ""])
TYPED = st.fixed_dictionaries({}, optional={"type": KINDS, "function": JSON, "custom": JSON, "text": JSON})


def of_type(info: Any) -> st.SearchStrategy[Any]:
    """Plain values that fit a field's type."""
    match info:
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers()
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case inspect.StrType():
            return st.text(max_size=5)
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.UnionType(types=members):
            return st.one_of([of_type(member) for member in members])
        case inspect.ListType(item_type=item):
            return st.lists(of_type(item), max_size=2)
        case inspect.DictType(value_type=inspect.AnyType()):
            return TYPED
        case inspect.DictType(value_type=value):
            return st.dictionaries(st.text(max_size=3), of_type(value), max_size=2)
        case inspect.StructType(fields=fields):
            public = {field.name: of_type(field.type) for field in fields if not field.name.startswith("_")}
            return st.fixed_dictionaries({}, optional=public)
        case _:
            return JSON


@cache
def fitting(cls: type[Model]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects whose values fit `cls`."""
    return of_type(inspect.type_info(cls))


@cache
def wild(cls: type[Model]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects with the keys of `cls`, and others, holding values that fit or that do not."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    public = {field.name: of_type(field.type) | JSON for field in info.fields if not field.name.startswith("_")}
    # Names of attributes as extras: they must not be shadowed, nor lost.
    names = st.text(max_size=5) | st.sampled_from(["reasoning", "text", "to_dict", "_extra", "model_extra", "index"])
    known = st.fixed_dictionaries({}, optional=public)
    return st.builds(lambda extra, fields: {**extra, **fields}, st.dictionaries(names, JSON, max_size=3), known)


def is_kept(before: Any, after: Any) -> bool:
    """Whether `after` says what `before` said, up to nulls and the documented coercions."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(value is None or (key in after and is_kept(value, after[key])) for key, value in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(is_kept, before, after))
    if type(before) is type(after):
        return bool(before == after)
    if isinstance(before, bool | None):
        return False
    if isinstance(before, dict | list):
        return isinstance(after, str) and json.loads(after) == before  # arguments as an object
    if isinstance(after, str):
        return after == str(before)  # a number in the place of text
    return type(after) in {int, float} and type(after)(before) == after  # a number in another form, or as text


@pytest.mark.parametrize("cls", MODELS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_second_pass_loses_nothing(cls: type[Model], data: st.DataObject) -> None:
    """Whatever JSON object comes in, every key and value of it comes out again."""
    before = data.draw(wild(cls))
    untouched = copy.deepcopy(before)

    after = cls.from_dict(before).to_dict()

    assert is_kept(before, after), (before, after)
    assert untouched == before


@pytest.mark.parametrize("cls", MODELS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_strict_and_lenient_agree(cls: type[Model], data: st.DataObject) -> None:
    """What the strict decoder takes, the second pass reads as the same object."""
    plain = data.draw(fitting(cls))

    strict = msgspec.json.decode(msgspec.json.encode(plain), type=cls)

    assert strict == cls.from_dict(plain)


@pytest.mark.parametrize("cls", MODELS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_copies_and_pickles_are_equal(cls: type[Model], data: st.DataObject) -> None:
    """A copy, a deep copy, a pickle, and the object read from its own dict all equal the object."""
    one = cls.from_dict(data.draw(wild(cls)))

    for twin in (copy.copy(one), copy.deepcopy(one), one.model_copy(), one.model_copy(deep=True)):
        assert twin == one
        assert twin.to_dict() == one.to_dict()
    assert pickle.loads(pickle.dumps(one)) == one
    assert repr(pickle.loads(pickle.dumps(one))) == repr(one)
    assert cls.from_dict(one.to_dict()).to_dict() == one.to_dict()


@pytest.mark.parametrize("cls", MODELS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_json_forms_hold_the_dict(cls: type[Model], data: st.DataObject) -> None:
    """`to_json` and `model_dump_json` are `to_dict` and `model_dump` as JSON text."""
    one = cls.from_dict(data.draw(wild(cls)))

    assert json.loads(one.to_json()) == one.to_dict()
    assert json.loads(one.model_dump_json()) == one.model_dump()
