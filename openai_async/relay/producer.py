"""`Producer`: the right to write one stream.

Payloads come in and go to the stream's log, at once; the backend is told, and takes them from there in its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from .end import End
from .errors import Fenced
from .log import MemoryLog

__all__ = ["Keeper", "Producer"]


class Keeper(Protocol):
    """What a producer needs of its backend; see `RelayBackend`."""

    def dirty(self, producer: Producer) -> None:
        """Note that the producer's log has grown."""
        ...

    async def finish(self, producer: Producer, end: End) -> None:
        """End the stream."""
        ...


class Producer:
    """One attempt to write a stream. Backends make it, hubs hand it out.

    Args:
        backend: Told of what is written.
        stream_id: Of the stream.
        token: What tells this attempt from others, for the backend; never shown.
        log: Written by this producer alone, of this attempt's epoch.

    Attributes:
        fenced: Why nothing more can be written; None: it can.
    """

    __slots__ = ("__weakref__", "_backend", "_callbacks", "epoch", "fenced", "log", "stream_id", "token")

    def __init__(self, backend: Keeper, stream_id: str, token: str, log: MemoryLog) -> None:
        self._backend = backend
        self._callbacks: list[Callable[[], object]] = []
        self.stream_id: str = stream_id
        self.token: str = token
        self.epoch: int = log.epoch
        self.log: MemoryLog = log
        self.fenced: Fenced | None = None

    def __repr__(self) -> str:
        state = "fenced" if self.fenced is not None else "ended" if self.log.end is not None else "live"
        return f"<Producer {state} {self.stream_id!r} {self.log.cursor}>"

    def append(self, payload: bytes) -> None:
        """Add a frame; never waits; raises as `extend` does.

        Args:
            payload: One JSON object, as the upstream sent it.
        """
        self.extend((payload,))

    def extend(self, payloads: Iterable[bytes]) -> None:
        """Add frames; never waits.

        Raises:
            Fenced: The stream was stopped or taken over, or has ended: close the upstream. Nothing was added.
            StreamTooLarge: They are more than a stream may hold. Those that fit were added.
            TypeError: A payload is no bytes. Those before it were added.
        """
        if self.fenced is not None:
            raise Fenced(self.fenced.end)
        try:
            self.log.extend(payloads)
        finally:
            self._backend.dirty(self)

    def on_fence(self, callback: Callable[[], object]) -> None:
        """Have a function called, once, when the producer is fenced; at once if it is. It must not raise."""
        if self.fenced is not None:
            callback()
        else:
            self._callbacks.append(callback)

    async def finish(self, end: End) -> None:
        """End the stream; one that is fenced or has ended stays as it is. Cancels and raises as the backend does."""
        if self.fenced is None and self.log.end is None:
            await self._backend.finish(self, end)
        self._callbacks.clear()  # a stream that is kept shall not keep what wrote it

    def fence(self, end: End | None = None) -> None:
        """Let this producer write no more; for backends.

        Args:
            end: How the stream ended, which ends its log; None: another producer has it, and the backend says by
                `log.reset` or `log.finish` how the readers of this log go on.
        """
        if self.fenced is not None:
            return
        self.fenced = Fenced(end)
        if end is not None:
            self.log.finish(end)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
