"""How parameters go together."""

from __future__ import annotations

import pytest

from openai_async.server.problems import Problem
from openai_async.server.rules import check_rules

_USER = {"role": "user", "content": "hi"}
_TOOL = {"type": "function", "function": {"name": "f"}}
_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_ASKED = {"role": "assistant", "tool_calls": [_CALL, {**_CALL, "id": "c2"}]}
_SCHEMA = {"type": "object", "properties": {}}


def _told(identity):
    return {"role": "tool", "tool_call_id": identity, "content": "1"}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"stream_options": {}}, "stream_options", "only allowed when 'stream' is enabled"),
        ({"stream_options": {}, "stream": False}, "stream_options", "only allowed when 'stream' is enabled"),
        ({"top_logprobs": 1}, "top_logprobs", "only allowed when 'logprobs' is enabled"),
        ({"tool_choice": "auto"}, "tool_choice", "only allowed when 'tools' is specified"),
        ({"parallel_tool_calls": True, "tools": []}, "parallel_tool_calls", "only allowed when 'tools' is specified"),
        ({"function_call": "auto"}, "function_call", "only allowed when 'functions' is specified"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", "at the same time"),
        ({"messages": [_USER, _told("c1")]}, "messages[1].role", "must be a response to a preceding message"),
        ({"messages": [_USER, _ASKED, _told("c9")]}, "messages[2].tool_call_id", "no such tool call"),
        ({"messages": [_USER, _ASKED, _told("c1")]}, "messages[1].role", "did not have response messages: c2"),
        ({"messages": [_USER, _ASKED, _USER]}, "messages[1].role", "did not have response messages: c1, c2"),
        ({"messages": [_USER, _ASKED, _told("c1"), _told("c1")]}, "messages[3].tool_call_id", "no such tool call"),
        ({"messages": [_USER, {"role": "assistant"}]}, "messages[1].content", "expected a string, got null"),
        (
            {"tools": [_TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice",
            "Tool choice 'g' not found",
        ),
        (
            {"tools": [_TOOL], "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
            "tool_choice",
            "Tool choice 'f' not found",
        ),
        (
            {
                "tools": [_TOOL],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]},
                },
            },
            "tool_choice",
            "Tool choice 'g' not found",
        ),
        ({"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call", "Function 'g' not found"),
        ({"tools": [_TOOL, _TOOL]}, "tools[1].function.name", "'f' is used twice"),
        ({"response_format": {"type": "json_object"}}, "messages", "must contain the word 'json'"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
            "Missing required parameter",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": _SCHEMA, "strict": True},
                }
            },
            "response_format",
            "Invalid schema for response_format 'n'",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": _SCHEMA, "strict": True}}]},
            "tools[0].function.parameters",
            "Invalid schema for function 'f'",
        ),
        ({"modalities": ["audio"]}, "audio", "Missing required parameter: 'audio'"),
    ],
)
def test_broken_rules_are_named(fields, param, words):
    """Parameters that contradict each other are refused, with the one to blame."""
    with pytest.raises(Problem) as caught:
        check_rules({"messages": [_USER], **fields})

    assert (caught.value.status, caught.value.param) == (400, param)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": [_USER, _ASKED, _told("c2"), _told("c1"), _USER]},
        {"response_format": {"type": "json_object"}, "messages": [{"role": "system", "content": "Answer in JSON."}]},
        {"tools": [_TOOL, {"type": "custom", "custom": {"name": "g"}}], "tool_choice": "required"},
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
        {"modalities": ["text"]},
    ],
)
def test_kept_rules_raise_nothing(fields):
    """Parameters that go together pass."""
    assert check_rules({"messages": [_USER], **fields}) is None
