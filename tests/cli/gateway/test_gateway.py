"""The gateway over real sockets: what callers and the upstream see of each other, and streams that are read again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx
import openai
import pytest
from support.rawserver import Handler, Peer, RawServer, answer, event, hello, sse
from support.redisserver import RedisServer, installed
from support.webservers import eventually, uvicorn_server
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from openai_async import APIStatusError, AsyncOpenAI
from openai_async.cli.gateway import gateway as module
from openai_async.cli.gateway.gateway import Gateway
from openai_async.cli.gateway.headers import ANONYMOUS, from_upstream, owner_of, to_upstream
from openai_async.cli.gateway.upstream import Asked, Upstream
from openai_async.relay.errors import TooManyStreams
from openai_async.relay.memory import MemoryBackend
from openai_async.server.problems import Problem
from openai_async.server.run import serve
from openai_async.transport.session import AiohttpTransport

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

BOUND = 20  # seconds that nothing here may take
ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
BODY = json.dumps(ASK).encode()
KEY = {"authorization": "Bearer sk-of-ann"}
JSON = {"content-type": "application/json"}
PAYLOADS = [json.dumps(payload).encode() for payload in hello()]
ENDING = b'data: [DONE]\n\nevent: end\ndata: {"status":"done"}\n\n'


class Caller(httpx.AsyncClient):
    """Somebody with a key who calls a gateway at `url`."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url
        mine = KEY if headers is None else headers
        super().__init__(base_url=url, headers={**JSON, **mine}, trust_env=False, timeout=BOUND)

    def ask(self, body: bytes = BODY, **headers: str) -> Any:
        """Ask for a stream; the response, whose body is read with `until` and `rest`."""
        return self.stream("POST", "/chat/completions", content=body, headers=headers)

    async def whole(self, body: bytes = BODY) -> tuple[str, bytes]:
        """Ask for a stream and read it; its id, and the body."""
        async with self.ask(body) as response:
            assert response.status_code == 200
            return response.headers["x-stream-id"], b"".join([part async for part in response.aiter_raw()])

    async def again(self, stream_id: str, after: str | None = None) -> bytes:
        """Read a stream again."""
        headers = {} if after is None else {"last-event-id": after}
        response = await self.get(f"/streams/{stream_id}", headers=headers)
        assert response.status_code == 200
        return response.content

    def socket(self, stream_id: str, query: str = "", headers: dict[str, str] = KEY) -> Any:
        """Follow a stream over a WebSocket."""
        url = f"{self.url.replace('http', 'ws')}/streams/{stream_id}/ws{query}"
        return connect(url, additional_headers=headers, compression=None)


async def until(parts: AsyncIterator[bytes], text: bytes) -> bytes:
    """Read a body until it has a text."""
    data = b""
    async for part in parts:
        data += part
        if text in data:
            return data
    raise AssertionError(f"the body ended without {text!r}: {data!r}")


def events(body: bytes) -> list[bytes]:
    """The events of a body, pings left out."""
    return [one for one in body.replace(b": ping\n", b"").split(b"\n\n") if one]


def cursors(body: bytes) -> list[str]:
    """The ids of the events that have one."""
    return [one.split(b"\n")[0].removeprefix(b"id: ").decode() for one in events(body) if one.startswith(b"id: ")]


def code_of(response: httpx.Response) -> str:
    """The code of an error in the API's shape, which says what to do."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].count(".") >= 1
    return str(error["code"])


@asynccontextmanager
async def relaying(
    *handlers: Handler, headers: dict[str, str] | None = None, **options: Any
) -> AsyncGenerator[tuple[Caller, RawServer]]:
    """A gateway before an upstream that does what `handlers` do; a caller, and that upstream."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawServer(*handlers))
        gateway = await stack.enter_async_context(Gateway(server.url, **options))
        url = await stack.enter_async_context(uvicorn_server(gateway))
        caller = await stack.enter_async_context(Caller(f"{url}/v1", headers))
        with anyio.fail_after(BOUND):
            yield caller, server


