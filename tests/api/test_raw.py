"""Responses as they came: heads, bodies, and the answers they hold."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from support.clock import run
from support.rawserver import RawServer, answer, chunk, completion, event, hello, sse
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AsyncOpenAI,
    ChatCompletion,
    InternalServerError,
    RawResponse,
    StreamedResponse,
    StreamStateError,
)
from openai_async.types.options import Timeout

pytestmark = pytest.mark.anyio
MESSAGES: Any = [{"role": "user", "content": "hi"}]
BODY = json.dumps(completion("Hello")).encode()
LIMITS = {"x-request-id": "req-1", "x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "99"}
STREAM = b"".join(map(event, [*hello(), "[DONE]"]))


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """One event loop is enough."""
    return request.param


def client(*responses: Any, **options: Any) -> AsyncOpenAI:
    """A client that gets these responses."""
    return AsyncOpenAI(api_key="secret-key", transport=ScriptedTransport(list(responses)), **options)


def ask(client: AsyncOpenAI, **params: Any) -> Any:
    """A call that was not sent yet."""
    return client.chat.completions.create(model="m", messages=MESSAGES, **params)


def scripted(*parts: Any, **headers: str) -> ScriptedResponse:
    """A response with a JSON body."""
    return ScriptedResponse(*parts, headers={"content-type": "application/json", **LIMITS, **headers})


# Bodies that are read.


async def test_head() -> None:
    """A raw response tells status, headers, request id, rate limits, retries and the request's address."""
    handlers = answer({"error": {}}, status=500), answer(completion("Hello"), headers=LIMITS)
    async with RawServer(*handlers) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        raw = await ask(client, extra_query={"a": 1}).raw()
    assert (raw.status_code, raw.status, raw.request_id, raw.retries_taken) == (200, 200, "req-1", 1)
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.rate_limits is not None
    assert raw.rate_limits.requests.remaining == 99
    assert (raw.method, raw.url) == ("POST", f"{server.url}/chat/completions?a=1")
    assert raw.elapsed > timedelta(0)
    assert raw.is_closed
    assert repr(raw) == f"<RawResponse POST {server.url}/chat/completions status=200 request_id='req-1'>"


async def test_body() -> None:
    """The body is there as bytes, text and plain data, and as the answer when it is parsed."""
    raw = await ask(client(scripted(BODY))).raw()
    assert isinstance(raw, RawResponse)
    assert (raw.content, raw.text, raw.json()) == (BODY, BODY.decode(), json.loads(BODY))
    parsed = raw.parse()
    assert isinstance(parsed, ChatCompletion)
    assert parsed.choices[0].message.content == "Hello"
    assert parsed._request_id == "req-1"
    assert raw.parse(to=dict) == json.loads(BODY)
    assert raw.parse(to=bytes) == BODY


async def test_an_error_shows_when_parsed() -> None:
    """A body that is an error, or no answer, is handed out; parsing it raises."""
    raw = await ask(client(scripted(b'{"error": {"message": "no", "code": 500}}'))).raw()
    assert raw.json()["error"]["message"] == "no"
    with pytest.raises(InternalServerError, match="no"):
        raw.parse()
    page = await ask(client(scripted(b"<html>"))).raw()
    with pytest.raises(APIResponseValidationError):
        page.json()
    with pytest.raises(APIResponseValidationError):
        page.parse()


async def test_a_stream() -> None:
    """The raw response of a stream gives the stream, which is not read as bytes."""
    handler = sse(hello(), headers=LIMITS)
    async with RawServer(handler, handler) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        raw = await ask(client, stream=True).raw()
        assert (raw.request_id, raw.is_closed) == ("req-1", False)
        with pytest.raises(StreamStateError, match="stream"):
            _ = raw.content
        assert raw.parse() is raw.parse()
        assert "".join([piece async for piece in raw.parse().text()]) == "Hello"
        async with ask(client, stream=True).raw() as left:
            stream = left.parse()
        with pytest.raises(StreamStateError, match="closed"):
            await stream.final()


async def test_a_call_is_sent_once() -> None:
    """The raw call takes the call's place; a call that was used has none."""
    call = ask(client(scripted(BODY)))
    raw = call.raw()
    with pytest.raises(RuntimeError, match="used already"):
        await call
    await raw
    with pytest.raises(RuntimeError, match="used already"):
        call.raw()


async def test_with_raw_response() -> None:
    """The official spelling gives the same."""
    completions = client(scripted(BODY), scripted(BODY)).chat.completions
    raw = await completions.with_raw_response.create(model="m", messages=MESSAGES)
    assert raw.parse().choices[0].message.content == "Hello"
    raw = await completions.with_raw_response.parse(model="m", messages=MESSAGES)
    assert raw.parse().choices[0].message.parsed is None


# Bodies on the wire.


