"""Sockets at both ends of their life: made with keep-alive probes, and closed when their event loop is gone.

Addresses and asyncio transports come in. Nothing here reads or writes.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

__all__ = ["close_without_loop", "keepalive_socket", "rest_of"]

_PIECE = 65536


def keepalive_socket(address: Any) -> socket.socket:
    """Return a socket that probes a silent peer: NATs drop a connection on which a model thinks for minutes.

    Args:
        address: One entry of what `socket.getaddrinfo` returns.
    """
    family, kind, proto, _, _ = address
    made = socket.socket(family=family, type=kind, proto=proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def rest_of(transport: Any) -> bytes:
    """Return what arrived at a socket and was not read yet, without waiting for more.

    Args:
        transport: One of asyncio's. Of TLS, and of uvloop's, nothing can be told: b"".
    """
    raw = getattr(transport.get_extra_info("socket"), "_sock", None)  # a TransportSocket has no recv()
    if raw is None or transport.get_extra_info("sslcontext") is not None:
        return b""
    pieces: list[bytes] = []
    with suppress(OSError):  # there is nothing more, or the connection is gone
        while piece := raw.recv(_PIECE):
            pieces.append(piece)
    return b"".join(pieces)


def close_without_loop(transport: Any, *, copied: bool = False) -> None:
    """Close the socket of a transport whose event loop is closed, or was copied with its process by a fork.

    Nothing is written, not even TLS' farewell, and the loop is not asked.

    Args:
        transport: One of asyncio's, plain or TLS. uvloop closes its sockets with the loop: nothing to do, but for
            copies, which are made to lead nowhere.
        copied: Whether it is a copy, and its loop runs on in the parent.
    """
    handle = transport.get_extra_info("socket")
    raw = getattr(handle, "_sock", None)  # a TransportSocket has no close()
    if raw is None:
        if copied and handle is not None:
            _lead_nowhere(handle.fileno())
        return
    raw.close()
    # What is closed needs no "unclosed transport" warning when it is collected.
    if hasattr(transport, "_ssl_protocol"):
        transport._closed = True
        transport = transport._ssl_protocol._transport
    if hasattr(transport, "_sock"):
        transport._sock = None
        # A child may still run what it has of the parent's loop, to end it.
        transport._closing = True
        transport._conn_lost = 1


def _lead_nowhere(number: int) -> None:
    """Put /dev/null in the place of a descriptor that is not ours to close: its owner closes that number later."""
    if number >= 0:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, number, inheritable=False)
        os.close(null)