class Paused:
    """A handler that sends an answer's beginning, and the rest when it is told to.

    Attributes:
        go_on: Set it.
        gone: Set when the gateway has closed the connection instead.
    """

    def __init__(self, first: int = 2) -> None:
        self.first = first
        self.go_on = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        """Answer one request."""
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"".join(map(event, hello()[: self.first])))
        leaving = asyncio.ensure_future(peer.gone())
        waiting = asyncio.ensure_future(self.go_on.wait())
        await asyncio.wait([leaving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            waiting.cancel()
            self.gone.set()
            return
        leaving.cancel()
        await asyncio.wait([leaving])
        await peer.chunk(b"".join(map(event, hello()[self.first :])) + b"data: [DONE]\n\n")
        await peer.chunk(b"")


# What passes through.


async def test_a_stream_is_the_upstreams_with_cursors() -> None:
    """Every event is the upstream's JSON, byte for byte, behind its cursor; the head names the stream."""
    odd = b'{"id" : "\\u0041",  "vendor":1.0, "choices":[{"index":0,"delta":{"content":"Hi"}}]}'
    sent = sse(
        [b"data: " + odd + b"\n\n", *hello()], headers={"x_request_id": "req_7", "x_ratelimit_limit_tokens": "9"}
    )
    async with relaying(sent) as (caller, _), caller.ask() as response:
        body = b"".join([part async for part in response.aiter_raw()])

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-request-id"] == "req_7"
    assert response.headers["x-ratelimit-limit-tokens"] == "9"
    assert len(response.headers["x-stream-id"]) == 32
    epoch = int(cursors(body)[0].partition("-")[0])
    framed = [b"id: %d-%d\ndata: %b\n\n" % (epoch, seq, one) for seq, one in enumerate([odd, *PAYLOADS], 1)]
    assert body == b"".join(framed) + ENDING


async def test_both_clients_read_a_stream_and_read_it_again() -> None:
    """The official SDK and ours stream through the gateway as from the API itself, and take a stream up by its id."""
    async with serve() as upstream, Gateway(upstream) as gateway, uvicorn_server(gateway) as url:
        base = f"{url}/v1"
        async with (
            openai.AsyncOpenAI(base_url=base, api_key="k", max_retries=0) as official,
            AsyncOpenAI(base_url=base, api_key="k", max_retries=0) as ours,
        ):
            stream = await official.chat.completions.create(**ASK)
            said = "".join([part.choices[0].delta.content or "" async for part in stream])
            stream_id = stream.response.headers["x-stream-id"]
            async with ours.chat.completions.create(**ASK) as mine:
                completion = await mine.final()
            async with ours.get(f"/streams/{stream_id}", stream=True) as again:
                second = await again.final()
            plain = await official.chat.completions.create(model="m", messages=ASK["messages"])
            with pytest.raises(openai.BadRequestError, match="temperature"):
                await official.chat.completions.create(**ASK, temperature=9)

    assert said
    assert said == completion.choices[0].message.content == second.choices[0].message.content
    assert plain.choices[0].message.content == said


async def test_a_request_goes_out_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body is not encoded anew, the caller's headers go along, and nothing of the gateway's environment does."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-gateway")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-gateway")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-own: sk-of-the-gateway")
    body = b'{ "vendor" : {"x":1.0},\n "model":"m", "stream" : true, "messages":[], "n": 2, "u":"\\u00e9" }'
    headers = {"openai-project": "p", "x-vendor": "v", "user-agent": "mine/1", "cookie": "a=b", "x-forwarded-for": "1"}
    async with relaying(sse(hello()), headers={}) as (caller, server):
        await caller.whole(body)
        async with caller.ask(body, **KEY, **headers, origin="http://page", **{"last-event-id": "1-1"}) as response:
            await response.aread()
        await caller.post("/chat/completions?api-version=1&x=%C3%A9", content=b'{"stream":false}')

    anonymous, known, plain = server.requests
    assert [one.body for one in server.requests] == [body, body, b'{"stream":false}']
    assert "authorization" not in anonymous.headers
    assert not any("of-the-gateway" in line for one in server.requests for line in one.lines)
    assert known.headers["authorization"] == KEY["authorization"]
    assert {name: known.headers[name] for name in ("openai-project", "x-vendor", "user-agent")} == {
        "openai-project": "p",
        "x-vendor": "v",
        "user-agent": "mine/1",
    }
    assert not {"cookie", "x-forwarded-for", "origin", "last-event-id"} & known.headers.keys()
    assert known.headers["accept-encoding"] == "identity"
    assert known.headers["host"] == f"127.0.0.1:{server.port}"
    assert plain.target == "/v1/chat/completions?api-version=1&x=%C3%A9"


async def test_a_plain_answer_passes_through() -> None:
    """Status, body and what the headers say of the request are the upstream's; what is its origin's stays there."""
    body = b'{ "id":"x", "vendor": 1.0 }'
    headers = {
        "x_request_id": "req_1",
        "x_ratelimit_remaining_requests": "7",
        "openai_processing_ms": "12",
        "set_cookie": "a=b",
        "alt_svc": "h3",
        "access_control_allow_origin": "*",
        "connection": "keep-alive, x-hop",
        "x_hop": "1",
        "x_stream_id": "of-a-gateway-behind",
    }
    async with relaying(answer(body, 201, headers, kind="application/json; charset=x")) as (caller, _):
        response = await caller.post("/chat/completions", content=b'{"model":"m"}')

    assert (response.status_code, response.content) == (201, body)
    assert response.headers["content-type"] == "application/json; charset=x"
    assert response.headers["x-request-id"] == "req_1"
    assert response.headers["x-ratelimit-remaining-requests"] == "7"
    assert response.headers["openai-processing-ms"] == "12"
    kept_back = {"set-cookie", "alt-svc", "access-control-allow-origin", "x-hop", "x-stream-id"}
    assert not kept_back & set(response.headers)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_header_of_any_text_passes(stream: bool) -> None:  # noqa: FBT001 - a case
    """UTF-8 comes back byte by byte; what is neither that nor ASCII is no reason to fail."""

    async def odd(peer: Peer) -> None:
        head = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\nx-name: 日本\r\n"
        kind, body = ("text/event-stream", b"".join(map(event, hello()))) if stream else ("application/json", b"{}")
        await peer.send(head.format(kind, len(body)).encode() + b"x-odd: caf\xe9\r\n\r\n" + body)

    async with relaying(odd) as (caller, _):
        response = await caller.post("/chat/completions", content=BODY if stream else b"{}")

    assert response.status_code == 200
    assert dict(response.headers.raw)[b"x-name"] == "日本".encode()


