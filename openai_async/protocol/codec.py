"""JSON in both directions: response bytes to types, request parameters to bytes.

Bytes come in and a `Model` goes out, first by msgspec's strict typed decoder, and for what that refuses by a second,
lenient pass that keeps everything. Nothing here knows of events or HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, TypeGuard, TypeVar

import msgspec

from openai_async.types.completion import ChatCompletionMessage
from openai_async.types.json import is_array, is_object
from openai_async.types.model import Model
from openai_async.types.options import NotGiven, Omit

__all__ = ["decode", "dumps", "loads", "loads_leniently", "loads_strictly", "strict_decoder"]

_M = TypeVar("_M", bound=Model)

_untyped = msgspec.json.Decoder()

# Levels of arrays and objects. Deeper is no answer but an attack: Python allows 1000 calls in each other, and joining,
# copying or printing a value takes up to three a level.
_MAX_DEPTH = 128
_TOO_DEEP = f"the JSON is nested too deeply, in more than {_MAX_DEPTH} levels"


@cache
def _strict_decoder(cls: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cls)


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
    """Return the JSON value in `data`, strictly where that goes, else leniently.

    Raises:
        ValueError: `data` is no JSON, or is nested too deeply.
    """
    try:
        return loads_strictly(data)
    except ValueError:
        return loads_leniently(data)


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
    if data.count(b"{") + data.count(b"[") <= _MAX_DEPTH:
        return value
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [member for item in level for member in _members(item) if isinstance(member, dict | list)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def _members(value: Any) -> Iterable[Any]:
    if is_object(value):
        return value.values()
    return value if is_array(value) else ()


def _object(value: Any) -> dict[str, Any]:
    if not is_object(value):
        kind = "null" if value is None else type(value).__name__
        raise ValueError(f"expected a JSON object, got {kind}")
    return value


def dumps(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8.

    Beside plain data it takes what users of the official SDK pass: response objects (a message becomes a message
    parameter again), iterables of all kinds (as arrays), any mapping, enum members, and objects with a `model_dump`
    method (pydantic's). Values that are `Omit` or `NotGiven` are left out of their mapping.

    Raises:
        TypeError: A value is nothing of the kind, or a mapping's key is not a string; the message says where.
        ValueError: A number is NaN or infinite, a string holds half a surrogate pair, or a value contains itself.
    """
    try:
        return _encoder.encode(_sendable(value))
    except _UnsendableError as unfit:
        where = "".join(reversed(unfit.path)).lstrip(".") or "the value"
        raise unfit.cls(f"{where}: {unfit.reason}") from None
    except UnicodeEncodeError as error:
        snippet = error.object[max(0, error.start - 20) : error.end + 20]
        raise ValueError(f"a string holds half of a surrogate pair, which is no text: {snippet!r}") from None
    except RecursionError:
        raise ValueError("a value contains itself, or is nested too deeply") from None


_encoder = msgspec.json.Encoder()


class _UnsendableError(Exception):
    """Why a value can't be sent, and on its way up the path to it, innermost part first."""

    def __init__(self, cls: type[Exception], reason: str) -> None:
        self.cls = cls
        self.reason = reason
        self.path: list[str] = []


def _sendable(value: object) -> object:
    """Return `value` in plain types.

    msgspec would take more, and silently: NaN as null, bytes as base64, 1 as the key "1". A wrong request costs
    money, so every value is looked at: about 0.1 µs each.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if is_object(value):
        return _object_of(value)
    if is_array(value):
        return _array_of(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise _UnsendableError(ValueError, f"JSON has no number {value}")
        return float(value)
    if isinstance(value, Enum):
        return _sendable(value.value)
    if isinstance(value, str):
        return str.__str__(value)  # msgspec takes no subclasses
    if isinstance(value, int):
        return int(value)
    if isinstance(value, ChatCompletionMessage):
        return value.to_param()
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return _sendable(dump(mode="json", exclude_unset=True))
    if _is_mapping(value):
        return _object_of(value)
    if _is_iterable(value) and not isinstance(value, bytes | bytearray | memoryview):
        return _array_of(value)
    hint = "; decode it, or encode it as base64" if isinstance(value, bytes | bytearray | memoryview) else ""
    raise _UnsendableError(TypeError, f"a {kind.__name__} can't be sent as JSON{hint}")


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    return isinstance(value, Iterable)


def _object_of(value: Mapping[Any, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _UnsendableError(TypeError, f"a JSON object's keys are strings, not {key!r:.60}")
        try:
            if type(item) is str:
                out[key] = item
            elif not isinstance(item, Omit | NotGiven):
                out[key] = _sendable(item)
        except _UnsendableError as unfit:
            unfit.path.append(f".{key}")
            raise
    return out


def _array_of(value: Iterable[Any]) -> list[Any]:
    out: list[Any] = []
    for index, item in enumerate(value):
        try:
            out.append(_sendable(item))
        except _UnsendableError as unfit:
            unfit.path.append(f"[{index}]")
            raise
    return out
