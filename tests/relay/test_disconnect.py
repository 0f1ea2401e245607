"""A reader that leaves is noticed within a second, by every server, in every state of the answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import anyio
import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Route
from support.rawserver import Handler, Peer, RawServer, chunk, event, hello, sse
from support.webservers import Browser, Served, aiohttp_web, eventually, hypercorn, uvicorn_server

from openai_async import AsyncOpenAI
from openai_async.relay import aiohttp as for_aiohttp
from openai_async.relay import starlette as for_starlette

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


async def silent(peer: Peer) -> None:
    """Send nothing until the client goes."""
    await peer.gone()


async def idle(peer: Peer) -> None:
    """Send the beginning of an answer, then nothing until the client goes."""
    await sse(hello()[:2], done=False, ending="nothing")(peer)


async def talking(peer: Peer) -> None:
    """Send tokens until the client goes."""
    await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
    await peer.chunk(event(hello()[0]) + event(chunk("Hel")))
    gone = asyncio.create_task(peer.gone())
    while not gone.done():
        await peer.chunk(event(chunk("x")))
        await asyncio.sleep(0.01)


def starlette_app(respond: Any, *, middleware: bool = False) -> Starlette:
    """An ASGI app of one route; `middleware`: behind one that wraps `receive` and `send`."""

    async def through(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    async def endpoint(request: Any) -> Any:
        return respond(request)

    wrapped = [Middleware(BaseHTTPMiddleware, dispatch=through)] if middleware else []
    return Starlette(routes=[Route("/", endpoint)], middleware=wrapped)


def aiohttp_app(respond: Any) -> web.Application:
    """An aiohttp app of one route."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await respond(request)

    app = web.Application()
    app.router.add_get("/", handler)
    return app


SERVERS: dict[str, tuple[Served, Any, Any]] = {
    "uvicorn": (uvicorn_server, starlette_app, for_starlette),
    "uvicorn, middleware": (uvicorn_server, lambda respond: starlette_app(respond, middleware=True), for_starlette),
    "hypercorn": (hypercorn, starlette_app, for_starlette),
    "aiohttp": (aiohttp_web(), aiohttp_app, for_aiohttp),
    "aiohttp, handler_cancellation": (aiohttp_web(handler_cancellation=True), aiohttp_app, for_aiohttp),
}


def relaying(relay: Any, client: AsyncOpenAI, **options: Any) -> Any:
    """An endpoint that relays an answer, for Starlette or aiohttp."""

    def respond(request: Any) -> Any:
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return relay.relay_sse(*([request] if relay is for_aiohttp else []), call, **options)

    return respond


@pytest.mark.parametrize("handler", [silent, idle, talking])
@pytest.mark.parametrize("name", SERVERS)
async def test_a_browser_that_leaves_stops_the_model(name: str, handler: Handler) -> None:
    """Before the first token, in a pause and between tokens: the request to the model's server is aborted at once."""
    served, app, relay = SERVERS[name]
    gone = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await handler(peer)
        gone.set()

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawServer(handle))
        client = await stack.enter_async_context(AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0))
        async with served(app(relaying(relay, client))) as url:
            async with Browser(url + "/") as browser:
                if handler is silent:
                    await eventually(lambda: bool(server.requests))
                else:
                    await browser.head()
                    await browser.until(b"Hel")
            with anyio.fail_after(1):
                await gone.wait()


@pytest.mark.parametrize("policy", ["drain", "detach"])
@pytest.mark.parametrize("name", SERVERS)
async def test_a_browser_that_leaves_does_not_stop_the_model(name: str, policy: str) -> None:
    """With "drain" and "detach" the whole answer is told to `on_end`, under every server."""
    served, app, relay = SERVERS[name]
    go_on, left = asyncio.Event(), asyncio.Event()
    ends: asyncio.Queue[Any] = asyncio.Queue()

    async def handle(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"".join(map(event, hello()[:2])))
        await go_on.wait()
        await peer.chunk(b"".join(map(event, hello()[2:])) + b"data: [DONE]\n\n")
        await peer.chunk(b"")
        left.set()

    def on_end(completion: Any, error: Any) -> None:
        ends.put_nowait((completion.choices[0].message.content, error))

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawServer(handle))
        client = await stack.enter_async_context(AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0))
        async with served(app(relaying(relay, client, on_disconnect=policy, on_end=on_end))) as url:
            async with Browser(url + "/") as browser:
                await browser.head()
                await browser.until(b"Hel")
            await asyncio.sleep(0.3)  # the server notices
            go_on.set()
            with anyio.fail_after(5):
                told = await ends.get()

    assert told == ("Hello", None)