ERROR = b'{ "error": {"message":"No", "type":"t", "param":null, "code":"c", "vendor":[1]} }'


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"detail":[{"msg":"bad"}]}', "application/json"),
        (401, ERROR, "application/json"),
        (429, ERROR, "application/json"),
        (500, ERROR, "application/json"),
        (503, b"<html><title>Down</title></html>", "text/html"),
    ],
)
async def test_an_upstreams_refusal_is_the_callers(stream: bool, status: int, body: bytes, kind: str) -> None:  # noqa: FBT001 - a case
    """Status, body and the time to wait pass through once, byte for byte: retrying is the caller's business."""
    refusal = answer(body, status, {"retry_after": "7", "x_request_id": "req_2"}, kind=kind)
    async with relaying(refusal) as (caller, server):
        response = await caller.post("/chat/completions", content=json.dumps({**ASK, "stream": stream}))

    assert (response.status_code, response.content) == (status, body)
    assert response.headers["content-type"] == kind
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-request-id"] == "req_2"
    assert "x-stream-id" not in response.headers
    assert len(server.requests) == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_retries_are_made_where_they_are_asked_for(stream: bool) -> None:  # noqa: FBT001 - a case
    """With `max_retries` a failure that may pass is tried again, and the caller sees the last one alone."""
    good = sse(hello()) if stream else answer({"id": "x"})
    refusal = answer(b'{"error":{"message":"No"}}', 500, {"retry_after_ms": "1"})
    async with relaying(refusal, good, max_retries=1) as (caller, server):
        response = await caller.post("/chat/completions", content=json.dumps({**ASK, "stream": stream}))

    assert response.status_code == 200
    assert len(server.requests) == 2


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("handler", "status", "code"),
    [
        (sse(ending="reset", done=False), 502, "upstream_connection"),
        (answer(b"", 302, {"location": "http://elsewhere/"}), 502, "upstream_redirects"),
    ],
)
async def test_an_upstream_that_cannot_be_asked_is_a_bad_gateway(
    handler: Handler,
    status: int,
    code: str,
    stream: bool,  # noqa: FBT001 - a case
) -> None:
    """What is no answer is a 502 in the API's shape, which names neither host nor port."""
    async with relaying(handler) as (caller, server):
        response = await caller.post("/chat/completions", content=json.dumps({**ASK, "stream": stream}))
        assert str(server.port) not in response.text

    assert response.status_code == status
    assert code_of(response) == code


async def test_an_upstream_that_is_not_there_is_a_bad_gateway() -> None:
    """Nobody listens: the caller hears so, and what may be wrong."""
    async with RawServer() as nobody:
        pass
    async with Gateway(nobody.url) as gateway, uvicorn_server(gateway) as url, Caller(f"{url}/v1") as caller:
        response = await caller.post("/chat/completions", content=BODY)

    assert response.status_code == 502
    assert code_of(response) == "upstream_connection"
    assert "--upstream" in response.text


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"error": {"message": "Slow", "code": "rate_limit_exceeded", "metadata": {"a": 1}}}, 429),
        ({"what": "is this"}, 502),
    ],
)
async def test_a_200_that_is_no_stream_is_a_refusal(payload: Any, status: int) -> None:
    """An error, or nothing sensible, in a 200 begins no stream; the upstream's own error object is kept."""
    async with relaying(answer(payload)) as (caller, _):
        response = await caller.post("/chat/completions", content=BODY)

    assert response.status_code == status
    assert response.json()["error"].get("metadata") == payload.get("error", {}).get("metadata")


async def test_a_stream_that_breaks_is_an_error_for_every_reader() -> None:
    """What came is kept; the first reader and every later one end with the same error, and without `[DONE]`."""
    async with relaying(sse(hello()[:2], done=False, ending="reset")) as (caller, _):
        stream_id, body = await caller.whole()
        again = await caller.again(stream_id)
        status = (await caller.get(f"/streams/{stream_id}/status")).json()

    assert b"event: error\n" in body
    assert b"upstream_connection" in body
    assert body.endswith(b'event: end\ndata: {"status":"error"}\n\n')
    assert b"[DONE]" not in body
    assert again == body
    assert status == {"status": "error", "cursor": cursors(body)[-1]}


# Reading again.


async def test_every_cursor_is_a_place_to_go_on() -> None:
    """From any event on, by header or by query, exactly the rest follows; the header is the newer of the two."""
    async with relaying(sse(hello())) as (caller, server):
        stream_id, body = await caller.whole()
        whole = events(body)
        for seen, cursor in enumerate(cursors(body), 1):
            assert events(await caller.again(stream_id, cursor)) == whole[seen:]
            assert events((await caller.get(f"/streams/{stream_id}?after={cursor}")).content) == whole[seen:]
        both = await caller.get(f"/streams/{stream_id}?after={cursors(body)[0]}", headers={"last-event-id": cursor})
        head = await caller.head(f"/streams/{stream_id}")
        asked = len(server.requests)

    assert both.content == ENDING
    assert (head.status_code, head.headers["x-stream-id"]) == (200, stream_id)
    assert asked == 1


