"""A request's body, read to its end, within bounds of size and time.

ASGI messages come in, bytes go out, or a `Problem` that says which bound was passed. Nothing here looks into a body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .faults import HangUp
from .problems import Problem

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ["BODY_SIZE", "read_body"]

BODY_SIZE = 32 * 1024 * 1024
"""Bytes that a request may have unless told otherwise."""

# How much of a body that is too large is read and thrown away, so that the client hears why: this many times the limit.
_PATIENCE = 8


class _CutShort(Problem):
    """A problem with a body that was not read to its end: what follows on the connection is no request."""

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "connection": "close"}


async def read_body(receive: Receive, *, limit: int, seconds: float | None) -> bytes:
    """Read a request's body.

    Cancelling it leaves the rest unread.

    Args:
        receive: Gives the messages.
        limit: Bytes that it may have.
        seconds: How long it may take, all of it; None: as long as it likes.

    Raises:
        HangUp: The client left.
        Problem: Status 413, it is too large; 408, it did not arrive in time.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    try:
        with anyio.fail_after(seconds):
            while more and size <= limit * _PATIENCE:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HangUp
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
                if size <= limit:
                    parts.append(message.get("body", b""))
                else:
                    parts.clear()
    except TimeoutError:
        text = f"The body of your request did not arrive within {seconds:g} seconds."
        raise _CutShort(408, text, code="request_timeout") from None
    if size > limit:
        text = f"Your request is too large: the limit is {limit} bytes."
        raise (_CutShort if more else Problem)(413, text, code="request_too_large")
    return b"".join(parts)
