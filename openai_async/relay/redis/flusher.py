"""`Flusher`: what producers append goes to Redis, all of them in one round trip.

Producers that have something new come in; appends to their logs go out. It writes as soon as the last write is
answered, so a batch is as large as Redis is slow. Redis may be gone for as long as it likes: frames stay in the
producers' memory, and the log is mended from there, whatever it lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from .entry import Compression, fields
from .link import Command, Link, RedisDownError, RedisRefusedError
from .scripts import APPEND

__all__ = ["Flusher", "Replication", "Settings", "Source"]

_BUSY: Final = 500  # streams from which on writes are paced
_PACE: Final = 0.01  # seconds from write to write, then
_PIECE: Final = 1 << 20  # bytes of frames in one entry, unless one frame is larger


class Source(Protocol):
    """The log that is replicated."""

    @property
    def head(self) -> int:
        """The number of the last frame, from 1; 0: there is none."""
        ...

    def frames(self, after: int) -> Sequence[bytes]:
        """The frames behind number `after`."""
        ...

    def fence(self, status: str | None, error: dict[str, Any] | None) -> None:
        """Told that nothing more can be appended: the stream was ended with `status`; None: somebody else holds it."""
        ...

    def written(self) -> None:
        """Told that all is written, the end included."""
        ...


class Settings(msgspec.Struct, frozen=True):
    """Of all logs: `beat` in seconds, how entries are packed, and the rest in milliseconds."""

    lease: int
    beat: float
    ttl: int
    retain: int
    remembered: int
    compress: Compression


class Replication:
    """How far one producer's log is in Redis.

    Args:
        source: The log.
        keys: The log's, the lease's and the record's.
        token: Of the lease.
        epoch: From `OPEN`.
        owner: As the scripts take it.

    Attributes:
        done: Set when nothing is left to write: the end is in Redis, or the producer was fenced.
    """

    def __init__(self, source: Source, keys: tuple[str, str, str], token: str, epoch: int, owner: str) -> None:
        self.source = source
        self.keys = keys
        self.token = token
        self.epoch = epoch
        self.owner = owner
        self.done: asyncio.Event = asyncio.Event()
        self._acked = 0
        self._sent = 0
        self._ends = False  # the command under way has the end; one that comes meanwhile is for the next
        self._end: tuple[str, bytes] | None = None
        self.renewed: float = 0.0

    def finish(self, status: str, error: dict[str, Any] | None) -> None:
        """Note the end, to be written behind all frames."""
        self._end = self._end or (status, msgspec.json.encode(error) if error else b"")

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        return not self.done.is_set() and (self._end is not None or self.source.head > self._acked)

    def command(self, settings: Settings) -> Command:
        """Return the append of what Redis lacks, or a part of it; without frames, it renews the lease."""
        frames = _piece(self.source.frames(self._acked))
        self._sent = self._acked + len(frames)
        self._ends = self._end is not None and self._sent == self.source.head
        status, reason = self._end if self._ends and self._end is not None else ("", b"")
        return [
            "EVALSHA", APPEND.digest, 3, *self.keys, self.token, self.epoch, self._acked + 1, self._sent,
            settings.lease, settings.ttl, settings.retain, settings.remembered, self.owner, status, reason,
            *fields(frames, settings.compress),
        ]  # fmt: skip

    def answered(self, reply: Sequence[Any], now: float) -> None:
        """Take the answer to `command`."""
        word = bytes(reply[0])
        self.renewed = now
        if word == b"ok":
            self._acked = self._sent
            if self._ends:
                self.done.set()
                self.source.written()
        elif word == b"tail" and int(reply[1]) <= self.source.head:
            self._acked = int(reply[1])
        else:  # fenced, ended, or there are frames under our name that are not ours
            ended = word == b"ended"
            error = msgspec.json.decode(reply[2], type=dict[str, Any]) if ended and reply[2] else None
            self.done.set()
            self.source.fence(bytes(reply[1]).decode() if ended else None, error)


class Flusher:
    """Writes replications to Redis, those that have something to write together.

    Args:
        link: Of its own.
        settings: Of all logs.
    """

    def __init__(self, link: Link, settings: Settings) -> None:
        self._link = link
        self._settings = settings
        self._live: set[Replication] = set()
        self._dirty: set[Replication] = set()
        self._wake = asyncio.Event()

    def add(self, replication: Replication) -> None:
        """Take on a replication: its lease is renewed from now on."""
        replication.renewed = asyncio.get_running_loop().time()
        self._live.add(replication)
        self.dirty(replication)

    def dirty(self, replication: Replication) -> None:
        """Note that there is something to write."""
        self._dirty.add(replication)
        self._wake.set()

    def drop(self, replication: Replication) -> None:
        """Write nothing more of it; its lease runs out."""
        self._live.discard(replication)
        self._dirty.discard(replication)

    async def run(self) -> None:
        """Write until cancelled; what was not written then is not in Redis."""
        loop = asyncio.get_running_loop()
        while True:
            self._find_due(loop.time())
            if not self._dirty:
                self._wake.clear()
                await self._wait(self._settings.beat / 4)
                continue
            began = loop.time()
            await self._flush()
            left = _PACE - (loop.time() - began)
            if len(self._live) > _BUSY and left > 0:
                await asyncio.sleep(left)

    async def _wait(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _find_due(self, now: float) -> None:
        """Mark those whose lease is to be renewed; a write renews it too."""
        due = now - self._settings.beat * 0.75
        self._dirty.update(replication for replication in self._live if replication.renewed < due)

    async def _flush(self) -> None:
        batch = [replication for replication in self._dirty if not replication.done.is_set()]
        self._dirty.clear()
        if not batch:
            return
        try:
            replies = await self._link.run([replication.command(self._settings) for replication in batch])
        except RedisDownError:
            self._dirty.update(self._live)  # their leases may run out: renew them with the first write
            await self._link.pause()
            return
        now = asyncio.get_running_loop().time()
        refused = False
        for replication, reply in zip(batch, replies, strict=True):
            if isinstance(reply, RedisRefusedError):
                refused = True
                self._dirty.add(replication)
                continue
            replication.answered(reply, now)
            if replication.done.is_set():
                self.drop(replication)
            elif replication.pending:
                self._dirty.add(replication)
        if refused:
            await self._link.pause()


def _piece(frames: Sequence[bytes]) -> Sequence[bytes]:
    """As many of them as make one entry."""
    size = 0
    for count, frame in enumerate(frames):
        size += len(frame)
        if size > _PIECE and count:
            return frames[:count]
    return frames
