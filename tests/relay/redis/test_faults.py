"""What breaks between a producer and its readers, on a real redis-server: the nine faults, and what each costs.

Leases are short (1 s): whatever dies, every reader ends, with all frames or with the word that says why not.

    OPENAI_ASYNC_FAULTS=20 pytest tests/relay/redis/test_faults.py    # each fault 20 times, at random moments
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio
import pytest
from support.redisserver import RedisServer, Switch, installed

from openai_async.relay.errors import Fenced, UnknownStream
from openai_async.relay.hub import RelayHub
from openai_async.relay.log import End
from openai_async.relay.redis import RedisBackend

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.sockets,
    pytest.mark.skipif(not installed(), reason="redis-server is not installed"),
]

BOUND = 20.0  # seconds that nothing here may take, on any machine
PACE = 0.01  # seconds between frames
_ROUNDS = int(os.environ.get("OPENAI_ASYNC_FAULTS") or 0)


class Moment:
    """When the fault comes: after so many frames, and some seconds more."""

    frames = 20
    more = 0.1


@pytest.fixture(autouse=True, params=range(_ROUNDS or 1))
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one in each round, if there are rounds."""
    if _ROUNDS:
        monkeypatch.setattr(Moment, "frames", random.randint(15, 70))
        monkeypatch.setattr(Moment, "more", random.random() * 0.1)
        print(f"the fault comes after {Moment.frames} frames and {Moment.more * 1000:.1f} ms")  # noqa: T201 - for a test that fails


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own, which keeps nothing on disk."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


def hub(url: str, *, takeover: float = 0) -> RelayHub:
    """A process's hub."""
    return RelayHub(RedisBackend(url, timeout=2), lease=1, beat=0.3, takeover=takeover, drain=0)


class Read:
    """What a reader got."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.epochs: list[int] = []
        self.some = asyncio.Event()  # enough frames for the fault to come
        self.end: End | None = None

    @property
    def status(self) -> str:
        return self.end.status if self.end is not None else "open"


async def read(hub: RelayHub, stream_id: str = "s", into: Read | None = None) -> Read:
    """Read a stream to its end, with a hole or a repetition as an error."""
    got = Read() if into is None else into
    with anyio.fail_after(BOUND):
        async with hub.subscribe(stream_id) as subscription:
            async for batch in subscription:
                if batch.reset:
                    got.frames = []
                if batch.epoch not in got.epochs:
                    got.epochs.append(batch.epoch)
                assert batch.first == len(got.frames) + 1
                got.frames += batch.frames
                if len(got.frames) >= Moment.frames:
                    got.some.set()
            got.end = subscription.end
    return got


def frames(count: int, name: str = "t") -> list[bytes]:
    """What producers here write."""
    return [b'{"%s":%d}' % (name.encode(), number) for number in range(1, count + 1)]


def source(count: int, name: str = "t") -> Callable[[], AsyncIterator[bytes]]:
    """An upstream that says them one by one."""

    async def stream() -> AsyncIterator[bytes]:
        for frame in frames(count, name):
            yield frame
            await asyncio.sleep(PACE)

    return stream


@contextlib.asynccontextmanager
async def during(url: str, count: int) -> AsyncIterator[tuple[asyncio.Task[Read], RelayHub]]:
    """A stream of `count` frames by one hub that another reads; some have come when the block begins."""
    async with hub(url) as writer, hub(url) as reader:
        await writer.start(source(count), stream_id="s")
        live = Read()
        task = asyncio.create_task(read(reader, into=live))
        try:
            with anyio.fail_after(BOUND):
                await live.some.wait()
            if _ROUNDS:
                await asyncio.sleep(Moment.more)
            yield task, reader
        finally:
            task.cancel()
            await asyncio.wait([task])


async def late(url: str) -> Read:
    """What somebody reads who comes now, in another process."""
    async with hub(url) as reader:
        return await read(reader)


PRODUCER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from openai_async.relay.hub import RelayHub
from openai_async.relay.redis import RedisBackend
from openai_async.relay.errors import Fenced

async def main():
    async with RelayHub(RedisBackend(sys.argv[2]), lease=1, beat=0.3) as hub:
        try:
            async with hub.producer("s") as producer:
                for number in range(1, 1_000_000):
                    producer.append(b'{"p":%d}' % number)
                    await asyncio.sleep(0.01)
        except Fenced:
            print("fenced", producer.log.cursor.seq, flush=True)

asyncio.run(main())
"""


