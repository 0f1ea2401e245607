"""What a function's signature tells a model: each parameter's type, description and default.

A callable comes in, one `Parameter` for each argument that a model gives goes out. Nothing here calls it.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from openai_async.protocol import codec
from openai_async.protocol.schema import text_of, written_doc

from .docstring import read_docstring

__all__ = ["Parameter", "Signature", "read_signature"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of a function.

    Attributes:
        name: Its name.
        type: Its annotation.
        optional: Whether it has a default.
        default: The default as JSON has it; UNSET: there is none, it is None, or JSON has no such value.
        description: What it is for; "": nothing says.
    """

    name: str
    type: Any
    optional: bool
    default: Any
    description: str


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a function says of itself.

    Attributes:
        name: As Python has it.
        description: The docstring up to its first section; "": there is none.
        parameters: What a model gives, in order.
    """

    name: str
    description: str
    parameters: list[Parameter]


def read_signature(function: Callable[..., Any]) -> Signature:
    """Return what a callable says of itself: a function, a method, a `partial` of one, an object that can be called.

    Raises:
        TypeError: A parameter has no annotation, one that can't be resolved, or can't be given by name.
    """
    inner, given = _taken_apart(function)
    name: str = getattr(inner, "__name__", "") or inner.__class__.__name__
    code: Any = inner if hasattr(inner, "__name__") else inner.__class__.__call__  # what wraps a function has its name
    description, texts = read_docstring(inspect.getdoc(code))
    if code is not inner and (written := written_doc(inner.__class__)):
        description, more = read_docstring(written)
        texts = {**more, **texts}
    hints = _hints(code, name)
    parameters = [_parameter(one, hints, texts, name) for one in _wanted(function, given, name)]
    return Signature(name=name, description=description, parameters=parameters)


def _taken_apart(function: Any) -> tuple[Any, Mapping[str, Any]]:
    """A callable, and the arguments that it is given already, by name."""
    return (function.func, function.keywords) if isinstance(function, functools.partial) else (function, {})


def _wanted(function: Callable[..., Any], given: Mapping[str, Any], name: str) -> list[inspect.Parameter]:
    """The parameters that are left for the model."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}() has no signature that Python knows; describe its arguments by a type") from error
    parameters = [one for one in signature.parameters.values() if one.name not in given]
    for one in parameters:
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            raise TypeError(
                f"the parameter {one.replace(annotation=one.empty, default=one.empty)} of {name}() can't be given by name, as a model does; "
                "make it an ordinary one, or describe the arguments by a type"
            )
    return parameters


def _hints(code: Any, name: str) -> dict[str, Any]:
    """The annotations of the parameters. What a function returns may be known to type checkers only."""
    written: Mapping[str, Any] = getattr(code, "__annotations__", None) or {}
    plain = types.SimpleNamespace(
        __annotations__={key: value for key, value in written.items() if key != "return"},
        __type_params__=getattr(code, "__type_params__", ()),
    )
    names: dict[str, Any] = getattr(inspect.unwrap(code), "__globals__", {})
    try:
        return typing.get_type_hints(plain, globalns=names, include_extras=True)
    except Exception as error:  # annotations are any code
        raise TypeError(
            f"an annotation of {name}() can't be resolved: {error}; what it names must stand at the module's level"
        ) from error


def _parameter(one: inspect.Parameter, hints: Mapping[str, Any], texts: Mapping[str, str], function: str) -> Parameter:
    if one.name not in hints:
        fix = f"write {one.name}: str, say, so that the model knows what to give"
        if one.name in ("self", "cls"):
            fix = "make the tool of a bound method: function_tool(thing.method)"
        raise TypeError(f"the parameter {one.name!r} of {function}() has no annotation: {fix}")
    annotation = hints[one.name]
    optional = one.default is not one.empty
    return Parameter(
        name=one.name,
        type=annotation,
        optional=optional,
        default=_as_json(one.default) if optional and one.default is not None else msgspec.UNSET,
        description=text_of(annotation) or texts.get(one.name, ""),
    )


def _as_json(default: Any) -> Any:
    """A default as plain data; UNSET: JSON has no such value (`inf`, an object of some class)."""
    try:
        plain = msgspec.to_builtins(default, str_keys=True, enc_hook=_dumped)
        return codec.loads(codec.dumps(plain))
    except Exception:  # noqa: BLE001 - the value's own code ran
        return msgspec.UNSET


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="json")  # pydantic's; whatever else has no such method
