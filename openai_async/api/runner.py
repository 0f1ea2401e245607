"""`ToolRunner`: a model and its tools, taking turns until the model has no more calls.

Parameters of a request and Python functions come in; the conversation and its last answer go out, or every event on
the way. Here is how a run is read and left; its loop is in `turns`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from openai_async.errors import StreamStateError

from .arguments import check_flag, check_whole
from .call import Call
from .conversation import Conversation
from .handlers import RunnableTool
from .runevents import ToolRun, ToolRunEvent
from .toolbox import Toolbox, ToolErrorPolicy
from .turns import Turns

if TYPE_CHECKING:
    from openai_async.hooks.hook import Hooks

__all__ = ["ToolRunner"]

T = TypeVar("T")


class ToolRunner(Generic[T]):
    """A run of tools: what `chat.completions.run_tools` returns. Nothing is sent before it is awaited or iterated.

        run = await client.chat.completions.run_tools(model=…, messages=…, tools=[get_weather])
        print(run.content)

        async with client.chat.completions.run_tools(model=…, messages=…, tools=[get_weather], stream=True) as run:
            async for event in run:
                if event.type == "content.delta":
                    print(event.delta, end="")
            messages = (await run.final()).messages

    Each turn asks the model, calls the tools that it calls, all at once, and tells it what they returned: text as it
    is, anything else as JSON. A turn without calls is the last one. So is one in which the tool that `tool_choice`
    names was called; that call is the run's point, and the model is not asked what it makes of the result. Other
    choices that force calls ("required", allowed tools) hold for the first turn only, else there would be no end.

    It can be iterated once, by one task at a time; events of streams come with `stream=True` only. Leaving `async
    with`, `abort()`, and cancelling the task that waits, all abort the request under way and cancel the tools that
    run, and wait for these to end, at most five seconds. A run that is dropped stops as well, and nobody waits.

    Args:
        ask: `parse`, or for a stream `stream`: makes the request of one turn.
        params: Of the request. `parallel_tool_calls=False` and a `tool_choice` that names a tool also keep the
            calls of one turn from running at the same time. Of an `idempotency_key` each turn after the first sends
            one of its own, made of it.
        tools: As `handlers.read_tools` takes them.
        stream: Whether answers are streamed.
        max_turns: How often the model is asked at most, 1 or more.
        tool_timeout: Seconds that a call may take before the model is told that it took too long; None: no limit.
        on_tool_error: See `toolbox.Toolbox`.
        hooks: Told of the calls of tools; None: there are none.

    Raises:
        TypeError: A tool has no function, or another argument is of the wrong type.
        ValueError: `n` is not 1, `max_turns` below 1, or a limit is none.
    """

    def __init__(
        self,
        ask: Callable[..., Call[Any]],
        params: Mapping[str, Any],
        *,
        tools: Iterable[RunnableTool],
        stream: bool = False,
        max_turns: int = 10,
        tool_timeout: float | None = None,
        on_tool_error: ToolErrorPolicy = "raise",
        hooks: Hooks | None = None,
    ) -> None:
        check_flag(stream, "run_tools(stream=...)")
        check_whole(max_turns, "max_turns", least=1)
        toolbox = Toolbox(tools, timeout=tool_timeout, on_error=on_tool_error)
        conversation: Conversation[T] = Conversation(params, toolbox.definitions)
        self._turns: Turns[T] = Turns(ask, conversation, toolbox, stream=stream, max_turns=max_turns, hooks=hooks)
        # Held by nobody else: a run that is dropped is closed at once, and its tools are cancelled.
        self._events = self._turns.events()
        self._failure: Exception | None = None
        self._busy = asyncio.Lock()  # held by whoever reads or closes the events

    # Running.

    def __await__(self) -> Generator[Any, Any, ToolRun[T]]:
        return self.final().__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ToolRunEvent[T]:
        """Return the next event.

        Cancelling it aborts the run; what was said and done until then stays in `snapshot`.

        Raises:
            APIError: A request failed.
            LengthFinishReasonError, ContentFilterFinishReasonError: An answer was cut off or withheld where it calls
                tools, or where there is something to parse.
            OutputParseError: The last answer is no JSON, or does not fit the type asked for.
            ToolLoopError: The model still calls tools after `max_turns`. The last calls are not made.
            StreamStateError: Another task is reading, or the run was aborted.
            Exception: A tool's own, as `on_tool_error` has it.
        """
        if self._failure is not None:
            raise self._failure
        if self._turns.work.aborted:
            await self.aclose()
            raise self._turns.work.abortion()
        if self._busy.locked():
            raise StreamStateError("Another task is reading this run.")
        await self._busy.acquire()  # at once: nobody holds it
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            raise
        except Exception as failure:
            if not self._turns.work.aborted:
                self._failure = failure
                raise
            raise self._turns.work.abortion() from failure
        except BaseException:
            self.abort()
            raise
        finally:
            self._busy.release()

    async def final(self) -> ToolRun[T]:
        """Run to the end and return what was said and done; cancels and raises as `__anext__`."""
        while not self._turns.done:
            await anext(self)
        return self.snapshot

    @property
    def snapshot(self) -> ToolRun[T]:
        """The run so far: all turns whose answers are here."""
        return self._turns.conversation.run

    def __repr__(self) -> str:
        ended = "aborted" if self._turns.work.aborted else "failed" if self._failure else "open"
        state = "done" if self._turns.done else ended
        return f"<ToolRunner {state} turns={self.snapshot.turns}>"

    # Leaving.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def abort(self) -> None:
        """Stop now: the request under way is aborted, tools are cancelled. Who waits gets a `StreamStateError`.

        For any task of the run's own loop, tools included; harmless after the end, and twice.
        """
        self._turns.abort()

    async def aclose(self) -> None:
        """Do as `abort`, and wait until everything has stopped. A tool that calls this is cancelled here.

        Cancelling it ends the wait alone: everything stops all the same.
        """
        self.abort()
        async with self._busy:
            await self._events.aclose()
