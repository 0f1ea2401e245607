"""Around every answer: who asks, what goes wrong before anything is answered, and the headers that all answers carry.

ASGI requests come in and go to the app within, once they are read, let in and not to be spoiled; problems that it
raises go out in the API's shape. It never looks into a body, and never lets an exception reach the ASGI server.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import anyio

from .bodies import read_body
from .faults import HTML, HangUp
from .front import READ_TIMEOUT
from .problems import Problem
from .streams import unless_gone

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .desk import Desk, Visit

__all__ = ["Envelope", "hang_up"]

_log = logging.getLogger("openai_async.server")

_PATIENCE_UNSEEN = 0.01  # seconds to learn whether the client has left already


class Envelope:
    """ASGI middleware.

    Args:
        app: The app within.
        desk: Its state.
        max_body: Bytes that a request may have.
        read_timeout: Seconds that its body may take; None: no limit.
    """

    def __init__(self, app: ASGIApp, *, desk: Desk, max_body: int, read_timeout: float | None = READ_TIMEOUT) -> None:
        self._app = app
        self._desk = desk
        self._max_body = max_body
        self._read_timeout = read_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; cancelling it drops the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = self._desk.arrive(scope, receive)
        scope.setdefault("state", {})["visit"] = visit

        async def send_headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.answered = True
                visit.recorded.status = message["status"]
                headers = self._desk.headers(visit).items()
                message["headers"] = [*message["headers"], *((k.encode(), v.encode("latin-1")) for k, v in headers)]
            elif not message.get("more_body", False):
                # Before it is sent: whoever has read the end finds it noted.
                self._desk.note_end(visit.recorded, whole=True)
            await send(message)

        try:
            await self._serve(visit, scope, receive, send_headed)
        except HangUp:
            self._desk.note_end(visit.recorded, whole=False)
            await hang_up(receive, visit.transport, reset=visit.fault is not None and visit.fault.reset)
        finally:
            self._desk.note_end(visit.recorded, whole=False)

    async def _serve(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            visit.recorded.body = await read_body(receive, limit=self._max_body, seconds=self._read_timeout)
            self._desk.admit(visit)
            if not await self._spoil(visit, receive, send):
                await self._app(scope, receive, send)
        except Problem as problem:
            await _answer(problem, visit, send)
        except HangUp:
            raise
        except Exception as error:  # noqa: BLE001 - logged; whatever a responder raises is an answer of status 500
            # The responder's, or ours: either way the client is told, and the traceback goes to the log.
            _log.exception("A request could not be answered.")
            text = f"The server had an error while processing your request: {type(error).__name__}: {error}"
            await _answer(Problem(500, text), visit, send)

    async def _spoil(self, visit: Visit, receive: Receive, send: Send) -> bool:
        """Do what the fault says about the answer as a whole; True: that was the answer."""
        fault = visit.fault
        if fault is None:
            return False
        if fault.delay:
            await unless_gone(lambda: anyio.sleep(fault.delay), desk=self._desk, receive=receive, asked=visit.recorded)
        if fault.drop:
            raise HangUp
        if fault.html:
            await _send(send, fault.status or 200, HTML, {"content-type": "text/html; charset=utf-8"})
            return True
        if fault.status is not None:
            raise fault.problem
        return False


async def _answer(problem: Problem, visit: Visit, send: Send) -> None:
    if visit.answered:
        raise HangUp
    await _send(send, problem.status, problem.encode(), {"content-type": "application/json", **problem.headers})


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def hang_up(receive: Receive, transport: Any, *, reset: bool = False) -> None:
    """Close a connection with its answer unfinished, and wait until it is closed; cancelling it may leave it open.

    Args:
        receive: Tells of the end.
        transport: The connection; None: the ASGI server does not show it, and closes it because this raises.
        reset: Send a reset (RST) instead of an orderly end (FIN).

    Raises:
        HangUp: The ASGI server has to close the connection itself.
    """
    if transport is None:
        with anyio.move_on_after(_PATIENCE_UNSEEN):
            if (await receive())["type"] == "http.disconnect":
                return
        # Every ASGI server closes the connection when an app fails in the middle of an answer.
        raise HangUp
    if reset:
        # A linger time of zero turns the close into a reset. A transport without a real socket just closes.
        with contextlib.suppress(OSError, AttributeError):
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    # uvicorn would log an error if the app returned before it has noticed the close.
    while (await receive())["type"] != "http.disconnect":
        pass
