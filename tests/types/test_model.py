"""The base of the response types: nothing is lost, nothing raises, and users of the official models feel at home."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from openai_async.types import model
from openai_async.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    Choice,
    ChoiceDelta,
    ChoiceLogprobs,
    CompletionUsage,
    Function,
    Model,
    ModerationResult,
    TopLogprob,
)
from openai_async.types.model import Response
from openai_async.types.stored import ChatCompletionDeleted


def test_strict_decoding_refuses_what_it_does_not_know() -> None:
    """An unknown key or a wrong type is an error of the fast path, which is what makes it fast."""
    for text in (b'{"content": "a", "reasoning_content": "b"}', b'{"content": 1}', b'{"content": ["a"]}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=ChoiceDelta)


def test_null_and_absent_are_one() -> None:
    """A field that came as null or not at all has its default."""
    assert ChatCompletion.from_dict({"id": None, "choices": None}) == ChatCompletion.from_dict({})
    assert ChatCompletion.from_dict({"choices": None}).choices == []


def test_extras_read_as_attributes() -> None:
    """An unknown key is an attribute and stands in `model_extra`."""
    delta = ChoiceDelta.from_dict({"content": "a", "reasoning_content": "b", "vendor": {"x": [1]}})

    assert delta.reasoning_content == "b"
    assert delta.vendor == {"x": [1]}
    assert delta.model_extra == {"reasoning_content": "b", "vendor": {"x": [1]}}
    assert ChoiceDelta().model_extra == {}


def test_extras_never_shadow_methods() -> None:
    """A key named like a method is found in `model_extra` and the dict, and the method stays."""
    delta = ChoiceDelta.from_dict({"to_dict": 1, "_extra": 2})

    assert delta.to_dict() == {"to_dict": 1, "_extra": 2}


def test_objects_without_extras_have_no_attribute_hook() -> None:
    """Only objects with extras are of a class with `__getattr__`: with it, reading any field is several times dearer."""
    bare, rich = ChoiceDelta.from_dict({"content": "x"}), ChoiceDelta.from_dict({"content": "x", "y": 1})
    assert type(bare) is ChoiceDelta
    assert not hasattr(type(bare), "__getattr__")
    assert isinstance(rich, ChoiceDelta)
    assert (type(rich).__name__, type(rich).__module__) == (ChoiceDelta.__name__, ChoiceDelta.__module__)
    assert type(rich.model_copy(update={"z": 2})) is type(rich)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_keep_extras(again: Any) -> None:
    """However an object with extras is copied, nested ones too, the copy equals it and reads its extras."""
    chunk = ChatCompletionChunk.from_dict({"id": "x", "new": [1], "choices": [{"delta": {"reasoning": "hm"}}]})
    twin = again(chunk)
    assert twin == chunk
    assert (twin.new, twin.choices[0].delta.model_extra) == ([1], {"reasoning": "hm"})
    assert type(twin) is type(chunk)


@pytest.mark.parametrize("name", ["contents", "__deepcopy__", "_private", ""])
def test_unknown_attributes_are_attribute_errors(name: str) -> None:
    """A name that is neither field nor extra raises `AttributeError` that says so, whatever the name."""
    with pytest.raises(AttributeError, match=f"'ChoiceDelta' object has no attribute '{name}'"):
        getattr(ChoiceDelta.from_dict({"x": 1}), name)


@pytest.mark.parametrize(
    ("cls", "name", "value", "expected"),
    [
        (CompletionUsage, "prompt_tokens", 3.0, 3),
        (CompletionUsage, "prompt_tokens", "17", 17),
        (CompletionUsage, "prompt_tokens", "-1", -1),
        (TopLogprob, "logprob", 0, 0.0),
        (TopLogprob, "logprob", "-0.5", -0.5),
        (TopLogprob, "token", 5, "5"),
        (TopLogprob, "token", 0.5, "0.5"),
        (Function, "arguments", {"a": [1]}, '{"a":[1]}'),
        (Function, "arguments", [], "[]"),
        (Function, "arguments", {"a": math.nan}, '{"a":null}'),
        (Function, "arguments", {"a": "\ud83d"}, '{"a":"\\ud83d"}'),
        (ChatCompletion, "metadata", {"a": 1}, {"a": "1"}),
        (Choice, "finish_reason", "", ""),
        (Choice, "finish_reason", "eos", "eos"),
        (ChatCompletion, "service_tier", "on_demand", "on_demand"),
    ],
)
def test_values_of_another_form_are_fitted(cls: type[Model], name: str, value: Any, expected: Any) -> None:
    """Numbers as text, text as numbers, and an object in the place of JSON text take the field's type."""
    one = cls.from_dict({name: value})

    assert getattr(one, name) == expected
    assert type(getattr(one, name)) is type(expected)
    assert one.model_extra == {}


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (CompletionUsage, "prompt_tokens", True),
        (CompletionUsage, "prompt_tokens", 1.5),
        (CompletionUsage, "prompt_tokens", "1_0"),
        (CompletionUsage, "prompt_tokens", "٣"),
        (CompletionUsage, "prompt_tokens", "-"),
        (CompletionUsage, "prompt_tokens", "9" * 20),
        (CompletionUsage, "prompt_tokens", math.inf),
        (CompletionUsage, "prompt_tokens", []),
        (CompletionUsage, "prompt_tokens_details", 3),
        (TopLogprob, "logprob", True),
        (TopLogprob, "logprob", "x"),
        (TopLogprob, "logprob", 10**400),
        (TopLogprob, "logprob", {}),
        (TopLogprob, "token", False),
        (Function, "arguments", True),
        (ChatCompletionMessage, "content", [1]),
        (ChatCompletionMessage, "content", {"a": 1}),
        (ModerationResult, "flagged", 1),
        (ChatCompletion, "choices", {}),
        (ChatCompletion, "metadata", "x"),
    ],
)
def test_values_that_do_not_fit_are_kept(cls: type[Model], name: str, value: Any) -> None:
    """A value of the wrong type leaves the field at its default, and stays in `model_extra` and in the dict."""
    one = cls.from_dict({name: value})

    assert getattr(one, name) == getattr(cls(), name)
    assert one.model_extra == {name: value}
    assert one.to_dict()[name] == value


