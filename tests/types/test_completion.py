"""Completions: tool calls told apart, reasoning under all names, and messages that go back into a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_async.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    Custom,
    Function,
)

SHARED = Path(__file__).parents[3] / "shared"
SCHEMA = SHARED / "openapi" / "chat.schema.json"


@pytest.fixture(scope="module")
def request_message() -> jsonschema.Draft202012Validator:
    """The published schema of a request's message."""
    if not SCHEMA.exists():
        pytest.skip("the published schema is not there")
    defs = json.loads(SCHEMA.read_text())["$defs"]
    return jsonschema.Draft202012Validator({"$ref": "#/$defs/ChatCompletionRequestMessage", "$defs": defs})


FUNCTION_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM_CALL = {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "x"}}


def calls_of(*calls: Any) -> list[Any]:
    """The message's tool calls, which strict and lenient decoding agree on."""
    data = {"tool_calls": list(calls)}
    message = ChatCompletionMessage.from_dict(data)
    assert msgspec.json.decode(json.dumps(data), type=ChatCompletionMessage) == message
    assert message.tool_calls is not None
    return message.tool_calls


def test_tool_calls_are_told_apart_by_type() -> None:
    """A function call and a custom call in one message each have their own type."""
    function, custom = calls_of(FUNCTION_CALL, CUSTOM_CALL)

    assert function == ChatCompletionMessageFunctionToolCall(
        id="call_1", function=Function(name="f", arguments="{}"), type="function"
    )
    assert custom == ChatCompletionMessageCustomToolCall(id="call_2", custom=Custom(name="c", input="x"), type="custom")


def test_tool_calls_without_type_are_told_apart_by_their_keys() -> None:
    """Without a type, `custom` makes a call custom, and anything else makes it a function's."""
    function, custom, both, neither = calls_of(
        {"function": {"name": "f"}}, {"custom": {"name": "c"}}, {"function": {}, "custom": {}}, {}
    )

    assert isinstance(function, ChatCompletionMessageFunctionToolCall)
    assert function.type == "function"
    assert isinstance(custom, ChatCompletionMessageCustomToolCall)
    assert custom.type == "custom"
    assert isinstance(both, ChatCompletionMessageFunctionToolCall)
    assert isinstance(neither, ChatCompletionMessageFunctionToolCall)


def test_unknown_type_of_call_is_kept() -> None:
    """A call of a vendor's own type is a function call with that type, and loses nothing."""
    call = {"id": "c", "type": "builtin_function", "function": {"name": "$web", "arguments": "{}"}, "extra": 1}

    (read,) = calls_of(call)

    assert isinstance(read, ChatCompletionMessageFunctionToolCall)
    assert read.type == "builtin_function"
    assert read.function.name == "$web"
    assert read.to_dict() == call


def test_calls_that_are_no_objects_are_kept_aside() -> None:
    """What is no object in a list of calls is no call, and stays in the dict."""
    message = ChatCompletionMessage.from_dict({"tool_calls": ["x", FUNCTION_CALL, None]})

    assert message.tool_calls == calls_of(FUNCTION_CALL)
    assert message.to_dict()["tool_calls"] == ["x", FUNCTION_CALL, None]


def test_calls_in_their_types_stay_the_same() -> None:
    """Calls given to the constructor, or copied with their message, are not built anew."""
    call = ChatCompletionMessageCustomToolCall(id="c")

    message = ChatCompletionMessage(tool_calls=[call])

    assert message.tool_calls is not None
    assert message.tool_calls[0] is call
    assert message.model_copy(deep=True) == message


def test_whole_completion_decodes_strictly() -> None:
    """A completion as the API documents it takes the fast path, with every level in its type."""
    completion = msgspec.json.decode(
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": None,
                            "refusal": None,
                            "annotations": [
                                {
                                    "type": "url_citation",
                                    "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "u"},
                                }
                            ],
                            "audio": {"id": "audio_1", "data": "QQ==", "expires_at": 2, "transcript": "A"},
                            "tool_calls": [FUNCTION_CALL],
                        },
                        "logprobs": {
                            "content": [
                                {
                                    "token": "a",
                                    "logprob": -1,
                                    "bytes": [97],
                                    "top_logprobs": [{"token": "a", "logprob": -1.0, "bytes": None}],
                                }
                            ],
                            "refusal": None,
                        },
                        "finish_reason": "tool_calls",
                    }
                ],
                "usage": {
                    "prompt_tokens": 1,
                    "completion_tokens": 2,
                    "total_tokens": 3,
                    "prompt_tokens_details": {"cached_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 1},
                },
                "service_tier": "default",
                "system_fingerprint": "fp",
            }
        ),
        type=ChatCompletion,
    )

    (choice,) = completion.choices
    assert choice.message.annotations is not None
    assert choice.message.annotations[0].url_citation.title == "t"
    assert choice.message.audio is not None
    assert choice.message.audio.transcript == "A"
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert choice.logprobs.content[0].top_logprobs[0].logprob == -1
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 1


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
def test_reasoning_is_found_under_each_vendors_name(name: str) -> None:
    """`reasoning` reads the model's reasoning, whatever the vendor calls it."""
    assert ChatCompletionMessage.from_dict({name: "hm"}).reasoning == "hm"
    assert ChatCompletionMessage.from_dict({name: {"a": 1}}).reasoning is None
    assert ChatCompletionMessage().reasoning is None


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]


def test_content_in_parts_reads_as_its_text() -> None:
    """Content that a server sends as a list of parts is the parts' text, and the list is kept."""
    message = ChatCompletionMessage.from_dict({"content": [*PARTS, {"type": "text", "text": "!"}]})

    assert message.content == "yes!"
    assert message.to_dict()["content"][0] == PARTS[0]
    assert ChatCompletionMessage.from_dict({"content": PARTS[:1]}).content is None


