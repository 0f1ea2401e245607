"""What may stand in a request: values of the user's as plain data, and plain data as JSON.

Any value comes in; what JSON has no form for is refused, by an error that says where it stands and not what it is: it
may be a prompt. Nothing here knows what a request means.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from enum import Enum
from math import isfinite
from sys import float_info
from types import FunctionType
from typing import Any, TypeGuard

import msgspec

from openai_async.types.completion import ChatCompletionMessage
from openai_async.types.json import is_array, is_object
from openai_async.types.options import Omit

__all__ = ["converted", "copied", "is_iterable", "is_mapping", "written"]

_encoder = msgspec.json.Encoder()

# Levels of arrays and objects in what is sent; each takes two of the 1000 calls in each other that Python allows.
_MAX_LEVELS = 256
_ENDLESS = f"a value contains itself, or is nested too deeply (in more than {_MAX_LEVELS} levels)"
# Beyond it a number is infinite to most who read JSON.
_LARGEST = int(float_info.max)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_HINTS: tuple[tuple[type[Any] | tuple[type[Any], ...], str], ...] = (
    ((bytes, bytearray, memoryview), "decode it, or encode it as base64"),
    (Awaitable, "await it first"),
    (AsyncIterable, "collect it first: [item async for item in ...]"),
    ((type, FunctionType), "function_tool(...) makes a tool of a type or a function"),
)
_HINT = "turn it into text, a number, a list or a dict first"
_NO_TEXT = "it holds half of a surrogate pair, which is no text"


def converted(value: object, name: str) -> object:
    """Return what a value means as plain data, parts of it themselves: dicts, lists, text, numbers, booleans, None.

    Args:
        value: As `codec.dumps` takes it.
        name: Likewise.

    Raises:
        TypeError, ValueError: It can't be sent; `codec.dumps` tells why.
    """
    try:
        return _sendable(value, 0)
    except _UnsendableError as unfit:
        failure = unfit
    except RecursionError:
        failure = _UnsendableError(ValueError, _ENDLESS)
    # Raised out here, like the others: an exception that is being handled is shown with the one that follows it.
    raise failure.told(name)


def written(data: object, name: str) -> bytes:
    """Return plain data, as `converted` returns it, as JSON in UTF-8.

    Raises:
        ValueError: A string holds half a surrogate pair.
    """
    try:
        return _encoder.encode(data)
    except UnicodeEncodeError:  # it holds the text
        failure = _halved(data) or _UnsendableError(ValueError, _NO_TEXT)
    except RecursionError:
        failure = _UnsendableError(ValueError, _ENDLESS)
    raise failure.told(name)


class _UnsendableError(Exception):
    """Why a value can't be sent, and on its way up the path to it, innermost part first."""

    def __init__(self, cls: type[Exception], reason: str) -> None:
        self.cls = cls
        self.reason = reason
        self.path: list[str] = []

    def told(self, name: str) -> Exception:
        """Return the error for the user, who called the value `name`."""
        where = "".join((name, *reversed(self.path))).lstrip(".") or "the value"
        if len(where) > 120:
            where = f"{where[:80]}...{where[-30:]}"
        error = self.cls(f"{where}: {self.reason}")
        error.__cause__ = self.__cause__
        return error


def _halved(data: object) -> _UnsendableError | None:
    """What tells of the first string in plain data that holds half a surrogate pair; None: there is none."""
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError as error:
            return _UnsendableError(ValueError, f"{_NO_TEXT}, at character {error.start}")
        return None
    if is_object(data):
        for number, (key, item) in enumerate(data.items()):
            if found := _halved(key) or _halved(item):
                found.path.append(_step(number, key))
                return found
    elif is_array(data):
        for index, item in enumerate(data):
            if found := _halved(item):
                found.path.append(f"[{index}]")
                return found
    return None


def _step(number: int, key: str) -> str:
    """A key as a part of a path; what is no plain name may be text of the user's, and is only counted."""
    return f".{key}" if _PLAIN_NAME.fullmatch(key) else f".(key {number})"