async def test_a_stream_outlives_its_first_reader() -> None:
    """The caller leaves in the middle; the upstream is read to its end, and the caller gets the rest."""
    paused = Paused()
    async with relaying(paused) as (caller, _):
        async with caller.ask() as response:
            stream_id = response.headers["x-stream-id"]
            seen = await until(response.aiter_raw(), b"Hel")
        live = (await caller.get(f"/streams/{stream_id}/status")).json()
        paused.go_on.set()
        rest = await caller.again(stream_id, cursors(seen)[-1])

    assert live == {"status": "live", "cursor": cursors(seen)[-1]}
    assert [json.loads(one.partition(b"data: ")[2]) for one in events(rest)[:-2]] == hello()[2:]
    assert rest.endswith(ENDING)
    assert not paused.gone.is_set()


async def test_two_readers_follow_one_stream() -> None:
    """Both get every event, whichever joins when, and one request is paid for."""
    paused = Paused()
    async with relaying(paused) as (caller, server), caller.ask() as first:
        stream_id = first.headers["x-stream-id"]
        parts = first.aiter_raw()
        before = await until(parts, b"Hel")
        async with caller.stream("GET", f"/streams/{stream_id}") as second:
            others = second.aiter_raw()
            assert await until(others, b"Hel") == before
            paused.go_on.set()
            rest = b"".join([part async for part in parts])
            assert b"".join([part async for part in others]) == rest
        asked = len(server.requests)

    assert rest.endswith(ENDING)
    assert asked == 1


async def test_delete_stops_the_upstream() -> None:
    """Every reader ends as "cancelled", the upstream's connection is closed, and a second time there is nothing to stop."""
    paused = Paused()
    async with relaying(paused) as (caller, _), caller.ask() as response:
        stream_id = response.headers["x-stream-id"]
        parts = response.aiter_raw()
        await until(parts, b"Hel")
        stopped = await caller.delete(f"/streams/{stream_id}")
        rest = b"".join([part async for part in parts])
        await paused.gone.wait()
        again = await caller.delete(f"/streams/{stream_id}")

    assert (stopped.status_code, stopped.json()["stopped"], stopped.json()["status"]) == (200, True, "cancelled")
    assert rest == b'data: [DONE]\n\nevent: end\ndata: {"status":"cancelled"}\n\n'
    assert (again.status_code, again.json()["stopped"]) == (200, False)


# WebSockets.


async def test_frames_are_chunks_with_cursors() -> None:
    """One JSON object a frame, from the start or after a cursor, and the end last."""
    async with relaying(sse(hello())) as (caller, _):
        stream_id, body = await caller.whole()
        async with caller.socket(stream_id) as socket:
            frames = [json.loads(frame) async for frame in socket]
        async with caller.socket(stream_id, f"?after={cursors(body)[1]}") as socket:
            rest = [json.loads(frame) async for frame in socket]

    assert [frame["chunk"] for frame in frames[:-1]] == hello()
    assert [frame["id"] for frame in frames[:-1]] == cursors(body)
    assert frames[-1] == {"end": {"status": "done"}}
    assert rest == frames[2:]


async def test_a_stop_frame_stops_the_upstream() -> None:
    """`{"stop": true}` ends the stream for its other readers, too, and closes the upstream's connection."""
    paused = Paused()
    async with relaying(paused) as (caller, _), caller.ask() as response:
        parts = response.aiter_raw()
        await until(parts, b"Hel")
        async with caller.socket(response.headers["x-stream-id"]) as socket:
            await socket.recv()
            await socket.recv()
            await socket.send('{"stop": true}')
            assert json.loads(await socket.recv()) == {"end": {"status": "cancelled"}}
        await paused.gone.wait()
        rest = b"".join([part async for part in parts])

    assert rest.endswith(b'{"status":"cancelled"}\n\n')


async def test_a_socket_that_leaves_stops_nothing() -> None:
    """A reader over WebSocket is a reader: the stream goes on without it."""
    paused = Paused()
    async with relaying(paused) as (caller, _):
        async with caller.ask() as response:
            stream_id = response.headers["x-stream-id"]
            await until(response.aiter_raw(), b"Hel")
        async with caller.socket(stream_id) as socket:
            await socket.recv()
        paused.go_on.set()
        assert (await caller.again(stream_id)).endswith(ENDING)


async def test_what_cannot_be_followed_is_refused_by_status() -> None:
    """A handshake is answered as the same request over HTTP would be, with the same body."""
    async with relaying(sse(hello())) as (caller, _):
        stream_id, _ = await caller.whole()
        for place, query, headers, status in [
            (stream_id, "?after=x", KEY, 400),
            ("unknown", "", KEY, 404),
            (stream_id, "", {"authorization": "Bearer sk-of-bob"}, 404),
            (stream_id, "", {}, 404),
        ]:
            with pytest.raises(InvalidStatus) as refused:
                async with caller.socket(place, query, headers):
                    pass
            assert refused.value.response.status_code == status
            assert json.loads(refused.value.response.body)["error"]["message"]
        plain = await caller.get(f"/streams/{stream_id}/ws")

    assert (plain.status_code, code_of(plain)) == (426, "upgrade_required")
    assert plain.headers["upgrade"] == "websocket"


