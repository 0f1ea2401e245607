"""What a stream's payloads add up to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from openai_async.errors import APIError
from openai_async.protocol.chunks import ChunkDecoder
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import ServerSentEvent
from openai_async.types.chunk import ChatCompletionChunk

if TYPE_CHECKING:
    from openai_async.types.completion import ChatCompletion

__all__ = ["completion_of"]


def completion_of(frames: Iterable[bytes]) -> ChatCompletion | None:
    """Return the completion that payloads say, up to the first that is no chunk; None: they say nothing."""
    decoder, accumulator = ChunkDecoder(), ChatCompletionAccumulator()
    try:
        for frame in frames:
            chunk = decoder.decode(ServerSentEvent(frame))
            if isinstance(chunk, ChatCompletionChunk):
                accumulator.add(chunk)
    except APIError:
        pass
    return accumulator.completion() if accumulator.chunks else None
