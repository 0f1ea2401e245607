"""`PacedLimiter`: a `Pace` that calls wait for, in order.

Calls come in and wait; each leaves with a permit, told by its client of what the server answers. One limiter stands for
one budget, a model and a key: give it to the client, and online traffic and bulk runs share it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from math import inf

from .pace import Grant, Pace

__all__ = ["PacedLimiter"]


class PacedLimiter:
    """Keeps a client within a server's rate limits, as its answers tell them; nothing is to be set.

        client = AsyncOpenAI(limiter=PacedLimiter())

    Until the first answer a few requests go at once. Then requests go as the server's buckets of requests and tokens fill
    up, refused ones hold back all for as long as the server asks, and signs of overload lower the number of requests at
    once. A server that says nothing of rates is tried with twice as many each time, until it refuses.

    Args:
        share: The part of the budget that is this process's, above 0, up to 1: 0.25 for each of four workers that don't
            know of each other.
        reserve: The part of each bucket that is left alone, 0 or more and below 1.
        probes: Requests at once until the first answer, 1 or more.
        max_in_flight: Requests at once, at most, 1 or more.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self, *, share: float = 1.0, reserve: float = 0.02, probes: int = 8, max_in_flight: int = 1000
    ) -> None:
        self._pace = Pace(share=share, reserve=reserve, probes=probes, max_in_flight=max_in_flight)
        self._waiting: deque[tuple[asyncio.Future[_Permit], int]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """Attempts that were let through and are not over."""
        return self._pace.in_flight

    @property
    def rejected(self) -> int:
        """Attempts that the server refused for its rate limits."""
        return self._pace.rejected

    def __repr__(self) -> str:
        return f"<PacedLimiter in_flight={self.in_flight} waiting={len(self._waiting)} rejected={self.rejected}>"

    async def acquire(self, *, tokens: int) -> _Permit:
        """Wait for the leave for one attempt; first come, first served.

        Cancelling it gives up the place, and takes nothing from the budget.

        Args:
            tokens: What the attempt may cost, by estimate; 0: not known.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[_Permit] = loop.create_future()
        self._waiting.append((waiter, tokens))
        self._let_go(loop)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.result().give_back()
            else:
                waiter.cancel()
            self._let_go(loop)
            raise

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give leave to all that may go, and have the next one looked at when its time comes."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._waiting:
            waiter, tokens = self._waiting[0]
            if waiter.done():  # cancelled
                self._waiting.popleft()
                continue
            now = loop.time()
            delay = self._pace.wait(tokens, now)
            if delay > 0:
                if delay < inf:
                    self._alarm = loop.call_later(delay, self._let_go, loop)
                return
            self._waiting.popleft()
            waiter.set_result(_Permit(self, self._pace.grant(tokens, now), loop))


class _Permit:
    """The leave for one attempt; see `transport.limits.Permit`."""

    __slots__ = ("_grant", "_limiter", "_loop")

    def __init__(self, limiter: PacedLimiter, grant: Grant, loop: asyncio.AbstractEventLoop) -> None:
        self._limiter = limiter
        self._grant = grant
        self._loop = loop

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of a response's head; see `Permit.observe`."""
        self._limiter._pace.observe(self._grant, status, headers, self._loop.time())
        self._limiter._let_go(self._loop)

    def settle(self, used_tokens: int | None) -> None:
        """Take note that the attempt is over; see `Permit.settle`."""
        self._limiter._pace.settle(self._grant, used_tokens, self._loop.time())
        if not self._loop.is_closed():
            self._limiter._let_go(self._loop)

    def give_back(self) -> None:
        """Take it back: nobody used it."""
        self._limiter._pace.give_back(self._grant)
