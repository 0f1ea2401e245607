"""LiteLLM's proxy: Claude's thinking as text and as blocks, types and roles repeated, usage beside an empty delta."""

from __future__ import annotations

from typing import Any

from openai_async import AuthenticationError, BadRequestError, RateLimitError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-lite", "created": 1790000005, "model": "claude"}
USAGE = {"completion_tokens": 9, "prompt_tokens": 20, "total_tokens": 29}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    """A chunk of the one choice; without an end, the key is missing."""
    end = {} if finish_reason is None else {"finish_reason": finish_reason}
    return {**TOP, "object": "chat.completion.chunk", "choices": [{**end, "index": 0, "delta": delta}], **top}


def thought(text: str, signature: str) -> dict[str, Any]:
    """A delta with a piece of thinking, which is said twice."""
    block = {"type": "thinking", "thinking": text, "signature": signature}
    return {"reasoning_content": text, "thinking_blocks": [block], "role": "assistant"}


def fragment(arguments: str, **opening: str) -> dict[str, Any]:
    """A fragment of the one call, which is number 1."""
    function = {"arguments": arguments, **({"name": opening["name"]} if opening else {})}
    call = {"id": opening["id"]} if opening else {}
    return {"tool_calls": [{**call, "function": function, "type": "function", "index": 1}]}


CALL = {"id": "toolu_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
BLOCKS = [thought("Two ", "")["thinking_blocks"][0], thought("and two", "sig")["thinking_blocks"][0]]

ANSWERS = [
    Answer(
        name="thinking",
        body=events(
            chunk(thought("Two ", "")),
            chunk(thought("and two", "sig")),
            chunk({"content": "Four — 四."}),
            chunk({}, "stop"),
            chunk({}, usage=USAGE),
        ),
        completion=completion(
            {"content": "Four — 四.", "reasoning_content": "Two and two", "thinking_blocks": BLOCKS}, **TOP, usage=USAGE
        ),
        reasoning="Two and two",
        sent_back={
            "role": "assistant",
            "content": "Four — 四.",
            "reasoning_content": "Two and two",
            "thinking_blocks": BLOCKS,
        },
    ),
    Answer(
        name="a call after text",
        body=events(
            chunk({"content": "I look.", "role": "assistant"}),
            chunk(fragment("", id="toolu_1", name="get_weather")),
            *(chunk(fragment(piece)) for piece in ('{"city"', ': "Pa', 'ris"}')),
            chunk({}, "tool_calls"),
        ),
        completion=completion({"content": "I look.", "tool_calls": [CALL]}, finish_reason="tool_calls", **TOP),
    ),
    Answer(
        name="two answers in one chunk, and one end lost",
        body=events(
            {
                **chunk({}),
                "choices": [
                    {"index": index, "delta": {"role": "assistant", "content": "ab"[index]}} for index in (0, 1)
                ],
            },
            {**chunk({}), "choices": [{"index": 1, "delta": {"role": "assistant", "content": "c"}}]},
            chunk({}, "stop"),
        ),
        completion={
            **TOP,
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"},
                {"index": 1, "message": {"role": "assistant", "content": "bc"}},
            ],
        },
    ),
    Answer(
        name="an error in the stream",
        body=events(
            chunk({"content": "Fo", "role": "assistant"}),
            {"error": {"message": "litellm.RateLimitError: slow down", "type": "None", "param": "None", "code": "429"}},
            done=False,
        ),
        completion=completion({"content": "Fo"}, finish_reason=None, **TOP),
        error=RateLimitError,
        code="429",
    ),
]
ANSWERS += [
    whole(
        "plain, with the vendor's own keys",
        completion(
            {"content": "Four.", "reasoning_content": "Two", "provider_specific_fields": {"refusal": None}},
            **TOP,
            usage=USAGE,
        ),
        reasoning="Two",
    ),
]

REFUSALS = [
    Refusal(
        name="no such model",
        status=400,
        body={
            "error": {
                "message": "Invalid model name passed in model=x.",
                "type": "None",
                "param": "None",
                "code": "400",
            }
        },
        error=BadRequestError,
        message="Invalid model name",
        code="400",
    ),
    Refusal(
        name="a wrong key",
        status=401,
        body={"error": {"message": "Authentication Error.", "type": "auth_error", "param": "None", "code": "401"}},
        error=AuthenticationError,
        message="Authentication Error.",
        code="401",
    ),
]
