"""Streams that a server might send: Hypothesis strategies of whole, plausible, decoded chunk sequences.

What comes out are lists of plain JSON objects, one a chunk, that say what several answers say: text, refusals, tool
calls that interleave, log probabilities, usage, and unknown keys of every JSON type at every level.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

__all__ = ["CHUNK", "JSON", "paths", "replaced", "streams", "value_at"]

# One chunk with every field of the published schema in it.
CHUNK: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1700000000,
    "model": "m",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "obfuscation": "xyz",
    "moderation": {
        "input": {"type": "error", "code": "c", "message": "m"},
        "output": {
            "type": "moderation_results",
            "model": "mod",
            "results": [
                {
                    "type": "moderation_result",
                    "model": "mod",
                    "flagged": False,
                    "categories": {"violence": False},
                    "category_scores": {"violence": 0.25},
                    "category_applied_input_types": {"violence": ["text"]},
                }
            ],
        },
    },
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "delta": {
                "role": "assistant",
                "content": "text",
                "refusal": "no",
                "function_call": {"name": "f", "arguments": "{}"},
                "audio": {"id": "audio_1", "data": "QUJD", "transcript": "abc", "expires_at": 1700000001},
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 4},
                    }
                ],
                "tool_calls": [
                    {"index": 0, "id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"index": 1, "id": "call_1", "type": "custom", "custom": {"name": "c", "input": "text"}},
                ],
            },
            "logprobs": {
                "content": [
                    {
                        "token": "text",
                        "bytes": [116, 101, 120, 116],
                        "logprob": -0.5,
                        "top_logprobs": [{"token": "text", "bytes": [116], "logprob": -0.5}],
                    }
                ],
                "refusal": [{"token": "no", "bytes": [110, 111], "logprob": -1.5, "top_logprobs": []}],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
    },
}


def paths(value: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value inside `value`, containers included, the whole not."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*here, key)
        yield from paths(item, (*here, key))


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy of `value` with `new` at `path`."""
    twin = copy.deepcopy(value)
    inner = twin
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return twin


def value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return what is at `path`; None where there is no such place."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
# Names that mean nothing to anyone, labels by their name or ending, and the one name that members are joined by.
NAMES = st.sampled_from(["x", "y", "reasoning_content", "provider", "x_id", "native_finish_reason", "name", "index"])
JSON = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
_EXTRA_NAMES = ["x", "y", "reasoning_content", "provider", "x_id", "native_finish_reason", "details", "citations"]
EXTRAS = st.just({}) | st.dictionaries(st.sampled_from(_EXTRA_NAMES), JSON, max_size=2)


@st.composite
def logprob_tokens(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Log probabilities of a few tokens."""
    return draw(
        st.lists(
            st.builds(
                lambda token, extra: {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": [], **extra},
                TEXT,
                EXTRAS,
            ),
            min_size=1,
            max_size=2,
        )
    )


@st.composite
def call_fragment(draw: st.DrawFn, opened: set[int]) -> dict[str, Any]:
    """A piece of one of three calls, indexed as the API does: id, type and name stand in the first."""
    index = draw(st.integers(0, 2))
    custom = index == 2
    inner: dict[str, Any] = {"input" if custom else "arguments": draw(TEXT)}
    fragment: dict[str, Any] = {"index": index, "custom" if custom else "function": inner | draw(EXTRAS)}
    if index not in opened:
        opened.add(index)
        fragment |= {"id": f"call_{index}", "type": "custom" if custom else "function"}
        inner_name = f"tool_{index}"
        fragment["custom" if custom else "function"]["name"] = inner_name
    elif draw(st.booleans()):
        fragment["id"] = f"call_{index}"  # some vendors repeat it
    return fragment | draw(EXTRAS.map(lambda extra: {k: v for k, v in extra.items() if k != "name"}))


@st.composite
def choice(draw: st.DrawFn, index: int, opened: set[int]) -> dict[str, Any]:
    """What one chunk adds to one answer."""
    delta: dict[str, Any] = {}
    said: dict[str, Any] = {"index": index, "delta": delta}
    for kind in draw(st.sets(st.sampled_from(["content", "refusal", "tool_calls", "role", "null", "logprobs"]))):
        if kind in {"content", "refusal"}:
            delta[kind] = draw(TEXT)
        elif kind == "tool_calls":
            delta[kind] = draw(st.lists(call_fragment(opened), max_size=3))
        elif kind == "role":
            delta[kind] = "assistant"
        elif kind == "null":
            delta.setdefault("content", None)
            said["logprobs"] = None
        else:
            kinds = draw(st.sets(st.sampled_from(["content", "refusal"])))
            said["logprobs"] = {name: draw(logprob_tokens()) for name in sorted(kinds)} | draw(EXTRAS)
    delta |= draw(EXTRAS)
    return said | draw(EXTRAS)


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The chunks of a whole stream of one to three answers; each ends, in whatever order."""
    count = draw(st.integers(1, 3))
    opened: list[set[int]] = [set() for _ in range(count)]
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 6))):
        indexes = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=count))
        chunk = {**base, "choices": [draw(choice(index, opened[index])) for index in indexes], **draw(EXTRAS)}
        if draw(st.booleans()):
            chunk |= {"service_tier": "default", "system_fingerprint": draw(st.none() | st.just("fp_1")), "usage": None}
        chunks.append(chunk)
    for index in draw(st.permutations(range(count))):
        reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
        chunks.append({**base, "choices": [draw(choice(index, opened[index])) | {"finish_reason": reason}]})
    if draw(st.booleans()):
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3} | draw(EXTRAS)
        chunks.append({**base, "choices": [], "usage": usage})
    return chunks
