"""`Job`: one upstream that is read into a stream, whoever listens or leaves.

A source and a producer come in; the stream's end goes out, to its readers and to who started it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias

from .completion import completion_of
from .errors import Fenced, RelayError
from .log import End
from .producer import Producer
from .refusal import Refusal
from .source import Source, opened, payloads_of

if TYPE_CHECKING:
    from openai_async.types.completion import ChatCompletion

__all__ = ["Job", "OnEnd", "ending", "feed"]

OnEnd: TypeAlias = "Callable[[End, ChatCompletion | None], Awaitable[None]]"
"""Told how a stream ended, and of the completion as far as it came; None: nothing came."""

_log = logging.getLogger("openai_async")


async def feed(source: Source, producer: Producer) -> None:
    """Read an upstream to its end into a stream, and leave that open; cancelling it closes the upstream.

    Raises:
        Fenced: The stream is another's, or has ended.
        StreamTooLarge: It holds no more.
        Exception: Whatever the upstream raises.
    """
    async with opened(source) as stream, aclosing(payloads_of(stream)) as lists:
        async for payloads in lists:
            producer.extend(payloads)


def ending(error: BaseException | None) -> End:
    """Return how a stream ends whose writer ended so; None: without an error."""
    if error is None:
        return End("done")
    if isinstance(error, Fenced) and error.end is not None:
        end: End = error.end
        return end
    if isinstance(error, RelayError):
        return End("error", error.error)
    if isinstance(error, Exception):
        return End("error", Refusal.of(error).error)
    return End("lost")  # cancelled, or the process ends


class Job:
    """An upstream in a task of its own.

    Args:
        source: Opens the upstream.
        producer: Of the stream.
        on_end: Called after the end was written; what it raises is logged. None: nobody asks.
    """

    def __init__(self, source: Source, producer: Producer, on_end: OnEnd | None) -> None:
        self._source = source
        self._producer = producer
        self._on_end = on_end
        self._wanted: End | None = None  # how the hub wants it to end; None: it does not
        self._task: asyncio.Task[object] | None = None  # while the upstream is read

    def cancel(self, end: End) -> None:
        """Close the upstream and end the stream so; one that is ending by itself is left alone."""
        self._wanted = self._wanted or end
        self._interrupt()

    def _interrupt(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Read the upstream to its end, end the stream and tell of it; never raises but when it is cancelled.

        Cancelling it otherwise than by `cancel` closes the upstream and ends the stream as "lost".
        """
        end, foreign = await self._read()
        try:
            await self._producer.finish(end)
        except Exception:  # noqa: BLE001 - the backend's
            _log.exception("The end of a stream could not be written.")
        if foreign is not None:
            raise foreign
        if self._on_end is not None:
            log = self._producer.log
            try:
                await self._on_end(log.end or end, completion_of(log.frames))
            except Exception:  # noqa: BLE001 - the user's
                _log.exception("on_end of a stream failed.")

    async def _read(self) -> tuple[End, asyncio.CancelledError | None]:
        """Read the upstream, and return how that ended; with it a cancellation that was not ours."""
        self._producer.on_fence(self._interrupt)
        if (told := self._told()) is not None:
            return told, None
        task = self._task = asyncio.current_task()
        failure: BaseException | None = None
        try:
            await feed(self._source, self._producer)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the upstream's, whose readers are told
            failure = error
        finally:
            self._task = None
        if (told := self._told()) is not None:
            while task is not None and task.cancelling():
                task.uncancel()
            return told, None
        return ending(failure), failure if isinstance(failure, asyncio.CancelledError) else None

    def _told(self) -> End | None:
        """How whoever stopped it wants the stream to end; None: nobody did."""
        fenced = self._producer.fenced
        if fenced is not None:
            return fenced.end or End("lost")
        return self._wanted
