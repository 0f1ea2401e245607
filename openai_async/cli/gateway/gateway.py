"""`Gateway`: an OpenAI-compatible API whose streams can be read again, from where their reader was.

Requests come in as for the upstream, and go there; a streamed answer is the hub's, which reads it to its end whoever
listens, and any number of readers take it from there. It is an ASGI app, and opens no socket to listen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from openai_async.errors import OpenAIError
from openai_async.relay import RelayBackend, RelayHub, TooManyStreams
from openai_async.relay.asgistream import unless_gone
from openai_async.relay.starlette import sse_response
from openai_async.server.bodies import BODY_SIZE, read_body
from openai_async.server.faults import HangUp
from openai_async.server.front import READ_TIMEOUT
from openai_async.server.pages import check_content_type, check_host
from openai_async.server.problems import Problem

from .headers import ANONYMOUS, owner_of
from .problem import problem_of, stopping
from .streams import STREAM_ID, StreamRoutes
from .upstream import Answer, Asked, Opening, Upstream

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Gateway"]

_log = logging.getLogger("openai_async")

# Seconds that the head of a stream waits for the upstream's first content, so that a refusal has its status; then it
# goes out without, with comments. The relay's own interval: proxies give up a connection that says nothing for a minute.
_HOLD = 15.0
# What a caller is told who is gone; nginx's word for it, in the log.
_GONE = 499
_PACKED = "The body is packed, and the gateway has to look whether it asks for a stream; send it as it is."
_FOREIGN = (
    "Requests without a key are not served on this machine's own address under a name that the DNS may know, as any web "
    "page could send them. Send an Authorization, use localhost, or let the proxy in between send Host: localhost."
)
_SERVED = (
    "The gateway serves POST /v1/chat/completions, and what is streamed there under /v1/streams/{id}; ask the upstream "
    "itself for everything else."
)
# Headers that the event stream says for itself.
_STREAM_HEADERS = frozenset({"cache-control", "content-type", "x-accel-buffering"})


class Gateway:
    """The app, and all that it needs while it serves: use it with `async with`, once.

    Args:
        upstream: The API's address, usually up to and with `/v1`.
        backend: Keeps the streams; None: this process's memory.
        retention: Seconds that a stream can be read after its end.
        max_streams: Streams kept at once; with a backend that spans processes, those that this one writes.
        max_retries: Attempts at the upstream after the first, before an answer's first content.

    Raises:
        OpenAIError: `upstream` is no address.
        ValueError: A number makes no sense.
    """

    def __init__(
        self,
        upstream: str,
        *,
        backend: RelayBackend | None = None,
        retention: float = 600,
        max_streams: int = 10_000,
        max_retries: int = 0,
    ) -> None:
        # No time to drain: whoever stops a gateway lets its streams go on before, while they can still be read.
        self._hub = RelayHub(backend, retain=retention, max_streams=max_streams, drain=0)
        self._upstream = Upstream(upstream, max_retries=max_retries, limit=max_streams)
        self._max_streams = max_streams
        self._waiting = 0  # callers who have no answer yet
        self._leaving = False
        handlers: dict[Any, Any] = {
            Problem: _refuse,
            OpenAIError: _refuse,
            HTTPException: _refuse_route,
            Exception: _fail,
        }
        routes = [
            Route("/v1/chat/completions", self.create, methods=["POST"]),
            *StreamRoutes(self._hub).routes,
            Route("/healthz", self.health, methods=["GET"]),
        ]
        self._app = Starlette(routes=routes, exception_handlers=handlers)
        self._app.router.redirect_slashes = False  # a redirect would lead where the request's Host says

    async def __aenter__(self) -> Self:
        await self._hub.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the streams that still go on, with an error that says why, and close all connections to the upstream."""
        self._leaving = True
        try:
            await self._hub.__aexit__(kind, error, trace)
        finally:
            await self._upstream.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; cancelling it drops the answer, and ends no stream."""
        app: ASGIApp = self._app
        if scope["type"] != "lifespan" and (problem := _page(HTTPConnection(scope))) is not None:
            app = _response(problem)
        await app(scope, receive, send)

    # How it ends.

    def leave(self) -> None:
        """Begin no more streams; what is there can be read and stopped as before."""
        self._leaving = True

    @property
    def live(self) -> int:
        """How many streams of this process go on, or are being begun."""
        return self._upstream.streams

    @property
    def busy(self) -> bool:
        """Whether a stream of this process goes on, or a caller waits for an answer."""
        return bool(self._waiting or self._hub._tasks)

    # The routes of the API; those of streams are in `streams`.

    async def create(self, request: Request) -> Response:
        """Answer `POST /v1/chat/completions`.

        Raises:
            Problem: The request is not taken.
            RelayError: No stream can be begun.
        """
        if self._leaving:
            raise stopping()
        check_content_type(request.headers.get("content-type", ""))
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, _PACKED)
        self._waiting += 1
        try:
            body = await read_body(request.receive, limit=BODY_SIZE, seconds=READ_TIMEOUT)
            return await self._answer(request, body)
        except HangUp:
            return Response(status_code=_GONE)
        finally:
            self._waiting -= 1

    async def _answer(self, request: Request, body: bytes) -> Response:
        asked, scope = Asked.of(body), request.scope
        outgoing = self._upstream.request(scope["headers"], scope["query_string"], body, stream=asked.stream)
        if asked.stream:
            if self.live >= self._max_streams:  # before it costs anything
                raise TooManyStreams(self._max_streams)
            return await self._begin(request, self._upstream.open(outgoing, choices=asked.choices))
        answers: list[Answer] = []

        async def ask() -> None:
            answers.append(await self._upstream.ask(outgoing))

        await unless_gone(ask, request.receive, None)
        if not answers:
            raise HangUp
        return _whole(answers[0])

    async def _begin(self, request: Request, opening: Opening) -> Response:
        """Hand an upstream's stream to the hub, and its caller the first place among the readers."""
        owner = owner_of(request.headers)
        try:
            if not await unless_gone(opening.settled, request.receive, _HOLD):
                raise HangUp
            if (refusal := opening.refusal) is not None:
                await opening.aclose()
                return _whole(refusal)
            stream_id = await self._hub.start(lambda: opening, owner=owner)
            subscription = self._hub.subscribe(stream_id, owner=owner)
            await subscription.open()  # now: a short answer may be over, and no longer kept, when it is read
        except BaseException:
            await opening.aclose()
            raise
        headers = {name: value for name, value in opening.headers.items() if name not in _STREAM_HEADERS}
        return sse_response(subscription, headers={**headers, STREAM_ID: stream_id})

    async def health(self, request: Request) -> Response:
        """Answer `GET /healthz`: whether balancers may send new callers here.

        Raises:
            Problem: They may not, as the gateway is about to stop.
        """
        del request
        if self._leaving:
            raise stopping()
        return Response(b'{"status":"ok"}', headers={"cache-control": "no-store"}, media_type="application/json")


