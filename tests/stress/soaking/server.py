"""The server: `python -m stress.soaking.server --seed N --faults F`, in a process of its own; it says its port and serves.

A plain asyncio protocol that plays scripts: each request names its stream in a header, and the steps of that stream's
attempt are sent as they are. What it holds can be asked for at `/stats`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import socket
import struct
import sys
from collections.abc import Iterator

from .kinds import script
from .script import DIE_IF_REUSED, FIN, HANG, RESET, Step

__all__ = ["STREAM_HEADER", "raise_limit"]

STREAM_HEADER = "x-stream"
_NUMBER = re.compile(rb"x-stream: (\d+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class _Playing:
    """What all connections share."""

    def __init__(self, seed: int, faults: float) -> None:
        self.seed = seed
        self.faults = faults
        self.connections: set[_Connection] = set()
        self.requests = 0
        self.attempts: dict[int, int] = {}  # of the streams that will be asked for again

    def steps(self, number: int) -> list[Step]:
        """What a stream's next attempt is."""
        attempts = script(self.seed, number, self.faults).attempts
        made = self.attempts.pop(number, 0)
        if made + 1 < len(attempts):
            self.attempts[number] = made + 1
        return attempts[min(made, len(attempts) - 1)]

    def stats(self) -> bytes:
        """What is held, as a response."""
        held = {"open": len(self.connections), "requests": self.requests, "expected": len(self.attempts)}
        body = json.dumps(held).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class _Connection(asyncio.Protocol):
    def __init__(self, playing: _Playing) -> None:
        self._playing = playing
        self._transport: asyncio.Transport
        self._held = b""
        self._steps: Iterator[Step] | None = None  # None: it waits for a request
        self._number = -1
        self._served = 0
        self._blocked = False
        self._pause: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._playing.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it was lost
        self._playing.connections.discard(self)
        self._steps = iter(())
        if self._pause is not None:
            self._pause.cancel()

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        if self._pause is None:
            self._play()

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._steps is None:
            self._begin()

    def _begin(self) -> None:
        """Take the next request, if it is whole."""
        headers, ended, rest = self._held.partition(b"\r\n\r\n")
        length = _LENGTH.search(headers)
        size = int(length[1]) if length else 0
        if not ended or len(rest) < size:
            return
        self._held = rest[size:]
        self._playing.requests += 1
        number = _NUMBER.search(headers)
        self._number = int(number[1]) if number else -1
        self._steps = iter(self._playing.steps(self._number) if number else [self._playing.stats()])
        self._served += 1
        self._play()

    def _play(self) -> None:
        """Go on until something has to be waited for."""
        self._pause = None
        if self._steps is None or self._blocked:
            return
        for step in self._steps:
            if isinstance(step, bytes):
                self._transport.write(step)
                if self._blocked:
                    return
            elif isinstance(step, float):
                self._pause = asyncio.get_running_loop().call_later(step, self._play)
                return
            elif self._ends(step):
                return
        if self._transport.is_closing():
            return
        self._steps = None
        if self._held:
            self._begin()

    def _ends(self, step: str) -> bool:
        """Do what is no sending; return whether the script ends with it."""
        if step == FIN:
            self._transport.close()
        elif step == RESET:
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif step == DIE_IF_REUSED:
            if self._served == 1:
                self._playing.attempts.pop(self._number, None)  # it will be answered now
                return False
            self._transport.close()
        else:
            assert step == HANG, step
        return True


def raise_limit() -> None:
    """Allow this process as many descriptors as it may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(seed: int, faults: float) -> None:
    playing = _Playing(seed, faults)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(playing), "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stress.soaking.server")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--faults", type=float, required=True)
    arguments = parser.parse_args()
    raise_limit()
    asyncio.run(_serve(arguments.seed, arguments.faults))
