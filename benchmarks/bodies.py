"""The bytes that every contestant gets: answers of OpenAI's shape, made once, the same in every run.

The name of a model comes in (`text-20000`: a stream of 20,000 chunks); the body goes out, with what a reader must
find in it. Nothing here measures.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Body", "body"]

_WORDS = (
    " the", " of", " and", " to", " in", " streaming", " is", " that", " token", " for", " server", " async", "ing",
    " with", ".", ",", "\n\n", " naïve", " “quoted”", "\n```python\n", " latency", " 数据", " 🙂", " \\frac", " Zürich",
    " connection", " wait", " it", " result", "(", ")", " =", " 42", " whether", " between", "ly", "s",
)  # fmt: skip
_ID = "chatcmpl-CXy2mO5eHqVJ9bX0kTz4WnRuLd7Ap"
_MODEL = "gpt-5.2-2026-02-11"
_CREATED = 1_767_225_600
_PROMPT_TOKENS = 24
_ALTERNATIVES = 5  # top_logprobs


@dataclass(frozen=True, kw_only=True)
class Body:
    """One answer.

    Attributes:
        data: The bytes of the body, for a stream with HTTP's chunked framing around each event.
        stream: Whether it is an event stream.
        characters: Length of the answer's text.
        size: Bytes of the body without the framing.
    """

    data: bytes
    stream: bool
    characters: int
    size: int


@cache
def body(model: str) -> Body:
    """Return the body that stands for `model`: `text-<chunks>`, `logprobs-<chunks>` or `plain-<words>`.

    Raises:
        ValueError: There is no such body.
    """
    kind, _, count = model.rpartition("-")
    if kind == "plain":
        return _plain(int(count))
    if kind in {"text", "logprobs"}:
        return _stream(int(count), logprobs=kind == "logprobs")
    raise ValueError(f"no body is called {model!r}")


def _words(count: int) -> list[str]:
    chance = random.Random(count)  # seeded: the same bytes in every process
    return [chance.choice(_WORDS) for _ in range(count)]


def _plain(count: int) -> Body:
    text = "".join(_words(count))
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    data = _json(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": _MODEL,
            "choices": [choice],
            "usage": _usage(count),
            "service_tier": "default",
            "system_fingerprint": "fp_44added55e",
        }
    )
    return Body(data=data, stream=False, characters=len(text), size=len(data))


def _stream(count: int, *, logprobs: bool) -> Body:
    """A stream of `count` chunks in all: the role, the words, the finish reason and the usage."""
    words = _words(count - 3)
    events = [b"data: " + _json(payload) + b"\n\n" for payload in _chunks(words, logprobs=logprobs)]
    events.append(b"data: [DONE]\n\n")
    # One HTTP chunk an event: what uvicorn, and OpenAI's edge under a steady trickle, send.
    framed = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"
    return Body(data=framed, stream=True, characters=len("".join(words)), size=sum(map(len, events)))


def _chunks(words: list[str], *, logprobs: bool) -> Iterator[dict[str, Any]]:
    chance = random.Random(len(words))
    yield _chunk({"role": "assistant", "content": "", "refusal": None}, chance)
    for word in words:
        yield _chunk({"content": word}, chance, logprobs={"content": [_token(word, chance)]} if logprobs else None)
    yield _chunk({}, chance, finish_reason="stop")
    yield {**_chunk({}, chance), "choices": [], "usage": _usage(len(words))}


def _chunk(
    delta: dict[str, Any], chance: random.Random, *, logprobs: Any = None, finish_reason: str | None = None
) -> dict[str, Any]:
    if logprobs is not None:
        logprobs = {**logprobs, "refusal": None}
    return {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": _MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_44added55e",
        "choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}],
        "usage": None,
        "obfuscation": "".join(chance.choices("abcdefghijkLMNOPQRSTUVWXYZ0123456789", k=chance.randint(1, 16))),
    }


def _token(word: str, chance: random.Random) -> dict[str, Any]:
    def alternative(text: str) -> dict[str, Any]:
        return {"token": text, "logprob": -round(chance.expovariate(1), 6), "bytes": list(text.encode())}

    return {**alternative(word), "top_logprobs": [alternative(text) for text in chance.sample(_WORDS, _ALTERNATIVES)]}


def _usage(tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": _PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": tokens + _PROMPT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
