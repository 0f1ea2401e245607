"""Answers that grow: how large one may become, what an endless one costs, and that work is linear in what came.

Limits are those that the package states: 16 MiB an event, 64 MiB a body, 1 MiB of a refusal, 128 choices and calls. Memory
is held against a few times the limit, by `tracemalloc`. Work is CPU time: four times as much to do takes four times as
long, and where something is quadratic sixteen times, so that ten tells them apart.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.clock import run
from support.faults import head
from support.rawserver import Handler, Peer, RawServer, chunk, completion, event, hello
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, OpenAIError, Timeout, errors
from openai_async.api.pages import _Trail
from openai_async.protocol import failures
from openai_async.protocol.chunks import ChunkDecoder
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import MAX_EVENT_SIZE, ServerSentEvent
from openai_async.protocol.toolcalls import ToolCalls
from openai_async.types.chat import ChatCompletionChunk, ChoiceDeltaToolCall

KEY = "sk-test-0123456789"
ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
MIB = 1024 * 1024
READ = 64 * 1024
JSON = {"content-type": "application/json"}


@contextlib.asynccontextmanager
async def client_of(*responses: ScriptedResponse, **options: Any) -> AsyncIterator[AsyncOpenAI]:
    """A client that gets these responses, one a request."""
    options = {"max_retries": 0, "base_url": "http://server/v1", **options}
    async with AsyncOpenAI(api_key=KEY, transport=ScriptedTransport(responses), **options) as client:
        yield client


async def whole(client: AsyncOpenAI) -> Any:
    """A streamed answer, read to its end."""
    return await (await client.chat.completions.create(**ASK, stream=True)).final()


@contextlib.contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Fail if the block has more than `limit` bytes more than before at any time."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.1f} MiB"


def is_linear(work: Callable[[int], Any], size: int) -> bool:
    """Whether four times `size` takes less than ten times as long; a busy machine gets three chances."""

    def seconds(size: int) -> float:
        began = time.process_time()
        work(size)
        return time.process_time() - began

    gc.disable()  # it would look through all that pytest has, now and then
    try:
        return any(seconds(4 * size) < 10 * min(seconds(size), seconds(size)) + 0.01 for _ in range(3))
    finally:
        gc.enable()


# Events at their limit.


def one_line(size: int) -> bytes:
    """A chunk as an event of `size` bytes, the blank line aside, of one line."""
    empty = event(chunk("", finish="stop"))
    return event(chunk("x" * (size - len(empty) + 2), finish="stop"))


def many_lines(size: int) -> bytes:
    """The same, of many lines: white space in the JSON."""
    first, last = b"data: " + json.dumps(chunk("x", finish="stop")).encode()[:-1], b"data: }\n\n"
    line = b"\ndata: " + b" " * 993
    lines, rest = divmod(size - len(first) - len(last) + 1, len(line))
    return first + line * lines + b" " * rest + b"\n" + last


@pytest.mark.parametrize(
    ("made", "cut", "over"),
    [
        *((one_line, READ, over) for over in (-1, 0, 1)),
        *((one_line, None, over) for over in (0, 1)),
        *((many_lines, READ, over) for over in (0, 1)),
        *((many_lines, None, over) for over in (0, 1)),
    ],
    ids=lambda value: getattr(value, "__name__", None) or {READ: "many reads", None: "one read"}.get(value),
)
def test_events_at_the_limit(made: Callable[[int], bytes], cut: int | None, over: int) -> None:
    """An event of 16 MiB is read, of one line or many, in one read or many; of a byte more it is an error after the rest."""
    large = made(MAX_EVENT_SIZE + over)
    assert len(large) == MAX_EVENT_SIZE + over + 2
    body = event(chunk("before")) + large
    reads = [body] if cut is None else [body[at : at + cut] for at in range(0, len(body), cut)]

    async def main() -> None:
        async with client_of(ScriptedResponse(*reads, headers=EVENT_STREAM)) as client:
            if over <= 0:
                answer = await whole(client)
                assert set(answer.choices[0].message.content.removeprefix("before")) == {"x"}
                return
            with pytest.raises(errors.StreamProtocolError, match="more than 16777216 bytes") as caught:
                await whole(client)
            assert caught.value.partial.choices[0].message.content == "before"
            assert len(caught.value.body) == 512

    run(main())


# Answers without end, on real sockets.


def endless(first: bytes, piece: bytes) -> Handler:
    """Send `first`, then `piece` until the client has gone."""

    async def handle(peer: Peer) -> None:
        await peer.send(first)
        while True:  # until sending fails
            await peer.send(piece)

    return handle


SSE = head(200, content_type="text/event-stream")
ENDLESS: dict[str, tuple[bytes, bytes, int, str]] = {
    "a line": (SSE + b"data: ", b"x" * READ, MAX_EVENT_SIZE, "an event of more than 16777216 bytes"),
    "a line after an answer": (
        SSE + event(chunk("Hello")) + b"data: ",
        b"x" * READ,
        MAX_EVENT_SIZE,
        "an event of more than 16777216 bytes",
    ),
    "data lines": (SSE, b"data: x\n" * 8192, MAX_EVENT_SIZE, "an event of more than 16777216 bytes"),
    "comments": (SSE, b": ping\n" * 8192, MAX_EVENT_SIZE, "an event of more than 16777216 bytes"),
    "no lines at all": (SSE, b"x" * READ, MAX_EVENT_SIZE, "an event of more than 16777216 bytes"),
    "white space": (SSE, b" " * READ, 64 * MIB, "longer than 67108864 bytes"),
    "JSON": (
        head(200, content_type="application/json") + b'{"x":"',
        b"x" * READ,
        64 * MIB,
        "longer than 67108864 bytes",
    ),
    "a refusal": (head(403, content_type="text/html") + b"no", b"o" * READ, MIB, "^Error code: 403 - nooo"),
}


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize("name", ENDLESS)
async def test_endless(name: str) -> None:
    """Of what never ends the limit is read and held; then the connection is gone, and the error says what came."""
    first, piece, limit, told = ENDLESS[name]
    async with RawServer(endless(first, piece)) as server:
        # Without a loop of its own for the server, its bytes count as well; what is joined and decoded is there twice.
        with at_most(3 * limit + 4 * MIB):
            async with AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
                with pytest.raises(errors.APIError, match=told) as caught:
                    await whole(client)
        assert len(str(caught.value)) < 3000
        assert len(caught.value.body) <= 16_384
        partial = caught.value.partial
        assert ("after" in name) == (partial is not None)
        assert partial is None or partial.choices[0].message.content == "Hello"
        assert server.connections == 1


# Bombs: a kilobyte of them is a megabyte.


def bomb(beginning: bytes, filler: bytes, *, coding: str) -> tuple[bytes, bytes]:
    """The beginning of a packed body that says `beginning`, and a piece of it that says a MiB of `filler`, over and over."""
    packer = zlib.compressobj(9, wbits={"gzip": 31, "deflate": 15}[coding])
    first = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers to what was before: the piece can be repeated.
    return first, packer.compress(filler * MIB) + packer.flush(zlib.Z_FULL_FLUSH)


BOMBS: dict[str, tuple[int, bytes, bytes, int, str]] = {
    "a stream": (200, b"data: ", b"x", MAX_EVENT_SIZE, "an event of more than 16777216 bytes"),
    "a body": (200, b"", b" ", 64 * MIB, "longer than 67108864 bytes"),
    "a refusal": (500, b"", b"x", MIB, "^Error code: 500 - xxx"),
}


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize(("name", "coding"), [*((name, "gzip") for name in BOMBS), ("a stream", "deflate")])
async def test_bombs(name: str, coding: str) -> None:
    """A packed body that unpacks to gigabytes is unpacked up to the limit, and the connection given up."""
    status, beginning, filler, limit, told = BOMBS[name]
    first, piece = bomb(beginning, filler, coding=coding)
    assert len(piece) < 2000
    headers = head(status, content_type="text/event-stream", content_encoding=coding)
    async with RawServer(endless(headers + first, piece * 30)) as server:
        with at_most(3 * limit + 8 * MIB):
            async with AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
                with pytest.raises(errors.APIError, match=told):
                    await (client.chat.completions.create(**ASK) if name == "a body" else whole(client))
        assert server.connections == 1


# Much of nothing.

NOTHING: dict[str, bytes] = {
    "comments": b": " + b"x" * 8000 + b"\n\n",
    "comments with CRLF": b": " + b"x" * 8000 + b"\r\n\r\n",
    "events without data": b"event: ping\nid: " + b"1" * 8000 + b"\n\n",
    "events of another name": b"event: ping\ndata: " + b"x" * 8000 + b"\n\n",
    "roles": event(chunk(delta={"role": "assistant"}, obfuscation="x" * 8000)),
    "chunks without choices": event({"id": "c", "choices": [], "obfuscation": "x" * 8000}),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_before_the_first_content(name: str) -> None:
    """Until content comes all is held, for who wants the bytes: after 16 MiB of nothing it is an error, at once."""
    read = NOTHING[name] * 8
    response = ScriptedResponse(*[read] * 1000, headers=EVENT_STREAM)

    async def main() -> None:
        async with client_of(response) as client:
            with pytest.raises(errors.APIResponseValidationError, match="content after 16 MiB") as caught:
                await whole(client)
        assert caught.value.partial is None
        assert len(caught.value.body) == 512
        assert caught.value.headers == EVENT_STREAM

    with at_most(64 * MIB):
        run(main())
    assert (response.closed, response.reads) == (1, MAX_EVENT_SIZE // len(read) + 1)


def test_a_large_event_after_much_of_nothing() -> None:
    """An event at its limit counts only once it is whole: what stands before it takes nothing from it."""
    before = NOTHING["comments"] * (MAX_EVENT_SIZE // len(NOTHING["comments"]))
    large = one_line(MAX_EVENT_SIZE)
    reads = [before, *(large[at : at + MIB] for at in range(0, len(large), MIB))]

    async def main() -> None:
        async with client_of(ScriptedResponse(*reads, headers=EVENT_STREAM)) as client:
            assert (await whole(client)).choices[0].finish_reason == "stop"

    run(main())


@pytest.mark.parametrize("name", ["comments", "comments with CRLF"])
def test_nothing_between_bytes(name: str) -> None:
    """Who reads a stream's bytes gets those of whole chunks: 16 MiB without one are an error, which has the answer so far."""
    read = NOTHING[name] * 8
    response = ScriptedResponse(event(chunk("Hello")), *[read] * 1000, headers=EVENT_STREAM)

    async def main() -> None:
        async with client_of(response) as client:
            data = (await client.chat.completions.create(**ASK, stream=True)).raw()
            assert await anext(data) == event(chunk("Hello"))
            with pytest.raises(errors.APIResponseValidationError, match="content after 16 MiB") as caught:
                _ = [piece async for piece in data]
        assert caught.value.partial.choices[0].message.content == "Hello"

    with at_most(80 * MIB):
        run(main())
    assert response.closed == 1