@contextlib.contextmanager
def producer(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which writes."""
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen([sys.executable, "-c", PRODUCER, root, url], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def begun(reader: RelayHub) -> None:
    """Wait until the other process has written."""
    with anyio.fail_after(BOUND):
        while True:
            with contextlib.suppress(UnknownStream):
                if (await reader.status("s")).cursor.seq >= Moment.frames:
                    return
            await asyncio.sleep(0.02)


async def test_a_killed_producers_stream_ends_as_lost(server: RedisServer) -> None:
    """All that was written is read, by those who were there and by those who come later."""
    async with hub(server.url) as reader:
        with producer(server.url) as process:
            await begun(reader)
            live = asyncio.create_task(read(reader))
            await asyncio.sleep(Moment.more)
            process.kill()
            got = await live

    assert got.status == "lost"
    assert len(got.frames) >= Moment.frames
    assert got.frames == frames(len(got.frames), "p")
    after = await late(server.url)
    assert (after.status, after.frames) == ("lost", got.frames)


async def test_a_producer_that_sleeps_beyond_its_lease_is_replaced_and_fenced(server: RedisServer) -> None:
    """Readers that wait for another one are told to begin anew; the sleeper's next append is refused."""
    async with hub(server.url, takeover=10) as reader, hub(server.url) as second:
        with producer(server.url) as process:
            await begun(reader)
            live = asyncio.create_task(read(reader))
            await asyncio.sleep(Moment.more)
            os.kill(process.pid, signal.SIGSTOP)
            with anyio.fail_after(BOUND):
                async with second.producer("s", wait=10) as other:
                    os.kill(process.pid, signal.SIGCONT)
                    said = await asyncio.to_thread(process.stdout.readline)  # type: ignore[union-attr] - a pipe was asked for
                    for frame in frames(50):
                        other.append(frame)
            got = await live

    assert said.startswith(b"fenced")
    assert (got.status, got.frames, len(got.epochs)) == ("done", frames(50), 2)
    after = await late(server.url)
    assert (after.status, after.frames, after.epochs) == ("done", frames(50), got.epochs[1:])


async def test_a_stop_ends_the_stream_for_all_and_fences_its_producer(server: RedisServer) -> None:
    """Whoever may read it may stop it, from any process."""
    fenced = asyncio.Event()
    async with hub(server.url) as writer, hub(server.url) as reader:
        async with anyio.create_task_group() as group:

            async def write() -> None:
                with contextlib.suppress(Fenced):
                    async with writer.producer("s") as own:
                        own.on_fence(fenced.set)
                        while True:
                            own.append(b"{}")
                            await asyncio.sleep(PACE)

            group.start_soon(write)
            await begun(reader)
            live = asyncio.create_task(read(reader))
            await asyncio.sleep(0.05)

            assert await reader.stop("s") is True
            with anyio.fail_after(BOUND):
                await fenced.wait()
            got = await live
        assert await reader.stop("s") is False

    assert got.status == "cancelled"
    assert (await late(server.url)).status == "cancelled"


async def test_a_redis_that_loses_everything_is_filled_again(server: RedisServer) -> None:
    """It was killed and comes back empty, scripts and all."""
    async with during(server.url, 120) as (live, _):
        server.kill()
        await asyncio.sleep(0.3)
        server.start()
        got = await live

    assert (got.status, got.frames) == ("done", frames(120))
    assert (await late(server.url)).frames == frames(120)


async def test_a_redis_with_a_log_on_disk_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed, restarted from its append-only file, which lacks the last moment."""
    with RedisServer(tmp_path / "aof", "--appendonly", "yes", "--appendfsync", "everysec") as server:
        async with during(server.url, 120) as (live, _):
            server.kill()
            await asyncio.sleep(0.2)
            server.start()
            got = await live

        assert (got.status, got.frames) == ("done", frames(120))
        assert (await late(server.url)).frames == frames(120)


@pytest.mark.parametrize("seconds", [1.5, 3.0])
async def test_a_redis_that_stands_still_delays_and_loses_nothing(server: RedisServer, seconds: float) -> None:
    """Longer than the lease; or longer than the time-out, too."""
    async with during(server.url, 80) as (live, _):
        server.pause()
        await asyncio.sleep(seconds)
        server.resume()
        got = await live

    assert (got.status, got.frames) == ("done", frames(80))
    assert (await late(server.url)).frames == frames(80)


async def test_a_log_that_was_cut_is_a_gap_for_those_who_come_late(server: RedisServer) -> None:
    """Whoever was there has it all; nobody is handed the rest for the whole."""
    async with during(server.url, 100) as (live, _):
        server.run("XTRIM", "oa:s:{s}", "MAXLEN", "=", "5")
        after = await late(server.url)
        got = await live

    assert (got.status, got.frames) == ("done", frames(100))
    assert (after.status, after.frames) == ("gap", [])


async def test_a_log_that_was_deleted_is_written_again(server: RedisServer) -> None:
    """From the producer's memory, as if nothing had been."""
    async with during(server.url, 100) as (live, _):
        server.run("DEL", "oa:s:{s}")
        got = await live

    assert (got.status, got.frames) == ("done", frames(100))
    assert (await late(server.url)).frames == frames(100)


async def test_a_failover_to_a_replica_that_lost_a_part_is_mended(server: RedisServer, tmp_path: Path) -> None:
    """The service's address leads to a server that never got the last frames, and nobody is short of any."""
    with RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1", str(server.port)) as replica:
        await until(lambda: b"master_link_status:up" in replica.run("INFO", "replication"))
        async with Switch(server.port) as switch, during(switch.url, 200) as (live, _):
            await until(lambda: bool(replica.run("XREVRANGE", "oa:s:{s}", "+", "-", "COUNT", 1)))
            replica.run("REPLICAOF", "NO", "ONE")
            await asyncio.sleep(0.3)
            behind = int(replica.run("XREVRANGE", "oa:s:{s}", "+", "-", "COUNT", 1)[0][0].split(b"-")[1])
            ahead = int(server.run("XREVRANGE", "oa:s:{s}", "+", "-", "COUNT", 1)[0][0].split(b"-")[1])
            server.kill()
            await switch.switch(replica.port)
            got = await live

            assert behind < ahead < 200
            assert (got.status, got.frames) == ("done", frames(200))
            assert (await late(switch.url)).frames == frames(200)


async def test_a_producer_writes_on_while_redis_is_away(server: RedisServer) -> None:
    """Its own readers go on as well, and it ends; all of it is in Redis once that is back."""
    async with hub(server.url) as writer:
        async with writer.producer("s") as own:
            own.append(frames(1)[0])
            server.kill()
            own.extend(frames(40)[1:])
            here = asyncio.create_task(read(writer))
            await asyncio.sleep(0.1)
        got = await here
        assert (got.status, got.frames) == ("done", frames(40))
        server.start()
        await until(lambda: server.run("XLEN", "oa:s:{s}") > 0)

        assert (await late(server.url)).frames == frames(40)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something, within bounds."""
    ends = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        await asyncio.sleep(0.05)
