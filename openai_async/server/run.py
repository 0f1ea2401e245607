"""A running server: `serve` inside of an event loop, `run_server` as a whole program.

Options come in; out goes the server's base URL, which also tells what the server saw. Closing ends every stream and
every connection within a second. It installs no signal handlers, except for `run_server`, and never prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from typing import TYPE_CHECKING, Any

import anyio

from .front import READ_TIMEOUT, configure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Self, Unpack

    import uvicorn
    from starlette.types import ASGIApp

    from .app import AppOptions
    from .desk import Desk, Recorded
    from .faults import Fault
    from .replies import Responder

__all__ = ["Serving", "run_server", "serve", "serve_app", "serve_forever"]

# Seconds that answers have to end by themselves once the server closes, then without their connection, then cancelled.
_GRACE = 0.3

# Rounds of the loop in which an aborted transport tells its protocol: it takes one, with TLS two.
_ROUNDS = 10


class Serving(str):
    """The base URL of a running server, `http://127.0.0.1:PORT/v1`, and what the server saw."""

    __slots__ = ("_desk", "_server")
    _desk: Desk
    _server: uvicorn.Server

    @classmethod
    def at(cls, url: str, desk: Desk, server: uvicorn.Server) -> Self:
        """Make one; `serve` does."""
        serving = cls(url)
        serving._desk = desk
        serving._server = server
        return serving

    @property
    def requests(self) -> list[Recorded]:
        """The latest requests, oldest first: method, path, headers, body, `json`."""
        return list(self._desk.requests)

    @property
    def aborts(self) -> int:
        """Requests whose client left before the answer was complete."""
        return self._desk.aborts

    async def wait_aborts(self, least: int = 1) -> None:
        """Wait until `aborts` is at least so many: a client's leaving is noticed a moment after it leaves.

        Cancelling it loses nothing. It has no time limit of its own.
        """
        await self._desk.wait_aborts(least)

    @property
    def connections(self) -> int:
        """TCP connections that carried a request since the start, open or closed."""
        return len(self._desk.peers)

    @property
    def open_connections(self) -> int:
        """TCP connections that are open now, those that carried no request yet among them."""
        return len(self._server.server_state.connections)

    async def wait_end(self, recorded: Recorded) -> None:
        """Wait until the answer to one of the `requests` is over, however it ends; cancelling it loses nothing."""
        await self._desk.wait_end(recorded)

    def add_fault(self, fault: Fault) -> None:
        """Let the next requests suffer a fault, after the faults that wait already."""
        self._desk.add_fault(fault)


@contextlib.asynccontextmanager
async def serve(
    responder: Responder | None = None, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[AppOptions]
) -> AsyncGenerator[Serving]:
    """Run a server inside of the current event loop.

        async with serve() as url:
            client = AsyncOpenAI(base_url=url, api_key="any")

    Args:
        responder: Answers the requests; None: `StandIn`, which answers the same request always the same.
        host: Address to listen on.
        port: TCP port; 0: any free one.
        **options: See `AppOptions`.

    Yields:
        The base URL, ready for requests.

    Raises:
        ImportError: The extra `server` is not installed.
        OSError: The port is taken, or `store` can't be opened.
    """
    # Here, because starlette and uvicorn cost 0.2 s of imports, and not everybody who imports this module serves.
    from .app import create_app  # noqa: PLC0415 - see above

    app = create_app(responder, **options)
    with contextlib.closing(app.state.store):
        desk: Desk = app.state.desk
        timeout = options.get("read_timeout", READ_TIMEOUT)
        async with serve_app(app, desk.close, host=host, port=port, read_timeout=timeout) as (url, server):
            yield Serving.at(url, desk, server)


@contextlib.asynccontextmanager
async def serve_app(
    app: ASGIApp,
    close: Callable[[], None],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    read_timeout: float | None = READ_TIMEOUT,
) -> AsyncGenerator[tuple[str, uvicorn.Server]]:
    """Run any ASGI app inside of the current event loop, as `serve` does with its own.

    Args:
        app: The app; of its lifespan it hears nothing.
        close: Called when the server closes: it has to break off every answer under way.
        host: As in `serve`.
        port: As in `serve`.
        read_timeout: Seconds that a request's head may take to arrive; None: no limit.

    Yields:
        The base URL, which ends with `/v1`, and uvicorn's server.

    Raises:
        ImportError: The extra `server` is not installed.
        OSError: The port is taken.
    """
    listener = _bind(host, port)
    server = await _start(app, listener, read_timeout=read_timeout)
    ticker = asyncio.create_task(server.main_loop())
    try:
        yield _url(host, listener), server
    finally:
        # Also when this task is being cancelled: the sockets must go.
        with anyio.CancelScope(shield=True):
            ticker.cancel()
            await asyncio.wait([ticker])
            await _stop(server, close)


async def serve_forever(
    responder: Responder | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[Serving], None] | None = None,
    **options: Unpack[AppOptions],
) -> None:
    """Run a server until the process is told to stop (SIGINT, SIGTERM), or the task is cancelled.

    Args:
        responder: As in `serve`.
        host: Address to listen on.
        port: TCP port; 0: any free one.
        ready: Called with the URL once the server takes requests; None: nobody needs to know.
        **options: See `AppOptions`.

    Raises:
        ImportError: The extra `server` is not installed.
        OSError: The port is taken.
    """
    async with serve(responder, host=host, port=port, **options) as url:
        if ready is not None:
            ready(url)
        await _until_told()


def run_server(
    responder: Responder | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[Serving], None] | None = None,
    **options: Unpack[AppOptions],
) -> None:
    """Run a server in an event loop of its own, until Ctrl-C or SIGTERM; arguments and errors as in `serve_forever`."""
    # Ctrl-C reaches us as KeyboardInterrupt where the loop has no signal handlers (Windows).
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_forever(responder, host=host, port=port, ready=ready, **options))


async def _until_told() -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        # Not on Windows, and not outside of the main thread.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in numbers:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Accepted sockets inherit it. asyncio sets it only for sockets that name their protocol, which these don't: the
    # end of a stream, a write of five bytes, would wait 40 ms for the reader's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(host: str, listener: socket.socket) -> str:
    # A wildcard address is no address to connect to.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{name}:{listener.getsockname()[1]}/v1"


async def _start(app: Any, listener: socket.socket, *, read_timeout: float | None) -> uvicorn.Server:
    """Start uvicorn by its parts: `Server.serve` would install signal handlers, and take 0.2 s to start and stop."""
    try:
        import uvicorn  # noqa: PLC0415 - see `serve`

        config = configure(app, read_timeout=read_timeout)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
    except BaseException:
        listener.close()
        raise
    return server


async def _stop(server: uvicorn.Server, close: Callable[[], None]) -> None:
    """End everything: first what can end by itself, then what can't."""
    for listener in server.servers:
        listener.close()
    state = server.server_state
    close()
    for connection in list(state.connections):
        connection.shutdown()
    await _settle(state.tasks)
    for connection in list(state.connections):
        connection.transport.abort()
    await _settle(state.tasks)
    for task in list(state.tasks):
        task.cancel()
    await _settle(state.tasks)
    for _ in range(_ROUNDS):
        if state.connections:
            await asyncio.sleep(0)


async def _settle(tasks: set[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(list(tasks), timeout=_GRACE)