# Whose it is, and what is refused.


OTHERS = {
    "a key": {"authorization": "Bearer sk-of-bob"},
    "no key": {},
    "a scheme": {"authorization": "bearer sk-of-ann"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_another_owner_finds_nothing(other: dict[str, str]) -> None:
    """Whoever sends another Authorization is told what is told of an unknown id, and stops nothing."""
    paused = Paused()
    async with relaying(paused) as (caller, _), caller.ask() as response, Caller(caller.url, other) as stranger:
        place = f"/streams/{response.headers['x-stream-id']}"
        found = [await stranger.get(place), await stranger.delete(place), await stranger.get(f"{place}/status")]
        unknown = await stranger.get("/streams/unknown")
        live = (await caller.get(f"{place}/status")).json()["status"]

    assert [one.status_code for one in found] == [404] * 3
    assert {one.content for one in found} == {unknown.content}
    assert code_of(unknown) == "unknown_stream"
    assert live == "live"


async def test_callers_without_a_key_are_one_owner() -> None:
    """They read each other's streams by id, and nobody with a key does."""
    async with relaying(sse(hello()), headers={}) as (caller, _), Caller(caller.url) as keyed:
        stream_id, body = await caller.whole()
        again = await caller.again(stream_id)
        refused = await keyed.get(f"/streams/{stream_id}")

    assert again == body
    assert refused.status_code == 404


async def test_a_malformed_cursor_is_a_bad_request() -> None:
    """Both ways to say a cursor are checked, also for a stream that is not there."""
    async with relaying(sse(hello())) as (caller, _):
        stream_id, _ = await caller.whole()
        refused = [
            await caller.get(f"/streams/{stream_id}", headers={"last-event-id": "01-1"}),
            await caller.get(f"/streams/{stream_id}?after=1"),
            await caller.get("/streams/unknown?after=1-x"),
        ]

    assert [(one.status_code, code_of(one)) for one in refused] == [(400, "bad_cursor")] * 3


async def test_a_stream_that_is_no_longer_kept_is_gone() -> None:
    """With no retention the first reader gets all of it, and whoever comes later is told that it was there."""
    async with relaying(sse(hello()), retention=0) as (caller, _):
        stream_id, body = await caller.whole()
        place = f"/streams/{stream_id}"
        late = [await caller.get(place), await caller.get(f"{place}/status"), await caller.delete(place)]
        with pytest.raises(InvalidStatus) as refused:
            async with caller.socket(stream_id):
                pass

    assert body.endswith(ENDING)
    assert [(one.status_code, code_of(one)) for one in late] == [(410, "stream_expired")] * 3
    assert refused.value.response.status_code == 410


async def test_only_so_many_streams_go_on_at_once() -> None:
    """One more is a 503 that costs nothing; when a stream has ended there is room again."""
    paused = Paused()
    async with relaying(paused, sse(hello()), max_streams=1) as (caller, server), caller.ask() as response:
        parts = response.aiter_raw()
        await until(parts, b"Hel")
        refused = await caller.post("/chat/completions", content=BODY)
        asked = len(server.requests)
        paused.go_on.set()
        assert (await until(parts, ENDING)).endswith(ENDING)
        again = await caller.post("/chat/completions", content=BODY)

    assert (refused.status_code, code_of(refused)) == (503, "too_many_streams")
    assert refused.headers["retry-after"] == "1"
    assert asked == 1
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/models", 404, "unknown_url"),
        ("POST", "/responses", 404, "unknown_url"),
        ("POST", "/chat/completions/", 404, "unknown_url"),
        ("GET", "/chat/completions", 405, "method_not_supported"),
        ("PUT", "/streams/x", 405, "method_not_supported"),
    ],
)
async def test_other_routes_say_where_they_are(method: str, path: str, status: int, code: str) -> None:
    """What is not served is an error that names what is, and the methods that there are."""
    async with relaying(sse(hello())) as (caller, server):
        response = await caller.request(method, path)
        asked = len(server.requests)

    assert (response.status_code, code_of(response)) == (status, code)
    assert "POST /v1/chat/completions" in response.text
    assert ("allow" in response.headers) == (status == 405)
    assert asked == 0


