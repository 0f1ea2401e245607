"""Prompts and answers in the shape of the conventions, as tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.rawserver import completion

from openai_async import ChatCompletion
from openai_async.hooks.content import input_messages, output_messages, tool_definitions


def body(**fields: Any) -> bytes:
    """A request's body."""
    return msgspec.json.encode({"model": "m", **fields})


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
WEATHER = {"type": "function", "function": {"name": "f", "description": "long", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "system", "content": "s"}, {"role": "system", "parts": [{"type": "text", "content": "s"}]}),
        (
            {"role": "user", "content": "u", "name": "Ann"},
            {"role": "user", "parts": [{"type": "text", "content": "u"}], "name": "Ann"},
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "u"}, "odd"]},
            {"role": "user", "parts": [{"type": "text", "content": "u"}]},
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]},
            {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://a/b.png"}]},
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
            {
                "role": "user",
                "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AA=="}],
            },
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]},
            {
                "role": "user",
                "parts": [{"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "AA"}],
            },
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "f-1"}}]},
            {"role": "user", "parts": [{"type": "file", "modality": "document", "file_id": "f-1"}]},
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "x"}}]},
            {"role": "user", "parts": [{"type": "file", "file": {"file_data": "x"}}]},
        ),
        (
            {"role": "assistant", "content": None, "refusal": "no", "tool_calls": [CALL]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "refusal", "content": "no"},
                    {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
                ],
            },
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "go"}}],
            },
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": "go"}]},
        ),
        (
            {"role": "tool", "tool_call_id": "c", "content": "rain"},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "rain"}]},
        ),
        (
            {"role": "user", "content": [{"type": ["text"], "text": "a"}]},
            {"role": "user", "parts": [{"type": "['text']", "text": "a"}]},
        ),
        ({}, {"role": "assistant", "parts": []}),
    ],
)
def test_messages(message: Any, said: Any) -> None:
    """Each message has its role and its parts."""
    assert input_messages(body(messages=[message])) == [said]


@pytest.mark.parametrize("sent", [None, b"", b"nonsense", b"[]", b"{}", b'{"messages": 5}', b'{"messages": [5]}'])
def test_no_messages(sent: bytes | None) -> None:
    """A body without messages, or that is no JSON, has none."""
    assert input_messages(sent) == []
    assert tool_definitions(sent) == []


def test_tools() -> None:
    """Tools are told by type and name."""
    tools = [WEATHER, {"type": "custom", "custom": {"name": "g"}}, {"type": "web_search"}]

    assert tool_definitions(body(tools=tools)) == [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "g"},
        {"type": "web_search", "name": "web_search"},
    ]


def test_answers() -> None:
    """Each choice is a message; reasoning comes first, and what did not end has ended by an error."""
    message = {"role": "assistant", "content": "c", "reasoning_content": "r", "tool_calls": [CALL]}
    choices = [
        {"index": 0, "message": message, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "half"}, "finish_reason": None},
    ]

    assert output_messages(ChatCompletion.from_dict({**completion(), "choices": choices})) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "r"},
                {"type": "text", "content": "c"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
            ],
            "finish_reason": "stop",
        },
        {"role": "assistant", "parts": [{"type": "text", "content": "half"}], "finish_reason": "error"},
    ]
