"""Messages that go back into a request: always valid, and nothing lost that the server wants to see again."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_async.types.chat import ChatCompletionMessage

SCHEMA = Path(__file__).parents[3] / "shared" / "openapi" / "chat.schema.json"

FUNCTION_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM_CALL = {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "x"}}


def test_empty_type_of_a_call_is_filled_in() -> None:
    """A call with an empty type goes back with the type that its keys betray."""
    message = ChatCompletionMessage.from_dict(
        {"tool_calls": [{**FUNCTION_CALL, "type": ""}, {**CUSTOM_CALL, "type": ""}]}
    )

    assert message.to_param() == {"role": "assistant", "content": None, "tool_calls": [FUNCTION_CALL, CUSTOM_CALL]}


def test_a_call_goes_back_with_content() -> None:
    """Beside a call content is there, null where none came: servers look for it. Text and nothing at all stay what they are."""
    call = {"tool_calls": [FUNCTION_CALL]}

    assert ChatCompletionMessage.from_dict(call).to_param() == {"role": "assistant", "content": None, **call}
    assert ChatCompletionMessage.from_dict({"content": "", **call}).to_param()["content"] == ""
    assert "content" not in ChatCompletionMessage.from_dict({"refusal": "no"}).to_param()


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
        "content": None,
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


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}


@pytest.mark.parametrize(
    ("content", "parts", "sent"),
    [
        ("a", [THOUGHT], [THOUGHT, {"type": "text", "text": "a"}]),
        ("ab", [THOUGHT, {"type": "text", "text": "a"}], [THOUGHT, *({"type": "text", "text": t} for t in "ab")]),
        ("ba", [THOUGHT, {"type": "text", "text": "a"}], [THOUGHT, {"type": "text", "text": "ba"}]),
        ("a", [THOUGHT, {"type": "text", "text": "a"}], [THOUGHT, {"type": "text", "text": "a"}]),
        (None, [THOUGHT, {"type": "text", "text": "a"}], [THOUGHT, {"type": "text", "text": "a"}]),
    ],
)
def test_param_has_the_thinking_and_the_whole_answer(content: str | None, parts: list[Any], sent: list[Any]) -> None:
    """Of an answer that came partly as typed parts and partly as plain text, as Mistral streams it, all is sent back."""
    message = ChatCompletionMessage.from_dict({"content": content, "content_parts": parts})

    assert message.to_param() == {"role": "assistant", "content": sent}


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
MESSAGES = st.builds(
    lambda extra, fields: {**extra, **fields},
    st.dictionaries(st.text(max_size=4), JSON, max_size=2),
    st.fixed_dictionaries(
        {},
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
    ),
)


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema is not there")
@settings(max_examples=400, deadline=None)
@given(data=MESSAGES)
def test_param_is_always_valid(data: dict[str, Any]) -> None:
    """Whatever a server sent as a message is valid as a request's, by the published schema.

    The exceptions are types of calls and of content parts that the schema does not know; these go back as they came,
    and are not generated here.
    """
    request_message().validate(ChatCompletionMessage.from_dict(data).to_param())


@cache
def request_message() -> jsonschema.Draft202012Validator:
    """The published schema of a request's message. No fixture: Hypothesis would print all of it with a failure."""
    defs = json.loads(SCHEMA.read_text())["$defs"]
    return jsonschema.Draft202012Validator({"$ref": "#/$defs/ChatCompletionRequestMessage", "$defs": defs})
