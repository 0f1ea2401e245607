"""llama.cpp's server: bare comments before the first token, `timings` at the end, interleaved choices."""

from __future__ import annotations

from typing import Any

from openai_async import AuthenticationError, BadRequestError, InternalServerError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"created": 1790000003, "id": "chatcmpl-Lc", "model": "model.gguf", "system_fingerprint": "b7000-abc"}
TIMINGS = {"prompt_n": 12, "prompt_ms": 81.5, "predicted_n": 8, "predicted_ms": 66.25}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0, **top: Any) -> dict[str, Any]:
    """A chunk of one choice."""
    choice = {"finish_reason": finish_reason, "index": index, "delta": delta}
    return {"choices": [choice], **TOP, "object": "chat.completion.chunk", **top}


def fragment(arguments: str, **function: str) -> dict[str, Any]:
    """A further fragment of the one call."""
    return {"tool_calls": [{"index": 0, "function": {**function, "arguments": arguments}}]}


FIRST = {"index": 0, "id": "Zx9", "type": "function", "function": {"name": "get_weather", "arguments": "{"}}
CALL = {"id": "Zx9", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}

ANSWERS = [
    Answer(
        name="reasoning after a long prompt",
        body=events(
            ":",
            ":",
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning_content": "Two and"}),
            chunk({"reasoning_content": " two…"}),
            chunk({"content": "Four"}),
            chunk({"content": "."}),
            chunk({}, "stop", timings=TIMINGS),
        ),
        completion=completion({"content": "Four.", "reasoning_content": "Two and two…"}, **TOP, timings=TIMINGS),
        reasoning="Two and two…",
    ),
    Answer(
        name="a call",
        body=events(
            chunk({"role": "assistant", "content": None}),
            chunk({"tool_calls": [FIRST]}),
            *(chunk(fragment(piece)) for piece in ('"city":', '"Pa', 'ris"}')),
            chunk({}, "tool_calls"),
        ),
        completion=completion({"tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="two answers, the second first",
        body=events(
            chunk({"role": "assistant", "content": None}, index=1),
            chunk({"content": "b"}, index=1),
            chunk({"role": "assistant", "content": None}, index=0),
            chunk({"content": "a"}, index=0),
            chunk({}, "stop", index=0),
            chunk({"content": "B"}, index=1),
            chunk({}, "stop", index=1),
        ),
        completion=completion({"content": "a"}, {"content": "bB"}, **TOP),
    ),
    Answer(
        name="an error in the stream",
        body=events(
            chunk({"role": "assistant", "content": "Fo"}),
            {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}},
            done=False,
        ),
        completion=completion({"content": "Fo"}, finish_reason=None, **TOP),
        error=InternalServerError,
        code="500",
    ),
]
ANSWERS += [
    whole(
        "plain, with reasoning",
        completion({"content": "Four.", "reasoning_content": "Two and two…\n"}, **TOP, timings=TIMINGS),
        reasoning="Two and two…\n",
    ),
    whole(
        "a plain call",
        completion({"content": "", "tool_calls": [CALL]}, finish_reason="tool_calls", **TOP, timings=TIMINGS),
    ),
]

REFUSALS = [
    Refusal(
        name="still loading",
        status=503,
        body={"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
        error=InternalServerError,
        message="Loading model",
        code="503",
        retried=True,
    ),
    Refusal(
        name="too long",
        status=400,
        body={
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 900,
                "n_ctx": 512,
            }
        },
        error=BadRequestError,
        message="the request exceeds",
        code="400",
    ),
    Refusal(
        name="a wrong key",
        status=401,
        body={"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}},
        error=AuthenticationError,
        message="Invalid API Key",
        code="401",
    ),
]
