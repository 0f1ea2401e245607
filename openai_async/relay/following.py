"""`Following`: a subscription as the body of an event stream.

Batches come in, all that came meanwhile at once; bytes of events go out, and how the stream ended. It does no clean-up
while it is iterated: whoever serves it closes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeAlias

from openai_async.errors import OpenAIError

from .log import Batch, End
from .refusal import Refusal
from .sse import DONE, end_event, error_event, events
from .subscription import Subscription

__all__ = ["Following", "Subscribed"]

Subscribed: TypeAlias = Subscription | Callable[[], Subscription]
"""A subscription, or what makes one when the response begins, so that a malformed cursor is answered with its status."""

# Endings after which an OpenAI client may take the answer for what it is: whole, or stopped by somebody who wanted it.
_CLEAN = ("done", "cancelled")
# Bytes of payload that are sent at once: more than a socket takes, and no more than may wait in memory for a slow reader.
_PART = 256 * 1024

_MESSAGES = {
    "error": "The stream failed.",
    "lost": "The process that wrote the answer is gone.",
    "gap": "A part of the stream is no longer kept.",
    "expired": "The stream is no longer kept.",
}


class Following:
    """The events of a subscription.

    Args:
        source: The subscription, read by nothing else; or what makes it, called by `begin`.
        ids: Whether frames have an `id`.
        done: Whether `[DONE]` follows the last frame of a clean ending.
    """

    def __init__(self, source: Subscribed, *, ids: bool, done: bool) -> None:
        self._source = source
        self._subscription: Subscription | None = None
        self._ids = ids
        self._done = done
        self._ended = False
        self._parts: deque[Batch] = deque()  # of the last batch, not sent yet

    async def begin(self) -> None:
        """Find the stream, before anything is sent; cancelling it loses nothing.

        Raises:
            OpenAIError: There is none to read; its `status_code` says why.
        """
        source = self._source
        self._subscription = source if isinstance(source, Subscription) else source()
        await self._subscription.open()

    async def close(self) -> None:
        """Let go of the subscription."""
        if self._subscription is not None:
            await self._subscription.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next events, and at last the ending's.

        Cancelling it loses nothing: the reader's own cursor says where to go on.

        Raises:
            StopAsyncIteration: All is said.
        """
        assert self._subscription is not None  # `begin` came first
        if self._ended:
            raise StopAsyncIteration
        if not self._parts:
            try:
                self._parts.extend(_parts(await self._subscription.__anext__()))
            except StopAsyncIteration:
                self._ended = True
                return self._ending(self._subscription.end)
            except OpenAIError as error:
                self._ended = True
                return error_event(Refusal.of(error).error) + end_event("error")
        return events(self._parts.popleft(), ids=self._ids)

    def _ending(self, end: End | None) -> bytes:
        status = "lost" if end is None else end.status
        told = b""
        if status not in _CLEAN:
            code = f"stream_{status}"
            error = {"message": _MESSAGES[status], "type": "server_error", "param": None, "code": code}
            told = error_event((end.error if end is not None else None) or error)
        elif self._done:
            told = DONE
        return told + end_event(status)


def _parts(batch: Batch) -> Iterator[Batch]:
    """A batch in parts that are sent one by one; most are one."""
    frames, first, reset = batch.frames, batch.first, batch.reset
    if sum(map(len, frames)) <= _PART:
        yield batch
        return
    begin = size = 0
    for place, frame in enumerate(frames):
        if size and size + len(frame) > _PART:
            yield Batch(batch.epoch, first + begin, frames[begin:place], reset and not begin)
            begin, size = place, 0
        size += len(frame)
    yield Batch(batch.epoch, first + begin, frames[begin:], reset and not begin)
