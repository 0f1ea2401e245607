"""Valid streams as vendors send them: events whose data is plain JSON, and now and then bytes that stand between two.

A `Random` comes in, the events of one whole stream go out. What is odd about a vendor's is in its function's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from .words import pieces, text

__all__ = ["DONE", "Event", "Part", "instance", "stream"]


class Event(NamedTuple):
    """One event: its data, as plain JSON or as text that is sent as it is, and its other fields."""

    data: Any
    name: str | None = None
    id: str | None = None


Part = Event | bytes
"""An event, or bytes of the stream that are none."""

DONE = Event("[DONE]")

Chunks = Iterator[dict[str, Any]]


def _head(rng: Random) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{rng.randrange(1000)}",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000 + rng.randrange(1000),
        "model": rng.choice(["gpt-5", "m", "vendor/m:free"]),
    }


def _choice(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish, **more}


def _usage(rng: Random) -> dict[str, Any]:
    given, made = rng.randrange(100), rng.randrange(100)
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _said(head: dict[str, Any], deltas: list[dict[str, Any]], finish: str = "stop", index: int = 0) -> Chunks:
    """A chunk for each delta, the role first, then the end."""
    yield {**head, "choices": [_choice({"role": "assistant", "content": ""}, index=index)]}
    for delta in deltas:
        yield {**head, "choices": [_choice(delta, index=index)]}
    yield {**head, "choices": [_choice({}, finish, index=index)]}


def _texts(rng: Random, name: str = "content") -> list[dict[str, Any]]:
    return [{name: text(rng, 3)} for _ in range(rng.randrange(6))]


def instance(rng: Random) -> Any:
    """A value that some of the types of the targets take."""
    step = {"explanation": text(rng, 2), "output": text(rng, 2)}
    return rng.choice(
        [
            {"steps": [step] * rng.randrange(3), "answer": rng.randrange(-5, 100), "sure": rng.random() < 0.5},
            {"name": text(rng, 2), "age": rng.randrange(100), "born": "2001-02-03", "mood": "good"},
            {"value": [step, step]},
            {"value": rng.randrange(1000)},
            {"value": rng.choice(["red", "red-dark"])},
            {"a": rng.random(), "b": [1, None, {"c": text(rng, 2)}]},
        ]
    )


def _plain(rng: Random) -> Chunks:
    head = _head(rng) | {"service_tier": "default", "system_fingerprint": "fp_1"}
    for chunk in _said(head, _texts(rng), rng.choice(["stop", "length", "content_filter"])):
        yield chunk | ({"obfuscation": "x" * rng.randrange(9)} if rng.random() < 0.3 else {})
    if rng.random() < 0.5:
        yield {**head, "choices": [], "usage": _usage(rng)}


def _structured(rng: Random) -> Chunks:
    said = json.dumps(instance(rng), ensure_ascii=rng.random() < 0.5)
    return _said(_head(rng), [{"content": piece} for piece in pieces(said, rng, 12)])


def _with_logprobs(rng: Random) -> Chunks:
    head = _head(rng)
    for delta in _texts(rng):
        token = {"token": delta["content"], "bytes": [*delta["content"].encode()], "logprob": -rng.random()}
        logprobs = {"content": [{**token, "top_logprobs": [token]}], "refusal": None}
        yield {**head, "choices": [_choice(delta, logprobs=logprobs)]}
    yield {**head, "choices": [_choice({}, "stop", logprobs=None)]}


def _several(rng: Random) -> Chunks:
    head, count = _head(rng), rng.randrange(2, 4)
    streams = [_said(head, _texts(rng), index=index) for index in range(count)]
    while streams:
        stream = rng.choice(streams)
        chunk = next(stream, None)
        if chunk is None:
            streams.remove(stream)
        else:
            yield chunk


def _calls(rng: Random) -> Chunks:
    """Tool calls, numbered as OpenAI does, or as one of those that do it their own way."""
    base = rng.choice([0, 0, 0, 1])
    deltas: list[dict[str, Any]] = []
    for number in range(rng.randrange(1, 4)):
        kind, inner = rng.choice([("function", "arguments"), ("function", "arguments"), ("custom", "input")])
        opened = {"index": number + base, "id": f"call_{number}", "type": kind, kind: {"name": "look", inner: ""}}
        deltas.append({"tool_calls": [opened]})
        deltas += (
            {"tool_calls": [{"index": number + base, kind: {inner: piece}}]}
            for piece in pieces(json.dumps(instance(rng)), rng, 5)
        )
    if rng.random() < 0.3:
        rng.shuffle(deltas)
    return _said(_head(rng), deltas, "tool_calls")


def _calls_all_numbered_0(rng: Random) -> Chunks:
    """Gemini's."""
    calls = [
        {"index": 0, "id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for number in range(3)
    ]
    return _said(_head(rng), [{"tool_calls": [call]} for call in calls], "tool_calls")


def _calls_without_numbers(rng: Random) -> Chunks:
    """Ollama's: whole, with objects as arguments; or fragments that continue the last one."""
    calls: list[dict[str, Any]] = [
        {"function": {"name": rng.choice(["f", "g"]), "arguments": instance(rng)}} for _ in range(rng.randrange(1, 3))
    ]
    calls += [{"function": {"arguments": text(rng, 2)}} for _ in range(rng.randrange(3))]
    return _said(_head(rng), [{"tool_calls": [call]} for call in calls], "stop")


def _numbered_minus_1(rng: Random) -> Chunks:
    """Bedrock's gateways."""
    call = {"index": -1, "id": "call_0", "type": "function", "function": {"name": "f", "arguments": ""}}
    rest = [{"tool_calls": [{"index": -1, "function": {"arguments": piece}}]} for piece in pieces('{"a": 1}', rng)]
    return _said(_head(rng), [*_texts(rng), {"tool_calls": [call]}, *rest], "tool_calls", index=-1)


def _old_call(rng: Random) -> Chunks:
    deltas = [{"function_call": {"arguments": piece}} for piece in pieces(json.dumps(instance(rng)), rng, 4)]
    return _said(_head(rng), [{"function_call": {"name": "f", "arguments": ""}}, *deltas], "function_call")


def _reasoning(rng: Random) -> Chunks:
    """DeepSeek's and OpenRouter's."""
    name = rng.choice(["reasoning_content", "reasoning"])
    details = {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "so "}], "provider": "P"}
    deltas = [{"content": None, **delta, **(details if name == "reasoning" else {})} for delta in _texts(rng, name)]
    for chunk in _said(_head(rng) | {"provider": "P"}, [*deltas, *_texts(rng)]):
        yield chunk
        if rng.random() < 0.1:
            chunk["choices"][0]["native_finish_reason"] = "STOP"


