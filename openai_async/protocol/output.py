"""`OutputType`: a Python type as what the model's JSON is to become.

A type comes in; out go the schema that the model is held to, and objects of the type, made of text. Text that makes
none raises an `OutputParseError` that says why and where; no other error gets out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin

import msgspec

from openai_async.errors import OutputParseError
from openai_async.types.json import is_object

from . import codec
from .schema import holds_pydantic, raw_schema, strict

__all__ = ["OutputType"]

T = TypeVar("T")

# Types that stand for any JSON: it is parsed to plain data.
_ANY = (Any, object, dict)

# The property that holds a value which is no object: the API wants an object at the root.
_WRAP = "value"

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw])

_MISFIT_PLACE = re.compile(r" - at `(?:key in )?(.*)`$")
_BROKEN_PLACE = re.compile(r" \((byte \d+)\)$")


class OutputType(Generic[T]):
    """A type, its strict JSON schema, and how text becomes an object of it.

    Made by `of`.

    Attributes:
        type: The type itself.
        name: What it is called towards the API: 1 to 64 characters of `[A-Za-z0-9_-]`.
    """

    def __init__(self, type: Any, *, name: str | None = None) -> None:
        self.type = type
        self.name: str = _valid_name(name or _name(type))
        self._schema: dict[str, Any] | None = None
        self._wraps: bool | None = None  # None: not looked yet
        self._decode: Callable[[str], Any] | None = None

    @classmethod
    def of(cls, type: Any) -> OutputType[Any]:
        """Return the output type of `type`, made once for each.

        Raises:
            TypeError: It is no type, or none that JSON could become.
        """
        if type is None or isinstance(type, str | bytes | int | float | list | tuple | set):
            raise TypeError(
                f"a response type is a class or a type such as list[Step], not {type!r}; "
                "pass the class itself, not an instance or its name"
            )
        try:
            return _cached(type)
        except TypeError as error:
            if "unhashable" in str(error):
                return _made(type)
            raise

    @property
    def schema(self) -> dict[str, Any]:
        """The strict JSON schema that the model is held to; its root is an object, whatever the type is."""
        if self._schema is None:
            schema = strict({"type": "object"} if self.type in _ANY else raw_schema(self.type))
            self._wraps = schema.get("type") != "object" or "anyOf" in schema
            self._schema = _wrapped(schema) if self._wraps else schema
        return self._schema

    @property
    def wraps(self) -> bool:
        """Whether the value travels in an object with the one property `value`, because it is no object itself."""
        if self._wraps is None:
            _ = self.schema
        return bool(self._wraps)

    def response_format(self) -> dict[str, Any]:
        """Return the `response_format` that holds the model to this type.

        Any JSON is asked for without a schema. A mapping of any keys at the root is no strict schema: the model is told,
        and not held to it.
        """
        if self.type in _ANY:
            return {"type": "json_object"}
        schema = self.schema
        strict = "properties" in schema
        return {"type": "json_schema", "json_schema": {"schema": schema, "name": self.name, "strict": strict}}

    def parse(self, text: str) -> T:
        """Return the object that a JSON text means.

        Raises:
            OutputParseError: It is no JSON, or does not fit the type. A wrapped value may also come bare.
        """
        try:
            if self._decode is None:
                self._decode = self._decoder()
            return self._decode(text)  # type: ignore[no-any-return]  # it makes objects of the type
        except OutputParseError:
            raise
        except RecursionError:
            raise self._failure(text, "it is nested too deeply") from None
        except Exception as error:  # the type's own code ran: validators, __post_init__
            raise self._failure(text, *_reason(error)) from error

    def unwrap(self, value: Any) -> Any:
        """Return what plain data, of text that is still being written, says of the value; None: nothing yet."""
        return value.get(_WRAP) if self.wraps and is_object(value) else value

    def _failure(self, text: str, reason: str, place: str = "") -> OutputParseError:
        return OutputParseError(reason, text=text, target=self.name, place=place)

    def _decoder(self) -> Callable[[str], Any]:
        if self.type in _ANY:
            return _plain
        decode = _pydantic_decoder(self.type) if holds_pydantic(self.type) else msgspec.json.Decoder(self.type).decode
        return _unwrapping(decode) if self.wraps else decode


def _plain(text: str) -> Any:
    return codec.loads(text.encode("utf-8", "surrogatepass"))


def _pydantic_decoder(type: Any) -> Callable[[str], Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only for who uses pydantic

    return TypeAdapter(type).validate_json


def _unwrapping(decode: Callable[[Any], Any]) -> Callable[[str], Any]:
    def decode_wrapped(text: str) -> Any:
        try:
            whole = _outer.decode(text)
        except (msgspec.MsgspecError, UnicodeError):
            return decode(text)
        if whole.keys() != {_WRAP}:
            return decode(text)
        try:
            return decode(bytes(whole[_WRAP]))  # as it was written: a Decimal keeps its digits
        except Exception:
            with contextlib.suppress(Exception):  # perhaps a bare value that happens to look like this
                return decode(text)
            raise

    return decode_wrapped


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    inner = dict(schema)
    definitions: dict[str, Any] = {name: inner.pop(name) for name in ("$defs", "definitions") if name in inner}
    return {
        "type": "object",
        "properties": {_WRAP: inner},
        "required": [_WRAP],
        "additionalProperties": False,
        **definitions,
    }


def _reason(error: Exception) -> tuple[str, str]:
    """What an error of msgspec, of pydantic or of the type's own code says, and the place it names."""
    listed: Any = getattr(error, "errors", None)
    if callable(listed):
        try:
            first: Any = cast("Any", listed)(include_url=False, include_input=False)[0]
            return first["msg"], "".join(["$", *(_step(step) for step in first["loc"])]) if first["loc"] else ""
        except Exception:  # noqa: BLE001 - not pydantic's
            return str(error), ""
    text = str(error) or type(error).__name__
    for pattern in (_MISFIT_PLACE, _BROKEN_PLACE):
        if found := pattern.search(text):
            return text[: found.start()], found[1]
    return text, ""


def _step(step: Any) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


def _made(type: Any) -> OutputType[Any]:
    made: OutputType[Any] = OutputType(type)
    _ = made.schema  # a type that has none is told where it is named, not when the answer is here
    return made


_cached = lru_cache(maxsize=1024)(_made)


def _name(type: Any) -> str:
    """A name for a type: of a class its own, of `list[Step]` "list_Step"."""
    arguments = get_args(type)
    origin = get_origin(type)
    if origin in (Union, UnionType):
        return "_or_".join(_name(part) for part in arguments)
    if origin is not None:
        return "_".join([_name(origin), *(_name(part) for part in arguments)])
    if type is NoneType:
        return "null"
    return getattr(type, "__name__", None) or str(type)


def _valid_name(name: str) -> str:
    """The name with all that the API refuses replaced (`[A-Za-z0-9_-]`, at most 64 characters)."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64].strip("_") or "output"
