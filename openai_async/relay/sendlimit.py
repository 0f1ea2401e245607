"""`SendLimit`: one time limit over many sends, one after another.

Sends come in and are awaited; one that takes too long is cancelled. `asyncio.timeout` makes and cancels a timer for each
send, a sixth of all that a frame over a WebSocket costs; here one timer looks again when it comes due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from .errors import SlowReader

__all__ = ["SendLimit"]


class SendLimit:
    """The limit of one task's sends.

    Args:
        seconds: For each of them; infinite: no limit.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None  # the one that sends now
        self._due = 0.0
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, sending: Awaitable[None]) -> None:
        """Await a send. Cancelling it cancels the send.

        Raises:
            SlowReader: It took too long, and was cancelled.
            Exception: Whatever the send raises.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None  # a coroutine of asyncio's runs in one
        cancelling = task.cancelling()
        self._due = self._loop.time() + self._seconds
        if self._timer is None and self._seconds < float("inf"):
            self._timer = self._loop.call_at(self._due, self._look)
        self._task = task
        try:
            await sending
        except asyncio.CancelledError:
            if not self._took_back(task) or task.cancelling() > cancelling:
                raise  # by somebody else, or by somebody else, too
            raise SlowReader(self._seconds) from None
        finally:
            self._task = None
            self._took_back(task)  # where the send made something else of its cancellation

    def _took_back(self, task: asyncio.Task[object]) -> bool:
        """Take the limit's cancellation of the task back; False: there was none."""
        expired, self._expired = self._expired, False
        if expired:
            task.uncancel()
        return expired

    def close(self) -> None:
        """Take the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The timer came due: for a send that is over, most likely."""
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._expired = True
            self._task.cancel()
