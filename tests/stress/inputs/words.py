"""Small things of which answers are made: text, numbers, names, and values that stand where they don't belong."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

__all__ = ["KEYS", "as_json", "odd", "pieces", "text"]

_WORDS = [
    "a", " ", "the", " sea", "\n", "\n\n", "is", " wide", '"', "\\", "{", "}", "[", "]", ":", ",", "0", "12", "-3.5", "data:",
    "data: ", "[DONE]", "é", "ß", "中文", "🎉", "👩‍👩‍👧", "\u2028", "\x85", "\ufeff", "\ufffd", "\x7f", "\0", "\x1f", "\r", "\r\n",
    "\t", "</s>", "<think>", "null", "true", "id: 1", ": ping", "retry: 5", "event: error", "\u0301", "\u202e", "\ud7ff",
]  # fmt: skip

KEYS = [
    "id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "moderation", "obfuscation",
    "index", "delta", "finish_reason", "logprobs", "message", "role", "content", "refusal", "tool_calls", "function_call",
    "audio", "annotations", "type", "function", "custom", "name", "arguments", "input", "data", "transcript", "expires_at",
    "token", "bytes", "logprob", "top_logprobs", "prompt_tokens", "completion_tokens", "total_tokens", "error", "code", "param",
    "detail", "msg", "status", "reasoning_content", "reasoning", "reasoning_details", "provider", "x_groq", "timings", "text",
    "native_finish_reason", "metadata", "has_more", "first_id", "last_id", "parsed", "content_parts", "x", "", "_extra",
    "\x7fextra", "\x7frequest_id", "\x7forigin", "__class__", "url_citation", "input_image", "output", "results", "flagged",
    "categories", "value", "🎉",
]  # fmt: skip

# Values of another type than was expected, and on the edge of it.
_ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 127, 128, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**19, 10**30,
    -(10**25), 0.0, -0.0, 0.1, 1.0, 3.0, -1.0, 1e15, 1e22, 1e300, -1e-300, float("nan"), float("inf"), float("-inf"), "", "a",
    " ", "0", "3", "-1", "1e5", "1_0", "٣", "true", "null", "stop", "error", "length", "content_filter", "function", "custom",
    "assistant", "{}", "[]", '{"a": 1', "\ud83d", "\ude00", "\ud83d\ude00", "x\ud83d", "\0", "\ufeff", "🎉", "a" * 3000,
    "QQ==", "QQ==Qg==", [], {}, [[]], [{}], [None], [None, 1, "a"], {"a": 1}, {"index": 0}, {"index": "0"}, {"": None},
    {"text": "t", "type": "text"}, [{"type": "text", "text": "part"}], [{"type": "thinking", "thinking": []}],
    {"message": "m", "code": 429}, {"message": "m", "type": "server_error"}, {"role": "assistant"}, "[DONE]",
]  # fmt: skip


def _nested(depth: int, mark: str) -> str:
    return "[" * depth + "]" * depth if mark == "[" else '{"a":' * depth + "1" + "}" * depth


# JSON texts that no Python value is written as, some of them none at all.
_SPELLINGS = [
    "-0", "1e400", "-1e400", "1E5", "1e-400", "0.1e1", "00", "01", "+1", ".5", "5.", "1e", "- 1", "NaN", "Infinity", "-Infinity",
    "nul", "tru", "undefined", "'a'", '"\\ud83d"', '"\\ude00"', '"\\ud83d\\ude00"', '"\\ud83dx"', '"\\u00e9"', '"\\u0000"',
    '"\\u00"', '"\\x41"', '"\\/"', '"\\', '"a', "[1,]", '{"a":1,}', "[,]", "{,}", '{"a"}', "{1:2}", "/**/1", "9" * 400,
    "9" * 5000, "0." + "1" * 400, "1e" + "9" * 30, _nested(3, "["), _nested(100, "["), _nested(127, "{"), _nested(129, "{"),
    _nested(129, "["), _nested(140, "["), _nested(1500, "["), "[" * 3000, '{"a":' * 1200, '{"a":1,"a":2}', '"\x01"', '"\t"',
    '{"\\ud83d":1}', '{"index":0,"index":1}', " 1", "\ufeff1",
]  # fmt: skip
_MARK = "\x01"
_HALF = re.compile("[\ud800-\udfff]")
_MARKED = re.compile(r'"\\u0001(\d+)\\u0001"')


def text(rng: Random, most: int = 8) -> str:
    """Return up to so many words of any kind, joined."""
    return "".join(rng.choices(_WORDS, k=rng.randrange(most + 1)))


def odd(rng: Random) -> Any:
    """Return a value that was not expected where it will stand; `as_json` may spell it as no value is."""
    if rng.random() < 0.3:
        return f"{_MARK}{rng.randrange(len(_SPELLINGS))}{_MARK}"
    return rng.choice(_ODD)


def as_json(value: Any, rng: Random, *, strange: bool = False) -> str:
    """Return a value as JSON; `strange`: perhaps with another spelling of the same, or a key that comes twice."""
    style = rng.randrange(12) if strange else 0
    ascii_only = style % 2 == 1
    separators = (", ", ": ") if style in {2, 3} else (" ,\t", " : ") if style == 4 else (",", ":")
    said = json.dumps(value, ensure_ascii=ascii_only, separators=separators, indent=1 if style == 5 else None)
    if _HALF.search(said):  # JSON can write half a character, UTF-8 can't
        said = json.dumps(value, separators=separators)
    said = _MARKED.sub(lambda match: _SPELLINGS[int(match[1])], said)
    if strange and style >= 9 and "{" in said:
        at = rng.choice([place for place, mark in enumerate(said) if mark == "{"]) + 1
        twice = _MARKED.sub(lambda match: _SPELLINGS[int(match[1])], json.dumps(odd(rng)))
        said = f"{said[:at]}{json.dumps(rng.choice(KEYS))}:{twice},{said[at:]}"
    return said


def pieces(data: Any, rng: Random, most: int = 8) -> list[Any]:
    """Return text or bytes in up to so many pieces, cut anywhere, some of them empty."""
    if not data:
        return [data]
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(most)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
