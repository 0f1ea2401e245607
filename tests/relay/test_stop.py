"""Servers as processes: each is told to stop with 100 open streams, and granian lets go of readers as the others do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from support.rawserver import free_port
from support.webservers import Browser
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

# A stream that goes on for ever: a frame at the beginning, and more of them with TOKENS=1.
_APP = """
import asyncio, os, sys
from contextlib import asynccontextmanager
from openai_async.relay import RelayHub

hub = RelayHub(drain=0)

async def tokens():
    yield {"choices": []}
    while True:
        await asyncio.sleep(0.01 if os.environ.get("TOKENS") else 3600)
        yield {"choices": []}

@asynccontextmanager
async def running(app=None):
    async with hub:
        await hub.start(tokens, stream_id="s")
        yield

def asgi():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route, WebSocketRoute
    from openai_async.relay.starlette import follow_websocket, sse_response

    async def sse(request):
        return sse_response(hub.subscribe("s"))

    async def ws(websocket):
        await follow_websocket(websocket, hub, "s")

    async def readers(request):
        return PlainTextResponse(str(hub._readers.get("s", 0)))

    routes = [Route("/", sse), WebSocketRoute("/ws", ws), Route("/readers", readers)]
    return Starlette(routes=routes, lifespan=running)

app = asgi()

def main(server, port):
    if server == "uvicorn":
        import uvicorn
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", ws="websockets-sansio")
    elif server == "hypercorn":
        import signal
        from hypercorn.asyncio import serve
        from hypercorn.config import Config
        from openai_async.relay.starlette import say_farewell

        async def run():
            config, stop = Config(), asyncio.Event()
            config.bind, config.loglevel, config.graceful_timeout = [f"127.0.0.1:{port}"], "ERROR", 2
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

            async def trigger():
                await stop.wait()
                say_farewell()

            await serve(app, config, shutdown_trigger=trigger)

        asyncio.run(run())
    else:
        from aiohttp import web
        from openai_async.relay.aiohttp import follow_websocket, say_farewell, sse_response

        async def sse(request):
            return await sse_response(request, hub.subscribe("s"))

        async def ws(request):
            websocket = web.WebSocketResponse()
            await websocket.prepare(request)
            await follow_websocket(websocket, hub, "s")
            return websocket

        site = web.Application()
        site.router.add_get("/", sse)
        site.router.add_get("/ws", ws)
        async def lifespan(site):
            async with running():
                yield
        site.cleanup_ctx.append(lifespan)
        site.on_shutdown.append(say_farewell)
        web.run_app(site, host="127.0.0.1", port=port, print=None)

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""


@asynccontextmanager
async def process(folder: Path, *command: str, port: int, **environment: str) -> AsyncGenerator[Process]:
    """A server's process, once it listens."""
    (folder / "served.py").write_text(_APP)
    running = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        with anyio.fail_after(30):
            while True:
                assert running.returncode is None, "the server ended"
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0.05)
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
        running._transport.close()  # type: ignore[attr-defined] - asyncio closes it late, and warns


servers = pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "aiohttp"])
states = pytest.mark.parametrize("tokens", ["", "1"], ids=["idle", "mid-token"])


@servers
@states
async def test_sigterm_ends_100_event_streams_in_order(server: str, tokens: str, tmp_path: Path) -> None:
    """Each gets its farewell and a whole body, and the process is gone within its grace, without a word."""
    port = free_port()
    command = [sys.executable, "served.py", server, str(port)]
    async with process(tmp_path, *command, port=port, TOKENS=tokens) as running:
        async with contextlib.AsyncExitStack() as stack:
            address = f"http://127.0.0.1:{port}/"
            browsers = [await stack.enter_async_context(Browser(address)) for _ in range(100)]
            for browser in browsers:
                assert await browser.head() == 200
                await browser.until(b"data: ")
            running.send_signal(signal.SIGTERM)
            with anyio.fail_after(5):  # the grace is 2 s
                bodies = [await browser.body() for browser in browsers]
                code = await running.wait()
        assert all(b"retry: 1000\nevent: reconnect\n" in body for body in bodies)
        assert code in (0, -signal.SIGTERM)  # uvicorn hands the signal on once it is done
        assert await said(running) == b""


@servers
@states
async def test_sigterm_tells_100_readers_over_websockets_to_come_back(server: str, tokens: str, tmp_path: Path) -> None:
    """Each socket is closed with 1012, "service restart", and the process is gone within its grace, without a word."""
    port = free_port()
    command = [sys.executable, "served.py", server, str(port)]
    async with process(tmp_path, *command, port=port, TOKENS=tokens) as running:
        async with contextlib.AsyncExitStack() as stack:
            address = f"ws://127.0.0.1:{port}/ws"
            sockets = [await stack.enter_async_context(connect(address)) for _ in range(100)]
            for socket in sockets:
                await socket.recv()
            running.send_signal(signal.SIGTERM)
            with anyio.fail_after(5):
                for socket in sockets:
                    with contextlib.suppress(ConnectionClosed):
                        while True:
                            await socket.recv()
                code = await running.wait()
        assert {socket.close_code for socket in sockets} == {1012}
        assert code in (0, -signal.SIGTERM)  # uvicorn hands the signal on once it is done
        assert await said(running) == b""


@states
async def test_granian_frees_a_reader_that_leaves(tokens: str, tmp_path: Path) -> None:
    """Within a second, whether or not something is being written."""
    pytest.importorskip("granian")  # the server under test, of the extra `dev`
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), "--no-log", "served:app"]
    async with process(tmp_path, *command, port=port, TOKENS=tokens) as running:
        address = f"http://127.0.0.1:{port}"
        async with Browser(f"{address}/") as browser:
            assert await browser.head() == 200
            await browser.until(b"id: ")
            assert await _readers(address) == "1"
        with anyio.fail_after(1.5):  # and the way of the question
            while await _readers(address) != "0":  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        with anyio.fail_after(10):
            assert await running.wait() in (0, -signal.SIGTERM)


async def said(running: Process) -> bytes:
    """What a process that has ended wrote to stderr."""
    assert running.stderr is not None  # a pipe was asked for
    return await running.stderr.read()


async def _readers(address: str) -> str:
    """How many read the stream."""
    async with Browser(f"{address}/readers") as browser:
        assert await browser.head() == 200
        return (await browser.body()).decode()
