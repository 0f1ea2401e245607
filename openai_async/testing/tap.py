"""An ASGI app that passes requests on to a real server and notes what comes back, read by read.

Requests come in, whole; answers go back as they arrive, byte for byte, and once an answer is over the exchange goes to a
function, secrets removed. It never looks at what the bytes mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio

from openai_async.errors import APIConnectionError, OpenAIError
from openai_async.server.bodies import BODY_SIZE, read_body
from openai_async.server.envelope import hang_up
from openai_async.server.faults import HangUp
from openai_async.server.pages import check_host
from openai_async.server.problems import Problem
from openai_async.transport.message import Request
from openai_async.transport.redaction import Secrets
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

from .answering import passed_headers, refuse, send_head, transport_of
from .recording import Answered, Asked, Exchange
from .scrub import recorded_request_headers, recorded_response_headers, scrubbed_address, scrubbed_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from openai_async.transport.message import Response, Transport

__all__ = ["Tap"]


class Tap:
    """The app.

    Args:
        origin: Scheme, host and port of the real server.
        transport: What carries the requests there.
        take: Called with each exchange when it is over.
        failed: Called with the reason when a request got no response at all; the client is told 502, and nothing is
            noted.
    """

    def __init__(
        self, origin: str, transport: Transport, *, take: Callable[[Exchange], None], failed: Callable[[str], None]
    ) -> None:
        self._origin = origin
        self._transport = transport
        self._take = take
        self._failed = failed
        self._open: set[anyio.CancelScope] = set()
        self._began = anyio.current_time()

    def close(self) -> None:
        """Break off every answer under way; they count as left."""
        for scope in list(self._open):
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; cancelling it, or the client's leaving, aborts it there as well."""
        at = anyio.current_time()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await read_body(receive, limit=BODY_SIZE, seconds=None)
            check_host(scope.get("server"), headers)
        except HangUp:
            return  # while it sent its request
        except Problem as problem:
            await refuse(send, problem)
            return
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        request = Request(
            method=scope["method"], url=self._origin + path, headers=passed_headers(headers), body=body or None
        )
        passing = _Passing(request, path, at=at)
        async with anyio.create_task_group() as group:
            self._open.add(group.cancel_scope)

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                await self._pass_on(passing, send)
            finally:
                self._open.discard(group.cancel_scope)
                group.cancel_scope.cancel()
        if passing.end != "complete":
            self._keep(passing)
            await hang_up(receive, transport_of(receive))

    async def _pass_on(self, passing: _Passing, send: Send) -> None:
        try:
            response = await self._transport.send(passing.request, Timer(Timeout.of(None)))
        except OpenAIError as error:
            self._failed(str(error))
            passing.end = "complete"
            await refuse(send, Problem(502, f"The recorded server did not answer: {error}"))
            return
        passing.response = response
        try:
            passed = passed_headers(response.headers)
            passed.pop("content-encoding", None)  # it was undone; a request's body goes on as it came
            await send_head(send, response.status, passed)
            while data := await response.read():
                passing.pieces.append((anyio.current_time() - passing.at, data))
                await send({"type": "http.response.body", "body": data, "more_body": True})
            passing.end = "complete"
            # Before it is sent: whoever has read the end finds it kept.
            self._keep(passing)
            await send({"type": "http.response.body", "body": b""})
        except APIConnectionError:
            passing.end = "cut"
        finally:
            response.close()

    def _keep(self, passing: _Passing) -> None:
        if passing.response is not None:
            self._take(passing.exchange(passing.response, began=self._began))


class _Passing:
    """A request on its way, and what of its answer has come.

    Args:
        request: As it goes on.
        path: Its path and query.
        at: When it came, in seconds of the loop's clock.
    """

    def __init__(self, request: Request, path: str, *, at: float) -> None:
        self.request = request
        self.path = path
        self.at = at
        self.response: Response | None = None
        self.pieces: list[tuple[float, bytes]] = []
        self.end: Literal["complete", "cut", "left"] = "left"

    def exchange(self, response: Response, *, began: float) -> Exchange:
        """Return what is to be kept, secrets removed."""
        request, secrets = self.request, list(Secrets(self.request))
        # A secret may lie across two reads: the masks, which have its length, are put into the whole and it is cut again.
        whole = scrubbed_body(b"".join(piece for _, piece in self.pieces), secrets)
        pieces: list[tuple[float, bytes]] = []
        start = 0
        for at, piece in self.pieces:
            pieces.append((at, whole[start : start + len(piece)]))
            start += len(piece)
        asked = Asked.of(
            at=self.at - began,
            method=request.method,
            path=scrubbed_address(self.path),
            headers=recorded_request_headers(request.headers),
            body=scrubbed_body(request.body or b"", secrets),
        )
        kept = recorded_response_headers(response.headers, secrets)
        return Exchange(asked, Answered.of(status=response.status, headers=kept, pieces=pieces, end=self.end))
