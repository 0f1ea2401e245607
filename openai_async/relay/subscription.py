"""`Subscription`: one reader of a stream.

A log comes in, and where to begin; batches go out, each of them all that came since the last. A reader that is slow gets
larger ones, and holds up nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from openai_async.errors import StreamStateError

from .cursor import Cursor
from .log import Batch, End, MemoryLog
from .merge import merged

__all__ = ["Replay", "Subscription"]

Replay = Literal["frames", "merged"]


class Subscription(AsyncIterator[Batch]):
    """An async iterator of batches, until the stream has ended; made by `RelayHub.subscribe`.

    It finds its stream with the first batch, or with `open`. One task at a time reads it; one that is not read to its
    end is closed (`async with`, or `aclose`).

    Args:
        join: Finds the log.
        leave: Takes it back.
        after: Where to begin.
        replay: How what was there before is handed out.

    Attributes:
        cursor: Of the last batch handed out.
        end: How the stream ended, once that was read; None: it goes on, or was not read to its end.
    """

    def __init__(
        self,
        join: Callable[[], Awaitable[MemoryLog]],
        leave: Callable[[MemoryLog], None],
        after: Cursor,
        replay: Replay,
    ) -> None:
        self.cursor: Cursor = after
        self.end: End | None = None
        self._join = join
        self._leave = leave
        self._merges = replay == "merged"
        self._ready: deque[Batch] = deque()
        self._log: MemoryLog | None = None
        self._closed = False
        self._reading = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._log is not None else "new"
        return f"<Subscription {state} {self.cursor}>"

    @property
    def behind(self) -> int:
        """How many frames are there to be read, without waiting."""
        log = self._log
        if log is None:
            return 0
        return max(0, len(log.frames) - (self.cursor.seq if self.cursor.epoch == log.epoch else 0))

    async def open(self) -> None:
        """Find the stream, if that was not done yet; cancelling it loses nothing.

        Raises:
            UnknownStream: There is none, or it is another owner's.
            StreamExpired: It is no longer kept.
            HubClosed: The hub is not running, or closed meanwhile.
            StreamStateError: The subscription was closed.
        """
        if self._closed:
            raise StreamStateError("The subscription is closed; subscribe again with its cursor.")
        if self._log is None:
            self._take(await self._join())

    def _take(self, log: MemoryLog) -> None:
        if self._closed or self._log is not None:  # by another task, meanwhile
            self._leave(log)
        else:
            self._log = log

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        """Return all that came since the last batch, waiting for one frame at least; cancelling it loses nothing.

        Raises:
            StopAsyncIteration: The stream has ended, and `end` says how; or the subscription was closed.
            StreamStateError: Another task is reading.
            RelayError: The first time, what `open` raises.
        """
        if self._reading:
            raise StreamStateError("Another task is reading this subscription; it has one reader.")
        if self._closed:
            raise StopAsyncIteration
        self._reading = True
        try:
            if self._log is None:
                await self.open()
            batch = await self._next()
        finally:
            self._reading = False
        if batch is None:
            self._let_go()
            raise StopAsyncIteration
        self.cursor = batch.cursor
        return batch

    async def _next(self) -> Batch | None:
        """The next batch; None: there will be none."""
        while True:
            log = self._log
            if log is None:
                return None  # closed by another task
            if self._ready and self._ready[0].epoch == log.epoch:
                return self._ready.popleft()
            self._ready.clear()
            batch = log.since(self.cursor)
            if batch is not None:
                if not self._merges:
                    return batch
                self._merges = False  # what comes from here on is no replay
                self._ready.extend(merged(batch))
            elif log.end is not None:
                self.end = log.end
                return None
            else:
                self._merges = False
                await log.changed(self.cursor)

    async def aclose(self) -> None:
        """Read no more; it does not wait. A task that waits for a batch goes on until the next one comes."""
        self._let_go()

    def _let_go(self) -> None:
        log, self._log, self._closed = self._log, None, True
        self._ready.clear()
        if log is not None:
            self._leave(log)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def __del__(self) -> None:
        with suppress(AttributeError):  # `__init__` failed
            self._let_go()
