"""One upstream, many readers: streams that are resumed, shared, and stopped, on one machine or on many.

    async with RelayHub() as hub:
        stream_id = await hub.start(lambda: client.chat.completions.create(…, stream=True))
        async for batch in hub.subscribe(stream_id):
            ...

This is the core, which needs no server. What serves browsers is in `relay.starlette` and `relay.aiohttp`, what spans
processes in `relay.redis`; each imports what it needs.
"""

from __future__ import annotations

from .backend import RelayBackend, RelaySettings, StreamRecord, StreamStatus
from .cursor import Cursor
from .errors import (
    BadCursor,
    Fenced,
    Held,
    HubClosed,
    RelayError,
    SlowReader,
    StreamEnded,
    StreamExpired,
    StreamTooLarge,
    TooManyStreams,
    UnknownStream,
)
from .hub import RelayHub
from .log import Batch, End, MemoryLog
from .memory import MemoryBackend
from .merge import merge
from .producer import Producer
from .sink import Sink, pump
from .source import PayloadStream, Source
from .subscription import Subscription

__all__ = [
    "BadCursor",
    "Batch",
    "Cursor",
    "End",
    "Fenced",
    "Held",
    "HubClosed",
    "MemoryBackend",
    "MemoryLog",
    "PayloadStream",
    "Producer",
    "RelayBackend",
    "RelayError",
    "RelayHub",
    "RelaySettings",
    "Sink",
    "SlowReader",
    "Source",
    "StreamEnded",
    "StreamExpired",
    "StreamRecord",
    "StreamStatus",
    "StreamTooLarge",
    "Subscription",
    "TooManyStreams",
    "UnknownStream",
    "merge",
    "pump",
]