@pytest.mark.parametrize(
    "piece",
    [b"\n", b"\r\n", b"data: " + b" " * 8000 + b"\n\n", NOTHING["comments"], NOTHING["events of another name"]],
    ids=["LF", "CRLF", "blank events", "comments", "events of another name"],
)
def test_nothing_between_chunks(piece: bytes) -> None:
    """Between two chunks nothing is held of what says nothing, however much it is, and the answer goes on."""
    read = piece * (READ // len(piece))

    async def main() -> None:
        first, *others = hello()[1:]
        reads = [event(first), *[read] * 128, *map(event, others)]
        async with client_of(ScriptedResponse(*reads, headers=EVENT_STREAM)) as client:
            stream = await client.chat.completions.create(**ASK, stream=True)
            await anext(stream)
            with at_most(4 * MIB):  # half of it
                assert (await stream.final()).choices[0].message.content == "Hello"

    run(main())


def test_nothing_for_ever() -> None:
    """What says nothing does not keep a stream alive: the limit between two tokens ends it."""
    pings = [part for _ in range(1000) for part in (b": ping\n\n", 1.0)]

    async def main() -> None:
        timeout = Timeout(idle=60)
        async with client_of(
            ScriptedResponse(event(chunk("Hello")), *pings, headers=EVENT_STREAM), timeout=timeout
        ) as client:
            with pytest.raises(errors.APITimeoutError) as caught:
                await whole(client)
        assert (caught.value.phase, caught.value.partial.choices[0].message.content) == ("idle", "Hello")

    run(main())


def test_blank_lines_for_ever() -> None:
    """Blank lines are no beginning of a stream: after 64 MiB of them it is an error."""
    response = ScriptedResponse(*[b"\n" * READ] * 2000, headers=EVENT_STREAM)

    async def main() -> None:
        async with client_of(response) as client:
            with pytest.raises(errors.APIResponseValidationError, match="longer than 67108864 bytes"):
                await whole(client)

    run(main())
    assert response.closed
    assert response.reads == 1 + 1024 + 1


# Bodies.


@pytest.mark.parametrize(
    ("ask", "cls"),
    [
        (lambda completions: completions.create(**ASK), errors.APIResponseValidationError),
        (lambda completions: completions.create(**ASK).raw(), errors.APIResponseValidationError),
        (lambda completions: completions.list(), errors.APIResponseValidationError),
        (lambda completions: completions.create(**ASK, cast_to=dict), errors.APIResponseValidationError),
    ],
    ids=["a completion", "raw", "a list", "another type"],
)
def test_bodies_beyond_the_limit(ask: Any, cls: type[OpenAIError]) -> None:
    """A body of more than 64 MiB is read up to there, given up, and told."""
    response = ScriptedResponse(*[b" " * MIB] * 100, headers={**JSON, "x-request-id": "r1"})

    async def main() -> None:
        async with client_of(response) as client:
            with pytest.raises(cls, match="longer than 67108864 bytes") as caught:
                await ask(client.chat.completions)
        assert (caught.value.request_id, caught.value.body) == ("r1", " " * 512)  # type: ignore[attr-defined]  # an APIError

    run(main())
    assert (response.closed, response.reads) == (1, 65)


def test_body_at_the_limit() -> None:
    """A body of 64 MiB is read."""
    data = json.dumps(completion()).encode()
    reads = [b" " * MIB] * 63 + [b" " * (MIB - len(data)), data]

    async def main() -> None:
        async with client_of(ScriptedResponse(*reads)) as client:
            assert (await client.chat.completions.create(**ASK)).choices[0].message.content == "Hello"

    run(main())


@pytest.mark.parametrize("line", [b"x" * MIB, b"\n" + b"x" * MIB], ids=["one line", "lines"])
def test_lines_of_an_unread_body(line: bytes) -> None:
    """Who reads a body line by line gets lines of up to 64 Mi characters, as many as there are."""
    response = ScriptedResponse(*[line] * 66, headers=EVENT_STREAM)

    async def main() -> None:
        async with client_of(response) as client:
            call = client.chat.completions.with_streaming_response.create(**ASK, stream=True)
            async with call as unread:
                lines = 0
                with contextlib.suppress(errors.APIResponseValidationError):
                    async for _ in unread.iter_lines():
                        lines += 1
                assert lines == line.count(b"\n") * 67
                assert unread.is_closed

    run(main())
    assert response.reads == (65 if b"\n" not in line else 67)


# Linear work: the same again and again.


def delta(**fields: Any) -> dict[str, Any]:
    """A chunk with this delta."""
    return chunk(delta=fields)


def call(text: str, **fields: Any) -> dict[str, Any]:
    """A chunk with a fragment of a call."""
    function = {"arguments": text, **({"name": fields.pop("name")} if "name" in fields else {})}
    return delta(tool_calls=[{**fields, "function": function}])


def with_logprobs(kind: str) -> dict[str, Any]:
    """A chunk with a token's log probabilities."""
    made = chunk("x")
    made["choices"][0]["logprobs"] = {kind: [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]}
    return made


AGAIN: dict[str, list[dict[str, Any]]] = {
    "content": [chunk("x")],
    "content in parts": [delta(content=[{"type": "text", "text": "x"}])],
    "refusals": [delta(refusal="x")],
    "arguments": [call("", index=0, id="a", name="f"), call("1", index=0)],
    "arguments without an index": [call("", id="a", name="f"), call("1")],
    "arguments with their name": [call('{"a":[{}', name="f"), call(",{}", name="f")],
    "arguments of two calls": [call("", index=0, id="a"), call("1", index=0, id="a"), call("2", index=0, id="b")],
    "custom input": [delta(tool_calls=[{"index": 0, "type": "custom", "custom": {"name": "c", "input": "x"}}])],
    "function calls": [delta(function_call={"name": "f", "arguments": "x"})],
    "log probabilities": [with_logprobs("content")],
    "log probabilities of a refusal": [with_logprobs("refusal")],
    "annotations": [delta(annotations=[{"type": "url_citation"}])],
    "audio": [delta(audio={"id": "a", "data": "QQ==", "transcript": "x"})],
    "reasoning": [delta(reasoning_content="x")],
    "unknown text": [delta(x="x", y="y")],
    "unknown lists": [delta(x=[1, {"a": "b"}])],
    "unknown lists with an index": [delta(reasoning_details=[{"index": 0, "text": "x"}])],
    "unknown objects": [delta(x={"a": {"b": "c"}})],
    "labels": [chunk("x", provider="p", x=[1])],
    "choices": [chunk("x", index=index) for index in range(128)],
}


def of_kind(kind: str, count: int) -> Iterator[ChatCompletionChunk]:
    """So many chunks of this kind."""
    first, *others = [ChatCompletionChunk.from_dict(data) for data in AGAIN[kind]]
    others = others or [first]
    return itertools.chain([first], itertools.islice(itertools.cycle(others), count - 1))


@pytest.mark.parametrize("kind", AGAIN)
def test_joined(kind: str) -> None:
    """A stream of tiny pieces, of any kind, is joined in time linear in their number."""

    def work(count: int) -> None:
        accumulator = ChatCompletionAccumulator()
        for piece in of_kind(kind, count):
            accumulator.add(piece)
        assert accumulator.completion().choices

    assert is_linear(work, 5000)


@pytest.mark.parametrize("kind", [kind for kind in AGAIN if kind.split()[0] not in {"unknown", "labels", "choices"}])
def test_told(kind: str) -> None:
    """It is told as events in time linear in their number, also when somebody begins to ask in its middle."""

    def work(count: int) -> None:
        accumulator = ChatCompletionAccumulator()
        pieces = of_kind(kind, count)
        for piece in itertools.islice(pieces, count // 2):
            accumulator.add(piece)
        builder = EventBuilder(accumulator)
        for piece in pieces:
            accumulator.add(piece)
            assert builder.events(piece)
        builder.end()
        assert builder.chunks == count

    assert is_linear(work, 1200)


def test_pieces_that_are_no_text() -> None:
    """Halves of characters, in the same place or in ever new ones, are joined in time linear in their number."""

    def same(count: int) -> None:
        decoder = ChunkDecoder()
        for number in range(count):
            decoder.decode(ServerSentEvent(json.dumps(chunk("\ude00\ud83d", index=number % 128)).encode()))

    def new(count: int) -> None:
        decoder = ChunkDecoder()
        choices = [{"index": n, "delta": {"content": "\ud83d"}, "finish_reason": "stop"} for n in range(count)]
        decoder.decode(ServerSentEvent(json.dumps({"choices": choices}).encode()))
        assert decoder._halves == {}

    assert is_linear(same, 300)
    assert is_linear(new, 1000)


# Linear work: all at once.

AT_ONCE: dict[str, Callable[[int], dict[str, Any]]] = {
    "choices": lambda count: {"choices": [{"index": n % 128, "delta": {"content": "x"}} for n in range(count)]},
    "empty choices": lambda count: {"choices": [{} for _ in range(count)]},
    "fragments": lambda count: delta(tool_calls=[{"index": 0, "function": {"arguments": "x"}}] * count),
    "keys of a chunk": lambda count: {**chunk("x"), **{f"k{n}": n for n in range(count)}},
    "keys of a delta": lambda count: delta(**{f"k{n}": "x" for n in range(count)}),
    "members": lambda count: delta(x=[{"index": n % 1000, "text": "x"} for n in range(count)]),
    "log probabilities": lambda count: {
        "choices": [{"logprobs": {"content": [{"token": "x", "x": 1} for _ in range(count)]}}]
    },
}


@pytest.mark.parametrize("kind", AT_ONCE)
def test_all_at_once(kind: str) -> None:
    """A chunk of tens of thousands of parts is decoded, joined and told in time linear in their number."""

    def work(count: int) -> None:
        accumulator = ChatCompletionAccumulator()
        builder = EventBuilder(accumulator)
        piece: Any = ChunkDecoder().decode(ServerSentEvent(bodies[count]))
        accumulator.add(piece)
        assert builder.events(piece)
        accumulator.completion().to_dict()

    bodies = {count: json.dumps(AT_ONCE[kind](count)).encode() for count in (6000, 24_000)}
    assert is_linear(work, 6000)


FRAGMENTS: dict[str, list[dict[str, Any]]] = {
    "without an index": [{"function": {"arguments": "x"}}],
    "numbered -1": [{"index": -1, "function": {"arguments": "x"}}],
    "of one id": [{"id": "a", "function": {"arguments": "x"}}],
    "that take turns": [{"index": 0, "id": ident, "function": {"arguments": "x"}} for ident in "abc"],
    "with a name": [{"index": 0}, {"function": {"name": "f", "arguments": "x"}}, *[{"index": 0}] * 1000],
}


@pytest.mark.parametrize("kind", FRAGMENTS)
def test_fragments_at_once(kind: str) -> None:
    """The fragments of one chunk find their calls in time linear in their number, whatever they are known by."""
    deltas = [ChoiceDeltaToolCall.from_dict(fragment) for fragment in FRAGMENTS[kind]]

    def work(count: int) -> None:
        calls = ToolCalls()
        calls.add(list(itertools.islice(itertools.cycle(deltas), count)))
        assert len(calls.touched) == count

    assert is_linear(work, 20_000)


def test_keys_that_repeat() -> None:
    """Of a key that is there a hundred thousand times the last counts, in whichever pass."""
    for repeated in (b'"id":"x",', b'"x":[1],', b'"x":"\\ud83d",'):
        data = b"{" + repeated * 100_000 + b'"id":"last","choices":[{"index":0,"delta":{"content":"a"}}]}'
        piece: Any = ChunkDecoder().decode(ServerSentEvent(data))
        assert (piece.id, piece.text) == ("last", "a")


@pytest.mark.parametrize("fields", [{"index": "@"}, {"id": "@"}, {"name": "@"}], ids=str)
def test_calls_beyond_the_limit(fields: Any) -> None:
    """A stream that opens the 129th call of one message ends, at once or in its own time; the others are in the error."""
    key = next(iter(fields))
    numbered: list[Any] = [
        {"index": n} if key == "index" else {"id": f"c{n}"} if key == "id" else {"function": {"name": f"f{n}"}}
        for n in range(1000)
    ]

    async def main() -> None:
        for payloads in ([delta(tool_calls=numbered)], [delta(tool_calls=[one]) for one in numbered]):
            body = b"".join(map(event, [chunk("x"), *payloads]))
            async with client_of(ScriptedResponse(body, headers=EVENT_STREAM)) as client:
                with pytest.raises(errors.StreamProtocolError, match="more than 128 tool calls") as caught:
                    await whole(client)
            assert len(caught.value.partial.choices[0].message.tool_calls) == 128

    run(main())


# Lists.


def test_many_pages() -> None:
    """What a list knows of its pages, so as not to go in circles, costs the same for the ten-thousandth as for the first."""

    def walk(count: int) -> None:
        trail = None
        for number in range(count):
            assert trail is None or not trail.holds(str(number))
            trail = _Trail.after(trail, str(number))
        assert trail is not None
        assert all(trail.holds(str(number)) for number in (0, count // 2, count - 1))

    assert is_linear(walk, 5000)


def test_pages_that_part() -> None:
    """Two ways on from one page know their own pages only, and what is asked for again is the same way."""
    first = _Trail.after(_Trail.after(None, "a"), "b")
    one, other = _Trail.after(first, "c"), _Trail.after(first, "d")
    again = _Trail.after(first, "c")
    assert [trail.holds("c") for trail in (first, one, other, again)] == [False, True, False, True]
    assert [trail.holds("d") for trail in (first, one, other, again)] == [False, False, True, False]
    further = _Trail.after(one, "d")
    assert all(further.holds(cursor) for cursor in "abcd")
    assert not _Trail.after(other, "e").holds("c")


def pages(*bodies: Any) -> Any:
    """A client of these pages."""
    return client_of(*(ScriptedResponse(json.dumps(body).encode(), headers=JSON) for body in bodies))


def test_large_page() -> None:
    """A page of twenty thousand items is read, and asked for once."""
    items = [{"id": f"c{number}"} for number in range(20_000)]

    async def main() -> None:
        async with pages({"data": items, "has_more": False}) as client:
            assert [item.id async for item in client.chat.completions.list()] == [item["id"] for item in items]

    run(main())


@pytest.mark.parametrize(
    "more",
    [
        {"data": [], "has_more": True, "last_id": "b"},
        {"data": None, "has_more": True},
        {"data": [{"object": "chat.completion"}], "has_more": True},
        {"data": [{"id": ""}], "has_more": True},
        {"data": [{"id": []}], "has_more": True},
    ],
    ids=["empty", "null", "without an id", "an empty id", "another id"],
)
def test_pages_without_a_way_on(more: Any) -> None:
    """A page that says that there is more, and not after what, is the last one: nothing is asked for without end."""

    async def main() -> None:
        async with pages({"data": [{"id": "a"}], "has_more": True, "first_id": "z", "last_id": "y"}, more) as client:
            found = [page async for page in (await client.chat.completions.list()).iter_pages()]
        assert [len(page.data) for page in found] == [1, len(more["data"] or ())]

    run(main())


def test_page_again() -> None:
    """An id of a megabyte that comes again is told in short."""
    page = {"data": [{"id": "x" * MIB}], "has_more": True}

    async def main() -> None:
        async with pages(page, page) as client:
            with pytest.raises(errors.APIResponseValidationError, match="was here before") as caught:
                _ = [item async for item in client.chat.completions.list()]
        assert len(str(caught.value)) < 500

    run(main())


# What a client keeps of all its streams.


def test_ever_new_deviations(caplog: pytest.LogCaptureFixture) -> None:
    """A server that deviates in ever new ways fills neither the log nor the client."""
    caplog.set_level("DEBUG", logger="openai_async")
    responses = [
        ScriptedResponse(event(chunk("x", finish="stop", **{f"x{number}": 1})), event("[DONE]"), headers=EVENT_STREAM)
        for number in range(150)
    ]

    async def main() -> None:
        async with client_of(*responses) as client:
            for _ in responses:
                await whole(client)

    run(main())
    assert len([record for record in caplog.records if "deviates" in record.getMessage()]) == 100


@pytest.mark.parametrize("page", [b"<title>", b"<title", b"<title>x</title", b"<TITLE a"], ids=repr)
def test_web_pages(page: bytes) -> None:
    """A page's title is looked for in time linear in the page."""
    assert is_linear(lambda count: failures.from_response(502, {}, b"<html>" + page * count), 20_000)
