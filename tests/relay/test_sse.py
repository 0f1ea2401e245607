"""A subscription as an event stream: the bytes on the wire, every cursor, and every ending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import openai
import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Route
from support.rawserver import chunk, hello
from support.webservers import Browser, aiohttp_web, eventually, hypercorn, uvicorn_server

from openai_async import APIStatusError, AsyncOpenAI
from openai_async.relay import aiohttp as for_aiohttp
from openai_async.relay import starlette as for_starlette
from openai_async.relay.cursor import Cursor
from openai_async.relay.hub import RelayHub
from openai_async.relay.log import Batch, End, MemoryLog
from openai_async.relay.sse import PING, events
from openai_async.relay.subscription import Subscription

pytestmark = pytest.mark.anyio

PAYLOADS = [json.dumps(payload).encode() for payload in hello()]


def reader(log: MemoryLog, after: str | None = None) -> Subscription:
    """A subscription of one log."""

    async def join() -> MemoryLog:
        return log

    return Subscription(join, lambda _: None, Cursor.parse(after), "frames")


def written(end: End | None = None, payloads: list[bytes] = PAYLOADS) -> MemoryLog:
    """A log of an answer."""
    log = MemoryLog(1)
    log.extend(payloads)
    if end is not None:
        log.finish(end)
    return log


# Bytes.


def test_events_are_spliced_around_the_payloads() -> None:
    """The golden wire: one `id` and one `data` a frame, the payload untouched, a blank line after each."""
    data = events(Batch(3, 7, [b'{"a" : 1}', b"{}"]), ids=True)

    assert data == b'id: 3-7\ndata: {"a" : 1}\n\nid: 3-8\ndata: {}\n\n'
    assert events(Batch(3, 7, [b"{}"]), ids=False) == b"data: {}\n\n"


def test_a_payload_of_several_lines_stays_one_event() -> None:
    """A server may spread one JSON object over several lines of `data`; so does the relay."""
    assert events(Batch(1, 1, [b'{\n"a": 1\r\n}']), ids=False) == b'data: {\ndata: "a": 1\ndata: }\n\n'


def test_readers_of_one_batch_share_its_events() -> None:
    """They are written once, with ids and without; another batch has its own, also where it is equal or another attempt's."""
    batch, equal, later = Batch(3, 7, [b"{}"]), Batch(3, 7, [b"{}"]), Batch(4, 7, [b"{}"])
    with_id, without, of_later = b"id: 3-7\ndata: {}\n\n", b"data: {}\n\n", b"id: 4-7\ndata: {}\n\n"

    shared = events(batch, ids=True)
    assert events(batch, ids=True) is shared
    assert [events(batch, ids=ids) for ids in (True, False, False, True)] == [with_id, without, without, with_id]
    assert [events(each, ids=True) for each in (batch, later, equal, batch)] == [with_id, of_later, with_id, with_id]
    assert events(equal, ids=False) == without


def test_a_replay_is_not_remembered() -> None:
    """It is one reader's, and large: what the others share stays, and nothing of it is kept when it is sent."""
    batch, replay = Batch(3, 7, [b"{}"]), Batch(3, 1, [b"%d" % number * 100 for number in range(1000)])

    shared = events(batch, ids=True)
    assert events(replay, ids=True).startswith(b"id: 3-1\ndata: 0000")
    assert events(batch, ids=True) is shared


async def test_readers_in_several_threads_get_their_own_events() -> None:
    """Event loops in threads, whose servers write at the same time, each get what is theirs."""
    rounds = 2000

    def write(epoch: int) -> bool:
        batches = [Batch(epoch, number, [b"%d" % epoch]) for number in range(1, rounds)]
        return all(
            events(batch, ids=True) == b"id: %d-%d\ndata: %d\n\n" % (epoch, batch.first, epoch)
            for batch in batches
            for _ in range(3)
        )

    assert all(await asyncio.gather(*[asyncio.to_thread(write, epoch) for epoch in range(4)]))


