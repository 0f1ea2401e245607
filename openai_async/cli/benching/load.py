"""The load of a bench run: requests sent at a pace, their answers read as they come.

Bodies and a pace come in; what happens goes to a tally. It never retries, which would measure the retry, and never says
what the numbers mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import ceil, inf
from typing import Any

import msgspec

from openai_async.api.client import AsyncOpenAI
from openai_async.errors import APIError

from .loop import BenchLoop
from .tally import BenchTally

__all__ = ["Load", "Pace"]

# Seconds between two looks at how late the event loop wakes up.
_LOOK = 0.05


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests are sent, and when.

    Attributes:
        requests: How many in all; None: no matter how many.
        concurrency: How many at once, at most.
        rate: How many begin each second, evenly; None: as soon as there is room.
        duration: Seconds after which none begins; None: no matter how long it takes.
    """

    requests: int | None
    concurrency: int
    rate: float | None = None
    duration: float | None = None


class Load:
    """Requests, and the pace at which they are sent.

    Args:
        client: Sends them.
        bodies: What they ask, one after the other, then from the beginning again.
        pace: When they are sent.
    """

    def __init__(self, client: AsyncOpenAI, bodies: Sequence[Mapping[str, Any]], pace: Pace) -> None:
        self._client = client
        self._bodies = bodies
        self._pace = pace
        self._sent = 0

    async def run(self, tally: BenchTally) -> None:
        """Send the requests and read their answers.

        It ends early when nothing but failures comes. Cancelling it aborts the requests under way, which are then not
        counted; what was counted stays.

        Args:
            tally: Counts what happens.

        Raises:
            OpenAIError: The settings can't be used.
        """
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._ends = inf if self._pace.duration is None else self._began + self._pace.duration
        waited = loop.waited if isinstance(loop, BenchLoop) else None
        tally.start()
        watching = loop.create_task(_watch(tally))
        workers = self._pace.concurrency
        if self._pace.requests is not None:
            workers = min(workers, self._pace.requests)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(loop, tally))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        else:
            tally.missed = self._missed(tally)
        finally:
            watching.cancel()
            tally.stop()
            if isinstance(loop, BenchLoop) and waited is not None:
                tally.idle = loop.waited - waited

    async def _work(self, loop: asyncio.AbstractEventLoop, tally: BenchTally) -> None:
        """Send one request after the other, as long as any is to be sent."""
        while (number := self._next(loop.time(), tally)) is not None:
            if self._pace.rate is not None:
                due = self._began + number / self._pace.rate
                await asyncio.sleep(max(due - loop.time(), 0.0))
                if tally.hopeless:
                    return
                tally.late.add(max(loop.time() - due, 0.0))
            await self._ask(self._bodies[number % len(self._bodies)], loop, tally)

    def _next(self, now: float, tally: BenchTally) -> int | None:
        """The number of the next request, from 0; None: there is none."""
        number = self._sent
        begins = now if self._pace.rate is None else max(now, self._began + number / self._pace.rate)
        if tally.hopeless or number == self._pace.requests or begins >= self._ends:
            return None
        self._sent += 1
        return number

    def _missed(self, tally: BenchTally) -> int:
        """Requests that were due and never sent, once the time is over."""
        pace = self._pace
        if pace.rate is None or pace.duration is None or tally.hopeless:
            return 0
        due = ceil(pace.rate * pace.duration - 1e-6)  # less than what rounding may add
        return max(min(due, pace.requests or due) - self._sent, 0)

    async def _ask(self, body: Mapping[str, Any], loop: asyncio.AbstractEventLoop, tally: BenchTally) -> None:
        began = loop.time()
        streamed = tally.begin()
        try:
            async with self._client.post("/chat/completions", body=body, stream=True) as stream:
                # The client has noted when the first piece was here, and hands it out together with what came before.
                first = stream.timing.first_token
                at = None if first is None else began + first
                async for chunks in stream.batches():
                    streamed.add(chunks, loop.time() if at is None else at)
                    at = None
        except APIError as error:
            tally.fail(error)
        else:
            tally.answer(streamed, loop.time() - began)
        finally:
            if streamed.first is not None:
                tally.first.add(streamed.first - began)


async def _watch(tally: BenchTally) -> None:
    """Measure how late the event loop wakes up, until it is cancelled."""
    loop = asyncio.get_running_loop()
    with suppress(asyncio.CancelledError):
        while True:
            due = loop.time() + _LOOK
            await asyncio.sleep(_LOOK)
            tally.lag.add(max(loop.time() - due, 0.0))