def _page(connection: HTTPConnection) -> Problem | None:
    """What keeps web pages out that try to use the gateway through their visitor's browser; they know no key."""
    if connection.scope["path"] == "/healthz" or owner_of(connection.headers) != ANONYMOUS:
        return None
    try:
        check_host(connection.scope.get("server"), connection.headers)
    except Problem as problem:
        return Problem(403, _FOREIGN, code=problem.code)
    return None


def _whole(answer: Answer) -> Response:
    return Response(answer.body, answer.status, headers=dict(answer.headers))


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a response, to HTTP requests and to those for a WebSocket."""
    told = {**problem.headers, "cache-control": "no-store", **(headers or {})}
    return Response(problem.encode(), problem.status, headers=told, media_type="application/json")


async def _refuse(connection: HTTPConnection, error: Exception) -> Response:
    del connection
    if isinstance(error, OpenAIError):
        _log.info("refused: %s", error)
        return _response(problem_of(error))
    assert isinstance(error, Problem)  # it is registered for nothing else
    return _response(error)


async def _refuse_route(connection: HTTPConnection, error: Exception) -> Response:
    """What no route takes."""
    assert isinstance(error, HTTPException)  # likewise
    place = f"{connection.scope.get('method', 'WebSocket')} {connection.scope['path']}"
    problem = Problem(404, f"{place} is not served here. {_SERVED}", code="unknown_url")
    if error.status_code == 405:
        problem = Problem(405, f"{place} is not allowed. {_SERVED}", code="method_not_supported")
    return _response(problem, error.headers)


async def _fail(connection: HTTPConnection, error: Exception) -> Response:
    """What nobody foresaw: the traceback goes to the log, and nothing of it to the caller."""
    del connection, error
    return _response(
        Problem(500, "The gateway failed. Whoever runs it finds out why with --debug.", code="relay_failed")
    )
