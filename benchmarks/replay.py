"""A transport without a network: it answers by itself, so that what is measured is everything but HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from .bodies import body

__all__ = ["CHUNKS", "Replay", "alone", "in_reads", "recorded"]

CHUNKS = 500
"""Chunks of the recorded stream."""

_READ = 16 * 1024  # bytes that a socket brings at once
_NEXT = re.compile(rb"([0-9a-f]+)\r\n")


def recorded() -> bytes:
    """A stream as it comes out of HTTP's framing."""
    framed, place, events = body(f"text-{CHUNKS}").data, 0, []
    while head := _NEXT.match(framed, place):
        end = head.end() + int(head[1], 16)
        events.append(framed[head.end() : end])
        place = end + 2
    return b"".join(events)


def in_reads(data: bytes) -> list[bytes]:
    """A stream as a socket brings it that is behind: 16 KiB a read."""
    return [data[place : place + _READ] for place in range(0, len(data), _READ)]


def alone(data: bytes) -> list[bytes]:
    """The same, each event in a read of its own."""
    return [event + b"\n\n" for event in data.split(b"\n\n") if event]


class Replay:
    """A response, and the transport that answers with it.

    Args:
        reads: What the body's reads bring.
        kind: Its content type.
        waiting: Whether each read is waited for, as those of a model at work are.
    """

    status = 200
    closed = False

    def __init__(self, reads: list[bytes], kind: str, *, waiting: bool = False) -> None:
        self.headers: Mapping[str, str] = {"content-type": kind, "x-request-id": "req_guard"}
        self._reads = reads
        self._left = iter(reads)
        self._waiting = waiting

    async def send(self, _request: Any, _timer: Any) -> Replay:
        self._left = iter(self._reads)
        return self

    async def read(self) -> bytes:
        if self._waiting:
            await asyncio.sleep(0)
        return next(self._left, b"")

    def release(self) -> None: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...
