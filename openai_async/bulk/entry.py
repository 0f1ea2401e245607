"""What came of one call, as a journal keeps it.

Exceptions and values come in, plain data and lines of JSON go out. Nothing here knows of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from openai_async.types.model import Response, plain

__all__ = ["Damage", "Entry", "encoded", "error_fields"]

_LONGEST_MESSAGE = 2000  # characters of an error's message that are kept

_encoder = msgspec.json.Encoder()


class Damage(NamedTuple):
    """A line in the middle of a journal that can't be read; the call that it told of will be made again.

    Attributes:
        path: The file.
        line: The line's number, from 1.
        offset: Its place in bytes.
        reason: What is wrong with it.
    """

    path: Path
    line: int
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line} (byte {self.offset}): {self.reason}"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One outcome.

    Attributes:
        key: Of the item.
        at: When it was recorded, in seconds since 1970.
        value: What the call returned, as plain data; None where it failed (or returned None).
        error: What it failed with: `kind`, the class's name, `message`, and `status_code`, `code`, `request_id` where
            the error has them; None: it did not fail.
    """

    key: str
    at: float = 0.0
    value: Any = None
    error: dict[str, Any] | None = None


def error_fields(error: BaseException) -> dict[str, Any]:
    """Return what a journal keeps of an error: see `Entry.error`."""
    message = getattr(error, "message", None)
    fields: dict[str, Any] = {
        "kind": type(error).__name__,
        "message": (message if isinstance(message, str) else str(error))[:_LONGEST_MESSAGE],
    }
    for name in ("status_code", "code", "request_id"):
        value = getattr(error, name, None)
        if isinstance(value, str | int):
            fields[name] = value
    return fields


def encoded(entry: Entry) -> bytes:
    """Return the line of an entry.

    Raises:
        TypeError, ValueError, RecursionError: The value can't be written as JSON.
    """
    value = entry.value
    if isinstance(value, Response):
        # Most answers hold nothing but what msgspec writes by itself, in a tenth of the time. What a model keeps for
        # itself, its request's id and unknown fields, has names with a DEL character (`types.model`).
        bare = msgspec.structs.replace(value, _response_id=msgspec.UNSET)
        try:
            line = _encoder.encode(Entry(key=entry.key, at=entry.at, value=bare))
        except TypeError:  # something of the user's, such as a pydantic model in `parsed`
            line = b"\x7f"
        if b"\x7f" not in line:
            return line
    return _encoder.encode(msgspec.structs.replace(entry, value=plain(value)))
