"""Web apps that hand on a model's answer: ours, the usual one, and one that only passes bytes on. All under uvicorn.

The upstream's origin comes in; an ASGI app with `/sse` and `/ws` goes out. In a *fan-out* all readers get the one answer
that the app itself asked for; in a *relay* each request asks for an answer of its own.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from .clients import MESSAGES, aiohttp_session, official_client, our_client

__all__ = [
    "Stage",
    "bytes_fan_out",
    "bytes_relay",
    "our_fan_out",
    "our_relay",
    "serving",
    "usual_fan_out",
    "usual_relay",
]

# Opens an app on an upstream's origin, for a model.
Stage: TypeAlias = Callable[[str, str], AbstractAsyncContextManager[Any]]

_CONNECTIONS = 2_000


def _app(sse: Any, ws: Any = None) -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Route, WebSocketRoute

    return Starlette(routes=[Route("/sse", sse), *([WebSocketRoute("/ws", ws)] if ws else [])])


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """Serve an app with uvicorn, in this process; gives its port."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    settings = uvicorn.Config(app, log_level="warning", lifespan="off", ws_per_message_deflate=False, backlog=4096)
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task


# Ours.


@asynccontextmanager
async def our_fan_out(origin: str, model: str) -> AsyncIterator[Any]:
    """A hub."""
    from openai_async.relay import RelayHub
    from openai_async.relay.starlette import follow_websocket, sse_response

    async with our_client(origin) as client, RelayHub(drain=0) as hub:
        stream_id = await hub.start(lambda: client.chat.completions.create(model=model, messages=MESSAGES, stream=True))

        async def sse(_: Any) -> Any:
            return sse_response(hub.subscribe(stream_id))

        async def ws(websocket: Any) -> None:
            await follow_websocket(websocket, hub, stream_id, coalesce="never")

        yield _app(sse, ws)


@asynccontextmanager
async def our_relay(origin: str, model: str) -> AsyncIterator[Any]:
    """`relay_sse`."""
    from openai_async.relay.starlette import relay_sse

    async with our_client(origin) as client:

        async def sse(_: Any) -> Any:
            return relay_sse(client.chat.completions.create(model=model, messages=MESSAGES, stream=True))

        yield _app(sse)


# What one finds in most projects: the official SDK, chunks as dicts, sse-starlette, json.dumps.


@asynccontextmanager
async def usual_fan_out(origin: str, model: str) -> AsyncIterator[Any]:
    """A queue a reader, filled with chunks that are encoded for each."""
    from sse_starlette import EventSourceResponse

    async with official_client(origin) as client:

        async def read(tell: Callable[[object], None]) -> None:
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for chunk in stream:
                tell(chunk)

        async with _broadcast(read) as listen:

            async def events() -> AsyncIterator[dict[str, str]]:
                async for chunk in listen():
                    yield {"data": json.dumps(chunk.model_dump())}
                yield {"data": "[DONE]"}

            async def sse(_: Any) -> Any:
                return EventSourceResponse(events())

            async def ws(websocket: Any) -> None:
                await websocket.accept()
                async for chunk in listen():
                    await websocket.send_json(chunk.model_dump())
                await websocket.send_text("[DONE]")

            yield _app(sse, ws)


@asynccontextmanager
async def usual_relay(origin: str, model: str) -> AsyncIterator[Any]:
    """A stream of the SDK's, chunk by chunk into the response."""
    from sse_starlette import EventSourceResponse

    async with official_client(origin) as client:

        async def events() -> AsyncIterator[dict[str, str]]:
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async for chunk in stream:
                yield {"data": json.dumps(chunk.model_dump())}
            yield {"data": "[DONE]"}

        async def sse(_: Any) -> Any:
            return EventSourceResponse(events())

        yield _app(sse)


# The floor: bytes as they come, which nobody looks at.


@asynccontextmanager
async def bytes_fan_out(origin: str, model: str) -> AsyncIterator[Any]:
    """A queue a reader, filled with what each read of the socket brought."""
    from starlette.responses import StreamingResponse

    async with aiohttp_session(origin) as session:

        async def read(tell: Callable[[object], None]) -> None:
            request = {"model": model, "messages": MESSAGES, "stream": True}
            async with session.post("/v1/chat/completions", json=request) as response:
                async for data in response.content.iter_any():
                    tell(data)

        async with _broadcast(read) as listen:

            async def sse(_: Any) -> Any:
                return StreamingResponse(listen(), media_type="text/event-stream")

            async def ws(websocket: Any) -> None:
                await websocket.accept()
                async for data in listen():
                    await websocket.send_text(data.decode())

            yield _app(sse, ws)


@asynccontextmanager
async def bytes_relay(origin: str, model: str) -> AsyncIterator[Any]:
    """aiohttp's reads, straight into the response."""
    from starlette.responses import StreamingResponse

    async with aiohttp_session(origin, limit=_CONNECTIONS) as session:

        async def pieces() -> AsyncIterator[bytes]:
            request = {"model": model, "messages": MESSAGES, "stream": True}
            async with session.post("/v1/chat/completions", json=request) as response:
                async for data in response.content.iter_any():
                    yield data

        async def sse(_: Any) -> Any:
            return StreamingResponse(pieces(), media_type="text/event-stream")

        yield _app(sse)


@asynccontextmanager
async def _broadcast(
    read: Callable[[Callable[[object], None]], Any],
) -> AsyncIterator[Callable[[], AsyncIterator[Any]]]:
    """Read a stream once, for all who listen; gives what one iterates to listen."""
    queues: set[asyncio.Queue[Any]] = set()

    def tell(item: object) -> None:
        for queue in queues:
            queue.put_nowait(item)

    async def run() -> None:
        await read(tell)
        tell(None)

    async def listen() -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        queues.add(queue)
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            queues.discard(queue)

    task = asyncio.create_task(run())
    try:
        yield listen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
