"""The relay under aiohttp.web, over real sockets: what a browser gets, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from aiohttp import web
from support.rawserver import Handler, Peer, RawServer, answer, chunk, event, hello, sse
from support.webservers import Browser, aiohttp_web

from openai_async import AsyncOpenAI
from openai_async.relay import aiohttp as relay

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def call_of(client: AsyncOpenAI) -> Any:
    """A streamed call, not sent."""
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


@asynccontextmanager
async def relaying(handler: Handler, **options: Any) -> AsyncGenerator[tuple[str, RawServer]]:
    """An aiohttp app that relays a server's answers; its URL, and that server."""
    async with RawServer(handler) as server, AsyncOpenAI(base_url=server.url, api_key="sk-1", max_retries=0) as client:

        async def chat(request: web.Request) -> web.StreamResponse:
            return await relay.relay_sse(request, call_of(client), **options)

        app = web.Application()
        app.router.add_route("*", "/v1/chat/completions", chat)
        app.on_shutdown.append(relay.say_farewell)
        async with aiohttp_web()(app) as url:
            yield f"{url}/v1/chat/completions", server


async def test_the_wire_is_the_servers_own() -> None:
    """Head and bytes of a relayed answer: an event stream that no proxy keeps, and every event as it was sent."""
    async with relaying(sse(hello())) as (url, _), Browser(url) as browser:
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
    async with relaying(answer({"error": error}, 429, {"retry_after": "7"})) as (url, _), Browser(url) as browser:
        status = await browser.head()
        body = await browser.body()

    assert status == 429
    assert browser.headers["retry-after"] == "7"
    assert json.loads(body) == {"error": error}


async def test_a_server_that_thinks_is_waited_for_with_comments() -> None:
    """After one ping's time the head goes out: what fails from then on is an event."""
    thinking = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await thinking.wait()
        await answer({"error": {"message": "No", "type": "t", "param": None, "code": "c"}}, 400)(peer)

    async with relaying(handle, ping=0.05) as (url, _), Browser(url) as browser:
        assert await browser.head() == 200
        assert await browser.part() == b": ping\n"
        thinking.set()
        rest = await browser.body()

    assert b'event: error\ndata: {"error":{"type":"t","param":null,"code":"c","message":"No"}}\n\n' in rest


async def test_head_asks_no_model() -> None:
    """HEAD gets the head, and nothing is sent to the server."""
    async with relaying(sse(hello())) as (url, server), Browser(url, "HEAD") as browser:
        status = await browser.head()
        asked = list(server.requests)

    assert status == 200
    assert browser.headers["content-type"].startswith("text/event-stream")
    assert not asked


async def test_both_clients_read_a_relayed_answer() -> None:
    """The official SDK and ours read the relay as they read the server itself."""
    async with relaying(sse(hello())) as (url, _):
        base = url.removesuffix("/chat/completions")
        async with openai.AsyncOpenAI(base_url=base, api_key="sk-2") as official:
            stream = await call_of(official)  # type: ignore[arg-type]  # the same method
            said = "".join([part.choices[0].delta.content or "" async for part in stream])
        async with AsyncOpenAI(base_url=base, api_key="sk-2") as ours, call_of(ours) as mine:
            completion = await mine.final()

    assert said == completion.choices[0].message.content == "Hello"


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


async def test_a_stop_of_the_server_ends_an_answer_with_an_error() -> None:
    """An answer that has not ended within `shutdown_grace` is cut off by an event, and the body ends in order."""
    endless = sse(hello()[:2], done=False, ending="nothing")
    async with relaying(endless, shutdown_grace=0.1) as (url, _):
        browser = Browser(url)
        await browser.__aenter__()
        await browser.head()
        await browser.until(b"Hel")
        reading = asyncio.create_task(browser.body())
        await asyncio.sleep(0)
    rest = await reading
    await browser.leave()

    assert b"server_shutting_down" in rest
    assert b"[DONE]" not in rest
