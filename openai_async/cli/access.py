"""Around the served app: one line for each request.

Requests pass through to the app within, unchanged; method, path, status and time of each go to a function once it is
over. It never looks into a body.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from .words import one_line

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Access", "AccessLog"]


class Access(msgspec.Struct, kw_only=True):
    """One request, seen from outside.

    Attributes:
        method: In capitals.
        path: As it was asked for, escapes included, without the query.
        status: Of the answer; 0: there was none.
        seconds: From the request's head to the answer's last byte.
        whole: Whether the answer was sent to its end.
    """

    method: str
    path: str
    status: int = 0
    seconds: float = 0.0
    whole: bool = False

    def __str__(self) -> str:
        status = self.status or "no answer"
        cut = "" if self.whole else " (cut off)"
        return f"{self.method} {self.path} {status} {self.seconds * 1000:.0f} ms{cut}"


class AccessLog:
    """ASGI middleware.

    Args:
        app: The app within.
        write: Called with each request when it is over.
    """

    def __init__(self, app: ASGIApp, write: Callable[[Access], None]) -> None:
        self._app = app
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; cancelling it cancels the app within."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        access = Access(method=one_line(scope["method"]), path=one_line(raw.decode("latin-1")))

        async def watched(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                access.status = message["status"]
            elif message["type"] == "http.response.body":
                access.whole = not message.get("more_body", False)

        try:
            await self._app(scope, receive, watched)
        finally:
            access.seconds = perf_counter() - began
            self._write(access)
