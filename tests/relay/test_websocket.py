"""WebSocket frames, under Starlette and aiohttp.web: chunks as they came, bare text, stop, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from aiohttp import web
from fastapi import FastAPI, WebSocket
from support.clock import run
from support.rawserver import Handler, Peer, RawServer, answer, chunk, event, hello, sse
from support.webservers import aiohttp_web, eventually, uvicorn_server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from openai_async import AsyncOpenAI, StreamStateError
from openai_async.relay import aiohttp as for_aiohttp
from openai_async.relay import starlette as for_starlette
from openai_async.relay.errors import Fenced
from openai_async.relay.hub import RelayHub
from openai_async.relay.log import Batch, End
from openai_async.relay.sink import pump
from openai_async.relay.websocket import GRACE, FrameSink, SocketGone, converse, first_cursor

pytestmark = pytest.mark.anyio

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


class Pipe:
    """A socket in memory: what was sent, and what the client says."""

    def __init__(self, *said: str, leaves: bool = False) -> None:
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None
        self._said = list(said)
        self._leaves = leaves  # when all is said

    async def send(self, text: str) -> None:
        if self.closed is not None:
            raise SocketGone("closed")
        self.sent.append(text)

    async def receive(self) -> str:
        if self._said:
            return self._said.pop(0)
        if self._leaves:
            raise SocketGone("left")
        await asyncio.sleep(3600)
        raise AssertionError

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


def said(text: str) -> bytes:
    """The payload of a piece of text."""
    return json.dumps(chunk(text)).encode()


# Frames.


async def test_a_frame_is_the_payload_with_its_cursor() -> None:
    """A chunk frame is JSON that holds the payload byte for byte, and the cursor after it."""
    pipe, odd = Pipe(), b'{"choices" :[ ],"vendor":1.0,"u":"\\u00e9"}'

    await FrameSink(pipe).send(Batch(2, 9, [odd, said("x")]))

    assert pipe.sent[0] == '{"id":"2-9","chunk":' + odd.decode() + "}"
    assert json.loads(pipe.sent[1])["id"] == "2-10"
    assert json.loads(pipe.sent[1])["chunk"] == chunk("x")


async def test_text_is_what_choice_0_says() -> None:
    """In text format a batch is one frame of bare text; other choices, and what is no text, are left out."""
    pipe = Pipe()
    sink = FrameSink(pipe, format="text")

    other = json.dumps(chunk("other", index=1)).encode()
    await sink.send(Batch(1, 1, [said("Hel"), other, b'{"choices":[]}', b'{"choices":"?"}', said("lo")]))
    await sink.send(Batch(1, 6, [b'{"choices":[]}']))

    assert pipe.sent == ["Hello"]


async def test_bytes_that_are_no_utf_8_are_no_end() -> None:
    """A server that cuts a character in two is read as over an event stream: what is left of it is U+FFFD."""
    pipe, text = Pipe(), Pipe()
    odd = said("?").replace(b"?", b"a\xff")
    await FrameSink(pipe).send(Batch(1, 1, [odd]))
    await FrameSink(pipe).send_payloads([odd])
    await FrameSink(text, format="text").send(Batch(1, 1, [odd]))

    assert [json.loads(frame)["chunk"]["choices"][0]["delta"]["content"] for frame in pipe.sent] == ["a\ufffd"] * 2
    assert text.sent == ["a\ufffd"]


async def test_text_of_two_halves_is_whole() -> None:
    """Some servers write an emoji's surrogates in two chunks."""
    pipe = Pipe()
    sink = FrameSink(pipe, format="text")
    for half in (b"a\\ud83d", b"\\ude00b"):
        await sink.send(Batch(1, 1, [said("?").replace(b"?", half)]))

    assert "".join(pipe.sent) == "a\U0001f600b"


async def test_a_reset_is_told() -> None:
    """An answer that begins anew is a frame of its own; bare text can't say it, and its socket is closed with 1012."""
    chunks, text = Pipe(), Pipe()
    await FrameSink(chunks).send(Batch(2, 1, [said("a")], reset=True))
    sink = FrameSink(text, format="text")
    await sink.send(Batch(1, 1, [said("a")]))

    with pytest.raises(SocketGone, match="1012"):
        await sink.send(Batch(2, 1, [said("b")], reset=True))

    assert chunks.sent[0] == '{"reset":"2-0"}'
    assert text.sent == ["a"]
    assert text.closed == (1012, "reset")


async def test_a_reset_before_any_text_is_none() -> None:
    """Whoever has read nothing has nothing to drop."""
    pipe = Pipe()

    await FrameSink(pipe, format="text").send(Batch(2, 1, [said("b")], reset=True))

    assert pipe.sent == ["b"]


