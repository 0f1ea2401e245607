"""What a direct relay hands on, and what it tells at the end, whatever the web framework."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import pytest
from support.rawserver import Handler, Peer, RawServer, chunk, event, hello, sse
from support.webservers import eventually

from openai_async import APIStatusError, AsyncOpenAI, IncompleteStreamError, OpenAIError, StreamStateError
from openai_async.relay.direct import DirectRelay, EventBody

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


class Ends(list[tuple[Any, OpenAIError | None]]):
    """An `on_end` that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def __call__(self, completion: Any, error: OpenAIError | None) -> None:
        self.append((completion, error))
        self.told.set()


def client_of(server: RawServer) -> AsyncOpenAI:
    """A client that asks once."""
    return AsyncOpenAI(base_url=server.url, api_key="sk-secret", max_retries=0)


def call_of(client: AsyncOpenAI) -> Any:
    """A streamed call, not sent."""
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


async def relayed(handler: Handler, **options: Any) -> bytes:
    """All that a relay hands on of what `handler` answers."""
    async with RawServer(handler) as server, client_of(server) as client:
        relay = DirectRelay(call_of(client), **options)
        relay.start()
        data = b"".join([part async for part in EventBody(relay)])
        await relay.leave()
    return data


ODD = b': keep-alive\r\n\r\ndata:{"id" : "\\u0041",  "vendor":1.0, "choices":[{"index":0,"delta":{"content":"Hi"}}]}\r\n\r\n'


async def test_bytes_go_through_as_they_came() -> None:
    """Nothing is encoded anew: comments, line ends, spaces and unknown fields arrive as the server sent them."""
    parts = [ODD, *map(event, hello()), b"data: [DONE]\n\n"]

    data = await relayed(sse(parts, done=False))

    assert data == b"".join(parts)


async def test_done_is_added_where_the_server_sends_none() -> None:
    """OpenAI clients wait for `[DONE]`, which not every server says."""
    data = await relayed(sse(hello(), done=False))

    assert data == b"".join(map(event, hello())) + b"data: [DONE]\n\n"


async def test_the_completion_is_known_afterwards() -> None:
    """`on_end` gets the whole answer with its usage, though nothing was decoded for the browser."""
    ends = Ends()
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}

    await relayed(sse([*hello(), chunk(usage=usage) | {"choices": []}]), on_end=ends)

    [(completion, error)] = ends
    assert error is None
    assert completion.choices[0].message.content == "Hello"
    assert completion.usage.total_tokens == 5


async def test_on_end_may_be_a_coroutine_function() -> None:
    """A completion can be stored by awaiting a database; `leave` waits for that."""
    stored: list[str] = []

    async def store(completion: Any, error: OpenAIError | None) -> None:
        await asyncio.sleep(0)
        assert error is None
        stored.append(completion.choices[0].message.content)

    await relayed(sse(hello()), on_end=store)

    assert stored == ["Hello"]


async def test_what_on_end_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failing callback harms nobody's answer, and does not go unseen."""

    def fail(completion: Any, error: OpenAIError | None) -> None:
        raise LookupError("no database")

    data = await relayed(sse(hello()), on_end=fail)

    assert data.endswith(b"data: [DONE]\n\n")
    assert "no database" in caplog.text


async def test_an_error_in_mid_stream_is_an_event() -> None:
    """What came before it is sent; then the API's own error object, as an `error` event, and no `[DONE]`."""
    ends = Ends()
    error = {"message": "Too much", "type": "server_error", "code": "overloaded", "param": None}

    data = await relayed(sse([*hello()[:2], {"error": error}]), on_end=ends)

    before, _, last = data.removesuffix(b"\n\n").rpartition(b"\n\n")
    assert before + b"\n\n" == b"".join(map(event, hello()[:2]))
    name, _, payload = last.partition(b"\n")
    assert name == b"event: error"
    assert json.loads(payload.removeprefix(b"data: ")) == {"error": error}
    [(completion, failure)] = ends
    assert completion.choices[0].message.content == "Hel"
    assert isinstance(failure, APIStatusError)


async def test_a_connection_that_breaks_tells_nothing_of_the_way_there() -> None:
    """The browser learns that the answer is cut off, and no host, port or key."""
    ends = Ends()

    data = await relayed(sse(hello()[:2], done=False, ending="reset"), on_end=ends)

    assert b"upstream_connection" in data
    assert b"127.0.0.1" not in data
    assert isinstance(ends[0][1], IncompleteStreamError)


