"""Sockets at both ends of their life: made with keep-alive probes, and closed when their event loop is gone.

Addresses and asyncio transports come in. Nothing here reads or writes.
"""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["close_without_loop", "keepalive_socket"]


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


def close_without_loop(transport: Any) -> None:
    """Close the socket of a transport whose event loop is closed, and with it all that could close it in order.

    Args:
        transport: One of asyncio's, plain or TLS. uvloop closes its sockets with the loop: there is nothing to do.
    """
    handle = transport.get_extra_info("socket")
    raw = getattr(handle, "_sock", None)  # a TransportSocket has no close()
    if raw is None:
        return
    raw.close()
    # What is closed needs no "unclosed transport" warning when it is collected.
    if hasattr(transport, "_ssl_protocol"):
        transport._closed = True
        transport = transport._ssl_protocol._transport
    if hasattr(transport, "_sock"):
        transport._sock = None