async def test_the_end_is_the_last_frame() -> None:
    """It says how the stream ended, with the error if there was one; so does the close frame."""
    done, failed = Pipe(), Pipe()
    await FrameSink(done).close(End("done"))
    await FrameSink(failed).close(End("error", {"message": "No"}))

    assert done.sent == ['{"end":{"status":"done"}}']
    assert done.closed == (1000, "done")
    assert json.loads(failed.sent[0]) == {"end": {"status": "error", "error": {"message": "No"}}}


async def test_nothing_is_said_of_a_stop_after_the_end() -> None:
    """The end is the last frame, also where its reader takes it late."""
    pipe = Pipe()
    sink = FrameSink(pipe)
    await sink.refuse_stop({"message": "No"})
    await sink.end("done")
    pipe.closed = None  # it is being closed
    await sink.refuse_stop({"message": "No"})

    assert pipe.sent == ['{"stopped":false,"error":{"message":"No"}}', '{"end":{"status":"done"}}']


async def test_formats_are_two() -> None:
    """Another name is an error that names both."""
    with pytest.raises(ValueError, match='"chunk" or "text"'):
        FrameSink(Pipe(), format="json")  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize(
    ("frame", "cursor"),
    [('{"after":"1-5"}', "1-5"), ('{"after":null}', None), ("1-5", None), ("[", None), ('{"after":7}', None)],
)
async def test_the_first_frame_may_say_where_to_go_on(frame: str, cursor: str | None) -> None:
    """`{"after": CURSOR}` does; anything else is from the start."""
    assert await first_cursor(Pipe(frame), seconds=5) == cursor


async def test_a_first_frame_that_does_not_come_is_not_waited_for() -> None:
    """Whoever says nothing reads from the start."""
    assert await first_cursor(Pipe(), seconds=0.01) is None


async def test_only_stop_stops() -> None:
    """Frames that are none of ours are passed over; `{"stop": true}` is obeyed, once for each."""
    stops: list[int] = []
    done = asyncio.Event()

    async def stop() -> None:
        stops.append(1)
        done.set()

    async def work() -> str:
        await done.wait()
        return "result"

    pipe = Pipe("hello", '{"stop":false}', "[1]", "{" * 10_000, "[" * 4_000, '{"stop":true}')
    with anyio.fail_after(5):
        assert await converse(pipe, work, stop) == "result"
    assert stops == [1]


def test_whoever_stops_and_leaves_has_stopped() -> None:
    """What was asked is done, if it can be done within a second; the work is cancelled at once."""
    told: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            told.append("work")

    async def stop(seconds: float) -> None:
        await asyncio.sleep(seconds)
        told.append("stop")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for leaves in (True, False):
            for seconds, bound, expected in ((0.5, 0.5, ["work", "stop"]), (1e6, GRACE, ["work"])):
                told.clear()
                began = loop.time()
                pipe = Pipe('{"stop":true}', leaves=leaves)
                talk = asyncio.create_task(converse(pipe, work, partial(stop, seconds)))
                if not leaves:  # its server tells by a cancellation
                    await asyncio.sleep(0)
                    loop.call_later(0, talk.cancel)
                await asyncio.wait([talk])
                assert talk.cancelled() is not leaves
                assert (loop.time() - began, told) == (bound, expected)

    run(main())


def test_a_stop_under_way_does_not_hold_up_the_end() -> None:
    """The work's result is there at once: there is nothing left to stop."""

    async def work() -> str:
        await asyncio.sleep(1)
        return "result"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await converse(Pipe('{"stop":true}'), work, partial(asyncio.sleep, 1e6)) == "result"
        assert loop.time() - began == 1

    run(main())


async def test_what_fails_is_raised_as_it_is() -> None:
    """An error of the work's, or of the stop's, comes out of the conversation and of no exception group."""

    async def fail() -> None:
        raise LookupError("unknown")

    with pytest.raises(LookupError):
        await converse(Pipe(), fail, None)
    with pytest.raises(LookupError):
        await converse(Pipe('{"stop":true}'), anyio.sleep_forever, fail)


# Over real sockets.


@asynccontextmanager
async def starlette_relay(client: AsyncOpenAI, options: dict[str, Any]) -> AsyncGenerator[str]:
    """A FastAPI app that relays a call's answer over a WebSocket; its URL."""
    app = FastAPI()

    @app.websocket("/")
    async def chat(websocket: WebSocket) -> None:
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        await for_starlette.relay_websocket(websocket, call, **options)

    async with uvicorn_server(app) as url:
        yield url