def test_numbers_that_python_does_not_print_are_kept() -> None:
    """An integer of thousands of digits in the place of text does not raise."""
    one = TopLogprob.from_dict({"token": 10**5000})

    assert one.token == ""
    assert one.model_extra["token"] == 10**5000


def test_members_that_do_not_fit_do_not_cost_the_others() -> None:
    """Of a list or map that fits in parts, the field has those parts and `model_extra` the whole."""
    choices = [{"index": 1}, None, "x"]
    scores = {"a": 0.5, "b": None}

    completion = ChatCompletion.from_dict({"choices": choices})
    result = ModerationResult.from_dict({"category_scores": scores})
    logprobs = ChoiceLogprobs.from_dict({"content": [{"bytes": [1, "x"]}]})

    assert completion.choices == [Choice(index=1)]
    assert completion.to_dict()["choices"] == choices
    assert result.category_scores == {"a": 0.5}
    assert result.to_dict()["category_scores"] == scores
    assert logprobs.content is not None
    assert logprobs.content[0].bytes == [1]
    assert logprobs.to_dict()["content"][0]["bytes"] == [1, "x"]


def test_nested_lists_and_maps_keep_their_remnants() -> None:
    """What does not fit two levels down is kept, and what does is there."""
    types = {"a": ["text", 5.5, None], "b": ["image"]}

    result = ModerationResult.from_dict({"category_applied_input_types": types})

    assert result.category_applied_input_types == {"b": ["image"]}
    assert result.to_dict()["category_applied_input_types"] == types


