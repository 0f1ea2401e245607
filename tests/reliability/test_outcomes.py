"""How an answer ends: it is complete, or an error has all that was sent; there is nothing third, and nothing hangs.

Streams are cut behind each of their chunks and ended in every way that HTTP and TCP have. What has to come of each is
not written down case by case: it is one rule, `outcome`, and what was received is the `fold` of what was sent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from support.faults import (
    corrupt,
    cuts_tls,
    events,
    framed,
    half_head,
    head,
    http10,
    no_answer,
    no_last_chunk,
    pack,
    short_body,
    wire,
)
from support.fold import clean, fold
from support.rawserver import Handler, Peer, RawServer, answer, certificates, chunk, completion, hello, sse
from support.sse_cases import naive

from openai_async import AsyncOpenAI, ChatCompletion, errors
from openai_async.transport.message import Request, Response
from openai_async.transport.session import AiohttpTransport
from openai_async.transport.timer import Timer

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "hi"}]
SSE = "text/event-stream"
SOON = {"retry_after_ms": "1", "x_request_id": "req-1"}  # headers; the one so that retries don't wait


@dataclass
class Person:
    name: str
    age: int


class Answer(NamedTuple):
    """The chunks of a whole answer, and what asks for it."""

    payloads: list[dict[str, Any]]
    n: int = 1
    type: type[Person] | None = None


def _role(index: int = 0) -> dict[str, Any]:
    return chunk("", index=index, delta={"role": "assistant"})


def _call(index: int, arguments: str, **opened: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": "look"} if opened else {})}
    return chunk(delta={"tool_calls": [{"index": index, "function": function, **opened}]})


USAGE = {**chunk(), "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}}

ANSWERS = {
    "one choice": Answer([*hello(), USAGE]),
    "two choices at once": Answer(
        [
            _role(), _role(1), chunk("a"), chunk("b", index=1), chunk("c"), chunk(finish="stop"),
            chunk("d", index=1), chunk(finish="length", index=1), USAGE,
        ],
        n=2,
    ),
    "three choices in turn": Answer(
        [
            *(part for index in range(3) for part in (
                _role(index), chunk("a", index=index), chunk("b", index=index, finish="stop"))),
            USAGE,
        ],
        n=3,
    ),
    "tool calls": Answer(
        [
            _role(), _call(0, "", id="c0", type="function"), _call(0, '{"a":'), _call(0, "1}"),
            _call(1, "", id="c1", type="function"), _call(1, "{}"), chunk(finish="tool_calls"), USAGE,
        ]
    ),
    "an object": Answer(
        [_role(), *map(chunk, ['{"na', 'me": "A', 'da", "age"', ": 3", "6}"]), chunk(finish="stop"), USAGE], type=Person
    ),
}  # fmt: skip


class Cut(NamedTuple):
    """What was sent of an answer: chunks, and whether `[DONE]`."""

    sent: list[dict[str, Any]]
    done: bool = False


def cuts(whole: Answer) -> Iterator[Cut]:
    """An answer cut behind each of its chunks, and with `[DONE]` at its end, or in its middle."""
    for count in range(len(whole.payloads) + 1):
        yield Cut(whole.payloads[:count])
    yield Cut(whole.payloads, done=True)
    if whole.type is None:  # half an object would be another error, and is test_parse's
        yield Cut(whole.payloads[: len(whole.payloads) // 2], done=True)


# The rule.


def outcome(cut: Cut, asked: int, *, in_order: bool) -> str:
    """What a stream has to come to.

    Args:
        cut: What was sent.
        asked: How many choices the request asked for.
        in_order: Whether the body ended as HTTP says; else the connection broke.
    """
    choices = [choice for payload in cut.sent for choice in payload["choices"]]
    seen = {choice["index"] for choice in choices}
    finished = {choice["index"] for choice in choices if choice["finish_reason"]}
    # Where the connection breaks, a choice that has not begun would be missed by nobody.
    all_there = bool(seen) and seen == finished and (in_order or len(seen) >= asked)
    if cut.done or all_there:
        return "complete"
    if any(
        choice["finish_reason"] or {**choice["delta"], "role": ""} != {"content": "", "role": ""} for choice in choices
    ):
        return "incomplete"
    # Nothing has reached the caller: it is asked for again. But a body that is whole, and empty, is no answer.
    return "again" if cut.sent or not in_order else "no answer"


# The endings.


class Metered:
    """aiohttp's transport, which also knows how much of the last response its reader has taken.

    A RST may destroy what the other side has not read yet, so a server that wants its bytes to arrive waits for that.
    """

    def __init__(self) -> None:
        self._transport = AiohttpTransport()
        self._taken = 0
        self._more = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._transport.closed

    async def send(self, request: Request, timer: Timer) -> Response:
        self._taken = -1
        response = _MeteredResponse(await self._transport.send(request, timer), self.note)
        self.note(1)  # the head
        return response

    def note(self, size: int) -> None:
        """Note that bytes of the body were taken."""
        self._taken += size
        self._more.set()

    async def taken(self, size: int) -> None:
        """Wait until the head and `size` bytes of the body are taken."""
        while self._taken < size:
            self._more.clear()
            await self._more.wait()

    async def aclose(self) -> None:
        await self._transport.aclose()


class _MeteredResponse:
    def __init__(self, response: Response, note: Callable[[int], None]) -> None:
        self.status, self.headers = response.status, response.headers
        self.release, self.close = response.release, response.close
        self._read, self._note = response.read, note

    async def read(self) -> bytes:
        data = await self._read()
        self._note(len(data))
        return data


def chunked(*pieces: bytes, kind: str = SSE, **headers: str) -> Handler:
    """Send a chunked body, whole."""
    first = head(content_type=kind, transfer_encoding="chunked", **headers)
    return wire(first, *map(framed, pieces), framed(b""), ending="keep")


def once_taken(then: Handler, size: int, meter: Metered, last: bytes = b"") -> Handler:
    """Do as `then`; when the client has taken `size` bytes of the body, send `last` and break the connection."""

    async def handle(peer: Peer) -> None:
        await then(peer)
        await meter.taken(size)
        if last:
            await peer.send(last)
            peer.fin()
        else:
            peer.reset()

    return handle


def ended(ending: str, pieces: list[bytes], half: bytes, meter: Metered, *, kind: str = SSE, **headers: str) -> Handler:
    """The handler that sends the pieces of a body and ends it so; `half` is part of a piece more."""
    body = b"".join(pieces)
    sent: dict[str, Any] = {**SOON, **headers, "kind": kind}
    left = {**sent, "ending": "keep"}
    handlers: dict[str, Callable[[], Handler]] = {
        "last chunk": lambda: chunked(*pieces, **sent),
        "length": lambda: short_body(body, missing=0, **left),
        "closed": lambda: http10(*pieces, **sent),
        "half a piece, last chunk": lambda: chunked(*pieces, half, **sent),
        "half a piece, closed": lambda: http10(*pieces, half, **sent),
        "fin": lambda: no_last_chunk(*pieces, **sent),
        "half a piece, fin": lambda: no_last_chunk(*pieces, half, **sent),
        "half a chunk, fin": lambda: no_last_chunk(*pieces, torn=framed(half)[:-4], **sent),
        "short": lambda: short_body(body, **sent),
        "reset": lambda: once_taken(no_last_chunk(*pieces, **left), len(body), meter),
        "short, reset": lambda: once_taken(short_body(body, **left), len(body), meter),
        "closed by a reset": lambda: once_taken(http10(*pieces, **left), len(body), meter),
        "no chunk size": lambda: once_taken(no_last_chunk(*pieces, **left), len(body), meter, b"zz\r\n"),
    }
    return handlers[ending]()


IN_ORDER = ["last chunk", "length", "closed", "half a piece, last chunk", "half a piece, closed"]
BROKEN = [
    "fin", "half a piece, fin", "half a chunk, fin", "short", "reset", "short, reset", "closed by a reset", "no chunk size",
]  # fmt: skip


# The views: each yields what it hands out, and what has to be handed out of what was sent stands beside it.


async def _see_chunks(stream: Any) -> AsyncIterator[Any]:
    async for one in stream:
        yield one.to_dict()


async def _see_events(stream: Any) -> AsyncIterator[Any]:
    async for one in stream.events():
        if one.type == "chunk":
            yield one.chunk.to_dict()


async def _see_batches(stream: Any) -> AsyncIterator[Any]:
    async for batch in stream.batches():
        assert batch
        for one in batch:
            yield one.to_dict()


def _all(cut: Cut, _: str = "") -> list[Any]:
    return [clean(payload) for payload in cut.sent]


async def _see_text(stream: Any) -> AsyncIterator[Any]:
    async for one in stream.text():
        yield one


def _text(cut: Cut, _: str = "") -> list[Any]:
    deltas = [choice["delta"] for one in cut.sent for choice in one["choices"] if choice["index"] == 0]
    return [delta["content"] for delta in deltas if delta.get("content")]


async def _see_raw(stream: Any) -> AsyncIterator[Any]:
    async for piece in stream.raw():
        for one in re.findall(rb".*?\n\n", piece, re.DOTALL):
            yield one


def _raw(cut: Cut, _: str = "") -> list[Any]:
    return events(cut.sent, done=cut.done)


async def _see_final(stream: Any) -> AsyncIterator[Any]:
    yield unparsed(await stream.final())


def _final(cut: Cut, due: str) -> list[Any]:
    return [clean(fold(cut.sent))] if due == "complete" else []


async def _see_cast(stream: Any) -> AsyncIterator[Any]:
    async for one in stream:
        yield one


def _cast(cut: Cut, _: str = "") -> list[Any]:
    return cut.sent


async def _see_drafts(stream: Any) -> AsyncIterator[Any]:
    async for one in stream.partial(Person):
        yield one.name, one.age


def _drafts(cut: Cut, due: str) -> list[Any]:
    """Name and age of each draft: one for every piece that shows more than the last, and the whole object."""
    text = ""
    shown: list[Any] = []
    for piece in _text(cut):
        text += piece
        name, age = re.search(r'"name": "([^"]*)', text), re.search(r'"age": (\d+)}', text)
        now = (name and name[1], age and int(age[1]))
        if shown[-1:] != [now]:
            shown.append(now)
    return [*shown, *(shown[-1:] if due == "complete" else [])]


View = tuple[Callable[[Any], AsyncIterator[Any]], Callable[[Cut, str], list[Any]]]

VIEWS: dict[str, View] = {
    "chunks": (_see_chunks, _all),
    "cast_to": (_see_cast, _cast),
    "events": (_see_events, _all),
    "text": (_see_text, _text),
    "batches": (_see_batches, _all),
    "raw": (_see_raw, _raw),
    "final": (_see_final, _final),
    "partial": (_see_drafts, _drafts),
}


def unparsed(completion: Any) -> dict[str, Any]:
    """The completion as data, without what it was parsed to."""
    told = completion.to_dict()
    for choice in told["choices"]:
        choice["message"].pop("parsed", None)
    return told


# Streams.


class Line:
    """A server and its client, for one answer after the other."""

    def __init__(self, server: RawServer, client: AsyncOpenAI, meter: Metered) -> None:
        self.server = server
        self.client = client
        self.meter = meter

    def will(self, *handlers: Handler) -> None:
        """Have the server answer the next requests so."""
        self.server.requests.clear()
        self.server.handlers[:] = handlers

    @property
    def asked(self) -> int:
        """How often the server was asked since then."""
        return len(self.server.requests)

    def call(self, whole: Answer, view: str) -> Any:
        """Ask for the stream in which a view can be had."""
        completions = self.client.chat.completions
        if whole.type is not None:
            return completions.stream(model="m", messages=MESSAGES, response_format=whole.type)
        cast = {"cast_to": dict} if view == "cast_to" else {}
        return completions.create(model="m", messages=MESSAGES, stream=True, n=whole.n, **cast)

    async def check(self, whole: Answer, cut: Cut, view: str, *, in_order: bool) -> None:
        """Read a cut answer, and hold what comes of it against the rule."""
        see, expect = VIEWS[view]
        due = outcome(cut, whole.n, in_order=in_order)
        if due == "no answer":
            with pytest.raises(errors.APIResponseValidationError, match="was expected"):
                await self.call(whole, view)
            assert self.asked == 1
            return
        seen: list[Any] = []
        failure = None
        async with self.call(whole, view) as stream:
            try:
                async for one in see(stream):
                    seen.append(one)  # noqa: PERF401 - what came before an error counts
            except errors.IncompleteStreamError as error:
                failure = error
            told = unparsed(stream.snapshot)
            assert self.asked == (2 if due == "again" else 1)
            if due == "again":
                cut, due = Cut(whole.payloads, done=True), "complete"
            assert ("complete" if failure is None else "incomplete") == due
            assert seen == expect(cut, due)
            assert told == clean(fold(cut.sent))
            if failure is not None:
                assert isinstance(failure.partial, ChatCompletion)
                assert failure.partial.to_dict() == told
                assert failure.request_id == "req-1"
                with pytest.raises(errors.IncompleteStreamError) as again:
                    await stream.final()
                assert again.value is failure


@asynccontextmanager
async def line(**options: Any) -> AsyncIterator[Line]:
    """A server and a client of it, which tries twice; nothing takes it 5 seconds."""
    meter = Metered()
    server = RawServer(no_answer())
    async with (
        server,
        AsyncOpenAI(
            api_key="k", base_url=server.url, transport=meter, **{"max_retries": 1, "timeout": 5, **options}
        ) as client,
    ):
        yield Line(server, client, meter)


@pytest.mark.parametrize("ending", [*IN_ORDER, *BROKEN])
@pytest.mark.parametrize("kind", list(ANSWERS))
async def test_streams(kind: str, ending: str) -> None:
    """Wherever a stream is cut, however it ends, and whoever reads it: it is complete, or the error has what was sent."""
    whole = ANSWERS[kind]
    views = ["events", "text", "batches", "raw", "final", "partial"] if whole.type else list(VIEWS)[:-1]
    turn = itertools.cycle(views)  # the views share how a stream ends: two endings are held against all of them
    async with line() as served:
        for cut in cuts(whole):
            pieces = events(cut.sent, done=cut.done)
            half = events([*whole.payloads, b"data: [DONE]\n\n"])[len(cut.sent)][:-9]
            for view in views if ending in {"last chunk", "fin"} else (next(turn),):
                served.will(ended(ending, pieces, half, served.meter), sse(whole.payloads))
                try:
                    await served.check(whole, cut, view, in_order=ending in IN_ORDER)
                except BaseException as error:
                    error.add_note(f"{len(cut.sent)} chunks, done: {cut.done}, seen as {view}")
                    raise


@pytest.mark.parametrize("ending", ["last chunk", "fin"])
async def test_wire_that_breaks_anywhere(ending: str) -> None:
    """A stream that breaks behind any of its bytes has the events that are whole by then, and no other."""
    shared = {"id": "c", "created": 1, "model": "m"}
    small: list[Any] = [
        {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in (({"content": "a"}, None), ({"content": "b"}, None), ({}, "stop"))
    ]
    data = b": hello\r\n\r\n" + b"".join(events(small)).replace(b"\n\n", b"\r\n\r\n", 1)
    async with line(max_retries=0) as served:
        for end in range(len(data) + 1):
            sent = [event.data for event in naive(data[:end])]
            cut = Cut([json.loads(one) for one in sent if one != b"[DONE]"], done=b"[DONE]" in sent)
            served.will(ended(ending, [data[:end]] if end else [], b"", served.meter))
            failure = None
            try:
                stream = await served.call(Answer(small), "final")
                told = await stream.final()
            except errors.APIError as error:
                failure = error
            due = outcome(cut, 1, in_order=ending in IN_ORDER)
            if failure is None:
                assert due == "complete", data[:end]
                assert told.to_dict() == clean(fold(cut.sent)), data[:end]
            elif due == "incomplete":
                assert type(failure) is errors.IncompleteStreamError, data[:end]
                assert failure.partial is not None
                assert failure.partial.to_dict() == clean(fold(cut.sent)), data[:end]
            else:
                assert due in {"again", "no answer"}, data[:end]
                assert failure.partial is None


@pytest.mark.parametrize("ending", [*IN_ORDER, *BROKEN])
async def test_error_before_the_first_content(ending: str) -> None:
    """Without another attempt, it is the connection's failure; or no answer, where an empty body ended in order."""
    whole = ANSWERS["one choice"]
    async with line(max_retries=0) as served:
        for count in range(2):
            half = events(whole.payloads)[count][:-9]
            served.will(ended(ending, events(whole.payloads[:count], done=False), half, served.meter))
            with pytest.raises(errors.APIError) as caught:
                await served.call(whole, "chunks")
            in_order = ending in IN_ORDER
            assert isinstance(
                caught.value, errors.APIConnectionError if count or not in_order else errors.APIResponseValidationError
            )
            if count:
                assert type(caught.value) is errors.IncompleteStreamError
            assert caught.value.partial is None
            assert caught.value.request_id == "req-1"