def test_a_ping_ends_no_event() -> None:
    """A ping is a comment and no blank line, which the official client takes for an event once it has seen an `id`."""
    assert PING == b": ping\n"


# Responses.


@asynccontextmanager
async def starlette_served(make: Any, options: dict[str, Any]) -> AsyncGenerator[str]:
    """A Starlette app whose response is the subscription that `make` gives for a cursor; its URL."""

    async def read(request: Any) -> Any:
        return for_starlette.sse_response(make(request.headers.get("last-event-id")), **options)

    app = Starlette(routes=[Route("/v1/chat/completions", read, methods=["GET", "POST"])])
    async with uvicorn_server(app) as url:
        yield f"{url}/v1/chat/completions"


@asynccontextmanager
async def aiohttp_served(make: Any, options: dict[str, Any]) -> AsyncGenerator[str]:
    """An aiohttp app, likewise."""

    async def read(request: web.Request) -> web.StreamResponse:
        return await for_aiohttp.sse_response(request, make(request.headers.get("last-event-id")), **options)

    app = web.Application()
    app.router.add_route("*", "/v1/chat/completions", read)
    app.on_shutdown.append(for_aiohttp.say_farewell)
    async with aiohttp_web()(app) as url:
        yield f"{url}/v1/chat/completions"


SERVED: Any = {"starlette": starlette_served, "aiohttp": aiohttp_served}
frameworks = pytest.mark.parametrize("framework", SERVED)


async def got(url: str, *, method: str = "GET", after: str | None = None) -> tuple[Browser, bytes]:
    """One whole response."""
    headers = {} if after is None else {"last-event-id": after}
    async with Browser(url, method, headers) as browser:
        await browser.head()
        return browser, await browser.body() if method == "GET" else b""


ALL = [b"id: 1-%d\ndata: %b\n\n" % (seq, payload) for seq, payload in enumerate(PAYLOADS, 1)]
ENDING = b'data: [DONE]\n\nevent: end\ndata: {"status":"done"}\n\n'


@pytest.mark.sockets
@frameworks
async def test_every_cursor_is_a_place_to_go_on(framework: str) -> None:
    """Whatever the `Last-Event-ID`, the rest follows, exactly once and in order, and then the end."""
    log = written(End("done"))
    async with SERVED[framework](lambda after: reader(log, after), {}) as url:
        for seen in range(len(ALL) + 1):
            browser, body = await got(url, after=f"1-{seen}" if seen else None)
            assert body == b"".join(ALL[seen:]) + ENDING

    assert browser.headers["content-type"].startswith("text/event-stream")
    assert browser.headers["cache-control"] == "no-store"
    assert browser.headers["x-accel-buffering"] == "no"


@pytest.mark.sockets
@frameworks
async def test_a_cursor_of_another_epoch_gets_a_reset(framework: str) -> None:
    """The answer was generated anew: the reader is told to drop what it has, and gets all of the new one."""
    log = MemoryLog(2)
    log.extend(PAYLOADS)
    log.finish(End("done"))
    async with SERVED[framework](lambda after: reader(log, after), {}) as url:
        _, body = await got(url, after="1-3")

    name, data, rest = body.split(b"\n", 2)
    assert name == b"event: reset"
    assert json.loads(data.removeprefix(b"data: "))["cursor"] == "2-0"
    assert rest.startswith(b"\nid: 2-1\ndata: ")


@pytest.mark.sockets
@frameworks
async def test_a_large_replay_is_sent_in_parts(framework: str) -> None:
    """What a late reader has missed arrives whole, though no more than a part of it waits in memory for its socket."""
    payloads = [json.dumps(chunk(letter * 100_000)).encode() for letter in "abcdefgh"]
    log = written(End("done"), payloads)
    async with SERVED[framework](lambda after: reader(log, after), {}) as url:
        _, body = await got(url)

    assert body == b"".join(b"id: 1-%d\ndata: %b\n\n" % pair for pair in enumerate(payloads, 1)) + ENDING


