"""Relays for aiohttp.web: answers and subscriptions as event streams and over WebSockets.

A request comes in with a call or a subscription; the response goes out and is returned when it is over. It stops with
its reader, with a reader that does not read, and with the server, whether or not `handler_cancellation` is set: without
it, aiohttp tells a handler of a lost connection only when it writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import anyio
from aiohttp import WSMsgType, web

from openai_async.errors import OpenAIError

from .direct import DirectRelay, EventBody, OnDisconnect, OnEnd, Streaming
from .following import Following, Subscribed
from .hub import RelayHub
from .log import End
from .reading import Reading
from .refusal import STOPPING, Refusal
from .sink import Coalesce
from .sse import error_event, farewell
from .streamwriter import StreamWriter, stopping, unless_gone
from .watcher import announce
from .websocket import FrameFormat, FrameSink, SocketGone, hand_on

__all__ = ["WebSocketSink", "follow_websocket", "relay_sse", "relay_websocket", "say_farewell", "sse_response"]


async def relay_sse(
    request: web.Request,
    call: Streaming,
    *,
    on_disconnect: OnDisconnect = "cancel",
    on_end: OnEnd | None = None,
    ping: float = 15,
    send_timeout: float = 30,
    shutdown_grace: float = 10,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Answer with the answer to a call, as the event stream that the model's server sends.

        async def chat(request: web.Request) -> web.StreamResponse:
            messages = (await request.json())["messages"]
            call = client.chat.completions.create(model="gpt-5.4", messages=messages, stream=True)
            return await relay_sse(request, call)

    Cancelling it is as if the browser had left.

    Args:
        request: Whose response this is.
        call: Not awaited, and used by nothing else.
        on_disconnect: What becomes of the answer when the browser leaves: "cancel" aborts it, "drain" reads it to its
            end first, "detach" reads on behind the response's back.
        on_end: Called with the completion and its error, once; see `OnEnd`.
        ping: Seconds between comments, and at most so long until the head is sent; 0: none, and as long as it takes.
        send_timeout: Seconds that one write may wait for a browser that does not read; then it is dropped. 0: no limit.
        shutdown_grace: Seconds that the answer has to end by itself once `say_farewell` was called.
        headers: Further ones.

    Returns:
        The response, over: the stream, or an error's, with its status and the API's error as JSON.

    Raises:
        TypeError: `call` was awaited already.
        ValueError: A number is negative, or `on_disconnect` is none of the three.
    """
    _check(ping=ping, send_timeout=send_timeout, shutdown_grace=shutdown_grace)
    relay = DirectRelay(call, on_disconnect=on_disconnect, on_end=on_end)
    response = _response(headers)
    if request.method == "HEAD":
        relay.drop()
        return response  # aiohttp sends its head, and no body
    writer = StreamWriter(request, response, ping=ping, send_timeout=send_timeout)
    relay.start()
    try:
        if not await unless_gone(relay.begun, request, ping or None):
            return response  # to nobody
        if relay.refused is not None:
            return _refuse(relay.refused)
        goodbye = error_event(STOPPING.error)
        await writer.send(EventBody(relay), patience=shutdown_grace, grace=1.0, goodbye=goodbye)
    finally:
        await relay.leave()
    return response