# Streams that come packed.


# What is sent of the pieces that `pack` makes, and how many events are whole in it.
PACKED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
    "whole": (lambda pieces: pieces, 5),
    "without the coding's end": (lambda pieces: pieces[:-1], 5),
    "cut behind an event": (lambda pieces: pieces[:2], 2),
    "cut in an event": (lambda pieces: [*pieces[:2], pieces[2][:4]], 2),
    "corrupt": (lambda pieces: corrupt(pieces, 2), 2),
    "corrupt at its end": (lambda pieces: corrupt(pieces, len(pieces) - 1), 5),
}


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("case", list(PACKED))
async def test_packed_streams(case: str, coding: Any) -> None:
    """What a packed stream brings before it breaks is not lost, whether its framing, its coding or its data breaks."""
    send, count = PACKED[case]
    whole = ANSWERS["one choice"]
    pieces = send(pack(events(whole.payloads, done=False), coding))
    async with line() as served:
        # Without chunks, what is corrupt takes what came with it along: it is unpacked in one go.
        for ending in ("last chunk", "fin") if "corrupt" in case else ("last chunk", "fin", "closed", "short"):
            for view in ("chunks", "raw", "text", "final"):
                served.will(ended(ending, pieces, b"", served.meter, content_encoding=coding))
                await served.check(whole, Cut(whole.payloads[:count]), view, in_order=False)


