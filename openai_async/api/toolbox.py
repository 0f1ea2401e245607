"""How a model's calls are answered: each tool called, in time, and its result or error put into words.

Calls come in, the texts that the model is told go out, in the calls' order. Nothing here asks a model.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import anyio.to_thread
import msgspec

from openai_async.errors import OutputParseError
from openai_async.protocol import codec
from openai_async.protocol.sendable import is_iterable, is_mapping
from openai_async.types.options import check_seconds

from .handlers import Handler, RunnableTool, read_tools
from .runevents import RunEvent, ToolCall, ToolCallDoneEvent, ToolCallStartedEvent

__all__ = ["ToolErrorPolicy", "Toolbox"]

ToolErrorPolicy: TypeAlias = Literal["raise", "answer"] | Callable[[Exception, ToolCall], str | None]
"""What happens to a tool's own exception: see `Toolbox`."""

_Emit: TypeAlias = Callable[[RunEvent], object]


_POLICIES: dict[str, Callable[[Exception, ToolCall], str | None]] = {
    "raise": lambda _error, _call: None,
    "answer": lambda error, _call: f"Error: {type(error).__name__}: {error}",
}


class Toolbox:
    """The tools of a run, and the rules for calling them.

    An async function runs as a task of the loop; a sync one in a worker thread of anyio's, with the caller's context
    variables. A thread can't be stopped: one whose result nobody waits for any more runs on to its end, unheard.

    What the model did wrong (a tool that does not exist, arguments that don't fit) and a tool that takes too long is
    told to the model, whatever the policy.

    Args:
        tools: As `handlers.read_tools` takes them.
        timeout: Seconds that one call may take; None: no limit.
        on_error: For exceptions of tools, and results that can't be sent: "raise" ends the run with the exception,
            "answer" tells the model its type and text; a function gets the exception and the call, and returns what
            the model is told, or None to raise.

    Raises:
        TypeError, ValueError: An argument is none of these.
    """

    def __init__(
        self, tools: Iterable[RunnableTool], *, timeout: float | None = None, on_error: ToolErrorPolicy = "raise"
    ) -> None:
        given: Any = on_error
        if not callable(given) and not (isinstance(given, str) and given in _POLICIES):
            raise ValueError(f"on_tool_error is 'raise', 'answer' or a function, not another {type(on_error).__name__}")
        if timeout is not None:
            check_seconds(timeout, "tool_timeout")
        self._handlers = read_tools(tools)
        self._timeout = timeout
        # What the model is told of a tool's exception; None: it is raised.
        self._text_for = on_error if callable(on_error) else _POLICIES[on_error]

    @property
    def definitions(self) -> list[Mapping[str, Any]]:
        """The tools as `tools=` takes them."""
        return self._handlers.definitions

    @property
    def names(self) -> frozenset[str]:
        """What the model may call."""
        return self._handlers.names

    async def answer_all(
        self, calls: Sequence[ToolCall], emit: _Emit, *, parallel: bool = True, only_first: str | None = None
    ) -> list[ToolCallDoneEvent]:
        """Answer the calls of one message.

        Args:
            calls: In the model's order.
            emit: Is told when each call starts and is done, as it happens; one that is cancelled is not done.
            parallel: Whether they run at the same time; else one after the other.
            only_first: The name of a tool: once a call of it has been made, the others are not made. Their answers
                say so, since the API wants one for each. None: all are made.

        Returns:
            How each ended, in the order of `calls`. Cancelling it cancels the tools that run, and waits for them.

        Raises:
            Exception: A tool's own, as the policy has it; the other tools were cancelled, and have ended.
        """
        if parallel and len(calls) > 1:
            return await self._answer_in_parallel(calls, emit)
        answers: list[ToolCallDoneEvent] = []
        over = False
        for call in calls:
            if over:
                emit(ToolCallStartedEvent(call=call, arguments=None))
                told = f'Not called: only one call of "{only_first}" was wanted.'
                answers.append(_done(emit, call, told, made=False))
                continue
            answers.append(await self._answer(call, emit))
            over = answers[-1].made and answers[-1].name == only_first
        return answers

    async def _answer_in_parallel(self, calls: Sequence[ToolCall], emit: _Emit) -> list[ToolCallDoneEvent]:
        answers: dict[int, ToolCallDoneEvent] = {}
        failures: list[Exception] = []
        tasks: list[asyncio.Task[None]] = []

        async def answer(index: int, call: ToolCall) -> None:
            try:
                answers[index] = await self._answer(call, emit)
            except Exception as failure:  # noqa: BLE001 - raised below, bare: a group would wrap it
                failures.append(failure)
                for task in tasks:
                    if task is not asyncio.current_task():
                        task.cancel()

        # asyncio's group and not anyio's: a tool that is cancelled there can't await anything to clean up.
        async with asyncio.TaskGroup() as group:
            for index, call in enumerate(calls):
                if not failures:  # with eager tasks there may be some already
                    tasks.append(group.create_task(answer(index, call)))
        if failures:
            raise failures[0]
        return [answers[index] for index in range(len(calls))]

    async def _answer(self, call: ToolCall, emit: _Emit) -> ToolCallDoneEvent:
        """Answer one call; raises the tool's exception if the policy says so."""
        try:
            handler = self._handlers.find(call)
            arguments = handler.bind(call)
        except (LookupError, OutputParseError) as error:
            emit(ToolCallStartedEvent(call=call, arguments=None))
            return _done(emit, call, _complaint(error), error=error, made=False)
        emit(ToolCallStartedEvent(call=call, arguments=arguments))
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                result = await _run(handler, arguments)
            return _done(emit, call, _text_of(result, handler.name), result=result)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                error = TimeoutError(f"{handler.name} gave no result within {self._timeout:g} seconds.")
                return _done(emit, call, f"Error: {error}", error=error)
            text = self._answer_for(error, call)
            done = _done(emit, call, text, error=error)
            if text is None:
                raise
            return done

    def _answer_for(self, error: Exception, call: ToolCall) -> str | None:
        text: Any = self._text_for(error, call)
        if not (text is None or isinstance(text, str)):
            raise TypeError(f"on_tool_error must return text, or None to raise; it returned a {type(text).__name__}")
        return text


