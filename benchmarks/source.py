"""The server of every row: a process of its own that writes prepared bytes, and is never what is waited for.

A request's `model` picks the body. `GET /cpu` tells the CPU seconds that the process has used, so that a row can show
what the source itself took. It parses no more of HTTP than its own clients send.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from .bodies import Body, body

__all__ = ["Source", "source"]

ROOT = Path(__file__).resolve().parent.parent

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": *"([^"]+)"')
# Larger than a socket's buffer: the kernel is kept full with one call per wake-up.
_SLICE = 512 * 1024
# Bytes at a request's beginning and at its end among which its model is: a large one is not kept, nor searched.
_MARGIN = 4 * 1024

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
    b"x-request-id: req_benchmark\r\nopenai-processing-ms: 210\r\ncache-control: no-cache\r\n\r\n"
)
_PLAIN_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"x-request-id: req_benchmark\r\nopenai-processing-ms: 210\r\n\r\n"
)


class _Connection(asyncio.Protocol):
    """Answers one client's requests, one after the other."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._head = b""  # as much of it as has come; whole as soon as `_missing` counts
        self._missing = 0  # bytes of the request's body
        self._first = self._last = b""  # those of the body: what lies between is only counted
        self._left = memoryview(b"")
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(high=_SLICE)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                return
            length = _LENGTH.search(self._head)
            self._missing = int(length[1]) if length else 0
            self._first = self._last = b""
        self._missing -= len(data)
        if len(self._first) < _MARGIN:
            self._first += data[:_MARGIN]
        self._last = data[-_MARGIN:] if len(data) >= _MARGIN else self._last[-_MARGIN:] + data
        if self._missing <= 0:
            head, self._head, self._missing = self._head, b"", 0
            self._answer(head, self._first + b" " + self._last)

    def _answer(self, head: bytes, request: bytes) -> None:
        if head.startswith(b"GET /cpu "):
            text = json.dumps(time.process_time()).encode()
            self._transport.write(_PLAIN_HEAD % len(text) + text)
            return
        model = _MODEL.search(request)
        assert model is not None  # every contestant names one
        wanted: Body = body(model[1].decode())
        if not wanted.stream:
            self._transport.write(_PLAIN_HEAD % wanted.size + wanted.data)
            return
        # Together, so that nobody is woken for the head alone.
        self._transport.write(_STREAM_HEAD + wanted.data[:_MARGIN])
        self._left = memoryview(wanted.data)[_MARGIN:]
        self._write_on()

    def _write_on(self) -> None:
        while self._left and not self._paused:
            part, self._left = self._left[:_SLICE], self._left[_SLICE:]
            self._transport.write(part)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write_on()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a client that leaves early is its own business
        self._left = memoryview(b"")


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent holds the other end of stdin: when it goes, however it goes, so does this.
    await asyncio.to_thread(sys.stdin.read)


class Source:
    """The running source, seen from the process that started it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"

    def cpu(self) -> float:
        """CPU seconds that the source has used so far."""
        with urllib.request.urlopen(f"{self.origin}/cpu") as response:
            return float(response.read())

    def pace(self, model: str) -> float:
        """Seconds in which a reader that only empties its socket gets the body of `model`: what the source can do."""
        request = json.dumps({"model": model}).encode()
        buffer = bytearray(_SLICE)
        took: list[float] = []
        for _ in range(4):  # the first one makes the body
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                began = time.perf_counter()
                connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(request) + request)
                left = len(body(model).data) + len(_STREAM_HEAD)
                while left > 0:
                    received = connection.recv_into(buffer)
                    if not received:
                        raise ConnectionError("the source went away; its traceback is above")
                    left -= received
                took.append(time.perf_counter() - began)
        return min(took)


@contextlib.contextmanager
def source() -> Iterator[Source]:
    """Run the source in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.source"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # it is a pipe
        try:
            yield Source(int(process.stdout.readline()))
        finally:
            process.communicate()  # closes its stdin, and waits


if __name__ == "__main__":
    try:
        import uvloop  # another rival's dependency; the source is the quicker for it

        uvloop.run(_serve())
    except ImportError:
        asyncio.run(_serve())
