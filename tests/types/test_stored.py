"""Stored completions: parts told apart, and messages of every role that go back into a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from openai_async.types.chat import (
    ChatCompletionContentPartImage,
    ChatCompletionContentPartText,
    ChatCompletionDeleted,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionStoreMessage,
)
from openai_async.types.stored import ImageURL, PromptCacheBreakpoint

SCHEMA = Path(__file__).parents[3] / "shared" / "openapi" / "chat.schema.json"

TEXT: dict[str, Any] = {"type": "text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}


def test_deleted_decodes_strictly() -> None:
    """The answer to a deletion is read by the fast path, and knows its request's id."""
    gone = msgspec.json.decode(
        '{"object": "chat.completion.deleted", "id": "c", "deleted": true}', type=ChatCompletionDeleted
    )

    assert gone == ChatCompletionDeleted(id="c", deleted=True)
    assert gone._request_id is None


def test_parts_are_told_apart() -> None:
    """Text and images have their own types, by `type` or, without one, by their keys."""
    data = {"id": "m", "role": "user", "content_parts": [TEXT, IMAGE, {"image_url": {"url": "u"}}, {"text": "t"}]}

    message = msgspec.json.decode(json.dumps(data), type=ChatCompletionStoreMessage)

    assert message == ChatCompletionStoreMessage.from_dict(data)
    assert message.content_parts == [
        ChatCompletionContentPartText(
            text="look", prompt_cache_breakpoint=PromptCacheBreakpoint(mode="explicit", ttl="30m")
        ),
        ChatCompletionContentPartImage(image_url=ImageURL(url="https://example.com/a.png", detail="low")),
        ChatCompletionContentPartImage(image_url=ImageURL(url="u")),
        ChatCompletionContentPartText(text="t"),
    ]


def test_type_of_a_part_never_lies() -> None:
    """A part that says "text" or "image_url" has that type, whichever of the two keys it has."""
    parts = [{"type": "text", "image_url": {}}, {"type": "image_url", "text": ""}]

    text, image = ChatCompletionStoreMessage.from_dict({"content_parts": parts}).content_parts or ()

    assert isinstance(text, ChatCompletionContentPartText)
    assert isinstance(image, ChatCompletionContentPartImage)


def test_parts_of_unknown_kind_are_kept() -> None:
    """A kind of part without a type of its own is a text part with its keys in the extras; a non-object is kept aside."""
    parts = [{"type": "input_audio", "input_audio": {"data": "QQ=="}}, "x"]

    message = ChatCompletionStoreMessage.from_dict({"content_parts": parts})

    assert message.content_parts is not None
    (part,) = message.content_parts
    assert part.type == "input_audio"
    assert part.model_extra == {"input_audio": {"data": "QQ=="}}
    assert message.to_dict()["content_parts"] == parts


def test_parts_in_their_types_stay_the_same() -> None:
    """Parts given to the constructor, or copied with their message, are not built anew."""
    part = ChatCompletionContentPartText(text="t")

    message = ChatCompletionStoreMessage(content_parts=[part])

    assert message.content_parts is not None
    assert message.content_parts[0] is part
    assert message.model_copy(deep=True) == message


def test_stored_message_is_a_message() -> None:
    """Tool calls and reasoning read as in any message."""
    message = ChatCompletionStoreMessage.from_dict({"id": "m", "tool_calls": [{"id": "c"}], "reasoning": "hm"})

    assert message.tool_calls == [ChatCompletionMessageFunctionToolCall(id="c")]
    assert message.reasoning == "hm"


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"role": "system", "content": "s"}, {"role": "system", "content": "s"}),
    ({"role": "developer", "content": "d", "name": "n"}, {"role": "developer", "content": "d", "name": "n"}),
    ({"role": "user", "content": "a", "content_parts": [TEXT, IMAGE]}, {"role": "user", "content": [TEXT, IMAGE]}),
    ({"role": "user", "content": None, "name": 5}, {"role": "user", "content": ""}),
    (
        {"role": "tool", "content": "r", "tool_call_id": "call_1"},
        {"role": "tool", "content": "r", "tool_call_id": "call_1"},
    ),
    ({"role": "assistant", "tool_calls": [CALL]}, {"role": "assistant", "content": None, "tool_calls": [CALL]}),
    ({"role": "assistant", "content": "a", "content_parts": [TEXT]}, {"role": "assistant", "content": [TEXT]}),
    ({}, {"role": "assistant", "content": ""}),
]


@pytest.mark.parametrize(("sent", "expected"), MESSAGES)
def test_param_keeps_the_role(sent: dict[str, Any], expected: dict[str, Any]) -> None:
    """A stored message goes back with its role and its parts, and without its id."""
    assert ChatCompletionStoreMessage.from_dict({"id": "m", **sent}).to_param() == expected


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema is not there")
@pytest.mark.parametrize("expected", [expected for _, expected in MESSAGES])
def test_params_are_valid(expected: dict[str, Any]) -> None:
    """What the test above expects is valid by the published schema."""
    defs = json.loads(SCHEMA.read_text())["$defs"]
    jsonschema.validate(expected, {"$ref": "#/$defs/ChatCompletionRequestMessage", "$defs": defs})
