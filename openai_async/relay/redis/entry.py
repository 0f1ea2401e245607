"""Entries of a log in Redis: frames in, fields out, and back.

A field `d` holds frames joined by newlines, which JSON on one line has not. Where a frame has one, `n` has the frames'
sizes and `d` is what they make joined by nothing. `z` is `d` compressed with zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = ["BrokenEntryError", "Compression", "Entry", "fields", "read"]

Compression: TypeAlias = Literal["none", "zlib"]

_LIMIT: Final = 256 << 20  # bytes that an entry may have when it is unpacked: more than any stream's limit


class BrokenEntryError(Exception):
    """An entry is none that `fields` made."""


class Entry(msgspec.Struct, frozen=True):
    """One entry.

    Attributes:
        id: As Redis has it, to read on from.
        epoch: Of the attempt that made it, from 1.
        last: The number of the entry's last frame, from 1; of an opening 0, of an end one more than the last frame's.
        frames: In order; empty for an opening and an end.
        status: How the stream ended; None: it is no end.
        error: The end's error object; None: there is none.
    """

    id: bytes
    epoch: int
    last: int
    frames: list[bytes]
    status: str | None = None
    error: dict[str, Any] | None = None


def fields(frames: Sequence[bytes], compress: Compression) -> list[bytes]:
    """Return names and values, in turns, of an entry for `frames`; none for no frames."""
    if not frames:
        return []
    made: list[bytes] = []
    data = b"\n".join(frames)
    if data.count(b"\n") != len(frames) - 1:
        made += [b"n", b",".join(b"%d" % len(frame) for frame in frames)]
        data = b"".join(frames)
    return [*made, b"z", zlib.compress(data, 1)] if compress == "zlib" else [*made, b"d", data]


def read(reply: Any) -> Entry:
    """Return an entry of an XREAD's or XRANGE's reply.

    Raises:
        BrokenEntryError: It is none of ours.
    """
    try:
        name, values = bytes(reply[0]), reply[1]
        epoch, last = (int(part) for part in name.split(b"-"))
        given: dict[bytes, bytes] = dict(zip(values[::2], values[1::2], strict=True))
        status = given.get(b"e")
        reason = given.get(b"r")
        return Entry(
            name,
            epoch,
            last,
            _frames(given),
            None if status is None else status.decode(),
            msgspec.json.decode(reason, type=dict[str, Any]) if reason else None,
        )
    except (ValueError, TypeError, IndexError, zlib.error, msgspec.MsgspecError) as error:
        raise BrokenEntryError("an entry of the log in Redis can't be read") from error


def _frames(given: dict[bytes, bytes]) -> list[bytes]:
    packed = given.get(b"z")
    if packed is None:
        data = given.get(b"d")
    else:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, _LIMIT)
        if not unpacking.eof:
            raise ValueError("cut off, or too large")
    if data is None:
        return []
    sizes = given.get(b"n")
    if sizes is None:
        return data.split(b"\n")
    frames: list[bytes] = []
    at = 0
    for size in map(int, sizes.split(b",")):
        if size < 0 or at + size > len(data):
            raise ValueError("sizes beyond the data")
        frames.append(data[at : at + size])
        at += size
    return frames
