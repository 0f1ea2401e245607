"""DeepSeek: comments or blank lines while it waits, `reasoning_content`, the other one null, its own cache figures."""

from __future__ import annotations

import json
from typing import Any

from openai_async import APIStatusError, AuthenticationError, UnprocessableEntityError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "ds-1", "created": 1790000007, "model": "deepseek-reasoner", "system_fingerprint": "fp_ds"}
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 9,
    "total_tokens": 21,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 5},
    "prompt_cache_hit_tokens": 0,
    "prompt_cache_miss_tokens": 12,
}
WAITING = ": keep-alive"


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of the one choice."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice], **top}


FIRST = {"index": 0, "id": "call_0_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
CALL = {"id": "call_0_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "杭州"}'}}
WHOLE = {
    **TOP,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "四。", "reasoning_content": "二加二"},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}
THOUGHT = completion({"content": "四。", "reasoning_content": "二加二"}, **TOP, usage=USAGE)

ANSWERS = [
    Answer(
        name="reasoning after waiting",
        body=events(
            WAITING,
            WAITING,
            chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
            *(chunk({"content": None, "reasoning_content": piece}) for piece in ("二加", "二")),
            *(chunk({"content": piece, "reasoning_content": None}) for piece in ("四", "。")),
            chunk({"content": "", "reasoning_content": None}, "stop", usage=USAGE),
        ),
        completion=THOUGHT,
        reasoning="二加二",
        sent_back={"role": "assistant", "content": "四。", "reasoning_content": "二加二"},
    ),
    Answer(
        name="a plain answer after blank lines",
        body=b"\n\n\n\n" + json.dumps(WHOLE, ensure_ascii=False).encode(),
        completion=THOUGHT,
        reasoning="二加二",
        streamed=False,
    ),
    Answer(
        name="a call",
        body=events(
            chunk({"role": "assistant", "content": ""}),
            chunk({"tool_calls": [FIRST]}),
            *(
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
                for piece in ('{"city', '": "杭州"}')
            ),
            chunk({"content": ""}, "tool_calls"),
        ),
        completion=completion({"content": "", "tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="an end of its own",
        body=events(
            chunk({"role": "assistant", "content": "Fo"}), chunk({"content": ""}, "insufficient_system_resource")
        ),
        completion=completion({"content": "Fo"}, finish_reason="insufficient_system_resource", **TOP),
    ),
]


def refused(message: str, kind: str) -> dict[str, Any]:
    """An error's body."""
    return {"error": {"message": message, "type": kind, "param": None, "code": "invalid_request_error"}}


ANSWERS += [
    whole(
        "a plain call, whose content is sent back though there is none",
        completion({"tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
        sent_back={"role": "assistant", "content": None, "tool_calls": [CALL]},
    ),
]

REFUSALS = [
    Refusal(
        name="no money",
        status=402,
        body=refused("Insufficient Balance", "unknown_error"),
        error=APIStatusError,
        message="Insufficient Balance",
        code="invalid_request_error",
    ),
    Refusal(
        name="a wrong key",
        status=401,
        body=refused("Authentication Fails, Your api key: ****y is invalid", "authentication_error"),
        error=AuthenticationError,
        message="Authentication Fails",
        code="invalid_request_error",
    ),
    Refusal(
        name="a wrong parameter",
        status=422,
        body="Failed to deserialize the JSON body into the target type: missing field `messages`",
        error=UnprocessableEntityError,
        message="Failed to deserialize the JSON body",
    ),
]
