"""`ToolRunner`: a model and its tools, taking turns until the model has no more calls.

Parameters of a request and Python functions come in; the conversation and its last answer go out, or every event on
the way. It sends nothing itself: `parse` and `stream` do, once a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from openai_async.errors import OutputParseError, StreamStateError, ToolLoopError

from .arguments import check_flag, check_whole
from .call import Call
from .conversation import Conversation
from .handlers import RunnableTool
from .runevents import RunDoneEvent, RunEvent, ToolCall, ToolRun, ToolRunEvent, TurnDoneEvent, TurnStartedEvent
from .stream import EventStream
from .toolbox import Toolbox, ToolErrorPolicy
from .work import Work

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
    run, and wait for these to end, at most five seconds.

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
        self._ask = ask
        self._toolbox = Toolbox(tools, timeout=tool_timeout, on_error=on_tool_error)
        self._conversation: Conversation[T] = Conversation(params, self._toolbox.definitions)
        self._streaming = stream
        self._max_turns = max_turns
        self._work = Work()
        self._hooks = hooks
        self._stream: EventStream[T] | None = None  # the one being read
        self._failure: Exception | None = None
        self._reading = self._done = False
        # Made now, so that a mistake in the arguments shows where it was made, and a run that nobody awaits warns.
        self._call: Call[Any] | None = self._make_call()
        self._events = self._iterate()

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
        if self._reading:
            raise StreamStateError("Another task is reading this run.")
        if self._failure is not None:
            raise self._failure
        if self._work.aborted:
            await self._events.aclose()
            raise self._work.abortion()
        self._reading = True
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            raise
        except Exception as failure:
            if not self._work.aborted:
                self._failure = failure
                raise
            raise self._work.abortion() from failure
        except BaseException:
            self.abort()
            raise
        finally:
            self._reading = False

    async def final(self) -> ToolRun[T]:
        """Run to the end and return what was said and done; cancels and raises as `__anext__`."""
        while not self._done:
            await anext(self)
        return self.snapshot

    @property
    def snapshot(self) -> ToolRun[T]:
        """The run so far: all turns whose answers are here."""
        return self._conversation.run

    def __repr__(self) -> str:
        state = "done" if self._done else "aborted" if self._work.aborted else "failed" if self._failure else "open"
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
        if self._done:
            return
        self._work.abort()
        if self._call is not None:
            self._call.close()
        if self._stream is not None:
            self._stream._reader.abort()

    async def aclose(self) -> None:
        """Do as `abort`, and wait until everything has stopped."""
        self.abort()
        if not self._reading:  # else the task that reads cleans up
            await self._events.aclose()

    # The loop.

    async def _iterate(self) -> AsyncGenerator[ToolRunEvent[T]]:
        """The events of the run. No task group and no cancel scope is open while one is handed out."""
        turn, conversation = 1, self._conversation
        while True:
            yield TurnStartedEvent(turn=turn)
            async with aclosing(self._streamed() if self._streaming else self._plain()) as said:
                async for event in said:
                    yield event
            if conversation.open_calls:
                if turn == self._max_turns:
                    raise ToolLoopError(conversation.run)
                async with aclosing(self._answered(conversation.open_calls)) as done:
                    async for event in done:
                        yield event
            messages = conversation.end_turn()
            if not conversation.over:
                self._call = self._make_call()
            yield TurnDoneEvent(turn=turn, completion=conversation.run.completion, messages=messages)
            if conversation.over:
                break
            turn += 1
        self._done = True
        yield RunDoneEvent(run=conversation.run)

    def _make_call(self) -> Call[Any]:
        call = self._ask(**self._conversation.params())
        call._name = "chat.completions.run_tools"  # what its warning calls it
        return call

    async def _send(self) -> Any:
        """Send the turn's request; return the completion, or the stream."""
        call, self._call = self._call, None
        assert call is not None  # made at the end of the turn before
        return await self._work.finish(call)

    async def _plain(self) -> AsyncGenerator[ToolRunEvent[T]]:
        """Ask the model; there are no events."""
        try:
            completion = await self._send()
        except OutputParseError as failure:
            completion = _calling_anyway(failure)
        self._conversation.take(completion)
        return
        yield  # type: ignore[unreachable]  # it makes this a generator, as `_streamed` is

    async def _streamed(self) -> AsyncGenerator[ToolRunEvent[T]]:
        """Ask the model; the events are those of its stream."""
        stream: EventStream[T] = await self._send()
        self._stream = stream
        try:
            async for event in stream:
                yield event
            completion = await stream.final()
        except OutputParseError as failure:
            completion = _calling_anyway(failure)
        finally:
            self._stream = None
            await stream.aclose()
        self._conversation.take(completion)

    async def _answered(self, calls: list[ToolCall]) -> AsyncGenerator[RunEvent]:
        """Make the calls; the events are those of tools, as they happen."""
        events: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        conversation, watch = self._conversation, None
        emit: Callable[[RunEvent], object] = events.put_nowait
        if self._hooks is not None:
            from .toolwatch import ToolWatch  # noqa: PLC0415 - loaded where there are hooks

            watch = ToolWatch(self._hooks)
            emit = watch.passing(emit)
        task = self._work.start(
            self._toolbox.answer_all(calls, emit, parallel=conversation.parallel, only_first=conversation.named)
        )
        if watch is not None:
            task.add_done_callback(watch.end)
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            conversation.answer(self._work.result(task))
        finally:
            await self._work.stop()


def _calling_anyway(failure: OutputParseError) -> Any:
    """Return the answer that could not be parsed, if it calls tools.

    Its text is not the last word then, and arguments that don't fit are told to the model.
    """
    completion = failure.completion
    if completion is None or not completion.choices or not completion.choices[0].message.tool_calls:
        raise failure
    return completion