def _parts(rng: Random) -> Chunks:
    """Mistral's: content as a list of typed parts."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": text(rng, 2)}]
    return _said(_head(rng), [{"content": [part]} for part in rng.choices(parts, k=4)] + _texts(rng))


def _azure(rng: Random) -> Chunks:
    results = {"hate": {"filtered": False, "severity": "safe"}}
    yield {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [results]}
    for chunk in _said(_head(rng), _texts(rng)):
        chunk["choices"][0]["content_filter_results"] = results
        yield chunk


def _groq(rng: Random) -> Chunks:
    chunks = [*_said(_head(rng), _texts(rng))]
    chunks[-1]["x_groq"] = {"id": "req_1", "usage": {**_usage(rng), "queue_time": 0.1}}
    chunks[-1]["timings"] = {"predicted_ms": 1.5}
    yield from chunks


def _refused(rng: Random) -> Chunks:
    return _said(_head(rng), _texts(rng, "refusal"))


def _audio(rng: Random) -> Chunks:
    audio = [
        {"id": "audio_1", "transcript": ""},
        *({"data": data, "transcript": text(rng, 1)} for data in rng.choices(["QUJD", "QQ==", "QUI="], k=3)),
        {"expires_at": 1_700_000_001},
    ]
    return _said(_head(rng), [{"audio": piece} for piece in audio])


def _rarities(rng: Random) -> Chunks:
    cited = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 4}}
    verdict = {"type": "moderation_result", "model": "mod", "flagged": False, "categories": {"violence": False}}
    moderation = {
        "input": {"type": "error", "code": "c", "message": "m"},
        "output": {"type": "moderation_results", "model": "mod", "results": [verdict]},
    }
    head = _head(rng) | {"citations": ["u"], "search_results": [{"title": "t", "url": "u"}]}
    yield from _said(head, [*_texts(rng), {"annotations": [cited]}])
    yield {**head, "choices": [], "moderation": moderation, "usage": {**_usage(rng), "cost": 0.5}}


def _whole(rng: Random) -> Chunks:
    """A completion where chunks were expected."""
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": text(rng), "tool_calls": [call] * rng.randrange(3)}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    yield {**_head(rng), "object": "chat.completion", "choices": [choice], "usage": _usage(rng)}


_SHAPES: list[Callable[[Random], Chunks]] = [
    _plain, _plain, _plain, _structured, _structured, _with_logprobs, _several, _calls, _calls, _calls_all_numbered_0,
    _calls_without_numbers, _numbered_minus_1, _old_call, _reasoning, _parts, _azure, _groq, _refused, _audio, _rarities, _whole,
]  # fmt: skip

_ERRORS: list[Event] = [
    Event({"error": {"message": "busy", "type": "server_error", "code": None, "param": None}}),
    Event({"error": {"message": "slow down", "code": 429}}),
    Event({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, "error"),
    Event({"object": "error", "message": "too long", "code": 400, "type": "BadRequestError"}),
    Event({"code": 1302, "message": "busy"}),
    Event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error"),
    Event({"error": "plain words"}),
    Event({"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "m"}}]}),
    Event("not JSON at all", "error"),
    Event(""),
    Event("{}", "ping"),
    Event({"type": "ping"}, "ping"),
]
_BETWEEN = [b": OPENROUTER PROCESSING\n\n", b":\n\n", b"\n\n", b"retry: 3000\n\n", b"id: 7\n\n", b"event: ping\n\n"]


def stream(rng: Random) -> list[Part]:
    """Return a whole stream of some vendor's; in one of eight something else stands in it, an error often."""
    name = rng.choice([None] * 9 + ["message", "chunk", "completion"])
    parts: list[Part] = [Event(chunk, name) for chunk in rng.choice(_SHAPES)(rng)]
    if rng.random() < 0.9:
        parts.append(DONE)
    if rng.random() < 0.12:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(_ERRORS))
    while rng.random() < 0.2:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(_BETWEEN))
    return parts
