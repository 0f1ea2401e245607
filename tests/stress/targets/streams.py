"""The whole client over a scripted transport: one stream, looked at in every way that there is.

All ways have to tell the same: the same chunks, the same text, the same completion, or the same error with the same
`partial`. Each ends, and leaves its response closed or released.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any, NamedTuple

import msgspec
from support.scripted import ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI
from openai_async.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    OpenAIError,
    OutputParseError,
    StreamStateError,
)
from openai_async.protocol.chunks import DONE, ChunkDecoder
from openai_async.protocol.sse import EventParser
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk
from stress.inputs.seeds import body, stream_bytes
from stress.inputs.words import pieces

from .chunks import check_completion
from .looping import run
from .target import Target, check_error, finite, same
from .texts import TYPES, Person, Solution, grew

__all__ = ["STREAMS"]

_KINDS = [
    "text/event-stream",
    "text/event-stream; charset=utf-8",
    "application/json",
    "text/plain",
    "text/html",
    "",
    "a/b;;c=é",
]


class _Mine(ChatCompletionChunk):
    """A chunk type derived from the package's."""


class _Slim(msgspec.Struct):
    """A chunk type of one's own."""

    id: str = ""
    choices: list[dict[str, Any]] = []


_CASTS: list[Any] = [dict, str, bytes, _Mine, _Slim, object]

_ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
_UNPARSED = LengthFinishReasonError | ContentFilterFinishReasonError | OutputParseError


class _Seen(NamedTuple):
    """What one way of looking saw: its items, the completion then, and the error that ended it, if one did."""

    items: list[Any]
    snapshot: ChatCompletion | None
    error: OpenAIError | None


class _Wire:
    """One response, as often as it is asked for, cut anew each time."""

    def __init__(self, data: bytes, rng: Random) -> None:
        self.data = data
        self.rng = rng
        self._kind = rng.choice(_KINDS[:2] * 4 + _KINDS)
        self._breaks = rng.random() < 0.2
        self.choices = rng.choice([1, 1, 1, 2])
        self._transport = ScriptedTransport([])
        self.client = AsyncOpenAI(api_key="k", base_url="http://test/v1", max_retries=0, transport=self._transport)
        self.response: ScriptedResponse

    def add(self) -> None:
        """Have the next request answered."""
        cut = [piece for piece in pieces(self.data, self.rng, 12) if piece]
        end = [APIConnectionError("Connection error: it broke.")] if self._breaks else []
        headers = {"content-type": self._kind, "x-request-id": "r-1"}
        self.response = ScriptedResponse(*cut, *end, headers=headers)
        self._transport._script.append(self.response)

    def open(self, **options: Any) -> Any:
        """Return the call for the stream."""
        self.add()
        return self.client.chat.completions.create(**_ASKED, n=self.choices, stream=True, **options)


async def _look(wire: _Wire, view: Callable[[Any], AsyncIterator[Any]], call: Any = None, **options: Any) -> _Seen:
    """Open the stream, iterate a view of it to its end, and hold the end against what is said of ends."""
    items: list[Any] = []
    error: OpenAIError | None = None
    try:
        stream = await (call or wire.open(**options))
    except OpenAIError as refused:
        check_error(refused)
        assert wire.response.closed or wire.response.released, "a refused response was left open"
        return _Seen([], None, refused)
    async with stream:
        iterator = view(stream)
        try:
            async for item in iterator:
                items.append(item)  # noqa: PERF401 - those before an error count
        except OpenAIError as failed:
            check_error(failed)
            error = failed
        if not isinstance(error, APIResponseValidationError) or "does not fit" not in str(error):
            await _check_ended(iterator, error)
        snapshot = stream.snapshot
    assert wire.response.closed or wire.response.released, "a response was left open"
    assert stream._reader.timer._handle is None, "a timer was left running"
    return _Seen(items, snapshot, error)


async def _check_ended(iterator: AsyncIterator[Any], error: OpenAIError | None) -> None:
    """What has ended stays so, in the same way."""
    try:
        await anext(iterator)
    except StopAsyncIteration:
        assert error is None or not isinstance(error, APIError), "an error, and then the end"
    except OpenAIError as again:
        assert type(again) is type(error), f"{again!r} after {error!r}"  # noqa: PT017 - pytest runs none of this
    else:
        raise AssertionError("an item after the end")


async def _read(data: bytes, rng: Random) -> str:
    wire = _Wire(data, rng)
    chunks = await _look(wire, aiter)
    if chunks.snapshot is not None:
        check_completion(chunks.snapshot)
    if isinstance(chunks.error, APIError) and chunks.error.partial is not None:
        check_completion(chunks.error.partial)
        assert same(chunks.error.partial, chunks.snapshot), "partial is not what was received"
    for check in rng.sample(_VIEWS, 3):  # all seven would take twice the time
        await check(wire, chunks)
    return "complete" if chunks.error is None else type(chunks.error).__name__


def _agree(seen: _Seen, chunks: _Seen, how: str) -> None:
    """Both ways ended alike."""
    assert type(seen.error) is type(chunks.error), f"{how}: {seen.error!r:.300}, chunks: {chunks.error!r:.300}"
    mine, theirs = getattr(seen.error, "partial", None), getattr(chunks.error, "partial", None)
    assert same(_plain(mine), _plain(theirs)), f"{how}: another partial"
    assert same(_plain(seen.snapshot), _plain(chunks.snapshot)), f"{how}: another snapshot"


def _plain(completion: ChatCompletion | None) -> Any:
    return None if completion is None else completion.to_dict()


