"""Gemini's compatible endpoint: thoughts in the content, signatures that must go back, errors in a list."""

from __future__ import annotations

from typing import Any

from openai_async import BadRequestError, RateLimitError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "gem-1", "created": 1790000009, "model": "gemini-3-flash"}
USAGE = {"completion_tokens": 9, "prompt_tokens": 12, "total_tokens": 40}
THOUGHT = {"google": {"thought": True}}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of the one choice."""
    end = {} if finish_reason is None else {"finish_reason": finish_reason}
    choice = {"delta": {"role": "assistant", **delta}, "index": 0, **end}
    return {"choices": [choice], **TOP, "object": "chat.completion.chunk", **top}


def call(number: int, city: str, signature: str | None = None, **more: Any) -> dict[str, Any]:
    """A whole call; only the first of several is signed."""
    signed = {} if signature is None else {"extra_content": {"google": {"thought_signature": signature}}}
    function = {"arguments": f'{{"city":"{city}"}}', "name": "get_weather"}
    return {**signed, "function": function, "id": f"function-call-{number}", "type": "function", **more}


CALLS = [call(1, "Paris", "AY89a18IwQ"), call(2, "Rome")]

ANSWERS = [
    Answer(
        name="thoughts in the content",
        body=events(
            chunk({"content": "<thought>Two ", "extra_content": THOUGHT}),
            chunk({"content": "and two", "extra_content": THOUGHT}),
            chunk({"content": "</thought>Four — 4."}),
            chunk({"content": ""}, "stop", usage=USAGE),
        ),
        completion=completion(
            {"content": "<thought>Two and two</thought>Four — 4.", "extra_content": THOUGHT}, **TOP, usage=USAGE
        ),
        reasoning="Two and two",
    ),
    Answer(
        name="calls that all have index 0",
        body=events(
            chunk({"tool_calls": [{**CALLS[0], "index": 0}]}),
            chunk({"tool_calls": [{**CALLS[1], "index": 0}]}),
            chunk({}, "stop", usage=USAGE),
        ),
        completion=completion({"tool_calls": CALLS}, **TOP, usage=USAGE),
        sent_back={"role": "assistant", "content": None, "tool_calls": CALLS},
    ),
    Answer(
        name="calls without an index",
        body=events(chunk({"tool_calls": CALLS}, "tool_calls")),
        completion=completion({"tool_calls": CALLS}, finish_reason="tool_calls", **TOP),
        sent_back={"role": "assistant", "content": None, "tool_calls": CALLS},
    ),
]
ANSWERS += [
    whole(
        "plain, thoughts in the content",
        completion(
            {"content": "<thought>Two and two</thought>Four — 4.", "extra_content": THOUGHT}, **TOP, usage=USAGE
        ),
        reasoning="Two and two",
    ),
    whole("plain calls", completion({"tool_calls": CALLS}, finish_reason="tool_calls", **TOP, usage=USAGE)),
]


def refused(code: int, message: str, status: str) -> list[dict[str, Any]]:
    """An error's body: a list, of one."""
    return [{"error": {"code": code, "message": message, "status": status}}]


REFUSALS = [
    Refusal(
        name="a wrong key",
        status=400,
        body=refused(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"),
        error=BadRequestError,
        message="API key not valid.",
        code="400",
    ),
    Refusal(
        name="a signature is missing",
        status=400,
        body=refused(400, "Function call is missing a thought_signature in functionCall parts.", "INVALID_ARGUMENT"),
        error=BadRequestError,
        message="Function call is missing a thought_signature",
        code="400",
    ),
    Refusal(
        name="too fast",
        status=429,
        body=refused(429, "You exceeded your current quota. Please retry in 2s.", "RESOURCE_EXHAUSTED"),
        error=RateLimitError,
        message="You exceeded your current quota.",
        code="429",
        retried=True,
    ),
]
