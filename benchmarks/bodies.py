"""The bytes that every contestant gets: answers of OpenAI's shape, made once, the same in every run.

The name of a model comes in (`text-20000`: a stream of 20,000 chunks); the body goes out, with what a reader must
find in it. Nothing here measures.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["STAMP", "Body", "Pieces", "body", "framed", "pieces"]

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
# What a paced chunk's `created` is beyond the nanoseconds of the machine's monotonic clock: all have as many digits.
STAMP = 10**17


@dataclass(frozen=True, kw_only=True)
class Body:
    """One answer.

    Attributes:
        data: The bytes of the body, for a stream with HTTP's chunked framing around each event.
        stream: Whether it is an event stream.
        characters: Length of the answer's text, or of all arguments where it calls tools.
        size: Bytes of the body without the framing.
    """

    data: bytes
    stream: bool
    characters: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The events of an endless answer, each with HTTP's chunked framing, for who writes them one by one.

    Attributes:
        role: The first event.
        words: Events with text, to be repeated; each in the two halves between which its stamp belongs.
        ending: The last events, `[DONE]` among them, and the body's end.
    """

    role: bytes
    words: tuple[tuple[bytes, bytes], ...]
    ending: bytes


@cache
def body(model: str) -> Body:
    """Return the body that stands for `model`: `text-<chunks>`, `logprobs-<chunks>`, `toolcalls-<chunks>` or
    `plain-<words>`.

    Raises:
        ValueError: There is no such body.
    """
    kind, _, count = model.rpartition("-")
    if kind == "plain":
        return _plain(int(count))
    if kind in {"text", "logprobs"}:
        words = _words(int(count) - 3)
        return _stream(_chunks(words, logprobs=kind == "logprobs"), characters=len("".join(words)))
    if kind == "toolcalls":
        return _toolcalls(int(count))
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


def _stream(payloads: Iterable[dict[str, Any]], *, characters: int) -> Body:
    events = [b"data: " + _json(payload) + b"\n\n" for payload in payloads]
    events.append(b"data: [DONE]\n\n")
    data = b"".join(map(framed, events)) + b"0\r\n\r\n"
    return Body(data=data, stream=True, characters=characters, size=sum(map(len, events)))


def framed(event: bytes) -> bytes:
    """Frame one event as one HTTP chunk: what uvicorn, and OpenAI's edge under a steady trickle, send."""
    return b"%x\r\n%b\r\n" % (len(event), event)


@cache
def pieces(count: int) -> Pieces:
    """Return the pieces of an endless answer, with `count` different words."""
    role, *words, finish, usage = (b"data: " + _json(payload) + b"\n\n" for payload in _chunks(_words(count)))
    plain, stamp = b'"created":%d,' % _CREATED, b'"created":%d,' % STAMP
    halves = (framed(event.replace(plain, stamp)).partition(b"%d" % STAMP) for event in words)
    return Pieces(
        role=framed(role),
        words=tuple((before, after) for before, _, after in halves),
        ending=framed(finish) + framed(usage) + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    )


def _toolcalls(count: int) -> Body:
    """Two parallel calls, written one after the other: the heads, the fragments of arguments, and three chunks more."""
    half = (count - 5) // 2
    fragments = [_arguments(half), _arguments(count - 5 - half)]
    return _stream(_call_chunks(fragments), characters=sum(len("".join(parts)) for parts in fragments))


def _arguments(count: int) -> list[str]:
    """Arguments of one call in `count` fragments, as a tokenizer cuts them: JSON in the whole, and none in a part."""
    text = [json.dumps(word, ensure_ascii=False)[1:-1] for word in _words(count - 6)]
    return ['{"', "path", '":"', "notes.md", '","content":"', *text, '"}']


def _chunks(words: list[str], *, logprobs: bool = False) -> Iterator[dict[str, Any]]:
    """The role, the words, the finish reason and the usage."""
    chance = random.Random(len(words))
    yield _chunk({"role": "assistant", "content": "", "refusal": None}, chance)
    for word in words:
        yield _chunk({"content": word}, chance, logprobs={"content": [_token(word, chance)]} if logprobs else None)
    yield _chunk({}, chance, finish_reason="stop")
    yield {**_chunk({}, chance), "choices": [], "usage": _usage(len(words))}


def _call_chunks(calls: list[list[str]]) -> Iterator[dict[str, Any]]:
    """The role, each call's head and the fragments of its arguments, the finish reason and the usage."""
    chance = random.Random(len(calls))
    yield _chunk({"role": "assistant", "content": None, "refusal": None}, chance)
    for index, fragments in enumerate(calls):
        function: dict[str, Any] = {"name": "write_file", "arguments": ""}
        head = {"index": index, "id": f"call_{index}Zq4nVYkTQ0s2hWbXmJdRe8", "type": "function", "function": function}
        yield _chunk({"tool_calls": [head]}, chance)
        for fragment in fragments:
            yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}, chance)
    yield _chunk({}, chance, finish_reason="tool_calls")
    yield {**_chunk({}, chance), "choices": [], "usage": _usage(sum(map(len, calls)))}


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