async def test_streamed() -> None:
    """A response whose body is unread gives it once, in any of its forms, and closes when it is left."""
    for read, expected in (
        ("read", BODY),
        ("text", BODY.decode()),
        ("json", json.loads(BODY)),
    ):
        response = scripted(BODY[:20], BODY[20:])
        async with ask(client(response)).streamed() as streamed:
            assert isinstance(streamed, StreamedResponse)
            assert (streamed.status_code, streamed.request_id, streamed.is_closed) == (200, "req-1", False)
            assert await getattr(streamed, read)() == expected
            assert (await streamed.parse()).choices[0].message.content == "Hello"
            assert (await streamed.parse(to=dict))["object"] == "chat.completion"
        assert (response.released, streamed.is_closed) == (1, True)


async def test_streamed_parse() -> None:
    """It is parsed off the wire; what it is no answer raises there."""
    async with client(scripted(BODY)).chat.completions.with_streaming_response.create(
        model="m", messages=MESSAGES
    ) as streamed:
        assert (await streamed.parse()).choices[0].message.content == "Hello"
    async with ask(client(scripted(b"<html>"))).streamed() as streamed:
        with pytest.raises(APIResponseValidationError):
            await streamed.parse()


async def test_streamed_pieces() -> None:
    """Bytes come as they arrive or in pieces of a size, text and lines whole however they are cut."""
    body = "ä\r\nb\rc\n\nd".encode()
    cut = [body[:1], body[1:3], body[3:4], body[4:]]
    for size, expected in ((None, cut), (4, [body[:4], body[4:8], body[8:]])):
        async with ask(client(scripted(*cut))).streamed() as streamed:
            assert [piece async for piece in streamed.iter_bytes(size)] == expected
    async with ask(client(scripted(*cut))).streamed() as streamed:
        assert "".join([piece async for piece in streamed.iter_text()]) == body.decode()
    async with ask(client(scripted(*cut))).streamed() as streamed:
        assert [line async for line in streamed.iter_lines()] == ["ä", "b", "c", "", "d"]
    async with ask(client(scripted(b"a\r"))).streamed() as streamed:
        assert [line async for line in streamed.iter_lines()] == ["a"]


async def test_streamed_once() -> None:
    """A body that an iterator read is gone, and so is one that was closed."""
    async with ask(client(scripted(BODY))).streamed() as streamed:
        async for _ in streamed.iter_bytes():
            pass
        with pytest.raises(StreamStateError):
            await streamed.read()
    response = scripted(BODY)
    streamed = await ask(client(response)).streamed()
    await streamed.aclose()
    await streamed.aclose()
    assert response.closed == 1
    with pytest.raises(StreamStateError):
        await streamed.parse()


async def test_a_streamed_stream() -> None:
    """A stream's bytes come as they are; parsed, they are the stream, closed with the response."""
    async with ask(client(ScriptedResponse(STREAM, headers=EVENT_STREAM)), stream=True).streamed() as streamed:
        assert await streamed.read() == STREAM
    response = ScriptedResponse(STREAM, headers=EVENT_STREAM)
    async with ask(client(response), stream=True).streamed() as streamed:
        stream = await streamed.parse()
        assert [one.text async for one in stream] == ["", "Hel", "lo", ""]
    assert response.closed + response.released >= 1


async def test_a_broken_body() -> None:
    """A body that breaks off raises with the response's head, closes it, and shows no key."""
    response = scripted(BODY[:20], APIConnectionError("cut off at secret-key"))
    async with ask(client(response)).streamed() as streamed:
        with pytest.raises(APIConnectionError) as caught:
            await streamed.read()
    assert response.closed == 1
    assert caught.value.request_id == "req-1"
    assert "secret-key" not in str(caught.value)


def test_a_silent_body() -> None:
    """The total limit holds while the body is read."""

    async def main() -> None:
        async with ask(client(scripted(BODY[:20], 1e6)), timeout=Timeout(total=10)).streamed() as streamed:
            with pytest.raises(APIConnectionError, match="10 s"):
                await streamed.read()

    run(main())


# A stream's bytes.


def normal(data: bytes) -> bytes:
    """The same lines, ended by LF."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
async def test_raw_bytes(end: bytes, size: int) -> None:
    """The bytes of a stream come as they are, in pieces of whole events, however they were cut."""
    body = STREAM.replace(b"\n", end)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    stream = await ask(client(ScriptedResponse(*parts, headers=EVENT_STREAM)), stream=True)
    pieces = [piece async for piece in stream.raw()]
    # The last line end of [DONE] may be half of a CRLF: nothing is read after it.
    assert body.startswith(b"".join(pieces))
    assert len(b"".join(pieces)) >= len(body) - 1
    assert all(normal(piece).endswith(b"\n\n") for piece in pieces)
    assert stream.snapshot.choices[0].message.content == "Hello"


async def test_raw_bytes_end_before_an_error() -> None:
    """An error event is raised, not handed out; what came before it is."""
    good = event(chunk("a")) + event(chunk("b"))
    bad = event({"error": {"message": "overloaded", "type": "server_error"}})
    for parts in ([good, bad], [good + bad], [good + bad + good]):
        stream = await ask(client(ScriptedResponse(*parts, headers=EVENT_STREAM)), stream=True)
        seen: list[bytes] = []
        with pytest.raises(InternalServerError) as caught:
            seen += [seen.append(piece) or b"" async for piece in stream.raw()]
        assert b"".join(seen) == good
        assert caught.value.partial.choices[0].message.content == "ab"


async def test_raw_bytes_end_with_done() -> None:
    """What a server writes after [DONE] is not handed out."""
    stream = await ask(client(ScriptedResponse(STREAM + event(chunk("x")), headers=EVENT_STREAM)), stream=True)
    assert b"".join([piece async for piece in stream.raw()]) == STREAM


async def test_raw_bytes_of_a_completion() -> None:
    """Where a server answers with a completion instead, its bytes are an event stream all the same."""
    stream = await ask(client(scripted(BODY)), stream=True)
    data = b"".join([piece async for piece in stream.raw()])
    assert data.startswith(b'data: {"id"')
    assert data.endswith(b"data: [DONE]\n\n")


async def test_raw_comes_first() -> None:
    """The bytes can't be had once chunks were read."""
    stream = await ask(client(ScriptedResponse(STREAM, headers=EVENT_STREAM)), stream=True)
    await anext(stream)
    with pytest.raises(StreamStateError, match="before"):
        stream.raw()
    await stream.aclose()


