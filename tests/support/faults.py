"""Servers that go wrong: every way in which HTTP, its framing, its codings or its connection can break.

Each function returns a handler for `RawServer`. What it is to send goes in: `pieces` are bytes of the body, sent as they
are, each in a write (and where the body is chunked, in a chunk) of its own; `events` makes them of payloads. What the
connection does after the last byte is its `ending`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from .rawserver import Handler, Peer, RawRequest, RawServer, event

__all__ = [
    "HTTP2_SETTINGS",
    "TLS_ALERT",
    "EarlyServer",
    "Ending",
    "NoHandshake",
    "bad_chunk_size",
    "closes_after",
    "corrupt",
    "cuts_tls",
    "drip",
    "early",
    "end",
    "endless_head",
    "events",
    "framed",
    "garbage",
    "half_head",
    "head",
    "http10",
    "huge_head",
    "interim",
    "no_answer",
    "no_last_chunk",
    "pack",
    "packed",
    "redirect",
    "set_cookies",
    "short_body",
    "slow_head",
    "stalls",
    "trailers",
    "truncated",
    "wire",
]

Ending = Literal["keep", "fin", "reset", "nothing"]
"""Await the next request; close in order; close with a RST; or say nothing more, until the client has gone."""
SSE, JSON = "text/event-stream", "application/json"

HTTP2_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
"""What a server that speaks nothing but HTTP/2 says first: an empty SETTINGS frame."""

TLS_ALERT = b"\x15\x03\x01\0\x02\x02\x28"
"""A fatal alert, handshake_failure."""

# Bytes, and how they are sent.


def head(status: int = 200, *lines: str, version: str = "HTTP/1.1", **headers: str) -> bytes:
    """A status line and headers as bytes: `lines` as they are, then `headers`, whose underscores stand for hyphens."""
    named = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{version} {status} Said", *lines, *named, "", ""]).encode("latin-1")


def events(payloads: Sequence[Any], *, done: bool = True) -> list[bytes]:
    """Events of `payloads`, bytes as they are, and `[DONE]` if it is to follow."""
    made = [payload if isinstance(payload, bytes) else event(payload) for payload in payloads]
    return [*made, event("[DONE]")] if done else made


def framed(piece: bytes) -> bytes:
    """`piece` as one chunk of the chunked transfer coding; b"" is the last chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def end(peer: Peer, how: Ending) -> None:
    """End the connection, or don't."""
    if how == "fin":
        peer.fin()
    elif how == "reset":
        peer.reset()
    elif how == "nothing":
        await peer.gone()


def wire(*pieces: bytes, ending: Ending = "fin", every: float = 0.0) -> Handler:
    """Send `pieces`, head and framing included, one every so many seconds: what all others here are made of."""

    async def handle(peer: Peer) -> None:
        for number, piece in enumerate(pieces):
            await asyncio.sleep(every if number else 0)
            await peer.send(piece)
        await end(peer, ending)

    return handle


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


# No head, or a strange one.


def no_answer(ending: Ending = "fin") -> Handler:
    """Read the request and answer nothing."""
    return wire(ending=ending)


def half_head(ending: Ending = "fin", *, cut: int = 25) -> Handler:
    """Send the first `cut` bytes of a head, or where it is negative, all but the last."""
    return wire(head(content_type=JSON, content_length="2")[:cut], ending=ending)


def slow_head(body: bytes = b"{}", *, size: int = 1, every: float = 1.0, kind: str = JSON) -> Handler:
    """Send a head `size` bytes at a time, one every so many seconds, then a body at once."""
    sent = head(content_type=kind, content_length=str(len(body)))
    return wire(*_cut(sent, size), body, every=every, ending="keep")


