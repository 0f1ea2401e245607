"""Sending an answer that takes its time: streams, and plain answers that are cut up or waited for.

Events or pieces of a body come in; they go out through sse-starlette or as a plain body, one write each, until all are
sent, the client leaves or the server closes. It never makes or spoils a piece.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel

from openai_async.protocol.sse import ServerSentEvent, encode

from .faults import HangUp, spoiled, spoiled_body
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    from sse_starlette import EventSourceResponse
    from starlette.types import Message, Receive, Scope, Send

    from .chunks import Event
    from .desk import Desk, Recorded, Visit

__all__ = ["EventAnswer", "PieceAnswer", "load_sse", "paced", "unless_gone"]

_T = TypeVar("_T")

_TURN = 32  # events that one stream may send before the others have a turn


@cache
def load_sse() -> type[EventSourceResponse]:
    """Import sse-starlette, and return its response class, freed of its watch for shutdown.

    The import patches uvicorn's signal handler for the whole process: it happens when the first app is made, not
    before. The watch is replaced because it polls twice a second in a task that outlives the server, follows a flag
    that one signal sets for all later servers of the process, and sees only shutdowns that come by signal. Ours is
    `Desk.close`. The method is private: a test fails when it is no longer called.
    """
    from sse_starlette import EventSourceResponse as Base  # noqa: PLC0415 - see above

    class Response(Base):
        async def _listen_for_exit_signal_with_grace(self) -> None:
            await anyio.sleep_forever()

    return Response


async def unless_gone(
    work: Callable[[], Awaitable[_T]], *, desk: Desk, receive: Receive, asked: Recorded | None = None
) -> _T:
    """Do some work while watching the client; cancelling it cancels the work.

    Args:
        work: What to do.
        desk: Counts the client's leaving; its `close` cancels the work, too.
        receive: Tells of the client's leaving; nothing else may be using it.
        asked: The client's request, which the desk is told; None: nobody needs to know.

    Raises:
        HangUp: The client left, or the server closes.
        Exception: Whatever the work raised.
    """
    outcome: list[Any] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        desk.open.add(group.cancel_scope)

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            desk.note_abort(asked)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            outcome.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
            failure = error
        finally:
            desk.open.discard(group.cancel_scope)
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not outcome:
        raise HangUp
    return outcome[0]  # type: ignore[no-any-return]  # a list because an empty one says that there is no result


async def paced(events: Iterator[Event], delay: float) -> AsyncGenerator[Event]:
    """Hand out events with a pause of `delay` seconds before each token."""
    for event in events:
        if delay and event.kind == "token":
            await anyio.sleep(delay)
        yield event


class EventAnswer:
    """A streamed answer, as an ASGI app.

    Args:
        events: The events; closed at the end, however it comes.
        desk: The app's state.
        visit: The request.
        ping: Seconds between keep-alive comments; 0: none. Never sent when a fault cuts events in pieces.
        send_timeout: Seconds that one write may wait for a client that does not read; None: no limit.
    """

    def __init__(
        self, events: AsyncGenerator[Event], *, desk: Desk, visit: Visit, ping: float, send_timeout: float | None
    ) -> None:
        self._desk = desk
        self._finished = False
        fault = visit.fault
        self._ping = ping if fault is None or not fault.sizes else 0
        self._send_timeout = send_timeout
        self._recorded = visit.recorded
        self._transport = visit.transport
        self._pieces = _framed(events) if fault is None else spoiled(events, fault)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer.

        Raises:
            HangUp: It could not be completed: the client left, does not read, or the server closes.
        """
        async with aclosing(self._pieces):
            response = load_sse()(
                self._counted(),
                headers={"cache-control": "no-cache, must-revalidate"},
                ping=self._ping,
                sep="\n",
                ping_message_factory=_ping,
                send_timeout=self._send_timeout,
                client_close_handler_callable=self._left,
            )
            with anyio.CancelScope() as cancel:
                self._desk.open.add(cancel)
                try:
                    await response(scope, receive, send)
                except TimeoutError:
                    pass  # the client does not read: no use in sending more
                finally:
                    self._desk.open.discard(cancel)
        if not self._finished:
            raise HangUp

    async def _counted(self) -> AsyncGenerator[bytes]:
        async for piece in self._pieces:
            await _until_lost(self._transport)
            yield piece
        self._finished = True

    async def _left(self, message: Message) -> None:
        del message
        # It is also called when the server itself has ended the answer.
        if not self._finished:
            self._desk.note_abort(self._recorded)


async def _until_lost(transport: Any) -> None:
    """Return at once unless the connection is broken; then wait to be told, which cancels this.

    A write has failed by then, and asyncio logs a warning for every further one.
    """
    if transport is not None and transport.is_closing():
        await anyio.sleep_forever()


def _ping() -> Any:
    from sse_starlette import ServerSentEvent as Comment  # noqa: PLC0415 - see load_sse

    return Comment(comment="keep-alive", sep="\n")


async def _framed(events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """Frame events; a failure in the middle becomes the stream's last events."""
    turn = 0
    async with aclosing(events):
        try:
            async for event in events:
                turn += 1
                if turn % _TURN == 0:
                    await anyio.lowlevel.checkpoint()
                yield encode(ServerSentEvent(data=event.data))
        except Exception as error:  # noqa: BLE001 - the client is told; a responder's failure must not look like a cut
            problem = error if isinstance(error, Problem) else Problem(500, f"The responder failed: {error!r}")
            yield encode(ServerSentEvent(data=problem.encode())) + b"data: [DONE]\n\n"


class PieceAnswer:
    """A plain answer that a fault spoils, as an ASGI app."""

    def __init__(self, body: bytes, *, desk: Desk, visit: Visit) -> None:
        assert visit.fault is not None  # without one, the body is sent as a plain response
        self._body = body
        self._desk = desk
        self._fault = visit.fault
        self._recorded = visit.recorded
        self._transport = visit.transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer.

        Raises:
            HangUp: It was to be cut, the client left, or the server closes.
        """
        del scope
        headers = [(b"content-type", b"application/json")]
        transport = self._transport

        async def work() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with aclosing(spoiled_body(self._body, self._fault)) as pieces:
                async for piece in pieces:
                    await _until_lost(transport)
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        await unless_gone(work, desk=self._desk, receive=receive, asked=self._recorded)
