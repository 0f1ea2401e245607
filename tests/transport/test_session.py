"""aiohttp as a transport, over real sockets, against a server that does what it likes."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import socket
import ssl
import warnings
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import trustme
from support.rawserver import Handler, Peer, RawServer, answer, certificates, event, hello, in_thread, sse

from openai_async.errors import APIConnectionError, APITimeoutError, OpenAIError
from openai_async.transport import connector as connectors
from openai_async.transport import session
from openai_async.transport.message import Request, StaleConnectionError
from openai_async.transport.session import AiohttpResponse, AiohttpTransport
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

NO_LIMIT = Timeout.of(None)


def request(server: RawServer | str, **headers: str) -> Request:
    """A request to the server."""
    url = server if isinstance(server, str) else server.url
    return Request(method="POST", url=f"{url}/chat/completions", headers=headers, body=b"{}")


async def send(transport: AiohttpTransport, server: RawServer, **headers: str) -> AiohttpResponse:
    """Send a request without limits."""
    return await transport.send(request(server, **headers), Timer(NO_LIMIT))


async def body(response: AiohttpResponse) -> bytes:
    """Read a response to its end."""
    data = b""
    while piece := await response.read():
        data += piece
    response.release()
    return data


async def fetch(transport: AiohttpTransport, server: RawServer) -> bytes:
    """Send a request and read the answer."""
    return await body(await send(transport, server))


async def until_done(response: AiohttpResponse) -> None:
    """Read a stream up to `[DONE]`, as the client does, and leave the rest."""
    data = b""
    while b"[DONE]" not in data:
        data += await response.read()
    response.release()


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the event loop run until something is so; fail after two seconds."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - a socket's other end sets no event
            await asyncio.sleep(0.005)


def connector(transport: AiohttpTransport) -> Any:
    """The connector of this loop's session."""
    return transport._homes[asyncio.get_running_loop()].session.connector


async def silent(peer: Peer) -> None:
    """Never answer."""
    await peer.gone()


# Requests.


async def test_request_goes_out_as_it_is() -> None:
    """Method, path, query, headers and body arrive as they are, and nothing is added but what HTTP needs."""
    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport()
        asked = Request(
            method="POST",
            url=f"{server.url}/chat/completions?a=1&b[]=%2F%20x",
            headers={"authorization": "Bearer k", "x-custom": "gr\xfc\xdf"},
            body=b'{"a": "\xc3\xa4"}',
        )
        await body(await transport.send(asked, Timer(NO_LIMIT)))
        await transport.aclose()

    (seen,) = server.requests
    assert (seen.method, seen.target) == ("POST", "/v1/chat/completions?a=1&b[]=%2F%20x")
    assert seen.body == b'{"a": "\xc3\xa4"}'
    assert seen.headers.pop("x-custom").encode("latin-1").decode() == "gr\xfc\xdf"
    assert seen.headers == {"host": f"127.0.0.1:{server.port}", "authorization": "Bearer k", "content-length": "11"}


async def test_request_without_a_body() -> None:
    """A GET has no body, and no length."""
    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport()
        asked = Request(method="GET", url=server.url, headers={})
        await body(await transport.send(asked, Timer(NO_LIMIT)))
        await transport.aclose()

    assert server.requests[0].method == "GET"
    assert "content-length" not in server.requests[0].headers


