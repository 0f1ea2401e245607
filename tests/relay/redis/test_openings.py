"""Streams that are being opened in Redis, and whose opener is cancelled, or whose hub closes: nobody holds them after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from support.cancelling import Cut, When
from support.redisserver import RedisServer, installed

from openai_async.relay.errors import HubClosed, StreamEnded, TooManyStreams, UnknownStream
from openai_async.relay.hub import RelayHub
from openai_async.relay.log import End
from openai_async.relay.redis import RedisBackend

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.sockets,
    pytest.mark.skipif(not installed(), reason="redis-server is not installed"),
]

BOUND = 20.0  # seconds that nothing here may take; less than a lease, which no test may wait for
FRAMES = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


def hub(server: RedisServer, **settings: Any) -> RelayHub:
    """A process's hub, whose leases are longer than any test."""
    return RelayHub(RedisBackend(server.url), lease=60, beat=20, drain=0, **settings)


async def source() -> AsyncIterator[bytes]:
    """An upstream."""
    for frame in FRAMES:
        yield frame


async def read(hub: RelayHub) -> tuple[list[bytes], End | None]:
    """The frames of the stream, and its end."""
    frames: list[bytes] = []
    async with hub.subscribe("s") as subscription:
        async for batch in subscription:
            frames += batch.frames
        return frames, subscription.end


async def join(hub: RelayHub) -> None:
    """Find the stream, and leave it."""
    async with hub.subscribe("s") as subscription:
        await subscription.open()


async def write(hub: RelayHub, *, wait: float = 0) -> None:
    """Write the stream as a worker does."""
    async with hub.producer("s", wait=wait) as producer:
        producer.extend(FRAMES)


async def test_a_lease_that_comes_just_after_the_hub_has_closed_is_given_back(server: RedisServer) -> None:
    """The request is on its way as the hub closes, and Redis grants it: the worker is told, and another may write."""
    async with hub(server) as other:
        late = hub(server)
        await late.__aenter__()
        with suppress(Exception):
            await late.status("s")  # it is connected
        server.pause()
        try:
            opening = asyncio.create_task(write(late, wait=1000))
            await asyncio.sleep(0.1)  # what it asks is in Redis's socket; no event tells
            closing = asyncio.create_task(late.__aexit__(None, None, None))
            with anyio.fail_after(BOUND), pytest.raises(HubClosed):
                await opening
        finally:
            server.resume()
        with anyio.fail_after(BOUND):
            await closing
            assert server.run("XLEN", "oa:s:{s}") == 1  # it was granted
            assert server.run("EXISTS", "oa:l:{s}") == 0
            await write(other)
            assert await read(other) == (FRAMES, End("done"))


async def test_whoever_waits_for_a_stream_is_told_that_the_hub_closes(server: RedisServer) -> None:
    """At once, and nothing becomes of the stream."""
    async with hub(server) as other, other.producer("s") as producer:
        late = hub(server)
        await late.__aenter__()
        opening = asyncio.create_task(write(late, wait=1000))
        await asyncio.sleep(0.2)  # it was refused once, and waits; no event tells
        await late.__aexit__(None, None, None)
        with anyio.fail_after(BOUND), pytest.raises(HubClosed):
            await opening
        producer.extend(FRAMES)
        assert (await other.status("s")).status == "live"


async def test_a_stream_that_was_just_opened_counts_once(server: RedisServer) -> None:
    """As one that is asked for, or as one that is written: there is room for another as soon as it is there."""
    async with hub(server, max_streams=2) as writer:
        backend: Any = writer._backend
        first = asyncio.create_task(backend.open("a"))
        while "a" not in backend._own:  # noqa: ASYNC110 - the very step is meant that no event tells
            await asyncio.sleep(0)
        second = await backend.open("b")
        with pytest.raises(TooManyStreams):
            await backend.open("c")
        for producer in (await first, second):
            await producer.finish(End("done"))


async def test_a_stream_whose_opener_left_counts_until_it_is_given_back(server: RedisServer) -> None:
    """Whoever is cancelled again and again takes no more leases than there may be."""
    async with hub(server, max_streams=1) as writer:
        with pytest.raises(UnknownStream):
            await writer.status("a")  # it is connected
        server.pause()
        try:
            left = asyncio.create_task(writer.start(source, stream_id="a"))
            await asyncio.sleep(0.05)  # it asks; no event tells
            left.cancel()
            await asyncio.wait([left])
            with pytest.raises(TooManyStreams):
                await writer.start(source, stream_id="b")
        finally:
            server.resume()


@pytest.mark.parametrize("what", ["start", "producer"])
async def test_whoever_is_cancelled_holds_nothing(server: RedisServer, what: str) -> None:
    """After however many turns of the loop: another process can write the stream at once, or finds it written."""
    turns = 0
    cancelled = True
    async with hub(server) as other:
        while cancelled:
            server.run("FLUSHALL")
            async with hub(server) as ours:
                task = asyncio.create_task(ours.start(source, stream_id="s") if what == "start" else write(ours))
                for _ in range(turns):
                    await asyncio.sleep(0)
                cancelled = task.cancel()
                await asyncio.wait([task])
                with anyio.fail_after(BOUND):
                    with suppress(StreamEnded):
                        await write(other, wait=BOUND)
                    assert await read(other) == (FRAMES, End("done"))
            turns += 1 + turns // 4
    assert turns > 10


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("what", ["stop", "status", "subscribe"])
async def test_whoever_is_cancelled_leaves_nothing(server: RedisServer, when: When, what: str) -> None:
    """At whichever moment, its connection broken or not: the next call of the same process works."""
    calls: dict[str, Callable[[RelayHub], Any]] = {
        "stop": lambda reader: reader.stop("s"),
        "status": lambda reader: reader.status("s"),
        "subscribe": join,
    }
    point = 0
    async with hub(server) as writer:
        await write(writer)  # it is in Redis then
        while True:
            point += 1
            cut = Cut(point, when)
            async with hub(server) as reader:
                await cut.run(calls[what](reader))
                with anyio.fail_after(BOUND):
                    assert (await reader.status("s")).status == "done"
                    assert await reader.stop("s") is False
                    assert await read(reader) == (FRAMES, End("done"))
                assert not reader._readers
                backend: Any = reader._backend
                assert not backend._replicas
                assert not backend._reader._copies
            if not cut.reached:
                break
    assert point > 3


@pytest.mark.parametrize("when", ["early", "late"])
async def test_a_close_that_is_cancelled_is_a_close(server: RedisServer, when: When) -> None:
    """At whichever moment: no task and no connection is left, and the upstream is closed."""
    point = 0
    while True:
        point += 1
        server.run("FLUSHALL")
        cut, closed = Cut(point, when), asyncio.Event()
        before = asyncio.all_tasks()

        async def endless(closed: asyncio.Event = closed) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield FRAMES[0]
                    await asyncio.sleep(0.01)
            finally:
                closed.set()

        closing = hub(server)
        await closing.__aenter__()
        await closing.start(endless, stream_id="s")
        async with closing.subscribe("s") as subscription:
            await anext(subscription)
        opening = asyncio.create_task(write(closing, wait=1000))
        await asyncio.sleep(0.02)
        await cut.run(closing.__aexit__(None, None, None))
        with pytest.raises(HubClosed):
            await opening
        await asyncio.sleep(0)
        assert closed.is_set()
        assert asyncio.all_tasks() == before
        backend: Any = closing._backend
        assert [link._connection for link in (backend._read, backend._write, backend._ask)] == [None] * 3
        if not cut.reached:
            break
    assert point > 3
