"""`Crew`: the tasks behind a bulk run, from their first item to the last one's end.

Items and a function come in; results go out as somebody takes them. The tasks belong to the crew and to no scope of the
taker's: nothing is open across a `yield`, and `close` waits for every one of them. What is pulled and not yet taken is
bounded, so that a slow taker slows the calls down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from .result import Result
from .source import END, Source
from .stopped import BulkStoppedError

__all__ = ["Crew"]

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger("openai_async")

# Seconds that cancelled calls have to end; who takes longer is left behind, and logged.
_GRACE = 5.0
# Seconds that calls under way have to be answered when the money ran out behind them: they may be paid for.
_PATIENCE = 30.0
# Items that are skipped in a row before other tasks get their turn.
_SKIPS = 200


class Crew(Generic[T, R]):
    """The workers, each a task that makes one call after the other.

    Args:
        source: The items.
        call: Makes the call for an item, given its place; None: there is nothing to be called or told.
        keep: Told of results, each once, before they are handed out; what it raises ends the run.
        limit: How many calls may be under way. As many results again may wait to be taken, in order or not.
        ordered: Hand the results out in the order of the items.
        strict: Whether to pull no more items after a failure.
    """

    def __init__(
        self,
        source: Source[T],
        call: Callable[[int, T], Awaitable[Result[T, R] | None]],
        *,
        keep: Callable[[Sequence[Result[T, R]]], None],
        limit: int,
        ordered: bool,
        strict: bool,
    ) -> None:
        self._source = source
        self._call = call
        self._keep = keep
        self._limit = limit
        self._window = 2 * limit
        self._strict = strict
        self._held = 0  # items that were pulled, their results not yet taken
        self._finished: list[Result[T, R]] = []  # not yet kept
        self._ready: deque[Result[T, R]] = deque()
        self._early: dict[int, Result[T, R] | None] | None = {} if ordered else None
        self._next = 0  # the place whose result goes out next, if ordered
        self._workers: set[asyncio.Task[None]] = set()
        self._helpers: set[asyncio.Task[None]] = set()
        self._room: deque[asyncio.Future[None]] = deque()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._failure: Exception | None = None
        self._busy = 0  # calls under way
        self._patience: asyncio.TimerHandle | None = None
        self._stopping = False
        self._closed = False

    def start(self, *helpers: Coroutine[Any, Any, None]) -> None:
        """Begin, in the running loop.

        Args:
            helpers: Run beside the calls until the end; what one of them raises ends the run.
        """
        if self._source.needs_feeding:
            self._help(self._source.feed())
        for helper in helpers:
            self._help(helper)
        self._hire()

    async def take(self) -> Result[T, R] | None:
        """Wait for the next result; None: there are no more. Cancelling it loses no result.

        Raises:
            Exception: What ended the run: of the iterable, or of the journal. Results that are there come first; before a
                BulkStoppedError also those of calls under way that may be paid for, for 30 s at most.
        """
        while self._closed or not self._ready:
            if self._closed:
                return None
            if self._failure is not None and self._patience is None:
                raise self._failure
            if not self._workers:
                return None
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            await taker
        return self.take_now()

    def take_now(self) -> Result[T, R] | None:
        """Return the next result, if there is one."""
        if not self._ready or self._closed:
            return None
        self._let_go()
        return self._ready.popleft()

    async def close(self) -> None:
        """Cancel every task and wait until it has ended, for five seconds at most."""
        self._stopping = self._closed = True
        self._lose_patience()
        tasks = self._workers | self._helpers
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE)
            if late:
                _log.warning(
                    "%d calls of a bulk run are still running %g s after they were cancelled", len(late), _GRACE
                )
        self._ready.clear()
        self._wake_all(self._takers)

    def _hire(self) -> None:
        worker = asyncio.create_task(self._work())
        self._workers.add(worker)
        worker.add_done_callback(self._leave)

    def _help(self, helper: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(helper)
        self._helpers.add(task)
        task.add_done_callback(self._helped)

    async def _work(self) -> None:
        skipped = 0
        while not self._stopping:
            if self._held >= self._window:
                room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._room.append(room)
                await room
                continue
            self._held += 1  # before the item is there, as others pull meanwhile
            pulled = self._source.take_now() or await self._source.take()
            if pulled is END:
                self._stopping = True
                self._wake_all(self._room)
                return
            if len(self._workers) < self._limit and not self._stopping:
                self._hire()
            if self._failure is not None:
                return
            place, item = pulled
            self._busy += 1
            try:
                result = await self._call(place, item)
            finally:
                self._busy -= 1
            if result is not None:
                skipped = 0
                self._finish(result)
                continue
            self._skip(place)
            skipped += 1
            if skipped == _SKIPS:
                skipped = 0
                await asyncio.sleep(0)

    def _finish(self, result: Result[T, R]) -> None:
        """Have a result kept and handed out, with those of all calls that end in this turn of the loop."""
        if self._strict and result.error is not None:
            self._stopping = True
        if not self._finished:
            asyncio.get_running_loop().call_soon(self._settle)
        self._finished.append(result)

    def _settle(self) -> None:
        finished, self._finished = self._finished, []
        try:
            self._keep(finished)
        except Exception as error:  # noqa: BLE001 - the journal's; who takes raises it
            self._fail(error)
            return
        if self._early is None:
            self._ready.extend(finished)
        else:
            self._early.update((result.index, result) for result in finished)
            self._put_in_order(self._early)
        self._call_takers()

    def _skip(self, place: int) -> None:
        if self._early is None:
            self._let_go()
            return
        self._early[place] = None
        self._put_in_order(self._early)
        self._call_takers()

    def _put_in_order(self, early: dict[int, Result[T, R] | None]) -> None:
        while self._next in early:
            result = early.pop(self._next)
            self._next += 1
            if result is None:
                self._let_go()
            else:
                self._ready.append(result)

    def _call_takers(self) -> None:
        """Wake as many as there are results for."""
        for _ in range(min(len(self._ready), len(self._takers))):
            self._wake(self._takers)

    def _let_go(self) -> None:
        self._held -= 1
        if self._room:
            self._wake(self._room)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._note(worker)
        if not self._busy:
            self._lose_patience()
        if not self._workers:
            self._wake_all(self._takers)

    def _helped(self, helper: asyncio.Task[None]) -> None:
        self._helpers.discard(helper)
        self._note(helper)

    def _note(self, task: asyncio.Task[None]) -> None:
        """See what ended a task; what nobody expected ends the run."""
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Let the run end with an error."""
        waits = isinstance(error, BulkStoppedError) and error.paid
        if not waits:
            self._lose_patience()
        elif self._failure is None and self._busy:
            self._patience = asyncio.get_running_loop().call_later(_PATIENCE, self._lose_patience)
        self._stopping = True
        self._failure = self._failure or error
        self._wake_all(self._takers)
        self._wake_all(self._room)

    def _lose_patience(self) -> None:
        """Wait no longer for calls under way, if that was done."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
            self._wake_all(self._takers)

    def _wake(self, waiting: deque[asyncio.Future[None]]) -> None:
        """Wake the first who still waits."""
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(None)
                return

    def _wake_all(self, waiting: deque[asyncio.Future[None]]) -> None:
        while waiting:
            with contextlib.suppress(asyncio.InvalidStateError):
                waiting.popleft().set_result(None)