def _sendable(value: object, level: int) -> object:
    """Return `value` in plain types.

    msgspec would take more, and silently: NaN as null, bytes as base64, 1 as the key "1". A wrong request costs
    money, so every value is looked at: about 0.1 µs each.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is float and isfinite(value):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it is one
        return value
    if level > _MAX_LEVELS:
        raise _UnsendableError(ValueError, _ENDLESS)
    if is_object(value):
        return _object_of(value, level)
    if is_array(value):
        return _array_of(value, level)
    if isinstance(value, int):
        number = int.__int__(value)  # a subclass may say otherwise of itself, and msgspec takes none
        if not -_LARGEST <= number <= _LARGEST:
            raise _UnsendableError(ValueError, "a number of more than 308 digits is infinite to most who read JSON")
        return number
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise _UnsendableError(ValueError, f"JSON has no number {float.__float__(value)}")
        return float.__float__(value)
    if isinstance(value, Enum):
        return _sendable(value.value, level + 1)
    if isinstance(value, ChatCompletionMessage):
        return _sendable(value.to_param(), level)
    if not isinstance(value, type):
        dump = getattr(value, "model_dump", None)
        if callable(dump):
            return _sendable(_dumped(kind, dump), level + 1)
        if is_mapping(value):
            return _object_of(value, level)
        if is_iterable(value) and not (isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "read")):
            return _array_of(_begun(kind, value), level)
    raise _unknown(kind, value)


def _unknown(kind: type[Any], value: object) -> _UnsendableError:
    hint = "read it first" if hasattr(value, "read") else _HINT
    hint = next((text for kinds, text in _HINTS if isinstance(value, kinds)), hint)
    return _UnsendableError(TypeError, f"a {kind.__name__} can't be sent as JSON; {hint}")


def _dumped(kind: type[Any], dump: Callable[..., Any]) -> object:
    try:
        return dump(mode="json", exclude_unset=True)
    except Exception as error:
        raise _UnsendableError(
            TypeError, f"a {kind.__name__} can't be sent as JSON: its model_dump() failed ({type(error).__name__})"
        ) from error


def _begun(kind: type[Any], value: Iterable[Any]) -> Iterable[Any]:
    try:
        return iter(value)
    except TypeError:  # it says that it can be iterated, and can't: a numpy array of no dimensions
        raise _unknown(kind, value) from None


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether a value is a mapping of any kind."""
    return isinstance(value, Mapping)


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether a value can be iterated, by its own account."""
    return isinstance(value, Iterable)


def _object_of(value: Mapping[Any, Any], level: int) -> Mapping[str, Any]:
    """A mapping as a dict: itself, where nothing in it has to be another, so that a large prompt is not held twice."""
    out: dict[str, Any] = {}
    same = type(value) is dict
    for key, item in value.items():
        name = key
        if type(key) is not str:
            if not isinstance(key, str):
                raise _UnsendableError(TypeError, f"a JSON object's keys are strings, not {_key_of(key)}")
            name, same = str.__str__(key), False
        if type(item) is str or item is None:
            out[name] = item
        elif isinstance(item, Omit):
            same = False
        else:
            try:
                out[name] = sent = _sendable(item, level + 1)
            except _UnsendableError as unfit:
                unfit.path.append(_step(len(out), name))
                raise
            same = same and sent is item
    return value if same else out


def _key_of(key: object) -> str:
    """How an error shows a key that is no string: a small number as it is, anything else by its type."""
    small = key is None or (isinstance(key, int) and -(10**6) < key < 10**6)
    return repr(key) if small and type(key).__module__ == "builtins" else f"a {type(key).__name__}"


def _array_of(value: Iterable[Any], level: int) -> Iterable[Any]:
    """What can be iterated as a list; itself, as `_object_of`."""
    out: list[Any] = []
    same = type(value) is list
    for index, item in enumerate(value):
        try:
            sent = _sendable(item, level + 1)
        except _UnsendableError as unfit:
            unfit.path.append(f"[{index}]")
            raise
        out.append(sent)
        same = same and sent is item
    return value if same else out


def copied(data: Any) -> Any:
    """Return plain data once more, with containers of its own."""
    if is_object(data):
        return {key: copied(item) for key, item in data.items()}
    return [copied(item) for item in data] if is_array(data) else data