def endless_head(line: bytes = b"x-more: and more\r\n") -> Handler:
    """Send header lines until the client has gone."""

    async def handle(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 Said\r\n")
        while True:  # until sending fails
            await peer.send(line * 1024)
            await asyncio.sleep(0)

    return handle


def huge_head(
    size: int, *, where: Literal["reason", "name", "value", "count"] = "value", body: bytes = b"{}"
) -> Handler:
    """Send a head that is too large: `size` bytes of reason, name or value, or as many lines; then a body."""
    lines = {
        "reason": [],
        "name": [f"{'x' * size}: 1"],
        "value": [f"x-long: {'x' * size}"],
        "count": [f"x-{number}: 1" for number in range(size)],
    }[where]
    sent = head(200, *lines, content_type=JSON, content_length=str(len(body)))
    return wire(sent.replace(b"Said", b"S" * size, 1) if where == "reason" else sent, body, ending="keep")


def garbage(before: bytes = b"", after: bytes = b"", *, body: bytes = b"{}", ending: Ending = "fin") -> Handler:
    """Send bytes that belong to nothing before the head, or between the head's end and the body."""
    return wire(before + head(content_type=JSON, content_length=str(len(body))) + after + body, ending=ending)


def interim(then: Handler, *statuses: int, line: str = "link: </style.css>; rel=preload") -> Handler:
    """Send heads that are no answers yet (100 Continue, 102, 103 Early Hints), then what `then` sends."""

    async def handle(peer: Peer) -> None:
        for status in statuses:
            await peer.send(head(status, line))
        await then(peer)

    return handle


def redirect(location: str, status: int = 307, *, body: bytes = b"") -> Handler:
    """Send the client elsewhere."""
    return wire(head(status, location=location, content_length=str(len(body))) + body, ending="keep")


def set_cookies(*cookies: str, body: bytes = b"{}") -> Handler:
    """Answer with a body, and one `Set-Cookie` line for each of `cookies`."""
    lines = [f"Set-Cookie: {cookie}" for cookie in cookies]
    return wire(head(200, *lines, content_type=JSON, content_length=str(len(body))) + body, ending="keep")


# Bodies that don't end as they should.


def short_body(
    body: bytes, *, missing: int = 1, ending: Ending = "fin", status: int = 200, kind: str = JSON, **headers: str
) -> Handler:
    """Promise `missing` bytes more than the body has; with ending "keep" the next answer's bytes are taken for them."""
    promised = str(len(body) + missing)
    return wire(head(status, content_type=kind, content_length=promised, **headers), body, ending=ending)


def no_last_chunk(
    *pieces: bytes, ending: Ending = "fin", status: int = 200, kind: str = SSE, torn: bytes = b"", **headers: str
) -> Handler:
    """Send a chunked body without its last chunk; `torn`: bytes of framing that follow, such as half a chunk."""
    first = head(status, content_type=kind, transfer_encoding="chunked", **headers)
    return wire(first, *map(framed, pieces), torn, ending=ending)


def stalls(*pieces: bytes, kind: str = SSE, **headers: str) -> Handler:
    """Send the pieces of a chunked body and then nothing, until the client has gone."""
    return no_last_chunk(*pieces, ending="nothing", kind=kind, **headers)


def bad_chunk_size(*pieces: bytes, line: bytes = b"zz", ending: Ending = "fin", kind: str = SSE) -> Handler:
    """Send pieces, and where the next chunk's size should stand, `line`."""
    return no_last_chunk(*pieces, torn=line + b"\r\n", ending=ending, kind=kind)


def drip(body: bytes, *, size: int = 1, every: float = 1.0, ending: Ending | None = None, kind: str = SSE) -> Handler:
    """Send a chunked body slowly, `size` bytes every so many seconds; the last chunk comes instead of no `ending`."""
    first = head(content_type=kind, transfer_encoding="chunked")
    chunks = [*map(framed, _cut(body, size)), *([] if ending else [framed(b"")])]
    return wire(first + chunks[0], *chunks[1:], every=every, ending=ending or "keep")


def trailers(*pieces: bytes, lines: Sequence[str] = ("x-checksum: 1",), kind: str = SSE) -> Handler:
    """Send a chunked body whose last chunk is followed by header lines."""
    first = head(content_type=kind, transfer_encoding="chunked", trailer="x-checksum")
    return wire(first, *map(framed, pieces), "\r\n".join(["0", *lines, "", ""]).encode(), ending="keep")


def http10(
    *pieces: bytes,
    ending: Ending = "fin",
    status: int = 200,
    kind: str = SSE,
    version: str = "HTTP/1.0",
    **headers: str,
) -> Handler:
    """Answer in another version of HTTP, with a body that only the connection's end ends."""
    return wire(head(status, version=version, content_type=kind, **headers), *pieces, ending=ending)


# Content codings.


def pack(pieces: Sequence[bytes], coding: Literal["gzip", "deflate"]) -> list[bytes]:
    """Return `pieces` compressed, each flushed so that it can be read when it is here, and the coding's own end."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
    return [*(packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces), packer.flush()]


def truncated(pieces: Sequence[bytes], lost: int = 6) -> list[bytes]:
    """Return `pieces` without their last `lost` bytes, as one: a packed body that breaks off, its framing whole."""
    return [b"".join(pieces)[:-lost]]


def corrupt(pieces: Sequence[bytes], place: int = 0) -> list[bytes]:
    """Return `pieces` with every bit of the one at `place` turned over."""
    return [bytes(byte ^ 0xFF for byte in piece) if at == place else piece for at, piece in enumerate(pieces)]


def packed(
    *pieces: bytes, coding: str = "gzip", whole: bool = False, ending: Ending | None = None, kind: str = SSE
) -> Handler:
    """Send packed pieces (of `pack`, `truncated`, `corrupt`, or plain ones that only say so).

    Args:
        pieces: Of the body.
        coding: What `content-encoding` says.
        whole: Whether they come in one body with a length; else chunked.
        ending: Of the connection, instead of the last chunk where there are chunks; None: all is in order.
        kind: The content type.
    """
    data = b"".join(pieces)
    framing = {"content_length": str(len(data))} if whole else {"transfer_encoding": "chunked"}
    body = [data] if whole else [*map(framed, pieces), *([] if ending else [framed(b"")])]
    return wire(head(content_type=kind, content_encoding=coding, **framing), *body, ending=ending or "keep")


# Connections.


def closes_after(then: Handler, ending: Ending = "fin") -> Handler:
    """Answer as `then` does, and close the connection; whether that is told is a header of `then` (connection: close)."""

    async def handle(peer: Peer) -> None:
        await then(peer)
        await end(peer, ending)

    return handle


class EarlyServer(RawServer):
    """Calls its handlers as soon as a request's head is here; its body is left unread, and empty to them."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        peer = Peer(RawRequest(await reader.readuntil(b"\r\n\r\n"), b"", connection), reader, writer)
        self.requests.append(peer.request)
        await self.handlers[min(len(self.requests), len(self.handlers)) - 1](peer)


def early(status: int, body: Any, *, ending: Ending = "reset") -> Handler:
    """For an `EarlyServer`: answer with JSON, read nothing of the request's body, and end the connection."""
    data = json.dumps(body).encode()
    first = head(status, content_type=JSON, content_length=str(len(data)), connection="close")
    return wire(first + data, ending=ending)


class NoHandshake(RawServer):
    """Where a client expects TLS: it reads the ClientHello, says `says` (plain HTTP, `TLS_ALERT`, nothing), and ends."""

    def __init__(self, says: bytes = b"", ending: Ending = "fin") -> None:
        super().__init__(wire(says, ending=ending))

    @property
    def url(self) -> str:
        """What a client takes as `base_url`; it promises TLS."""
        return f"https://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        await reader.read(65536)
        await self.handlers[0](Peer(RawRequest(b"HELLO * TLS", b"", connection), reader, writer))


def cuts_tls(then: Handler) -> Handler:
    """For a server with TLS: answer as `then` does, then close the socket without a word of TLS (no close_notify)."""

    async def handle(peer: Peer) -> None:
        await then(peer)
        raw: socket.socket = peer.writer.get_extra_info("socket")
        raw.shutdown(socket.SHUT_WR)
        await peer.gone()
        peer.open = False
        peer.writer.transport.abort()

    return handle
