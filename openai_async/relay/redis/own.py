"""`OwnStream`: a stream that this process writes, as its replication sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from openai_async.relay.end import End
from openai_async.relay.producer import Producer

from .flusher import Replication
from .look import end_of, written_owner

__all__ = ["OwnStream"]


class _LetGo(Protocol):
    def __call__(self, own: OwnStream, *, taken: bool) -> None: ...


class OwnStream:
    """A producer's log, and how far it is in Redis.

    Args:
        producer: Whose log it is.
        owner: The stream's; None: anybody's.
        keys: The log's, the lease's and the record's.
        let_go: Called when nothing more is written: all is, or the stream was stopped or `taken` by another producer.
    """

    def __init__(self, producer: Producer, owner: str | None, keys: tuple[str, str, str], let_go: _LetGo) -> None:
        self.producer = producer
        self.owner = owner
        self.replication: Replication = Replication(self, keys, producer.token, producer.epoch, written_owner(owner))
        self._let_go: Callable[..., None] = let_go

    @property
    def head(self) -> int:
        """The number of the last frame."""
        return len(self.producer.log.frames)

    def frames(self, after: int) -> Sequence[bytes]:
        """The frames behind number `after`."""
        return self.producer.log.frames[after:]

    def fence(self, status: str | None, error: dict[str, Any] | None) -> None:
        """Let the producer write no more."""
        self.producer.fence(None if status is None else end_of(status.encode(), error))
        self._let_go(self, taken=status is None)

    def stop(self, end: End) -> None:
        """End it here, as somebody stopped it; the end is to be written behind all frames."""
        self.replication.finish(end.status, end.error)
        self.producer.fence(end)

    def written(self) -> None:
        """All is in Redis."""
        self._let_go(self, taken=False)
