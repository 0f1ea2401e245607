"""The relay under Starlette and FastAPI, over real sockets: what a browser gets, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.routing import Route
from support.rawserver import Handler, Peer, RawServer, answer, chunk, deaf, event, hello, sse
from support.webservers import Browser, Served, hypercorn, uvicorn_server

from openai_async import APIStatusError, AsyncOpenAI
from openai_async.relay import starlette as relay
from openai_async.server.replies import Script
from openai_async.server.run import serve

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def call_of(client: AsyncOpenAI) -> Any:
    """A streamed call, not sent."""
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


@asynccontextmanager
async def relaying(handler: Handler, **options: Any) -> AsyncGenerator[tuple[str, RawServer]]:
    """A FastAPI app that relays a server's answers; its URL, and that server."""
    app = FastAPI()
    async with RawServer(handler) as server, AsyncOpenAI(base_url=server.url, api_key="sk-1", max_retries=0) as client:

        @app.api_route("/v1/chat/completions", methods=["GET", "HEAD", "POST"], response_model=None)
        async def chat() -> Any:
            return relay.relay_sse(call_of(client), **options)

        @app.get("/plain", response_model=None)
        def plain() -> Any:  # FastAPI calls it in a thread
            return relay.relay_sse(call_of(client), **options)

        async with uvicorn_server(app) as url:
            yield f"{url}/v1/chat/completions", server


@pytest.mark.parametrize("path", ["v1/chat/completions", "plain"])
async def test_the_wire_is_the_servers_own(path: str) -> None:
    """Head and bytes of a relayed answer: an event stream that no proxy keeps, and every event as it was sent."""
    async with relaying(sse(hello())) as (url, _), Browser(url.replace("v1/chat/completions", path)) as browser:
        status = await browser.head()
        body = await browser.body()

    assert status == 200
    assert browser.headers["content-type"].startswith("text/event-stream")
    assert browser.headers["cache-control"] == "no-store"
    assert browser.headers["x-accel-buffering"] == "no"
    assert body == b"".join(map(event, hello())) + b"data: [DONE]\n\n"


async def test_an_error_before_the_first_token_is_a_response() -> None:
    """The status, the error and the time to wait are the server's own."""
    error = {"message": "Slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    refusal = answer({"error": error}, 429, {"retry_after": "7"})
    async with relaying(refusal) as (url, _), Browser(url) as browser:
        status = await browser.head()
        body = await browser.body()

    assert status == 429
    assert browser.headers["retry-after"] == "7"
    assert json.loads(body) == {"error": error}


async def test_a_server_that_is_not_there_is_a_502() -> None:
    """The browser learns that the model's server can't be reached, and not where that is."""
    app = FastAPI()
    with deaf() as url:
        async with AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0, timeout=0.3) as client:

            @app.get("/", response_model=None)
            async def chat() -> Any:
                return relay.relay_sse(call_of(client))

            async with uvicorn_server(app) as served, Browser(served + "/") as browser:
                assert await browser.head() == 504
                body = await browser.body()

    assert json.loads(body)["error"]["code"] == "upstream_timeout"
    assert b"127.0.0.1" not in body


async def test_a_server_that_thinks_is_waited_for_with_comments() -> None:
    """After one ping's time the head goes out: what fails from then on is an event."""
    thinking = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await thinking.wait()
        await answer({"error": {"message": "No", "type": "t", "param": None, "code": "c"}}, 400)(peer)

    async with relaying(handle, ping=0.05) as (url, _), Browser(url) as browser:
        assert await browser.head() == 200
        assert await browser.part() == b": ping\n"
        assert await browser.part() == b": ping\n"
        thinking.set()
        rest = await browser.body()

    assert b'event: error\ndata: {"error":{"type":"t","param":null,"code":"c","message":"No"}}\n\n' in rest
    assert b"[DONE]" not in rest


async def test_head_asks_no_model() -> None:
    """HEAD gets the head, and nothing is sent to the server."""
    async with relaying(sse(hello())) as (url, server), Browser(url, "HEAD") as browser:
        status = await browser.head()
        asked = list(server.requests)

    assert status == 200
    assert browser.headers["content-type"].startswith("text/event-stream")
    assert not asked


