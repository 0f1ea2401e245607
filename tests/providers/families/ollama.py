"""Ollama: a role in every chunk, whole calls in one, reasoning as `reasoning` beside an empty content."""

from __future__ import annotations

from typing import Any

from openai_async import BadRequestError, NotFoundError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-86", "created": 1790000004, "model": "qwen3:8b", "system_fingerprint": "fp_ollama"}
USAGE = {"prompt_tokens": 26, "completion_tokens": 9, "total_tokens": 35}


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """A chunk of the one choice."""
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish_reason}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice]}


def call(number: int, city: str, *, place: int | None, arguments: Any = None) -> dict[str, Any]:
    """A whole call; older versions send no index, and some models' templates arguments as an object."""
    function = {"name": "get_weather", "arguments": arguments or f'{{"city":"{city}"}}'}
    return {
        "id": f"call_{number}",
        **({} if place is None else {"index": place}),
        "type": "function",
        "function": function,
    }


def made(number: int, city: str) -> dict[str, Any]:
    """What comes of it."""
    return {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "get_weather", "arguments": f'{{"city":"{city}"}}'},
    }


BOTH = {"content": "", "tool_calls": [made(1, "Paris"), made(2, "Rome")]}

ANSWERS = [
    Answer(
        name="reasoning",
        body=events(
            *(chunk({"content": "", "reasoning": piece}) for piece in ("We need", " an answer — ok")),
            chunk({"content": "Four"}),
            chunk({"content": "."}),
            chunk({"content": ""}, "stop"),
            {**TOP, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
        ),
        completion=completion({"content": "Four.", "reasoning": "We need an answer — ok"}, **TOP, usage=USAGE),
        reasoning="We need an answer — ok",
    ),
    Answer(
        name="whole calls",
        body=events(
            chunk({"content": "", "tool_calls": [call(1, "Paris", place=0)]}),
            chunk({"content": "", "tool_calls": [call(2, "Rome", place=1)]}),
            chunk({"content": ""}, "tool_calls"),
        ),
        completion=completion(BOTH, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="whole calls without an index",
        body=events(
            chunk(
                {"content": "", "tool_calls": [call(n, city, place=None) for n, city in ((1, "Paris"), (2, "Rome"))]}
            ),
            chunk({"content": ""}, "stop"),
        ),
        completion=completion(BOTH, **TOP),
    ),
    Answer(
        name="whole calls that all have index 0",
        body=events(
            chunk({"content": "", "tool_calls": [call(1, "Paris", place=0)]}),
            chunk({"content": "", "tool_calls": [call(2, "", place=0, arguments={"city": "Rome"})]}),
            chunk({"content": ""}, "tool_calls"),
        ),
        completion=completion(BOTH, finish_reason="tool_calls", **TOP),
    ),
]
ANSWERS += [
    whole(
        "plain, with reasoning",
        completion({"content": "Four.", "reasoning": "We need an answer"}, **TOP, usage=USAGE),
        reasoning="We need an answer",
    ),
    whole("plain calls", completion(BOTH, finish_reason="tool_calls", **TOP, usage=USAGE)),
]

REFUSALS = [
    Refusal(
        name="no such model",
        status=404,
        body={"error": {"message": "model 'x' not found", "type": "not_found_error", "param": None, "code": None}},
        error=NotFoundError,
        message="model 'x' not found",
    ),
    Refusal(
        name="a model without tools",
        status=400,
        body={"error": {"message": "gemma does not support tools", "type": "api_error", "param": None, "code": None}},
        error=BadRequestError,
        message="gemma does not support tools",
    ),
]
