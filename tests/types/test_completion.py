"""Completions: tool calls told apart, reasoning under all names, and messages that go back into a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openai_async.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    Custom,
    Function,
)

SHARED = Path(__file__).parents[3] / "shared"


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


def test_type_of_a_call_never_lies() -> None:
    """A call that says "function" or "custom" has that type, whichever of the two keys it has."""
    function, custom = calls_of({"type": "function", "custom": {}}, {"type": "custom", "function": {}})

    assert isinstance(function, ChatCompletionMessageFunctionToolCall)
    assert isinstance(custom, ChatCompletionMessageCustomToolCall)


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