# What a review found.


async def test_errors_of_bodies_show_no_key() -> None:
    """A server that repeats the key in a body does not make an error show it, whenever the body is understood."""
    body = b'{"error": {"message": "bad key secret-key"}}'
    raw = await ask(client(scripted(body))).raw()
    async with ask(client(scripted(body))).streamed() as streamed:
        await streamed.read()
        for parse in (raw.parse, lambda: raw.parse(to=dict)):
            with pytest.raises(APIError) as caught:
                parse()
            assert "secret-key" not in f"{caught.value} {caught.value.body}"
        with pytest.raises(APIError) as caught:
            await streamed.parse(to=dict)
        assert "secret-key" not in f"{caught.value} {caught.value.body}"
    chunks = ScriptedResponse(event(chunk("secret-key")), event("[DONE]"), headers=EVENT_STREAM)
    async with await ask(client(chunks), stream=True, cast_to=bool) as stream:
        with pytest.raises(APIResponseValidationError) as caught:
            await anext(stream)
        assert "secret-key" not in f"{caught.value} {caught.value.body}"


async def test_errors_of_opened_streams_show_no_key() -> None:
    """Nor does an error in the stream that a response with an unread body was opened as."""
    failing = event(chunk("a")) + event({"error": {"message": "bad key secret-key", "code": 500}})
    response = ScriptedResponse(failing, headers=EVENT_STREAM)
    async with ask(client(response), stream=True).streamed() as streamed:
        stream = await streamed.parse()
        with pytest.raises(InternalServerError) as caught:
            await stream.final()
    assert "secret-key" not in f"{caught.value} {caught.value.body}"


async def test_answers_can_be_parsed_again() -> None:
    """A body that parse() read is there for a second parse(), for read() and json(); a stream stays the same."""
    async with ask(client(scripted(BODY))).streamed() as streamed:
        first, second = await streamed.parse(), await streamed.parse()
        assert first == second
        assert (await streamed.read(), streamed.is_closed) == (BODY, True)
    async with ask(client(ScriptedResponse(STREAM, headers=EVENT_STREAM)), stream=True).streamed() as streamed:
        stream = await streamed.parse()
        assert await streamed.parse() is stream
        await stream.final()
        assert streamed.is_closed


@pytest.mark.parametrize("size", [0, -1])
async def test_sizes_of_pieces(size: int) -> None:
    """Pieces have a size."""
    async with ask(client(scripted(BODY))).streamed() as streamed:
        with pytest.raises(ValueError, match="1 or more"):
            await anext(streamed.iter_bytes(size))


def test_the_users_time_is_no_silence() -> None:
    """Neither before the body is asked for, nor between two pieces, does the user's own time count."""

    async def main() -> None:
        limits = Timeout(first_token=5, idle=1)
        response = ScriptedResponse(b"a", 0.5, b"b", headers=EVENT_STREAM)
        async with ask(client(response), stream=True, timeout=limits).streamed() as streamed:
            await asyncio.sleep(100)
            seen = []
            async for piece in streamed.iter_bytes():
                seen.append(piece)
                await asyncio.sleep(100)
            assert seen == [b"a", b"b"]

    run(main())


async def test_dropped() -> None:
    """A response that nobody reads warns, and is closed."""
    response = scripted(BODY)
    held = [await ask(client(response)).streamed()]
    with pytest.warns(ResourceWarning, match="neither read"):
        held.clear()
    assert response.closed == 1


async def test_long_lines() -> None:
    """A long line costs its length once: a thousand pieces of it come out as one."""
    async with ask(client(scripted(*[b"x" * 1000] * 1000, b"\ny"))).streamed() as streamed:
        assert [len(line) async for line in streamed.iter_lines()] == [1_000_000, 1]


async def test_bytes_are_kept_for_raw_only() -> None:
    """A stream that is read by chunks does not keep what came over the wire."""
    stream = await ask(client(ScriptedResponse(STREAM, headers=EVENT_STREAM)), stream=True)
    await stream.final()
    assert stream._reader.reads is None
