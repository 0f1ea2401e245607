"""`pump`: a subscription into a sink, as fast as the sink is.

Batches come in, and are sent one after another; what came meanwhile is the next. Nothing is queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal, Protocol

from openai_async.errors import StreamStateError

from .errors import SlowReader
from .log import Batch, End
from .merge import merged
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
    async with sub:
        async for batch in sub:
            parts = merged(batch) if coalesce == "always" or (behind and coalesce == "lagging") else [batch]
            for part in parts:
                sent = loop.time()
                await _within(sink.send(part), send_timeout)
                if (rest := sent + min_interval - loop.time()) > 0:
                    await asyncio.sleep(rest)
            behind = sub.behind > 0
        end = sub.end
    if end is None:
        raise StreamStateError("The subscription was closed before its stream ended.")
    await _within(sink.close(end), send_timeout)
    return end


async def _within(sending: Awaitable[None], seconds: float) -> None:
    """Await a send for so long."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await sending
    except TimeoutError:
        if limit.expired():
            raise SlowReader(seconds) from None
        raise