@asynccontextmanager
async def aiohttp_relay(client: AsyncOpenAI, options: dict[str, Any]) -> AsyncGenerator[str]:
    """An aiohttp app, likewise."""

    async def chat(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        await for_aiohttp.relay_websocket(websocket, call, **options)
        return websocket

    app = web.Application()
    app.router.add_get("/", chat)
    async with aiohttp_web()(app) as url:
        yield url


FRAMEWORKS: Any = {"starlette": starlette_relay, "aiohttp": aiohttp_relay}


@asynccontextmanager
async def talking(framework: str, handler: Handler, **options: Any) -> AsyncGenerator[Any]:
    """A client's WebSocket to a relay of what `handler` answers."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawServer(handler))
        client = await stack.enter_async_context(AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0))
        url = await stack.enter_async_context(FRAMEWORKS[framework](client, options))
        # Without compression: thousands of frames of one letter would fit into the sockets' buffers.
        yield await stack.enter_async_context(connect(url.replace("http", "ws"), compression=None))


async def frames(socket: Any) -> list[str]:
    """All frames up to the end."""
    return [frame async for frame in socket]


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_an_answer_comes_chunk_by_chunk(framework: str) -> None:
    """Every payload is a frame, byte for byte, and the last frame is the end; the socket closes with 1000."""
    odd = b'{"id" : "a",  "vendor":1.0, "choices":[{"index":0,"delta":{"content":"Hi"}}]}'
    async with talking(framework, sse([b"data: " + odd + b"\n\n", *hello()])) as socket:
        got = await frames(socket)
        code = socket.close_code

    assert got[0] == '{"chunk":' + odd.decode() + "}"
    assert [json.loads(frame)["chunk"] for frame in got[1:-1]] == hello()
    assert json.loads(got[-1]) == {"end": {"status": "done"}}
    assert code == 1000


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_an_answer_comes_as_text(framework: str) -> None:
    """In text format the frames before the end are the answer's text, and nothing else."""
    async with talking(framework, sse(hello()), format="text") as socket:
        *texts, end = await frames(socket)

    assert "".join(texts) == "Hello"
    assert json.loads(end) == {"end": {"status": "done"}}


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_an_error_is_the_end(framework: str) -> None:
    """The API's error, before the first token and in the middle, comes in the last frame."""
    error = {"message": "No", "type": "t", "param": None, "code": "c"}
    async with talking(framework, answer({"error": error}, 400)) as socket:
        refused = await frames(socket)
    async with talking(framework, sse([*hello()[:2], {"error": error}])) as socket:
        broken = await frames(socket)

    assert [json.loads(frame) for frame in refused] == [{"end": {"status": "error", "error": error}}]
    assert len(broken) == 3
    assert json.loads(broken[-1]) == {"end": {"status": "error", "error": error}}


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("how", ["stop", "leave"])
async def test_a_client_that_stops_or_leaves_stops_the_model(framework: str, how: str) -> None:
    """A stop frame aborts the request and is answered with the end; leaving aborts it as well, within a second."""
    gone = asyncio.Event()
    ends: list[Any] = []

    async def handle(peer: Peer) -> None:
        await sse(hello()[:2], done=False, ending="nothing")(peer)
        gone.set()

    async with talking(framework, handle, on_end=lambda *told: ends.append(told)) as socket:
        await socket.recv()
        await socket.recv()
        if how == "stop":
            await socket.send('{"stop": true}')
            assert [json.loads(frame) for frame in await frames(socket)] == [{"end": {"status": "cancelled"}}]
        else:
            await socket.close()
        with anyio.fail_after(1):
            await gone.wait()

    [(completion, error)] = ends
    assert completion.choices[0].message.content == "Hel"
    assert isinstance(error, StreamStateError)


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_client_that_does_not_read_is_dropped(framework: str) -> None:
    """After `send_timeout` the request is aborted, whatever the client's socket does."""
    piece = event(chunk("x" * 262_144))
    gone = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        try:
            while True:
                await peer.chunk(piece)
        finally:
            gone.set()

    async with talking(framework, handle, send_timeout=0.3) as socket:
        await asyncio.wait_for(gone.wait(), 10)
        socket.transport.abort()
        with pytest.raises(ConnectionClosed):
            await frames(socket)


# A hub's streams.


@asynccontextmanager
async def following(framework: str, hub: RelayHub, **options: Any) -> AsyncGenerator[str]:
    """A server of a hub's stream "s" over WebSockets; its address, to which `?after=CURSOR` may be added."""
    ends: list[End | None] = options.pop("ends", [])
    if framework == "starlette":
        app = FastAPI()

        @app.websocket("/")
        async def follow(websocket: WebSocket, after: str | None = None) -> None:
            ends.append(await for_starlette.follow_websocket(websocket, hub, "s", after=after, **options))

        async with uvicorn_server(app) as url:
            yield url.replace("http", "ws")
        return

    async def follow_request(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        after = request.query.get("after")
        ends.append(await for_aiohttp.follow_websocket(websocket, hub, "s", after=after, **options))
        return websocket

    site = web.Application()
    site.router.add_get("/", follow_request)
    async with aiohttp_web()(site) as url:
        yield url.replace("http", "ws")


PAYLOADS = [json.dumps(payload).encode() for payload in hello()]


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("how", ["query", "frame"])
async def test_a_reader_goes_on_from_every_cursor(framework: str, how: str) -> None:
    """By query or by first frame: the rest follows, each frame with its cursor, and then the end."""
    ends: list[Any] = []
    async with RelayHub() as hub:
        async with hub.producer("s") as producer:
            producer.extend(PAYLOADS)
        epoch = producer.epoch
        first_frame = 5.0 if how == "frame" else 0.0
        async with following(framework, hub, first_frame=first_frame, ends=ends) as url:
            for seen in range(5):
                async with connect(url + (f"/?after={epoch}-{seen}" if how == "query" else "/")) as socket:
                    if how == "frame":
                        await socket.send(json.dumps({"after": f"{epoch}-{seen}"}))
                    *got, last = await frames(socket)
                expected = [(f"{epoch}-{seq}", said) for seq, said in enumerate(hello(), 1)][seen:]
                assert [(frame["id"], frame["chunk"]) for frame in map(json.loads, got)] == expected
                assert json.loads(last) == {"end": {"status": "done"}}

    assert ends == [End("done")] * 5


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_one_reader_stops_the_stream_for_all(framework: str) -> None:
    """A stop frame ends the stream as "cancelled" for both readers, and fences its producer."""
    async with RelayHub() as hub, following(framework, hub) as url:
        with pytest.raises(Fenced):  # noqa: PT012 - it is raised by the last line, and has to leave the producer
            async with hub.producer("s") as producer:
                producer.extend(PAYLOADS[:2])
                async with connect(url) as one, connect(url) as two:
                    await one.recv()
                    await one.send('{"stop": true}')
                    ends = [(await frames(one))[-1], (await frames(two))[-1]]
                producer.append(PAYLOADS[2])

    assert [json.loads(end) for end in ends] == [{"end": {"status": "cancelled"}}] * 2


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("query", "code"), [("", "unknown_stream"), ("/?after=x", "bad_cursor")])
async def test_what_cannot_be_read_is_the_end(framework: str, query: str, code: str) -> None:
    """A stream that is unknown, and a malformed cursor, are told in the only frame, and by the close code 1008."""
    async with RelayHub() as hub, following(framework, hub) as url, connect(url + query) as socket:
        end = await socket.recv()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        closed = socket.close_code

    assert json.loads(end)["end"]["error"]["code"] == code
    assert closed == 1008


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_reader_that_leaves_does_not_stop_the_stream(framework: str) -> None:
    """Within a second it is forgotten, and its producer goes on."""
    ends: list[Any] = []
    async with RelayHub() as hub, following(framework, hub, ends=ends) as url, hub.producer("s") as producer:
        producer.extend(PAYLOADS[:2])
        async with connect(url) as socket:
            await socket.recv()
        await eventually(lambda: bool(ends), seconds=1)
        producer.extend(PAYLOADS[2:])

    assert ends == [None]


@pytest.mark.sockets
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_sink_is_for_pump(framework: str) -> None:
    """`WebSocketSink` is all that `pump` needs, for endpoints that do the rest themselves."""
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(RelayHub())
        async with hub.producer("s") as producer:
            producer.extend(PAYLOADS)
        app, site = FastAPI(), web.Application()

        @app.websocket("/")
        async def follow(websocket: WebSocket) -> None:
            await websocket.accept()
            await pump(hub.subscribe("s"), for_starlette.WebSocketSink(websocket, format="text"))

        async def follow_request(request: web.Request) -> web.WebSocketResponse:
            websocket = web.WebSocketResponse()
            await websocket.prepare(request)
            await pump(hub.subscribe("s"), for_aiohttp.WebSocketSink(websocket, format="text"))
            return websocket

        site.router.add_get("/", follow_request)
        served = uvicorn_server(app) if framework == "starlette" else aiohttp_web()(site)
        url = await stack.enter_async_context(served)
        socket = await stack.enter_async_context(connect(url.replace("http", "ws")))
        *texts, end = await frames(socket)

    assert "".join(texts) == "Hello"
    assert json.loads(end) == {"end": {"status": "done"}}
