"""JSON in both directions: response bytes to types, request parameters to bytes.

Bytes come in and a `Model` goes out, first by msgspec's strict typed decoder, and for what that refuses by a second,
lenient pass that keeps everything. Nothing here knows of events or HTTP.
"""

from __future__ import annotations

import json
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import msgspec

from openai_async.types.json import MAX_DEPTH, is_array, is_deep, is_object
from openai_async.types.model import Model

from .sendable import converted, copied, written
from .text import whole_characters

__all__ = ["decode", "dumps", "loads", "loads_leniently", "loads_strictly", "plain", "strict_decoder", "typed_decoder"]

_M = TypeVar("_M", bound=Model)

_untyped = msgspec.json.Decoder()

_TOO_DEEP = f"the JSON is nested too deeply, in more than {MAX_DEPTH} levels"


# msgspec 0.22 notes on a struct what it found out about it before all of it is there: another thread that decodes the same
# type meanwhile, for the first time as well, ends the process with a segmentation fault.
_finding_out = Lock()


def typed_decoder(type: Any) -> msgspec.json.Decoder[Any]:
    """Return a strict decoder of any type that msgspec knows. Whatever is decoded in any thread has its decoder of here.

    Raises:
        TypeError: msgspec does not know the type.
    """
    with _finding_out:
        return msgspec.json.Decoder(type)


_strict_decoder = cache(typed_decoder)


def strict_decoder(cls: type[_M]) -> msgspec.json.Decoder[_M]:
    """Return the typed decoder of `cls`, made once per type."""
    return _strict_decoder(cls)


def decode(data: bytes, cls: type[_M]) -> _M:
    """Return the JSON object in `data` as a `cls`; nothing in it is lost.

    Args:
        data: JSON text in UTF-8.
        cls: The response type.

    Raises:
        ValueError: `data` is no JSON, or no JSON object.
    """
    try:
        return strict_decoder(cls).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # An unknown key, another type than ours, or JSON that only Python's parser takes.
        return cls.from_dict(_object(loads(data)))


def loads(data: bytes) -> Any:
    """Return the JSON value in `data`, strictly where that goes, else leniently; its text can be printed and sent.

    For what is whole: a lone half of a surrogate pair, whose other half nothing will bring, reads as U+FFFD.

    Raises:
        ValueError: `data` is no JSON, or is nested too deeply.
    """
    try:
        return loads_strictly(data)
    except ValueError:
        value = loads_leniently(data)
        return _with_whole_characters(value) if b"\\u" in data else value


def loads_strictly(data: bytes) -> Any:
    """Return the JSON value in `data`, in a third of the time that `json.loads` takes.

    Raises:
        ValueError: `data` is no JSON, or it is something that `loads_leniently` may still read.
    """
    try:
        return _bounded(_untyped.decode(data), data)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def loads_leniently(data: bytes) -> Any:
    """Return the JSON value in `data`, more forgiving than the standard, as some servers are less strict.

    NaN and Infinity are numbers, control characters may stand in strings, a byte order mark in front, invalid UTF-8
    reads as U+FFFD, and a lone half of a surrogate pair (some vendors split an emoji over two events) stays in its
    string.

    Raises:
        ValueError: `data` is no JSON, or is nested too deeply.
    """
    try:
        return _bounded(json.loads(data.decode("utf-8-sig", "replace"), strict=False), data)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _bounded(value: Any, data: bytes) -> Any:
    """Return `value`, which `data` says, unless it is nested too deeply."""
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def _with_whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return whole_characters(value)
    if is_object(value):
        return {whole_characters(key): _with_whole_characters(item) for key, item in value.items()}
    return [_with_whole_characters(item) for item in value] if is_array(value) else value


def _object(value: Any) -> dict[str, Any]:
    if not is_object(value):
        kind = "null" if value is None else type(value).__name__
        raise ValueError(f"expected a JSON object, got {kind}")
    return value


def dumps(value: Any, name: str = "") -> bytes:
    """Return `value` as JSON in UTF-8.

    Beside plain data it takes what users of the official SDK pass: response objects (a message becomes a message
    parameter again), iterables of all kinds (as arrays), any mapping, enum members, and objects with a `model_dump`
    method (pydantic's). Values that are `Omit` or `NotGiven` are left out of their mapping.

    Args:
        value: What is sent. An exception of its own code (an iterable's, say) is raised as it is.
        name: What errors call it; "": it is a mapping of arguments, whose names tell enough.

    Raises:
        TypeError: A value is nothing of the kind, or a mapping's key is not a string.
        ValueError: A number is NaN, infinite, or larger than a float can be; a string holds half a surrogate pair; a
            value contains itself, or is nested in more than 256 levels. No message shows a value: it says where it is.
    """
    return written(converted(value, name), name)


def plain(value: Any, name: str = "") -> Any:
    """Return `value` as new plain data, which `dumps` writes just so; see there for arguments and errors."""
    data = converted(value, name)
    written(data, name)
    return copied(data)
