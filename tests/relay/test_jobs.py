"""Jobs that write streams: who runs them, how often, and what readers are told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.redisserver import RedisServer, installed

from openai_async import AsyncOpenAI
from openai_async.relay.hub import RelayHub
from openai_async.relay.jobs import StreamJob, run_stream_job
from openai_async.relay.log import End
from openai_async.relay.redis import RedisBackend
from openai_async.relay.streaq import register
from openai_async.server.run import serve

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]
needs_redis = pytest.mark.skipif(not installed(), reason="redis-server is not installed")

BOUND = 30.0  # seconds that nothing here may take
JOB = StreamJob("s", {"model": "any", "messages": [{"role": "user", "content": "Tell me about the sea."}]}, "me")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


class Model:
    """A client whose answers are frames, one each 10 ms."""

    def __init__(self, count: int = 30, failure: Exception | None = None) -> None:
        self.chat = self.completions = self
        self.count = count
        self.failure = failure
        self.asked = 0
        self.closed = 0

    async def create(self, **_: Any) -> AsyncIterator[bytes]:
        self.asked += 1
        try:
            for number in range(self.count):
                yield b'{"n":%d}' % number
                await asyncio.sleep(0.01)
            if self.failure is not None:
                raise self.failure
        finally:
            self.closed += 1


def hub(url: str, takeover: float = 10) -> RelayHub:
    """A process's hub."""
    return RelayHub(RedisBackend(url), lease=1, beat=0.3, takeover=takeover, drain=0)


async def read(
    hub: RelayHub, owner: str | None = "me", some: asyncio.Event | None = None
) -> tuple[End | None, int, int]:
    """How the stream ended, how many frames the last epoch has, and how many resets there were."""
    count = resets = 0
    with anyio.fail_after(BOUND):
        async with hub.subscribe("s", owner=owner) as subscription:
            async for batch in subscription:
                resets += batch.reset
                count = batch.cursor.seq
                if some is not None and count >= 20:
                    some.set()
            return subscription.end, count, resets


async def test_a_job_streams_the_clients_answer() -> None:
    """On any hub: here one in memory, with the client and a server."""
    async with serve() as url, AsyncOpenAI(api_key="sk-any", base_url=url) as client, RelayHub() as here:
        end = await run_stream_job(JOB, client, here)
        got = await read(here)

    assert end == End("done")
    assert got[0] == end
    assert got[1] > 2


async def test_an_upstream_that_fails_is_told_and_not_raised() -> None:
    """The queue must not try again what the readers have seen fail."""
    async with RelayHub() as here:
        end = await run_stream_job(JOB, Model(3, ValueError("no")), here)

        assert end.status == "error"
        assert (await read(here))[:2] == (end, 3)


async def test_stream_is_no_argument_of_a_request() -> None:
    """It is named, as the type checker can't see into the request."""
    async with RelayHub() as here:
        with pytest.raises(TypeError, match="stream"):
            await run_stream_job(StreamJob("s", {"stream": True}), Model(), here)


def test_a_jobs_request_is_in_no_log() -> None:
    """It is what users wrote."""
    assert "sea" not in repr(JOB)


@needs_redis
async def test_a_second_delivery_stands_by_and_asks_nothing(server: RedisServer) -> None:
    """It returns the end of the first."""
    first, second = Model(), Model()
    async with hub(server.url) as one, hub(server.url) as two:
        ends = await asyncio.gather(run_stream_job(JOB, first, one), run_stream_job(JOB, second, two))

    assert ends == [End("done"), End("done")]
    assert first.asked + second.asked == 1


@needs_redis
async def test_a_job_that_is_cancelled_goes_to_the_next_delivery(server: RedisServer) -> None:
    """Its upstream is closed; readers wait, and begin anew with the next epoch."""
    first, second = Model(10_000), Model(20)
    async with hub(server.url) as one, hub(server.url) as two, hub(server.url) as readers:
        task = asyncio.create_task(run_stream_job(JOB, first, one))
        await asyncio.sleep(0.3)
        reading = asyncio.create_task(read(readers))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        assert first.closed == 1
        assert await run_stream_job(JOB, second, two) == End("done")
        assert await reading == (End("done"), 20, 1)


