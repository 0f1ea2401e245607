"""Answers as bytes: a server that sends them exactly so, and a reading of them that owes the package nothing.

`serving` answers every request on a real loopback socket with given pieces of bytes, status line and framing included.
`Capture` is a recorded answer: `body` takes the HTTP framing off by hand, `events` splits the stream line by line.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from .shared import SHARED, load
from .sse_cases import naive

__all__ = ["Capture", "framed", "in_pieces", "recorded", "serving"]


@contextlib.asynccontextmanager
async def serving(pieces: Sequence[bytes]) -> AsyncIterator[str]:
    """Serve `pieces` to every request, each in a write of its own, then close; gives the base URL.

    Between two writes the loop turns twice, for the client's socket and for its task, so that the client, which lives
    on the same loop, reads the pieces one by one.
    """
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        # The client may leave in the middle of anything.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await _take_request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                for _ in range(2):
                    await asyncio.sleep(0)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/v1"
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*connections)


async def _take_request(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))


def framed(body: Sequence[bytes], *, mode: str = "chunked", **headers: str) -> list[bytes]:
    """Return a whole 200 answer in pieces: the head, then the body's pieces, framed.

    Args:
        body: Each piece becomes one HTTP chunk, or stands alone where the body is not chunked.
        mode: "chunked"; "eof", chunked without the last chunk; "length"; or "length:N", that many bytes promised.
        headers: Further ones, "_" for "-".
    """
    chunked = mode in {"chunked", "eof"}
    promised = mode.partition(":")[2] or str(sum(map(len, body)))
    lines = ["HTTP/1.1 200 OK", "transfer-encoding: chunked" if chunked else f"content-length: {promised}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body] if chunked else list(body)
    return [head, *pieces, *([b"0\r\n\r\n"] if mode == "chunked" else [])]


def in_pieces(data: bytes, size: int) -> list[bytes]:
    """Return `data` in pieces of `size` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@dataclass(frozen=True)
class Capture:
    """A recorded answer.

    Attributes:
        request: The request's first line.
        streams: Whether it asked for a stream.
        wire: All bytes of the answer.
        reads: Sizes of the reads in which they came.
    """

    request: str
    streams: bool
    wire: bytes
    reads: list[int]

    @property
    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers, names in lower case."""
        first, *lines = self.wire.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def body(self) -> tuple[bytes, bool]:
        """The body without its framing, decompressed, and whether all of it is there."""
        _, headers = self.head
        data = self.wire.partition(b"\r\n\r\n")[2]
        whole = True
        if headers.get("transfer-encoding") == "chunked":
            data, whole = _dechunked(data)
        elif "content-length" in headers:
            whole = len(data) == int(headers["content-length"])
        if headers.get("content-encoding") == "gzip":
            data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)
        return data, whole

    @property
    def events(self) -> list[tuple[str | None, bytes]]:
        """Name and data of each event in the body."""
        return [(event.event, event.data) for event in naive(self.body[0])]

    def pieces(self, size: int | None) -> list[bytes]:
        """The bytes in pieces of `size`; None: as they were read when they were recorded."""
        if size is not None:
            return in_pieces(self.wire, size)
        ends = [sum(self.reads[:count]) for count in range(len(self.reads) + 1)]
        return [self.wire[start:end] for start, end in itertools.pairwise(ends)]


def _dechunked(data: bytes) -> tuple[bytes, bool]:
    body = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        if not found:
            return body, False
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return body, True
        body += data[:length]
        data = data[length + 2 :]


def recorded(name: str) -> Capture:
    """Return the capture of that name, "server/case"."""
    head, _, body = (SHARED / f"captures/{name}.req").read_bytes().partition(b"\r\n\r\n")
    return Capture(
        request=head.partition(b"\r\n")[0].decode(),
        # Some requests are no JSON, on purpose, and of the longest ones the end was not kept.
        streams=b'"stream": true' in body or (body.endswith(b"(truncated)") and name.endswith("_stream")),
        wire=(SHARED / f"captures/{name}.http").read_bytes(),
        reads=[size for _, size in load(f"captures/{name}.reads.json")["reads"]],
    )
