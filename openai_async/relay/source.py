"""What a hub takes payloads from: `Source`, and `payloads_of`.

A function comes in that opens an upstream; lists of JSON payloads go out, one list a read. `ChatStream` has them ready;
anything else that can be iterated gives one payload an item.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

__all__ = ["PayloadStream", "Source", "SourceStream", "opened", "payloads_of"]


@runtime_checkable
class PayloadStream(Protocol):
    """A stream that has its chunks' JSON ready, as `ChatStream` has."""

    def payloads(self) -> AsyncIterator[list[bytes]]:
        """Return an iterator of lists of payloads; it ends and raises as the stream does."""
        ...


SourceStream: TypeAlias = PayloadStream | AsyncIterable[Any]
"""Has `payloads()`, or yields chunks: bytes (JSON), dicts, or objects that `to_json()` or msgspec can encode."""

Source: TypeAlias = Callable[[], AbstractAsyncContextManager[SourceStream] | SourceStream]
"""Opens the upstream: returns an async context manager of a `SourceStream`, such as a call of
`client.chat.completions.create(…, stream=True)`, or a `SourceStream` itself, such as an async generator."""


def opened(source: Source) -> AbstractAsyncContextManager[Any]:
    """Call a source, and return what is to be entered.

    Raises:
        TypeError: It returned nothing of the kind.
        Exception: Whatever the source raises.
    """
    stream: Any = source()
    if hasattr(stream, "__aenter__"):
        return stream  # type: ignore[no-any-return]  # seen by its methods
    if hasattr(stream, "aclose"):
        return aclosing(stream)
    if hasattr(stream, "payloads") or hasattr(stream, "__aiter__"):
        return _Plain(stream)
    raise TypeError(
        "A source returns an async context manager, an async iterable or a stream with payloads(), "
        f"not {type(stream).__name__}: pass a function, as in `lambda: client.chat.completions.create(…, stream=True)`."
    )


class _Plain(AbstractAsyncContextManager[Any]):
    """A stream that needs no closing."""

    def __init__(self, stream: SourceStream) -> None:
        self._stream = stream

    async def __aenter__(self) -> Any:
        return self._stream

    async def __aexit__(self, *_: object) -> None:
        return None


async def payloads_of(stream: Any) -> AsyncGenerator[list[bytes], None]:
    """Yield a stream's payloads, a list at a time; cancelling it loses what the stream's own cancelling loses.

    Raises:
        TypeError: It has none, or an item is no chunk.
        Exception: Whatever the stream raises.
    """
    if isinstance(stream, PayloadStream):
        async for payloads in stream.payloads():
            yield payloads
    elif hasattr(stream, "__aiter__"):
        async for item in stream:
            yield [_payload(item)]
    else:
        raise TypeError(f"A stream has payloads(), or is an async iterable of chunks; {type(stream).__name__} is none.")


def _payload(item: Any) -> bytes:
    """The JSON of one chunk."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, Mapping):
        return msgspec.json.encode(item)
    if hasattr(item, "to_json"):
        return msgspec.json.format(str(item.to_json()), indent=-1).encode()
    if hasattr(item, "model_dump_json"):  # of pydantic, the official SDK's chunks
        return str(item.model_dump_json()).encode()
    if isinstance(item, msgspec.Struct):
        return msgspec.json.encode(item)
    raise TypeError(f"A chunk is bytes, a dict or an object with to_json(), not {type(item).__name__}.")
