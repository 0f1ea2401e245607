"""llama-cpp-python's server: each fragment of a call repeats its names, tokens without bytes, errors that are no answer."""

from __future__ import annotations

from typing import Any

from openai_async import APIResponseValidationError, AuthenticationError, BadRequestError, InternalServerError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-Lp", "created": 1790000013, "model": "small"}
USAGE = {"prompt_tokens": 16, "completion_tokens": 8, "total_tokens": 24}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **choice: Any) -> dict[str, Any]:
    """A chunk of the one choice."""
    said = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **choice}
    return {**TOP, "object": "chat.completion.chunk", "choices": [said]}


def fragment(arguments: str) -> dict[str, Any]:
    """A fragment of the one call, said in the older manner as well."""
    function = {"name": "get_weather", "arguments": arguments}
    call = {"index": 0, "id": "call__0_get_weather", "type": "function", "function": function}
    return {"role": None, "content": None, "function_call": function, "tool_calls": [call]}


ARGUMENTS = '{ "city": "Paris" }'
FUNCTION = {"name": "get_weather", "arguments": ARGUMENTS}
CALL = {"id": "call__0_get_weather", "type": "function", "function": FUNCTION}
TOKEN = {"token": "The", "bytes": None, "logprob": -2.08, "top_logprobs": []}

ANSWERS = [
    Answer(
        name="text with logprobs",
        body=events(
            chunk({"role": "assistant"}),
            chunk({"content": "The"}, logprobs={"content": [TOKEN], "refusal": None}),
            chunk({"content": " sea — 深い"}),
            chunk({}, "stop"),
        ),
        completion=completion(
            {"content": "The sea — 深い"},
            choice={"logprobs": {"content": [{"token": "The", "logprob": -2.08, "top_logprobs": []}]}},
            **TOP,
        ),
    ),
    Answer(
        name="a call whose fragments repeat its names",
        body=events(
            chunk({"role": "assistant"}),
            *(chunk(fragment(piece)) for piece in ("{", ' "city', '": "', 'Paris" }')),
            chunk({}, "tool_calls"),
        ),
        completion=completion({"function_call": FUNCTION, "tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="an error after the head: no event at all",
        body=b"",
        completion={},
        error=APIResponseValidationError,
    ),
    whole("plain", completion({"content": "The sea — 深い"}, **TOP, usage=USAGE)),
]

REFUSALS = [
    Refusal(
        name="a wrong key",
        status=401,
        body={"detail": "Invalid API key"},
        error=AuthenticationError,
        message="Invalid API key",
    ),
    Refusal(
        name="too long",
        status=400,
        body={
            "error": {
                "message": "This model's maximum context length is 4096 tokens.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
        error=BadRequestError,
        message="This model's maximum context length",
        code="context_length_exceeded",
    ),
    Refusal(
        name="a wrong type",
        status=500,
        body={
            "error": {"message": "1 validation error:\n  {'type': 'float_parsing'}", "type": "internal_server_error"}
        },
        error=InternalServerError,
        message="1 validation error:",
        retried=True,
    ),
    Refusal(
        name="an error without a word",
        status=500,
        body={"error": {"message": "", "type": "internal_server_error", "param": None, "code": None}},
        error=InternalServerError,
        message="The server gave no message",
        retried=True,
    ),
]
