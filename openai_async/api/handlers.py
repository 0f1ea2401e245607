"""The tools of a run: what is sent of each, and the Python function that answers its calls.

Tools as the user gives them come in: functions, function tools, or dicts that hold a function. Out go definitions for
the request, and for each call the function with its arguments bound. Nothing here calls one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

import msgspec

from openai_async.protocol.output import OutputType
from openai_async.types.completion import ChatCompletionMessageCustomToolCall
from openai_async.types.json import is_object

from .arguments import items_of
from .runevents import ToolCall, called_name, is_custom
from .tools import FunctionTool, function_tool

__all__ = ["Handler", "Handlers", "RunnableTool", "read_tools"]

RunnableTool: TypeAlias = Callable[..., Any] | FunctionTool | Mapping[str, Any]
"""A tool that `run_tools` can call."""


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as it is sent, and the function behind it.

    Attributes:
        name: What the model calls it.
        definition: As `tools=` takes it.
        function: What answers a call.
        custom: Whether it is a custom tool, whose function gets the input's text as its only argument.
    """

    name: str
    definition: Mapping[str, Any]
    function: Callable[..., Any]
    custom: bool = False

    def bind(self, call: ToolCall) -> dict[str, Any] | str:
        """Return what the function is called with: keyword arguments, or of a custom tool its input.

        Raises:
            OutputParseError: The arguments are no JSON, or don't fit.
        """
        if isinstance(call, ChatCompletionMessageCustomToolCall):
            return call.custom.input
        assert isinstance(self.definition, FunctionTool)  # a call of a function only gets here for a function
        return self.definition.bind(call.function.arguments)


class Handlers:
    """All tools of a run."""

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._handlers = list(handlers)

    @property
    def definitions(self) -> list[Mapping[str, Any]]:
        """All of them, as `tools=` takes them."""
        return [handler.definition for handler in self._handlers]

    @property
    def names(self) -> frozenset[str]:
        """What the model may call."""
        return frozenset(handler.name for handler in self._handlers)

    def find(self, call: ToolCall) -> Handler:
        """Return what answers a call.

        Raises:
            LookupError: Nothing does; the text tells the model what there is.
        """
        name, custom = called_name(call), is_custom(call)
        found = next((handler for handler in self._handlers if (handler.name, handler.custom) == (name, custom)), None)
        if found is not None:
            return found
        kind = "custom tool" if custom else "function"
        names = ", ".join(f'"{handler.name}"' for handler in self._handlers if handler.custom is custom) or "none"
        raise LookupError(f'There is no {kind} "{name}". Available: {names}. Please try again.')


def read_tools(tools: Iterable[RunnableTool]) -> Handlers:
    """Return the tools as they are sent, with their functions.

    Args:
        tools: Functions, sync or async; `FunctionTool`s made of one; or dicts as the API takes them with a callable
            under the key `function` beside the `name`, which is not sent: it gets a function's arguments by name, or
            a custom tool's input.

    Raises:
        TypeError: One of them has no function, or is no tool at all.
        ValueError: Two have the same name.
    """
    handlers = [_handler(tool) for tool in items_of(tools, "run_tools(tools=...)", "tools")]
    names = [handler.name for handler in handlers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two tools are called {twice!r}; give one another name")
    return Handlers(handlers)


def _handler(tool: Any) -> Handler:
    if not isinstance(tool, Mapping):
        if not callable(tool):
            raise TypeError(
                f"run_tools(tools=...): a tool is a function, a function_tool(...) or a dict that holds one, "
                f"not a {type(tool).__name__}"
            )
        tool = function_tool(tool)
    if isinstance(tool, FunctionTool):
        if tool.function is None:
            raise _no_function(tool.name)
        return Handler(name=tool.name, definition=tool, function=tool.function)
    return _from_dict(dict(cast("Mapping[str, Any]", tool)))


def _from_dict(tool: dict[str, Any]) -> Handler:
    kind: Any = tool.get("type")
    described: Any = tool.get(kind) if isinstance(kind, str) else None
    if kind not in ("function", "custom") or not is_object(described) or not isinstance(described.get("name"), str):
        raise TypeError(
            "run_tools(tools=...): a tool is {'type': 'function', 'function': {'name': ..., ...}} or such, "
            "not any other dict"
        )
    name, function = described["name"], described.get("function")
    if not callable(function):
        raise _no_function(name)
    sent = {key: value for key, value in described.items() if key != "function"}
    if kind == "custom":
        return Handler(name=name, definition={**tool, "custom": sent}, function=function, custom=True)
    arguments: OutputType[Any] = OutputType(dict[str, Any], name=name)
    return Handler(name=name, definition=FunctionTool(sent, output=arguments), function=function)


def _no_function(name: str) -> TypeError:
    return TypeError(
        f"the tool {name!r} has no function that run_tools() could call: give the function itself, "
        "or put it into the dict, under 'function' beside the name"
    )
