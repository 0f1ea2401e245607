"""`Reading`: one client that reads a hub's stream over a WebSocket.

A socket comes in, and which stream from where; frames go out until the stream ends, the client leaves, does not read, or
stops it. It knows no web framework.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from .errors import RelayError, SlowReader
from .hub import RelayHub
from .log import End
from .sink import Coalesce, pump
from .websocket import GRACE, POLICY, FrameSink, Socket, SocketGone, converse, first_cursor

__all__ = ["Reading"]

# Seconds between tries of a stop that did not get through: the first, the longest.
_AGAIN = (0.1, 1.0)
_NOT_STOPPED = "The stop did not get through yet, and is tried again."


class Reading:
    """One client's reading of a hub's stream.

    Args:
        hub: Whose stream it is.
        stream_id: Of the stream.
        owner: Who asks; None: nobody in particular.
        after: The cursor to go on from; None: from the start.
        first_frame: Seconds to wait for a frame that says otherwise; 0: none is expected.
        may_stop: Whether `{"stop": true}` is obeyed.
        stopping: Whether the server was told to stop; see `converse`.
    """

    def __init__(
        self,
        hub: RelayHub,
        stream_id: str,
        *,
        owner: str | None,
        after: str | None,
        first_frame: float,
        may_stop: bool,
        stopping: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._stream_id = stream_id
        self._owner = owner
        self._after = after
        self._first_frame = first_frame
        self._may_stop = may_stop
        self._stopping = stopping

    async def run(
        self, socket: Socket, sink: FrameSink, *, coalesce: Coalesce, min_interval: float, send_timeout: float
    ) -> End | None:
        """Send the stream until it ends or the client leaves; cancelling it lets go of the stream.

        Args:
            socket: Accepted.
            sink: Of the socket.
            coalesce: As `pump` takes it, and the next two.
            min_interval: Seconds.
            send_timeout: Seconds.

        Returns:
            How the stream ended; None: the client left before, was dropped, the server stops, or there was nothing to read.
        """
        try:
            if self._first_frame:
                self._after = await first_cursor(socket, seconds=self._first_frame) or self._after
            async with self._hub.subscribe(self._stream_id, after=self._after, owner=self._owner) as subscription:

                async def work() -> End:
                    return await pump(
                        subscription, sink, coalesce=coalesce, min_interval=min_interval, send_timeout=send_timeout
                    )

                async def stop() -> None:
                    await self._stop(sink)

                await converse(socket, work, stop if self._may_stop else None, self._stopping)
                return subscription.end
        except SocketGone:
            pass
        except SlowReader:
            with anyio.move_on_after(GRACE):
                await socket.close(POLICY, "too slow")
        except RelayError as error:
            await sink.end("error", error.error, code=POLICY)
        return None

    async def _stop(self, sink: FrameSink) -> None:
        """Stop the stream, or try until it ends: what can't be reached now is no reason to read no further.

        There is such a stream, and the client may stop it, as it reads it: whatever is in the way will pass.
        """
        pause, longest = _AGAIN
        told = False
        while True:
            try:
                await self._hub.stop(self._stream_id, owner=self._owner)
            except RelayError as error:
                if not told:
                    await sink.refuse_stop({**error.error, "type": "server_error", "message": _NOT_STOPPED})
                    told = True
            else:
                return
            await anyio.sleep(pause)
            pause = min(pause * 2, longest)
