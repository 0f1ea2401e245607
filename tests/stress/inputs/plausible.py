"""Streams whose sum is beyond doubt: what `support.strategies.streams` makes, made of a `Random`.

Chunks as plain dicts come out, which `support.fold` can add up, unknown keys and interleaved calls among them.
"""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

from .words import text

__all__ = ["plausible", "value"]

_EXTRA_NAMES = ["x", "y", "reasoning_content", "provider", "x_id", "native_finish_reason", "details", "citations"]
_INNER_NAMES = ["x", "y", "reasoning_content", "provider", "x_id", "native_finish_reason", "name", "index"]
_KINDS = ["content", "refusal", "tool_calls", "role", "null", "logprobs"]
_BASE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def plausible(rng: Random) -> list[dict[str, Any]]:
    """Return the chunks of a whole stream of one to three answers; each ends, in whatever order."""
    count = rng.randrange(1, 4)
    opened: list[set[int]] = [set() for _ in range(count)]
    chunks: list[dict[str, Any]] = []
    for _ in range(rng.randrange(7)):
        indexes = rng.sample(range(count), rng.randrange(count + 1))
        chunk = {**_BASE, "choices": [_choice(rng, index, opened[index]) for index in indexes], **_extras(rng)}
        if rng.random() < 0.5:
            chunk |= {"service_tier": "default", "system_fingerprint": rng.choice([None, "fp_1"]), "usage": None}
        chunks.append(chunk)
    for index in rng.sample(range(count), count):
        ended = {"finish_reason": rng.choice(["stop", "length", "tool_calls"])}
        chunks.append({**_BASE, "choices": [_choice(rng, index, opened[index]) | ended]})
    if rng.random() < 0.5:
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3} | _extras(rng)
        chunks.append({**_BASE, "choices": [], "usage": usage})
    for index in range(count):
        _split(rng, [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index])
    return chunks


def _split(rng: Random, deltas: list[dict[str, Any]]) -> None:
    """Have a character begin in one piece of an answer's content and end in the next, as some vendors do."""
    texts = [delta for delta in deltas if isinstance(delta.get("content"), str)]
    for before, after in itertools.pairwise(texts):
        if rng.random() < 0.2:
            before["content"] += "\ud83c"
            after["content"] = "\udf89" + after["content"]


def _choice(rng: Random, index: int, opened: set[int]) -> dict[str, Any]:
    """What one chunk adds to one answer."""
    delta: dict[str, Any] = {}
    said: dict[str, Any] = {"index": index, "delta": delta}
    for kind in rng.sample(_KINDS, rng.randrange(4)):
        if kind in {"content", "refusal"}:
            delta[kind] = text(rng, 3)
        elif kind == "tool_calls":
            delta[kind] = [_fragment(rng, opened) for _ in range(rng.randrange(4))]
        elif kind == "role":
            delta[kind] = "assistant"
        elif kind == "null":
            delta.setdefault("content", None)
            said["logprobs"] = None
        else:
            kinds = rng.sample(["content", "refusal"], rng.randrange(3))
            said["logprobs"] = {name: [_token(rng) for _ in range(rng.randrange(1, 3))] for name in kinds} | _extras(
                rng
            )
    delta |= _extras(rng)
    return said | _extras(rng)


def _token(rng: Random) -> dict[str, Any]:
    return {"token": text(rng, 1), "logprob": -0.5, "bytes": None, "top_logprobs": [], **_extras(rng)}


def _fragment(rng: Random, opened: set[int]) -> dict[str, Any]:
    """A piece of one of three calls, indexed as the API does: id, type and name stand in the first."""
    index = rng.randrange(3)
    kind, name = ("custom", "input") if index == 2 else ("function", "arguments")
    inner: dict[str, Any] = {name: text(rng, 2)} | _extras(rng)
    fragment: dict[str, Any] = {"index": index, kind: inner}
    if index not in opened:
        opened.add(index)
        fragment |= {"id": f"call_{index}", "type": kind}
        inner["name"] = f"tool_{index}"
    elif rng.random() < 0.5:
        fragment["id"] = f"call_{index}"  # some vendors repeat it
    return fragment | _extras(rng)


def _extras(rng: Random) -> dict[str, Any]:
    if rng.random() < 0.6:
        return {}
    return {name: value(rng, 2) for name in rng.sample(_EXTRA_NAMES, rng.randrange(1, 3))}


def value(rng: Random, depth: int) -> Any:
    """Return any JSON value, of so many levels at most."""
    kind = rng.randrange(8 if depth else 6)
    if kind < 2:
        return text(rng, 2)
    if kind < 6:
        return rng.choice([None, True, False, rng.randrange(-10, 10), rng.random(), 2**62, -1.5e300])
    if kind == 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {name: value(rng, depth - 1) for name in rng.sample(_INNER_NAMES, rng.randrange(4))}
