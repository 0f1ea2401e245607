"""Two nodes on one Redis: one that writes streams into it, and one, a process of its own, that reads them out of it.

Payloads go into a writer; the reading node tells how late each was there, by its stamp. `ours` is the hub on its Redis
backend, `by_hand` what one writes with redis-py: an XADD for each chunk, an XREAD that blocks for each stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypedDict

from .bodies import STAMP
from .pacer import percentiles
from .source import ROOT

__all__ = ["KINDS", "Node", "Seen", "Write", "node", "redis_server"]

_STAMP = re.compile(rb'"created":(\d{18})')
_STARTING = 20.0  # seconds
_CONNECTIONS = 2_000

# Writes one stream's payloads, as an asynchronous iterable gives them: name, payloads.
Write: TypeAlias = Callable[[str, AsyncIterator[list[bytes]]], Awaitable[None]]
_Note: TypeAlias = Callable[[bytes], None]
# Reads one stream to its end: name, what is told of each payload.
_Read: TypeAlias = Callable[[str, _Note], Awaitable[None]]


class Seen(TypedDict):
    """What the reading node saw.

    Attributes:
        frames: All together.
        cpu: CPU seconds that it took.
        latency: Seconds from a chunk's sending upstream: of half of them, of 99 in 100, and of all.
    """

    frames: int
    cpu: float
    latency: tuple[float, float, float]


# Ours.


@asynccontextmanager
async def _our_writer(url: str) -> AsyncIterator[Write]:
    from openai_async.relay import RelayHub
    from openai_async.relay.redis import RedisBackend

    async with RelayHub(RedisBackend(url)) as hub:

        async def write(name: str, payloads: AsyncIterator[list[bytes]]) -> None:
            async with hub.producer(name) as producer:
                async for some in payloads:
                    producer.extend(some)

        yield write


@asynccontextmanager
async def _our_reader(url: str) -> AsyncIterator[_Read]:
    from openai_async.relay import RelayHub, UnknownStream
    from openai_async.relay.redis import RedisBackend

    async with RelayHub(RedisBackend(url)) as hub:

        async def read(name: str, note: _Note) -> None:
            subscription = hub.subscribe(name)
            while True:
                try:
                    await subscription.open()
                    break
                except UnknownStream:  # its writer is not there yet
                    await asyncio.sleep(0.05)
            async for batch in subscription:
                for frame in batch.frames:
                    note(frame)

        yield read


# By hand.


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator[Any]:
    from redis.asyncio import BlockingConnectionPool, Redis

    pool = BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS, timeout=None, socket_timeout=60)
    redis = Redis(connection_pool=pool)
    try:
        yield redis
    finally:
        await redis.aclose()
        await pool.aclose()


@asynccontextmanager
async def _writer_by_hand(url: str) -> AsyncIterator[Write]:
    async with _redis(url) as redis:

        async def write(name: str, payloads: AsyncIterator[list[bytes]]) -> None:
            async for some in payloads:
                for payload in some:
                    await redis.xadd(name, {"d": payload})
            await redis.xadd(name, {"end": b""})

        yield write


@asynccontextmanager
async def _reader_by_hand(url: str) -> AsyncIterator[_Read]:
    async with _redis(url) as redis:

        async def read(name: str, note: _Note) -> None:
            last: Any = "0"
            while found := await redis.xread({name: last}, block=10_000):
                for entry_id, fields in found[0][1]:
                    if b"end" in fields:
                        return
                    note(fields[b"d"])
                    last = entry_id

        yield read


class _Kind(TypedDict):
    writer: Callable[[str], AbstractAsyncContextManager[Write]]
    reader: Callable[[str], AbstractAsyncContextManager[_Read]]


KINDS: dict[str, _Kind] = {
    "ours": {"writer": _our_writer, "reader": _our_reader},
    "by_hand": {"writer": _writer_by_hand, "reader": _reader_by_hand},
}


# The reading node.


async def _run(kind: str, url: str, streams: int) -> None:
    latencies: list[float] = []

    def note(payload: bytes) -> None:
        if (stamp := _STAMP.search(payload)) is not None:
            latencies.append((time.monotonic_ns() + STAMP - int(stamp[1])) / 1e9)

    async with KINDS[kind]["reader"](url) as read, asyncio.TaskGroup() as group:
        tasks = [group.create_task(read(f"stream-{place}", note)) for place in range(streams)]
        # The parent says when all streams are open: what came until then was not in time.
        await asyncio.to_thread(sys.stdin.readline)
        latencies.clear()
        cpu = time.process_time()
        await asyncio.gather(*tasks)
        cpu = time.process_time() - cpu
    seen: Seen = {"frames": len(latencies), "cpu": cpu, "latency": percentiles(latencies)}
    print(json.dumps(seen), flush=True)


class Node:
    """The running reading node, seen from the writing one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # they are
        assert process.stdout is not None  # pipes
        self._commands, self._answers = process.stdin, process.stdout

    def begin(self) -> None:
        """Say that what comes from now on counts."""
        self._commands.write(b"\n")
        self._commands.flush()

    async def seen(self) -> Seen:
        """Wait for the end of all streams. Cancelling it leaves the answer unread."""
        found: Seen = json.loads(await asyncio.to_thread(self._answers.readline))
        return found


@contextlib.contextmanager
def node(kind: str, url: str, streams: int) -> Iterator[Node]:
    """Let a node of a kind read so many streams."""
    command = [sys.executable, "-m", "benchmarks.redisnodes", kind, url, str(streams)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Node(process)
        finally:
            process.kill()


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Start a redis-server on a free port; gives its address.

    Raises:
        RuntimeError: There is none, or it does not answer.
    """
    if shutil.which("redis-server") is None:
        raise RuntimeError("there is no redis-server: apt install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                _await(port)
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.kill()


def _await(port: int) -> None:
    ends = time.monotonic() + _STARTING
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise RuntimeError("redis-server does not answer")


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
