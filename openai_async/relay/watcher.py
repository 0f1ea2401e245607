"""Waiting for what no event tells: a lost connection under aiohttp.web, a server that was told to stop.

Questions come in; whoever waits is woken when one is answered with yes. One timer an event loop asks them all, four
times a second, and stops with the last of them. No task outlives a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

__all__ = ["announce", "until"]

# Seconds between two rounds of questions: a reader that left is freed within a second, at next to no cost.
_INTERVAL = 0.25


class _Watcher:
    """The questions of one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Callable[[], bool], set[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def until(self, question: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(question, set()).add(waiter)
        if self._timer is None:
            self._timer = loop.call_later(_INTERVAL, self._ask)
        try:
            await waiter
        finally:
            waiters = self._waiting.get(question, set())
            waiters.discard(waiter)
            if not waiters:
                self._waiting.pop(question, None)
            if not self._waiting:
                self._rest()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ask(self) -> None:
        for question in list(self._waiting):
            if question():
                self.wake(question)
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._ask)

    def wake(self, question: Callable[[], bool]) -> None:
        for waiter in self._waiting.get(question, set()):
            if not waiter.done():
                waiter.set_result(None)


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watcher] = WeakKeyDictionary()


def _here() -> _Watcher:
    loop = asyncio.get_running_loop()
    watcher = _watchers.get(loop)
    if watcher is None:
        watcher = _watchers[loop] = _Watcher()
    return watcher


async def until(question: Callable[[], bool]) -> None:
    """Wait until a question is answered with yes; it is asked at once, and then four times a second.

    Cancelling it loses nothing. It has no time limit of its own.

    Args:
        question: Quick, and without effects; the same function is asked once for all who wait for it.
    """
    if not question():
        await _here().until(question)


def announce(question: Callable[[], bool]) -> None:
    """Wake all who wait for a question in the running loop, as if it had been answered with yes."""
    _here().wake(question)