# Streams over TLS.


@pytest.mark.parametrize("cut", [2, None], ids=["in the middle", "at the end"])
async def test_socket_closed_without_a_word_of_tls(cut: int | None) -> None:
    """A body that only the connection's end ends may be cut by anybody: what is in it decides."""
    ours, theirs = certificates()
    whole = ANSWERS["one choice"]
    pieces = events(whole.payloads[:cut], done=False)
    server = RawServer(cuts_tls(http10(*pieces, ending="keep")), context=ours)
    async with server, AsyncOpenAI(api_key="k", base_url=server.url, ssl_context=theirs, timeout=5) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        if cut is None:
            assert (await stream.final()).to_dict() == clean(fold(whole.payloads))
        else:
            with pytest.raises(errors.IncompleteStreamError) as caught:
                await stream.final()
            assert caught.value.partial is not None
            assert caught.value.partial.to_dict() == clean(fold(whole.payloads[:cut]))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("ending", ["last chunk", "no last chunk", "closed", "packed"])
async def test_slow_reader_of_a_connection_that_is_closed(ending: str, secure: bool) -> None:  # noqa: FBT001 - a column
    """A server that closes the connection behind its answer takes nothing from a reader who is behind.

    What has arrived is more than aiohttp hands on before it waits for the reader.
    """
    ours, theirs = certificates() if secure else (None, None)
    payloads = [chunk("x" * 500) for _ in range(1000)] + [chunk(finish="stop")]
    pieces = events(payloads)
    together = {
        "last chunk": head(content_type=SSE, transfer_encoding="chunked") + b"".join(map(framed, [*pieces, b""])),
        "no last chunk": head(content_type=SSE, transfer_encoding="chunked") + b"".join(map(framed, pieces)),
        "closed": head(content_type=SSE) + b"".join(pieces),
        "packed": head(content_type=SSE, content_encoding="gzip") + b"".join(pack(pieces, "gzip")),
    }[ending]
    server = RawServer(wire(together), context=ours)
    async with server, AsyncOpenAI(api_key="k", base_url=server.url, ssl_context=theirs, timeout=5) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        async for _ in stream:
            await asyncio.sleep(0)  # the loop turns, and the connection comes to its end meanwhile
        assert stream.snapshot.to_dict() == clean(fold(payloads))


