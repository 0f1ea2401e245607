"""Anthropic's compatible endpoint: the schema kept, no thinking shown, its own names for what went wrong."""

from __future__ import annotations

from typing import Any

from openai_async import AuthenticationError, BadRequestError, InternalServerError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "msg_01", "created": 1790000010, "model": "claude-sonnet-4-6"}
USAGE = {"completion_tokens": 9, "prompt_tokens": 20, "total_tokens": 29}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of the one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return {**TOP, "choices": [choice], "object": "chat.completion.chunk", **top}


FIRST = {"index": 0, "id": "toolu_01", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
CALL = {"id": "toolu_01", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "São Paulo"}'}}
OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}

ANSWERS = [
    Answer(
        name="text",
        body=events(
            chunk({"role": "assistant", "content": "The sea"}),
            chunk({"content": " is wide — 🌊."}),
            chunk({}, "stop"),
            {**TOP, "choices": [], "object": "chat.completion.chunk", "usage": USAGE},
        ),
        completion=completion({"content": "The sea is wide — 🌊."}, **TOP, usage=USAGE),
    ),
    Answer(
        name="a call",
        body=events(
            chunk({"role": "assistant", "tool_calls": [FIRST]}),
            *(
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
                for piece in ("", '{"city": "S', 'ão Paulo"}')
            ),
            chunk({}, "tool_calls"),
        ),
        completion=completion({"tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="overloaded in the stream",
        body=events(
            chunk({"role": "assistant", "content": "The"}),
            'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
            done=False,
        ),
        completion=completion({"content": "The"}, finish_reason=None, **TOP),
        error=InternalServerError,
    ),
]
ANSWERS += [
    whole(
        "plain",
        completion({"content": "The sea is wide — 🌊.", "refusal": None}, **TOP, usage=USAGE),
        completion=completion({"content": "The sea is wide — 🌊."}, **TOP, usage=USAGE),
    ),
]

REFUSALS = [
    Refusal(
        name="a wrong key",
        status=401,
        body={
            "error": {"code": "authentication_error", "message": "invalid x-api-key", "type": "invalid_request_error"}
        },
        error=AuthenticationError,
        message="invalid x-api-key",
        code="authentication_error",
    ),
    Refusal(
        name="two answers",
        status=400,
        body={
            "error": {
                "code": "invalid_request_error",
                "message": "n: must be 1",
                "type": "invalid_request_error",
                "param": None,
            }
        },
        error=BadRequestError,
        message="n: must be 1",
        code="invalid_request_error",
    ),
    Refusal(
        name="overloaded",
        status=529,
        body={"type": "error", "error": OVERLOADED},
        error=InternalServerError,
        message="Overloaded",
        retried=True,
    ),
]
