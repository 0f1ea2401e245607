"""`MemoryLog`: the frames of one stream, in order, and everybody who waits for more of them.

Payloads come in; batches go out, to each reader all that came since its cursor. There is no queue for a reader, and
nothing that a slow one could hold up: a reader is a cursor. Nothing here knows of Redis, HTTP or time; all of it
belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from .cursor import Cursor
from .end import End, EndStatus
from .errors import Fenced, StreamTooLarge

__all__ = ["Batch", "End", "EndStatus", "MemoryLog"]


class Batch(msgspec.Struct, frozen=True):
    """Consecutive frames.

    Attributes:
        epoch: The attempt that wrote them.
        first: The number of the first frame; `frames[i]` has `first + i`.
        frames: Payloads, JSON, as the upstream sent them; other readers may have the same list, so don't change it.
            Empty: the batch tells of a reset alone.
        reset: Whether all that the reader has is void, since another attempt began: drop it, then take these.
    """

    epoch: int
    first: int
    frames: Sequence[bytes]
    reset: bool = False

    @property
    def cursor(self) -> Cursor:
        """The place after the last frame."""
        return Cursor(self.epoch, self.first + len(self.frames) - 1)


class MemoryLog:
    """One stream's frames.

    Args:
        epoch: Of the attempt that writes it; 0: none yet.
        max_bytes: Of payload, in bytes.

    Attributes:
        epoch: Of the frames; changed by `reset`.
        frames: All of them, the first one is number 1. Read it, never change it.
        size: Bytes of payload.
        end: How the stream ended; None: it goes on.
    """

    __slots__ = ("_latest", "_waiters", "end", "epoch", "frames", "max_bytes", "size")

    def __init__(self, epoch: int = 0, *, max_bytes: int = 64 << 20) -> None:
        self.epoch: int = epoch
        self.max_bytes: int = max_bytes
        self.frames: list[bytes] = []
        self.size: int = 0
        self.end: End | None = None
        self._waiters: dict[asyncio.Future[None], None] = {}
        self._latest: Batch | None = None  # to the newest frame: most readers are at one place, and share it

    @property
    def cursor(self) -> Cursor:
        """The place of the last frame."""
        return Cursor(self.epoch, len(self.frames))

    # For whoever writes.

    def append(self, payload: bytes) -> None:
        """Add a frame; raises as `extend` does."""
        self.extend((payload,))

    def extend(self, payloads: Iterable[bytes]) -> None:
        """Add frames, and wake whoever waits for them; never waits.

        Raises:
            Fenced: The stream has ended. Nothing was added.
            StreamTooLarge: They are more than the log may hold. Those that fit were added.
            TypeError: A payload is no bytes. Those before it were added.
        """
        if self.end is not None:
            raise Fenced(self.end)
        frames, size, limit = self.frames, self.size, self.max_bytes
        try:
            for payload in payloads:
                if not isinstance(payload, bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - who is untyped errs
                    raise TypeError(f"A payload is bytes, JSON, not {type(payload).__name__}.")
                if size + len(payload) > limit:
                    raise StreamTooLarge(limit)
                frames.append(payload)
                size += len(payload)
        finally:
            self.size = size
            if self._waiters:
                self._wake()

    def finish(self, end: End) -> bool:
        """End the stream, and return True; one that has ended stays as it is, and False is returned."""
        if self.end is not None:
            return False
        self.end = end
        self._wake()
        return True

    def reset(self, epoch: int) -> None:
        """Begin anew, empty and going on, in another epoch.

        Raises:
            ValueError: The epoch is not above the present one.
        """
        if epoch <= self.epoch:
            raise ValueError(f"epoch must grow: {epoch} is not above {self.epoch}")
        self.epoch = epoch
        self.frames = []
        self._latest = None
        self.size = 0
        self.end = None
        self._wake()

    # For whoever reads.

    def since(self, cursor: Cursor) -> Batch | None:
        """Return all that came after a cursor; None: nothing did.

        A cursor of another epoch has read something else: the batch is a reset, and begins with the first frame. One
        of this epoch that is ahead of the log, as a replica's log may lag, gets nothing until the log has caught up.
        """
        if not self._has_more(cursor):
            return None
        if cursor.epoch != self.epoch:
            return Batch(self.epoch, 1, self.frames[:], reset=cursor.seq > 0)
        first, latest = cursor.seq + 1, self._latest
        if latest is None or latest.first != first or cursor.seq + len(latest.frames) != len(self.frames):
            latest = self._latest = Batch(self.epoch, first, self.frames[cursor.seq :])
        return latest

    async def changed(self, cursor: Cursor) -> None:
        """Wait until there is something after a cursor, or the stream has ended; cancelling it loses nothing."""
        while self.end is None and not self._has_more(cursor):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters[waiter] = None
            try:
                await waiter
            finally:
                self._waiters.pop(waiter, None)

    async def follow(self, after: Cursor = Cursor(0, 0)) -> AsyncIterator[Batch]:  # noqa: B008 - it is immutable
        """Yield all after a cursor, then what comes, as one batch each time, until the stream has ended.

        Cancelling it loses nothing: the cursor of the last batch is where to go on.
        """
        cursor = after
        while True:
            batch = self.since(cursor)
            if batch is not None:
                cursor = batch.cursor
                yield batch
            elif self.end is not None:
                return
            else:
                await self.changed(cursor)

    def _has_more(self, cursor: Cursor) -> bool:
        """Whether `since` returns something."""
        if cursor.epoch != self.epoch:
            return self.epoch > 0 and (cursor.seq > 0 or bool(self.frames))
        return cursor.seq < len(self.frames)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
