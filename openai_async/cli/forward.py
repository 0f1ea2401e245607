"""An ASGI app that passes every request on to another server of this machine.

Requests come in, whole; answers go back as they arrive, byte for byte. It never reads what it passes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from openai_async.errors import APIConnectionError
from openai_async.server.problems import Problem
from openai_async.transport.message import Request, Response, Transport
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["Forward"]

# What belongs to one connection, not to the message (RFC 9110, section 7.6.1), and what each end says for itself.
_OWN_HEADERS = frozenset({
    "accept-encoding",
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
})  # fmt: skip


class Forward:
    """The app.

    Args:
        origin: Scheme, host and port of the other server.
        transport: What carries the requests there.
    """

    def __init__(self, origin: str, transport: Transport) -> None:
        self._origin = origin
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; cancelling it, or the client's leaving, aborts it there as well."""
        body = await _body(receive)
        if body is None:
            return
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Request(method=scope["method"], url=self._origin + path, headers=_passed(headers), body=body or None)
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._pass_on(request, send)
            group.cancel_scope.cancel()

    async def _pass_on(self, request: Request, send: Send) -> None:
        try:
            response = await self._transport.send(request, Timer(Timeout.of(None)))
        except APIConnectionError as error:
            body = Problem(502, error.message).encode()
            await _start(send, 502, {"content-type": "application/json"})
            await send({"type": "http.response.body", "body": body})
            return
        try:
            await _copy(response, send)
        finally:
            response.close()


async def _copy(response: Response, send: Send) -> None:
    await _start(send, response.status, _passed(dict(response.headers)))
    try:
        while data := await response.read():
            await send({"type": "http.response.body", "body": data, "more_body": True})
    except APIConnectionError:
        return  # an app that returns too early has its connection closed: the client sees the same break
    await send({"type": "http.response.body", "body": b""})


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None: the client left while sending it."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _passed(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OWN_HEADERS}
