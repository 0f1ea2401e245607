"""Readers of a relay, in a process of their own: browsers, as far as the server can tell.

The server's port and how many readers there are come in; a line goes out when all have the head of their response, and
another one with `Heard` when all have read to the end. They count events, and of some they look at the stamps.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TypedDict, cast

from .bodies import STAMP
from .pacer import percentiles
from .source import ROOT

__all__ = ["Audience", "Heard", "audience"]

_STAMP = re.compile(rb'"created": ?(\d{18})')
_EVENT = b'"created"'
# Of an answer that is over: OpenAI's own, or the last frame over a WebSocket.
_ENDINGS = (b"[DONE]", b'{"end"')
_TAIL = 64  # bytes: longer than what is looked for
_SAMPLE = 20  # readers whose chunks' latency is noted
_AT_ONCE = 100  # connections begun together
_REQUESTS = {
    "sse": b"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n",
    "ws": (
        b"GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
    ),
}


class Heard(TypedDict):
    """What the readers got.

    Attributes:
        events: All together; fewer where the relay joins pieces for readers that are behind.
        latency: Seconds from a chunk's sending to the reader: of half of them, of 99 in 100, and of all.
    """

    events: int
    latency: tuple[float, float, float]


class _Reader(asyncio.Protocol):
    """One connection, from the request to the answer's end."""

    def __init__(self, hall: _Hall, *, sampled: bool) -> None:
        self._hall, self._sampled = hall, sampled
        self._tail = b""
        self._begun = self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._hall.request)

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._hall.begin(data)
        self._hall.events += data.count(_EVENT)
        if self._sampled:
            now = time.monotonic_ns() + STAMP
            self._hall.latencies.extend((now - int(stamp)) / 1e9 for stamp in _STAMP.findall(data))
        self._tail = (self._tail + data)[-_TAIL:]
        if not self._over and any(ending in self._tail for ending in _ENDINGS):
            self._over = True
            self._hall.end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            self._hall.fail(f"a reader was cut off: {exc}")


class _Hall:
    """All readers, and what they heard."""

    def __init__(self, kind: str, readers: int) -> None:
        self.request = _REQUESTS[kind]
        self.events = 0
        self.latencies: list[float] = []
        self._waiting = self._reading = readers
        self.all_begun, self.all_over = asyncio.Event(), asyncio.Event()

    def begin(self, head: bytes) -> None:
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")):
            self.fail(f"a reader was refused: {head[:200]!r}")
        self._waiting -= 1
        if not self._waiting:
            self.all_begun.set()

    def end(self) -> None:
        self._reading -= 1
        if not self._reading:
            self.all_over.set()

    def fail(self, why: str) -> None:
        print(json.dumps({"failed": why}), flush=True)
        raise SystemExit(why)


async def _listen(port: int, kind: str, readers: int) -> None:
    hall, loop = _Hall(kind, readers), asyncio.get_running_loop()
    for begin in range(0, readers, _AT_ONCE):
        await asyncio.gather(
            *(
                loop.create_connection(lambda place=place: _Reader(hall, sampled=place < _SAMPLE), "127.0.0.1", port)
                for place in range(begin, min(begin + _AT_ONCE, readers))
            )
        )
    await hall.all_begun.wait()
    hall.events = 0
    hall.latencies.clear()
    print("{}", flush=True)
    await hall.all_over.wait()
    heard: Heard = {"events": hall.events, "latency": percentiles(hall.latencies)}
    print(json.dumps(heard), flush=True)


class Audience:
    """The running readers, seen from the process that started them, which is the server's own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # it is a pipe
        self._lines = process.stdout

    async def _line(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(await asyncio.to_thread(self._lines.readline))
        if "failed" in found:
            raise RuntimeError(str(found["failed"]))
        return found

    async def seated(self) -> None:
        """Wait until all have the head of their response. Cancelling it leaves the line unread."""
        await self._line()

    async def heard_to_the_end(self) -> Heard:
        """The same from the beginning, for answers that do not wait. Cancelling it leaves a line unread."""
        await self.seated()
        return await self.heard()

    async def heard(self) -> Heard:
        """Wait until all have read to the end. Cancelling it leaves the line unread."""
        return cast("Heard", await self._line())


@contextlib.contextmanager
def audience(port: int, kind: str, readers: int) -> Iterator[Audience]:
    """Let so many readers of a kind, "sse" or "ws", connect to a port."""
    command = [sys.executable, "-m", "benchmarks.audience", str(port), kind, str(readers)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            yield Audience(process)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_listen(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
