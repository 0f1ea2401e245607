"""Misbehaviour as data: what a server may do wrong, and doing it.

A `Fault` and a good answer come in; out go the spoiled bytes, or `HangUp` where the connection ends. Faults combine: a
stream may ping, use CRLF, come in pieces of seven bytes and then be cut. It never touches a socket; `streams` does.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

import anyio
import msgspec

from openai_async.protocol.sse import ServerSentEvent, encode

from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .chunks import Event

__all__ = ["HTML", "Fault", "HangUp", "spoiled", "spoiled_body"]

HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"

_LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


class HangUp(Exception):  # noqa: N818 - an order to the connection, no fault of the program
    """The connection is to be closed here and now, the answer unfinished."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next requests; every field but the first two is one thing that can.

    Those with `after` happen after so many tokens of a stream, or before its end if it has fewer. In a plain answer
    they happen in the middle of the body.

    Attributes:
        times: Requests that it is for; 0: all that follow.
        skip: Requests that are spared before that.
        delay: Seconds before the answer begins.
        status: Answer with this error status, in the API's shape; None: don't.
        code: The error's code; None: the API's usual one for the status.
        message: The error's sentence; None: one that says it was asked for.
        retry_after: Seconds to put into `retry-after`; None: no such header.
        html: Answer 200 (or `status`) with a web page.
        drop: Close the connection without any answer.
        cut_after: Close the connection without ending the body; None: don't.
        reset: When closing early, send a reset (RST) instead of an orderly end (FIN).
        stall_after: Fall silent, and keep the connection open until the client leaves; None: don't.
        error_after: Send an error event and end the stream; None: don't.
        bad_json_after: Break the JSON of one event; None: don't.
        no_finish: Leave out the finish reasons.
        no_done: Leave out `[DONE]`.
        pings: Send a comment before each event.
        bom: Begin with a byte order mark.
        line_end: How lines end: lf, crlf or cr.
        sizes: Sizes, in bytes, of the pieces in which the body is sent, over and over; empty: one per event.
        byte_delay: Seconds before each piece.
    """

    times: int = 1
    skip: int = 0
    delay: float = 0.0
    status: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None
    html: bool = False
    drop: bool = False
    cut_after: int | None = None
    reset: bool = False
    stall_after: int | None = None
    error_after: int | None = None
    bad_json_after: int | None = None
    no_finish: bool = False
    no_done: bool = False
    pings: bool = False
    bom: bool = False
    line_end: Literal["lf", "crlf", "cr"] = "lf"
    sizes: tuple[int, ...] = ()
    byte_delay: float = 0.0

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.sizes):
            raise ValueError("sizes must be 1 or more")
        if self.status is not None and not 400 <= self.status <= 599:
            raise ValueError("status must be from 400 to 599")

    @classmethod
    def from_header(cls, text: str) -> Fault:
        """Read a fault from a header: `status=429; retry-after=1`, `sizes=1,2,3`, `no-done`.

        Raises:
            Problem: Status 400; the text names no field, or a value does not suit it.
        """
        fields: dict[str, Any] = {}
        for part in filter(None, map(str.strip, text.split(";"))):
            name, _, value = part.partition("=")
            key = name.strip().replace("-", "_")
            fields[key] = value.strip().split(",") if key == "sizes" else value.strip() or "true"
        try:
            return msgspec.convert(fields, cls, strict=False)
        except msgspec.ValidationError as error:
            raise Problem(400, f"Invalid fault: {error}.", param="x-fault", code="invalid_fault") from error

    @property
    def problem(self) -> Problem:
        """The error to answer with when there is a `status`."""
        status = self.status or 500
        text = self.message if self.message is not None else f"This error was asked for: status {status}."
        return Problem(status, text, code=self.code, retry_after=self.retry_after)


async def spoiled(events: AsyncGenerator[Event], fault: Fault) -> AsyncGenerator[bytes]:
    """Frame the events of a stream, with everything wrong that the fault says.

    Args:
        events: The events of a good stream; closed at the end.
        fault: What goes wrong.

    Yields:
        The pieces to send, one write each.

    Raises:
        HangUp: The connection is to be closed.
    """
    cutter = _Pieces(fault)
    if fault.bom:
        cutter.add(b"\xef\xbb\xbf")
    tokens = 0
    async with aclosing(events):
        async for event in events:
            act = _act(event, fault, tokens)
            if act is not None:
                async for piece in cutter.rest(_error_frame(fault) if act == "error" else b""):
                    yield piece
                if act == "error":
                    return
                await _give_up(act)
            for piece in cutter.cut(_frame(event, fault, tokens)):
                await anyio.sleep(fault.byte_delay)
                yield piece
            tokens += event.kind == "token"
    async for piece in cutter.rest():
        yield piece


async def spoiled_body(body: bytes, fault: Fault) -> AsyncGenerator[bytes]:
    """Cut a plain answer's body into the pieces to send, spoiled as the fault says.

    Raises:
        HangUp: The connection is to be closed.
    """
    cutter = _Pieces(fault)
    if fault.bad_json_after is not None:
        body = body[: len(body) // 2]
    act = "cut" if fault.cut_after is not None else "stall" if fault.stall_after is not None else None
    async for piece in cutter.rest(body if act is None else body[: len(body) // 2]):
        yield piece
    if act is not None:
        await _give_up(act)


async def _give_up(act: str) -> None:
    if act == "cut":
        raise HangUp
    # Until the client leaves or the server closes: both cancel this.
    await anyio.sleep_forever()


def _act(event: Event, fault: Fault, tokens: int) -> str | None:
    """What happens instead of this event and all that follow; None: nothing."""
    for act, after in (("cut", fault.cut_after), ("stall", fault.stall_after), ("error", fault.error_after)):
        if _due(event, after, tokens):
            return act
    return None


def _due(event: Event, after: int | None, tokens: int) -> bool:
    """Whether what happens after so many tokens happens before this event."""
    if after is None or event.kind == "role":
        return False
    return tokens == after if event.kind == "token" else tokens <= after


def _frame(event: Event, fault: Fault, tokens: int) -> bytes:
    """The bytes of one event; none where it is left out."""
    if (event.kind == "done" and fault.no_done) or (event.kind == "finish" and fault.no_finish):
        return b""
    data = event.data
    if event.kind == "token" and tokens == fault.bad_json_after:
        data = data[: len(data) // 2]
    return _lines((b": ping\n\n" if fault.pings else b"") + encode(ServerSentEvent(data=data)), fault)


def _error_frame(fault: Fault) -> bytes:
    problem = Problem(500, "The server had an error while processing your request.", code=fault.code)
    return _lines(encode(ServerSentEvent(data=problem.encode())), fault)


def _lines(frame: bytes, fault: Fault) -> bytes:
    # Nothing but line ends is LF in a frame: JSON escapes it.
    return frame if fault.line_end == "lf" else frame.replace(b"\n", _LINE_ENDS[fault.line_end])


class _Pieces:
    """Cuts bytes into the sizes that a fault asks for, over the borders of events."""

    def __init__(self, fault: Fault) -> None:
        self._sizes = cycle(fault.sizes) if fault.sizes else None
        self._delay = fault.byte_delay
        self._wanted = next(self._sizes) if self._sizes is not None else 0
        self._held = b""

    def add(self, data: bytes) -> None:
        """Hold bytes until the next piece."""
        self._held += data

    def cut(self, data: bytes) -> list[bytes]:
        """Take bytes and return the pieces that are full, possibly none."""
        self._held += data
        if self._sizes is None:
            whole, self._held = self._held, b""
            return [whole] if whole else []
        pieces: list[bytes] = []
        while len(self._held) >= self._wanted:
            pieces.append(self._held[: self._wanted])
            self._held = self._held[self._wanted :]
            self._wanted = next(self._sizes)
        return pieces

    async def rest(self, data: bytes = b"") -> AsyncGenerator[bytes]:
        """Yield all that is left, with the fault's pauses; the last piece may be short."""
        for piece in [*self.cut(data), self._held]:
            if piece:
                await anyio.sleep(self._delay)
                yield piece
        self._held = b""