# Whole bodies.


@pytest.mark.parametrize("ending", [*IN_ORDER[:3], *BROKEN])
async def test_bodies(ending: str) -> None:
    """A body that came whole is read; one that broke is asked for again; one that is short, and in order, is no answer."""
    body = json.dumps(completion()).encode()
    pieces = [body[start : start + 50] for start in range(0, len(body), 50)]
    async with line() as served:
        for count in (0, 1, 3, len(pieces)):
            sent = pieces[:count]
            served.will(
                ended(ending, sent, b"x" * 20, served.meter, kind="application/json"), answer(completion("again"))
            )
            call = served.client.chat.completions.create(model="m", messages=MESSAGES)
            if ending in BROKEN:
                assert (await call).choices[0].message.content == "again"
                assert served.asked == 2
            elif count == len(pieces):
                assert (await call).to_dict() == clean(completion())
                assert served.asked == 1
            else:
                with pytest.raises(errors.APIResponseValidationError):
                    await call
                assert served.asked == 1


@pytest.mark.parametrize("ending", BROKEN)
async def test_error_of_a_broken_body(ending: str) -> None:
    """Without another attempt, it is the connection's failure, and knows the response."""
    async with line(max_retries=0) as served:
        served.will(ended(ending, [b'{"id"'], b': "chatcmpl-1"', served.meter, kind="application/json"))
        with pytest.raises(errors.APIConnectionError) as caught:
            await served.client.chat.completions.create(model="m", messages=MESSAGES)
        assert type(caught.value) is errors.APIConnectionError
        assert caught.value.request_id == "req-1"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "handler",
    [no_answer(), no_answer("reset"), half_head(), half_head("reset"), half_head(cut=-1)],
    ids=["nothing, fin", "nothing, reset", "half a head, fin", "half a head, reset", "a head but its end, fin"],
)
async def test_heads_that_break(handler: Handler, streams: bool) -> None:  # noqa: FBT001 - a column of the table
    """A connection that ends before a head is here is a connection's failure."""
    async with line(max_retries=0) as served:
        served.will(handler)
        with pytest.raises(errors.APIConnectionError, match="without an answer") as caught:
            await served.client.chat.completions.create(model="m", messages=MESSAGES, stream=streams)
        assert type(caught.value) is errors.APIConnectionError
        assert caught.value.partial is None
