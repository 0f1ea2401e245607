"""OpenRouter: comments while it waits, reasoning as text and as details, an error beside choices that end with "error"."""

from __future__ import annotations

from typing import Any

from openai_async import APIStatusError, InternalServerError, RateLimitError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "gen-1", "provider": "Anthropic", "model": "anthropic/claude-sonnet-4.5", "created": 1790000006}
USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "cost": 0.0004, "is_byok": False}
WAITING = ": OPENROUTER PROCESSING"


def chunk(delta: dict[str, Any], finish_reason: str | None = None, native: str | None = None, **top: Any) -> Any:
    """A chunk of the one choice."""
    end = {"finish_reason": finish_reason, "native_finish_reason": native, "logprobs": None}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "", **delta}, **end}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice], **top}


def detail(text: str | None = None, **more: Any) -> dict[str, Any]:
    """One of the details; all with index 0 are one."""
    said = {} if text is None else {"text": text}
    return {"type": "reasoning.text", **said, "format": "anthropic-claude-v1", "index": 0, **more}


def summary(text: str) -> dict[str, Any]:
    """A detail of a model whose reasoning is only summed up."""
    return {"type": "reasoning.summary", "summary": text, "format": "openai-responses-v1", "index": 0}


SECRET = {"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1", "id": "rs_1", "index": 1}
DETAILS = [detail("Two and two", signature="sig")]
FIRST = {"id": "toolu_1", "index": 0, "type": "function", "function": {"name": "get_weather", "arguments": ""}}
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Köln"}'}}

ANSWERS = [
    Answer(
        name="reasoning and details",
        body=events(
            WAITING,
            WAITING,
            *(chunk({"reasoning": piece, "reasoning_details": [detail(piece)]}) for piece in ("Two ", "and two")),
            chunk({"reasoning": None, "reasoning_details": [detail(signature="sig")]}),
            chunk({"content": "Four."}),
            chunk({}, "stop", "end_turn"),
            chunk({}, usage=USAGE),
        ),
        completion=completion(
            {"content": "Four.", "reasoning": "Two and two", "reasoning_details": DETAILS},
            choice={"native_finish_reason": "end_turn"},
            **TOP,
            usage=USAGE,
        ),
        reasoning="Two and two",
        sent_back={
            "role": "assistant",
            "content": "Four.",
            "reasoning": "Two and two",
            "reasoning_details": DETAILS,
        },
    ),
    Answer(
        name="details alone, and a call",
        body=events(
            WAITING,
            *(chunk({"reasoning_details": [summary(piece)]}) for piece in ("Look", " it up.")),
            chunk({"reasoning_details": [SECRET]}),
            chunk({"content": None, "tool_calls": [FIRST]}),
            *(
                chunk(
                    {
                        "content": None,
                        "tool_calls": [{"index": 0, "type": "function", "function": {"arguments": piece}}],
                    }
                )
                for piece in ('{"city":', '"Köln"}')
            ),
            chunk({}, "tool_calls", "tool_use"),
        ),
        completion=completion(
            {"content": "", "tool_calls": [CALL], "reasoning_details": [summary("Look it up."), SECRET]},
            finish_reason="tool_calls",
            choice={"native_finish_reason": "tool_use"},
            **TOP,
        ),
        reasoning="Look it up.",
    ),
    Answer(
        name="an error in the stream",
        body=events(
            WAITING,
            chunk({"content": "Fo"}),
            chunk({}, "error", error={"code": 502, "message": "Provider disconnected unexpectedly"}),
            done=False,
        ),
        completion=completion({"content": "Fo"}, finish_reason=None, choice={"native_finish_reason": None}, **TOP),
        error=InternalServerError,
        code="502",
    ),
]
ANSWERS += [
    whole(
        "plain, with reasoning and details",
        completion(
            {"content": "Four.", "reasoning": "Two and two", "reasoning_details": DETAILS},
            choice={"native_finish_reason": "end_turn"},
            **TOP,
            usage=USAGE,
        ),
        reasoning="Two and two",
    ),
]

REFUSALS = [
    Refusal(
        name="no credits",
        status=402,
        body={"error": {"message": "Insufficient credits.", "code": 402}},
        error=APIStatusError,
        message="Insufficient credits.",
        code="402",
    ),
    Refusal(
        name="the provider is too fast",
        status=429,
        body={
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {"raw": "model is temporarily rate-limited upstream", "provider_name": "Chutes"},
            }
        },
        error=RateLimitError,
        message="Provider returned error",
        code="429",
        retried=True,
    ),
]
