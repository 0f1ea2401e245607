"""An ASGI app that passes requests on to another server of this machine.

Requests come in, whole; answers go back as they arrive, byte for byte. It never reads what it passes on, but keeps web
pages out, which the other server may let in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from openai_async.errors import APIConnectionError
from openai_async.server.bodies import BODY_SIZE, read_body
from openai_async.server.faults import HangUp
from openai_async.server.front import READ_TIMEOUT
from openai_async.server.pages import check_content_type, check_host
from openai_async.server.problems import Problem
from openai_async.transport.message import ONE_HOP, Request, Response, Transport
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

__all__ = ["Forward"]


class Forward:
    """The app.

    Args:
        origin: Scheme, host and port of the other server.
        transport: What carries the requests there.
        keyed: Whether the other server asks for a key.
    """

    def __init__(self, origin: str, transport: Transport, *, keyed: bool = False) -> None:
        self._origin = origin
        self._transport = transport
        self._keyed = keyed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; cancelling it, or the client's leaving, aborts it there as well."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await read_body(receive, limit=BODY_SIZE, seconds=READ_TIMEOUT)
            self._check(scope, headers)
        except HangUp:
            return  # while it sent its request
        except Problem as problem:
            await _refuse(send, problem)
            return
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        request = Request(method=scope["method"], url=self._origin + path, headers=_passed(headers), body=body or None)
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._pass_on(request, send)
            group.cancel_scope.cancel()

    def _check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        if not self._keyed:
            check_host(scope.get("server"), headers)
        if scope["method"] == "OPTIONS":  # how browsers ask whether a page may
            raise Problem(405, "Not allowed to OPTIONS here.", code="method_not_supported")
        if scope["method"] == "POST":  # pages have to ask before they use the others
            check_content_type(headers.get("content-type", ""))

    async def _pass_on(self, request: Request, send: Send) -> None:
        try:
            response = await self._transport.send(request, Timer(Timeout.of(None)))
        except APIConnectionError as error:
            await _refuse(send, Problem(502, error.message))
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


async def _refuse(send: Send, problem: Problem) -> None:
    await _start(send, problem.status, {"content-type": "application/json", **problem.headers})
    await send({"type": "http.response.body", "body": problem.encode()})


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _passed(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name not in ONE_HOP and name != "accept-encoding" and not name.startswith("access-control-")
    }
