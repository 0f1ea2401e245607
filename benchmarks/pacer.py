"""The server of the rows with many streams: a process of its own that writes each chunk when its time has come.

A request for the model `paced-<chunks>` opens a stream and gets so many chunks at once; the rest begins for all open
streams together, by a command on stdin. Each stream has a beat of its own, so that chunks are spread over time as those
of many answers are, and each chunk carries the moment of its sending. What the source took, and how late it was itself,
goes out on stdout when all is written.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import TypedDict

from .bodies import STAMP, pieces
from .source import ROOT

__all__ = ["GRACE", "Pace", "Pacer", "Pacing", "pacer", "percentiles"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": *"paced-(\d+)"')
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
    b"x-request-id: req_benchmark\r\nopenai-processing-ms: 210\r\ncache-control: no-cache\r\n\r\n"
)
_WORDS = 200  # different chunks
_BLOCK = 1_000  # chunks of a burst that are written from one buffer
_SLICE = 128 * 1024  # bytes of a burst between two looks at the clock
GRACE = 0.05  # seconds from the command to the first beat


class Pace(TypedDict):
    """What the command asks for.

    Attributes:
        chunks: Chunks of each stream.
        rate: Chunks a second of each stream.
        spread: How far the streams are apart: 0.0, all get their chunks at the same moments; 1.0, at random ones.
        burst: Chunks of the first stream instead, as fast as it takes them, from a quarter of the time on; 0: none.
        ending: Whether each stream ends one interval after its last chunk, else it stays open; one with a burst ends.
    """

    chunks: int
    rate: float
    spread: float
    burst: int
    ending: bool


class Pacing(TypedDict):
    """How the source itself did.

    Attributes:
        cpu: CPU seconds, from the command to the last byte.
        late: Seconds from a chunk's time to its sending: of half of them, of 99 in 100, and of all; 0.0 without any.
    """

    cpu: float
    late: tuple[float, float, float]


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """Half of the values are at most the first of the three, 99 in 100 at most the second, all at most the third."""
    ordered = sorted(values)
    count = len(ordered)
    return (
        (ordered[count // 2], ordered[min(count - 1, count * 99 // 100)], ordered[-1]) if ordered else (0.0, 0.0, 0.0)
    )


class _Server:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._poll = select.poll()
        self._connections: dict[int, tuple[socket.socket, bytes]] = {}  # by file number, with what they have asked
        self._open: list[socket.socket] = []  # streams, in the order of the requests
        self._pieces = pieces(_WORDS)
        self._bursting = self._listener  # the stream that gets the burst, once there is one,
        self._writable = select.poll()  # and whether it takes more of it
        self._burst: Iterator[memoryview] = iter(())
        self._left = memoryview(b"")  # of the burst's next piece

    def serve(self) -> None:
        print(self._listener.getsockname()[1], flush=True)
        for descriptor in (sys.stdin.fileno(), self._listener.fileno()):
            self._poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == sys.stdin.fileno():
                    # The parent holds the other end: when it goes, however it goes, so does this.
                    if not (command := os.read(descriptor, 4096)):
                        return
                    print(json.dumps(self._pace(json.loads(command))), flush=True)
                elif descriptor == self._listener.fileno():
                    connection, _ = self._listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._connections[connection.fileno()] = connection, b""
                    self._poll.register(connection.fileno(), select.POLLIN)
                else:
                    self._receive(descriptor)

    def _receive(self, descriptor: int) -> None:
        connection, received = self._connections[descriptor]
        try:
            data = connection.recv(65536)
        except ConnectionError:
            data = b""
        if not data:  # a client that leaves early is its own business
            self._poll.unregister(descriptor)
            del self._connections[descriptor]
            self._open = [other for other in self._open if other is not connection]
            connection.close()
            return
        received += data
        head, end, rest = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        whole = end and len(rest) >= int(length[1] if length else 0)
        self._connections[descriptor] = connection, b"" if whole else received
        if whole:
            model = _MODEL.search(rest)
            assert model is not None  # every contestant names one
            opening = islice(cycle(self._pieces.words), int(model[1]))
            connection.sendall(_HEAD + self._pieces.role + b"".join(map(_stamped, opening)))
            self._open.append(connection)

    def _pace(self, pace: Pace) -> Pacing:
        """Write what is asked for to all open streams."""
        gc.collect()
        gc.disable()
        began = time.process_time()
        streams, chunks = self._open, pace["chunks"]
        begin, interval = time.monotonic() + GRACE, 1 / pace["rate"]
        bursting = streams[:1] if pace["burst"] else []
        chance = random.Random(len(streams))
        beats = sorted((chance.random() * pace["spread"], place) for place in range(len(bursting), len(streams)))
        burst_at = begin + chunks * interval / 4
        late: list[float] = []
        for round_, halves in zip(range(chunks + pace["ending"]), cycle(self._pieces.words)):
            for beat, place in beats:
                due = begin + (round_ + beat) * interval
                if bursting and due > burst_at:
                    self._begin_burst(bursting.pop(), pace["burst"])
                self._until(due)
                late.append(time.monotonic() - due)
                _send(streams[place], _stamped(halves) if round_ < chunks else self._pieces.ending)
        if bursting:
            self._begin_burst(bursting.pop(), pace["burst"])
        self._until(None)
        if pace["ending"]:
            self._open = []
        gc.enable()
        return {"cpu": time.process_time() - began, "late": percentiles(late)}

    def _begin_burst(self, stream: socket.socket, chunks: int) -> None:
        block = memoryview(b"".join(map(_stamped, islice(cycle(self._pieces.words), _BLOCK))))
        rest = memoryview(
            b"".join(map(_stamped, islice(cycle(self._pieces.words), chunks % _BLOCK))) + self._pieces.ending
        )
        self._bursting = stream
        self._writable = select.poll()
        self._writable.register(stream, select.POLLOUT)
        self._burst = iter([*[block] * (chunks // _BLOCK), rest])
        self._left = next(self._burst)

    def _until(self, due: float | None) -> None:
        """Wait, and write of the burst meanwhile; without a time, all that is left of it."""
        while self._left and (due is None or due > time.monotonic()):
            if not self._writable.poll(None if due is None else max(due - time.monotonic(), 0) * 1000):
                continue
            try:
                sent = self._bursting.send(self._left[:_SLICE], socket.MSG_DONTWAIT)
            except ConnectionError:  # a client that leaves early is its own business
                self._left = memoryview(b"")
            else:
                self._left = self._left[sent:] or next(self._burst, memoryview(b""))
        while due is not None and (left := due - time.monotonic()) > 0:
            time.sleep(left)


def _stamped(halves: tuple[bytes, bytes]) -> bytes:
    return b"%b%d%b" % (halves[0], STAMP + time.monotonic_ns(), halves[1])


def _send(stream: socket.socket, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # a client that leaves early is its own business
        stream.sendall(data)


class Pacer:
    """The running source, seen from the process that started it, which is the contestant's own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # they are
        assert process.stdout is not None  # pipes
        self._commands, self._answers = process.stdin, process.stdout
        self.origin = f"http://127.0.0.1:{int(self._answers.readline())}"

    def begin(self, pace: Pace) -> None:
        """Have the source pace all streams that are open by now. Returns at once."""
        self._commands.write(json.dumps(pace).encode())
        self._commands.flush()

    def outcome(self) -> Pacing:
        """How it did, when it has written all."""
        found: Pacing = json.loads(self._answers.readline())
        return found


@contextlib.contextmanager
def pacer() -> Iterator[Pacer]:
    """Run the source in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pacer"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Pacer(process)
        finally:
            process.communicate()  # closes its stdin, and waits


if __name__ == "__main__":
    _Server().serve()