async def test_response_is_plain() -> None:
    """Headers come in lower case, repeated ones joined; the status is the server's."""

    async def reply(peer: Peer) -> None:
        await peer.send(
            b"HTTP/1.1 418 Teapot\r\nX-One: 1\r\nx-one: 2\r\nX-Request-Id: r\r\nContent-Length: 2\r\n\r\nhi"
        )

    async with RawServer(reply) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        assert response.status == 418
        assert response.headers == {"x-one": "1, 2", "x-request-id": "r", "content-length": "2"}
        assert await body(response) == b"hi"
        await transport.aclose()


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_packed_bodies_are_unpacked(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """A packed body is read as what it is, though a stream does not ask for packing: nginx packs all the same."""
    plain = b"".join(map(event, hello()))
    packed = answer(pack(plain), headers={"content-encoding": coding}, kind="text/event-stream")
    async with RawServer(packed) as server:
        transport = AiohttpTransport()
        assert await fetch(transport, server) == plain
        await transport.aclose()


async def test_cookies_are_never_sent_back() -> None:
    """What one answer sets, no later request brings: a client serves many users."""
    async with RawServer(answer(b"{}", headers={"set-cookie": "who=alice; Path=/"})) as server:
        transport = AiohttpTransport()
        await fetch(transport, server)
        await fetch(transport, server)
        # aiohttp's jar keeps no cookies for IP addresses: only a name shows that there is no jar.
        for _ in range(2):
            named = Request(method="GET", url=f"http://localhost:{server.port}/", headers={})
            await body(await transport.send(named, Timer(NO_LIMIT)))
        await transport.aclose()

    assert len(server.requests) == 4
    assert not any("cookie" in seen.headers for seen in server.requests)


async def test_redirects_are_not_followed() -> None:
    """A redirect is an answer like any other: the key does not go where it points."""
    async with RawServer(answer(b"", 307, {"location": "http://127.0.0.1:1/"})) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        await body(response)
        await transport.aclose()

    assert response.status == 307
    assert len(server.requests) == 1


async def test_sockets_are_kept_alive() -> None:
    """Connections probe a silent peer, so that no NAT forgets them while a model thinks."""
    async with RawServer(silent) as server:
        transport = AiohttpTransport()
        task = asyncio.create_task(fetch(transport, server))
        await eventually(lambda: len(server.requests) == 1)
        (protocol,) = connector(transport)._acquired
        assert protocol.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await transport.aclose()


# Connections, kept and lost.


@pytest.mark.parametrize("late", [0.0, 0.05, 0.5])
async def test_one_connection_serves_stream_after_stream(late: float) -> None:
    """A stream that ended at `[DONE]` gives its connection back, however late its last bytes come."""
    rounds = {0.0: 20, 0.05: 20, 0.5: 2}[late]
    async with RawServer(sse(hello(), late=late)) as server:
        transport = AiohttpTransport()
        for _ in range(rounds):
            began = asyncio.get_running_loop().time()
            await until_done(await send(transport, server))
            assert asyncio.get_running_loop().time() - began < 0.4  # nobody waits for the rest
            await eventually(lambda: not transport._homes[asyncio.get_running_loop()].drains)
        await transport.aclose()

    assert len(server.requests) == rounds
    assert server.connections == 1


async def test_next_stream_waits_a_moment_for_the_connection() -> None:
    """The request that follows at once takes the connection of the stream that just ended, if its end is near."""
    async with RawServer(sse(hello())) as server:
        transport = AiohttpTransport()
        for _ in range(10):
            await until_done(await send(transport, server))
        await transport.aclose()

    assert server.connections == 1


async def test_connection_whose_rest_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not end in time is closed, and the next request has long had another connection."""
    monkeypatch.setattr(session, "_DRAIN_SECONDS", 0.1)  # not to wait for a second
    async with RawServer(sse(hello(), ending="nothing"), sse(hello())) as server:
        transport = AiohttpTransport()
        await until_done(await send(transport, server))
        await until_done(await send(transport, server))
        assert server.connections == 2
        await eventually(lambda: server.open == 1)
        await transport.aclose()


async def test_rest_that_is_too_long_is_given_up() -> None:
    """Of a body that goes on after its end a quarter of a mebibyte is read, and no more."""
    written = 0

    async def chatter(peer: Peer) -> None:
        nonlocal written
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"data: [DONE]\n\n")
        while True:
            await peer.chunk(b"x" * 65536)
            written += 65536

    async with RawServer(chatter) as server:
        transport = AiohttpTransport()
        await until_done(await send(transport, server))
        await eventually(lambda: server.open == 0)
        await transport.aclose()

    assert written < 32 * 1024 * 1024  # what the sockets' buffers took, not all there is in a second


async def test_closing_aborts() -> None:
    """A closed response is seen by the server at once, whatever it was doing."""
    gone: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def endless(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"data: {}\n\n")
        gone.set_result(await peer.gone())

    async with RawServer(endless) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        await response.read()
        left = asyncio.get_running_loop().time()
        response.close()
        response.close()
        assert await asyncio.wait_for(gone, 2) - left < 0.5
        await transport.aclose()


async def test_cancelled_request_aborts() -> None:
    """A request that is cancelled before its answer goes away on the server's side too."""
    gone: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def thinking(peer: Peer) -> None:
        gone.set_result(await peer.gone())

    async with RawServer(thinking) as server:
        transport = AiohttpTransport()
        task = asyncio.create_task(send(transport, server))
        await eventually(lambda: len(server.requests) == 1)
        left = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(gone, 2) - left < 0.5
        await transport.aclose()


async def test_cancelled_read_loses_nothing() -> None:
    """A read that was cancelled leaves the bytes to the next one."""
    go = asyncio.Event()

    async def reply(peer: Peer) -> None:
        await peer.head(content_length="4")
        await peer.send(b"ab")
        await go.wait()
        await peer.send(b"cd")

    async with RawServer(reply) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        assert await response.read() == b"ab"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await response.read()
        go.set()
        assert await body(response) == b"cd"
        await transport.aclose()


async def dead_after(first: Handler, peer: Peer) -> None:
    """Answer, and close the connection when the next request is in."""
    await first(peer)
    if not peer.writer.is_closing():
        await peer.reader.readuntil(b"\r\n\r\n{}")
        peer.fin()


async def test_kept_connection_that_dies_is_told_apart() -> None:
    """A kept-alive connection that closes without a byte is a `StaleConnectionError`, a new one is not."""

    async def once(peer: Peer) -> None:
        await dead_after(answer(b"{}"), peer)

    async def never(peer: Peer) -> None:
        peer.fin()

    async with RawServer(once, never) as server:
        transport = AiohttpTransport()
        await fetch(transport, server)
        with pytest.raises(StaleConnectionError):
            await fetch(transport, server)
        with pytest.raises(APIConnectionError) as caught:
            await fetch(transport, server)
        assert type(caught.value) is APIConnectionError
        await transport.aclose()


async def test_kept_connection_that_dies_in_the_middle_is_no_stale_one() -> None:
    """A kept-alive connection that closes after its answer has begun was not dead: that costs a retry."""

    async def once(peer: Peer) -> None:
        await answer(b"{}")(peer)
        await peer.reader.readuntil(b"\r\n\r\n{}")
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
        peer.fin()

    async with RawServer(once) as server:
        transport = AiohttpTransport()
        await fetch(transport, server)
        with pytest.raises(APIConnectionError) as caught:
            await fetch(transport, server)
        assert type(caught.value) is APIConnectionError
        await transport.aclose()


async def test_connection_closed_while_idle_is_not_used() -> None:
    """A kept-alive connection that the server closed meanwhile costs the next request nothing."""

    async def once(peer: Peer) -> None:
        await answer(b"{}")(peer)
        peer.fin()

    async with RawServer(once, answer(b"{}")) as server:
        transport = AiohttpTransport()
        await fetch(transport, server)
        ((protocol, _),) = next(iter(connector(transport)._conns.values()))
        await eventually(lambda: not protocol.is_connected())
        assert await fetch(transport, server) == b"{}"
        await transport.aclose()

    assert server.connections == 2


@pytest.mark.parametrize("ending", ["fin", "reset"])
async def test_body_that_breaks_off_is_an_error(ending: str) -> None:
    """A chunked body without its last chunk is not whole, whichever way the connection ended."""
    async with RawServer(sse(hello(), done=False, ending=ending)) as server:
        transport = AiohttpTransport()
        with pytest.raises(APIConnectionError):
            await fetch(transport, server)
        await transport.aclose()


async def test_bytes_before_a_broken_connection_are_read() -> None:
    """What came before a reset is handed out, though it was not read in time; the error comes after it."""
    reset = asyncio.Event()

    async def burst(peer: Peer) -> None:
        await sse(hello(), ending="reset")(peer)
        reset.set()

    async with RawServer(burst) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        await reset.wait()
        await eventually(lambda: response._content.exception() is not None)
        assert b"[DONE]" in await response.read()
        with pytest.raises(APIConnectionError):
            await response.read()
        await transport.aclose()


async def test_short_body_is_an_error() -> None:
    """A body shorter than its content-length is not whole."""

    async def short(peer: Peer) -> None:
        await peer.head(content_length="100")
        await peer.send(b"not a hundred")
        peer.fin()

    async with RawServer(short) as server:
        transport = AiohttpTransport()
        with pytest.raises(APIConnectionError, match="in the middle of the body"):
            await fetch(transport, server)
        await transport.aclose()


async def test_body_that_ends_with_its_connection() -> None:
    """A body without length and chunks ends where the connection does, and that is no error of the transport's."""

    async def old(peer: Peer) -> None:
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        peer.fin()

    async with RawServer(old) as server:
        transport = AiohttpTransport()
        assert await fetch(transport, server) == b"all of it"
        await transport.aclose()


# Time limits.


async def test_limits_follow_the_request() -> None:
    """The timer enters "pool", "connect" and "first_token" as the request goes through them, and marks each."""
    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport()
        phases: list[str] = []

        class Watched(Timer):
            __slots__ = ()

            def enter(self, phase: str) -> None:  # type: ignore[override]  # any phase
                phases.append(phase)
                super().enter(phase)  # type: ignore[arg-type]  # a str is all the test has

        watched = Watched(NO_LIMIT)
        watched.begin_attempt()
        await body(await transport.send(request(server), watched))
        marks = watched.marks
        assert phases == ["total", "pool", "connect", "first_token"]
        assert list(marks) == ["started", "sent", "queued", "connecting", "connected", "headers"]
        assert sorted(marks.values()) == list(marks.values())

        phases.clear()
        watched.begin_attempt()
        await body(await transport.send(request(server), watched))
        assert phases == ["total", "pool", "first_token"]  # the connection was kept
        assert list(watched.marks) == ["started", "sent", "queued", "connected", "headers"]
        await transport.aclose()


async def test_silent_server_runs_into_the_first_token_limit() -> None:
    """A server that reads and says nothing is given up after that limit, its connection closed."""
    async with RawServer(silent) as server:
        transport = AiohttpTransport()
        with pytest.raises(APITimeoutError) as caught:
            await transport.send(request(server), Timer(Timeout(first_token=0.05)))
        assert caught.value.phase == "first_token"
        await eventually(lambda: server.open == 0)
        await transport.aclose()


async def test_full_backlog_runs_into_the_connect_limit() -> None:
    """A connection that never opens is given up after the connect limit."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            transport = AiohttpTransport()
            with pytest.raises(APITimeoutError) as caught:
                await transport.send(request(f"http://127.0.0.1:{port}"), Timer(Timeout(connect=0.1)))
            assert caught.value.phase == "connect"
            await transport.aclose()
        finally:
            for filler in fillers:
                filler.close()


async def test_full_pool_runs_into_the_pool_limit() -> None:
    """A request that gets no connection of the pool is given up after the pool limit."""
    async with RawServer(silent) as server:
        transport = AiohttpTransport(limit=1)
        first = asyncio.create_task(fetch(transport, server))
        await eventually(lambda: len(server.requests) == 1)
        with pytest.raises(APITimeoutError) as caught:
            await transport.send(request(server), Timer(Timeout(pool=0.05)))
        assert caught.value.phase == "pool"
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await transport.aclose()


async def test_long_wait_for_the_pool_warns_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request that waits long for a connection warns while it still waits, the others do not."""
    monkeypatch.setattr(connectors, "_POOL_WARNING", 0.1)  # not to wait for a second
    go = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await go.wait()
        await answer(b"{}")(peer)

    async with RawServer(slow) as server:
        transport = AiohttpTransport(limit=1)
        tasks = [asyncio.create_task(fetch(transport, server)) for _ in range(3)]
        with caplog.at_level(logging.WARNING, logger="openai_async"):
            await eventually(lambda: bool(caplog.records))
            assert len(server.requests) == 1
            go.set()
            await asyncio.gather(*tasks)
        await transport.aclose()

    assert [record.getMessage() for record in caplog.records] == [
        "a request waits for one of 1 connections, all in use; are streams left open? Else raise limit="
    ]


async def test_short_wait_for_the_pool_does_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    """A pool whose places are all in use for a moment is nothing to tell, nor is one with room."""
    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport(limit=1)
        with caplog.at_level(logging.WARNING, logger="openai_async"):
            await asyncio.gather(*(fetch(transport, server) for _ in range(5)))
        loop: Any = asyncio.get_running_loop()
        assert not [handle for handle in loop._scheduled if not handle.cancelled() and "_warn" in repr(handle)]
        await transport.aclose()

    assert caplog.records == []


# Event loops, and who closes what.


def test_transport_serves_one_event_loop_after_the_other() -> None:
    """Each `asyncio.run` gets connections of its own, and leaves neither sockets nor warnings behind."""
    with in_thread(RawServer(sse(hello()))) as server:
        transport = AiohttpTransport()

        async def twice() -> None:
            await until_done(await send(transport, server))
            await fetch(transport, server)

        for _ in range(3):
            asyncio.run(twice())
            gc.collect()
        assert len(server.requests) == 6
        assert server.connections == 3

        async def close() -> None:
            await transport.aclose()

        asyncio.run(close())
        assert transport._homes == {}


def test_loop_that_ends_in_the_middle_of_a_stream() -> None:
    """`asyncio.run` that ends with a stream open closes its connection: the server sees it, nothing warns."""
    with in_thread(RawServer(sse(hello(), ending="nothing"))) as server:
        transport = AiohttpTransport()

        async def half() -> AiohttpResponse:
            response = await send(transport, server)
            await response.read()
            return response

        kept = asyncio.run(half())
        asyncio.run(eventually(lambda: server.open == 0))
        del kept


@pytest.mark.parametrize("secure", [False, True])
def test_loop_that_is_closed_without_ado(secure: bool) -> None:  # noqa: FBT001 - a column of the table
    """A loop that just stops, as old programs do it, leaves sockets that the next loop's first request closes."""
    context, trusting = certificates() if secure else (None, None)

    async def either(peer: Peer) -> None:
        await (sse(hello(), ending="nothing") if "x-stay" in peer.request.headers else answer(b"{}"))(peer)

    with in_thread(RawServer(either, context=context)) as server:
        transport = AiohttpTransport(ssl=trusting)
        loop = asyncio.new_event_loop()

        async def leave_two() -> AiohttpResponse:
            kept, response = await asyncio.gather(send(transport, server), send(transport, server, **{"x-stay": "1"}))
            await body(kept)
            return response

        response = loop.run_until_complete(leave_two())
        loop.close()
        assert server.open == 2

        asyncio.run(fetch(transport, server))

        asyncio.run(eventually(lambda: server.open == 0))
        with warnings.catch_warnings():
            # aiohttp's own, for its connection: the response was left open in a loop that was not asked to end.
            warnings.filterwarnings("ignore", "Unclosed connection", ResourceWarning)
            del response
            gc.collect()


def test_uvloop_too() -> None:
    """The same three loops on uvloop, whose sockets go with the loop."""
    uvloop = pytest.importorskip("uvloop")  # an extra, not needed for tests
    with in_thread(RawServer(sse(hello()))) as server:
        transport = AiohttpTransport()
        for _ in range(2):
            uvloop.run(fetch(transport, server))
        loop = uvloop.new_event_loop()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "unclosed resource", ResourceWarning)  # uvloop's own, at its loop's close
            loop.run_until_complete(fetch(transport, server))
            loop.close()
        uvloop.run(fetch(transport, server))
        assert server.connections == 4


