"""Every public coroutine of a hub, cancelled at each of its suspensions: nothing leaks, and the next call works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from support.cancelling import Cut, When
from support.clock import run

from openai_async.relay import (
    Batch,
    End,
    Held,
    HubClosed,
    MemoryBackend,
    MemoryLog,
    Producer,
    RelayHub,
    StreamEnded,
    StreamRecord,
    Subscription,
    UnknownStream,
    pump,
)
from openai_async.relay.jobs import StreamJob, run_stream_job

FRAMES = [b'{"n":%d}' % number for number in range(4)]


class Slow(MemoryBackend):
    """A backend that takes a moment for everything, as those on a network do; what is cancelled has not been done."""

    async def open(self, stream_id: str, *, owner: str | None = None, wait: float = 0) -> Producer:
        await asyncio.sleep(1)
        return await super().open(stream_id, owner=owner, wait=wait)

    async def finish(self, producer: Producer, end: End) -> None:
        await super().finish(producer, end)  # its own log ends at once, whatever becomes of the call
        await asyncio.sleep(1)

    async def stop(self, stream_id: str, end: End) -> bool:
        await asyncio.sleep(1)
        stopped = await super().stop(stream_id, end)
        await asyncio.sleep(1)
        return stopped

    async def follow(self, stream_id: str) -> MemoryLog:
        await asyncio.sleep(1)
        return await super().follow(stream_id)

    async def status(self, stream_id: str) -> StreamRecord:
        await asyncio.sleep(1)
        record = await super().status(stream_id)
        await asyncio.sleep(1)
        return record


class Upstream:
    """A source that says `FRAMES`, one every so many seconds, and counts."""

    def __init__(self, pace: float = 1) -> None:
        self.pace = pace
        self.opened = self.closed = 0

    async def __call__(self) -> AsyncIterator[bytes]:
        self.opened += 1
        try:
            for frame in FRAMES:
                await asyncio.sleep(self.pace)
                yield frame
        finally:
            self.closed += 1


Case = Callable[[RelayHub, Cut], Awaitable[None]]


def everywhere(case: Case, backend: type[MemoryBackend], when: When, *, at_least: int, **options: Any) -> None:
    """Run a case with a hub of its own for each suspension that there is; afterwards no task and no reader is left."""
    point = 0
    while True:
        point += 1
        cut = Cut(point, when)

        async def main(cut: Cut = cut) -> None:
            hub = RelayHub(backend(), drain=100, **options)
            async with hub:
                await case(hub, cut)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not hub._readers
            assert not hub._jobs
            assert not hub._idle
            assert not hub._calls._callers
            assert not hub._calls._cut

        run(main())
        if not cut.reached:
            break
    assert point > max(at_least, 1 if backend is Slow else 0)


async def whole(hub: RelayHub, stream_id: str) -> tuple[list[bytes], End | None]:
    """Read a stream to its end."""
    async with hub.subscribe(stream_id) as subscription:
        frames = [frame async for batch in subscription for frame in batch.frames]
    return frames, subscription.end


everything = [
    pytest.mark.parametrize("when", ["early", "late"]),
    pytest.mark.parametrize("backend", [MemoryBackend, Slow]),
]


def each(function: Any) -> Any:
    """Run a test with both backends, cut early and late."""
    for mark in everything:
        function = mark(function)
    return function


@each
def test_start(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled, it has begun nothing, and the next one begins it; its upstream is read once in all."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        upstream = Upstream()
        await cut.run(hub.start(upstream, stream_id="s"))
        if cut.cancelled:
            with pytest.raises(UnknownStream):
                await hub.status("s")
        assert await hub.start(upstream, stream_id="s") == "s"
        assert await whole(hub, "s") == (FRAMES, End("done"))
        assert (upstream.opened, upstream.closed) == (1, 1)

    everywhere(case, backend, when, at_least=0)


@each
def test_start_of_a_stream_that_is_there(backend: type[MemoryBackend], when: When) -> None:
    """Nothing becomes of that stream."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        upstream = Upstream()
        await hub.start(upstream, stream_id="s")
        await cut.run(hub.start(upstream, stream_id="s"))
        assert await whole(hub, "s") == (FRAMES, End("done"))
        assert (upstream.opened, upstream.closed) == (1, 1)

    everywhere(case, backend, when, at_least=0)


async def write(hub: RelayHub, *, wait: float = 0) -> None:
    """Work as a worker does."""
    async with hub.producer("s", wait=wait) as producer:
        for frame in FRAMES:
            producer.append(frame)
            await asyncio.sleep(1)


