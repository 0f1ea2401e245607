"""Function tools made of Python: `function_tool` and `pydantic_function_tool`.

A function, or a type of its arguments, comes in; out goes the tool as the API takes it, which also knows what the
model's arguments become. Nothing here calls a function on its own.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from msgspec import UNSET

from openai_async.errors import OutputParseError
from openai_async.protocol.output import OutputType, is_type_form, type_name, valid_name
from openai_async.protocol.schema import holds_pydantic, raw_schema, written_doc
from openai_async.protocol.strictness import permitted
from openai_async.protocol.strictness import strict as strictly

from .arguments import check_text
from .docstring import read_docstring
from .signature import Parameter, Signature, read_signature

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
        try:
            return cast("dict[str, Any]", self.output.parse(arguments if arguments.strip() else "{}"))
        except OutputParseError as error:
            error.text = arguments
            raise

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
    told = written_doc(typing.get_origin(model) or model) if description is None else description
    return _of_type(model, name=name, description=told, strict=True)


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
    if is_type_form(function):
        if description is None:
            description = read_docstring(written_doc(typing.get_origin(function) or function))[0] or None
        return _of_type(function, name=name, description=description, strict=strict)
    if not callable(function):
        raise TypeError(f"a tool is made of a function or a type, not of a {function.__class__.__name__}")
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
        function = _member(tool, "function")
        name, model = _member(function, "name"), getattr(function, "model", None)
        if not isinstance(name, str):
            continue
        if isinstance(tool, FunctionTool):
            types[name] = tool.output
        elif model is not None:
            types[name] = OutputType.of(model, name=name)
        elif _member(function, "strict") is True:
            types[name] = OutputType.of(dict, name=name)
    return types


def _member(mapping: Any, key: str) -> Any:
    return cast("Mapping[str, Any]", mapping).get(key) if isinstance(mapping, Mapping) else None


def _of_type(type: Any, *, name: str | None, description: str | None, strict: bool) -> FunctionTool:
    name = _tool_name(name, type_name(type))
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
    signature = read_signature(function)
    name = _tool_name(name, signature.name)
    arguments = _typed_dict(name, signature.parameters)
    try:
        raw = raw_schema(arguments)
    except TypeError as error:
        raise _blamed(signature, error) from error
    schema = _described(raw, signature.parameters)
    return FunctionTool(
        _definition(
            name,
            (signature.description or None) if description is None else description,
            strictly(permitted(schema)) if strict else schema,
            strict=strict,
        ),
        output=OutputType(arguments, name=name),
        function=function,
    )


def _blamed(signature: Signature, error: TypeError) -> TypeError:
    """Return the error that names the parameter without a schema; if each has one, only together they have none."""
    for parameter in signature.parameters:
        try:
            raw_schema(parameter.type)
        except TypeError as own:
            return TypeError(f"the parameter {parameter.name!r} of {signature.name}(): {own}")
    return TypeError(f"the parameters of {signature.name}() can't be described together: {error}")


def _typed_dict(name: str, parameters: Iterable[Parameter]) -> Any:
    """Make the type of a function's arguments; pydantic wants its own kind before Python 3.12."""
    fields: dict[str, Any] = {
        one.name: typing.NotRequired[one.type] if one.optional else one.type for one in parameters
    }
    make: Any = typing.TypedDict
    if any(map(holds_pydantic, fields.values())):
        # Imported here: pydantic brings it, and who does not use pydantic need not have it.
        import typing_extensions  # noqa: PLC0415 - see above

        make = typing_extensions.TypedDict
    return make(name, fields)


def _definition(name: str, description: str | None, schema: dict[str, Any], *, strict: bool) -> dict[str, Any]:
    definition: dict[str, Any] = {"name": name, "strict": strict, "parameters": schema}
    if description is not None:
        definition["description"] = description
    return definition


def _described(schema: dict[str, Any], parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Add what signature and docstring tell of the parameters, in the signature's order."""
    schema.pop("title", None)
    properties, required = schema.get("properties", {}), schema.get("required", ())
    schema["properties"] = {}
    schema["required"] = [one.name for one in parameters if one.name in required]
    for one in parameters:
        told = schema["properties"][one.name] = dict(properties[one.name])
        if one.description:
            told["description"] = one.description
        if one.default is not UNSET:
            told["default"] = one.default
    return schema


def _tool_name(given: str | None, own: str) -> str:
    """The name that was given, if it may be one; else one made of Python's own."""
    if given is not None:
        check_text(given, "a tool's name")
    name = valid_name(own) if given is None else given
    if own == "<lambda>" and given is None:
        name = ""
    if not name or valid_name(name) != name:
        raise TypeError(
            "a tool's name has 1 to 64 of the characters A-Z, a-z, 0-9, _ and -; "
            f"give one instead of {given or own!r:.100}"
        )
    return name
