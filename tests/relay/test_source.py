"""What a hub can take payloads from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from support.clock import run
from support.rawserver import chunk

from openai_async import ChatCompletionChunk
from openai_async.relay.source import opened, payloads_of

CHUNK = chunk("Hé")


class Plain(msgspec.Struct):
    """An object that msgspec encodes."""

    choices: list[Any]


def read(source: Any) -> list[list[bytes]]:
    """All lists that a source gives."""

    async def main() -> list[list[bytes]]:
        async with opened(source) as stream:
            return [payloads async for payloads in payloads_of(stream)]

    return run(main())


class Iterable:
    """An async iterable without `aclose`."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self.items:
            yield item


@pytest.mark.parametrize(
    "item",
    [
        CHUNK,
        json.dumps(CHUNK).encode(),
        msgspec.convert(CHUNK, ChatCompletionChunk),
        Plain(CHUNK["choices"]),
    ],
    ids=["dict", "bytes", "chunk", "struct"],
)
def test_chunks_of_any_kind(item: Any) -> None:
    """Each is one payload, on one line; bytes are as they were."""
    ((payload,),) = read(lambda: Iterable(item))
    assert json.loads(payload)["choices"][0]["delta"]["content"] == "Hé"
    assert b"\n" not in payload
    assert not isinstance(item, bytes) or payload is item


def test_an_object_with_payloads() -> None:
    """Its lists are taken as they are."""

    class Stream:
        async def payloads(self) -> AsyncIterator[list[bytes]]:
            yield [b"1", b"2"]
            yield [b"3"]

    assert read(Stream) == [[b"1", b"2"], [b"3"]]


def test_generators_are_closed() -> None:
    """Where the reading breaks off, too."""
    closed = []

    async def tokens() -> AsyncIterator[bytes]:
        try:
            yield b"{}"
            yield b"{}"
        finally:
            closed.append(True)

    async def main() -> None:
        with contextlib.suppress(ZeroDivisionError):
            async with opened(tokens) as stream, contextlib.aclosing(payloads_of(stream)) as lists:
                async for _ in lists:
                    raise ZeroDivisionError
        assert closed == [True]

    run(main())


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (lambda: 1, "A source returns an async context manager.* not int"),
        (lambda: contextlib.nullcontext(1), "int is none"),
        (lambda: Iterable(1), "A chunk is bytes.* not int"),
        (lambda: Iterable("text"), "A chunk is bytes.* not str"),
    ],
)
def test_anything_else_is_told(source: Any, told: str) -> None:
    """By its type."""
    with pytest.raises(TypeError, match=told):
        read(source)
