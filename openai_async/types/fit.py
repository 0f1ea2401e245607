"""The second pass: fits plain JSON values to the types of a struct's fields.

In comes decoded JSON of any shape; out goes, per value, something of the field's type, `MISFIT`, or a `Remnant`. It
never fails, and never decides what becomes of a value that does not fit: `Model.from_dict` keeps it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["MISFIT", "Remnant", "json_text", "plan"]

# A value that has no place in a field's type. Distinct from None, which is a JSON null.
MISFIT: Any = object()


class Remnant(msgspec.Struct):
    """A list or map of which only some members fit: the field takes those, the extras keep the original."""

    value: Any


@cache
def plan(cls: type[msgspec.Struct]) -> dict[str, Callable[[Any], Any]]:
    """For each public field of `cls` a function that fits a plain, non-null value to the field's type.

    The function returns the fitted value, `MISFIT`, or a `Remnant`.
    """
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)  # Models are structs
    return {field.name: _builder(field.type, field.name) for field in info.fields if field.name[0] != "_"}


def json_text(value: Any, indent: int | None = None) -> str:
    """Return plain data as JSON, indented by `indent` spaces (None: on one line, no spaces).

    NaN and infinities become null. Half surrogate pairs, which msgspec refuses, become escapes; they come from
    vendors that cut an emoji in two deltas.
    """
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:
        finite = json.loads(json.dumps(value, default=msgspec.to_builtins), parse_constant=lambda _: None)
        return json.dumps(finite, indent=indent, separators=(",", ":" if indent is None else ": "))
    return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()


def _builder(info: Any, name: str) -> Callable[[Any], Any]:
    if isinstance(info, inspect.UnionType):
        # One type besides null, or several kinds of text or of number: unions of structs are settled after
        # decoding (see ChatCompletionMessage), because msgspec can't tell untagged structs apart.
        members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        texts = [member for member in members if isinstance(member, inspect.StrType)]
        return _builder((texts or members)[0], name)
    if isinstance(info, inspect.StrType | inspect.LiteralType):
        return _fit_json_text if name in {"arguments", "input"} else _fit_text
    if isinstance(info, inspect.BoolType):
        return lambda value: value if isinstance(value, bool) else MISFIT
    if isinstance(info, inspect.IntType):
        return _fit_int
    if isinstance(info, inspect.FloatType):
        return _fit_float
    if isinstance(info, inspect.StructType):
        return _fit_object(info.cls)
    if isinstance(info, inspect.ListType):
        return _fit_list(_builder(info.item_type, name))
    if isinstance(info, inspect.DictType):
        return _fit_map(_builder(info.value_type, name))
    return lambda value: value


def _fit_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISFIT
    try:
        return str(value)
    except ValueError:  # an integer of more than 4300 digits, which Python does not print
        return MISFIT


def _fit_json_text(value: Any) -> Any:
    """Text as it is; an object or array (Ollama's arguments) as its JSON."""
    return json_text(value) if isinstance(value, dict | list) else _fit_text(value)


def _fit_int(value: Any) -> Any:
    if isinstance(value, bool):
        return MISFIT
    if isinstance(value, str):
        # int() also takes signs, spaces, underscores and other scripts' digits; a server means only these.
        return int(value) if value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20 else MISFIT
    if isinstance(value, float):
        return int(value) if value.is_integer() else MISFIT
    return value if isinstance(value, int) else MISFIT


def _fit_float(value: Any) -> Any:
    if isinstance(value, bool):
        return MISFIT
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return MISFIT
    try:
        return float(value) if isinstance(value, str) else MISFIT
    except ValueError:
        return MISFIT


def _fit_object(cls: Any) -> Callable[[Any], Any]:
    build: Callable[[Any], Any] = cls.from_dict
    return lambda value: build(value) if isinstance(value, dict) else MISFIT


def _fit_list(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if not isinstance(value, list):
            return MISFIT
        return _whole([build(item) for item in cast("Iterable[Any]", value)])

    return fit


def _whole(items: list[Any]) -> Any:
    """The list itself, or a remnant of it when an item did not fit."""
    if any(item is MISFIT or type(item) is Remnant for item in items):
        kept = [item.value if type(item) is Remnant else item for item in items if item is not MISFIT]
        return Remnant(kept)
    return items


def _fit_map(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if not isinstance(value, dict):
            return MISFIT
        items = {key: build(item) for key, item in cast("dict[str, Any]", value).items()}
        kept = {key: item for key, item in items.items() if item is not MISFIT and type(item) is not Remnant}
        return kept if len(kept) == len(items) else Remnant(kept)

    return fit
