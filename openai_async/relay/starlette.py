"""Relays for Starlette and FastAPI: answers and subscriptions as event streams and over WebSockets.

Calls and subscriptions come in; ASGI responses go out, which stop with their reader, with a reader that does not read,
and with the server. Bytes are sent as they are; see `relay/sse.py` for the events and `relay/websocket.py` for frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

try:
    from starlette.responses import Response
    from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
except ImportError as _error:
    raise ImportError(
        "openai_async.relay.starlette needs Starlette: pip install 'openai-async-sdk[server]'"
    ) from _error

from .asgistream import DirectResponse, EventStream, SubscriptionResponse, stopping
from .direct import DirectRelay, EventBody, OnDisconnect, OnEnd, Streaming
from .following import Following, Subscribed
from .hub import RelayHub
from .log import End
from .reading import Reading
from .refusal import STOPPING
from .sink import Coalesce
from .sse import error_event, farewell
from .watcher import announce
from .websocket import FrameFormat, FrameSink, SocketGone, hand_on

__all__ = ["WebSocketSink", "follow_websocket", "relay_sse", "relay_websocket", "say_farewell", "sse_response"]

# Event streams.


def relay_sse(
    call: Streaming,
    *,
    on_disconnect: OnDisconnect = "cancel",
    on_end: OnEnd | None = None,
    ping: float = 15,
    send_timeout: float = 30,
    shutdown_grace: float = 10,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response that is the answer to a call, as the event stream that the model's server sends.

        @app.post("/chat")
        async def chat(question: Question) -> Response:
            call = client.chat.completions.create(model="gpt-5.4", messages=question.messages, stream=True)
            return relay_sse(call)

    The request is sent when the response begins. An error before the first token is a response with its status, and the
    API's error as JSON; later, an `error` event. A server that thinks for longer than `ping` seconds is waited for with
    comments, and its errors are events from then on.

    Args:
        call: Not awaited, and used by nothing else.
        on_disconnect: What becomes of the answer when the browser leaves: "cancel" aborts it, "drain" reads it to its
            end first, "detach" reads on behind the response's back.
        on_end: Called with the completion and its error, once; see `OnEnd`.
        ping: Seconds between comments that keep proxies from closing a silent connection; 0: none.
        send_timeout: Seconds that one write may wait for a browser that does not read; then it is dropped.
        shutdown_grace: Seconds that the answer has to end by itself once the server is told to stop.
        headers: Further ones.

    Raises:
        TypeError: `call` was awaited already.
        ValueError: A number is negative, or `on_disconnect` is none of the three.
    """
    _check(ping=ping, send_timeout=send_timeout, shutdown_grace=shutdown_grace)
    relay = DirectRelay(call, on_disconnect=on_disconnect, on_end=on_end)
    stream = EventStream(
        EventBody(relay),
        ping=ping,
        send_timeout=send_timeout,
        patience=shutdown_grace,
        grace=1.0,
        farewell=error_event(STOPPING.error),
        headers=headers,
    )
    return DirectResponse(relay, stream, hold=ping or None)


