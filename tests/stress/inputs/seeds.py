"""What each kind of reader is fed: streams, bodies, texts and headers, a few of them whole, most of them spoilt."""

from __future__ import annotations

from random import Random
from typing import Any

from .plausible import plausible, value
from .shapes import DONE, Event, Part, instance, stream
from .spoiling import spoilt_bytes, spoilt_json, spoilt_parts, wire
from .words import as_json, odd, text

__all__ = ["body", "header", "json_text", "page", "stream_bytes", "sure_stream"]


def stream_bytes(rng: Random) -> bytes:
    """Return an event stream: in one of five cases as some vendor sends it, else spoilt on one level or several."""
    parts = stream(rng)
    levels = rng.randrange(5)
    if levels in {1, 3}:
        for _ in range(rng.randrange(1, 4)):
            parts = spoilt_parts(parts, rng)
    data = wire(parts, rng, strange=levels >= 1)
    if levels in {2, 3}:
        for _ in range(rng.randrange(1, 4)):
            data = spoilt_bytes(data, rng, lambda: wire(stream(rng), rng, strange=False))
    return data


def sure_stream(rng: Random) -> bytes:
    """Return a stream that is valid, in a spelling that means the same, so that what it adds up to is known."""
    parts: list[Part] = [Event(chunk) for chunk in plausible(rng)]
    if rng.random() < 0.9:
        parts.append(DONE)
    data = wire(parts, rng, strange=False)
    if rng.random() < 0.5:
        data = data.replace(b"\n", rng.choice([b"\r\n", b"\r"]))
    while rng.random() < 0.3:
        data = rng.choice([b": ping\n\n", b"\n", b"event: ping\n\n", b"id: 3\n\n"]) + data
    return b"\xef\xbb\xbf" + data if rng.random() < 0.2 else data


def _completion(rng: Random) -> Any:
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": as_json(instance(rng), rng)}}
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "c", "input": text(rng)}}
    token = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
    cited = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 4}}
    message: dict[str, Any] = {"role": "assistant", "content": text(rng), "refusal": None, "annotations": [cited]}
    if rng.random() < 0.5:
        message |= {
            "tool_calls": [call, custom],
            "audio": {"id": "a", "data": "QUJD", "expires_at": 1, "transcript": "t"},
        }
    if rng.random() < 0.3:
        message |= {"reasoning_content": text(rng), "content": [{"type": "text", "text": text(rng)}]}
    choices = [
        {"index": index, "message": message, "finish_reason": "stop", "logprobs": {"content": [token], "refusal": None}}
        for index in range(rng.randrange(3))
    ]
    usage = {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    head = {"id": f"chatcmpl-{rng.randrange(5)}", "object": "chat.completion", "created": 1_700_000_000, "model": "m"}
    return {**head, "choices": choices, "usage": usage, "metadata": {"a": "b"}, "service_tier": "default"}


def _page(rng: Random) -> Any:
    items = [_completion(rng) for _ in range(rng.randrange(3))]
    return {
        "object": "list",
        "data": items,
        "has_more": rng.choice([True, False, None]),
        "first_id": "a",
        "last_id": "b",
    }


def _failure(rng: Random) -> Any:
    said = {"message": text(rng), "type": rng.choice(["server_error", "requests", None]), "param": None, "code": None}
    return rng.choice(
        [
            {"error": said},
            said,
            {"error": text(rng)},
            [{"error": said}],
            {"detail": [{"loc": ["body", "n"], "msg": "too many", "type": "value_error"}]},
            {"detail": text(rng)},
            {"object": "error", **said, "code": 400},
            {"id": "chatcmpl-1", "object": "chat.completion.deleted", "deleted": True},
        ]
    )


_PAGES = [
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>", b"<html><title>" * 200, b"", b"upstream timed out",
    b"<?xml version='1.0'?><a/>", b"data: {}\n\n",
]  # fmt: skip


def body(rng: Random) -> bytes:
    """Return the body of a plain answer: a completion, a page of a list, an error, or something else; most often spoilt."""
    if rng.random() < 0.05:
        return rng.choice(_PAGES)
    answer = rng.choice([_completion, _completion, _page, _failure])(rng)
    spoil = rng.randrange(4)
    if spoil in {1, 2}:
        for _ in range(rng.randrange(1, 4)):
            answer = spoilt_json(answer, rng)
    data = as_json(answer, rng, strange=spoil > 0).encode("utf-8", "surrogatepass")
    if spoil >= 2:
        for _ in range(rng.randrange(1, 3)):
            data = spoilt_bytes(data, rng, lambda: as_json(_completion(rng), rng).encode())
    return data


def page(rng: Random) -> bytes:
    """Return the body of a page of a list, half of the time spoilt."""
    answer = _page(rng)
    if rng.random() < 0.5:
        answer = spoilt_json(answer, rng)
    return as_json(answer, rng).encode("utf-8", "surrogatepass")


def json_text(rng: Random) -> bytes:
    """Return what a model writes where JSON was asked for: whole, cut off, or not JSON at all."""
    made = value(rng, 4) if rng.random() < 0.2 else odd(rng) if rng.random() < 0.1 else instance(rng)
    spoil = rng.randrange(4)
    if spoil in {1, 2}:
        made = spoilt_json(made, rng)
    data = as_json(made, rng, strange=spoil > 0).encode("utf-8", "surrogatepass")
    if spoil >= 2:
        data = spoilt_bytes(data, rng, lambda: as_json(instance(rng), rng).encode())
    if rng.random() < 0.1:
        data = rng.choice([b"```json\n%b\n```", b"Sure! %b", b"%b\n", b"\xef\xbb\xbf%b", b" \t\r\n%b"]) % data
    return data


_HEADERS = [
    "6m0s", "12ms", "1h2m3.5s", "1d2h", "0", "1", "-1", "0.5", "60", "120", "121", "1e3", "1e400", "inf", "nan", "-inf", "Infinity",
    "1_000", "٣", "½", "1s2", "5us", "5µs", "5μs", "1.", ".5s", "1.5.2s", "s", "ms", "999999999999999", "9999999999999999", "9" * 400,
    "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 -0000", "Wed, 21 Oct 2026 07:28:00 +9999", "21 Oct 26 07:28 EST",
    "Wednesday, 21-Oct-26 07:28:00 GMT", "Thu Jan  1 00:00:00 1970", "Wed, 32 Oct 2026 07:28:00 GMT", "1 Jan 0000 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 1 Jan 0001 00:00:00 +2359", "1 2 3 4 5 6", "true", "false", " TRUE ", "5 per 0s", "",
    "text/event-stream", "application/json; charset=utf-8", "text/html",
]  # fmt: skip
_HEADER_BITS = [
    "²",
    "0",
    "9",
    ".",
    "-",
    "+",
    "e",
    "s",
    "m",
    "h",
    "ms",
    " ",
    ",",
    ":",
    "GMT",
    "\xa0",
    "\t",
    "é",
    "\ud83d",
    "\udcff",
    "٣",
    "(",
    "\\",
    '"',
    "\0",
]


def header(rng: Random) -> bytes:
    """Return what a server may write where a number, a duration or a date is expected."""
    said = rng.choice(_HEADERS)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(said) + 1)
        stop = min(len(said), at + rng.randrange(3))
        said = said[:at] + rng.choice([*_HEADER_BITS, rng.choice(_HEADERS)]) + said[stop:]
    return said.encode("utf-8", "surrogatepass")
