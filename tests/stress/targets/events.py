"""`EventParser`: bytes to events, however the bytes are cut."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from support.sse_cases import naive

from openai_async.errors import StreamProtocolError
from openai_async.protocol.sse import EventParser, ServerSentEvent, encode
from stress.inputs.seeds import stream_bytes
from stress.inputs.words import pieces

from .target import Target, check_error

__all__ = ["EVENTS"]

_HELD_SIZE = 4  # bytes that may be held beside an event: of a byte order mark, and the LF that may end it


class _Reading(NamedTuple):
    events: list[ServerSentEvent]
    failed: bool
    last_event_id: str | None
    retry: int | None


def _read(parts: list[bytes], limit: int) -> _Reading:
    parser = EventParser(max_event_size=limit)
    events: list[ServerSentEvent] = []
    fed = 0
    try:
        for part in parts:
            events += parser.feed(part)
            fed += len(part)
            assert parser.pending <= min(limit + _HELD_SIZE, fed), f"{parser.pending} bytes are held"
        parser.feed(b"")
    except StreamProtocolError as error:
        check_error(error)
    if parser.failure is not None:
        assert len(parser.failure.body.encode("utf-8", "replace")) <= 3 * 512, "the sample is long"
    # What follows an event that is too large is not read, wherever the cut is: nor is what it leaves.
    failed = parser.failure is not None
    return _Reading(events, failed, None if failed else parser.last_event_id, None if failed else parser.retry)


def _check(data: bytes, rng: Random) -> str:
    limit = 2**24 if rng.random() < 0.8 else rng.randrange(1, 400)
    whole = _read([data], limit)
    ways = [pieces(data, rng), pieces(data, rng, 40)]
    if len(data) < 400 or rng.random() < 0.1:
        ways.append([data[at : at + 1] for at in range(len(data))])
    for way in ways:
        assert _read(way, limit) == whole, "another cut, other events"
    if not whole.failed:
        assert whole.events == naive(data), "the standard reads other events"
    again = b"".join(map(encode, whole.events))
    assert EventParser().feed(again) == whole.events, "encoded and parsed they are others"
    return "too large" if whole.failed else "events" if whole.events else "no event"


EVENTS = Target("events", 18, stream_bytes, _check)
