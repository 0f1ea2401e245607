"""Server-Sent Events as the relay writes them: frames with their cursors, and the events that are no frames.

Batches and errors come in; bytes go out, ready to be sent as they are. Payloads are never encoded anew. Nothing here
waits.

Every event that is no frame and may come before `[DONE]` carries the API's `error` object beside what it says: an
OpenAI client takes each event for a chunk, whatever its name, unless there is an `error` in it, which it raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .log import Batch

__all__ = ["DONE", "PING", "end_event", "error_event", "events", "farewell", "reset_event"]

DONE = b"data: [DONE]\n\n"
"""What ends a stream for OpenAI clients."""

PING = b": ping\n"
"""A comment, without the blank line that nobody needs: the official client would take that for an empty event as soon as
there was an `id` before it, and fail."""


_REMEMBERED = 64 * 1024  # bytes; a replay is longer, and one reader's
_written: tuple[Batch, bool, bytes] | None = None  # what `events` returned last, and for what


def events(batch: Batch, *, ids: bool) -> bytes:
    """Return a batch as events, one a frame, their bytes untouched.

    Args:
        batch: Its `reset` is told first, as an event of its own.
        ids: Whether each has an `id`, its cursor `epoch-seq`, which a browser sends back as `Last-Event-ID`.
    """
    global _written  # noqa: PLW0603 - a memory of one: all readers of an answer get the same batch, one after another
    if (known := _written) is not None and known[0] is batch and known[1] is ids:
        return known[2]
    data = _events(batch, ids=ids)
    if len(data) <= _REMEMBERED:
        _written = (batch, ids, data)
    return data


def _events(batch: Batch, *, ids: bool) -> bytes:
    frames = list(map(_one_line, batch.frames))
    epoch, first = batch.epoch, batch.first
    if ids:
        parts = [b"id: %d-%d\ndata: %b\n\n" % (epoch, first + place, frame) for place, frame in enumerate(frames)]
    else:
        parts = [b"data: %b\n\n" % frame for frame in frames]
    if batch.reset:
        parts.insert(0, reset_event(epoch))
    return b"".join(parts)


def _one_line(payload: bytes) -> bytes:
    """A payload as the value of `data`: one that came in several lines goes out in several."""
    if 10 in payload or 13 in payload:  # LF, CR: as numbers, which are found several times as fast as bytes of length 1
        return b"\ndata: ".join(payload.splitlines())
    return payload


def reset_event(epoch: int) -> bytes:
    """Return `reset`: what came before is void, the answer begins anew in another epoch."""
    error = _error("The answer is generated anew; drop what came before.", "stream_reset")
    return _event("reset", {"cursor": f"{epoch}-0", "error": error})


def error_event(error: Mapping[str, Any]) -> bytes:
    """Return `error`, in the API's shape: `{"error": {...}}`.

    Args:
        error: The object, with a `message`.
    """
    return _event("error", {"error": dict(error)})


def end_event(status: str) -> bytes:
    """Return `end`, which tells how the stream ended; it follows `[DONE]`, where OpenAI clients read no further."""
    return _event("end", {"status": status})


def farewell(retry: float = 1.0) -> bytes:
    """Return `reconnect`: the server stops, the stream does not; an `EventSource` comes back by itself.

    Args:
        retry: Seconds until it does.
    """
    error = _error("The server is shutting down; connect again to read on.", "server_shutting_down")
    return b"retry: %d\n" % round(retry * 1000) + _event("reconnect", {"error": error})


def _error(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "type": "server_error", "param": None, "code": code}


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
