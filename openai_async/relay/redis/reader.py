"""`Reader`: the logs that this process follows, read from Redis over one connection.

Copies of logs come in; entries go into them as they are written, with one blocking read for all of them. A copy whose
producer is gone is told so: its lease is missing, and nothing more is in its log.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from openai_async.relay.log import MemoryLog

from .entry import BrokenEntryError, read
from .link import Link, RedisDownError, RedisRefusedError
from .look import Look, look
from .replica import Replica
from .scripts import LOOK

__all__ = ["Reader"]

_BLOCK: Final = 1000  # milliseconds that a read waits: less than any time-out between here and there
_COUNT: Final = 256  # entries of one log in one read
_INTERRUPT: Final = 0.002  # seconds between tries to interrupt a read


class Reader:
    """Follows logs.

    Args:
        link: Of its own, for reads that wait.
        control: For commands that don't.
        lease: Seconds of a lease.
        takeover: Seconds that a stream without a producer waits for another one.
    """

    def __init__(self, link: Link, control: Link, *, lease: float, takeover: float) -> None:
        self._link = link
        self._control = control
        self._lease = lease
        self._takeover = takeover
        self._check = min(1.0, lease / 3)
        self._copies: set[Replica] = set()
        self._asked: set[Replica] | None = None  # those of the read under way
        self._wake = asyncio.Event()
        self._new = asyncio.Event()  # the read under way does not know of a copy
        self._missing: dict[Replica, float] = {}  # since when a lease is missing

    def follow(self, copy: Replica) -> None:
        """Follow a log from its copy's position on. A read that waits is interrupted: it does not know of it."""
        self._copies.add(copy)
        self._wake.set()
        if self._asked is not None:
            self._new.set()

    def leave(self, copy: Replica) -> None:
        """Follow it no longer."""
        self._copies.discard(copy)
        self._missing.pop(copy, None)

    async def copy(self, keys: tuple[str, str, str], seen: Look, *, max_bytes: int) -> Replica:
        """Return a copy of a log, as far as that was written when it was looked at; it is not followed yet."""
        replica = Replica(keys, MemoryLog(seen.epoch, max_bytes=max_bytes), f"{seen.epoch}-0".encode())
        while not replica.has(seen.epoch, seen.frames) or (seen.end is not None and not replica.ended):
            reply = await self._control.call("XREAD", "COUNT", _COUNT, "STREAMS", replica.keys[0], replica.position)
            if not reply:
                break  # cut meanwhile: a later entry shows the hole
            self.give(replica, reply[0][1])
        return replica

    async def refresh(self, replica: Replica, timeout: float) -> None:
        """Wait until a log that is followed has what is written by now; `timeout` seconds at most."""
        try:
            seen = look(await self._control.call("EVALSHA", LOOK.digest, 3, *replica.keys))
            async with asyncio.timeout(timeout):
                while not replica.has(seen.epoch, seen.frames):
                    await replica.log.changed(replica.log.cursor)
        except (RedisDownError, TimeoutError):
            return  # it has what there was when Redis went

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            copies = [copy for copy in self._copies if not copy.ended]
            if not copies:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._read(copies)
            except RedisDownError:
                await self._link.pause()

    async def interrupt(self) -> None:
        """Interrupt reads that do not know of all copies, until cancelled."""
        while True:
            await self._new.wait()
            self._new.clear()
            try:
                while self._asked is not None and any(not c.ended and c not in self._asked for c in self._copies):
                    await self._control.call("CLIENT", "UNBLOCK", self._link.client_id)
                    await asyncio.sleep(_INTERRUPT)
            except (RedisDownError, RedisRefusedError):
                continue  # the read ends by itself within a second

    async def watch(self) -> None:
        """Look for producers that are gone until cancelled."""
        while True:
            await asyncio.sleep(self._check)
            copies = [copy for copy in self._copies if not copy.ended]
            if not copies:
                continue
            try:
                await self._look(copies)
            except RedisDownError:
                self._missing.clear()  # nobody can tell
                await self._control.pause()

    async def _read(self, copies: list[Replica]) -> None:
        command: list[str | bytes | int] = ["XREAD", "COUNT", _COUNT, "BLOCK", _BLOCK, "STREAMS"]
        command += [copy.keys[0] for copy in copies]
        command += [copy.position for copy in copies]
        self._asked = set(copies)
        try:
            reply = (await self._link.run([command], patience=_BLOCK / 1000))[0]
        finally:
            self._asked = None
        if isinstance(reply, RedisRefusedError):
            await self._find_broken(copies)
            return
        by_key = {copy.keys[0].encode(): copy for copy in copies}
        for key, entries in reply or ():
            self.give(by_key[key], entries)

    async def _find_broken(self, copies: list[Replica]) -> None:
        """End those whose key is no log: one of them makes a read of all fail."""
        reads = [("XREAD", "COUNT", 1, "STREAMS", copy.keys[0], copy.position) for copy in copies]
        replies = await self._link.run(reads)
        for copy, reply in zip(copies, replies, strict=True):
            if isinstance(reply, RedisRefusedError):
                copy.fail("error")
        await self._link.pause()

    async def _look(self, copies: list[Replica]) -> None:
        replies = await self._control.run([("EVALSHA", LOOK.digest, 3, *copy.keys) for copy in copies])
        now = asyncio.get_running_loop().time()
        # A Redis that was restarted may have forgotten leases; producers renew them, once they are connected again.
        young = self._control.connected > 1 and now - self._control.since < self._lease
        for copy, reply in zip(copies, replies, strict=True):
            if isinstance(reply, RedisRefusedError) or young or self._held(copy, reply):
                self._missing.pop(copy, None)
                continue
            since = self._missing.setdefault(copy, now)
            if since < now and now - since >= self._takeover:
                self._missing.pop(copy, None)
                copy.fail("lost")

    @staticmethod
    def _held(copy: Replica, reply: Any) -> bool:
        """Whether a producer holds it, or there is something left to read."""
        at, seq, status, _, lease, *_ = reply
        epoch, last = (int(part) for part in copy.position.split(b"-"))
        return bool(lease != -2 or status or (at, seq) > (epoch, last))

    @staticmethod
    def give(copy: Replica, entries: Any) -> None:
        """Have a copy take entries as they came."""
        try:
            for reply in entries:
                if copy.ended:
                    return
                copy.take(read(reply))
        except BrokenEntryError:
            copy.fail("error")
