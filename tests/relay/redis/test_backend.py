"""The Redis backend when nothing breaks: many streams, readers anywhere, owners, how long things are kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from support.redisserver import RedisServer, installed

from openai_async.relay.cursor import Cursor
from openai_async.relay.errors import Fenced, Held, StreamEnded, StreamExpired, TooManyStreams, UnknownStream
from openai_async.relay.hub import RelayHub
from openai_async.relay.log import End
from openai_async.relay.redis import RedisBackend, RedisDownError, RedisRefusedError
from openai_async.relay.redis.reader import Reader
from openai_async.relay.redis.replica import Replica
from openai_async.relay.refusal import Refusal

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.sockets,
    pytest.mark.skipif(not installed(), reason="redis-server is not installed"),
]

BOUND = 20.0  # seconds that nothing here may take


def hub(server: RedisServer, *, compress: Any = "none", **settings: Any) -> RelayHub:
    """A process's hub."""
    return RelayHub(
        RedisBackend(server.url, compress=compress), **{"lease": 1, "beat": 0.3, "drain": 0, "takeover": 0, **settings}
    )


async def read(hub: RelayHub, stream_id: str, **how: Any) -> tuple[list[bytes], End | None]:
    """A stream's frames, and its end."""
    frames: list[bytes] = []
    with anyio.fail_after(BOUND):
        async with hub.subscribe(stream_id, **how) as subscription:
            async for batch in subscription:
                frames += batch.frames
            return frames, subscription.end


@pytest.mark.parametrize("compress", ["none", "zlib"])
async def test_many_streams_are_read_elsewhere_while_they_are_written(server: RedisServer, compress: Any) -> None:
    """Each in its order, whatever bytes it has; whoever joins in the middle has all of it, too."""
    names = [f"s{number}" for number in range(30)] + ["with }brace{ and %", "sp ace", "ü"]
    said = {name: [f'{{"{name}":\n{number}}}'.encode() for number in range(40)] for name in names}

    async with hub(server, compress=compress) as writer, hub(server) as reader:

        async def write(name: str) -> None:
            async with writer.producer(name) as producer:
                for frame in said[name]:
                    producer.append(frame)
                    await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(write(name))
            await asyncio.sleep(0.1)
            readers = {name: group.create_task(read(reader, name)) for name in names * 2}
            readers |= {name + " again": group.create_task(read(reader, name)) for name in names}

    for name, task in readers.items():
        assert task.result() == (said[name.removesuffix(" again")], End("done"))


async def test_a_reader_goes_on_from_its_cursor(server: RedisServer) -> None:
    """In another process, and after the end."""
    async with hub(server) as writer, hub(server) as reader:
        async with writer.producer("s") as producer:
            producer.extend([b"1", b"2", b"3"])

        assert await read(reader, "s", after=Cursor(producer.epoch, 2)) == ([b"3"], End("done"))
        assert await read(reader, "s", after=Cursor(producer.epoch, 3)) == ([], End("done"))
        assert await reader.status("s") == await writer.status("s")


async def test_the_last_reader_leaves_while_another_joins(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a reload of the page: the new one gets all that comes, and the end."""
    refresh = Reader.refresh
    async with hub(server) as writer, hub(server) as readers:
        async with writer.producer("s") as producer:
            producer.append(b"1")
            first, second = readers.subscribe("s"), readers.subscribe("s")
            await anext(first)

            async def leaving(reader: Reader, replica: Replica, timeout: float) -> None:
                await refresh(reader, replica, timeout)
                await first.aclose()

            monkeypatch.setattr(Reader, "refresh", leaving)
            got = list((await anext(second)).frames)
            for frame in (b"2", b"3"):
                producer.append(frame)
                with anyio.fail_after(BOUND):
                    got += (await anext(second)).frames

        with anyio.fail_after(BOUND):
            got += [frame async for batch in second for frame in batch.frames]

    assert got == [b"1", b"2", b"3"]
    assert second.end == End("done")


async def test_a_reader_that_gives_up_joining_leaves_nothing(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is not read for nobody."""
    backend = RedisBackend(server.url)
    waiting = asyncio.Event()

    async def refresh(reader: Reader, replica: Replica, timeout: float) -> None:
        del reader, replica, timeout
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Reader, "refresh", refresh)
    async with hub(server) as writer, backend, writer.producer("s"):
        joining = asyncio.create_task(backend.follow("s"))
        with anyio.fail_after(BOUND):
            await waiting.wait()
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        assert not backend._replicas
        assert not backend._reader._copies


