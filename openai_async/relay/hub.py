"""`RelayHub`: streams that outlive the requests that began them.

Sources come in, and are read in the hub's own tasks; subscriptions go out, as many as there are readers, each from
where its reader wants to begin. The hub knows who may read, when nobody does, and when to end; a backend keeps.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal, Self
from uuid import uuid4

import anyio

from .backend import RelayBackend, RelaySettings, StreamRecord, StreamStatus
from .calls import Calls
from .cursor import Cursor
from .errors import Held, RelayError, StreamEnded, StreamExpired
from .job import Job, OnEnd, ending
from .log import End, MemoryLog
from .memory import MemoryBackend
from .owner import check_owner, may
from .producer import Producer
from .shield import shielded
from .source import Source
from .subscription import Replay, Subscription

__all__ = ["OnIdle", "RelayHub"]

OnIdle = Literal["continue", "cancel"]

_log = logging.getLogger("openai_async")

# Seconds for what must be done when a stream or the hub is cancelled: closing upstreams, writing ends.
_LAST = 5.0

_SHUTDOWN = End(
    "error",
    {"message": "The server is shutting down.", "type": "server_error", "param": None, "code": "shutdown"},
)


class RelayHub:
    """A process's streams. Use it with `async with`, once, for as long as the process serves.

    Args:
        backend: Keeps the streams; None: the memory of this process.
        retain: Seconds that a stream can be read after its end.
        lease: Seconds after which a silent producer of another process is taken for dead.
        beat: Seconds between two signs of a producer.
        takeover: Seconds to wait for another producer before a dead one's stream ends as "lost".
        max_stream_bytes: Bytes of one stream's payloads; a larger one ends with an error.
        max_streams: Streams kept at once. Ended ones make room for new ones, live ones don't.
        on_idle: Whether a stream of this process that nobody in it reads goes on, or is stopped.
        idle_grace: Seconds that nobody reads it before it is stopped.
        drain: Seconds that streams may go on when the hub closes; then they end with an error, code "shutdown".

    Raises:
        ValueError: A number is not one that makes sense.
    """

    def __init__(
        self,
        backend: RelayBackend | None = None,
        *,
        retain: float = 600,
        lease: float = 10,
        beat: float = 3,
        takeover: float = 0,
        max_stream_bytes: int = 64 << 20,
        max_streams: int = 10_000,
        on_idle: OnIdle = "continue",
        idle_grace: float = 30,
        drain: float = 5,
    ) -> None:
        if on_idle not in ("continue", "cancel"):
            raise ValueError(f'on_idle must be "continue" or "cancel", not {on_idle!r}')
        if not 0 < beat < lease:
            raise ValueError("beat must be above 0 and below lease, both in seconds")
        for name, value in {"retain": retain, "takeover": takeover, "idle_grace": idle_grace, "drain": drain}.items():
            if not value >= 0:
                raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
        if max_stream_bytes < 1 or max_streams < 1:
            raise ValueError("max_stream_bytes and max_streams must be 1 or more")
        settings = RelaySettings(
            retain=retain,
            lease=lease,
            beat=beat,
            takeover=takeover,
            max_stream_bytes=max_stream_bytes,
            max_streams=max_streams,
        )
        self._backend: RelayBackend = MemoryBackend() if backend is None else backend
        self._backend.configure(settings)
        self._cancels_idle = on_idle == "cancel"
        self._idle_grace = idle_grace
        self._drain = drain
        self._calls = Calls()
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: dict[str, int] = {}
        self._idle: dict[str, asyncio.TimerHandle] = {}

    async def __aenter__(self) -> Self:
        if self._calls.open:
            raise RuntimeError("The hub is running already.")
        await self._backend.__aenter__()
        self._calls.open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the streams of this process go on for `drain` seconds, then end them; cancelling it ends them at once."""
        try:
            await self._calls.close(_LAST)
            if self._tasks and self._drain and (error is None or isinstance(error, Exception)):
                await asyncio.wait(self._tasks, timeout=self._drain)
        finally:
            for timer in self._idle.values():
                timer.cancel()
            self._idle.clear()
            try:
                await shielded(self._end_all())
            finally:
                with anyio.CancelScope(shield=True):
                    await self._backend.__aexit__(kind, error, trace)

    async def _end_all(self) -> None:
        """End what is left, within `_LAST` seconds, twice: what does not stop is told again, and then given up."""
        for job in self._jobs.values():
            job.cancel(_SHUTDOWN)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LAST)
            for task in late:
                task.cancel()
            if late and (await asyncio.wait(late, timeout=_LAST))[1]:
                _log.error("An upstream or on_end of a stream does not stop when it is cancelled; it was left behind.")

    # Writing.

    async def start(
        self, source: Source, *, stream_id: str | None = None, owner: str | None = None, on_end: OnEnd | None = None
    ) -> str:
        """Begin a stream, and return its id; a stream of this id that is there already is left as it is.

        The source is opened, read and closed in a task of the hub: nothing that becomes of the caller reaches it. An
        upstream that fails ends the stream with an error; it is not raised here. Cancelling it begins nothing.

        Args:
            source: Opens the upstream; called once, or never if the stream is there.
            stream_id: None: a new one, that cannot be guessed.
            owner: Who may read and stop it, any text that stands for a user; None: whoever knows the id.
            on_end: Told of the end, with what was received.

        Raises:
            Held: The stream is there, and another owner's.
            StreamExpired: There was one of this id, which is no longer kept.
            TooManyStreams: No more may be kept.
            HubClosed: The hub is not running, or closed meanwhile.
        """
        stream_id = uuid4().hex if stream_id is None else stream_id
        try:
            producer = await self._open(stream_id, owner)
        except (Held, StreamEnded):
            if not may(owner, await self._calls.make(lambda: self._backend.status(stream_id))):
                raise Held from None
            return stream_id
        job = self._jobs[stream_id] = Job(source, producer, on_end)
        self._spawn(job.run()).add_done_callback(lambda _: self._forget(stream_id, job))
        self._watch_idle(stream_id)
        return stream_id

    @asynccontextmanager
    async def producer(
        self, stream_id: str, *, owner: str | None = None, wait: float = 0
    ) -> AsyncGenerator[Producer, None]:
        """Write a stream oneself, as workers do: it ends as the `async with` ends.

        Left in order it is "done", by an error it ends with that, cancelled it is "lost". When it is stopped or taken
        over, `append` raises `Fenced`, which is to be let through; `Producer.on_fence` tells of it at once.

        Args:
            stream_id: Any text.
            owner: Who may read and stop it; None: whoever knows the id. Of a stream taken over it stays as it is.
            wait: Seconds to wait for a living producer to end or die; the hub's end is the end of that.

        Raises:
            Held: A living producer writes it, after `wait` still.
            StreamEnded: It has ended, and is kept.
            StreamExpired: It is no longer kept.
            TooManyStreams: No more may be kept.
            HubClosed: The hub is not running, or closed meanwhile.
        """
        producer = await self._open(stream_id, owner, wait)
        try:
            yield producer
        except BaseException as error:
            with anyio.move_on_after(_LAST, shield=True):
                await producer.finish(ending(error))
            raise
        await producer.finish(End("done"))

    async def stop(self, stream_id: str, *, owner: str | None = None) -> bool:
        """End a stream as "cancelled" for all its readers, and close its upstream, wherever that is read.

        Cancelled, or failed as the backend can't be reached, it may have stopped the stream or not: ask again.

        Returns:
            Whether it was live until now.

        Raises:
            UnknownStream: There is none, or it is another owner's.
            HubClosed: The hub is not running, or closed meanwhile.
        """
        record = await self._find(stream_id, owner)
        if record.status != "live":
            return False
        try:
            return await self._calls.make(lambda: self._backend.stop(stream_id, End("cancelled")))
        except StreamExpired:
            return False

    # Reading.

    def subscribe(
        self,
        stream_id: str,
        *,
        after: Cursor | str | None = None,
        owner: str | None = None,
        replay: Replay = "frames",
    ) -> Subscription:
        """Return a reader of a stream, from a cursor on; whether there is such a stream shows when it is read.

        Args:
            stream_id: As `start` returned it.
            after: The last that was read, a `Last-Event-ID`; None or empty: nothing was.
            owner: Who asks.
            replay: Whether what is there already comes as it was written ("frames"), or its text in few pieces
                ("merged"), whose cursors are as good.

        Raises:
            BadCursor: `after` is no cursor.
            ValueError: `replay` is something else.
        """
        if replay not in ("frames", "merged"):
            raise ValueError(f'replay must be "frames" or "merged", not {replay!r}')
        cursor = after if isinstance(after, Cursor) else Cursor.parse(after)
        return Subscription(
            lambda: self._join(stream_id, owner), lambda log: self._leave(stream_id, log), cursor, replay
        )

    async def status(self, stream_id: str, *, owner: str | None = None) -> StreamStatus:
        """Return how a stream is, and how far; cancelling it loses nothing.

        Raises:
            UnknownStream: There is none, or it is another owner's.
            HubClosed: The hub is not running, or closed meanwhile.
        """
        record = await self._find(stream_id, owner)
        return StreamStatus(record.status, record.cursor)

    async def _join(self, stream_id: str, owner: str | None) -> MemoryLog:
        record = await self._find(stream_id, owner)
        if record.status == "expired":
            raise StreamExpired

        async def release(log: MemoryLog) -> None:
            self._backend.release(stream_id, log)

        log = await self._calls.make(lambda: self._backend.follow(stream_id), give_back=release)
        self._readers[stream_id] = self._readers.get(stream_id, 0) + 1
        if (timer := self._idle.pop(stream_id, None)) is not None:
            timer.cancel()
        return log

    def _leave(self, stream_id: str, log: MemoryLog) -> None:
        self._backend.release(stream_id, log)
        self._readers[stream_id] -= 1
        if not self._readers[stream_id]:
            del self._readers[stream_id]
            self._watch_idle(stream_id)

    # What goes on meanwhile.

    async def _open(self, stream_id: str, owner: str | None, wait: float = 0) -> Producer:
        """Make a producer; one that comes too late is taken back, for whoever opens the stream elsewhere."""
        return await self._calls.make(
            lambda: self._backend.open(stream_id, owner=owner, wait=wait),
            give_back=lambda late: late.finish(End("lost")),
        )

    async def _find(self, stream_id: str, owner: str | None) -> StreamRecord:
        record = await self._calls.make(lambda: self._backend.status(stream_id))
        check_owner(owner, record)
        return record

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _forget(self, stream_id: str, job: Job) -> None:
        if self._jobs.get(stream_id) is job:
            del self._jobs[stream_id]
        if (timer := self._idle.pop(stream_id, None)) is not None:
            timer.cancel()

    def _watch_idle(self, stream_id: str) -> None:
        """Stop a stream of this hub in a while, unless somebody reads it until then."""
        if self._cancels_idle and self._calls.open and stream_id in self._jobs and stream_id not in self._readers:
            loop = asyncio.get_running_loop()
            self._idle[stream_id] = loop.call_later(self._idle_grace, lambda: self._spawn(self._stop_idle(stream_id)))

    async def _stop_idle(self, stream_id: str) -> None:
        self._idle.pop(stream_id, None)
        if stream_id in self._readers:
            return
        try:
            await self._backend.stop(stream_id, End("cancelled"))
        except RelayError:
            pass  # it is gone by itself
        except Exception:  # noqa: BLE001 - the backend's
            _log.exception("A stream that nobody reads could not be stopped.")
