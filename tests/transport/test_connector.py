"""The two places at which aiohttp's connector is overridden: what a new aiohttp may break without a word."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import aiohttp
import pytest
from support.rawserver import RawServer, answer

from openai_async.transport.connector import Connector, Sending, UnixConnector, sending, socket_path
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout


@pytest.mark.parametrize(
    ("aiohttps", "cls"), [(aiohttp.TCPConnector, Connector), (aiohttp.UnixConnector, UnixConnector)]
)
@pytest.mark.parametrize("name", ["connect", "_create_connection"])
def test_overridden_methods_are_aiohttps(name: str, aiohttps: type, cls: type) -> None:
    """Aiohttp still has the method, and gives it the arguments that ours takes."""
    theirs, ours = getattr(aiohttps, name), getattr(cls, name)

    assert inspect.iscoroutinefunction(theirs)
    assert list(inspect.signature(theirs).parameters) == list(inspect.signature(ours).parameters)


@pytest.mark.anyio
@pytest.mark.sockets
async def test_overridden_methods_are_called() -> None:
    """Aiohttp calls both for a new connection, and only the first for a kept one."""
    async with RawServer(answer(b"{}")) as server:
        connector = Connector(drains=set())
        async with aiohttp.ClientSession(connector=connector) as session:
            found: list[tuple[bool, str, bool]] = []
            for _ in range(2):
                told = Sending(Timer(Timeout.of(None)))
                told.timer.enter("pool")
                token = sending.set(told)
                async with session.get(server.url) as response:
                    await response.read()
                sending.reset(token)
                found.append((told.reused, told.timer.phase, "queued" in told.timer.marks))

    assert found == [(False, "first_token", True), (True, "first_token", True)]


@pytest.mark.anyio
@pytest.mark.sockets
async def test_requests_of_others_are_left_alone() -> None:
    """A request for which nobody waits to be told goes its way."""
    async with RawServer(answer(b"{}")) as server, aiohttp.ClientSession(connector=Connector(drains=set())) as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert await response.read() == b"{}"


@pytest.mark.anyio
@pytest.mark.sockets
async def test_abandoned_connector_holds_nothing() -> None:
    """What `abandon` relies on in aiohttp is there: pooled and busy connections are closed, and none are left."""
    async with RawServer(answer(b"{}")) as server:
        connector = Connector(drains=set())
        session = aiohttp.ClientSession(connector=connector)
        async with session.get(server.url) as response:
            await response.read()
        assert len(connector._conns) == 1

        connector.abandon()

        assert connector.closed
        assert not connector._conns
        assert not connector._acquired
        assert session.closed
        async with asyncio.timeout(2):
            while server.open:  # noqa: ASYNC110 - the server's end sets no event
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("path", ["/run/model.sock", Path("/run/model.sock")])
def test_paths_of_sockets(path: object) -> None:
    """A path may be a string or an object that is one."""
    assert socket_path(path) == "/run/model.sock"


@pytest.mark.parametrize("path", [5, b"/run/model.sock", "", None])
def test_paths_of_no_sockets(path: object) -> None:
    """Anything else is no path."""
    with pytest.raises(TypeError, match="uds must be the path of a Unix socket"):
        socket_path(path)
