"""The types of a class's fields, as its annotations name them.

A class comes in, or a generic one with its arguments; out go the types of its fields, base classes' included, with
nothing left of strings, type variables and words that say no type (`Annotated`, `Final`, `NotRequired`).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar, Union, cast

__all__ = ["field_types", "members_of", "stripped"]

_QUALIFIERS = {"Final", "Required", "NotRequired", "ReadOnly"}


def field_types(cls: Any, arguments: Sequence[Any] = ()) -> dict[str, Any]:
    """Return the annotated types of `cls[*arguments]`, by field.

    Raises:
        NameError: An annotation names something that is not there.
    """
    bound = dict(zip(_parameters(cls), arguments, strict=False))
    found: dict[str, Any] = {}
    own = cast("Mapping[str, Any]", vars(cls))
    for base in reversed(own.get("__orig_bases__", cls.__bases__)):
        origin = typing.get_origin(base) or base
        if isinstance(origin, type) and origin not in (object, Generic):
            found |= field_types(origin, [_substituted(argument, bound) for argument in typing.get_args(base)])
    hints = typing.get_type_hints(cls)
    for name in inspect.get_annotations(cls):
        # A TypedDict lists its bases' fields as its own, and with their type variables.
        if not (name in found and issubclass(cls, dict)):
            found[name] = _substituted(hints[name], bound)
    return found


def stripped(annotation: Any) -> Any:
    """Return the type that an annotation means, without names and words around it."""
    while True:
        origin: Any = typing.get_origin(annotation)
        alias: Any = annotation if origin is None else origin
        if origin is Annotated or getattr(origin, "_name", None) in _QUALIFIERS:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(alias, "__value__"):  # `type X[T] = ...`, or what typing_extensions has for it
            bound = dict(zip(alias.__type_params__, typing.get_args(annotation), strict=False))
            annotation = _substituted(alias.__value__, bound)
        elif hasattr(annotation, "__supertype__"):  # NewType
            annotation = annotation.__supertype__
        elif isinstance(annotation, TypeVar):
            annotation = annotation.__bound__ or Any
        else:
            return annotation


def members_of(annotation: Any) -> list[Any]:
    """Return the types that a type is a union of, those of inner unions too; of another type, itself alone."""
    annotation = stripped(annotation)
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return [annotation]
    return [member for argument in typing.get_args(annotation) for member in members_of(argument)]


def _parameters(cls: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", getattr(cls, "__parameters__", ()))


def _substituted(annotation: Any, bound: Mapping[Any, Any]) -> Any:
    if isinstance(annotation, TypeVar):
        return bound.get(annotation, annotation)
    parameters = () if isinstance(annotation, type) else _parameters(annotation)
    if not any(parameter in bound for parameter in parameters):
        return annotation
    return cast("Any", annotation)[tuple(bound.get(parameter, parameter) for parameter in parameters)]
