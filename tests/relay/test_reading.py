"""A reader over a WebSocket that wants to stop a stream of another process while Redis, a real one, does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from fastapi import FastAPI, WebSocket
from support.redisserver import RedisServer, installed
from support.webservers import aiohttp_web, eventually, uvicorn_server
from websockets.asyncio.client import connect

from openai_async.relay import aiohttp as for_aiohttp
from openai_async.relay import starlette as for_starlette
from openai_async.relay.errors import Fenced
from openai_async.relay.hub import RelayHub
from openai_async.relay.log import End
from openai_async.relay.producer import Producer
from openai_async.relay.redis import RedisBackend

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.sockets,
    pytest.mark.skipif(not installed(), reason="redis-server is not installed"),
]

BOUND = 20.0  # seconds that nothing here may take
FRAME = b'{"choices":[{"index":0,"delta":{"content":"Hi"}}]}'

frameworks = pytest.mark.parametrize("framework", ["starlette", "aiohttp"])
faults = pytest.mark.parametrize("fault", ["pause", "kill"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A redis-server of this test's."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


def hub(server: RedisServer, *, timeout: float) -> RelayHub:
    """A process's hub."""
    return RelayHub(RedisBackend(server.url, timeout=timeout), beat=0.3, drain=0)


@asynccontextmanager
async def following(framework: str, reader: RelayHub, ends: list[Any], **options: Any) -> AsyncGenerator[str]:
    """A server of the stream "s" over WebSockets; its address. `ends` gets how each reading ended."""
    if framework == "starlette":
        app = FastAPI()

        @app.websocket("/")
        async def follow(websocket: WebSocket) -> None:
            ends.append(await for_starlette.follow_websocket(websocket, reader, "s", **options))

        async with uvicorn_server(app) as url:
            yield url.replace("http", "ws")
        return

    async def follow_request(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        ends.append(await for_aiohttp.follow_websocket(websocket, reader, "s", **options))
        return websocket

    site = web.Application()
    site.router.add_get("/", follow_request)
    async with aiohttp_web(handler_cancellation=framework == "aiohttp, cancelled")(site) as url:
        yield url.replace("http", "ws")


@asynccontextmanager
async def during(server: RedisServer, fault: str) -> AsyncGenerator[None]:
    """Redis stands still, or is gone and comes back empty."""
    (server.pause if fault == "pause" else server.kill)()
    try:
        yield
    finally:
        (server.resume if fault == "pause" else server.start)()


@asynccontextmanager
async def writing(server: RedisServer) -> AsyncGenerator[Producer]:
    """Another process's producer of the stream, which is told of its end."""
    async with hub(server, timeout=1) as writer:
        with pytest.raises(Fenced):  # noqa: PT012 - it is raised by the last line, and has to leave the producer
            async with writer.producer("s") as producer:
                stopped = asyncio.Event()
                producer.on_fence(stopped.set)
                producer.append(FRAME)
                yield producer
                with anyio.fail_after(BOUND):
                    await stopped.wait()
                producer.append(FRAME)


@frameworks
@faults
async def test_a_stop_that_does_not_get_through_is_told_and_tried_again(
    server: RedisServer, framework: str, fault: str
) -> None:
    """The reader stays, and knows; once Redis is back, the stream is stopped, for it and for the producer."""
    ends: list[Any] = []
    async with (
        writing(server),
        hub(server, timeout=0.5) as reader,
        following(framework, reader, ends) as url,
        connect(url) as socket,
    ):
        assert "chunk" in json.loads(await socket.recv())
        with anyio.fail_after(BOUND):
            async with during(server, fault):
                await socket.send('{"stop": true}')
                told = json.loads(await socket.recv())
                await socket.send('{"stop": true}')  # is under way
            rest = [json.loads(frame) async for frame in socket]

    assert (told["stopped"], told["error"]["code"]) == (False, "relay_unavailable")
    assert (told["error"]["type"], told["error"]["message"]) == (
        "server_error",
        "The stop did not get through yet, and is tried again.",
    )
    assert rest == [{"end": {"status": "cancelled"}}]
    assert ends == [End("cancelled")]


@faults
async def test_bare_text_can_not_say_it_and_is_stopped_all_the_same(server: RedisServer, fault: str) -> None:
    """Its reader gets no frame that is no text."""
    async with (
        writing(server),
        hub(server, timeout=0.5) as reader,
        following("starlette", reader, [], format="text") as url,
        connect(url) as socket,
    ):
        assert await socket.recv() == "Hi"
        with anyio.fail_after(BOUND):
            async with during(server, fault):
                await socket.send('{"stop": true}')
                await asyncio.sleep(0.8)  # no event tells that it did not get through
            rest = [frame async for frame in socket]

    assert [json.loads(frame) for frame in rest] == [{"end": {"status": "cancelled"}}]


@pytest.mark.parametrize("framework", ["starlette", "aiohttp", "aiohttp, cancelled"])
async def test_a_reader_that_stops_and_leaves_has_stopped_it(server: RedisServer, framework: str) -> None:
    """A page that is closed with the answer: the model is not paid for any longer."""
    ends: list[Any] = []
    async with writing(server), hub(server, timeout=5) as reader, following(framework, reader, ends) as url:
        async with connect(url) as socket:
            await socket.recv()
            await socket.send('{"stop": true}')
        with anyio.fail_after(BOUND):
            while (await reader.status("s")).status == "live":  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)
        assert (await reader.status("s")).status == "cancelled"
    # A handler that is cancelled tells nothing; and the end may be read before it is noticed that nobody reads it.
    assert ends in ([], [None], [End("cancelled")])


@frameworks
async def test_a_reader_that_leaves_while_its_stop_hangs_is_freed(server: RedisServer, framework: str) -> None:
    """Nothing waits for Redis on its behalf."""
    ends: list[Any] = []
    async with writing(server) as producer, hub(server, timeout=600) as reader:
        async with following(framework, reader, ends) as url:
            async with connect(url) as socket:
                await socket.recv()
                server.pause()
                await socket.send('{"stop": true}')
                await asyncio.sleep(0.1)  # the frame is on its way
            try:
                await eventually(lambda: bool(ends))
            finally:
                server.resume()
        assert ends == [None]
        producer.fence(End("cancelled"))  # or what was asked gets through
