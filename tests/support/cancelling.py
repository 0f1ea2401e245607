"""Cancels a coroutine at each of its suspensions, one run each: what a request that is aborted anywhere leaves behind.

A function that makes the coroutine goes in, and what is to hold after each run; nothing comes out. A cancellation may
find a task while what it waits for is under way, or just done, when the task was not told yet: the latter is what loses
results, and comes "late".
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, Literal

__all__ = ["Cut", "When"]

When = Literal["early", "late"]


class Cut:
    """One run, cancelled once.

    Args:
        point: The suspension at which it is cancelled, from 1.
        when: "early": as it begins to wait; "late": as what it waits for is done.

    Attributes:
        reached: Whether there was such a suspension.
        cancelled: Whether the run ended by the cancellation; one that was over before, or was done all the same, did not.
    """

    def __init__(self, point: int, when: When) -> None:
        self.point = point
        self.when: When = when
        self.reached = False
        self.cancelled = False
        self._count = 0

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it in a task of its own; return its result, or None where it was cancelled.

        Raises:
            Exception: Whatever it raises.
        """
        task = asyncio.create_task(self._whole(work))
        await asyncio.wait([task])
        if task.cancelled():
            self.cancelled = True
            return None
        return task.result()

    async def _whole(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await self._steps(work)

    @types.coroutine
    def _steps(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        thrown: BaseException | None = None
        while True:
            try:
                waited = work.send(None) if thrown is None else work.throw(thrown)
            except StopIteration as done:
                return done.value
            thrown = None
            self._suspended(waited)
            try:
                yield waited
            except BaseException as error:  # noqa: BLE001 - it is thrown into the coroutine
                thrown = error

    def _suspended(self, waited: asyncio.Future[Any] | None) -> None:
        self._count += 1
        if self._count != self.point:
            return
        self.reached = True
        task = asyncio.current_task()
        assert task is not None  # `run` made one
        if self.when == "early" or waited is None:  # None: it comes again with the next turn of the loop
            task.cancel()
        else:
            waited.add_done_callback(lambda _: task.cancel())  # before the task's own, which wakes it
