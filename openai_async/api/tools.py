"""Function tools made of Python: `function_tool` and `pydantic_function_tool`.

A function, or a type of its arguments, comes in; out goes the tool as the API takes it, which also knows what the
model's arguments become. Nothing here calls a function on its own.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from openai_async.protocol.output import OutputType
from openai_async.protocol.schema import holds_pydantic, raw_schema
from openai_async.protocol.schema import strict as strictly
from openai_async.types.json import is_array, is_object

from .docstring import read_docstring

__all__ = ["FunctionTool", "argument_types", "function_tool", "pydantic_function_tool"]


class FunctionTool(dict[str, Any]):
    """A function tool: a dict that `tools=` takes, which knows what its arguments become.

    Attributes:
        output: What the model's arguments are parsed to: an object of `model`, or a dict of keyword arguments.
        function: What is called with them; None: there is only a type.
        model: The type of the arguments; None: they are a function's parameters.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        *,
        output: OutputType[Any],
        function: Callable[..., Any] | None = None,
        model: type[Any] | None = None,
    ) -> None:
        super().__init__(type="function", function=dict(definition))
        self.output = output
        self.function = function
        self.model = model

    @property
    def name(self) -> str:
        """What the model calls it."""
        return cast("str", self["function"]["name"])

    def bind(self, arguments: str) -> dict[str, Any]:
        """Return the keyword arguments for `function` that a call's JSON text means.

        Args:
            arguments: As the model wrote it; "": no arguments.

        Raises:
            OutputParseError: It is no JSON, or does not fit the parameters.
        """
        return cast("dict[str, Any]", self.output.parse(arguments or "{}"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function: what `@function_tool` decorates can be called as before.

        Raises:
            TypeError: The tool was made of a type.
        """
        if self.function is None:
            raise TypeError(f"the tool {self.name!r} was made of a type: there is no function to call")
        return self.function(*args, **kwargs)


def pydantic_function_tool(
    model: type[Any], *, name: str | None = None, description: str | None = None
) -> FunctionTool:
    """Return the tool whose arguments are a pydantic model: the official SDK's helper of that name.

    Args:
        model: The model's class; the types that `function_tool` takes will do as well.
        name: What the model calls it; None: the class's name.
        description: What it is for; None: the class's docstring, as it is.

    Raises:
        TypeError: The type has no JSON schema.
    """
    return _of_type(model, name=name, description=model.__doc__ if description is None else description, strict=True)


@typing.overload
def function_tool(
    function: Callable[..., Any] | type[Any],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
) -> FunctionTool: ...
@typing.overload
def function_tool(
    *, name: str | None = None, description: str | None = None, strict: bool = True
) -> Callable[[Callable[..., Any]], FunctionTool]: ...
def function_tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
) -> Any:
    """Return the tool that a function, or a type of arguments, describes; also a decorator, with or without options.

        @function_tool
        async def get_weather(city: Annotated[str, "Its English name"], unit: Literal["c", "f"] = "c") -> str: ...

    Args:
        function: A function, sync or async, whose parameters are annotated; or a struct, dataclass, TypedDict or
            pydantic model, whose fields are the arguments.
        name: What the model calls it; None: the function's or type's own name.
        description: What it is for; None: the docstring, up to its first section. Its parameter sections (Google,
            NumPy, reST) describe the parameters, as does `Annotated[T, "text"]`.
        strict: Whether the model is held to the schema. Then it gives every argument, those with defaults too.

    Raises:
        TypeError: A parameter has no annotation, has none that JSON could become, or can't be given by name.
    """
    if function is None:
        return functools.partial(function_tool, name=name, description=description, strict=strict)
    if isinstance(function, FunctionTool):
        return function
    if inspect.isclass(function):
        if description is None:
            description = read_docstring(_written_doc(function))[0] or None
        return _of_type(function, name=name, description=description, strict=strict)
    if not callable(function):
        raise TypeError(f"a tool is made of a function or a type, not of {function!r}")
    return _of_function(function, name=name, description=description, strict=strict)


def argument_types(tools: Iterable[Any]) -> dict[str, OutputType[Any]]:
    """Return what the arguments of each tool are to become, by the tool's name.

    Args:
        tools: As `tools=` takes them. The official SDK's `pydantic_function_tool` works, too.

    Returns:
        The types of tools that have one; plain data for strict tools without; nothing for the others.
    """
    types: dict[str, OutputType[Any]] = {}
    for tool in tools:
        function: Any = cast("Mapping[str, Any]", tool).get("function") if isinstance(tool, Mapping) else None
        if not is_object(function) or not isinstance(function.get("name"), str):
            continue
        model: Any = getattr(cast("Any", function), "model", None)
        if isinstance(tool, FunctionTool):
            types[tool.name] = tool.output
        elif model is not None:
            types[function["name"]] = OutputType(model, name=function["name"])
        elif function.get("strict"):
            types[function["name"]] = OutputType(dict, name=function["name"])
    return types


def _of_type(type: Any, *, name: str | None, description: str | None, strict: bool) -> FunctionTool:
    name = _checked_name(name or type.__name__)
    output: OutputType[Any] = OutputType(type, name=name)
    if output.wraps:
        raise TypeError(f"the arguments of a tool are an object; {type!r} is none")
    return FunctionTool(
        _definition(name, description, output.schema if strict else raw_schema(type), strict=strict),
        output=output,
        model=type,
    )


def _of_function(
    function: Callable[..., Any], *, name: str | None, description: str | None, strict: bool
) -> FunctionTool:
    inner: Any = _unbound(function)
    own: str = getattr(inner, "__name__", "") or type(function).__name__
    name = _checked_name(name or own)
    told, texts = read_docstring(inspect.getdoc(inner if hasattr(inner, "__name__") else inner.__class__))
    fields: dict[str, Any] = {}
    extras: dict[str, dict[str, Any]] = {}
    for parameter in _parameters(function, own):
        annotation, text = _annotation(parameter, own)
        extra: dict[str, Any] = {}
        if told_of := text or texts.get(parameter.name, ""):
            extra["description"] = told_of
        optional = parameter.default is not inspect.Parameter.empty
        if optional and parameter.default is not None and _is_json(parameter.default):
            extra["default"] = parameter.default
        fields[parameter.name] = typing.NotRequired[annotation] if optional else annotation
        extras[parameter.name] = extra
    arguments = _typed_dict(name, fields)
    output: OutputType[Any] = OutputType(arguments, name=name)
    schema = _described(raw_schema(arguments), extras)
    return FunctionTool(
        _definition(name, description or told or None, strictly(schema) if strict else schema, strict=strict),
        output=output,
        function=function,
    )


def _unbound(function: Any) -> Any:
    """The function itself, of one some of whose arguments are given already."""
    return function.func if isinstance(function, functools.partial) else function


def _typed_dict(name: str, fields: Mapping[str, Any]) -> Any:
    """Make the type of a function's arguments; pydantic wants its own kind before Python 3.12."""
    make: Any = typing.TypedDict
    if any(map(holds_pydantic, fields.values())):
        # Imported here: pydantic brings it, and who does not use pydantic need not have it.
        import typing_extensions  # noqa: PLC0415 - see above

        make = typing_extensions.TypedDict
    return make(name, dict(fields))


def _definition(name: str, description: str | None, schema: dict[str, Any], *, strict: bool) -> dict[str, Any]:
    definition: dict[str, Any] = {"name": name, "strict": strict, "parameters": schema}
    if description is not None:
        definition["description"] = description
    return definition


def _described(schema: dict[str, Any], extras: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Add what signature and docstring tell of the parameters, in the signature's order."""
    schema.pop("title", None)
    properties = schema.get("properties", {})
    schema["properties"] = {name: {**properties[name], **extra} for name, extra in extras.items()}
    schema["required"] = [name for name in extras if name in schema.get("required", ())]
    return schema


def _is_json(value: object) -> bool:
    if is_object(value):
        return all(map(_is_json, value.values()))
    return all(map(_is_json, value)) if is_array(value) else isinstance(value, str | int | float | None)


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    """The parameters that the model gives, with their annotations resolved."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}() has no signature that Python knows; describe its arguments by a type") from error
    call: Any = _unbound(function)
    hints = _hints(call if inspect.isroutine(call) else type(call).__call__, name)
    parameters: list[inspect.Parameter] = []
    bound: Mapping[str, Any] = getattr(function, "keywords", {}) if call is not function else {}
    for parameter in signature.parameters.values():
        if parameter.name in bound:
            continue  # given already
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(
                f"the parameter {parameter} of {name}() can't be given by name, as a model does; "
                "make it an ordinary one, or describe the arguments by a type"
            )
        parameters.append(parameter.replace(annotation=hints.get(parameter.name, parameter.empty)))
    return parameters


def _hints(function: Any, name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError) as error:
        raise TypeError(f"an annotation of {name}() can't be resolved: {error}") from error


def _annotation(parameter: inspect.Parameter, name: str) -> tuple[Any, str]:
    """A parameter's type, and the text that `Annotated[T, "text"]` gives."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        raise TypeError(
            f"the parameter {parameter.name!r} of {name}() has no annotation: write {parameter.name}: str, say, "
            "so that the model knows what to give"
        )
    texts = [extra for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, str)]
    return annotation, texts[0] if texts else ""


def _written_doc(cls: type[Any]) -> str | None:
    """A class's own docstring; None: it has none but what Python or a base wrote."""
    text: str | None = cls.__dict__.get("__doc__")
    return None if text is None or text.startswith(f"{cls.__name__}(") else text


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise TypeError(
            f"a tool's name has 1 to 64 of the characters A-Z, a-z, 0-9, _ and -; give another than {name!r}"
        )
    return name
