"""`pump`: a subscription into a sink, as fast as the sink is.

Batches come in, and are sent one after another; what came meanwhile is the next. Nothing is queued.
"""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from openai_async.errors import StreamStateError

from .log import Batch, End
from .merge import merged
from .sendlimit import SendLimit
from .subscription import Subscription

__all__ = ["Coalesce", "Sink", "pump"]

Coalesce = Literal["never", "lagging", "always"]


class Sink(Protocol):
    """Where a stream is written to: a socket, a file, a page."""

    async def send(self, batch: Batch) -> None:
        """Send a batch; it returns when the next one may come. Whatever it raises ends the pumping."""
        ...

    async def close(self, end: End) -> None:
        """Tell how the stream ended; called once, after all batches."""
        ...


async def pump(
    sub: Subscription,
    sink: Sink,
    *,
    coalesce: Coalesce = "lagging",
    min_interval: float = 0.0,
    send_timeout: float = 30.0,
) -> End:
    """Send a stream to its end, and close the subscription; the sink is closed if the stream ended.

    Cancelling it loses at most the batch that is being sent; the reader's own cursor tells.

    Args:
        sub: Read by nothing else.
        sink: Written by nothing else.
        coalesce: Whether neighbouring pieces of text are sent as one: "lagging", where the sink was still sending when
            they came; "always", whatever comes together.
        min_interval: Seconds from one send to the next, at least.
        send_timeout: Seconds that one send may take.

    Returns:
        How the stream ended.

    Raises:
        StreamStateError: The subscription was closed by somebody else, or is being read.
        SlowReader: One send took longer than `send_timeout`.
        RelayError: What `Subscription.open` raises.
        ValueError: An argument is none of these.
        Exception: Whatever the sink raises.
    """
    if coalesce not in ("never", "lagging", "always"):
        raise ValueError(f'coalesce must be "never", "lagging" or "always", not {coalesce!r}')
    if not (min_interval >= 0 and send_timeout > 0):
        raise ValueError("min_interval must not be negative, and send_timeout must be above 0, both in seconds")
    loop = asyncio.get_running_loop()
    behind = False
    limit = SendLimit(send_timeout)
    try:
        async with sub:
            async for batch in sub:
                parts = merged(batch) if coalesce == "always" or (behind and coalesce == "lagging") else [batch]
                for part in parts:
                    sent = loop.time()
                    await limit.within(sink.send(part))
                    if min_interval and (rest := sent + min_interval - loop.time()) > 0:
                        await asyncio.sleep(rest)
                behind = sub.behind > 0
            end = sub.end
        if end is None:
            raise StreamStateError("The subscription was closed before its stream ended.")
        await limit.within(sink.close(end))
        return end
    finally:
        limit.close()