def test_content_in_parts_goes_back_as_it_came() -> None:
    """A vendor that sends parts, at once or in a stream, gets them back."""
    whole = ChatCompletionMessage.from_dict({"content": PARTS})
    streamed = ChatCompletionMessage.from_dict({"content": "yes", "content_parts": PARTS})

    assert whole.to_param() == {"role": "assistant", "content": PARTS}
    assert streamed.to_param() == {"role": "assistant", "content": PARTS}


def test_param_is_what_a_request_takes() -> None:
    """Nulls, annotations, audio bytes, helper keys, and misfits stay behind; reasoning and signatures go back."""
    message = ChatCompletionMessage.from_dict(
        {
            "role": "model",
            "content": None,
            "refusal": None,
            "annotations": [],
            "audio": {"id": "audio_1", "data": "QQ==", "expires_at": 1, "transcript": "A"},
            "function_call": {"name": "f", "arguments": {"a": 1}},
            "tool_calls": [
                {**FUNCTION_CALL, "index": 0, "extra_content": {"signature": "s"}},
                {**FUNCTION_CALL, "function": {"name": "f", "arguments": True, "parsed_arguments": {}}},
                {**CUSTOM_CALL, "type": None},
                "x",
            ],
            "parsed": {"a": 1},
            "reasoning_content": "hm",
            "name": 5,
        }
    )

    assert message.to_param() == {
        "role": "assistant",
        "audio": {"id": "audio_1"},
        "function_call": {"name": "f", "arguments": '{"a":1}'},
        "tool_calls": [
            {**FUNCTION_CALL, "extra_content": {"signature": "s"}},
            {**FUNCTION_CALL, "function": {"name": "f", "arguments": ""}},
            CUSTOM_CALL,
        ],
        "reasoning_content": "hm",
    }


def test_param_says_something() -> None:
    """A message without anything gets empty content; one with a name keeps it."""
    assert ChatCompletionMessage().to_param() == {"role": "assistant", "content": ""}
    assert ChatCompletionMessage.from_dict({"tool_calls": [], "content": ""}).to_param() == {
        "role": "assistant",
        "content": "",
    }
    assert ChatCompletionMessage.from_dict({"content": "a", "name": "b"}).to_param() == {
        "role": "assistant",
        "content": "a",
        "name": "b",
    }


def test_param_shares_nothing() -> None:
    """Changing the parameter does not change the message."""
    message = ChatCompletionMessage.from_dict({"tool_calls": [FUNCTION_CALL], "vendor": {"a": []}})

    param: Any = message.to_param()
    param["tool_calls"][0]["function"]["name"] = "g"
    param["vendor"]["a"].append(1)

    assert message.to_dict() == {"role": "assistant", "tool_calls": [FUNCTION_CALL], "vendor": {"a": []}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TYPES = st.sampled_from(["function", "custom", "", None]) | st.integers(0, 0).map(lambda _: [])
CALLED = st.dictionaries(st.sampled_from(["name", "arguments", "input", "parsed_arguments", "x"]), JSON) | JSON
CALLS = st.lists(
    JSON | st.fixed_dictionaries({}, optional={"id": JSON, "type": TYPES, "function": CALLED, "custom": CALLED}),
    max_size=3,
)
TEXT_PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}), max_size=2)
MESSAGES = st.dictionaries(st.text(max_size=4), JSON, max_size=2).flatmap(
    lambda extra: st.fixed_dictionaries(
        {name: st.just(value) for name, value in extra.items()},
        optional={
            "content": st.text() | TEXT_PARTS | JSON,
            "refusal": JSON,
            "role": JSON,
            "annotations": JSON,
            "audio": JSON | st.fixed_dictionaries({"id": JSON, "data": JSON}),
            "function_call": CALLED,
            "tool_calls": CALLS | JSON,
            "name": JSON,
            "parsed": JSON,
            "content_parts": TEXT_PARTS | JSON,
            "reasoning": JSON,
        },
    )
)


@settings(max_examples=400, deadline=None)
@given(data=MESSAGES)
def test_param_is_always_valid(request_message: jsonschema.Draft202012Validator, data: dict[str, Any]) -> None:
    """Whatever a server sent as a message is valid as a request's, by the published schema.

    The exceptions are types of calls and of content parts that the schema does not know; these go back as they came,
    and are not generated here.
    """
    request_message.validate(ChatCompletionMessage.from_dict(data).to_param())


RECORDED = sorted((SHARED / "recordings").glob("*.json"))
ANSWERS = [file for file in RECORDED if file.name.startswith("pyparse_") and file.name.count(".") == 1]
SNAPSHOTS = [file for file in RECORDED if file.name.endswith(".plain.json")]


@pytest.mark.skipif(not ANSWERS, reason="the recordings are not there")
def test_real_answers_take_the_fast_path() -> None:
    """Every recorded answer of the real API is decoded strictly, and says what it said."""
    for file in ANSWERS:
        completion = msgspec.json.decode(file.read_bytes(), type=ChatCompletion)

        assert contains(completion.to_dict(), json.loads(file.read_text())), file.name


@pytest.mark.skipif(not SNAPSHOTS, reason="the recordings are not there")
def test_dumps_of_the_official_client_are_read() -> None:
    """What the official client dumps, with nulls and helper keys, is read without loss."""
    for file in SNAPSHOTS:
        dumped = json.loads(file.read_text())

        assert contains(ChatCompletion.from_dict(dumped).to_dict(), dumped), file.name


def contains(whole: Any, part: Any) -> bool:
    """Whether `whole` has all that `part` has, nulls aside."""
    if isinstance(part, dict):
        return all(value is None or contains(whole.get(key), value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)