async def test_closing_ends_who_still_reads() -> None:
    """A transport that is closed under a reader ends the reading with an error, and does not leave it waiting."""
    async with RawServer(sse(hello(), ending="nothing")) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        task = asyncio.create_task(body(response))
        await asyncio.sleep(0)
        await transport.aclose()
        with pytest.raises(APIConnectionError):
            await asyncio.wait_for(task, 2)


async def test_closing_ends_who_still_waits() -> None:
    """Requests that wait for an answer, or for a connection, get an error of ours when the transport is closed."""
    async with RawServer(silent) as server:
        transport = AiohttpTransport(limit=1)
        answering = asyncio.create_task(fetch(transport, server))
        await eventually(lambda: len(server.requests) == 1)
        queueing = asyncio.create_task(fetch(transport, server))
        await asyncio.sleep(0)
        await transport.aclose()
        results = await asyncio.wait_for(asyncio.gather(answering, queueing, return_exceptions=True), 2)

    assert [type(result) for result in results] == [APIConnectionError, APIConnectionError]


async def test_cancelling_while_queueing_stays_a_cancellation() -> None:
    """A request that is cancelled while it waits for a connection is cancelled, closed transport or not."""
    async with RawServer(silent) as server:
        transport = AiohttpTransport(limit=1)
        answering = asyncio.create_task(fetch(transport, server))
        await eventually(lambda: len(server.requests) == 1)
        queueing = asyncio.create_task(fetch(transport, server))
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(transport.aclose())
        queueing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queueing
        await closing
        await asyncio.gather(answering, return_exceptions=True)