@needs_redis
async def test_a_stopped_job_closes_its_upstream(server: RedisServer) -> None:
    """The job ends in order, with the end that its readers were told."""
    model = Model(10_000)
    async with hub(server.url) as one, hub(server.url) as web:
        task = asyncio.create_task(run_stream_job(JOB, model, one))
        await asyncio.sleep(0.3)
        assert await web.stop("s", owner="me")
        with anyio.fail_after(BOUND):
            assert await task == End("cancelled")

    assert model.closed == 1


@needs_redis
async def test_an_announced_stream_is_found_and_may_be_stopped_before_its_job_runs(server: RedisServer) -> None:
    """A reader waits for it; once it is stopped, the job asks nothing."""
    model = Model()
    backend = RedisBackend(server.url)
    async with RelayHub(backend, lease=1, beat=0.3) as web, hub(server.url) as one:
        assert await backend.announce("s", owner="me")
        assert not await backend.announce("s", owner="you")
        reading = asyncio.create_task(read(web))
        await asyncio.sleep(1.5)  # longer than its lease
        assert not reading.done()
        assert await web.stop("s", owner="me")

        assert (await reading)[0] == End("cancelled")
        assert await run_stream_job(JOB, model, one) == End("cancelled")
    assert model.asked == 0


WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from contextlib import asynccontextmanager
from types import SimpleNamespace
from streaq import Worker
from openai_async import AsyncOpenAI
from openai_async.relay.hub import RelayHub
from openai_async.relay.redis import RedisBackend
from openai_async.relay.streaq import register

backend = RedisBackend(sys.argv[2])

@asynccontextmanager
async def lifespan():
    async with RelayHub(backend, lease=1, beat=0.3) as hub, AsyncOpenAI(api_key="sk-any", base_url=sys.argv[3]) as client:
        yield SimpleNamespace(client=client, hub=hub)

worker = Worker(redis_url=sys.argv[2], lifespan=lifespan, idle_timeout=2, concurrency=2)
register(worker, backend)
worker.run_sync()
"""


@contextlib.contextmanager
def worker(redis: str, upstream: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A streaQ worker in a process of its own."""
    root = str(Path(__file__).parents[2])
    with log.open("ab") as output:
        command = [sys.executable, "-c", WORKER, root, redis, upstream]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@needs_redis
async def test_a_killed_streaq_worker_is_replaced_and_readers_begin_anew(server: RedisServer, tmp_path: Path) -> None:
    """After kill -9 in mid-answer streaQ delivers again, the next worker asks anew, the reader gets a reset and all of it."""
    from streaq import Worker
    from support.rawserver import Peer, RawServer, chunk, event

    connections: list[int] = []

    async def say(peer: Peer) -> None:
        connections.append(1)
        await peer.head(content_type="text/event-stream")
        for number in range(400 if len(connections) == 1 else 20):
            await peer.send(event(chunk(str(number))))
            await asyncio.sleep(0.02)
        await peer.send(event(chunk(finish_reason="stop")) + b"data: [DONE]\n\n")

    backend = RedisBackend(server.url)
    queue: Worker[Any] = Worker(redis_url=server.url)
    enqueue = register(queue, backend)
    log = tmp_path / "worker.log"
    async with RawServer(say) as upstream, RelayHub(backend, lease=1, beat=0.3, takeover=15) as web, queue:
        await enqueue(JOB)
        some = asyncio.Event()  # twenty frames were read
        reading = asyncio.create_task(read(web, some=some))
        with worker(server.url, upstream.url, log) as first:
            with anyio.fail_after(BOUND):
                await some.wait()
            os.killpg(first.pid, signal.SIGKILL)
            with worker(server.url, upstream.url, log):
                end, count, resets = await reading

    assert (end, count, resets) == (End("done"), 21, 1), log.read_text()[-2000:]
    assert len(connections) == 2