async def test_an_upstreams_error_comes_with_its_object(server: RedisServer) -> None:
    """As the readers in the producer's own process have it."""
    async with hub(server) as writer, hub(server) as reader:

        async def fail() -> None:
            async with writer.producer("s") as producer:
                producer.append(b"1")
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await fail()

        frames, end = await read(reader, "s")
        assert frames == [b"1"]
    assert end is not None
    assert end.status == "error"
    assert end.error is not None


async def test_another_owner_finds_nothing(server: RedisServer) -> None:
    """Neither to read nor to stop; the owner is known to every process."""
    async with hub(server) as writer, hub(server) as reader, writer.producer("s", owner="me") as producer:
        producer.append(b"1")
        for owner in (None, "you", ""):
            with pytest.raises(UnknownStream):
                await read(reader, "s", owner=owner)
            with pytest.raises(UnknownStream):
                await reader.stop("s", owner=owner)
        assert (await reader.status("s", owner="me")).status == "live"
        with pytest.raises(Held):
            await reader.start(lambda: read, stream_id="s", owner="you")


@pytest.mark.parametrize("how", ["lost", "refused"])
async def test_a_stream_of_ones_own_is_stopped_whatever_redis_says(server: RedisServer, how: str) -> None:
    """Its upstream is paid for: it ends though Redis has lost it, or takes nothing more, and Redis gets the end later."""
    async with hub(server, lease=100, beat=90) as writer, hub(server) as reader:
        with pytest.raises(Fenced):  # noqa: PT012 - by the last line, which has to leave the producer
            async with writer.producer("s") as producer:
                producer.append(b"1")
                await written(server)
                if how == "lost":
                    server.run("FLUSHALL")
                else:
                    server.run("CONFIG", "SET", "maxmemory", 1)
                try:
                    assert await writer.stop("s") is True
                    assert await writer.stop("s") is False
                    assert await writer._backend.stop("s", End("error")) is False
                finally:
                    server.run("CONFIG", "SET", "maxmemory", 0)
                producer.append(b"2")

        assert await read(writer, "s") == ([b"1"], End("cancelled"))
        with anyio.fail_after(BOUND):
            while server.run("XLEN", "oa:s:{s}") < 2:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)
        assert await read(reader, "s") == ([b"1"], End("cancelled"))


async def test_a_stream_of_ones_own_is_stopped_at_once_though_redis_stands_still(server: RedisServer) -> None:
    """Its upstream is closed, and its readers here end, before Redis answers; others end when that goes on."""
    async with hub(server, lease=100, beat=90) as writer, hub(server, lease=100, beat=90) as reader:
        with pytest.raises(Fenced):  # noqa: PT012 - by the last line, which has to leave the producer
            async with writer.producer("s") as producer:
                fenced = asyncio.Event()
                producer.on_fence(fenced.set)
                producer.append(b"1")
                await written(server)
                elsewhere = asyncio.create_task(read(reader, "s"))
                server.pause()
                try:
                    producer.append(b"2")
                    stopping = asyncio.create_task(writer.stop("s"))
                    with anyio.fail_after(BOUND):
                        await fenced.wait()
                        assert await writer.stop("s") is False
                        assert await read(writer, "s") == ([b"1", b"2"], End("cancelled"))
                    assert not stopping.done()
                finally:
                    server.resume()
                assert await stopping is True
                assert (await elsewhere)[1] == End("cancelled")
                producer.append(b"3")


async def written(server: RedisServer) -> None:
    """Wait until the first frame of "s" is in Redis."""
    with anyio.fail_after(BOUND):
        while not any(entry[0].endswith(b"-1") for entry in server.run("XRANGE", "oa:s:{s}", "-", "+")):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.02)