async def test_closed_transport_stays_closed() -> None:
    """After `aclose` nothing is sent, and no session is made that nobody would close."""
    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport()
        await fetch(transport, server)
        await transport.aclose()
        await transport.aclose()
        with pytest.raises(OpenAIError, match="client is closed"):
            await fetch(transport, server)


async def test_closing_does_not_wait_for_a_rest() -> None:
    """A stream's rest that is still being read is given up when the transport is closed."""
    async with RawServer(sse(hello(), ending="nothing")) as server:
        transport = AiohttpTransport()
        await until_done(await send(transport, server))
        began = asyncio.get_running_loop().time()
        await transport.aclose()
        assert asyncio.get_running_loop().time() - began < 0.5
        await eventually(lambda: server.open == 0)


async def test_dropped_transport_warns_and_closes() -> None:
    """A transport that is dropped unclosed says so, and its connections are closed all the same."""
    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport()
        await fetch(transport, server)
        gone = weakref.ref(transport)
        with pytest.warns(ResourceWarning, match="client was not closed"):  # noqa: PT031 - both drop it
            del transport
            gc.collect()
        assert gone() is None
        await eventually(lambda: server.open == 0)


async def test_unused_transport_needs_no_closing() -> None:
    """A transport that sent nothing is dropped without a warning."""
    transport = AiohttpTransport()
    del transport
    gc.collect()


