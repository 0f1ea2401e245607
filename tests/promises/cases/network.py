"""What stands between a client and its server: addresses, certificates, proxies and sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.faults import closes_after
from support.rawserver import answer, completion, free_port, hello, sse

from promises.case import Case
from promises.checks import asked, connected, fails, happened, noted, says
from promises.seen import Seen
from promises.user import User, plain, stream

__all__ = ["ERRORS", "SETTINGS"]

TRANSLATION = "tests/transport/test_translation.py"
PROXY = "tests/transport/test_proxy.py"


# Errors by their names.


def _connection(seen: Seen) -> str | None:
    """A connection error, and no time-out: nothing timed out."""
    wrong = fails("APIConnectionError")(seen)
    return wrong or (happened(seen) if isinstance(seen.error, seen.sdk.error("APITimeoutError")) else None)


def _elsewhere(url: str) -> Any:
    async def call(user: User) -> None:
        user.client(url=url.format(port=free_port(), server=user.server.port))
        await plain(user)

    return call


def _error(id: str, promise: str, url: str, *proofs: str, **more: Any) -> Case:
    return Case(
        id=id, topic="errors by their names", needs=[17], promise=promise, server=[answer(completion())], user=_elsewhere(url),
        checks=[_connection], proofs=proofs, **more,
    )  # fmt: skip


ERRORS = [
    _error("refused", "A refused connection is a connection error, and no time-out.", "http://127.0.0.1:{port}/v1",
           f"{TRANSLATION}::test_port_on_which_nobody_listens", "tests/functional/test_messages.py::test_nobody_listens"),
    _error("no-such-host", "A name that does not resolve is a connection error, and no time-out.", "http://no-such-host.invalid/v1",
           f"{TRANSLATION}::test_host_that_does_not_exist", "tests/functional/test_messages.py::test_no_such_host"),
    _error("certificate", "A certificate that nobody knows is a connection error.", "https://127.0.0.1:{server}/v1",
           f"{TRANSLATION}::test_certificate_of_an_unknown_authority", tls=True),
]  # fmt: skip


# Settings.


async def _proxied(user: User) -> None:
    """Have a proxy in the environment: here it is the server."""
    with patch.dict(os.environ, {"HTTP_PROXY": f"http://127.0.0.1:{user.server.port}"}):
        user.client(url="http://api.example/v1")
        await plain(user)
    user.seen.notes["target"] = user.server.requests[0].target


async def _past_the_proxy(user: User) -> None:
    """Have a proxy in the environment that this server needs not."""
    with patch.dict(os.environ, {"HTTP_PROXY": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "127.0.0.1"}):
        await plain(user)


async def _probed(user: User) -> None:
    """Look at the client's socket while its stream is open."""
    opened = await user.open()
    user.seen.notes["probes"] = _keeps_alive(user.server.port)
    await opened.close()


def _keeps_alive(port: int) -> bool | None:
    """Whether this process' connection to that port probes a silent peer; None: that can't be seen here."""
    folder = Path("/dev/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:  # no socket, or the folder that is being listed
            continue
        with copy:
            try:
                if copy.getpeername()[1] == port:
                    return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            except (OSError, IndexError):  # not connected, or a pair of the event loop's
                continue
    return None


async def _twice_by_name(user: User) -> None:
    """Ask twice, on two connections, by the host's name; count how often it is looked up."""
    loop: Any = asyncio.get_running_loop()
    find, user.seen.notes["times"] = loop.getaddrinfo, 0

    async def counted(host: Any, *args: Any, **options: Any) -> Any:
        user.seen.notes["times"] += host in {"localhost", b"localhost"}
        return await find(host, *args, **options)

    with patch.object(loop, "getaddrinfo", counted):
        user.client(url=f"http://localhost:{user.server.port}/v1")
        await plain(user)
        await plain(user)


def _asks_for_plain_bytes(seen: Seen) -> str | None:
    wanted = seen.requests[0].headers.get("accept-encoding", "anything")
    return None if wanted == "identity" else f"asks for {wanted}"


SETTINGS = [
    Case(
        id="proxy", topic="proxies", needs=[48], promise="The environment's proxy is used.",
        server=[answer(completion())], user=_proxied, checks=[says(), asked(1), noted("target", "http://api.example/v1/chat/completions", wrong="asks for {}")],
        proofs=[f"{PROXY}::test_request_goes_through_the_environments_proxy", f"{PROXY}::test_proxy_of_the_environment"],
    ),
    Case(
        id="no-proxy", topic="proxies", needs=[48], promise="It is not used for hosts of `NO_PROXY`.",
        server=[answer(completion())], user=_past_the_proxy, checks=[says(), asked(1)],
        proofs=[f"{PROXY}::test_request_goes_past_the_environments_proxy", f"{PROXY}::test_exceptions"],
    ),
    Case(
        id="identity", topic="packed streams", needs=[59], promise="A stream is asked for unpacked, as a packer would hold tokens back.",
        server=[sse(hello())], user=stream, checks=[says(), _asks_for_plain_bytes],
        proofs=["tests/api/test_client.py::test_streaming_request", "tests/transport/test_session.py::test_packed_bodies_are_unpacked"],
    ),
    Case(
        id="names", topic="looking up names", needs=[60], promise="A host's name is not looked up for every connection.",
        server=[closes_after(answer(completion(), headers={"connection": "close"}))], user=_twice_by_name,
        checks=[says(), connected(2), noted("times", 0, 1, wrong="looked up {} times")],
    ),
    Case(
        id="probes", topic="silent networks", needs=[18], promise="Connections probe a silent peer, so that no router forgets them.",
        server=[sse(hello(), ending="nothing")], user=_probed, checks=[lambda seen: "no probes" if seen.notes.get("probes") is False else None],
        proofs=["tests/transport/test_session.py::test_sockets_are_kept_alive"],
    ),
]  # fmt: skip
