"""vLLM: reasoning under two names by its age, a tool's name before any arguments, errors with a number as their code."""

from __future__ import annotations

from typing import Any

from openai_async import AuthenticationError, BadRequestError, InternalServerError, NotFoundError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-5f2e", "created": 1790000002, "model": "Qwen/Qwen3-8B"}
USAGE = {"prompt_tokens": 12, "total_tokens": 20, "completion_tokens": 8}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **choice: Any) -> dict[str, Any]:
    """A chunk of the one choice."""
    said = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **choice}
    return {**TOP, "object": "chat.completion.chunk", "choices": [said]}


def fragment(**function: str) -> dict[str, Any]:
    """A delta with a fragment of the one call."""
    return {"tool_calls": [{"index": 0, "function": function}]}


OPENING = {"id": "chatcmpl-tool-1", "type": "function", "index": 0, "function": {"name": "get_weather"}}
CALL = {
    "id": "chatcmpl-tool-1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}


def thinking(*names: str) -> bytes:
    """A stream whose reasoning goes by these names."""
    return events(
        chunk({"role": "assistant", "content": ""}),
        *(chunk(dict.fromkeys(names, piece)) for piece in ("Let me", " think… 考える")),
        chunk({"content": "\n\nFour."}),
        chunk({"content": ""}, "stop", stop_reason=None, token_ids=None),
        {**TOP, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
    )


def thought(*names: str) -> dict[str, Any]:
    """What comes of it."""
    said = dict.fromkeys(names, "Let me think… 考える")
    end = {"stop_reason": None, "token_ids": None}
    return completion({"content": "\n\nFour.", **said}, choice=end, **TOP, usage=USAGE)


ANSWERS = [
    Answer(
        name=f"reasoning as {' and '.join(names)}",
        body=thinking(*names),
        completion=thought(*names),
        reasoning="Let me think… 考える",
    )
    for names in (("reasoning",), ("reasoning_content",), ("reasoning", "reasoning_content"))
]
ANSWERS += [
    Answer(
        name=f"a call that ends with {end}",  # one that was named in tool_choice ends with "stop"
        body=events(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": None, "tool_calls": [OPENING]}),
            *(chunk(fragment(arguments=piece)) for piece in ('{"city": ', '"Paris"', "}")),
            chunk({"content": ""}, end),
        ),
        completion=completion({"content": "", "tool_calls": [CALL]}, finish_reason=end, **TOP),
    )
    for end in ("tool_calls", "stop")
]
ANSWERS += [
    Answer(
        name="an error in the stream",
        body=events(
            chunk({"role": "assistant", "content": "Fo"}),
            {"error": {"message": "EngineCore died.", "type": "BadRequestError", "param": None, "code": 400}},
        ),
        completion=completion({"content": "Fo"}, finish_reason=None, **TOP),
        error=BadRequestError,
        code="400",
    ),
    Answer(
        name="an error in the place of a chunk, older",
        body=events(
            chunk({"role": "assistant", "content": "Fo"}),
            {
                "object": "error",
                "message": "EngineCore died.",
                "type": "InternalServerError",
                "param": None,
                "code": 500,
            },
        ),
        completion=completion({"content": "Fo"}, finish_reason=None, **TOP),
        error=InternalServerError,
        code="500",
    ),
]
ANSWERS += [
    whole(
        "plain, with reasoning and the keys of a proxy's cache",
        {
            **thought("reasoning"),
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "\n\nFour.",
                        "refusal": None,
                        "annotations": None,
                        "audio": None,
                        "function_call": None,
                        "reasoning": "Let me think… 考える",
                    },
                    "logprobs": None,
                    "finish_reason": "stop",
                    "stop_reason": None,
                    "token_ids": None,
                }
            ],
            "kv_transfer_params": None,
        },
        completion={**thought("reasoning"), "kv_transfer_params": None},
        reasoning="Let me think… 考える",
    ),
    Answer(
        name="usage in every chunk",
        body=events(
            *(
                {
                    **chunk(delta, end),
                    "usage": {"prompt_tokens": 12, "total_tokens": 12 + count, "completion_tokens": count},
                }
                for count, (delta, end) in enumerate(
                    [
                        ({"role": "assistant", "content": ""}, None),
                        ({"content": "Four"}, None),
                        ({"content": "."}, "stop"),
                    ]
                )
            )
        ),
        completion=completion(
            {"content": "Four."}, **TOP, usage={"prompt_tokens": 12, "total_tokens": 14, "completion_tokens": 2}
        ),
    ),
]

REFUSALS = [
    Refusal(
        name="a wrong key",
        status=401,
        body={"error": "Unauthorized"},
        error=AuthenticationError,
        message="Unauthorized",
    ),
    Refusal(
        name="no such model",
        status=404,
        body={
            "error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "param": None, "code": 404}
        },
        error=NotFoundError,
        message="The model `x` does not exist.",
        code="404",
    ),
    Refusal(
        name="too long, older",
        status=400,
        body={"object": "error", "message": "This model's maximum context length is 512 tokens.", "code": 40303},
        error=BadRequestError,
        message="This model's maximum context length",
        code="40303",
    ),
]