# Sessions of the user's.


async def test_users_session_stays_open() -> None:
    """A session that was given is used with its own settings, and is never closed."""
    async with aiohttp.ClientSession(headers={"x-mine": "1"}) as given, RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport(session=given)
        await fetch(transport, server)
        await transport.aclose()
        assert not given.closed
        async with given.get(f"http://127.0.0.1:{server.port}/") as plain:
            assert plain.status == 200
        assert server.requests[0].headers["x-mine"] == "1"
        assert server.connections == 1


async def test_users_session_that_raises_for_status() -> None:
    """A session that raises for refusals does not do so here: what a refusal means is the client's business."""
    async with aiohttp.ClientSession(raise_for_status=True) as given, RawServer(answer(b"{}", 404)) as server:
        transport = AiohttpTransport(session=given)
        response = await send(transport, server)
        assert (response.status, await body(response)) == (404, b"{}")
        await transport.aclose()


async def test_users_session_has_limits_too() -> None:
    """The first-token limit holds on a session whose connector tells nothing."""
    async with aiohttp.ClientSession() as given, RawServer(silent) as server:
        transport = AiohttpTransport(session=given)
        with pytest.raises(APITimeoutError) as caught:
            await transport.send(request(server), Timer(Timeout(first_token=0.05)))
        assert caught.value.phase == "first_token"
        await transport.aclose()