@each
def test_producer(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled, it has begun nothing, or its stream has ended: nobody holds it."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        await cut.run(write(hub))
        with suppress(StreamEnded):
            await write(hub)
        frames, end = await whole(hub, "s")
        assert frames == FRAMES[: len(frames)]
        assert end in (End("done"), End("lost"))
        assert (frames == FRAMES) or end == End("lost")

    everywhere(case, backend, when, at_least=4)


@each
@pytest.mark.parametrize("wait", [2, 1000])
def test_producer_that_waits(backend: type[MemoryBackend], when: When, wait: float) -> None:
    """The one that it waits for is none the wiser, and the next that waits gets its turn."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        first = asyncio.create_task(write(hub))
        await asyncio.sleep(1.5)
        with suppress(Held, StreamEnded):
            await cut.run(write(hub, wait=wait))
        with pytest.raises(StreamEnded):
            await write(hub, wait=1000)
        await first
        assert await whole(hub, "s") == (FRAMES, End("done"))

    everywhere(case, backend, when, at_least=0)


@each
def test_subscribe(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled in mid-stream, it goes on with the next batch: nothing is lost, and nothing comes twice."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        got: list[bytes] = []

        async def read(subscription: Subscription) -> None:
            async for batch in subscription:
                got.extend(batch.frames)

        await hub.start(Upstream(), stream_id="s")
        async with hub.subscribe("s") as subscription:
            await cut.run(read(subscription))
            await read(subscription)
        assert (got, subscription.end) == (FRAMES, End("done"))

    everywhere(case, backend, when, at_least=4)


@each
def test_subscribe_and_leave(backend: type[MemoryBackend], when: When) -> None:
    """A reader that is cancelled is no reader: a stream that nobody reads is stopped."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        upstream = Upstream(10)
        await hub.start(upstream, stream_id="s")
        await cut.run(whole(hub, "s"))
        goes_on = (await hub.status("s")).status == "live"
        await asyncio.sleep(100)
        assert (await hub.status("s")).status == ("cancelled" if goes_on else "done")
        assert (upstream.opened, upstream.closed) == (1, 1)

    everywhere(case, backend, when, at_least=4, on_idle="cancel", idle_grace=5)


@each
def test_pump(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled, it loses the batch that is being sent, and the subscription is closed."""

    class Page:
        def __init__(self) -> None:
            self.frames: list[bytes] = []

        async def send(self, batch: Batch) -> None:
            await asyncio.sleep(0.5)
            self.frames += batch.frames

        async def close(self, end: End) -> None:
            assert end == End("done")
            await asyncio.sleep(0.5)

    async def case(hub: RelayHub, cut: Cut) -> None:
        page = Page()
        await hub.start(Upstream(), stream_id="s")
        await cut.run(pump(hub.subscribe("s"), page, coalesce="never"))
        assert not hub._readers
        assert page.frames == FRAMES[: len(page.frames)]
        assert await whole(hub, "s") == (FRAMES, End("done"))

    everywhere(case, backend, when, at_least=6)


@each
def test_stop(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled, the stream is stopped or not; the next stop does it, and says so if it did."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        upstream = Upstream(10)
        ends: list[End] = []

        async def told(end: End, _: object) -> None:
            ends.append(end)

        await hub.start(upstream, stream_id="s", on_end=told)
        await asyncio.sleep(0.1)
        first = await cut.run(hub.stop("s"))
        second = await hub.stop("s")
        assert (first, second) in ((True, False), (None, False), (None, True))
        assert (await whole(hub, "s"))[1] == End("cancelled")
        await asyncio.sleep(10)
        assert (upstream.opened, upstream.closed, ends) == (1, 1, [End("cancelled")])

    everywhere(case, backend, when, at_least=0)


@each
def test_status(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled, it has changed nothing."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        await hub.start(Upstream(), stream_id="s")
        await cut.run(hub.status("s"))
        assert (await hub.status("s")).status == "live"
        assert await whole(hub, "s") == (FRAMES, End("done"))

    everywhere(case, backend, when, at_least=0)


@each
def test_run_stream_job(backend: type[MemoryBackend], when: When) -> None:
    """Cancelled, its upstream is closed, and nobody holds the stream; a second delivery is not cancelled with it."""

    async def case(hub: RelayHub, cut: Cut) -> None:
        upstream = Upstream()
        client: Any = Client(upstream)
        job = StreamJob("s", {"model": "m"})
        await cut.run(run_stream_job(job, client, hub))
        assert upstream.opened == upstream.closed
        end = await run_stream_job(job, client, hub)
        assert end in (End("done"), End("lost"))
        assert (await whole(hub, "s"))[1] == end

    everywhere(case, backend, when, at_least=4)


class Client:
    """A client whose answers are an upstream's."""

    def __init__(self, upstream: Upstream) -> None:
        self.chat = self.completions = self
        self._upstream = upstream

    def create(self, **_: Any) -> Any:
        """Ask."""
        return self._upstream()


@pytest.mark.parametrize("drain", [0, 100])
@each
def test_closing(backend: type[MemoryBackend], when: When, drain: float) -> None:
    """Cancelled, a hub's end is an end all the same: upstreams are closed, and those who read or wait are told."""
    point = 0
    while True:
        point += 1
        cut = Cut(point, when)

        async def main(cut: Cut = cut) -> None:
            upstream = Upstream()
            hub = RelayHub(backend(), drain=drain)
            await hub.__aenter__()
            await hub.start(upstream, stream_id="s")
            reading = asyncio.create_task(whole(hub, "s"))
            waiting = asyncio.create_task(write(hub, wait=1000))
            await asyncio.sleep(3.5)
            await cut.run(hub.__aexit__(None, None, None))
            _, end = await reading
            assert end is not None
            with pytest.raises(HubClosed):
                await waiting
            assert upstream.opened == upstream.closed == 1
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(main())
        if not cut.reached:
            break
    assert point > 1