@pytest.mark.sockets
@frameworks
async def test_plain_frames_without_an_ending(framework: str) -> None:
    """`ids=False, done=False` leave out what they name."""
    log = written(End("done"))
    async with SERVED[framework](lambda after: reader(log, after), {"ids": False, "done": False}) as url:
        _, body = await got(url)

    assert body == b"".join(b"data: %b\n\n" % payload for payload in PAYLOADS) + ENDING.removeprefix(
        b"data: [DONE]\n\n"
    )


@pytest.mark.sockets
@frameworks
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (End("error", {"message": "No", "type": "t", "param": None, "code": "c"}), "c"),
        (End("lost"), "stream_lost"),
        (End("gap"), "stream_gap"),
    ],
)
async def test_what_went_wrong_is_an_event(framework: str, end: End, code: str) -> None:
    """A stream that is not whole ends with the API's error, then with its status, and never with `[DONE]`."""
    log = written(end)
    async with SERVED[framework](lambda after: reader(log, after), {}) as url:
        _, body = await got(url)

    error, last = body.removeprefix(b"".join(ALL)).removesuffix(b"\n\n").split(b"\n\n")
    assert json.loads(error.removeprefix(b"event: error\ndata: "))["error"]["code"] == code
    assert last == b'event: end\ndata: {"status":"%b"}' % end.status.encode()


@pytest.mark.sockets
@frameworks
@pytest.mark.parametrize(
    ("stream_id", "owner", "after", "status"),
    [("s", "me", "1-x", 400), ("other", "me", None, 404), ("s", "you", None, 404), ("s", "me", None, 200)],
)
async def test_a_stream_that_cannot_be_read_is_a_status(
    framework: str, stream_id: str, owner: str, after: str | None, status: int
) -> None:
    """A malformed cursor is a 400, a stream that is unknown or another owner's a 404, with the API's error as JSON."""
    async with RelayHub() as hub:
        async with hub.producer("s", owner="me") as producer:
            producer.extend(PAYLOADS)
        async with SERVED[framework](lambda seen: lambda: hub.subscribe(stream_id, after=seen, owner=owner), {}) as url:
            browser, body = await got(url, after=after)

    assert browser.status == status
    if status == 200:
        assert body == b"".join(ALL).replace(b"id: 1-", b"id: %d-" % producer.epoch) + ENDING
    else:
        assert json.loads(body)["error"]["code"] == ("bad_cursor" if status == 400 else "unknown_stream")


@pytest.mark.sockets
@frameworks
async def test_a_stream_that_is_no_longer_kept_is_gone(framework: str) -> None:
    """After its retention a stream is a 410: the id was right."""
    async with RelayHub(retain=0) as hub:
        async with hub.producer("s") as producer:
            producer.extend(PAYLOADS)
        async with SERVED[framework](lambda seen: lambda: hub.subscribe("s", after=seen), {}) as url:
            await asyncio.sleep(0.01)
            browser, body = await got(url)

    assert browser.status == 410
    assert json.loads(body)["error"]["code"] == "stream_expired"


@pytest.mark.sockets
@frameworks
async def test_head_gets_the_head(framework: str) -> None:
    """HEAD is answered at once, also while the stream goes on."""
    log = written()
    async with SERVED[framework](lambda after: reader(log, after), {}) as url:
        with anyio.fail_after(5):
            browser, _ = await got(url, method="HEAD")

    assert browser.status == 200


@pytest.mark.sockets
@frameworks
async def test_clients_read_a_subscription_with_its_pings(framework: str) -> None:
    """The official SDK and ours read a live stream: cursors, pings and the ending are nothing to them."""
    log = MemoryLog(1)

    async def write() -> None:
        for payload in PAYLOADS:
            log.append(payload)
            await asyncio.sleep(0.05)
        log.finish(End("done"))

    arguments: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    async with SERVED[framework](lambda after: reader(log, after), {"ping": 0.01}) as url:
        base = url.removesuffix("/chat/completions")
        writing = asyncio.create_task(write())
        async with openai.AsyncOpenAI(base_url=base, api_key="k") as official:
            stream = await official.chat.completions.create(**arguments)
            said = "".join([part.choices[0].delta.content or "" async for part in stream])
        async with AsyncOpenAI(base_url=base, api_key="k") as ours, ours.chat.completions.create(**arguments) as mine:
            completion = await mine.final()
        await writing

    assert said == completion.choices[0].message.content == "Hello"


