"""`Line`: calls that wait for their leave, first come, first served, those in the background behind all others.

Calls come in and wait; each leaves with a permit, which tells a pacer what came of it. When it is the next one's turn is
the pacer's business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from math import inf
from typing import Protocol

from openai_async.transport.limits import Limiter

from .load import Grant
from .numbers import count

__all__ = ["Line", "Pacer"]


class Pacer(Protocol):
    """What decides when the next one may go; see `Load` and `Pace`, which are some."""

    @property
    def in_flight(self) -> int:
        """Requests that were given leave and are not over."""
        ...

    @property
    def rejected(self) -> int:
        """Requests that were refused with 429."""
        ...

    def wait(self, tokens: int, now: float) -> float:
        """Return the seconds until a request may go."""
        ...

    def grant(self, tokens: int, now: float) -> Grant:
        """Give leave."""
        ...

    def observe(self, grant: Grant, status: int, headers: Mapping[str, str], now: float) -> None:
        """Take note of a response's head."""
        ...

    def settle(self, grant: Grant, used: int | None, now: float) -> None:
        """Take note that a request is over."""
        ...

    def give_back(self, grant: Grant) -> None:
        """Take back a leave that nobody used."""
        ...


class Line:
    """A limiter that lets calls through one after the other, as its pacer says.

    Args:
        pacer: What says it, by the clock of the event loop.
    """

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._waiting: deque[_Waiter] = deque()
        self._behind: deque[_Waiter] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """Attempts that were let through and are not over."""
        return self._pacer.in_flight

    @property
    def rejected(self) -> int:
        """Attempts that the server refused with 429."""
        return self._pacer.rejected

    def __repr__(self) -> str:
        waiting = len(self._waiting) + len(self._behind)
        return f"<{type(self).__name__} in_flight={self.in_flight} waiting={waiting} rejected={self.rejected}>"

    async def acquire(self, *, tokens: int) -> _Permit:
        """Wait for the leave for one attempt; first come, first served.

        Cancelling it gives up the place, and takes nothing from the budget.

        Args:
            tokens: What the attempt may cost, by estimate; 0: not known.

        Raises:
            TypeError: `tokens` is no whole number.
            ValueError: It is below 0.
        """
        return await self._wait(self._waiting, tokens)

    def background(self) -> Limiter:
        """Return a limiter of the same budget whose calls wait for all others: for bulk runs beside online traffic.

        A call of it is let through when no other one waits. Where the others alone use up the budget, it waits as long as
        they do.
        """
        return _Background(self)

    async def _wait(self, line: deque[_Waiter], tokens: int) -> _Permit:
        count("tokens", tokens, least=0)
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), tokens)
        line.append(waiter)
        self._let_go(loop)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled():
                waiter.future.result().give_back()
            else:
                waiter.future.cancel()
            self._let_go(loop)
            raise

    def _first(self) -> deque[_Waiter] | None:
        """The line whose turn it is, its first one still waiting; None: nobody waits."""
        for line in (self._waiting, self._behind):
            while line and line[0].future.done():  # cancelled
                line.popleft()
            if line:
                return line
        return None

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give leave to all that may go, and have the next one looked at when its time comes."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while (line := self._first()) is not None:
            now = loop.time()
            tokens = line[0].tokens
            delay = self._pacer.wait(tokens, now)
            if delay > 0:
                if delay < inf:
                    self._alarm = loop.call_later(delay, self._let_go, loop)
                return
            line.popleft().future.set_result(_Permit(self, self._pacer.grant(tokens, now), loop))


class _Background:
    """See `Line.background`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def __repr__(self) -> str:
        return f"<background of {self._line!r}>"

    async def acquire(self, *, tokens: int) -> _Permit:
        """Wait for the leave for one attempt, behind all others; else as `Line.acquire`."""
        return await self._line._wait(self._line._behind, tokens)


class _Waiter:
    __slots__ = ("future", "tokens")

    def __init__(self, future: asyncio.Future[_Permit], tokens: int) -> None:
        self.future = future
        self.tokens = tokens


class _Permit:
    """The leave for one attempt; see `transport.limits.Permit`."""

    __slots__ = ("_grant", "_line", "_loop")

    def __init__(self, line: Line, grant: Grant, loop: asyncio.AbstractEventLoop) -> None:
        self._line = line
        self._grant = grant
        self._loop = loop

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of a response's head; see `Permit.observe`."""
        self._line._pacer.observe(self._grant, status, headers, self._loop.time())
        self._line._let_go(self._loop)

    def settle(self, used_tokens: int | None) -> None:
        """Take note that the attempt is over; see `Permit.settle`."""
        self._line._pacer.settle(self._grant, used_tokens, self._loop.time())
        if not self._loop.is_closed():
            self._line._let_go(self._loop)

    def give_back(self) -> None:
        """Take it back: nobody used it."""
        self._line._pacer.give_back(self._grant)
