"""Mistral: thinking as typed parts in the content and the answer after it as plain text, whole calls, padding as `p`."""

from __future__ import annotations

from typing import Any

from openai_async import AuthenticationError, BadRequestError, RateLimitError, UnprocessableEntityError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "cmpl-m", "created": 1790000008, "model": "mistral-medium-3-5"}
USAGE = {"prompt_tokens": 12, "total_tokens": 40, "completion_tokens": 28}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of the one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice], **top}


def thought(text: str) -> dict[str, Any]:
    """A part of thinking."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def text(said: str) -> dict[str, Any]:
    """A part of the answer."""
    return {"type": "text", "text": said}


CALL = {"id": "D681PevKs", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Nîmes"}'}}
THINKING = [thought("Two "), thought("and two")]

ANSWERS = [
    Answer(
        name="thinking, then plain text",
        body=events(
            chunk({"role": "assistant", "content": ""}, p="abcdef"),
            *(chunk({"content": [part]}, p="abc") for part in THINKING),
            *(chunk({"content": piece}, p="ab") for piece in ("Four", " — quatre.")),
            chunk({"content": ""}, "stop", usage=USAGE, p="abcd"),
        ),
        completion=completion({"content": "Four — quatre.", "content_parts": THINKING}, **TOP, usage=USAGE, p="abcd"),
        reasoning="Two and two",
        sent_back={"role": "assistant", "content": [*THINKING, text("Four — quatre.")]},
    ),
    Answer(
        name="thinking, then text in parts",
        body=events(
            chunk({"role": "assistant", "content": [thought("Two and two")]}),
            chunk({"content": [text("Four"), text(".")]}),
            chunk({"content": ""}, "stop"),
        ),
        completion=completion(
            {"content": "Four.", "content_parts": [thought("Two and two"), text("Four"), text(".")]}, **TOP
        ),
        reasoning="Two and two",
        sent_back={"role": "assistant", "content": [thought("Two and two"), text("Four"), text(".")]},
    ),
    Answer(
        name="a whole call",
        body=events(
            chunk({"role": "assistant", "content": ""}),
            chunk({"tool_calls": [{"index": 0, **CALL}]}, "tool_calls", usage=USAGE),
        ),
        completion=completion({"content": "", "tool_calls": [CALL]}, finish_reason="tool_calls", **TOP, usage=USAGE),
    ),
]
ANSWERS += [
    whole(
        "plain, thinking and text as parts",
        completion({"content": [thought("Two and two"), text("Four"), text(".")]}, **TOP, usage=USAGE),
        reasoning="Two and two",
        sent_back={"role": "assistant", "content": [thought("Two and two"), text("Four"), text(".")]},
    ),
]

REFUSALS = [
    Refusal(
        name="a wrong key",
        status=401,
        body={"detail": "Unauthorized"},
        error=AuthenticationError,
        message="Unauthorized",
    ),
    Refusal(
        name="no such model",
        status=400,
        body={
            "object": "error",
            "message": "Invalid model: x",
            "type": "invalid_model",
            "param": None,
            "code": "1500",
            "raw_status_code": 400,
        },
        error=BadRequestError,
        message="Invalid model: x",
        code="1500",
    ),
    Refusal(
        name="a wrong parameter",
        status=422,
        body={"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required", "input": {}}]},
        error=UnprocessableEntityError,
        message="Field required",
    ),
    Refusal(
        name="too fast",
        status=429,
        body={
            "object": "error",
            "message": "Rate limit exceeded",
            "type": "rate_limited",
            "param": None,
            "code": "1300",
        },
        error=RateLimitError,
        message="Rate limit exceeded",
        code="1300",
        retried=True,
    ),
]
