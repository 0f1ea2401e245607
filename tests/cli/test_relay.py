"""`openai-async relay`, as a program that others talk to."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from support.rawserver import Peer, RawServer, event, free_port, hello, sse
from support.redisserver import RedisServer, installed
from support.webservers import eventually
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from openai_async.cli import relay
from openai_async.cli.gateway.gateway import Gateway
from openai_async.cli.gateway.server import GatewayServer

BOUND = 45  # seconds that nothing here may take
BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
ENDING = b'data: [DONE]\n\nevent: end\ndata: {"status":"done"}\n\n'


@pytest.fixture
def relaying(start: Any) -> Any:
    """Start the program on a free port; returns it and its address."""

    def relaying(upstream: str, *words: Any, **changes: Any) -> tuple[Any, str]:
        program = start("relay", "--upstream", upstream, "--port", 0, *words, **changes)
        program.expect(b"CURSOR'\n")
        return program, re.search(rb"at (\S+/v1) ", program.came)[1].decode()

    return relaying


def caller(url: str) -> httpx.AsyncClient:
    """Somebody who calls the program."""
    headers = {"content-type": "application/json", "authorization": "Bearer sk-of-ann"}
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=BOUND)


async def until(parts: AsyncIterator[bytes], text: bytes) -> bytes:
    """Read a body until it has a text."""
    data = b""
    async for part in parts:
        data += part
        if text in data:
            return data
    raise AssertionError(f"the body ended without {text!r}: {data!r}")


async def told_to_stop(client: httpx.AsyncClient) -> None:
    """Wait until the program has noticed its signal."""
    with anyio.fail_after(BOUND):
        while (await client.get(client.base_url.join("/healthz"))).status_code == 200:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)


async def drain(socket: Any) -> None:
    """Read a WebSocket until it is closed."""
    while True:
        await socket.recv()


async def ended(program: Any) -> tuple[int, str, str]:
    """Wait for the program's end; its code, stdout and stderr."""
    with anyio.fail_after(BOUND):
        code, out, err = await asyncio.to_thread(program.end)
    return code, out.decode(), err.decode()