async def test_users_closed_session_is_named() -> None:
    """A session that the user has closed is said to be so."""
    given = aiohttp.ClientSession()
    await given.close()
    with pytest.raises(OpenAIError, match="session= is closed"):
        await AiohttpTransport(session=given).send(request("http://127.0.0.1:1"), Timer(NO_LIMIT))


async def test_users_session_closes_with_streams_open() -> None:
    """Closing the transport ends its streams on a session of the user's, and nothing else of that session."""
    async with aiohttp.ClientSession() as given, RawServer(sse(hello(), ending="nothing")) as server:
        transport = AiohttpTransport(session=given)
        response = await send(transport, server)
        await transport.aclose()
        await eventually(lambda: server.open == 0)
        with pytest.raises(APIConnectionError):
            await body(response)


@pytest.mark.parametrize("limit", [0, -1])
def test_no_connections_is_no_limit(limit: int) -> None:
    """A limit below one connection is refused: it would wait for ever, or mean none."""
    with pytest.raises(ValueError, match="1 connection or more"):
        AiohttpTransport(limit=limit)


# What the review of this module found.


@pytest.mark.parametrize("ending", ["fin", "reset"])
async def test_bytes_before_a_break_are_read_first(ending: str) -> None:
    """What arrived before the connection broke is handed out, then comes the error: aiohttp alone would lose it."""
    arrived = asyncio.Event()

    async def reply(peer: Peer) -> None:
        await peer.head(transfer_encoding="chunked")
        await peer.chunk(b"one")
        await peer.chunk(b"two")
        await arrived.wait()
        (peer.fin if ending == "fin" else peer.reset)()

    async with RawServer(reply) as server:
        transport = AiohttpTransport()
        response = await send(transport, server)
        await eventually(lambda: response._content.total_bytes == len(b"onetwo"))
        arrived.set()
        await eventually(lambda: response._content.exception() is not None)
        assert await response.read() == b"onetwo"
        with pytest.raises(APIConnectionError):
            await response.read()
        await transport.aclose()


