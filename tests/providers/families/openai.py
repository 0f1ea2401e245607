"""OpenAI: the published schema, with padding against eavesdroppers and the usage in a chunk of its own."""

from __future__ import annotations

from typing import Any

from openai_async import BadRequestError, InsufficientQuotaError, InternalServerError, RateLimitError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-D1", "created": 1790000000, "model": "gpt-5.4-mini-2026-03-17", "service_tier": "default"}
TOP |= {"system_fingerprint": "fp_1"}
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 70,
    "total_tokens": 79,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 64,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0) -> dict[str, Any]:
    """A chunk of one choice."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice], "usage": None, "obfuscation": "xK3"}


def fragment(index: int, arguments: str, **opening: str) -> dict[str, Any]:
    """A delta with a fragment of a call; `opening` has its id and its name."""
    function = {**({"name": opening["name"]} if opening else {}), "arguments": arguments}
    call = {"id": opening["id"], "type": "function"} if opening else {}
    return {"tool_calls": [{"index": index, **call, "function": function}]}


CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
    {"id": "call_b", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
]
FAILURE = {"message": "The server had an error processing your request. Sorry about that!", "type": "server_error"}

ANSWERS = [
    Answer(
        name="text and usage",
        body=events(
            chunk({"role": "assistant", "content": "", "refusal": None}),
            *(chunk({"content": piece}) for piece in ("The sea", " is wide — ", "深い", " 🌊")),
            chunk({}, "stop"),
            {**TOP, "object": "chat.completion.chunk", "choices": [], "usage": USAGE, "obfuscation": ""},
        ),
        completion=completion({"content": "The sea is wide — 深い 🌊"}, **TOP, usage=USAGE),
    ),
    Answer(
        name="parallel calls",
        body=events(
            chunk({"role": "assistant", "content": None, "refusal": None}),
            chunk(fragment(0, "", id="call_a", name="get_weather")),
            *(chunk(fragment(0, piece)) for piece in ('{"ci', 'ty":"', "Paris", '"}')),
            chunk(fragment(1, "", id="call_b", name="get_time")),
            chunk(fragment(1, "{}")),
            chunk({}, "tool_calls"),
        ),
        completion=completion({"tool_calls": CALLS}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="refusal",
        body=events(
            chunk({"role": "assistant", "content": None, "refusal": ""}),
            chunk({"refusal": "I can't "}),
            chunk({"refusal": "help with that."}),
            chunk({}, "stop"),
        ),
        completion=completion({"refusal": "I can't help with that."}, **TOP),
    ),
    Answer(
        name="two answers",
        body=events(
            chunk({"role": "assistant", "content": ""}, index=0),
            chunk({"content": "a"}, index=0),
            chunk({"role": "assistant", "content": ""}, index=1),
            chunk({"content": "b"}, index=1),
            chunk({}, "stop", index=1),
            chunk({}, "stop", index=0),
        ),
        completion=completion({"content": "a"}, {"content": "b"}, **TOP),
    ),
    Answer(
        name="an error in the stream",
        body=events(
            chunk({"role": "assistant", "content": "The"}), {"error": {**FAILURE, "param": None, "code": None}}
        ),
        completion=completion({"content": "The"}, finish_reason=None, **TOP),
        error=InternalServerError,
    ),
]
ANSWERS += [
    whole(
        "plain, with empty keys",
        completion({"content": "The sea — 深い 🌊", "refusal": None, "annotations": []}, **TOP, usage=USAGE),
        completion=completion({"content": "The sea — 深い 🌊", "annotations": []}, **TOP, usage=USAGE),
    ),
    whole(
        "plain calls",
        completion({"content": None, "tool_calls": CALLS}, finish_reason="tool_calls", **TOP, usage=USAGE),
        completion=completion({"tool_calls": CALLS}, finish_reason="tool_calls", **TOP, usage=USAGE),
    ),
]

REFUSALS = [
    Refusal(
        name="no quota",
        status=429,
        body={
            "error": {
                "message": "You exceeded your current quota.",
                "type": "insufficient_quota",
                "param": None,
                "code": "insufficient_quota",
            }
        },
        error=InsufficientQuotaError,
        message="You exceeded your current quota.",
        code="insufficient_quota",
    ),
    Refusal(
        name="too fast",
        status=429,
        body={"error": {"message": "Rate limit reached.", "type": "tokens", "code": "rate_limit_exceeded"}},
        error=RateLimitError,
        message="Rate limit reached.",
        code="rate_limit_exceeded",
        retried=True,
    ),
    Refusal(
        name="too long",
        status=400,
        body={
            "error": {
                "message": "This model's maximum context length is 128000 tokens.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
        error=BadRequestError,
        message="This model's maximum context length",
        code="context_length_exceeded",
    ),
]
