"""`Calls`: what is being asked of a hub's backend, which ends when the hub does.

Calls come in, and results go out; once the hub closes, those under way are cut off, what they got is given back, and
whoever made them is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from .errors import HubClosed

__all__ = ["Calls"]

T = TypeVar("T")


class Calls:
    """The calls of one hub.

    Attributes:
        open: Whether calls are taken.
    """

    def __init__(self) -> None:
        self.open: bool = False
        self._callers: set[asyncio.Task[Any]] = set()
        self._cut: set[asyncio.Task[Any]] = set()  # those of them that were cancelled here, and were not told yet
        self._through = asyncio.Event()  # the last of them is over

    async def make(
        self, call: Callable[[], Awaitable[T]], *, give_back: Callable[[T], Awaitable[object]] | None = None
    ) -> T:
        """Make a call, and return its result; cancelling it cancels the call.

        Args:
            call: Asks the backend. Cancelled, it has got nothing.
            give_back: Takes back what it has got where the hub has closed meanwhile; None: that is nothing.

        Raises:
            HubClosed: The hub is closed, or closed meanwhile.
            Exception: Whatever the call raises.
        """
        if not self.open:
            raise HubClosed
        task = asyncio.current_task()
        assert task is not None  # coroutines of asyncio's run in one
        cancelling = task.cancelling()
        self._callers.add(task)
        try:
            got = await call()
        except BaseException as error:
            # By somebody else, too: that counts.
            if self._took_back(task) and isinstance(error, asyncio.CancelledError) and task.cancelling() <= cancelling:
                raise HubClosed from None
            raise
        else:
            if not self._took_back(task):
                return got
            if give_back is not None:
                await give_back(got)
            raise HubClosed
        finally:
            self._callers.discard(task)
            if not self._callers:
                self._through.set()

    def _took_back(self, task: asyncio.Task[Any]) -> bool:
        """Take the cancellation of a caller back; False: there was none of ours."""
        if task not in self._cut:
            return False
        self._cut.discard(task)
        task.uncancel()
        return True

    async def close(self, seconds: float) -> None:
        """Take no more, cut off those under way, and wait for so many seconds at most until they are over."""
        self.open = False
        if not self._callers:
            return
        self._through.clear()
        for task in self._callers:
            self._cut.add(task)
            task.cancel()
        with anyio.move_on_after(seconds, shield=True):
            await self._through.wait()