def test_dict_options() -> None:
    """`to_dict` leaves out None by default, defaults and all None on request; `model_dump` leaves out nothing."""
    usage = CompletionUsage.from_dict({"prompt_tokens": 2, "vendor": None})

    assert usage.to_dict() == {"completion_tokens": 0, "prompt_tokens": 2, "total_tokens": 0, "vendor": None}
    assert usage.to_dict(exclude_defaults=True) == {"prompt_tokens": 2, "vendor": None}
    assert "vendor" not in usage.to_dict(exclude_none=True)
    assert usage.to_dict(mode="json", use_api_names=False, warnings=False) == usage.to_dict()
    assert usage.to_dict(exclude_unset=False) == usage.model_dump()
    assert usage.model_dump()["prompt_tokens_details"] is None
    assert usage.model_dump(exclude_unset=True) == usage.to_dict()


def test_dict_defaults_are_compared_at_every_level() -> None:
    """`exclude_defaults` leaves out lists and objects at their default, also inside others."""
    completion = ChatCompletion(id="a", choices=[Choice(index=1)])

    assert completion.to_dict(exclude_defaults=True) == {"id": "a", "choices": [{"index": 1}]}


def test_json_text_is_indented_on_request() -> None:
    """`to_json` indents by two, `model_dump_json` not at all."""
    delta = ChoiceDelta(content="ü")

    assert delta.to_json() == '{\n  "content": "ü"\n}'
    assert delta.to_json(indent=None) == '{"content":"ü"}'
    assert delta.to_json(indent=4, exclude_none=True) == '{\n    "content": "ü"\n}'
    assert delta.model_dump_json(exclude_unset=True) == '{"content":"ü"}'


def test_json_takes_what_msgspec_refuses() -> None:
    """Half a surrogate pair becomes an escape, NaN and infinities become null, also together."""
    delta = ChoiceDelta.from_dict({"content": "\ud83d", "score": math.nan, "best": -math.inf, "n": []})

    assert delta.to_json() == '{\n  "content": "\\ud83d",\n  "score": null,\n  "best": null,\n  "n": []\n}'
    assert delta.to_json(indent=None) == '{"content":"\\ud83d","score":null,"best":null,"n":[]}'
    assert ChoiceDelta.from_dict({"score": math.nan}).to_json(indent=None) == '{"score":null}'


def test_dict_is_the_callers_own() -> None:
    """Changing what `to_dict` returned changes neither the object nor what the server sent."""
    sent = {"vendor": {"list": [1]}, "choices": [{"index": 0}]}
    completion = ChatCompletion.from_dict(sent)

    out = completion.to_dict()
    out["vendor"]["list"].append(2)
    out["choices"].clear()

    assert completion.model_extra == {"vendor": {"list": [1]}}
    assert len(completion.choices) == 1
    assert sent["vendor"] == {"list": [1]}


def test_fields_set_are_those_that_hold_something() -> None:
    """`model_fields_set` names fields that are not None, and extras."""
    assert ChoiceDelta.from_dict({"content": "", "role": None, "x": None}).model_fields_set == {"content", "x"}


def test_copy_updates_fields_and_extras() -> None:
    """`model_copy(update=)` changes fields and extras of the copy only."""
    one = ChoiceDelta.from_dict({"content": "a", "x": {"y": 1}})

    twin = one.model_copy(update={"content": "b", "x": 2, "z": 3})

    assert twin.to_dict() == {"content": "b", "x": 2, "z": 3}
    assert one.to_dict() == {"content": "a", "x": {"y": 1}}


def test_copy_shares_unless_deep() -> None:
    """A shallow copy shares what is inside, a deep one does not, and neither shares the dict of extras."""
    one = ChatCompletion.from_dict({"choices": [{}], "x": {}})
    shallow, deep = one.model_copy(), one.model_copy(deep=True)

    assert shallow.choices is one.choices
    assert shallow.model_extra is not one.model_extra
    assert shallow.x is one.x
    assert deep.choices[0] is not one.choices[0]
    assert deep.x is not one.x


