"""The server as a Starlette app: `create_app`.

HTTP requests come in through any ASGI server; out go chat completions, plain or streamed, the list of models, and
errors, all in the API's shape. It opens no socket; `run` does.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, closing
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as _error:
    raise ImportError("the embedded server needs the extra 'server' (starlette, sse-starlette, uvicorn)") from _error

from .bodies import BODY_SIZE
from .chunks import close_source, events_of, live_events
from .desk import Desk
from .envelope import Envelope
from .front import READ_TIMEOUT
from .pages import check_content_type
from .problems import Problem
from .replies import StandIn, completion_of
from .requests import read_request
from .store import Store
from .stored import Keeper, StoredCompletions, by_method
from .streams import EventAnswer, PieceAnswer, load_sse, paced, unless_gone

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
    from typing import Unpack

    from starlette.types import ASGIApp

    from .desk import Recorded
    from .faults import Fault
    from .limits import RateLimits
    from .replies import Responder

__all__ = ["AppOptions", "create_app"]

# Where the API is: at OpenAI's own place, Groq's, and Azure's, whose deployment is named by `model` all the same.
_PLACES = ("/v1", "/openai/v1", "/openai/deployments/{deployment}")

# What the list of models shows when every name is a model.
_ANY_MODEL = "stand-in"
_MODEL_CREATED = 1_735_689_600


class AppOptions(TypedDict, total=False):
    """What a server can be told; `create_app` and `serve` take the same.

    Attributes:
        api_key: The key, or keys, that clients must send; None: none is asked for.
        models: Names of the models that exist; None: every name is a model.
        faults: What goes wrong with the first requests, in this order.
        fault_for: Says what goes wrong with a request, once it is here and let in, or raises a `Problem`; None, also
            when it returns that: what `faults` say.
        fault_header: The request header that may order a fault; None: none may. By default `x-fault`.
        delay: Seconds between tokens of a stream.
        limits: Rate limits to report, and to keep if they say so; None: generous ones, not enforced.
        clock: Seconds since 1970, to date answers with; None: an answer's date depends on its request only.
        ignore_unknown: Drop what the API does not know instead of refusing it: parameters, and keys inside of them.
        ping: Seconds between keep-alive comments on a stream; 0: none. By default 15.
        send_timeout: Seconds after which a client that does not read is cut off; None: never. By default 60.
        max_body: Bytes that a request may have. By default 32 MiB.
        read_timeout: Seconds that a request's head, where the server is one of `serve`, and then its body may take to
            arrive; None: no limit. By default 60.
        keep: How many of the latest requests are remembered. By default 10,000.
        store: The SQLite file for completions that are to be stored, made if there is none; None: memory.
    """

    api_key: str | Collection[str] | None
    models: Collection[str] | None
    faults: Iterable[Fault]
    fault_for: Callable[[Recorded], Fault | None] | None
    fault_header: str | None
    delay: float
    limits: RateLimits | None
    clock: Callable[[], float] | None
    ignore_unknown: bool
    ping: float
    send_timeout: float | None
    max_body: int
    read_timeout: float | None
    keep: int
    store: str | os.PathLike[str] | None


def create_app(responder: Responder | None = None, **options: Unpack[AppOptions]) -> Starlette:
    """Make an app that answers below `/v1/chat/completions` and `/v1/models`.

    Args:
        responder: Answers the requests; None: `StandIn`, which answers the same request always the same.
        **options: See `AppOptions`.

    Returns:
        The app; its state is in `app.state.desk`, and what it stored in `app.state.store`, which the end of the app's
        lifespan closes.

    Raises:
        OSError: The file `store` can't be opened, or is no store.
    """
    key = options.get("api_key")
    desk = Desk(
        api_keys=[key] if isinstance(key, str) else key or (),
        models=options.get("models"),
        faults=options.get("faults", ()),
        fault_for=options.get("fault_for"),
        fault_header=options.get("fault_header", "x-fault"),
        limits=options.get("limits"),
        clock=options.get("clock"),
        keep=options.get("keep", 10_000),
    )
    load_sse()
    store = Store(options.get("store"))
    chat = _Chat(responder or StandIn(), desk, store, options)
    app = Starlette(
        routes=[route for place in _PLACES for route in chat.routes(place)],
        middleware=[
            Middleware(
                Envelope,
                desk=desk,
                max_body=options.get("max_body", BODY_SIZE),
                read_timeout=options.get("read_timeout", READ_TIMEOUT),
            )
        ],
        exception_handlers={HTTPException: _refuse},
        lifespan=_lifespan,
    )
    # The API has no second name for a place.
    app.router.redirect_slashes = False
    app.state.desk = desk
    app.state.store = store
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncGenerator[None]:
    # An app may be started again after its end; test clients do that.
    app.state.store.reopen()
    with closing(app.state.store):
        yield


class _Chat:
    """The endpoints."""

    def __init__(self, responder: Responder, desk: Desk, store: Store, options: AppOptions) -> None:
        self._responder = responder
        self._desk = desk
        self._store = store
        self._delay = options.get("delay", 0.0)
        self._ignore_unknown = options.get("ignore_unknown", False)
        self._ping = options.get("ping", 15.0)
        self._send_timeout = options.get("send_timeout", 60.0)

    def routes(self, place: str) -> list[Route]:
        """Return the routes below a place such as `/v1`."""
        stored, path = StoredCompletions(self._store), f"{place}/chat/completions"
        one = by_method(GET=stored.retrieve, POST=stored.update, DELETE=stored.delete)
        return [
            Route(path, by_method(GET=stored.list, POST=self.create), methods=["GET", "POST"]),
            Route(f"{path}/{{id}}", one, methods=["GET", "POST", "DELETE"]),
            Route(f"{path}/{{id}}/messages", stored.messages),
            Route(f"{place}/models", self.list_models),
            Route(f"{place}/models/{{name:path}}", self.retrieve_model),
        ]

    async def create(self, request: Request) -> ASGIApp:
        """Answer a chat completion request."""
        visit = request.state.visit
        check_content_type(request.headers.get("content-type", ""))
        asked = read_request(visit.recorded.body, ignore_unknown=self._ignore_unknown)
        self._desk.check_model(asked["model"])
        created = self._desk.created()
        keeper = Keeper(self._store, asked)

        def finished(completion: dict[str, Any]) -> None:
            self._desk.limits.spend(completion.get("usage", {}).get("total_tokens", 0), now=visit.began)
            keeper.take(completion)

        receive, recorded = request.receive, visit.recorded
        reply = await unless_gone(lambda: self._reply(asked), desk=self._desk, receive=receive, asked=recorded)
        if isinstance(reply, _Live) and asked.get("stream"):
            events = live_events(asked, reply.pieces(), created=created, id=keeper.id(), finished=finished)
        else:
            said = "".join(reply.texts) if isinstance(reply, _Live) else reply
            completion = keeper.renamed(completion_of(asked, said, created=created))
            finished(completion)
            if not asked.get("stream"):
                keeper.keep()
                body = msgspec.json.encode(completion)
                if visit.fault is not None:
                    return PieceAnswer(body, desk=self._desk, visit=visit)
                return Response(body, media_type="application/json")
            events = paced(events_of(asked, completion), self._delay)
        if asked.get("store"):
            events = keeper.watch(events)
        return EventAnswer(events, desk=self._desk, visit=visit, ping=self._ping, send_timeout=self._send_timeout)

    async def _reply(self, asked: dict[str, Any]) -> Any:
        """Ask the responder; of text that is still being written, wait for the first piece, or for all of it."""
        reply: Any = self._responder(asked)
        if isawaitable(reply):
            reply = await reply
        if not hasattr(reply, "__anext__"):
            return reply
        live = _Live(reply)
        await live.start(whole=not asked.get("stream"))
        return live

    async def list_models(self, request: Request) -> Response:
        """Answer `GET /v1/models`."""
        del request
        names = [_ANY_MODEL] if self._desk.models is None else self._desk.models
        return _json({"object": "list", "data": [_model(name) for name in names]})

    async def retrieve_model(self, request: Request) -> Response:
        """Answer `GET /v1/models/{id}`."""
        name: str = request.path_params["name"]
        self._desk.check_model(name)
        return _json(_model(name))


class _Live:
    """Text that is still being written.

    Its first piece is read before the answer begins: a responder that fails at once then gets a proper status.
    """

    def __init__(self, source: AsyncIterator[str]) -> None:
        self._source = source
        self.texts: list[str] = []

    async def start(self, *, whole: bool) -> None:
        async for text in self._source:
            self.texts.append(text)
            if not whole:
                break

    async def pieces(self) -> AsyncGenerator[str]:
        try:
            for text in self.texts:
                yield text
            async for text in self._source:
                yield text
        finally:
            await close_source(self._source)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _MODEL_CREATED, "owned_by": "embedded"}


def _json(data: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    """What no route takes: 404 and 405 in the API's words."""
    assert isinstance(error, HTTPException)  # it is registered for nothing else
    place = f"{request.method} {request.url.path}"
    problem = Problem(error.status_code, f"Invalid URL ({place})")
    if error.status_code == 405:
        text = f"Not allowed to {request.method} on {request.url.path}. (HINT: use a different HTTP method?)"
        problem = Problem(405, text, code="method_not_supported")
    headers = dict(error.headers or {})
    return Response(problem.encode(), error.status_code, headers=headers, media_type="application/json")