@pytest.mark.sockets
@frameworks
async def test_clients_raise_a_reset(framework: str) -> None:
    """A client that knows no `reset` must not join two answers: it raises."""
    log = written()
    arguments: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    async with SERVED[framework](lambda after: reader(log, after), {}) as url:
        base = url.removesuffix("/chat/completions")
        async with (
            AsyncOpenAI(base_url=base, api_key="k") as ours,
            openai.AsyncOpenAI(base_url=base, api_key="k") as sdk,
        ):
            stream = await sdk.chat.completions.create(**arguments)
            async with ours.chat.completions.create(**arguments) as mine:
                asyncio.get_running_loop().call_later(0.1, log.reset, 2)
                with pytest.raises(openai.APIError, match="generated anew"):
                    [part async for part in stream]
                with pytest.raises(APIStatusError, match="generated anew"):
                    await mine.final()


@pytest.mark.sockets
@pytest.mark.parametrize("state", ["idle", "mid-token"])
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "aiohttp"])
async def test_a_reader_that_leaves_is_freed(server: str, state: str) -> None:
    """Within a second nobody waits at the log any more, and its producer goes on writing."""
    log = written()

    async def asgi(request: Any) -> Any:
        return for_starlette.sse_response(reader(log, request.headers.get("last-event-id")))

    async def handler(request: web.Request) -> web.StreamResponse:
        return await for_aiohttp.sse_response(request, reader(log))

    app: Any = web.Application() if server == "aiohttp" else Starlette(routes=[Route("/", asgi)])
    if server == "aiohttp":
        app.router.add_get("/", handler)
    served: Any = {"uvicorn": uvicorn_server, "hypercorn": hypercorn, "aiohttp": aiohttp_web()}[server]
    writing = True

    async def write() -> None:
        while writing:
            log.append(PAYLOADS[1])
            await asyncio.sleep(0.005)

    async with served(app) as url, anyio.create_task_group() as group:
        if state == "mid-token":
            group.start_soon(write)
        async with Browser(url + "/") as browser:
            await browser.head()
            await browser.until(b"id: 1-4\n")
            assert any(map(_reads, asyncio.all_tasks()))
        await eventually(lambda: not any(map(_reads, asyncio.all_tasks())), seconds=1)
        assert state == "mid-token" or not log._waiters
        before = log.cursor.seq
        log.append(PAYLOADS[1])
        assert log.cursor.seq > before
        writing = False


def _reads(task: asyncio.Task[Any]) -> bool:
    """Whether a task serves an event stream."""
    frame: Any = task.get_coro()
    while frame is not None:
        if getattr(frame, "__qualname__", "").startswith(("EventStream", "StreamWriter", "Following")):
            return True
        frame = getattr(frame, "cr_await", None)
    return False


@pytest.mark.sockets
@frameworks
async def test_a_reader_that_does_not_read_is_dropped(framework: str) -> None:
    """After `send_timeout` the response is over, and the producer has not waited for it."""
    log = MemoryLog(1)
    log.extend([json.dumps(chunk("x" * 1_000_000)).encode()] * 40)
    readers: list[Subscription] = []

    def make(after: str | None) -> Subscription:
        readers.append(reader(log, after))
        return readers[-1]

    async with SERVED[framework](make, {"send_timeout": 0.3}) as url, Browser(url) as browser:
        await browser.head()
        await eventually(lambda: bool(readers) and not any(map(_reads, asyncio.all_tasks())))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await browser.body()
