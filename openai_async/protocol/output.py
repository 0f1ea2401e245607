"""`OutputType`: a Python type as what the model's JSON is to become.

A type comes in; out go the schema that the model is held to, and objects of the type, made of text. Text that makes
none raises an `OutputParseError` that says why and where; no other error gets out.
"""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Callable
from functools import lru_cache
from inspect import isclass
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec

from openai_async.errors import OutputParseError
from openai_async.types.json import is_object

from . import codec
from .misfit import explain
from .schema import holds_pydantic, strict, strict_schema

__all__ = ["OutputType", "is_type_form", "type_name", "valid_name"]

T = TypeVar("T")

# Types that stand for any JSON: it is parsed to plain data.
_ANY = (Any, object, dict)

# The property that holds a value which is no object: the API wants an object at the root.
_WRAP = "value"

_outer = msgspec.json.Decoder(dict[str, msgspec.Raw])


class OutputType(Generic[T]):
    """A type, its strict JSON schema, and how text becomes an object of it.

    Made by `of`.

    Attributes:
        type: The type itself.
        name: What it is called towards the API: 1 to 64 characters of `[A-Za-z0-9_-]`.
    """

    def __init__(self, type: Any, *, name: str | None = None) -> None:
        self.type: Any = type
        self.name: str = valid_name(name or type_name(type)) or "output"
        self._schema: dict[str, Any] | None = None
        self._wraps: bool | None = None  # None: not looked yet
        self._decode: Callable[[str | bytes], Any] | None = None

    @classmethod
    def of(cls, type: Any, *, name: str | None = None, argument: str = "a response type") -> OutputType[Any]:
        """Return the output type of `type`, made once for each.

        Args:
            type: A class, or a type such as `list[Step]`.
            name: What to call it; None: by the class's name.
            argument: What errors call it.

        Raises:
            TypeError: It is no type, or none that JSON could become.
        """
        if not is_type_form(type):
            raise TypeError(
                f"{argument} is a class or a type such as list[Step], not a {builtins.type(type).__name__}; "
                "pass the class itself, not an instance or its name"
            )
        # Unions are equal whatever their order; what is parsed to which member may depend on it.
        return _cached(type, name, "" if isclass(type) else repr(type))

    @property
    def schema(self) -> dict[str, Any]:
        """The strict JSON schema that the model is held to; its root is an object, whatever the type is."""
        if self._schema is None:
            schema = strict({"type": "object"}) if self.type in _ANY else strict_schema(self.type)
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
        held = "properties" in self.schema
        return {"type": "json_schema", "json_schema": {"schema": self.schema, "name": self.name, "strict": held}}

    def parse(self, text: str) -> T:
        """Return the object that a JSON text means.

        Raises:
            OutputParseError: It is no JSON, or does not fit the type. A wrapped value may also come bare.
        """
        try:
            if self._decode is None:
                self._decode = self._decoder()
            if self.wraps:
                return self._parse_wrapped(text, self._decode)  # type: ignore[no-any-return]  # it makes objects of the type
            return self._decode(text)  # type: ignore[no-any-return]  # likewise
        except OutputParseError:
            raise
        except RecursionError:
            raise self._failure(text, "it is nested too deeply") from None
        except Exception as error:  # the type's own code ran: validators, __post_init__
            raise self._failure(text, *explain(error, text)) from error

    def _parse_wrapped(self, text: str, decode: Callable[[str | bytes], Any]) -> Any:
        try:
            whole = _outer.decode(text)
        except (msgspec.MsgspecError, UnicodeError) as error:
            if isinstance(error, msgspec.ValidationError) or not text.lstrip().startswith("{"):
                return decode(text)  # bare, and perhaps broken
            raise
        if whole.keys() != {_WRAP}:
            return decode(text)
        try:
            return decode(bytes(whole[_WRAP]))  # as it was written: a Decimal keeps its digits
        except Exception as error:
            with contextlib.suppress(Exception):  # perhaps a bare value that happens to look like this
                return decode(text)
            if isinstance(error, RecursionError):
                raise
            raise self._failure(text, *explain(error, text, inside=_WRAP)) from error

    def unwrap(self, value: Any) -> Any:
        """Return what plain data, of text that is still being written, says of the value; None: nothing yet."""
        if self.wraps and is_object(value) and (_WRAP in value or not value):
            return value.get(_WRAP)
        return value

    def _failure(self, text: str, reason: str, place: str = "") -> OutputParseError:
        return OutputParseError(reason, text=text, target=self.name, place=place)

    def _decoder(self) -> Callable[[str | bytes], Any]:
        if self.type in _ANY:
            return _plain_object if self.type is dict else _plain
        return _pydantic_decoder(self.type) if holds_pydantic(self.type) else codec.typed_decoder(self.type).decode

    def __deepcopy__(self, memo: object) -> OutputType[T]:
        return self  # it never changes, and decoders can't be copied


def _plain(text: str | bytes) -> Any:
    return codec.loads(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)


def _plain_object(text: str | bytes) -> dict[str, Any]:
    value: Any = _plain(text)
    if not is_object(value):
        raise TypeError("Expected a JSON object")
    return value


def _pydantic_decoder(type: Any) -> Callable[[str | bytes], Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only for who uses pydantic

    own: Callable[[str | bytes], Any] | None = getattr(type, "model_validate_json", None)
    return own or TypeAdapter(type).validate_json


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


def is_type_form(value: Any) -> bool:
    """Whether a value is a class, or says a type as `list[Step]` does; a function is none, nor is an instance."""
    if isclass(value) or get_origin(value) is not None:
        return True
    return value is Any or any(hasattr(value, name) for name in ("__value__", "__supertype__"))


def _made(type: Any, name: str | None, _spelled: str) -> OutputType[Any]:
    made: OutputType[Any] = OutputType(type, name=name)
    _ = made.schema  # a type that has none is told where it is named, not when the answer is here
    return made


_remembered = lru_cache(maxsize=1024)(_made)


def _cached(type: Any, name: str | None, spelled: str) -> OutputType[Any]:
    try:
        hash(type)
    except TypeError:  # metadata of `Annotated`, say
        return _made(type, name, spelled)
    return _remembered(type, name, spelled)


def type_name(type: Any) -> str:
    """Return a name for a type: of a class its own, of `list[Step]` "list_Step"."""
    arguments = get_args(type)
    origin = get_origin(type)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin in (Union, UnionType):
        return "_or_".join(type_name(part) for part in arguments)
    if origin is not None:
        return "_".join([type_name(origin), *(type_name(part) for part in arguments)])
    if type is NoneType:
        return "null"
    return getattr(type, "__name__", None) or str(type)


def valid_name(name: str) -> str:
    """Return the name with all that the API refuses replaced: outside `[A-Za-z0-9_-]`, or after 64 characters.

    What is valid is not changed; "" is what nothing valid is in.
    """
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    return (cleaned if cleaned == name else cleaned.strip("_"))[:64]
