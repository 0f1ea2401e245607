"""Other ways to look at a stream: its text, and its chunks by socket read.

A stream comes in, whose chunks these iterators take and add to its snapshot; pieces of text or lists of chunks go out.
They hold nothing that has to be closed: the stream is.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol, Self

from openai_async.errors import APIError
from openai_async.types.chunk import ChatCompletionChunk

__all__ = ["BatchIterator", "ChunkSource", "TextIterator"]


class ChunkSource(Protocol):
    """What these iterators need of a `ChatStream`."""

    @property
    def _chunks(self) -> Sized: ...

    async def _more(self) -> None: ...

    def _hand_out(self) -> ChatCompletionChunk: ...


class TextIterator:
    """The text of choice 0, piece by piece; see `ChatStream.text`."""

    def __init__(self, stream: ChunkSource) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """Return the next piece, never empty; raises and cancels as `ChatStream.__anext__` does."""
        stream = self._stream
        while True:
            if not stream._chunks:
                await stream._more()
            if text := stream._hand_out().text:
                return text


class BatchIterator:
    """Chunks by socket read; see `ChatStream.batches`."""

    def __init__(self, stream: ChunkSource) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[ChatCompletionChunk]:
        """Return the chunks of the next read, one at least; raises and cancels as `ChatStream.__anext__` does."""
        stream = self._stream
        if not stream._chunks:
            await stream._more()
        batch = [stream._hand_out()]
        try:
            while stream._chunks:
                batch.append(stream._hand_out())
        except APIError:
            pass  # the stream keeps it: it is raised by the next call, after the chunks before it
        return batch