async def test_an_ended_stream_is_kept_for_a_while_and_then_remembered(server: RedisServer) -> None:
    """Its readers are told that it is gone, and nobody begins it again; a stream that never was is another thing."""
    async with hub(server, retain=0.3) as writer, hub(server) as reader:
        async with writer.producer("s"):
            pass
        with pytest.raises(StreamEnded):
            async with reader.producer("s"):
                pass
        with anyio.fail_after(BOUND):
            while (await reader.status("s")).status != "expired":  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)

        with pytest.raises(StreamExpired):
            await read(reader, "s")
        with pytest.raises(StreamExpired):
            async with reader.producer("s"):
                pass
        with pytest.raises(UnknownStream):
            await read(reader, "never")
        with pytest.raises(UnknownStream):
            await reader.stop("never")


async def test_no_more_streams_are_written_than_may_be(server: RedisServer) -> None:
    """By one process."""
    async with hub(server, max_streams=1) as writer, writer.producer("a"):
        with pytest.raises(TooManyStreams):
            async with writer.producer("b"):
                pass


async def test_nor_are_more_begun_at_once(server: RedisServer) -> None:
    """Those count that Redis is still asked for."""
    async with hub(server, max_streams=2) as writer:

        async def work(name: str) -> None:
            async with writer.producer(name):
                await asyncio.sleep(0.1)

        told = await asyncio.gather(*[work(name) for name in "abcde"], return_exceptions=True)
        assert [type(error) for error in told] == [type(None)] * 2 + [TooManyStreams] * 3
        await work("f")


async def test_a_key_of_another_kind_disturbs_no_other_stream(server: RedisServer) -> None:
    """What others wrote over a log ends that one, with an error; the other streams of the process go on."""
    async with hub(server) as writer, hub(server) as reader:
        async with writer.producer("a") as ours, writer.producer("b"):
            ours.append(b"1")
            await asyncio.sleep(0.1)
            a, b = (asyncio.create_task(read(reader, name)) for name in "ab")
            await asyncio.sleep(0.1)
            server.run("SET", "oa:s:{b}", "text")
            with anyio.fail_after(BOUND):
                broken = await b
            ours.append(b"2")
            server.run("DEL", "oa:s:{b}")
        assert await a == ([b"1", b"2"], End("done"))
        assert broken[1] is not None
        assert broken[1].status == "error"


async def test_without_redis_what_needs_it_says_so(tmp_path: Path) -> None:
    """At once, by an error of ours that a reader can be told; the backend itself begins and ends without it."""
    gone = RedisServer(tmp_path)
    backend = RedisBackend(gone.url.replace("127.0.0.1", ":s3cret@127.0.0.1"), timeout=1)
    async with RelayHub(backend) as here:
        for call in (here.status("s"), here.stop("s"), read(here, "s"), here.start(lambda: read)):
            with anyio.fail_after(BOUND), pytest.raises(RedisDownError) as error:
                await call
            assert error.value.status_code == 503
            assert "s3cret" not in repr(error.value) + repr(backend)
            assert "127.0.0.1" in str(error.value)  # whoever runs it is told where Redis should be, and no reader
            assert b"127.0.0.1" not in Refusal.of(error.value).body + msgspec.json.encode(error.value.error)


async def test_a_redis_that_refuses_is_named(server: RedisServer) -> None:
    """By the kind of its refusal, without what was sent."""
    server.run("SET", "oa:s:{s}", "text")
    async with hub(server) as here:
        with pytest.raises(RedisRefusedError, match="WRONGTYPE"):
            await here.start(lambda: read, stream_id="s")


@pytest.mark.parametrize("wrong", [{"prefix": "a{b"}, {"compress": "lz4"}, {"ttl": 0}, {"timeout": -1}])
def test_settings_that_make_no_sense_are_named(wrong: dict[str, Any]) -> None:
    """Before anything is connected."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RedisBackend("redis://127.0.0.1:1/0", **wrong)
