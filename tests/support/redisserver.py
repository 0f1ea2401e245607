"""A real redis-server on loopback that a test may kill, stop, block, restart, and fail over from.

Options go in; a server that listens comes out, with its data in a folder of its own. `Switch` is the address that
clients know when a test has two of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

__all__ = ["RedisServer", "Switch", "installed"]

_STARTING = 20.0  # seconds: a busy machine takes two


def installed() -> bool:
    """Whether there is a redis-server to start."""
    return shutil.which("redis-server") is not None


class RedisServer:
    """One redis-server.

    Args:
        folder: Where its data and its log go; made if it is missing.
        options: Further ones, as on its command line.
        password: That it asks for; empty: none.
    """

    def __init__(self, folder: Path, *options: str, password: str = "") -> None:
        self.folder = folder
        self.options = (*options, "--requirepass", password) if password else options
        self._password = password
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True, parents=True)

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start it, and return once it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", *self.options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        ends = time.monotonic() + _STARTING
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-500:]
            assert time.monotonic() < ends, "redis-server does not answer"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def pause(self) -> None:
        """Let it do nothing, with all connections open, until `resume`."""
        assert self._process is not None  # it was started
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        assert self._process is not None  # it was started
        self._process.send_signal(signal.SIGCONT)

    def run(self, *words: str | int) -> Any:
        """Run a command, on a connection of its own.

        Raises:
            RuntimeError: The server refused it.
        """
        address = ("127.0.0.1", self.port)
        with socket.create_connection(address, timeout=10) as connection, connection.makefile("rb") as replies:
            if self._password:
                connection.sendall(_command("AUTH", self._password))
                _reply(replies)
            connection.sendall(_command(*words))
            return _reply(replies)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # not there yet, or it still reads its data
            return self.run("PING") == b"PONG"
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()


def _command(*words: str | int) -> bytes:
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _reply(replies: Any) -> Any:
    line = replies.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise RuntimeError(rest.decode())
    if kind == b":":
        return int(rest)
    size = int(rest)
    if size < 0:
        return None
    if kind == b"$":
        return replies.read(size + 2)[:-2]
    return [_reply(replies) for _ in range(size)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Switch:
    """A TCP proxy whose target can be changed: what a service's address does at a failover.

    Args:
        port: Of the server that it leads to at first.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, as a Redis server's."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def switch(self, port: int) -> None:
        """Cut all connections; new ones lead to `port`."""
        self.target = port
        self._cut()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None  # it was entered
        self._server.close()
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # asyncio runs handlers in tasks
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(back)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        except OSError:
            pass  # the target is down: so is this connection
        finally:
            for end in self._writers & {writer, *(w for w in self._writers if w.is_closing())}:
                end.transport.abort()
            self._tasks.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # cut, on either side
    finally:
        writer.transport.abort()
