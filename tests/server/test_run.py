"""A running server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import aiohttp
import pytest

from openai_async.server import Serving, run_server, serve, serve_forever
from openai_async.server.run import _url

pytestmark = pytest.mark.sockets


async def _get(url, path="/models"):
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        return response.status


def test_the_url_is_a_string_that_remembers():
    """The base URL is a plain string, which also tells what was asked."""

    async def scenario():
        async with serve() as url:
            assert isinstance(url, str)
            await _get(url)
            await _get(url, "/models/x")
            return url, [request.path for request in url.requests], url.connections, url.aborts

    url, paths, connections, aborts = asyncio.run(scenario())
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/v1")
    assert (paths, connections, aborts) == (["/v1/models", "/v1/models/x"], 2, 0)


def test_it_runs_again_in_every_loop():
    """Servers in loops one after another, and several in one, all serve."""

    async def scenario():
        async with serve() as one, serve() as two:
            assert one != two
            return await asyncio.gather(_get(one), _get(two))

    assert [asyncio.run(scenario()) for _ in range(3)] == [[200, 200]] * 3


def test_it_serves_in_threads():
    """A server runs in another thread's loop, without signal handlers."""
    statuses = []

    async def scenario():
        async with serve() as url:
            statuses.append(await _get(url))

    thread = threading.Thread(target=lambda: asyncio.run(scenario()))
    thread.start()
    thread.join()

    assert statuses == [200]


def test_signal_handlers_are_left_alone():
    """Serving inside of a program changes none of its signal handlers."""

    async def scenario():
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        async with serve():
            return before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))

    assert asyncio.run(scenario())


def test_open_streams_do_not_hold_it_up(question):
    """Closing breaks off streams that would never end, and connections that nobody uses, in well under a second."""

    async def respond(request):
        yield "One"
        await asyncio.sleep(60)

    async def scenario():
        async with aiohttp.ClientSession() as session:
            async with serve(respond) as url:
                await _get(url)
                response = await session.post(url + "/chat/completions", json={**question, "stream": True})
                await response.content.readany()
                began = time.monotonic()
            took = time.monotonic() - began
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        return took, url.aborts

    took, aborts = asyncio.run(scenario())
    assert took < 0.5
    assert aborts == 0


def test_slow_answers_do_not_hold_it_up(question):
    """Closing breaks off an answer that has not begun."""

    async def scenario():
        begun = asyncio.Event()

        async def respond(request):
            begun.set()
            await asyncio.sleep(60)

        async with aiohttp.ClientSession() as session:
            async with serve(respond) as url:
                call = asyncio.create_task(session.post(url + "/chat/completions", json=question))
                await begun.wait()
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await call

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_responders_that_will_not_stop_are_cancelled(question):
    """An answer that resists is left behind after a second: closing is bounded."""

    async def scenario():
        begun, ended = asyncio.Event(), asyncio.Event()

        async def respond(request):
            begun.set()
            until = time.monotonic() + 1.3
            while time.monotonic() < until:
                try:
                    await asyncio.sleep(0.1)
                except asyncio.CancelledError:
                    continue
            ended.set()
            return "late"

        async with aiohttp.ClientSession() as session:
            async with serve(respond) as url:
                call = asyncio.create_task(session.post(url + "/chat/completions", json=question))
                await begun.wait()
                began = time.monotonic()
            took = time.monotonic() - began
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await call
            await ended.wait()
        return took

    assert asyncio.run(scenario()) < 1.2


def test_idle_connections_are_closed():
    """A connection that a client keeps for later is closed with the server."""

    async def scenario():
        async with aiohttp.ClientSession() as session:
            async with serve() as url, session.get(url + "/models") as response:
                await response.read()
                connection = response.connection
            assert connection is None  # back in the session's pool, and closed by the server
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url + "/models")

    asyncio.run(scenario())


def test_a_start_that_fails_leaves_no_socket(monkeypatch):
    """When the server can't start, its port is free again."""
    ports = []

    async def startup(self, sockets):
        ports.extend(listener.getsockname()[1] for listener in sockets)
        raise LookupError

    monkeypatch.setattr("uvicorn.Server.startup", startup)

    async def scenario():
        async with serve():
            pass

    with pytest.raises(LookupError):
        asyncio.run(scenario())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ports[0])) != 0


def test_without_its_dependencies_the_error_names_the_extra():
    """Without starlette, serving says what to install; importing the package does not."""
    program = "import sys, asyncio; sys.modules['starlette'] = None; from openai_async.server import serve\n"
    program += "asyncio.run(serve().__aenter__())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "ImportError: the embedded server needs the extra 'server'" in done.stderr


def test_importing_costs_neither_starlette_nor_uvicorn():
    """The package is imported without its optional dependencies."""
    program = (
        "import sys, openai_async.server; print(sorted({'starlette', 'uvicorn', 'sse_starlette'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_the_port_is_free_afterwards():
    """Once closed, the port takes no connections, and can be used again."""

    async def scenario():
        async with serve() as url:
            port = int(url.rsplit(":", 1)[1].split("/")[0])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        async with serve(port=port) as again:
            return again == url

    assert asyncio.run(scenario())


def test_a_taken_port_is_an_error():
    """A port that is in use raises OSError, as a program would expect."""

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            async with serve(port=taken.getsockname()[1]):
                pass

    with pytest.raises(OSError, match="in use"):
        asyncio.run(scenario())


def test_failing_bodies_close_it_too():
    """An exception inside of the context closes the server, and comes out as it is."""

    async def scenario():
        async with serve() as url:
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            raise LookupError(port)

    with pytest.raises(LookupError) as caught:
        asyncio.run(scenario())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", caught.value.args[0])) != 0


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_urls_can_be_connected_to(host, shown):
    """Wildcards are shown as the loopback address, and IPv6 in brackets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert _url(host, listener) == f"http://{shown}:{listener.getsockname()[1]}/v1"


def test_forever_ends_with_its_task():
    """Cancelling the task closes the server."""

    async def scenario():
        ready = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve_forever(port=0, ready=ready.set_result))
        url = await ready
        assert isinstance(url, Serving)
        status = await _get(url)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(aiohttp.ClientConnectorError):
            await _get(url)
        return status

    assert asyncio.run(scenario()) == 200


_PROGRAM = """
import sys
from openai_async.server import run_server
run_server(port=0, ready=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent to the process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_program(number):
    """Ctrl-C and SIGTERM close the server in order, without a traceback and with the program going on."""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = program.stdout.readline().strip()
    status = asyncio.run(_get(url))
    program.send_signal(number)
    out, err = program.communicate(timeout=10)

    assert (status, out, err, program.returncode) == (200, "closed\n", "", 0)


def test_without_signals_the_program_ends_by_interruption(monkeypatch):
    """Where the loop takes no signal handlers, KeyboardInterrupt ends it just as quietly."""

    def interrupt(url):
        raise KeyboardInterrupt

    assert run_server(port=0, ready=interrupt) is None
