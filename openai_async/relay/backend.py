"""`RelayBackend`: where streams are kept, and who may write them. This module is a contract, and its data.

A hub calls a backend; a backend gives it a `Producer` for a stream that it writes, and a `MemoryLog` for one that it
reads. Whatever the backend, readers read a log in memory: a backend that spans processes keeps a replica of it.
`memory.MemoryBackend` is the one that needs no server.
"""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Protocol, Self

import msgspec

from .cursor import Cursor
from .end import End, EndStatus
from .log import MemoryLog
from .producer import Producer

__all__ = ["RelayBackend", "RelaySettings", "StreamRecord", "StreamStatus"]


class RelaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """A hub's settings as far as they concern a backend.

    Attributes:
        retain: Seconds that a stream is kept after its end.
        lease: Seconds after which a producer that gave no sign is taken for dead.
        beat: Seconds between two of its signs.
        takeover: Seconds that readers of a dead producer's stream wait for another producer, before "lost".
        max_stream_bytes: Bytes of payload of one stream.
        max_streams: Streams kept at once, live and ended ones.
    """

    retain: float = 600
    lease: float = 10
    beat: float = 3
    takeover: float = 0
    max_stream_bytes: int = 64 << 20
    max_streams: int = 10_000


class StreamStatus(msgspec.Struct, frozen=True):
    """What may be told of a stream.

    Attributes:
        status: "live", or how it ended.
        cursor: Of its last frame.
    """

    status: Literal["live"] | EndStatus
    cursor: Cursor


class StreamRecord(msgspec.Struct, frozen=True):
    """What a backend knows of a stream; the owner is for the hub alone, and in no `repr`.

    Attributes:
        status: "live", or how it ended.
        cursor: Of its last frame.
        owner: Whose it is; None: whoever knows its id may read and stop it.
    """

    status: Literal["live"] | EndStatus
    cursor: Cursor
    owner: str | None = None

    def __repr__(self) -> str:
        return f"StreamRecord(status={self.status!r}, cursor={self.cursor!r})"


class RelayBackend(Protocol):
    """What a hub needs. All of it is called in one event loop, between `__aenter__` and `__aexit__`."""

    def configure(self, settings: RelaySettings) -> None:
        """Take the hub's settings; called once, before `__aenter__`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything; the hub has finished its own producers before. Logs still read end as "lost"."""
        ...

    async def open(self, stream_id: str, *, owner: str | None = None, wait: float = 0) -> Producer:
        """Make this process the stream's writer, in an epoch above all before it.

        Whoever opens a stream that exists, to take over from a dead producer, leaves its owner as it is. Cancelling
        it leaves no stream behind, or one that ends as "lost" when its lease has passed.

        Args:
            stream_id: Any text.
            owner: Whose it is; None: anybody's.
            wait: Seconds to wait for a living producer to end or die.

        Raises:
            Held: A living producer writes it, after `wait` still.
            StreamEnded: It has ended, and is kept.
            StreamExpired: It has ended, and is no longer kept, but its id is remembered.
            TooManyStreams: No more may be kept.
        """
        ...

    def dirty(self, producer: Producer) -> None:
        """Note that the producer's log has grown; never waits, never raises."""
        ...

    async def finish(self, producer: Producer, end: End) -> None:
        """End the stream after all that its producer wrote; one that has ended or was taken over stays as it is.

        The producer's own log has ended when this returns, and when it is cancelled or raises, too.
        """
        ...

    async def stop(self, stream_id: str, end: End) -> bool:
        """End a stream, whoever writes it, and fence its producer (`Producer.fence`).

        Returns:
            Whether it was live until now.

        Raises:
            UnknownStream: There is none.
            StreamExpired: It is no longer kept.
        """
        ...

    async def follow(self, stream_id: str) -> MemoryLog:
        """Return the stream's log in this process, caught up with all that was written before this call.

        Every log got is given back with `release`. Cancelling it gives it back.

        Raises:
            UnknownStream: There is none.
            StreamExpired: It is no longer kept.
        """
        ...

    def release(self, stream_id: str, log: MemoryLog) -> None:
        """Take back a log that `follow` returned, once; never waits, never raises."""
        ...

    async def status(self, stream_id: str) -> StreamRecord:
        """Return what is known of a stream; of one no longer kept, whose id is remembered, it is "expired".

        Raises:
            UnknownStream: There is none.
        """
        ...