async def test_large_body_is_sent_without_a_warning() -> None:
    """A body above 1 MiB, of which aiohttp warns when it gets it as bytes, arrives whole and with its length."""
    large = b"[" + b"0," * 2**20 + b"0]"

    async with RawServer(answer(b"{}")) as server:
        transport = AiohttpTransport()
        sent = Request(method="POST", url=f"{server.url}/large", headers={}, body=large)
        assert await body(await transport.send(sent, Timer(Timeout()))) == b"{}"
        await transport.aclose()

    (arrived,) = server.requests
    assert arrived.body == large
    assert arrived.headers["content-length"] == str(len(large))


# Unix sockets.


class UnixServer(RawServer):
    """A server on a Unix socket.

    Args:
        path: Of the socket, which is made.
        handlers: As for `RawServer`.
    """

    def __init__(self, path: Path, *handlers: Handler) -> None:
        super().__init__(*handlers)
        self.path = path

    @property
    def url(self) -> str:
        """An address whose host does not matter."""
        return "http://anywhere.example:81/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self.path)
        return self


async def test_unix_socket(tmp_path: Path) -> None:
    """Requests go to the socket, one connection serving many, and tell the timer what they do."""
    async with UnixServer(tmp_path / "s", answer(b"{}")) as server:
        transport = AiohttpTransport(uds=server.path)
        timers = [Timer(NO_LIMIT) for _ in range(3)]
        for timer in timers:
            assert await body(await transport.send(request(server), timer)) == b"{}"
        await transport.aclose()

    assert server.connections == 1
    assert [one.target for one in server.requests] == ["/v1/chat/completions"] * 3
    assert server.requests[0].headers["host"] == "anywhere.example:81"
    assert {"queued", "connected", "headers"} <= timers[0].marks.keys()