async def test_bodies_that_can_not_be_taken_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No JSON by its head, packed, or too large: each is told, and none goes on."""
    monkeypatch.setattr(module, "BODY_SIZE", 1000)
    async with relaying(sse(hello())) as (caller, server):
        refused = [
            await caller.post("/chat/completions", content=BODY, headers={"content-type": "text/plain"}),
            await caller.post("/chat/completions", content=BODY, headers={"content-encoding": "gzip"}),
            await caller.post("/chat/completions", content=b" " * 2000),
        ]
        asked = len(server.requests)

    assert [one.status_code for one in refused] == [415, 415, 413]
    assert all(one.json()["error"]["message"] for one in refused)
    assert asked == 0


async def test_a_body_that_is_no_json_is_the_upstreams_business() -> None:
    """The gateway judges nothing: what the upstream says of it is the answer."""
    async with relaying(answer(ERROR, 400)) as (caller, server):
        response = await caller.post("/chat/completions", content=b'{"stream": tru')

    assert (response.status_code, response.content) == (400, ERROR)
    assert server.requests[0].body == b'{"stream": tru'


async def test_web_pages_are_kept_out() -> None:
    """A page whose name leads here can send no key: without one, a name that the DNS may know is refused."""
    async with relaying(sse(hello())) as (caller, server), Caller(caller.url, {}) as page:
        rebound = await page.post("/chat/completions", content=BODY, headers={"host": "evil.example"})
        disguised = await page.get("/streams/x", headers={"host": "evil.example/healthz?"})
        port = httpx.URL(caller.url).port
        with pytest.raises(InvalidStatus) as socket:
            async with connect(f"ws://evil.example:{port}/v1/streams/x/ws", host="127.0.0.1"):
                pass
        preflight = await page.options("/chat/completions", headers={"origin": "http://evil.example"})
        health = await page.get(f"{caller.url.removesuffix('/v1')}/healthz", headers={"host": "balancer.example"})
        keyed = await caller.get("/streams/x", headers={"host": "api.example"})
        asked = len(server.requests)

    assert rebound.status_code == disguised.status_code == socket.value.response.status_code == 403
    assert code_of(rebound) == "host_not_allowed"
    assert preflight.status_code == 405
    assert not any(name.startswith("access-control-") for name in preflight.headers)
    assert health.status_code == 200
    assert keyed.status_code == 404
    assert asked == 0


async def test_a_fault_of_the_gateway_tells_nothing() -> None:
    """What nobody foresaw is a 500 in the API's shape, without a word of what it was."""

    class Broken(MemoryBackend):
        async def status(self, stream_id: str) -> Any:
            raise ZeroDivisionError(f"secret of {stream_id}")

    app = Gateway("http://127.0.0.1:9/v1", backend=Broken())
    async with app, httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False)) as caller:
        response = await caller.get("http://localhost/v1/streams/x")

    assert (response.status_code, code_of(response)) == (500, "relay_failed")
    assert "secret" not in response.text


@pytest.mark.parametrize("stream", [True, False])
async def test_a_fault_on_the_way_to_the_upstream_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,  # noqa: FBT001 - a case
) -> None:
    """Likewise, before there is a stream and where there is to be none."""

    async def send(*given: object) -> None:
        raise ZeroDivisionError(f"secret of {given}")

    monkeypatch.setattr(AiohttpTransport, "send", send)
    app = Gateway("http://127.0.0.1:9/v1")
    async with app, httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False)) as caller:
        body = json.dumps({**ASK, "stream": stream})
        response = await caller.post("http://localhost/v1/chat/completions", content=body, headers=JSON)
        assert not app.busy

    assert (response.status_code, code_of(response)) == (500, "relay_failed")
    assert "secret" not in response.text


# Before there is a stream.


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_who_leaves_before_the_answer_aborts_it(stream: bool) -> None:  # noqa: FBT001 - a case
    """Nobody knows the stream's id yet, so nobody could read it: the upstream is closed."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def handle(peer: Peer) -> None:
        asked.set()
        await peer.gone()
        gone.set()

    async with relaying(handle) as (caller, _):
        body = json.dumps({**ASK, "stream": stream})
        call = asyncio.ensure_future(caller.post("/chat/completions", content=body))
        await asked.wait()
        call.cancel()
        await gone.wait()


async def test_a_caller_who_leaves_while_it_asks_sends_nothing_on() -> None:
    """Half a request is none."""
    async with relaying(sse(hello())) as (caller, server):
        _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(caller.url).port)
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99"
        writer.write(head.encode() + b"\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await caller.whole())[1].endswith(ENDING)
        assert len(server.requests) == 1


async def test_an_upstream_that_thinks_is_waited_for_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the head goes out, and with it the id; what fails from then on is an event."""
    monkeypatch.setattr(module, "_HOLD", 0.05)
    thinking = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await thinking.wait()
        await answer(ERROR, 400)(peer)

    async with relaying(handle) as (caller, _), caller.ask() as response:
        stream_id = response.headers["x-stream-id"]
        live = (await caller.get(f"/streams/{stream_id}/status")).json()
        thinking.set()
        body = b"".join([part async for part in response.aiter_raw()])

    assert response.status_code == 200
    assert live["status"] == "live"
    assert b'"message":"No"' in body
    assert body.endswith(b'event: end\ndata: {"status":"error"}\n\n')


async def test_a_stream_that_thinks_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """DELETE closes an upstream that has not begun to answer."""
    monkeypatch.setattr(module, "_HOLD", 0.05)
    gone = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.gone()
        gone.set()

    async with relaying(handle) as (caller, _), caller.ask() as response:
        await caller.delete(f"/streams/{response.headers['x-stream-id']}")
        await gone.wait()
        body = b"".join([part async for part in response.aiter_raw()])

    assert body.endswith(b'{"status":"cancelled"}\n\n')


async def test_a_stream_that_the_hub_does_not_take_is_closed() -> None:
    """The upstream was open already; the caller is told why there is no stream, and nobody pays for the rest."""

    class Full(MemoryBackend):
        async def open(self, stream_id: str, **how: Any) -> Any:
            del stream_id, how
            raise TooManyStreams(1)

    paused = Paused()
    async with relaying(paused, backend=Full()) as (caller, _):
        response = await caller.post("/chat/completions", content=BODY)
        await paused.gone.wait()

    assert (response.status_code, code_of(response)) == (503, "too_many_streams")


