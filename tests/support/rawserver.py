"""A server that does to a connection whatever a test wants: any bytes, cut anywhere, and every way to end.

A handler, one for all requests or one for each, gets a `Peer` and sends what it likes; the server keeps what was asked
and on how many connections. It checks nothing and repairs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, Self

import trustme

__all__ = [
    "Handler",
    "Peer",
    "RawRequest",
    "RawServer",
    "answer",
    "certificates",
    "chunk",
    "completion",
    "deaf",
    "event",
    "free_port",
    "hello",
    "in_thread",
    "sse",
]


class RawRequest:
    """A request as it was read off the socket."""

    def __init__(self, head: bytes, body: bytes, connection: int) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ", 2)
        self.lines = [line for line in lines if line]
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in self.lines)}
        self.body = body
        self.connection = connection

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Peer:
    """The server's side of one request."""

    def __init__(self, request: RawRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.reader = reader
        self.writer = writer
        self.open = True

    async def send(self, data: bytes, *, cut: int = 0) -> None:
        """Send `data`, whole, or in pieces of `cut` bytes that the reader meets one by one."""
        step = cut or max(len(data), 1)
        for start in range(0, len(data), step):
            self.writer.write(data[start : start + step])
            await self.writer.drain()
            if cut:
                await asyncio.sleep(0)

    async def head(self, status: int = 200, **headers: str) -> None:
        """Send a status line and headers; underscores in names stand for hyphens."""
        lines = [f"HTTP/1.1 {status} Said", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def chunk(self, data: bytes) -> None:
        """Send `data` as one chunk of the chunked transfer coding; b"" ends the body."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def gone(self) -> float:
        """Wait until the client has closed the connection; return when that was, by the loop's clock."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return asyncio.get_running_loop().time()

    def fin(self) -> None:
        """Close the connection in order."""
        self.open = False
        self.writer.close()

    def reset(self) -> None:
        """Close the connection with a RST."""
        self.open = False
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Answers on a free port of the loopback interface.

    Args:
        handlers: One for each request, in order, the last one for all that follow.
        context: For TLS; None: plain.

    Attributes:
        requests: What was asked, in order.
        connections: How many were accepted.
        open: How many are open.
    """

    def __init__(self, *handlers: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handlers = list(handlers)
        self.context = context
        self.requests: list[RawRequest] = []
        self.connections = 0
        self.open = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What a client takes as `base_url`."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # asyncio runs it as one
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._serve(reader, writer, self.connections)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass  # the client left, or the test is over
        finally:
            self._tasks.discard(task)
            self.open -= 1
            writer.close()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            body = await reader.readexactly(int(length.partition(b":")[2]))
            peer = Peer(RawRequest(head, body, connection), reader, writer)
            self.requests.append(peer.request)
            await self.handlers[min(len(self.requests), len(self.handlers)) - 1](peer)
            if not peer.open:
                return


@contextlib.contextmanager
def in_thread(server: RawServer) -> Generator[RawServer]:
    """Run the server on an event loop of its own, for tests that have several."""
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with server:
            loops.append(asyncio.get_running_loop())
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)


def free_port() -> int:
    """A port on which nobody listens, for the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def deaf() -> Generator[str]:
    """The address of a socket that listens and takes no connection, its queue being full."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts of a server on 127.0.0.1 and of clients that trust it, by an authority made for the occasion."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


# Bodies.


def chunk(
    content: str | None = None, *, finish: str | None = None, index: int = 0, delta: Any = None, **fields: Any
) -> dict[str, Any]:
    """A chunk of one choice, as the API sends it; `delta` adds to the delta, `fields` to the chunk."""
    said = {} if content is None else {"content": content}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m-1",
        "choices": [{"index": index, "delta": {**said, **(delta or {})}, "finish_reason": finish}],
        **fields,
    }


def hello() -> list[dict[str, Any]]:
    """The chunks of a whole answer: the role, "Hel", "lo", and the end."""
    return [chunk("", delta={"role": "assistant"}), chunk("Hel"), chunk("lo"), chunk(finish="stop")]


def completion(content: str = "Hello", **fields: Any) -> dict[str, Any]:
    """A whole completion, as the API sends it."""
    message = {"role": "assistant", "content": content, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
        **fields,
    }


def event(payload: Any) -> bytes:
    """One event: JSON of an object, or text as it is."""
    return b"data: %b\n\n" % (payload if isinstance(payload, str) else json.dumps(payload)).encode()


# Handlers.


def answer(
    body: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None, *, kind: str = "application/json"
) -> Handler:
    """Answer with a whole body: bytes as they are, anything else as JSON."""
    data: bytes = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def handle(peer: Peer) -> None:
        await peer.head(status, content_type=kind, content_length=str(len(data)), **(headers or {}))
        await peer.send(data)

    return handle


def sse(
    payloads: Sequence[Any] = (),
    *,
    done: bool = True,
    cut: int = 0,
    ending: str = "last chunk",
    late: float = 0.0,
    kind: str = "text/event-stream",
    headers: Mapping[str, str] | None = None,
) -> Handler:
    """Answer with an event stream.

    Args:
        payloads: The events' data; bytes are sent as they are.
        done: Whether `[DONE]` follows.
        cut: Bytes a piece, each a chunk of its own; 0: one chunk an event.
        ending: What follows: "last chunk", "fin", "reset", or "nothing" until the client goes.
        late: Seconds before the ending.
        kind: The content type.
        headers: Further ones.
    """

    async def handle(peer: Peer) -> None:
        await peer.head(content_type=kind, transfer_encoding="chunked", **(headers or {}))
        events = [
            part if isinstance(part, bytes) else event(part) for part in (*payloads, *(["[DONE]"] if done else []))
        ]
        if cut:
            data = b"".join(events)
            events = [data[start : start + cut] for start in range(0, len(data), cut)]
        for part in events:
            await peer.chunk(part)
            await asyncio.sleep(0)
        if late:
            await asyncio.sleep(late)
        if ending == "last chunk":
            await peer.chunk(b"")
        elif ending == "fin":
            peer.fin()
        elif ending == "reset":
            peer.reset()
        else:
            await peer.gone()

    return handle
