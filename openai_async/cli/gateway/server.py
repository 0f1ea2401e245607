"""`GatewayServer`: uvicorn for a gateway, which leaves in order.

A gateway and a socket come in; it serves until the process is told to stop. Then no more streams begin, those that go
on have their grace, and readers who are still there get a farewell and the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from openai_async.server.front import READ_TIMEOUT, configure

from .gateway import Gateway

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["GatewayServer"]

# Seconds that farewells have to get out; a reader who does not read is cut off after that.
_FAREWELL = 3


class GatewayServer(uvicorn.Server):
    """uvicorn for a gateway.

    Overridden are `handle_exit` and `on_tick`, which uvicorn calls ten times a second; a test fails when it does not.

    Args:
        gateway: Entered.
        app: It, or what is put before it.
        websockets: Whether the package of that name is there to serve WebSockets with.
        grace: Seconds that streams may go on once the process is told to stop. A second signal ends it.
        told: Called then, with the number of streams.
        read_timeout: Seconds that a request's head may take to arrive.
    """

    should_exit: bool  # uvicorn's

    def __init__(
        self,
        gateway: Gateway,
        app: ASGIApp,
        *,
        websockets: bool,
        grace: float,
        told: Callable[[int], object],
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        config = configure(app, read_timeout=read_timeout, access_log=False, timeout_graceful_shutdown=_FAREWELL)
        config.http = _upgradable(config.http)
        config.ws = "websockets-sansio" if websockets else "none"
        super().__init__(config)
        self._gateway = gateway
        self._grace = grace
        self._told = told
        self._stopping = False  # a signal came
        self._idle = False
        self._ends: float | None = None  # when the grace is over, by the loop's clock; None: it has not begun

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: the first begins the grace, the second ends it, the third ends everything."""
        del sig, frame
        if self.should_exit:
            self.force_exit = True
        elif self._stopping:
            self.should_exit = True
        self._stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Do what is due; True: stop serving."""
        if self._stopping:
            now = asyncio.get_running_loop().time()
            if self._ends is None:
                self._ends = now + self._grace
                self._gateway.leave()
                self._told(self._gateway.live)
            # Twice in a row: the end of a stream that has just ended is still on its way to its readers.
            was_idle, self._idle = self._idle, not self._gateway.busy
            if (was_idle and self._idle) or now >= self._ends:
                self.should_exit = True
        return await super().on_tick(counter)


class _Upgrade:
    """What is put before uvicorn's protocol: a connection that becomes a WebSocket has no head to wait for.

    A handshake that websockets can't read (with a body, or a line too long) would have no answer, and hold its connection for
    good; `handshake_initiated` is uvicorn's word for one that it can, and a test fails when it is no longer set.
    """

    seconds: float | None
    transport: asyncio.Transport
    _stop: Callable[[], None]
    send_400_response: Callable[[str], None]

    def handle_websocket_upgrade(self, *event: Any) -> None:
        self._stop()
        self.seconds = None
        upgrade: Any = super()
        upgrade.handle_websocket_upgrade(*event)
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:
            self.send_400_response("Invalid HTTP request received.")


def _upgradable(protocol: Any) -> Any:
    return type("GatewayProtocol", (_Upgrade, protocol), {})