# The end.


async def test_a_gateway_that_leaves_begins_nothing_new() -> None:
    """Callers and balancers are told; who reads goes on, also anew."""
    paused = Paused()
    async with RawServer(paused) as server, Gateway(server.url) as gateway, uvicorn_server(gateway) as url:
        async with Caller(f"{url}/v1") as caller, caller.ask() as response:
            parts = response.aiter_raw()
            seen = await until(parts, b"Hel")
            healthy = await caller.get(f"{url}/healthz")
            assert (gateway.live, gateway.busy) == (1, True)
            gateway.leave()
            refused = await caller.post("/chat/completions", content=BODY)
            ill = await caller.get(f"{url}/healthz")
            paused.go_on.set()
            assert (await until(parts, ENDING)).endswith(ENDING)
            rest = await caller.again(response.headers["x-stream-id"], cursors(seen)[-1])
        await eventually(lambda: not gateway.busy)

    assert (healthy.status_code, healthy.json()) == (200, {"status": "ok"})
    assert (refused.status_code, code_of(refused)) == (503, "server_shutting_down")
    assert ill.status_code == 503
    assert rest.endswith(ENDING)
    assert gateway.live == 0


async def test_a_gateway_that_ends_ends_its_streams() -> None:
    """Their readers are told why, and the upstream's connections are closed."""
    paused = Paused()
    async with RawServer(paused) as server, AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway(server.url))
        async with uvicorn_server(gateway) as url, Caller(f"{url}/v1") as caller, caller.ask() as response:
            parts = response.aiter_raw()
            await until(parts, b"Hel")
            await stack.aclose()
            rest = b"".join([part async for part in parts])
            late = await caller.get(f"/streams/{response.headers['x-stream-id']}")
        with anyio.fail_after(BOUND):
            await paused.gone.wait()

    assert b'"code":"shutdown"' in rest
    assert rest.endswith(b'{"status":"error"}\n\n')
    assert (late.status_code, code_of(late)) == (503, "relay_closed")


async def test_a_caller_who_waits_when_the_gateway_ends_is_told() -> None:
    """There is no stream for it, and the upstream that it waited for is closed."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def handle(peer: Peer) -> None:
        asked.set()
        await peer.gone()
        gone.set()

    async with RawServer(handle) as server, AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway(server.url))
        async with uvicorn_server(gateway) as url, Caller(f"{url}/v1") as caller:
            call = asyncio.ensure_future(caller.post("/chat/completions", content=BODY))
            with anyio.fail_after(BOUND):
                await asked.wait()
                await stack.aclose()
                response = await call
                await gone.wait()

    assert (response.status_code, code_of(response)) == (503, "relay_closed")


# Several gateways.


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One redis-server for this module."""
    if not installed():
        pytest.skip("redis-server is not installed")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def pair(redis: RedisServer, *handlers: Handler) -> AsyncGenerator[tuple[Caller, Caller]]:
    """Two gateways on one Redis; a caller of each, with the same key."""
    from openai_async.relay.redis import RedisBackend

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawServer(*handlers))
        callers: list[Caller] = []
        for _ in range(2):
            gateway = await stack.enter_async_context(Gateway(server.url, backend=RedisBackend(redis.url)))
            url = await stack.enter_async_context(uvicorn_server(gateway))
            callers.append(await stack.enter_async_context(Caller(f"{url}/v1")))
        with anyio.fail_after(BOUND):
            yield callers[0], callers[1]


async def test_gateways_on_one_redis_are_one_service(redis: RedisServer) -> None:
    """A stream begun at one is followed at the other, over HTTP and WebSocket, resumed there, and nobody else's."""
    paused = Paused()
    async with pair(redis, paused) as (here, there), here.ask() as response:
        stream_id = response.headers["x-stream-id"]
        parts = response.aiter_raw()
        seen = await until(parts, b"Hel")
        async with there.stream("GET", f"/streams/{stream_id}") as other, there.socket(stream_id) as socket:
            others = other.aiter_raw()
            assert await until(others, b"Hel") == seen
            live = (await there.get(f"/streams/{stream_id}/status")).json()
            paused.go_on.set()
            rest = b"".join([part async for part in parts])
            assert b"".join([part async for part in others]) == rest
            frames = [json.loads(frame) async for frame in socket]
        resumed = await there.again(stream_id, cursors(seen)[0])
        async with Caller(there.url, {}) as stranger:
            refused = await stranger.get(f"/streams/{stream_id}")

    assert live["status"] == "live"
    assert [frame["chunk"] for frame in frames[:-1]] == hello()
    assert events(resumed) == events(seen + rest)[1:]
    assert refused.status_code == 404


async def test_a_stream_is_stopped_at_any_gateway(redis: RedisServer) -> None:
    """DELETE at one closes the upstream of the other, where its readers end."""
    paused = Paused()
    async with pair(redis, paused) as (here, there), here.ask() as response:
        parts = response.aiter_raw()
        await until(parts, b"Hel")
        stopped = await there.delete(f"/streams/{response.headers['x-stream-id']}")
        await paused.gone.wait()
        rest = b"".join([part async for part in parts])

    assert stopped.json()["stopped"] is True
    assert rest.endswith(b'{"status":"cancelled"}\n\n')


