"""`ToolWatch`: the calls of a run's tools as hooks are told of them.

Events of tools come in and go on as they are; records go to the hooks. It is made only where there are hooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from typing import NamedTuple

from openai_async.hooks.hook import Hooks
from openai_async.hooks.records import ToolEnded, ToolOutcome, ToolStarted, next_call
from openai_async.types.completion import ChatCompletionMessageFunctionToolCall

from .runevents import RunEvent, ToolCall, ToolCallDoneEvent, ToolCallStartedEvent, called_name

__all__ = ["ToolWatch"]


class _Open(NamedTuple):
    """A call under way: the number of its records, itself, and when it began by the loop's clock, in seconds."""

    number: int
    call: ToolCall
    began: float


class ToolWatch:
    """The calls of one turn.

    Args:
        hooks: Told of each call's start and end.
        names: Of the run's tools; a model may call others.
    """

    def __init__(self, hooks: Hooks, names: Container[str]) -> None:
        self._hooks = hooks
        self._names = names
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, _Open] = {}  # by the call's identity: ids of models repeat

    def passing(self, emit: Callable[[RunEvent], object]) -> Callable[[RunEvent], None]:
        """Return what hands an event to `emit`, and tells the hooks what it says."""

        def told(event: RunEvent) -> None:
            emit(event)
            if isinstance(event, ToolCallStartedEvent):
                self._start(event.call)
            elif isinstance(event, ToolCallDoneEvent):
                self._done(event)

        return told

    def end(self, _task: object = None) -> None:
        """Tell of the calls that are under way that they were cancelled: nothing more is called."""
        while self._open:
            _, one = self._open.popitem()
            self._tell(one, "cancelled")

    def _start(self, call: ToolCall) -> None:
        one = self._open[id(call)] = _Open(next_call(), call, self._loop.time())
        name = called_name(call)
        record = ToolStarted(call=one.number, tool=name, tool_call_id=call.id, offered=name in self._names)
        self._hooks.tell(record.holding(arguments=_arguments(call)))

    def _done(self, event: ToolCallDoneEvent) -> None:
        one = self._open.pop(id(event.call), None)
        if one is not None:
            outcome: ToolOutcome = "done" if event.made else "skipped"
            self._tell(one, "error" if event.error is not None else outcome, event.error, event.content)

    def _tell(
        self, one: _Open, outcome: ToolOutcome, error: Exception | None = None, result: str | None = None
    ) -> None:
        name = called_name(one.call)
        record = ToolEnded(
            call=one.number,
            tool=name,
            tool_call_id=one.call.id,
            outcome=outcome,
            seconds=self._loop.time() - one.began,
            error=None if error is None else type(error).__name__,
            offered=name in self._names,
        )
        self._hooks.tell(record.holding(result=result))


def _arguments(call: ToolCall) -> str:
    """What the model wrote for the tool."""
    if isinstance(call, ChatCompletionMessageFunctionToolCall):
        return call.function.arguments
    return call.custom.input
