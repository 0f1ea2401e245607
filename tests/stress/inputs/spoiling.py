"""What spoils an answer, level by level: its JSON, its events, its bytes.

Each function takes one and returns it with a single thing changed, most often so that it is wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from .shapes import DONE, Event, Part
from .words import KEYS, as_json, odd, text

__all__ = ["spoilt_bytes", "spoilt_json", "spoilt_parts", "wire"]

_BITS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb", b"\0", b"\x1a", b"\xff", b"\xc3", b"\xed\xa0\xbd",
    b"\xf0\x9f", b"data:", b"data: ", b"data", b"data: [DONE]\n\n", b"[DONE]", b"event: error\n", b"event:x\n", b"id: 1\n", b"id\n",
    b"id: \0\n", b"retry: 10\n", b": c\n", b":\n\n", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b",", b":", b"null",
    b"true", b"-", b"1e999", b"0", b"NaN", b'{"error":{"message":"m"}}', b'"choices":[]', b'"index":1,', b" ", b"\t", b"<html>",
    b"HTTP/1.1 200 OK\r\n\r\n", b"\xc2\x85", b"\xe2\x80\xa8",
]  # fmt: skip


def spoilt_json(value: Any, rng: Random) -> Any:
    """Return a copy of a JSON value with one thing in it changed."""
    twin = copy.deepcopy(value)
    places = [*_places(twin)]
    if not places:
        return odd(rng)
    container, key = rng.choice(places)
    kind = rng.randrange(8)
    if kind < 4:
        container[key] = odd(rng)
    elif kind == 4 and isinstance(container, dict):
        container[rng.choice(KEYS)] = container.pop(key)
    elif kind == 5 and isinstance(container, dict):
        container[rng.choice(KEYS)] = odd(rng)
    elif kind == 6:
        del container[key]
    elif isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), copy.deepcopy(container[key]))
    else:
        other, there = rng.choice(places)
        container[key] = copy.deepcopy(other[there])  # it may be a part of what it replaces
    return twin


def _places(value: Any) -> Any:
    """Each container in a value, with each of its keys or indexes."""
    open_ = [value]
    for container in open_:
        for key in (
            [*(container if isinstance(container, dict) else range(len(container)))] if _holds(container) else ()
        ):
            yield container, key
            if _holds(container[key]):
                open_.append(container[key])


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list)


def spoilt_parts(parts: list[Part], rng: Random) -> list[Part]:
    """Return a stream's parts with one of them changed, gone, moved, twice, or something new beside them."""
    parts = [*parts]
    if not parts:
        return [Event({})]
    at = rng.randrange(len(parts))
    part = parts[at]
    kind = rng.randrange(12)
    if kind < 6 and isinstance(part, Event):
        data = spoilt_json(part.data, rng) if not isinstance(part.data, str) else odd(rng)
        parts[at] = part._replace(data=data)
    elif kind == 6 and isinstance(part, Event):
        parts[at] = part._replace(name=rng.choice([None, "", "error", "ping", "message", "done", text(rng, 2)]))
    elif kind == 7 and isinstance(part, Event):
        parts[at] = part._replace(id=rng.choice(["", "1", "0-5", text(rng, 2)]))
    elif kind == 8:
        del parts[at]
    elif kind == 9:
        parts.insert(rng.randrange(len(parts) + 1), part)
    elif kind == 10:
        parts.insert(at, rng.choice([DONE, Event({}), Event(text(rng)), rng.choice(_BITS), Event(odd(rng))]))
    else:
        del parts[at:]
    return parts


def wire(parts: list[Part], rng: Random, *, strange: bool) -> bytes:
    """Return a stream's parts as bytes; `strange`: in one of the many spellings that mean the same, and some that don't."""
    end = rng.choice(["\n"] * 4 + ["\r\n", "\r", "mixed"]) if strange else "\n"
    lines: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            lines.append(part)
            continue
        said = (
            part.data
            if isinstance(part.data, str) and "\x01" not in part.data
            else as_json(part.data, rng, strange=strange)
        )
        fields = [f"data:{'' if strange and rng.random() < 0.2 else ' '}{line}" for line in said.split("\n")]
        if part.name is not None:
            fields.insert(rng.randrange(2) if strange else 0, f"event: {part.name}")
        if part.id is not None:
            fields.append(f"id: {part.id}")
        if strange and rng.random() < 0.1:
            fields.insert(
                rng.randrange(len(fields) + 1), rng.choice([": comment", "retry: 5", "unknown: x", "data", "id"])
            )
        ends = rng.choices(["\n", "\r\n", "\r"], k=len(fields) + 1) if end == "mixed" else [end] * (len(fields) + 1)
        block = "".join(map(str.__add__, [*fields, ""], ends))
        lines.append(block.encode("utf-8", "surrogatepass"))
    data = b"".join(lines)
    return b"\xef\xbb\xbf" + data if strange and rng.random() < 0.1 else data


def spoilt_bytes(data: bytes, rng: Random, other: Callable[[], bytes]) -> bytes:
    """Return bytes with one thing changed; `other` makes some to splice them with."""
    start = rng.randrange(len(data) + 1)
    stop = min(len(data), start + rng.choice([1, 1, 1, 2, 3, 8, 40, 200]))
    kind = rng.randrange(9)
    if kind == 0 and start < len(data):
        return data[:start] + bytes([data[start] ^ 1 << rng.randrange(8)]) + data[start + 1 :]
    if kind == 1:
        return data[:start] + rng.randbytes(rng.randrange(1, 4)) + data[start:]
    if kind == 2:
        return data[:start] + data[stop:]
    if kind == 3:
        return data[:stop] + data[start:]
    if kind == 4:
        return data[:start]
    if kind == 5:
        spliced = other()
        return data[:start] + spliced[rng.randrange(len(spliced) + 1) :]
    if kind == 6:
        return data[:start] + rng.choice(_BITS) + data[stop:]
    return data[:start] + rng.choice(_BITS) + data[start:]
