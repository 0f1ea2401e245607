"""`StreamRoutes`: what callers may do with a stream that is there: read it, follow it, ask how it is, stop it.

Requests for one stream come in; its events, its frames or its status go out, to its owner alone. Nothing here talks to
the upstream.
"""

from __future__ import annotations

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from openai_async.relay import RelayHub, StreamExpired, StreamStatus
from openai_async.relay.cursor import Cursor
from openai_async.relay.starlette import follow_websocket, sse_response
from openai_async.server.problems import Problem

from .headers import owner_of

__all__ = ["STREAM_ID", "StreamRoutes"]

STREAM_ID = "x-stream-id"
"""The header that says under which id an answer can be read again."""

_STREAM = "/v1/streams/{stream_id}"
_WEBSOCKET = (
    "This address is a WebSocket: connect to it as ws:// or wss://, to a gateway where the Python package websockets is "
    "installed. Over HTTP, GET /v1/streams/{id} says the same."
)


class StreamRoutes:
    """The routes of streams.

    Args:
        hub: Whose streams they are.
    """

    def __init__(self, hub: RelayHub) -> None:
        self._hub = hub

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them, for a Starlette app."""
        return [
            Route(_STREAM, self.stream, methods=["GET", "DELETE"]),
            Route(f"{_STREAM}/status", self.status, methods=["GET"]),
            WebSocketRoute(f"{_STREAM}/ws", self.follow),
            Route(f"{_STREAM}/ws", self.upgrade, methods=["GET"]),
        ]

    async def stream(self, request: Request) -> Response:
        """Answer what has the stream's own address; raises as `read` and `stop`."""
        return await (self.stop if request.method == "DELETE" else self.read)(request)

    async def read(self, request: Request) -> Response:
        """Answer `GET /v1/streams/{id}`: what came after a cursor, then what comes, as events.

        Raises:
            RelayError: There is nothing to read.
        """
        stream_id = request.path_params["stream_id"]
        subscription = self._hub.subscribe(stream_id, after=_after(request), owner=owner_of(request.headers))
        await subscription.open()
        headers = {STREAM_ID: stream_id}
        if request.method == "HEAD":
            await subscription.aclose()
            return Response(headers=headers, media_type="text/event-stream")
        return sse_response(subscription, headers=headers)

    async def follow(self, websocket: WebSocket) -> None:
        """Serve `/v1/streams/{id}/ws`; what can't be read is refused by status, before the connection is accepted.

        Raises:
            RelayError: There is nothing to read.
        """
        stream_id, owner, after = websocket.path_params["stream_id"], owner_of(websocket.headers), _after(websocket)
        Cursor.parse(after)
        await self._look(stream_id, owner)
        # Each frame as the upstream sent it: a program that counts chunks counts the same ones as over HTTP.
        await follow_websocket(websocket, self._hub, stream_id, owner=owner, after=after, coalesce="never")

    async def upgrade(self, request: Request) -> Response:
        """Answer `GET /v1/streams/{id}/ws` without an upgrade."""
        del request
        problem = Problem(426, _WEBSOCKET, code="upgrade_required")
        # RFC 9110, section 15.5.22: the answer names what to change to.
        headers = {"upgrade": "websocket", "connection": "upgrade"}
        return Response(problem.encode(), problem.status, headers=headers, media_type="application/json")

    async def status(self, request: Request) -> Response:
        """Answer `GET /v1/streams/{id}/status`.

        Raises:
            RelayError: There is no such stream, or no longer.
        """
        found = await self._look(request.path_params["stream_id"], owner_of(request.headers))
        return _json(status=found.status, cursor=str(found.cursor))

    async def stop(self, request: Request) -> Response:
        """Answer `DELETE /v1/streams/{id}`: end it for all its readers, and close its upstream.

        Raises:
            RelayError: There is no such stream, or no longer.
        """
        stream_id, owner = request.path_params["stream_id"], owner_of(request.headers)
        stopped = await self._hub.stop(stream_id, owner=owner)
        found = await self._look(stream_id, owner)
        return _json(stopped=stopped, status=found.status, cursor=str(found.cursor))

    async def _look(self, stream_id: str, owner: str) -> StreamStatus:
        found = await self._hub.status(stream_id, owner=owner)
        if found.status == "expired":
            raise StreamExpired
        return found


def _after(connection: HTTPConnection) -> str | None:
    """The cursor that a reader names; a browser that comes back says the newer one in the header."""
    after: str | None = connection.headers.get("last-event-id") or connection.query_params.get("after")
    return after


def _json(**fields: object) -> Response:
    return Response(msgspec.json.encode(fields), headers={"cache-control": "no-store"}, media_type="application/json")
