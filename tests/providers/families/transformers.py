"""The server of transformers: no `[DONE]`, usage beside the end, whole calls, keys that are missing, 500 for a wrong type."""

from __future__ import annotations

from typing import Any

from openai_async import APIError, BadRequestError, InternalServerError, UnprocessableEntityError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "132be75b-cd2e-43d3", "created": 1790000012, "model": "/models/small@main"}
USAGE = {"completion_tokens": 31, "prompt_tokens": 253, "total_tokens": 284}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of the one choice; without an end, the key is missing."""
    end = {} if finish_reason is None else {"finish_reason": finish_reason}
    choice = {"delta": delta, "index": 0, **end}
    return {**TOP, "choices": [choice], "object": "chat.completion.chunk", "system_fingerprint": "", **top}


CALL = {
    "id": "132be75b_tool_call_0",
    "type": "function",
    "function": {"arguments": '{"city": "Paris"}', "name": "get_weather"},
}

ANSWERS = [
    Answer(
        name="text",
        body=events(
            chunk({"role": "assistant"}),
            *(chunk({"content": piece}) for piece in ("The sea", " — 深い")),
            chunk({}, "length", usage=USAGE),
            done=False,
        ),
        completion=completion(
            {"content": "The sea — 深い"}, finish_reason="length", **TOP, system_fingerprint="", usage=USAGE
        ),
    ),
    Answer(
        name="reasoning",
        body=events(
            chunk({"role": "assistant"}),
            *(chunk({"reasoning_content": piece}) for piece in ("\n", "Two and", " two")),
            chunk({"content": "Four."}),
            chunk({}, "stop", usage=USAGE),
            done=False,
        ),
        completion=completion(
            {"content": "Four.", "reasoning_content": "\nTwo and two"}, **TOP, system_fingerprint="", usage=USAGE
        ),
        reasoning="\nTwo and two",
    ),
    Answer(
        name="a whole call",
        body=events(
            chunk({"role": "assistant"}),
            chunk({"tool_calls": [{"index": 0, **CALL}]}),
            chunk({}, "tool_calls", usage=USAGE),
            done=False,
        ),
        completion=completion(
            {"tool_calls": [CALL]}, finish_reason="tool_calls", **TOP, system_fingerprint="", usage=USAGE
        ),
    ),
    Answer(
        name="an error that is a text",
        body=events(
            chunk({"role": "assistant"}),
            {"error": "`max_new_tokens` must be greater than 0, but is 0."},
            done=False,
        ),
        completion={},
        error=APIError,
    ),
    whole("plain", completion({"content": "The sea — 深い"}, **TOP, usage=USAGE)),
    whole(
        "a plain call",
        completion({"content": "", "tool_calls": [CALL]}, finish_reason="tool_calls", **TOP, usage=USAGE),
    ),
]

REFUSALS = [
    Refusal(
        name="another model",
        status=400,
        body={"detail": "Server is pinned to '/models/small'; requested 'x'."},
        error=BadRequestError,
        message="Server is pinned to",
    ),
    Refusal(
        name="a key that it does not know",
        status=422,
        body={"detail": "Unexpected fields in the request: {'top_k'}"},
        error=UnprocessableEntityError,
        message="Unexpected fields in the request",
    ),
    Refusal(
        name="no JSON",
        status=422,
        body={"detail": [{"type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error", "input": {}}]},
        error=UnprocessableEntityError,
        message="JSON decode error",
    ),
    Refusal(
        name="a wrong type",
        status=500,
        body=b"Internal Server Error",
        error=InternalServerError,
        message="Internal Server Error",
        headers={"content_type": "text/plain; charset=utf-8"},
        retried=True,
    ),
]
