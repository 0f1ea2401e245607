"""The front of the server: how uvicorn takes connections in, how many of them, and how long they may keep it waiting.

An app goes in, uvicorn's configuration comes out. What uvicorn has no limit for is added to its protocol: the time that
a request's head takes to arrive, and, whichever parser is installed, its size. Nothing here listens.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

__all__ = ["READ_TIMEOUT", "configure"]

# Seconds that a request's head, and then its body, may take to arrive.
READ_TIMEOUT = 60.0

# Longer than clients keep theirs: the server never closes a connection on which a request is just being sent.
_KEEP_ALIVE = 120
# More than a test opens; what comes beyond is answered with 503.
_CONNECTIONS = 10_000
_HEAD_SIZE = 128 * 1024  # bytes; h11 gives up at 16 KiB with a 400, httptools has no limit


def configure(app: Any, *, read_timeout: float | None, **options: Any) -> uvicorn.Config:
    """Return the configuration of uvicorn for an app.

    Args:
        app: Any ASGI app.
        read_timeout: Seconds that a request's head may take, from the connection's beginning or its own first byte;
            None: no limit.
        **options: Further ones of `uvicorn.Config`.

    Raises:
        ImportError: uvicorn is not installed.
    """
    import uvicorn  # noqa: PLC0415 - 0.1 s, and not everybody who imports the package serves

    # log_config=None: the process's logging is not ours to configure.
    return uvicorn.Config(
        app,
        http=_patient(read_timeout),
        log_config=None,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        limit_concurrency=_CONNECTIONS,
        **options,
    )


class _Patience(asyncio.Protocol):
    """What is put before uvicorn's protocol: it closes connections whose next head is late or endless.

    `cycle` is uvicorn's word for a request and its answer, and its own attribute; a test fails when it is no longer set.
    """

    seconds: float | None
    cycle: Any
    transport: asyncio.Transport
    _late: asyncio.TimerHandle | None = None
    _unread = 0  # bytes of a head that is not complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop()
        elif before is None or before.response_complete:
            self._wait()
            self._unread += len(data)
            if self._unread > _HEAD_SIZE:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._late is None and self.seconds is not None:
            self._late = asyncio.get_running_loop().call_later(self.seconds, self.transport.close)

    def _stop(self) -> None:
        self._unread = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None


@cache
def _patient(seconds: float | None) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, of the parser that is installed, with a limit for heads."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol  # noqa: PLC0415 - as above

    return type("PatientProtocol", (_Patience, AutoHTTPProtocol), {"seconds": seconds})
