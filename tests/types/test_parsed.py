"""Parsed completions: the same data, with a place for objects at every level."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from openai_async.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    Choice,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChoice,
    ParsedFunction,
    ParsedFunctionToolCall,
)

DATA: dict[str, Any] = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": '{"x":1}',
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "custom", "custom": {"name": "c", "input": "i"}},
                ],
            },
        }
    ],
}


@dataclass
class Point:
    """What content may mean."""

    x: int


def test_every_level_has_its_parsed_type() -> None:
    """Choices, messages, and function calls are the parsed types, and still the plain ones' subclasses."""
    completion = ParsedChatCompletion[Point].from_dict(DATA)

    (choice,) = completion.choices
    assert type(completion) is ParsedChatCompletion
    assert type(choice) is ParsedChoice
    assert type(choice.message) is ParsedChatCompletionMessage
    assert choice.message.tool_calls is not None
    function, custom = choice.message.tool_calls
    assert type(function) is ParsedFunctionToolCall
    assert type(function.function) is ParsedFunction
    assert type(custom) is ChatCompletionMessageCustomToolCall
    assert isinstance(completion, ChatCompletion)
    assert isinstance(choice, Choice)
    assert isinstance(choice.message, ChatCompletionMessage)


def test_strict_decoding_agrees() -> None:
    """The fast path reads the same as the second pass."""
    strict = msgspec.json.decode(json.dumps(DATA), type=ParsedChatCompletion)

    assert strict == ParsedChatCompletion.from_dict(DATA)


def test_nothing_is_parsed_yet() -> None:
    """The objects are None until somebody parses, and the dict then is the plain completion's."""
    completion = ParsedChatCompletion[Point].from_dict(DATA)

    assert completion.choices[0].message.parsed is None
    assert completion.to_dict() == ChatCompletion.from_dict(DATA).to_dict()


def test_objects_are_dumped_but_not_sent() -> None:
    """The dict and the JSON have the parsed objects as plain data; the message parameter leaves them out."""
    completion = ParsedChatCompletion[Point].from_dict(DATA)
    message = completion.choices[0].message
    message.parsed = Point(1)
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert isinstance(call, ParsedFunctionToolCall)
    call.function.parsed_arguments = Point(2)

    dumped = json.loads(completion.to_json())["choices"][0]["message"]

    assert dumped["parsed"] == {"x": 1}
    assert dumped["tool_calls"][0]["function"]["parsed_arguments"] == {"x": 2}
    assert message.to_param() == DATA["choices"][0]["message"]
