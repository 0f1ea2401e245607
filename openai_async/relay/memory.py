"""`MemoryBackend`: streams of one process, kept in its memory.

Nothing is stored elsewhere: what this process loses by its end is lost, and nobody else can read it.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from types import TracebackType
from typing import Self
from uuid import uuid4

from .backend import RelaySettings, StreamRecord
from .cursor import Cursor
from .errors import Held, StreamEnded, StreamExpired, TooManyStreams, UnknownStream
from .log import End, MemoryLog
from .producer import Producer

__all__ = ["MemoryBackend"]

# Seconds at least that the id of a stream which is no longer kept is remembered: its readers are told that it is gone.
_REMEMBERED = 3600.0


class MemoryBackend:
    """The backend of a hub that was given none.

    Args:
        first_epoch: Of the first stream; each opened later has the next one. None: the milliseconds since 1970, so
            that a cursor from before a restart is never taken for one of the stream that has the same id now.
    """

    def __init__(self, *, first_epoch: int | None = None) -> None:
        self._settings = RelaySettings()
        self._epochs = count(int(time.time() * 1000) if first_epoch is None else first_epoch)
        self._streams: dict[str, _Stream] = {}
        self._gone: dict[str, tuple[str | None, float]] = {}  # owner, and until when it is remembered; oldest first
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def configure(self, settings: RelaySettings) -> None:
        """Take the hub's settings."""
        self._settings = settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for stream in self._streams.values():
            stream.producer.fence(End("lost"))
        self._streams.clear()

    async def open(self, stream_id: str, *, owner: str | None = None, wait: float = 0) -> Producer:
        """See `RelayBackend.open`; cancelling it leaves no stream behind."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.log.end is None:
            await self._ended(stream.log, wait)
            stream = self._streams.get(stream_id)
        if stream is not None:
            if stream.log.end is None:
                raise Held
            raise StreamEnded(stream.log.end)
        if self._remembers(stream_id):
            raise StreamExpired
        self._make_room()
        log = MemoryLog(next(self._epochs), max_bytes=self._settings.max_stream_bytes)
        producer = Producer(self, stream_id, uuid4().hex, log)
        self._streams[stream_id] = _Stream(producer, owner)
        return producer

    async def _ended(self, log: MemoryLog, wait: float) -> None:
        """Wait until a log has ended, for so many seconds at most."""
        if wait > 0:
            try:
                async with asyncio.timeout(wait):
                    while log.end is None:
                        await log.changed(log.cursor)
            except TimeoutError:
                pass

    def dirty(self, producer: Producer) -> None:
        """Nothing: readers read the producer's own log."""

    async def finish(self, producer: Producer, end: End) -> None:
        """See `RelayBackend.finish`; it does not wait."""
        if producer.log.finish(end):
            self._retain(producer.stream_id)

    async def stop(self, stream_id: str, end: End) -> bool:
        """See `RelayBackend.stop`; it does not wait."""
        stream = self._find(stream_id)
        if stream.log.end is not None:
            return False
        stream.producer.fence(end)
        self._retain(stream_id)
        return True

    async def follow(self, stream_id: str) -> MemoryLog:
        """See `RelayBackend.follow`; it does not wait. A log got is whole as long as somebody has it."""
        return self._find(stream_id).log

    def release(self, stream_id: str, log: MemoryLog) -> None:
        """Nothing: a log lives as long as anybody has it."""

    async def status(self, stream_id: str) -> StreamRecord:
        """See `RelayBackend.status`; it does not wait."""
        stream = self._streams.get(stream_id)
        if stream is None:
            if not self._remembers(stream_id):
                raise UnknownStream
            return StreamRecord("expired", Cursor(0, 0), self._gone[stream_id][0])
        end = stream.log.end
        return StreamRecord("live" if end is None else end.status, stream.log.cursor, stream.owner)

    def _find(self, stream_id: str) -> _Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            raise StreamExpired if self._remembers(stream_id) else UnknownStream
        return stream

    # What is kept, and for how long.

    def _make_room(self) -> None:
        """Let the oldest of the ended streams go if there are as many as may be."""
        if len(self._streams) < self._settings.max_streams:
            return
        if not self._timers:
            raise TooManyStreams(self._settings.max_streams)
        self._forget(next(iter(self._timers)))

    def _retain(self, stream_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._timers[stream_id] = loop.call_later(self._settings.retain, self._forget, stream_id)

    def _forget(self, stream_id: str) -> None:
        """Keep no more of an ended stream than that it was there."""
        self._timers.pop(stream_id).cancel()
        owner = self._streams.pop(stream_id).owner
        now = asyncio.get_running_loop().time()
        self._gone[stream_id] = owner, now + max(self._settings.retain, _REMEMBERED)
        while self._gone:
            oldest, (_, until) = next(iter(self._gone.items()))
            if until > now and len(self._gone) <= self._settings.max_streams:
                break
            del self._gone[oldest]

    def _remembers(self, stream_id: str) -> bool:
        known = self._gone.get(stream_id)
        return known is not None and known[1] > asyncio.get_running_loop().time()


class _Stream:
    """A stream, live or ended."""

    __slots__ = ("log", "owner", "producer")

    def __init__(self, producer: Producer, owner: str | None) -> None:
        self.producer = producer
        self.log: MemoryLog = producer.log
        self.owner = owner