class Held:
    """A handler that sends the beginning of an answer, and its rest when it is told to.

    Attributes:
        go_on: Set it.
        gone: Set when the connection was closed instead.
    """

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        """Answer one request."""
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"".join(map(event, hello()[:2])))
        leaving, waiting = asyncio.ensure_future(peer.gone()), asyncio.ensure_future(self.go_on.wait())
        await asyncio.wait([leaving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            self.gone.set()
        for task in (leaving, waiting):
            task.cancel()
        await asyncio.wait([leaving, waiting])
        if not self.gone.is_set():
            await peer.chunk(b"".join(map(event, hello()[2:])) + b"data: [DONE]\n\n")
            await peer.chunk(b"")


@pytest.mark.anyio
async def test_it_relays_until_it_is_stopped(relaying: Any) -> None:
    """It prints its address and examples, then a line for each request; Ctrl-C is its proper end."""
    async with RawServer(sse(hello())) as server:
        program, url = relaying(server.url, OPENAI_API_KEY="sk-of-the-gateway")
        async with caller(url) as client:
            first = await client.post("/chat/completions", content=BODY)
            stream_id = first.headers["x-stream-id"]
            cursor = first.content.partition(b"\n")[0].removeprefix(b"id: ").decode()
            rest = await client.get(f"/streams/{stream_id}", headers={"last-event-id": cursor})
            async with httpx.AsyncClient(trust_env=False) as stranger:
                body = {"headers": {"content-type": "application/json"}, "content": BODY}
                assert (await stranger.post(f"{url}/chat/completions", **body)).status_code == 200
        program.interrupt()
        code, out, err = await ended(program)

    assert first.content.endswith(ENDING)
    assert rest.content == first.content[first.content.index(b"\n\n") + 2 :]
    assert [request.headers.get("authorization") for request in server.requests] == ["Bearer sk-of-ann", None]
    assert code == 0
    assert out.startswith(f"Relaying {server.url} at {url} (Ctrl-C stops it).")
    assert f"  curl -iN {url}/chat/completions -H " in out
    assert f"  curl -N {url}/streams/ID -H " in out
    asked, read = r"POST /v1/chat/completions 200 \d+ ms\n", rf"GET /v1/streams/{stream_id} 200 \d+ ms\n"
    assert re.fullmatch(f"{asked}{read}{asked}stopped\n", err)


@pytest.mark.anyio
async def test_a_stream_may_end_within_the_grace(relaying: Any) -> None:
    """SIGTERM: nothing new is begun, who reads gets all of it, and the program ends with the last stream."""
    held = Held()
    async with RawServer(held) as server:
        program, url = relaying(server.url, "--grace", 3600, "-q")
        async with caller(url) as client, client.stream("POST", "/chat/completions", content=BODY) as response:
            parts = response.aiter_raw()
            seen = await until(parts, b"Hel")
            program.process.send_signal(signal.SIGTERM)
            await told_to_stop(client)
            refused = await client.post("/chat/completions", content=BODY)
            status = await client.get(f"/streams/{response.headers['x-stream-id']}/status")
            held.go_on.set()
            seen += await until(parts, ENDING)
        code, _, err = await ended(program)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_shutting_down")
    assert status.json()["status"] == "live"
    assert seen.count(b"data: {") == len(hello()) + 1
    assert (code, err) == (0, "stopping: 1 stream may go on for 3600 s; Ctrl-C ends that\nstopped\n")


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["grace", "again"])
async def test_a_stream_that_goes_on_gets_a_farewell(relaying: Any, how: str) -> None:
    """When the grace is over, or a second signal ends it, readers are told to come back and the upstream is closed."""
    held = Held()
    async with RawServer(held) as server:
        program, url = relaying(server.url, "--grace", 0.3 if how == "grace" else 3600, "-q")
        async with caller(url) as client, client.stream("POST", "/chat/completions", content=BODY) as response:
            parts = response.aiter_raw()
            await until(parts, b"Hel")
            socket_url = f"{url.replace('http', 'ws')}/streams/{response.headers['x-stream-id']}/ws"
            async with connect(socket_url, additional_headers={"authorization": "Bearer sk-of-ann"}) as socket:
                await socket.recv()
                await socket.recv()
                program.process.send_signal(signal.SIGTERM)
                if how == "again":
                    await told_to_stop(client)
                    program.process.send_signal(signal.SIGTERM)
                with anyio.fail_after(BOUND):
                    rest = b"".join([part async for part in parts])
                    with pytest.raises(ConnectionClosed):
                        await drain(socket)
                code = socket.close_code
        with anyio.fail_after(BOUND):
            await held.gone.wait()
        done = await ended(program)

    assert rest.startswith(b"retry: 1000\nevent: reconnect\n")
    assert b"server_shutting_down" in rest
    assert code == 1012
    assert done[0] == 0
    assert done[2].endswith("stopped\n")


@pytest.mark.anyio
async def test_two_programs_on_one_redis(relaying: Any, tmp_path: Any) -> None:
    """A stream that one began is read at the other, and goes on there when the first is told to stop."""
    if not installed():
        pytest.skip("redis-server is not installed")
    held = Held()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        async with RawServer(held) as server:
            words = ["--redis", redis.url, "--grace", 3600, "-q"]
            first, here = relaying(server.url, *words)
            second, there = relaying(server.url, *words)
            async with caller(here) as one, caller(there) as other:
                async with one.stream("POST", "/chat/completions", content=BODY) as response:
                    stream_id = response.headers["x-stream-id"]
                    seen = await until(response.aiter_raw(), b"Hel")
                first.process.send_signal(signal.SIGTERM)
                cursor = re.findall(rb"id: (\S+)", seen)[-1].decode()
                headers = {"last-event-id": cursor}
                async with other.stream("GET", f"/streams/{stream_id}", headers=headers) as again:
                    held.go_on.set()
                    rest = b"".join([part async for part in again.aiter_raw()])
            codes = [(await ended(first))[0]]
            second.interrupt()
            codes.append((await ended(second))[0])

    assert rest.count(b"id: ") == len(hello()) - 2
    assert rest.endswith(ENDING)
    assert codes == [0, 0]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis with a password."""
    if not installed():
        pytest.skip("redis-server is not installed")
    with RedisServer(tmp_path / "redis", password="hidden") as server:
        yield server


@pytest.mark.anyio
async def test_a_password_is_given_by_the_environment(relaying: Any, locked: RedisServer) -> None:
    """It is in no command line, and in nothing that the program says."""
    async with RawServer(sse(hello())) as server:
        program, url = relaying(server.url, OPENAI_ASYNC_REDIS_URL=locked.url)
        async with caller(url) as client:
            first = await client.post("/chat/completions", content=BODY)
        program.interrupt()
        code, out, err = await ended(program)

    assert first.content.endswith(ENDING)
    assert locked.run("EXISTS", f"oa:s:{{{first.headers['x-stream-id']}}}") == 1
    assert code == 0
    assert "hidden" not in out + err + str(program.process.args)


@pytest.mark.parametrize("words", [[], ["--debug"]])
@pytest.mark.parametrize(
    ("way", "change"), [("OPENAI_ASYNC_REDIS_URL", "wr0ng"), ("--redis", "wr0ng"), ("--redis", "")]
)
def test_a_wrong_password_is_told_and_not_quoted(
    call: Any, locked: RedisServer, way: str, change: str, words: list[str]
) -> None:
    """By the option or the variable that it came from, in one line."""
    url = locked.url.replace(":hidden@", f":{change}@")
    given: Any = {"OPENAI_ASYNC_REDIS_URL": url} if way != "--redis" else {"OPENAI_ASYNC_REDIS_URL": "redis://nowhere"}
    option = ["--redis", url] if way == "--redis" else []
    done = call("relay", "--upstream", "http://a/v1", "--port", 0, *option, *words, **given)
    said = done.stderr.decode()

    assert (done.returncode, done.stdout) == (1, b"")
    assert f"error: {way}: Redis at 127.0.0.1:{locked.port} refused the user or the password.\n" in said
    assert words or said.count("\n") == 1
    assert "wr0ng" not in said


@pytest.mark.anyio
@pytest.mark.sockets
async def test_a_websocket_outlives_the_limit_for_heads() -> None:
    """A connection that became a WebSocket waits for no request's head, and is not closed for want of one."""
    held, told = Held(), list[int]()
    listener = socket.create_server(("127.0.0.1", 0))
    async with RawServer(held) as upstream, Gateway(upstream.url) as gateway:
        server = GatewayServer(gateway, gateway, websockets=True, grace=0, told=told.append, read_timeout=0.2)
        serving = asyncio.ensure_future(server._serve([listener]))  # `serve` would take the signals of the tests
        await eventually(lambda: server.started)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        async with caller(url) as client, client.stream("POST", "/chat/completions", content=BODY) as response:
            place = f"{url.replace('http', 'ws')}/streams/{response.headers['x-stream-id']}/ws"
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            async with connect(place, additional_headers={"authorization": "Bearer sk-of-ann"}) as following:
                with anyio.fail_after(BOUND):
                    await reader.read()  # a connection without a head, opened before, is closed
                    await asyncio.sleep(0.2)
                    held.go_on.set()
                    frames = [json.loads(frame) async for frame in following]
            writer.close()
        server.handle_exit(signal.SIGTERM, None)
        with anyio.fail_after(BOUND):
            await serving

    assert len(frames) == len(hello()) + 1
    assert frames[-1] == {"end": {"status": "done"}}
    assert told == [0]


@pytest.mark.anyio
@pytest.mark.sockets
async def test_a_handshake_that_is_none_is_refused() -> None:
    """Whatever is wrong with it, it is answered, and its connection closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    upgrade = "host: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\n?"
    heads = (
        f"POST /v1/chat/completions HTTP/1.1\r\n{upgrade}",
        f"GET /v1/streams/{'x' * 9000}/ws HTTP/1.1\r\n{upgrade}",
    )
    async with Gateway("http://127.0.0.1:1/v1") as gateway:
        server = GatewayServer(gateway, gateway, websockets=True, grace=0, told=lambda _: None)
        serving = asyncio.ensure_future(server._serve([listener]))  # as above
        await eventually(lambda: server.started)
        answers: list[bytes] = []
        with anyio.fail_after(BOUND):
            for head in heads:
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(head.encode())
                answers.append(await reader.read())
                writer.close()
            server.handle_exit(signal.SIGTERM, None)
            await serving

    assert [told.split(b"\r\n")[0] for told in answers] == [b"HTTP/1.1 400 Bad Request"] * 2


def test_help_teaches(call: Any) -> None:
    """Help goes to stdout, fits 80 columns, and has examples that can be copied, and every route."""
    done = call("relay", "--help", OPENAI_ASYNC_REDIS_URL="redis://:hidden@localhost/0")

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"OPENAI_ASYNC_REDIS_URL" in done.stdout
    assert b"hidden" not in done.stdout
    lines = done.stdout.decode().splitlines()
    assert sum(line.startswith("    openai-async relay --upstream ") for line in lines) == 3
    assert sum("/v1/" in line and line.split()[0] in {"POST", "GET", "DELETE"} for line in lines) == 5
    assert max(map(len, lines)) <= 80


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_said(call: Any, taken: int) -> None:
    """A port that is in use gives one line that says what to do."""
    done = call("relay", "--upstream", "http://127.0.0.1:9/v1", "--port", taken)

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(rf"openai-async: error: [^\n]*{taken}[^\n]*--port 0[^\n]*\n", done.stderr.decode())


@pytest.mark.parametrize(("words", "code", "said"), [
    ([], 2, "Missing option '--upstream'"),
    (["--upstream", "nowhere"], 2, "--upstream: upstream must be an http:// or https:// address"),
    (["--upstream", "http://a/v1", "--redis", "http://b"], 2, "--redis: "),
    (["--upstream", "http://a/v1", "--redis", "redis://b/0?c=1"], 2, "--redis: "),
    (["--upstream", "http://a/v1", "--host", "999.0.0.1"], 1, "Can't listen"),
    (["--upstream", "http://a/v1", "--max-streams", "0"], 2, "--max-streams"),
    (["--upstream", "http://a/v1", "--retention", "-1"], 2, "--retention"),
    (["--upstream", "http://a/v1", "--grace", "nan"], 2, "--grace"),
    (["--upstream", "http://a/v1", "--retention", "1e10"], 2, "--retention"),
])  # fmt: skip
def test_what_can_not_be_relayed(call: Any, words: list[str], code: int, said: str) -> None:
    """Settings that can't be used end in one line before anything is announced."""
    done = call("relay", "--port", "0", *words)

    assert (done.returncode, done.stdout) == (code, b"")
    assert re.fullmatch("openai-async: error: [^\n]*\n", done.stderr.decode())
    assert said in done.stderr.decode()


def test_a_redis_that_is_not_there_is_said(call: Any) -> None:
    """The program does not wait for its first caller to find out, and shows no password."""
    port = free_port()
    done = call("relay", "--upstream", "http://a/v1", "--port", 0, "--redis", f"redis://:hidden@127.0.0.1:{port}/0")

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(
        rf"openai-async: error: --redis: Redis at 127.0.0.1:{port} can't be reached[^\n]*\n", done.stderr.decode()
    )


def test_what_others_can_reach_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """An address of other machines', and a missing package, are told on stderr; the query of the upstream is not."""
    options: Any = {"host": "0.0.0.0", "upstream": "http://a/v1?key=secret"}
    with socket.create_server(("0.0.0.0", 0)) as listener:
        relay._announce(listener, options, websockets=False)
    out, err = capsys.readouterr()

    assert out.startswith("Relaying http://a/v1 at http://127.0.0.1:")
    assert "secret" not in out
    assert "pip install websockets" in err
    assert "other machines" in err or "no address of this machine alone" in err