def test_updating_a_field_drops_what_did_not_fit_it() -> None:
    """A field set by `model_copy` shows in the dict, though the server's value for it did not fit."""
    one = ChoiceDelta.from_dict({"content": [1]})

    assert one.model_copy(update={"content": "a"}).to_dict() == {"content": "a"}
    assert one.to_dict() == {"content": [1]}


def test_equality_looks_at_type_fields_and_extras() -> None:
    """Two objects are equal if type, fields, and extras are."""
    assert ChoiceDelta.from_dict({"x": 1}) == ChoiceDelta.from_dict({"x": 1})
    assert ChoiceDelta.from_dict({"x": 1}) != ChoiceDelta.from_dict({"x": 2})
    assert ChoiceDelta.from_dict({"x": 1}) != ChoiceDelta()
    assert ChoiceDelta(content="a") != ChatCompletionMessage(content="a")


def test_repr_shows_what_is_there() -> None:
    """The repr has the fields that are not None, then the extras."""
    chunk = ChatCompletionChunk.from_dict({"id": "c", "choices": [{"delta": {"content": "a", "x": 1}}]})

    assert repr(chunk) == (
        "ChatCompletionChunk(id='c', choices=[ChunkChoice(delta=ChoiceDelta(content='a', x=1), index=0)], created=0, "
        "model='', object='chat.completion.chunk')"
    )


def test_validate_is_from_dict() -> None:
    """`model_validate`, the official models' word, reads plain data as `from_dict` does."""
    assert ChoiceDelta.model_validate({"content": "a", "x": 1}) == ChoiceDelta.from_dict({"content": "a", "x": 1})


def test_request_id_is_no_part_of_the_json() -> None:
    """A response knows its request's id, copies and pickles keep it, and its dict does not show it."""
    completion = ChatCompletion(id="a", _response_id="req_1")

    assert completion._request_id == "req_1"
    assert ChatCompletion()._request_id is None
    assert "req_1" not in completion.to_json()
    assert "req_1" not in repr(completion)
    assert pickle.loads(pickle.dumps(completion))._request_id == "req_1"
    assert completion.model_copy()._request_id == "req_1"
    assert isinstance(completion, Response)


def test_objects_of_users_become_plain() -> None:
    """A dataclass, a struct, or a pydantic model inside a response is dumped with it; other objects stay."""

    @dataclass
    class Point:
        x: int

    class Dumps:
        def model_dump(self, *, mode: str) -> dict[str, str]:
            return {"mode": mode}

    thing = object()
    delta = ChoiceDelta().model_copy(update={"a": Point(1), "b": Dumps(), "c": thing, "d": [Point(2)]})

    assert delta.to_dict() == {"a": {"x": 1}, "b": {"mode": "json"}, "c": thing, "d": [{"x": 2}]}


def test_sendable_leaves_out_misfits_and_nulls() -> None:
    """What goes into a request has fields of their type and true extras, at every level, and no nulls."""
    choice = Choice.from_dict({"index": "x", "message": {"content": {"a": 1}, "refusal": "no", "x": [1]}, "y": 2})

    sent = model.sendable(choice)

    assert sent == {"index": 0, "message": {"refusal": "no", "role": "assistant", "x": [1]}, "y": 2}


def test_equality_does_not_ask_for_the_request():
    """Two responses that say the same are equal, whichever requests they answer; extras and types count."""
    one = ChatCompletion(id="a", _response_id="req_1")

    assert one == ChatCompletion(id="a", _response_id="req_2")
    assert one == ChatCompletion.from_dict(one.to_dict())
    assert one != ChatCompletion(id="b", _response_id="req_1")
    assert one != ChatCompletion.from_dict({"id": "a", "x": 1})
    assert one != ChatCompletionDeleted(id="a")
    assert one != {"id": "a"}
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