def _done(emit: _Emit, call: ToolCall, content: str | None, **fields: Any) -> ToolCallDoneEvent:
    event = ToolCallDoneEvent(call=call, content=content, **fields)
    emit(event)
    return event


def _complaint(error: Exception) -> str:
    if not isinstance(error, OutputParseError):
        return str(error)
    where = f" at {error.place}" if error.place else ""
    return f'The arguments of "{error.target}" are wrong: {error.reason}{where}. Please try again.'


async def _run(handler: Handler, arguments: dict[str, Any] | str) -> Any:
    function = handler.function
    call = partial(function, arguments) if isinstance(arguments, str) else partial(function, **arguments)
    try:
        if _is_async(function):
            return await call()
        result = await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
        # A plain function may return a coroutine, as a lambda does.
        return await result if inspect.isawaitable(result) else result
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # It waited for something that others cancelled. Let through, it would look as if this run was.
        raise RuntimeError(f"the tool {handler.name!r} was cancelled from inside") from error


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _text_of(result: Any, name: str) -> str:
    """What the model is told of a result: text as it is, anything else as JSON, None too ("null").

    Raises:
        TypeError: JSON has no such thing.
    """
    try:
        if isinstance(result, str):
            codec.dumps(result)
            return str.__str__(result)
        return codec.dumps(msgspec.to_builtins(result, builtin_types=(bytes,), str_keys=True, enc_hook=_plain)).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the result of the tool {name!r} can't be sent to the model: {error}") from error


def _plain(value: Any) -> Any:
    """An object that msgspec does not know as one that it does."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if is_mapping(value):
        return dict(value)
    if is_iterable(value):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is nothing that JSON has")