async def test_a_redis_that_is_gone_is_said_and_not_shown(tmp_path: Any) -> None:
    """New streams and others' are a 503 without Redis's address; the upstream that was opened is closed."""
    if not installed():
        pytest.skip("redis-server is not installed")
    paused = Paused()
    with RedisServer(tmp_path / "redis") as server:
        async with pair(server, paused) as (caller, _):
            await caller.get("/streams/unknown")
            server.kill()
            refused = [await caller.post("/chat/completions", content=BODY), await caller.get("/streams/unknown")]
            await paused.gone.wait()

    assert [(one.status_code, code_of(one)) for one in refused] == [(503, "relay_unavailable")] * 2
    assert not any(str(server.port) in one.text for one in refused)


async def test_a_stop_while_redis_is_gone(tmp_path: Any) -> None:
    """The gateway that reads the upstream stops it; another one says that it did not, and its readers read on."""
    if not installed():
        pytest.skip("redis-server is not installed")
    paused = Paused()
    with RedisServer(tmp_path / "redis") as server:
        async with pair(server, paused) as (here, there), here.ask() as response:
            stream_id = response.headers["x-stream-id"]
            await until(response.aiter_raw(), b"Hel")
            async with there.socket(stream_id) as socket:
                await socket.recv()
                await socket.recv()
                server.kill()
                refused = await there.delete(f"/streams/{stream_id}")
                await socket.send('{"stop": true}')
                told = json.loads(await socket.recv())
                assert not paused.gone.is_set()
                stopped = await here.delete(f"/streams/{stream_id}")
                await paused.gone.wait()
                server.start()
                ending = [json.loads(frame) async for frame in socket]

    assert (refused.status_code, code_of(refused), refused.headers["retry-after"]) == (503, "relay_unavailable", "1")
    assert (told["stopped"], told["error"]["code"]) == (False, "relay_unavailable")
    assert (stopped.status_code, stopped.json()["stopped"], stopped.json()["status"]) == (200, True, "cancelled")
    assert ending == [{"end": {"status": "cancelled"}}]


# Parts.


@pytest.mark.parametrize(
    ("body", "stream", "choices"),
    [
        (b'{"stream":true,"n":3}', True, 3),
        (b'{"stream":"true","n":"3"}', True, 1),
        (b'{"stream":false}', False, 1),
        (b'{"stream":null}', False, 1),
        (b"{}", False, 1),
        (b"[1]", False, 1),
        (b"\xff", False, 1),
        (b"", False, 1),
        (b'{"a":' + b"[" * 100_000, False, 1),
    ],
)
def test_what_is_looked_at(body: bytes, stream: bool, choices: int) -> None:  # noqa: FBT001 - a case
    """Whether a stream is asked for, and of how many answers; a body of any kind can be looked at."""
    asked = Asked.of(body)

    assert asked == Asked(stream=stream, choices=choices)


async def test_a_query_that_can_not_be_sent_is_refused() -> None:
    """A server takes more of a request's target than a client may send; the query itself is not shown."""
    upstream = Upstream("http://127.0.0.1:9/v1", max_retries=0, limit=1)
    with pytest.raises(Problem, match="percent-encode") as refused:
        upstream.request([], b"key=sk-\\", b"", stream=False)
    await upstream.aclose()

    assert refused.value.status == 400
    assert "sk-" not in refused.value.message


def test_an_owner_is_a_hash_of_the_keys() -> None:
    """Each key is another owner, Azure's header counts as one, and no owner shows a key."""
    found = [
        owner_of({}),
        owner_of({"authorization": "Bearer sk-1"}),
        owner_of({"authorization": "Bearer sk-2"}),
        owner_of({"api-key": "Bearer sk-1"}),
        owner_of({"authorization": "Bearer sk-1", "api-key": "k"}),
    ]

    assert found[0] == owner_of({"authorization": ""}) == ANONYMOUS
    assert len(set(found)) == len(found)
    assert not any("sk-" in owner for owner in found)


def test_headers_of_one_connection_stay_there() -> None:
    """Hop-by-hop headers, and those that `Connection` names, pass in neither direction."""
    raw = [(b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"TE", b"trailers"), (b"X-Name", "é".encode())]

    assert to_upstream(raw, stream=False) == {"x-name": "é", "accept-encoding": "gzip, deflate"}
    assert from_upstream({"connection": "x-hop", "x-hop": "1", "transfer-encoding": "chunked", "x": "1"}) == {"x": "1"}


async def test_both_clients_raise_what_the_gateway_refuses() -> None:
    """Its errors are the API's to any client: class by status, message and code by body."""
    async with relaying(sse(hello())) as (caller, _):
        async with openai.AsyncOpenAI(base_url=caller.url, api_key="k", max_retries=0) as official:
            with pytest.raises(openai.NotFoundError, match="not served here"):
                await official.models.list()
        async with AsyncOpenAI(base_url=caller.url, api_key="k", max_retries=0) as ours:
            with pytest.raises(APIStatusError, match="no such stream") as refused:
                await ours.get("/streams/unknown")

    assert refused.value.code == "unknown_stream"