async def sse_response(
    request: web.Request,
    subscription: Subscribed,
    *,
    ping: float = 15,
    send_timeout: float = 30,
    ids: bool = True,
    done: bool = True,
    shutdown_grace: float = 2,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Answer with a subscription's frames as events, from its cursor on and until it ends.

        async def read(request: web.Request) -> web.StreamResponse:
            after = request.headers.get("last-event-id")
            return await sse_response(request, lambda: hub.subscribe(request.match_info["id"], after=after))

    Events and errors are those of `relay.starlette.sse_response`. Cancelling it is as if the reader had left.

    Args:
        request: Whose response this is.
        subscription: Of a hub, read by nothing else; or a function that makes it when the response begins, so that a
            malformed cursor is answered with 400.
        ping: Seconds between comments, from the beginning on; 0: none.
        send_timeout: Seconds that one write may wait for a reader that does not read; then it is dropped. 0: no limit.
        ids: Whether frames have an `id`.
        done: Whether `data: [DONE]` is sent, as OpenAI clients expect, once the answer is complete or was stopped.
        shutdown_grace: Seconds that the farewell has to get out once `say_farewell` was called.
        headers: Further ones.

    Raises:
        ValueError: A number is negative.
    """
    _check(ping=ping, send_timeout=send_timeout, shutdown_grace=shutdown_grace)
    body = Following(subscription, ids=ids, done=done)
    response = _response(headers)
    writer = StreamWriter(request, response, ping=ping, send_timeout=send_timeout)
    try:
        try:
            await body.begin()
        except OpenAIError as error:
            return _refuse(error)
        if request.method != "HEAD":
            await writer.send(body, patience=0.0, grace=shutdown_grace, goodbye=farewell())
    finally:
        with anyio.CancelScope(shield=True):
            await body.close()
    return response


async def say_farewell(app: web.Application) -> None:
    """Tell the readers that the server stops: `app.on_shutdown.append(say_farewell)`.

    Without it, aiohttp waits for open streams as long as its `shutdown_timeout`, then cuts them off.

    Args:
        app: Not used; readers of other apps in the running event loop are told as well.
    """
    del app
    announce(stopping)


def _check(**seconds: float) -> None:
    for name, value in seconds.items():
        if value < 0:
            raise ValueError(f"{name}: seconds can't be negative: {value!r}")


_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold events back until it has 4 KiB of them
}


def _response(headers: Mapping[str, str] | None) -> web.StreamResponse:
    return web.StreamResponse(headers={**_HEADERS, **(headers or {})})


def _refuse(error: OpenAIError) -> web.Response:
    refusal = Refusal.of(error)
    return web.Response(
        body=refusal.body, status=refusal.status, headers=refusal.headers, content_type="application/json"
    )


# WebSockets.


class WebSocketSink(FrameSink):
    """Writes a subscription to a WebSocket of aiohttp.web that was prepared; for `pump`.

    Args:
        websocket: Prepared.
        format: "chunk": `{"id": CURSOR, "chunk": {...}}`; "text": what choice 0 says.
    """

    def __init__(self, websocket: web.WebSocketResponse, *, format: FrameFormat = "chunk") -> None:
        super().__init__(_Socket(websocket), format=format)


async def relay_websocket(
    websocket: web.WebSocketResponse,
    call: Streaming,
    *,
    format: FrameFormat = "chunk",
    on_disconnect: OnDisconnect = "cancel",
    on_end: OnEnd | None = None,
    may_stop: bool = True,
    send_timeout: float = 30,
) -> None:
    """Answer over a WebSocket with the answer to a call; return when it is closed.

    Frames and errors are those of `relay.starlette.relay_websocket`. Cancelling it is as if the client had left.

    Args:
        websocket: Prepared.
        call: Not awaited, and used by nothing else.
        format: "chunk", or "text": bare text frames of what choice 0 says.
        on_disconnect: As in `relay_sse`.
        on_end: Likewise.
        may_stop: Whether the client may send `{"stop": true}`: the request is aborted, the status is "cancelled".
        send_timeout: Seconds that sending what came meanwhile may take; then the client is dropped. 0: no limit.
    """
    _check(send_timeout=send_timeout)
    relay = DirectRelay(call, on_disconnect=on_disconnect, on_end=on_end, payloads=True)
    socket = _Socket(websocket)
    sink = FrameSink(socket, format=format)
    await hand_on(socket, relay, sink, send_timeout=send_timeout, may_stop=may_stop, stopping=stopping)


async def follow_websocket(
    websocket: web.WebSocketResponse,
    hub: RelayHub,
    stream_id: str,
    *,
    owner: str | None = None,
    after: str | None = None,
    first_frame: float = 0,
    format: FrameFormat = "chunk",
    may_stop: bool = True,
    coalesce: Coalesce = "lagging",
    min_interval: float = 0.0,
    send_timeout: float = 30,
) -> End | None:
    """Send a hub's stream over a WebSocket, from a cursor on and until it ends; return when the socket is closed.

    Frames, result and errors are those of `relay.starlette.follow_websocket`. Cancelling it is as if the client had left.

    Args:
        websocket: Prepared.
        hub: Whose stream it is.
        stream_id: Of the stream.
        owner: Who asks.
        after: The cursor to go on from; None: from the start.
        first_frame: Seconds to wait for a first frame `{"after": CURSOR}`, which then counts; 0: none is expected.
        format: "chunk", or "text": bare text frames of what choice 0 says.
        may_stop: Whether the client may send `{"stop": true}`: the stream ends for all its readers.
        coalesce: Which neighbouring pieces of text are sent as one; see `pump`.
        min_interval: Seconds from one send to the next, at least.
        send_timeout: Seconds that one send may take; then the client is dropped, and may come back with its cursor.
    """
    socket = _Socket(websocket)
    sink = FrameSink(socket, format=format)
    reading = Reading(
        hub, stream_id, owner=owner, after=after, first_frame=first_frame, may_stop=may_stop, stopping=stopping
    )
    return await reading.run(socket, sink, coalesce=coalesce, min_interval=min_interval, send_timeout=send_timeout)


class _Socket:
    """An aiohttp WebSocket as the relay uses one."""

    def __init__(self, websocket: web.WebSocketResponse) -> None:
        self._websocket = websocket

    async def send(self, text: str) -> None:
        try:
            await self._websocket.send_str(text)
        except (ConnectionError, RuntimeError) as error:
            raise SocketGone("the client left") from error

    async def receive(self) -> str:
        try:
            message = await self._websocket.receive()
        except RuntimeError as error:
            raise SocketGone("the client left") from error
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            return bytes(message.data).decode("utf-8", "replace")
        raise SocketGone("the client left")

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._websocket.close(code=code, message=reason.encode())
