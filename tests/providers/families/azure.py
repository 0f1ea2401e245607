"""Azure OpenAI: a first chunk that is about the prompt and has no choice, and the content filter's verdicts throughout."""

from __future__ import annotations

from typing import Any

from openai_async import AuthenticationError, BadRequestError, NotFoundError, RateLimitError
from providers.answer import Answer, Refusal, completion, events, whole

TOP = {"id": "chatcmpl-Az", "created": 1790000001, "model": "gpt-4.1-2025-04-14", "system_fingerprint": "fp_az"}
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
PROMPT = [{"prompt_index": 0, "content_filter_results": SAFE}]
ABOUT_THE_PROMPT = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": PROMPT}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, verdict: Any = None) -> dict[str, Any]:
    """A chunk of the one choice."""
    judged = {"content_filter_results": {} if verdict is None else verdict}
    choice = {**judged, "index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return {**TOP, "object": "chat.completion.chunk", "choices": [choice]}


CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Łódź"}'}}
FILTERED = {"hate": {"filtered": True, "severity": "high"}}

ANSWERS = [
    Answer(
        name="text",
        body=events(
            ABOUT_THE_PROMPT,
            chunk({"role": "assistant", "content": "", "refusal": None}),
            chunk({"content": "The sea"}, verdict=SAFE),
            chunk({"content": " is wide."}, verdict=SAFE),
            chunk({}, "stop"),
        ),
        completion=completion(
            {"content": "The sea is wide."},
            **TOP,
            prompt_filter_results=PROMPT,
            choice={"content_filter_results": SAFE},
        ),
    ),
    Answer(
        name="filtered in the middle",
        body=events(
            ABOUT_THE_PROMPT,
            chunk({"role": "assistant", "content": "I "}),
            chunk({}, "content_filter", verdict=FILTERED),
        ),
        completion=completion(
            {"content": "I "},
            finish_reason="content_filter",
            **TOP,
            prompt_filter_results=PROMPT,
            choice={"content_filter_results": FILTERED},
        ),
    ),
    Answer(
        name="a call",
        body=events(
            ABOUT_THE_PROMPT,
            chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0, **CALL}]}),
            chunk({}, "tool_calls"),
        ),
        completion=completion(
            {"tool_calls": [CALL]},
            finish_reason="tool_calls",
            **TOP,
            prompt_filter_results=PROMPT,
            choice={"content_filter_results": {}},
        ),
    ),
]
ANSWERS += [
    whole(
        "plain, with verdicts",
        completion(
            {"content": "The sea is wide.", "annotations": []},
            **TOP,
            prompt_filter_results=PROMPT,
            choice={"content_filter_results": SAFE},
        ),
    ),
]

REFUSALS = [
    Refusal(
        name="the prompt is filtered",
        status=400,
        body={
            "error": {
                "message": "The response was filtered due to the prompt triggering the content management policy.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED},
            }
        },
        error=BadRequestError,
        message="The response was filtered",
        code="content_filter",
    ),
    Refusal(
        name="no such deployment",
        status=404,
        body={"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
        error=NotFoundError,
        message="The API deployment does not exist.",
        code="DeploymentNotFound",
    ),
    Refusal(
        name="a wrong key",
        status=401,
        body={"error": {"code": "401", "message": "Access denied due to invalid subscription key."}},
        error=AuthenticationError,
        message="Access denied",
        code="401",
    ),
    Refusal(
        name="a wrong key, told by the gateway",
        status=401,
        body={"statusCode": 401, "message": "Unauthorized. Access token is missing."},
        error=AuthenticationError,
        message="Unauthorized.",
    ),
    Refusal(
        name="too fast",
        status=429,
        body={"error": {"code": "429", "message": "Requests have exceeded the call rate limit. Retry after 1 second."}},
        error=RateLimitError,
        message="Requests have exceeded",
        code="429",
        retried=True,
    ),
]
