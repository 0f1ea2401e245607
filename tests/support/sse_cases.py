"""Event streams and what the HTML standard makes of them: a table of cases, and a naive reading of any bytes.

`CASES` are named after the standard's features (section 9.2.6) and, where it tests the same, after web-platform-tests'
`format-*` files; all are written for this project. `naive` reads a whole stream line by line, as the standard says it,
without thought of speed: the parser has to come to the same.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from openai_async.protocol.sse import ServerSentEvent

__all__ = ["CASES", "Case", "cuts", "naive"]


@dataclass(frozen=True)
class Case:
    """A stream, the events in it, and what it leaves in the parser: the last id, and the reconnection time."""

    name: str
    stream: bytes
    events: list[ServerSentEvent]
    last_event_id: str | None = None
    retry: int | None = None


def _event(data: bytes | str, event: str | None = None, id: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(data if isinstance(data, bytes) else data.encode(), event, id)


CASES = [
    Case("nothing", b"", []),
    Case("one event", b"data: a\n\n", [_event("a")]),
    Case("two events", b"data: a\n\ndata: b\n\n", [_event("a"), _event("b")]),
    Case("all fields", b"event: e\nid: 1\nretry: 5\ndata: a\n\n", [_event("a", "e", "1")], "1", 5),
    # Byte order mark: one, and only at the very beginning.
    Case("format-bom", b"\xef\xbb\xbfdata: a\n\n", [_event("a")]),
    Case("format-bom before a comment", b"\xef\xbb\xbf: hello\ndata: a\n\n", [_event("a")]),
    Case("format-bom-2, two of them", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [_event("b")]),
    Case("a byte order mark later", b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n", [_event("a"), _event("c")]),
    Case("a byte order mark inside data", b"data: \xef\xbb\xbfa\n\n", [_event(b"\xef\xbb\xbfa")]),
    Case("half a byte order mark", b"\xef\xbbdata: a\n\ndata: b\n\n", [_event("b")]),
    Case("a stream of only a byte order mark", b"\xef\xbb\xbf", []),
    # Line ends: LF, CR and CRLF, mixed.
    Case("format-newlines LF", b"data: a\ndata: b\n\n", [_event("a\nb")]),
    Case("format-newlines CR", b"data: a\rdata: b\r\r", [_event("a\nb")]),
    Case("format-newlines CRLF", b"data: a\r\ndata: b\r\n\r\n", [_event("a\nb")]),
    Case("format-newlines mixed", b"data: a\r\ndata: b\ndata: c\r\r\n", [_event("a\nb\nc")]),
    Case("LF after a CR that ends a block", b"data: a\r\r\ndata: b\r\n\n", [_event("a"), _event("b")]),
    Case("CR LF CR", b"data: a\r\n\rdata: b\n\r", [_event("a"), _event("b")]),
    Case("CR alone ends the last block", b"data: a\r\r", [_event("a")]),
    Case("blank lines everywhere", b"\n\r\n\rdata: a\n\n\n\r\ndata: b\r\r\r", [_event("a"), _event("b")]),
    Case(
        "other separators are no line ends",
        "data: a\x0b\x0c\x85\u2028\u2029b\n\n".encode(),
        [
            _event("a\x0b\x0c\x85\u2028\u2029b"),
        ],
    ),
    # Comments.
    Case("format-comments", b": one\ndata: a\n:two\n:\ndata: b\n: data: c\n\n", [_event("a\nb")]),
    Case("a comment of its own", b": ping\n\ndata: a\n\n:\n\n", [_event("a")]),
    Case("a comment with a NUL", b":\0\ndata: a\n\n", [_event("a")]),
    # Data.
    Case("format-field-data", b"data:\n\ndata\ndata\n\ndata: a\n\n", [_event(""), _event("\n"), _event("a")]),
    Case("format-leading-space", b"data:a\ndata: b\ndata:  c\ndata:\td\n\n", [_event("a\nb\n c\n\td")]),
    Case("format-data-before-final-empty-line", b"data: a\n\ndata: b\n", [_event("a")]),
    Case("a last event without its blank line", b"data: a\n\ndata: b", [_event("a")]),
    Case("an event without data", b"event: e\nid: 1\n\n", [], "1"),
    Case(
        "format-field-parsing",
        b"data:\0a\n data: b\ndata : c\nDATA: d\ndata\0: e\ndata: f\n\n",
        [
            _event("\0a\nf"),
        ],
    ),
    Case("format-null-character", b"data: a\0b\n\n", [_event("a\0b")]),
    Case("format-utf-8", "data: ok…€😀\n\n".encode(), [_event("ok…€😀")]),
    Case("bytes that are no UTF-8", b"data: a\xff\xc3b\n\n", [_event(b"a\xff\xc3b")]),
    Case("colons in the value", b"data: a: b::c\ndata::\n\n", [_event("a: b::c\n:")]),
    Case("a hundred lines", b"data: x\n" * 100 + b"\n", [_event("\n".join("x" * 100))]),
    # Event names.
    Case("format-field-event", b"event: e\ndata: a\n\ndata: b\n\n", [_event("a", "e"), _event("b")]),
    Case("format-field-event-empty", b"event:\ndata: a\n\nevent\ndata: b\n\n", [_event("a"), _event("b")]),
    Case("the last event name counts", b"event: e\ndata: a\nevent: f\n\n", [_event("a", "f")]),
    Case("an event name without data is forgotten", b"event: e\n\ndata: a\n\n", [_event("a")]),
    Case("an event name that is no UTF-8", b"event: \xff\ndata: a\n\n", [_event("a", "\ufffd")]),
    # Ids.
    Case("format-field-id", b"id: 1\ndata: a\n\ndata: b\n\n", [_event("a", id="1"), _event("b", id="1")], "1"),
    Case(
        "format-field-id-2, empty resets",
        b"id: 1\ndata: a\n\nid\ndata: b\n\nid:\n\n",
        [
            _event("a", id="1"),
            _event("b", id=""),
        ],
        "",
    ),
    Case("format-field-id-3, of an event without data", b"id: 1\n\ndata: a\n\n", [_event("a", id="1")], "1"),
    Case(
        "format-field-id-null",
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\ndata: c\n\n",
        [
            _event("a", id="1"),
            _event("b", id="1"),
            _event("c", id="1"),
        ],
        "1",
    ),
    Case("the last id of an event counts", b"id: 1\ndata: a\nid: 2\n\n", [_event("a", id="2")], "2"),
    Case("the id of an unfinished event", b"data: a\n\nid: 1\ndata: b\n", [_event("a")]),
    Case(
        "an id before one blank line more",
        b"id: 1\ndata: a\n\n\ndata: b\n\n",
        [
            _event("a", id="1"),
            _event("b", id="1"),
        ],
        "1",
    ),
    # Reconnection time.
    Case("format-field-retry", b"retry: 3000\ndata: a\n\n", [_event("a")], retry=3000),
    Case(
        "format-field-retry-bogus",
        b"retry: 3000\nretry: 1e3\nretry: -7\nretry:  5\ndata: a\n\n",
        [
            _event("a"),
        ],
        retry=3000,
    ),
    Case("format-field-retry-empty", b"retry: 3000\nretry\nretry:\ndata: a\n\n", [_event("a")], retry=3000),
    Case("a retry of its own", b"retry: 1\n\nretry: 2\n\n", [], retry=2),
    Case("a retry in other digits", "retry: ٣\ndata: a\n\n".encode(), [_event("a")]),
    Case("a retry of 30 digits", b"retry: 100000000000000000000000000000\n\n", [], retry=10**17),
    # Unknown fields.
    Case("format-field-unknown", b"date: x\ndata: a\nfoo\nda ta: b\n: c\n\n", [_event("a")]),
    # What the API sends, and what proxies add to it.
    Case(
        "the API",
        b'data: {"a":1}\n\ndata: {"b":[]}\n\ndata: [DONE]\n\n',
        [
            _event('{"a":1}'),
            _event('{"b":[]}'),
            _event("[DONE]"),
        ],
    ),
    Case(
        "a proxy's keep-alives",
        b": ping\n\ndata: a\n\n: ping\n\ndata: b\n\nevent: ping\n\n",
        [
            _event("a"),
            _event("b"),
        ],
    ),
    Case("a web page", b"<!doctype html>\n<title>Bad gateway</title>\n\n<p>data: none</p>\n\n", []),
]


def naive(stream: bytes) -> list[ServerSentEvent]:
    """Return the events of a whole stream, as the standard tells how to read it."""
    events: list[ServerSentEvent] = []
    data: list[bytes] = []
    name, last_id, next_id = "", None, None
    *lines, _ = re.split(b"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))  # the last line is not ended
    for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            last_id = next_id
            if data:
                events.append(ServerSentEvent(b"\n".join(data), name or None, last_id))
            data, name = [], ""
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            next_id = value.decode("utf-8", "replace")
    return events


def cuts(stream: bytes, *, seed: int, longest: int = 40) -> list[bytes]:
    """Return `stream` in pieces of 1 to `longest` bytes, the same for the same seed."""
    chance = random.Random(seed)
    pieces: list[bytes] = []
    at = 0
    while at < len(stream):
        size = chance.randint(1, longest)
        pieces.append(stream[at : at + size])
        at += size
    return pieces