async def test_unix_socket_and_streams(tmp_path: Path) -> None:
    """A stream that ended leaves its connection for the next one, and one that is closed is gone for the server."""
    gone = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(event(hello()[0]))
        await peer.gone()
        gone.set()

    async with UnixServer(tmp_path / "s", sse(hello()), sse(hello()), endless) as server:
        transport = AiohttpTransport(uds=str(server.path))
        for _ in range(2):
            await until_done(await send(transport, server))
        assert server.connections == 1
        response = await send(transport, server)
        assert await response.read()
        response.close()
        await asyncio.wait_for(gone.wait(), 2)
        await transport.aclose()


async def test_unix_socket_goes_through_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxies are none of a socket's business."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with UnixServer(tmp_path / "s", answer(b"{}")) as server:
        transport = AiohttpTransport(uds=server.path)
        assert await fetch(transport, server) == b"{}"
        await transport.aclose()


async def test_unix_socket_that_is_none(tmp_path: Path) -> None:
    """Where nobody listens, the error says so."""
    transport = AiohttpTransport(uds=tmp_path / "nobody")
    with pytest.raises(APIConnectionError, match="No such file"):
        await transport.send(request("http://localhost/v1"), Timer(NO_LIMIT))
    await transport.aclose()


async def test_unix_socket_and_tls(tmp_path: Path) -> None:
    """An https address is refused: its request would go out in the clear."""
    async with UnixServer(tmp_path / "s", answer(b"{}")) as server:
        transport = AiohttpTransport(uds=server.path)
        with pytest.raises(OpenAIError, match="plain HTTP"):
            await transport.send(request("https://localhost/v1"), Timer(NO_LIMIT))
        await transport.aclose()
    assert server.requests == []


@pytest.mark.parametrize("other", ["session", "proxy", "ssl"])
def test_unix_socket_is_a_way_of_its_own(other: str) -> None:
    """A socket goes together with no other way to connect."""
    given: Any = {other: object()}
    with pytest.raises(ValueError, match="way of its own"):
        AiohttpTransport(uds="/run/model.sock", **given)


# Mutual TLS.


async def test_client_certificates() -> None:
    """A certificate that the context holds is shown to a server that asks for one; without it there is no answer."""
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    theirs.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(theirs)
    known, unknown = ssl.create_default_context(), ssl.create_default_context()
    for context in (known, unknown):
        authority.configure_trust(context)
    authority.issue_cert("client@example.org").configure_cert(known)
    subjects: list[Any] = []

    async def answer_known(peer: Peer) -> None:
        subjects.append(peer.writer.get_extra_info("peercert")["subjectAltName"])
        await answer(b"{}")(peer)

    async with RawServer(answer_known, context=theirs) as server:
        transport = AiohttpTransport(ssl=known)
        assert await fetch(transport, server) == b"{}"
        await transport.aclose()
        stranger = AiohttpTransport(ssl=unknown)
        with pytest.raises(APIConnectionError):
            await fetch(stranger, server)
        await stranger.aclose()

    assert subjects == [(("email", "client@example.org"),)]
    assert len(server.requests) == 1