def sse_response(
    subscription: Subscribed,
    *,
    ping: float = 15,
    send_timeout: float = 30,
    ids: bool = True,
    done: bool = True,
    shutdown_grace: float = 2,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response that sends a subscription's frames as events, from its cursor on and until it ends.

        @app.get("/streams/{stream_id}")
        async def read(stream_id: str, last_event_id: Annotated[str | None, Header()] = None) -> Response:
            return sse_response(lambda: hub.subscribe(stream_id, after=last_event_id))

    Frames are `id: CURSOR` and `data: PAYLOAD`. `reset` tells that the answer begins anew, `error` what went wrong,
    `reconnect` that this server stops; `[DONE]` and `end` come last. A subscription that can't begin is a response:
    400 for a malformed cursor, 404 for a stream that is unknown or another's, 410 for one that is no longer kept.

    Args:
        subscription: Of a hub, read by nothing else; or a function that makes it when the response begins, so that a
            malformed cursor is answered with 400.
        ping: Seconds between comments, from the beginning on; 0: none.
        send_timeout: Seconds that one write may wait for a reader that does not read; then it is dropped, and may come
            back with its cursor.
        ids: Whether frames have an `id`.
        done: Whether `data: [DONE]` is sent, as OpenAI clients expect, once the answer is complete or was stopped.
        shutdown_grace: Seconds that the farewell has to get out once the server is told to stop.
        headers: Further ones.

    Raises:
        ValueError: A number is negative.
    """
    _check(ping=ping, send_timeout=send_timeout, shutdown_grace=shutdown_grace)
    body = Following(subscription, ids=ids, done=done)
    stream = EventStream(
        body,
        ping=ping,
        send_timeout=send_timeout,
        patience=0.0,
        grace=shutdown_grace,
        farewell=farewell(),
        headers=headers,
    )
    return SubscriptionResponse(body, stream)


def say_farewell() -> None:
    """Tell the readers of the running event loop that the server stops.

    uvicorn's stop is noticed by itself, within a quarter of a second. Call this where another server is told to stop,
    before it waits for its connections: hypercorn's `shutdown_trigger`, a signal handler of your own.
    """
    announce(stopping)


def _check(**seconds: float) -> None:
    for name, value in seconds.items():
        if value < 0:
            raise ValueError(f"{name}: seconds can't be negative: {value!r}")


# WebSockets.


class WebSocketSink(FrameSink):
    """Writes a subscription to a WebSocket of Starlette or FastAPI that was accepted; for `pump`.

    Args:
        websocket: Accepted.
        format: "chunk": `{"id": CURSOR, "chunk": {...}}`; "text": what choice 0 says.
    """

    def __init__(self, websocket: WebSocket, *, format: FrameFormat = "chunk") -> None:
        super().__init__(_Socket(websocket), format=format)


async def relay_websocket(
    websocket: WebSocket,
    call: Streaming,
    *,
    format: FrameFormat = "chunk",
    on_disconnect: OnDisconnect = "cancel",
    on_end: OnEnd | None = None,
    may_stop: bool = True,
    send_timeout: float = 30,
) -> None:
    """Answer over a WebSocket with the answer to a call; return when it is closed.

        @app.websocket("/chat")
        async def chat(websocket: WebSocket) -> None:
            await websocket.accept()
            messages = await websocket.receive_json()
            call = client.chat.completions.create(model="gpt-5.4", messages=messages, stream=True)
            await relay_websocket(websocket, call)

    Frames are `{"chunk": {...}}`, the last one is `{"end": {"status": "done"}}`, with an `error` in the API's shape
    where the status is "error". Cancelling it is as if the client had left.

    Args:
        websocket: Accepted here if it is not yet.
        call: Not awaited, and used by nothing else.
        format: "chunk", or "text": bare text frames of what choice 0 says.
        on_disconnect: As in `relay_sse`.
        on_end: Likewise.
        may_stop: Whether the client may send `{"stop": true}`: the request is aborted, the status is "cancelled".
        send_timeout: Seconds that sending what came meanwhile may take; then the client is dropped. 0: no limit.

    Raises:
        TypeError, ValueError: As `relay_sse`.
    """
    _check(send_timeout=send_timeout)
    relay = DirectRelay(call, on_disconnect=on_disconnect, on_end=on_end, payloads=True)
    socket = _Socket(websocket)
    sink = FrameSink(socket, format=format)
    await socket.accept()
    await hand_on(socket, relay, sink, send_timeout=send_timeout, may_stop=may_stop, stopping=stopping)


async def follow_websocket(
    websocket: WebSocket,
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

        @app.websocket("/streams/{stream_id}/ws")
        async def follow(websocket: WebSocket, stream_id: str, after: str | None = None) -> None:
            await follow_websocket(websocket, hub, stream_id, after=after)

    Frames are `{"id": CURSOR, "chunk": {...}}`, `{"reset": CURSOR}` where the answer begins anew, and at last
    `{"end": {"status": ...}}`, also for a stream that can't be read. A server that stops closes the socket with 1012:
    the client comes back with its cursor. A stop that does not get through, as Redis is down, is answered with
    `{"stopped": false, "error": {...}}` and tried again as long as the client reads. Cancelling it is as if the client
    had left.

    Args:
        websocket: Accepted here if it is not yet.
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

    Returns:
        How the stream ended; None: the client left before, was dropped, the server stops, or there was nothing to read.

    Raises:
        ValueError: An argument is none of these.
    """
    socket = _Socket(websocket)
    sink = FrameSink(socket, format=format)
    await socket.accept()
    reading = Reading(
        hub, stream_id, owner=owner, after=after, first_frame=first_frame, may_stop=may_stop, stopping=stopping
    )
    return await reading.run(socket, sink, coalesce=coalesce, min_interval=min_interval, send_timeout=send_timeout)


class _Socket:
    """A Starlette WebSocket as the relay uses one."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def accept(self) -> None:
        """Accept it unless that was done."""
        if self._websocket.application_state is WebSocketState.CONNECTING:
            await self._websocket.accept()

    async def send(self, text: str) -> None:
        try:
            await self._websocket.send({"type": "websocket.send", "text": text})
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise SocketGone("the client left") from error

    async def receive(self) -> str:
        try:
            message = await self._websocket.receive()
        except (WebSocketDisconnect, RuntimeError) as error:
            raise SocketGone("the client left") from error
        if message["type"] == "websocket.disconnect":
            raise SocketGone("the client left")
        text: str | None = message.get("text")
        return text if text is not None else (message.get("bytes") or b"").decode("utf-8", "replace")

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            await self._websocket.close(code, reason)
