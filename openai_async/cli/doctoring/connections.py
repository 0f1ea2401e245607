"""`Connections`: a transport that keeps count of the connections which its requests open.

Requests pass through to the transport within, unchanged; of each that is answered is noted whether a connection was made for
it, or one that was kept alive served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai_async.transport.message import Request, Response, Transport
    from openai_async.transport.timer import Timer

__all__ = ["Connections"]


class Connections:
    """The connections of a client.

    Args:
        transport: Makes them; it tells the timer of a request when one is made.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._opened: list[bool] = []

    @property
    def reused(self) -> bool:
        """Whether any request but the first was served by a connection that was there."""
        return not all(self._opened[1:])

    @property
    def closed(self) -> bool:
        """Whether it takes no further requests; see `Transport.closed`."""
        return self._transport.closed

    async def send(self, request: Request, timer: Timer) -> Response:
        """Send `request`; cancels and raises as `Transport.send`."""
        response = await self._transport.send(request, timer)
        self._opened.append("connecting" in timer.marks)
        return response

    async def aclose(self) -> None:
        """Close all connections; cancels as `Transport.aclose`."""
        await self._transport.aclose()