async def test_both_clients_read_a_relayed_answer() -> None:
    """The official SDK and ours read the relay as they read the server itself, and raise its errors."""
    async with relaying(sse(hello())) as (url, _):
        base = url.removesuffix("/chat/completions")
        async with openai.AsyncOpenAI(base_url=base, api_key="sk-2") as official:
            stream = await call_of(official)  # type: ignore[arg-type]  # the same method
            said = "".join([part.choices[0].delta.content or "" async for part in stream])
        async with AsyncOpenAI(base_url=base, api_key="sk-2") as ours, call_of(ours) as mine:
            completion = await mine.final()

    assert said == completion.choices[0].message.content == "Hello"


async def test_both_clients_raise_an_error_in_mid_stream() -> None:
    """An `error` event is one to clients that know no event names."""
    broken = sse([*hello()[:2], {"error": {"message": "Overloaded", "code": "overloaded"}}])
    async with relaying(broken) as (url, _):
        base = url.removesuffix("/chat/completions")
        async with openai.AsyncOpenAI(base_url=base, api_key="sk-2") as official:
            stream = await call_of(official)  # type: ignore[arg-type]  # the same method
            with pytest.raises(openai.APIError, match="Overloaded"):
                [part async for part in stream]
        async with AsyncOpenAI(base_url=base, api_key="sk-2") as ours, call_of(ours) as mine:
            with pytest.raises(APIStatusError, match="Overloaded"):
                await mine.final()


async def test_a_reader_that_does_not_read_is_dropped() -> None:
    """After `send_timeout` the response is over and the server's answer with it; the browser's socket is cut."""
    piece = event(chunk("x" * 262_144))
    gone = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        try:
            while True:
                await peer.chunk(piece)
        finally:
            gone.set()

    async with relaying(handle, send_timeout=0.3) as (url, _), Browser(url) as browser:
        await asyncio.wait_for(gone.wait(), 10)
        await browser.head()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await browser.body()


@pytest.mark.parametrize("name", ["ping", "send_timeout", "shutdown_grace"])
async def test_seconds_are_checked(name: str) -> None:
    """A negative time is named."""
    async with AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="sk") as client:
        call = call_of(client)
        with pytest.raises(ValueError, match=name):
            relay.relay_sse(call, **{name: -1})
        call.close()


async def test_an_embedded_answer_reaches_starlette_whole() -> None:
    """Plain Starlette, the embedded server, our client: usage and finish arrive through the relay."""
    async with serve(Script(["The sea is deep."])) as upstream, AsyncOpenAI(base_url=upstream, api_key="k") as client:

        async def chat(request: Any) -> Any:
            return relay.relay_sse(client.chat.completions.create(**await request.json()))

        app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
        async with uvicorn_server(app) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as reader:
            options = {"include_usage": True}
            call = reader.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
            async with call as stream:
                completion = await stream.final()

    assert completion.choices[0].message.content == "The sea is deep."
    assert completion.usage is not None


async def test_background_tasks_of_fastapi_run() -> None:
    """What an endpoint puts into `BackgroundTasks` happens after the answer, as after any response."""
    ran = asyncio.Event()
    app = FastAPI()
    async with RawServer(sse(hello())) as server, AsyncOpenAI(base_url=server.url, api_key="k") as client:

        @app.get("/", response_model=None)
        async def chat(tasks: BackgroundTasks) -> Any:
            tasks.add_task(ran.set)
            return relay.relay_sse(call_of(client))

        async with uvicorn_server(app) as url, Browser(url + "/") as browser:
            await browser.head()
            await browser.body()
            await asyncio.wait_for(ran.wait(), 5)


@pytest.mark.parametrize("server", [uvicorn_server, hypercorn])
async def test_a_farewell_ends_an_answer_with_an_error(server: Served) -> None:
    """An answer that has not ended within `shutdown_grace` is cut off by an event, and the body ends in order."""
    app, endless = FastAPI(), sse(hello()[:2], done=False, ending="nothing")
    async with RawServer(endless) as upstream, AsyncOpenAI(base_url=upstream.url, api_key="k") as client:

        @app.get("/", response_model=None)
        async def chat() -> Any:
            return relay.relay_sse(call_of(client), shutdown_grace=0.05)

        async with server(app) as url, Browser(url + "/") as browser:
            await browser.head()
            await browser.until(b"Hel")
            relay.say_farewell()
            rest = await asyncio.wait_for(browser.body(), 5)

    assert b"server_shutting_down" in rest
    assert b"[DONE]" not in rest
