"""`RedisBackend`: streams that any process on the same Redis may write, read and stop.

A hub's calls come in; a log in Redis for each stream goes out, of which every process that reads it has a replica in
memory. Three connections a process serve all streams: one writes, one waits for entries, one asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import msgspec

from openai_async.relay.backend import RelaySettings, StreamRecord
from openai_async.relay.cursor import Cursor
from openai_async.relay.errors import Held, StreamEnded, StreamExpired, TooManyStreams, UnknownStream
from openai_async.relay.log import End, MemoryLog
from openai_async.relay.producer import Producer

from .entry import Compression
from .flusher import Flusher, Settings
from .keys import check_prefix, keys
from .link import Link, RedisDownError, RedisRefusedError, Server
from .look import Look, end_of, look, read_owner, written_owner
from .openings import Openings
from .own import OwnStream
from .reader import Reader
from .replica import Replica
from .scripts import ANNOUNCE, LAST, LOOK, OPEN, STOP
from .tasks import Tasks

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisBackend", "RedisDownError", "RedisRefusedError"]

_log = logging.getLogger("openai_async")

# Seconds at least that a stream's id is remembered when the stream is no longer kept.
_REMEMBERED = 3600.0
_VERDICTS = (End("lost"), End("gap"))  # how a stream may end in one process alone


class RedisBackend:
    """Keeps streams in Redis; for `RelayHub(RedisBackend(url))`. How long, and for whom, are the hub's settings.

    Args:
        url_or_client: `redis://`, `rediss://` or `unix://`; or a `redis.asyncio.Redis`, whose settings are used, and
            not its connections. Clusters and sentinels are not supported.
        prefix: Of all keys.
        ttl: Seconds that a live stream is kept after the last sign of its producer.
        compress: "zlib" makes streams 8 times smaller in Redis, and costs the producer 1 µs a frame.
        timeout: Seconds that Redis may take to connect and to answer, before it counts as down.

    Raises:
        ValueError: The URL can't be read, a number is not above 0, or `prefix` has a brace.
        TypeError: It is neither a URL nor such a client.
    """

    def __init__(
        self,
        url_or_client: str | Redis,
        *,
        prefix: str = "oa:",
        ttl: float = 86_400,
        compress: Compression = "none",
        timeout: float = 5,
    ) -> None:
        check_prefix(prefix)
        if compress not in ("none", "zlib"):
            raise ValueError(f'compress is "none" or "zlib", not {compress!r}')
        if ttl <= 0 or timeout <= 0:
            raise ValueError(f"ttl and timeout are seconds above 0, not {ttl!r} and {timeout!r}")
        self._server = Server(url_or_client)
        self._prefix = prefix
        self._ttl = ttl
        self._compress: Compression = compress
        self._timeout = timeout
        self._own: dict[str, OwnStream] = {}
        self._replicas: dict[str, Replica] = {}
        self._tasks = Tasks()
        self._openings = Openings()
        self.configure(RelaySettings())

    def __repr__(self) -> str:
        return f"RedisBackend({self._server!r}, prefix={self._prefix!r})"

    def configure(self, settings: RelaySettings) -> None:
        """Take the hub's settings."""
        self._settings = settings
        self._remembered = settings.retain + max(settings.retain, _REMEMBERED)
        self._read, self._write, self._ask = (Link(self._server, timeout=self._timeout) for _ in range(3))
        times = _ms(settings.lease), settings.beat, _ms(self._ttl), _ms(settings.retain), _ms(self._remembered)
        self._flusher = Flusher(self._write, Settings(*times, self._compress))
        self._reader = Reader(self._read, self._ask, lease=settings.lease, takeover=settings.takeover)

    async def __aenter__(self) -> Self:
        """Begin; Redis need not be there yet."""
        self._tasks.start(
            flusher=self._flusher.run,
            reader=self._reader.run,
            watcher=self._reader.watch,
            interrupter=self._reader.interrupt,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._tasks.stop(self._openings.settle())
        finally:
            for own in list(self._own.values()):
                own.producer.fence(End("lost"))
            for replica in list(self._replicas.values()):
                replica.fail("lost")
            self._own.clear()
            self._replicas.clear()
            for link in (self._read, self._write, self._ask):
                await link.close()

    # Writing.

    async def announce(self, stream_id: str, *, owner: str | None = None, wait: float = 3600) -> bool:
        """Make a stream known that somebody will open: readers who come before find it, and wait.

        Args:
            stream_id: Of the stream.
            owner: Whose it is; None: anybody's.
            wait: Seconds until it is lost, unless somebody has opened it.

        Returns:
            Whether it was new; one that is known stays as it is.

        Raises:
            RedisDownError: Redis can't be reached.
            RedisRefusedError: It refused.
        """
        return bool((await self._script(ANNOUNCE.digest, stream_id, _ms(wait), written_owner(owner)))[0] == b"ok")

    async def open(self, stream_id: str, *, owner: str | None = None, wait: float = 0) -> Producer:
        """See `RelayBackend.open`; cancelled, it gives back what Redis grants then.

        Raises:
            RedisDownError: Redis could not be reached, after `wait` still.
            RedisRefusedError: It refused.
        """
        token = uuid4().hex
        ends = asyncio.get_running_loop().time() + wait
        while True:
            left = ends - asyncio.get_running_loop().time()
            if len(self._own) + self._openings.under_way >= self._settings.max_streams:
                raise TooManyStreams(self._settings.max_streams)
            try:
                return await self._openings.wait(self._open(stream_id, token, owner))
            except (Held, RedisDownError):
                if left <= 0:
                    raise
            await asyncio.sleep(min(left, 1.0, self._settings.lease / 3))

    async def _open(self, stream_id: str, token: str, owner: str | None) -> Producer:
        lease, ttl = _ms(self._settings.lease), _ms(self._ttl)
        word, *more = await self._script(OPEN.digest, stream_id, token, lease, ttl, written_owner(owner))
        if word == b"ended":
            raise StreamEnded(end_of(*more))
        if word == b"expired":
            raise StreamExpired
        if word != b"ok":
            raise Held
        producer = Producer(self, stream_id, token, MemoryLog(int(more[0]), max_bytes=self._settings.max_stream_bytes))
        own = self._own[stream_id] = OwnStream(producer, read_owner(more[1]), self._keys(stream_id), self._let_go)
        self._flusher.add(own.replication)
        return producer

    def dirty(self, producer: Producer) -> None:
        """See `RelayBackend.dirty`."""
        own = self._own.get(producer.stream_id)
        if own is not None and own.producer is producer:
            self._flusher.dirty(own.replication)

    async def finish(self, producer: Producer, end: End) -> None:
        """See `RelayBackend.finish`. It waits for Redis as long as Redis may take to answer, and goes on without it.

        The end is written once Redis is back, if this backend is still there. Cancelling it changes nothing of that.
        "lost" is no end: it gives the stream back, and whoever opens it next begins another epoch.
        """
        own = self._own.get(producer.stream_id)
        if not producer.log.finish(end) or own is None or own.producer is not producer:
            return
        own.replication.finish(end.status, end.error)
        self._flusher.dirty(own.replication)
        try:
            async with asyncio.timeout(self._timeout):
                await own.replication.done.wait()
        except TimeoutError:
            _log.warning("relay: the end of a stream is not in Redis yet, which does not answer")

    async def stop(self, stream_id: str, end: End) -> bool:
        """See `RelayBackend.stop`; a stream that this process writes ends at once, whether Redis answers or not.

        Raises:
            RedisDownError, RedisRefusedError: This process does not write the stream; it may have been stopped or not.
        """
        own = self._own.get(stream_id)
        if own is not None:
            if own.producer.log.end is not None:
                return False
            own.stop(end)
            self._flusher.dirty(own.replication)
        reason = msgspec.json.encode(end.error) if end.error else b""
        times = _ms(self._settings.retain), _ms(self._remembered)
        try:
            word = bytes((await self._script(STOP.digest, stream_id, *times, end.status, reason))[0])
        except (RedisDownError, RedisRefusedError):
            if own is None:
                raise
            return True  # the flusher writes the end, once there is a Redis that takes it
        if own is None and word == b"none":
            raise UnknownStream
        if own is None and word == b"expired":
            raise StreamExpired
        return own is not None or word == b"ok"

    def _let_go(self, own: OwnStream, *, taken: bool) -> None:
        """Write a stream no longer; its readers here go on with whoever took it."""
        stream_id = own.producer.stream_id
        if self._own.get(stream_id) is own:
            del self._own[stream_id]
        replica = self._replicas.get(stream_id)
        if taken and replica is not None and replica.log is own.producer.log:
            self._reader.follow(replica)

    # Reading.

    async def follow(self, stream_id: str) -> MemoryLog:
        """See `RelayBackend.follow`.

        Raises:
            RedisDownError: Redis can't be reached, and this process does not have the stream.
            RedisRefusedError: It refused, or the log can't be read.
        """
        replica = self._here(stream_id) or await self._copy(stream_id)
        replica.readers += 1  # before it waits: when the last of the others leaves meanwhile, the log is read no more
        try:
            if stream_id not in self._own and not replica.ended:
                await self._reader.refresh(replica, self._timeout)
        except BaseException:
            self.release(stream_id, replica.log)
            raise
        return replica.log

    async def _copy(self, stream_id: str) -> Replica:
        seen = await self._look(stream_id)
        if seen.expired:
            raise StreamExpired
        made = await self._reader.copy(self._keys(stream_id), seen, max_bytes=self._settings.max_stream_bytes)
        if (replica := self._here(stream_id)) is not None:
            return replica  # somebody else's
        self._reader.follow(made)
        return self._put(stream_id, made)

    def _here(self, stream_id: str) -> Replica | None:
        """The log in this process; None: there is none, or one that only this process holds for ended."""
        replica = self._replicas.get(stream_id)
        if replica is not None and not (replica.ended and replica.log.end in _VERDICTS):
            return replica
        own = self._own.get(stream_id)
        if own is None:
            return None
        behind = f"{own.producer.epoch}-{LAST}".encode()  # what is read after it is another's
        return self._put(stream_id, Replica(self._keys(stream_id), own.producer.log, behind))

    def _put(self, stream_id: str, replica: Replica) -> Replica:
        """Have it read from now on, instead of one that ended here alone."""
        if (old := self._replicas.get(stream_id)) is not None:
            self._reader.leave(old)
        self._replicas[stream_id] = replica
        return replica

    def release(self, stream_id: str, log: MemoryLog) -> None:
        """See `RelayBackend.release`."""
        replica = self._replicas.get(stream_id)
        if replica is None or replica.log is not log:
            return  # one that ended here alone, and that a later reader has replaced
        replica.readers -= 1
        if replica.readers <= 0:
            del self._replicas[stream_id]
            self._reader.leave(replica)

    async def status(self, stream_id: str) -> StreamRecord:
        """See `RelayBackend.status`: a stream is "lost" once its readers do not wait for a producer any longer.

        Raises:
            RedisDownError: Redis can't be reached, and this process does not write the stream.
            RedisRefusedError: It refused.
        """
        own = self._own.get(stream_id)
        if own is not None:
            end = own.producer.log.end
            return StreamRecord("live" if end is None else end.status, own.producer.log.cursor, own.owner)
        seen = await self._look(stream_id)
        if seen.expired:
            return StreamRecord("expired", Cursor(0, 0), seen.owner)
        silent = self._ttl - seen.left / 1000  # seconds since its producer's last sign
        live = seen.held or silent < self._settings.lease + self._settings.takeover
        state = seen.end.status if seen.end is not None else "live" if live else "lost"
        return StreamRecord(state, Cursor(seen.epoch, seen.frames), seen.owner)

    # Commands.

    async def _look(self, stream_id: str) -> Look:
        seen = look(await self._script(LOOK.digest, stream_id))
        if not seen.known:
            raise UnknownStream
        return seen

    async def _script(self, digest: str, stream_id: str, *words: str | bytes | int) -> Sequence[Any]:
        reply: Sequence[Any] = await self._ask.call("EVALSHA", digest, 3, *self._keys(stream_id), *words)
        return reply

    def _keys(self, stream_id: str) -> tuple[str, str, str]:
        return keys(self._prefix, stream_id)


def _ms(seconds: float) -> int:
    return max(int(seconds * 1000), 1)
