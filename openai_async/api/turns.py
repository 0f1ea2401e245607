"""`Turns`: the loop of a run of tools: the model is asked, what it calls is called, and it is told what that brought.

What asks the model, a conversation and tools come in; events go out, one by one. Nothing here holds who reads them: a
reader that is dropped takes the events with it, and that ends the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from openai_async.errors import OutputParseError, ToolLoopError

from .call import Call
from .conversation import Conversation
from .runevents import RunDoneEvent, RunEvent, ToolCallDoneEvent, ToolRunEvent, TurnDoneEvent, TurnStartedEvent
from .stream import EventStream
from .toolbox import Toolbox
from .work import Work

if TYPE_CHECKING:
    from openai_async.hooks.hook import Hooks

__all__ = ["Turns"]

T = TypeVar("T")


class Turns(Generic[T]):
    """The turns of one run.

    Args:
        ask: `parse`, or for a stream `stream`: makes the request of one turn.
        conversation: To begin with.
        toolbox: Answers the calls.
        stream: Whether answers are streamed.
        max_turns: How often the model is asked at most, 1 or more.
        hooks: Told of the calls of tools; None: there are none.

    Attributes:
        conversation: As far as it got.
        done: Whether the last turn is over.
        work: What is being waited for.

    Raises:
        TypeError, ValueError: As `ask`; the first request is made now.
    """

    def __init__(
        self,
        ask: Callable[..., Call[Any]],
        conversation: Conversation[T],
        toolbox: Toolbox,
        *,
        stream: bool,
        max_turns: int,
        hooks: Hooks | None,
    ) -> None:
        self._ask = ask
        self._toolbox = toolbox
        self._streaming = stream
        self._max_turns = max_turns
        self._hooks = hooks
        self._stream: EventStream[T] | None = None  # the one being read
        self.conversation: Conversation[T] = conversation
        self.done: bool = False
        self.work: Work = Work()
        # Made now, so that a mistake in the arguments shows where it was made, and a run that nobody awaits warns.
        self._call: Call[Any] | None = self._make_call()

    def abort(self) -> None:
        """Abort the request under way and cancel tools, and wait for nothing; harmless after the end, and twice."""
        if self.done:
            return
        self.work.abort()
        if self._call is not None:
            self._call.close()
        if self._stream is not None:
            self._stream._reader.abort()

    async def events(self) -> AsyncGenerator[ToolRunEvent[T]]:
        """Go through the turns; the events are those of `ToolRunner`, once.

        Cancelling it, and closing it, aborts the request under way and cancels the tools that run.

        It is one generator and none inside another: of those that are dropped or outlive their loop asyncio closes each
        by itself, and two that close the same one collide. No task group and no cancel scope is open while an event is
        handed out.

        Raises:
            Exception: As `ToolRunner.__anext__`.
        """
        turn, conversation = 1, self.conversation
        try:
            while True:
                yield TurnStartedEvent(turn=turn)
                try:
                    answer = await self._send()
                    if self._streaming:
                        self._stream = answer
                        async for event in answer:
                            yield event
                        answer = await answer.final()
                except OutputParseError as failure:
                    answer = _calling_anyway(failure)
                finally:
                    await self._leave_stream()
                conversation.take(answer)
                if conversation.open_calls:
                    if turn == self._max_turns:
                        raise ToolLoopError(conversation.run)
                    task, happening = self._answer()
                    try:
                        while (told := await happening.get()) is not None:
                            yield told
                        conversation.answer(self.work.result(task))
                    finally:
                        await self.work.stop()
                messages = conversation.end_turn()
                if not conversation.over:
                    self._call = self._make_call()
                yield TurnDoneEvent(turn=turn, completion=conversation.run.completion, messages=messages)
                if conversation.over:
                    break
                turn += 1
        finally:
            if self._call is not None:  # it will not be sent, and need not warn of it: the run was awaited
                self._call.close()
        self.done = True
        yield RunDoneEvent(run=conversation.run)

    def _make_call(self) -> Call[Any]:
        call = self._ask(**self.conversation.params())
        call._name = "chat.completions.run_tools"  # what its warning calls it
        return call

    async def _send(self) -> Any:
        """Send the turn's request; return the completion, or the stream."""
        call, self._call = self._call, None
        assert call is not None  # made at the end of the turn before
        return await self.work.finish(call)

    async def _leave_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    def _answer(self) -> tuple[asyncio.Task[list[ToolCallDoneEvent]], asyncio.Queue[RunEvent | None]]:
        """Begin to make the model's calls; return that, and its events as they happen; None: there are no more."""
        events: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        conversation, watch = self.conversation, None
        emit: Callable[[RunEvent], object] = events.put_nowait
        if self._hooks is not None:
            from .toolwatch import ToolWatch  # noqa: PLC0415 - loaded where there are hooks

            watch = ToolWatch(self._hooks, self._toolbox.names)
            emit = watch.passing(emit)
        task = self.work.start(
            self._toolbox.answer_all(
                conversation.open_calls, emit, parallel=conversation.parallel, only_first=conversation.named
            )
        )
        if watch is not None:
            task.add_done_callback(watch.end)
        task.add_done_callback(lambda _: events.put_nowait(None))
        return task, events


def _calling_anyway(failure: OutputParseError) -> Any:
    """Return the answer that could not be parsed, if it calls tools.

    Its text is not the last word then, and arguments that don't fit are told to the model.
    """
    completion = failure.completion
    if completion is None or not completion.choices or not completion.choices[0].message.tool_calls:
        raise failure
    return completion
