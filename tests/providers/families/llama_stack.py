"""llama-stack: every key that there is, null where nothing is to say, no `[DONE]`, and errors that are a message alone."""

from __future__ import annotations

from typing import Any

from openai_async import APIStatusError, BadRequestError, InternalServerError, NotFoundError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-Ls", "created": 1790000011, "model": "llama/small", "system_fingerprint": "b0-unknown"}
USAGE = {"completion_tokens": 8, "prompt_tokens": 27, "total_tokens": 35}
NOTHING = dict.fromkeys(("audio", "content", "function_call", "refusal", "role", "tool_calls"))


def chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0, **top: Any) -> dict[str, Any]:
    """A chunk of one choice."""
    choice = {"delta": {**NOTHING, **delta}, "index": index, "finish_reason": finish_reason, "logprobs": None}
    rest = {"moderation": None, "obfuscation": None, "service_tier": None, "usage": None}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice], **rest, **top}


def fragment(arguments: str, **opening: str) -> dict[str, Any]:
    """A fragment of the one call; what was said before is null."""
    call = {"index": 0, "id": opening.get("id"), "type": "function" if opening else None}
    return {"tool_calls": [{**call, "function": {"arguments": arguments, "name": opening.get("name")}}]}


CALL = {"id": "vExM", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}

ANSWERS = [
    Answer(
        name="text and usage, and no mark of the end",
        body=events(
            chunk({"role": "assistant"}),
            *(chunk({"content": piece}) for piece in ("The sea", " — ", "深い")),
            chunk({}, "stop"),
            {**TOP, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
            done=False,
        ),
        completion=completion({"content": "The sea — 深い"}, **TOP, usage=USAGE),
    ),
    Answer(
        name="reasoning of the server behind it",
        body=events(
            chunk({"role": "assistant"}),
            *(chunk({"reasoning_content": piece}) for piece in ("Two ", "and two")),
            chunk({"content": "Four."}),
            chunk({}, "stop"),
            done=False,
        ),
        completion=completion({"content": "Four.", "reasoning_content": "Two and two"}, **TOP),
        reasoning="Two and two",
    ),
    Answer(
        name="a call",
        body=events(
            chunk({"role": "assistant"}),
            chunk(fragment("{", id="vExM", name="get_weather")),
            *(chunk(fragment(piece)) for piece in ('"city', '": "', 'Paris"}')),
            chunk({}, "tool_calls"),
            done=False,
        ),
        completion=completion({"tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="two answers, the second first",
        body=events(
            chunk({"role": "assistant"}, index=1),
            chunk({"content": "b"}, index=1),
            chunk({"role": "assistant"}, index=0),
            chunk({"content": "a"}, index=0),
            chunk({}, "length", index=0),
            chunk({}, "length", index=1),
            done=False,
        ),
        completion=completion({"content": "a"}, {"content": "b"}, finish_reason="length", **TOP),
    ),
    Answer(
        name="the server behind it is gone",
        body=events(
            chunk({"role": "assistant"}),
            chunk({"content": "The"}),
            {"error": {"message": "Internal server error: An unexpected error occurred.", "code": "500"}},
            done=False,
        ),
        completion=completion({"content": "The"}, finish_reason=None, **TOP),
        error=InternalServerError,
        code="500",
    ),
    whole(
        "one that was stored, with what was asked",
        {
            **completion(
                {**NOTHING, "role": "assistant", "content": "Hi."}, choice={"logprobs": None}, **TOP, usage=None
            ),
            "input_messages": [{"role": "user", "content": "hi", "name": None}],
        },
        completion={
            **completion({"content": "Hi."}, **TOP),
            "input_messages": [{"role": "user", "content": "hi", "name": None}],
        },
    ),
]

REFUSALS = [
    Refusal(
        name="no such model",
        status=404,
        body={"error": {"message": "Model 'x' not found."}},
        error=NotFoundError,
        message="Model 'x' not found.",
    ),
    Refusal(
        name="a wrong type",
        status=400,
        body={"error": {"message": "{'errors': [{'loc': ['body', 'temperature'], 'type': 'float_parsing'}]}"}},
        error=BadRequestError,
        message="{'errors': [{'loc'",
    ),
    Refusal(
        name="no such completion",  # no 404
        status=400,
        body={"error": {"message": "Chat completion with id x not found"}},
        error=BadRequestError,
        message="Chat completion with id x not found",
    ),
    Refusal(
        name="no way to delete",
        status=405,
        body={"detail": "Method Not Allowed"},
        error=APIStatusError,
        message="Method Not Allowed",
    ),
]
