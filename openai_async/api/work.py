"""`Work`: what a run is waiting for, in a task of its own, so that it can be stopped from elsewhere.

Coroutines come in, one at a time, and their results go out. Nothing here knows what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from openai_async.errors import OpenAIError, StreamStateError
from openai_async.transport.loops import running_loop

__all__ = ["Work"]

R = TypeVar("R")

_GRACE = 5.0  # seconds that cancelled work may take to end; what ignores its cancelling is left behind


class Work:
    """A piece of work under way, or none.

    Attributes:
        aborted: Whether `abort` was called: no further work is done.
    """

    def __init__(self) -> None:
        self.aborted: bool = False
        self._task: asyncio.Task[Any] | None = None

    def start(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Begin the next piece; the one before is over.

        Raises:
            OpenAIError: No event loop of asyncio's is running here.
        """
        try:
            loop = running_loop()
        except OpenAIError:
            work.close()
            raise
        task = self._task = loop.create_task(work)
        if self.aborted:  # by the work itself: an eager task has begun by now
            task.cancel()
        task.add_done_callback(_see)  # whoever waits gets its exception; a run may be dropped, and then nobody does
        return task

    async def finish(self, work: Coroutine[Any, Any, R]) -> R:
        """Do a piece and return its result. Cancelling it cancels the piece, and waits for its end.

        Raises:
            StreamStateError: It was aborted.
            Exception: Whatever the piece raises.
        """
        task = self.start(work)
        try:
            await asyncio.wait([task])
        except BaseException:
            await self.stop()
            await _discard(task)
            raise
        if self.aborted:
            await _discard(task)
        return self.result(task)

    def result(self, task: asyncio.Task[R]) -> R:
        """Return what a finished piece came to; raises as `finish`."""
        if self.aborted:
            raise self.abortion()
        return task.result()

    def abort(self) -> None:
        """Cancel what is under way, and wait for nothing."""
        self.aborted = True
        if self._task is not None:
            self._task.cancel()

    def abortion(self) -> StreamStateError:
        """Return the error that an aborted run ends with."""
        return StreamStateError("The run was aborted; `snapshot` has what was said and done until then.")

    async def stop(self) -> None:
        """Cancel what is under way and wait for its end, though not for ever; harmless when it is over."""
        task, self._task = self._task, None
        if task is None:
            return
        if not task.done():
            task.cancel()
            # Shielded: who waits is being cancelled, most likely, and what is left behind here would leak.
            with anyio.move_on_after(_GRACE, shield=True):
                await asyncio.wait([task])


def _see(task: asyncio.Task[Any]) -> None:
    """Look at the exception of a task that nobody waits for; else asyncio would report it."""
    if not task.cancelled():
        task.exception()


async def _discard(task: asyncio.Task[Any]) -> None:
    """Close the result that nobody gets any more, where it is one to close (a stream)."""
    if task.done() and not task.cancelled() and task.exception() is None:
        result: Any = task.result()
        if hasattr(result.__class__, "aclose"):
            await result.aclose()