async def _check_events(wire: _Wire, chunks: _Seen) -> None:
    events = await _look(wire, lambda stream: stream.events())
    _agree(events, chunks, "events")
    assert same([event.chunk for event in events.items if event.type == "chunk"], chunks.items), "events: other chunks"


async def _check_text(wire: _Wire, chunks: _Seen) -> None:
    text = await _look(wire, lambda stream: stream.text())
    _agree(text, chunks, "text")
    assert "".join(text.items) == "".join(chunk.text for chunk in chunks.items), "text: another text"
    assert "" not in text.items
    if chunks.snapshot is not None and chunks.error is None:
        said = [choice.message.content or "" for choice in chunks.snapshot.choices if choice.index == 0]
        assert [*said, ""][0] == "".join(text.items), "text: not what the completion says"


async def _check_batches(wire: _Wire, chunks: _Seen) -> None:
    batches = await _look(wire, lambda stream: stream.batches())
    _agree(batches, chunks, "batches")
    assert same([chunk for batch in batches.items for chunk in batch], chunks.items), "batches: other chunks"
    assert [] not in batches.items


async def _check_raw(wire: _Wire, chunks: _Seen) -> None:
    raw = await _look(wire, lambda stream: stream.raw())
    _agree(raw, chunks, "raw")
    assert b"" not in raw.items
    sent = b"".join(raw.items)
    parser, decoder = EventParser(), ChunkDecoder()
    read = [chunk for event in parser.feed(sent) if (chunk := decoder.decode(event)) is not None]
    assert DONE not in read[:-1], "raw: something after [DONE]"
    said = [chunk.to_dict() for chunk in read if chunk is not DONE]
    assert same(said, [chunk.to_dict() for chunk in chunks.items]) or not all(
        map(finite, (chunk.to_dict() for chunk in chunks.items))
    ), "raw: other chunks"
    if not chunks.error and not sent.startswith(wire.data[: len(sent)]):
        assert len(read) == 2, "raw: other bytes than came"  # of a plain completion, which becomes an event


async def _check_final(wire: _Wire, chunks: _Seen) -> None:
    error: OpenAIError | None = None
    whole: ChatCompletion | None = None
    try:
        stream = await wire.open()
    except OpenAIError as refused:
        error = refused
    else:
        async with stream:
            try:
                whole = await stream.final()
            except OpenAIError as failed:
                error = failed
            whole = whole or stream.snapshot
    _agree(_Seen([], whole, error), chunks, "final")


async def _check_partial(wire: _Wire, chunks: _Seen) -> None:
    kind = wire.rng.choice(TYPES)
    partial = await _look(wire, lambda stream: stream.partial(kind))
    if not isinstance(partial.error, OpenAIError) or isinstance(partial.error, APIError | StreamStateError):
        _agree(partial, chunks, "partial")
    else:
        assert chunks.error is None, f"partial: {partial.error!r:.200}, chunks: {chunks.error!r:.200}"
    if isinstance(partial.error, OutputParseError) or partial.error is None:
        assert same(_plain(partial.snapshot), _plain(chunks.snapshot)), "partial: another snapshot"
    assert None not in partial.items[:-1], "nothing was shown as if it were an object"
    if partial.error is None and len(partial.items) > 1 and not _any_twice(chunks):
        assert grew(partial.items[-2], partial.items[-1]), "the last object is not what was shown before it"


def _any_twice(chunks: _Seen) -> bool:
    """Whether the content may have a key that comes twice: then what was shown need not stay."""
    content = chunks.snapshot.choices[0].message.content if chunks.snapshot and chunks.snapshot.choices else None
    try:
        msgspec.json.decode(content or "")
    except msgspec.DecodeError:
        return True
    return False


async def _check_parsed(wire: _Wire, chunks: _Seen) -> None:
    """Events of an answer that is to become an object: those of any answer, and in the end the object, or why there is none."""
    kind = wire.rng.choice([Solution, Person, dict])
    wire.add()
    parsed = await _look(
        wire, aiter, wire.client.chat.completions.stream(**_ASKED, n=wire.choices, response_format=kind)
    )
    if isinstance(parsed.error, _UNPARSED):
        assert chunks.error is None, f"parsed: {parsed.error!r:.200}, chunks: {chunks.error!r:.200}"
        assert same(_plain(parsed.error.completion)["id"], _plain(chunks.snapshot)["id"])
    else:
        assert type(parsed.error) is type(chunks.error), f"parsed: {parsed.error!r:.300}, chunks: {chunks.error!r:.300}"
    told = "".join(event.delta for event in parsed.items if event.type == "content.delta" and event.choice_index == 0)
    assert told == "".join(chunk.text for chunk in chunks.items), "parsed: another text"
    repr([event.parsed for event in parsed.items if event.type == "content.delta"])


async def _check_cast(wire: _Wire, chunks: _Seen) -> None:
    kind = wire.rng.choice(_CASTS)
    cast = await _look(wire, aiter, cast_to=kind)
    if type(cast.error) is type(chunks.error):
        assert len(cast.items) == len(chunks.items), "cast_to: more or fewer chunks"
    else:
        assert isinstance(cast.error, APIError), f"cast_to: {cast.error!r:.200}, chunks: {chunks.error!r:.200}"
    assert kind is object or all(isinstance(item, kind) for item in cast.items)


_VIEWS = [
    _check_events,
    _check_text,
    _check_batches,
    _check_raw,
    _check_final,
    _check_partial,
    _check_cast,
    _check_parsed,
]


def _make(rng: Random) -> bytes:
    return body(rng) if rng.random() < 0.15 else stream_bytes(rng)


def _check(data: bytes, rng: Random) -> str:
    return run(_read(data, rng))


STREAMS = Target("streams", 12, _make, _check)