async def endless(peer: Peer) -> None:
    """Send the beginning of an answer, then nothing until the client goes."""
    await sse(hello()[:2], done=False, ending="nothing")(peer)


async def silent(peer: Peer) -> None:
    """Send nothing until the client goes."""
    await peer.gone()


@pytest.mark.parametrize("handler", [endless, silent], ids=["mid-answer", "before the first token"])
async def test_cancel_aborts_the_request(handler: Handler) -> None:
    """A reader that leaves stops the model's server, before the first token as well."""
    ends, gone = Ends(), asyncio.Event()

    async def handle(peer: Peer) -> None:
        await handler(peer)
        gone.set()

    async with RawServer(handle) as server, client_of(server) as client:
        relay = DirectRelay(call_of(client), on_end=ends)
        relay.start()
        await eventually(lambda: bool(server.requests))
        if handler is endless:
            await relay.take()
        await relay.leave()
        with anyio.fail_after(5):
            await gone.wait()

    [(completion, error)] = ends
    assert isinstance(error, StreamStateError)
    assert completion is None if handler is silent else completion.choices[0].message.content == "Hel"


@pytest.mark.parametrize("policy", ["drain", "detach"])
async def test_an_answer_outlives_its_reader(policy: Any) -> None:
    """With "drain" and "detach" the whole answer is known though the reader left after a part of it."""
    ends, go_on = Ends(), asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"".join(map(event, hello()[:2])))
        await go_on.wait()
        await peer.chunk(b"".join(map(event, hello()[2:])) + b"data: [DONE]\n\n")
        await peer.chunk(b"")

    async with RawServer(handle) as server, client_of(server) as client:
        relay = DirectRelay(call_of(client), on_disconnect=policy, on_end=ends)
        relay.start()
        await relay.take()
        if policy == "detach":
            await relay.leave()  # at once
            go_on.set()
        else:
            leaving = asyncio.create_task(relay.leave())
            await asyncio.sleep(0)
            assert not leaving.done()
            go_on.set()
            await leaving
        with anyio.fail_after(5):
            await ends.told.wait()

    [(completion, error)] = ends
    assert error is None
    assert completion.choices[0].message.content == "Hello"


async def test_a_drain_that_is_cancelled_aborts_the_request() -> None:
    """A server that stops does not wait for what nobody reads: cancelled means cancelled."""
    ends = Ends()
    async with RawServer(endless) as server, client_of(server) as client:
        relay = DirectRelay(call_of(client), on_disconnect="drain", on_end=ends)
        relay.start()
        await relay.take()
        leaving = asyncio.create_task(relay.leave())
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        with anyio.fail_after(5):
            await ends.told.wait()

    assert isinstance(ends[0][1], StreamStateError)


async def test_a_reader_that_is_behind_makes_the_server_wait() -> None:
    """No more than a megabyte is kept for a reader: the rest stays in the sockets, and the server notices."""
    piece = event(chunk("x" * 65_536))
    sent = 0

    async def handle(peer: Peer) -> None:
        nonlocal sent
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        for _ in range(640):
            await peer.chunk(piece)
            sent += 1
        await peer.gone()

    async with RawServer(handle) as server, client_of(server) as client:
        relay = DirectRelay(call_of(client))
        relay.start()
        await relay.begun()
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        await relay.leave()

    assert sent < 400  # of 640 events of 64 KiB, of which the sockets hold some megabytes


async def test_a_call_that_was_awaited_is_refused() -> None:
    """The mistake of awaiting the call first is named, and how to do it right."""
    async with RawServer(sse(hello())) as server, client_of(server) as client:
        async with call_of(client) as stream:
            with pytest.raises(TypeError, match="don't await it"):
                DirectRelay(stream)
            await stream.final()
        call = call_of(client)
        with pytest.raises(ValueError, match='"cancel", "drain" or "detach"'):
            DirectRelay(call, on_disconnect="ignore")  # type: ignore[arg-type]  # the mistake
        call.close()


async def test_a_fault_of_the_program_is_not_swallowed() -> None:
    """An exception that is none of ours ends the stream without details, and goes to whoever runs the response."""

    class Broken:
        async def __aenter__(self) -> Any:
            raise ZeroDivisionError("secret")

        async def __aexit__(self, *_: object) -> None: ...

    relay = DirectRelay(Broken())
    relay.start()
    data = b"".join([part async for part in EventBody(relay)])

    assert b"secret" not in data
    with pytest.raises(ZeroDivisionError):
        await relay.leave()
