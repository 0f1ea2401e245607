"""`ChatStream`: every way in which a stream can end, and every way to read and to leave it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.clock import run
from support.rawserver import Handler, Peer, RawServer, chunk, completion, event, hello, sse
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, ChatCompletionAccumulator, errors
from openai_async.api.stream import ChatStream
from openai_async.protocol.chunks import has_payload
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.options import Timeout

MESSAGES: Any = [{"role": "user", "content": "hi"}]

ROLE, HEL, LO, STOP = map(event, hello())
DONE = event("[DONE]")
USAGE = event({**chunk(), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
ERROR = event({"error": {"message": "overloaded", "type": "server_error", "code": None}})
CUT = errors.APIConnectionError("cut")
STALL = 1e6

Stream = ChatStream[ChatCompletionChunk]


async def open_stream(*parts: Any, timeout: Timeout | None = None, events: bool = False, **params: Any) -> Any:
    """A stream of these parts, its first content read; its response is `stream._reader._body`."""
    response = ScriptedResponse(*parts, headers={**EVENT_STREAM, "x-request-id": "req-1"})
    client = AsyncOpenAI(api_key="k", transport=ScriptedTransport([response]), max_retries=0)
    method = client.chat.completions.stream if events else client.chat.completions.create
    options: Any = {} if events else {"stream": True}
    return await method(model="m", messages=MESSAGES, timeout=timeout or Timeout.of(None), **options, **params)


def text(answer: Any) -> str | None:
    """The text of a completion's first choice."""
    content: str | None = answer.choices[0].message.content
    return content


async def drain(stream: Any) -> list[Any]:
    """Iterate to the end."""
    return [item async for item in stream]


# How a stream ends.


@pytest.mark.parametrize(
    "parts",
    [
        [ROLE, HEL, LO, STOP, DONE],
        [ROLE + HEL + LO + STOP + DONE],
        [ROLE, HEL, LO, STOP, USAGE, DONE],
        [ROLE, HEL, LO, STOP, USAGE],
        [ROLE, HEL, LO, STOP],
        [ROLE, HEL, LO, DONE],
        [ROLE, HEL, LO, STOP, CUT],
        [ROLE, HEL, LO, STOP, DONE, CUT],
        [ROLE, HEL, LO, STOP, STALL],
        [ROLE, HEL, LO, STOP, DONE, STALL],
        [ROLE, HEL, LO, STOP, DONE + ERROR],
        [ROLE, HEL, LO, STOP, DONE + event(chunk("more"))],
        [ROLE, HEL, LO, STOP, DONE + b"data: garbage\n\n"],
        [ROLE, HEL, LO, STOP, b"data: [DO"],
        [ROLE, b": ping\n\n", HEL, b"event: ping\ndata: {}\n\n", LO, STOP, DONE],
    ],
    ids=[
        "done", "one read", "usage", "usage, no done", "no done", "no finish", "cut after finish", "cut after done",
        "stall after finish", "stall after done", "error after done", "chunk after done", "garbage after done",
        "half a done", "pings",
    ],
)  # fmt: skip
def test_complete(parts: list[Any]) -> None:
    """A stream is complete when `[DONE]` came, or when every choice has its `finish_reason`, and then only."""

    async def main() -> None:
        stream = await open_stream(*parts, timeout=Timeout(idle=60))
        chunks = await drain(stream)
        assert "".join(one.text for one in chunks) == "Hello"
        assert text(await stream.final()) == "Hello"
        assert await drain(stream) == []
        assert stream._reader._body.released + stream._reader._body.closed == 1

    run(main())


@pytest.mark.parametrize(
    ("end", "cls", "told"),
    [
        ([], errors.IncompleteStreamError, "the server closed it without an error"),
        ([b"data: {"], errors.IncompleteStreamError, "the server closed it without an error"),
        ([CUT], errors.IncompleteStreamError, "cut"),
        ([STALL], errors.APITimeoutError, "no further token arrived within 60 s"),
        ([ERROR], errors.InternalServerError, "overloaded"),
        ([ERROR + LO + STOP + DONE], errors.InternalServerError, "overloaded"),
        ([b"event: error\ndata: oops\n\n"], errors.APIError, "oops"),
        ([b"data: {garbage\n\n"], errors.StreamProtocolError, "garbage"),
        ([event(chunk("x", index=5000))], errors.StreamProtocolError, "5000"),
    ],
    ids=["clean end", "half an event", "cut", "stall", "error", "error, then more", "error event", "garbage", "index"],
)
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("way", ["iterate", "final", "text", "batches", "events", "until_done"])
def test_incomplete(
    end: list[Any],
    cls: type[errors.APIError],
    told: str,
    joined: bool,  # noqa: FBT001 - a column of the table
    way: str,
) -> None:
    """Anything else is an error, after every chunk that came before it, with what was received; by each way to read."""

    async def main() -> None:
        apart = not joined or not end or not isinstance(end[0], bytes)
        parts = [ROLE, HEL, *end] if apart else [ROLE + HEL + end[0], *end[1:]]
        stream = await open_stream(*parts, timeout=Timeout(idle=60))
        seen: list[Any] = []

        async def read() -> None:
            if way in {"final", "until_done"}:
                await getattr(stream, way)()
            else:
                items = stream if way == "iterate" else getattr(stream, way)()
                async for item in items:
                    seen.append(item)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(errors.APIError) as caught:
            await read()
        error = caught.value

        assert type(error) is cls
        assert told in str(error)
        assert error.request_id == "req-1"
        assert error.headers["x-request-id"] == "req-1"
        assert text(error.partial) == "Hel"
        assert error.partial == stream.snapshot
        if way == "iterate":
            assert [one.text for one in seen] == ["", "Hel"]
        if way == "text":
            assert seen == ["Hel"]
        assert stream._reader._body.released + stream._reader._body.closed == 1
        # It stays so: iterating again does not make it whole.
        with pytest.raises(cls) as again:
            await anext(stream)
        assert again.value is error
        with pytest.raises(cls):
            await stream.final()

    run(main())


def test_choices_that_are_not_all_finished() -> None:
    """A clean end is none where one of two choices is not finished."""

    async def main() -> None:
        stream = await open_stream(event(chunk("a")), event(chunk("b", index=1)), event(chunk(finish="stop")))
        with pytest.raises(errors.IncompleteStreamError) as caught:
            await stream.final()
        reasons = [choice.finish_reason for choice in caught.value.partial.choices]
        assert reasons == ["stop", None]

    run(main())


def test_broken_connection_is_behind_the_error() -> None:
    """The cause of a stream's early end is its `__cause__`."""

    async def main() -> None:
        stream = await open_stream(HEL, errors.APIConnectionError("reset by peer"))
        with pytest.raises(errors.IncompleteStreamError, match="reset by peer") as caught:
            await stream.final()
        assert str(caught.value.__cause__) == "reset by peer"

    run(main())


def test_whole_completion_as_a_stream() -> None:
    """A plain completion is a stream of one chunk, for every way to read."""

    async def opened(**options: Any) -> Any:
        import json

        response = ScriptedResponse(json.dumps(completion("Hi")).encode())
        client = AsyncOpenAI(api_key="k", transport=ScriptedTransport([response]))
        return await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **options)

    async def main() -> None:
        (only,) = await drain(await opened())
        assert (only.object, only.text) == ("chat.completion.chunk", "Hi")
        assert await drain((await opened()).text()) == ["Hi"]
        assert [len(batch) for batch in await drain((await opened()).batches())] == [1]
        kinds = [one.type for one in await drain((await opened()).events())]
        assert kinds == ["chunk", "content.delta", "content.done"]
        answer = await (await opened()).final()
        assert (text(answer), answer.usage.total_tokens) == ("Hi", 5)

    run(main())


# Time.


def test_idle_limit_counts_payload_only() -> None:
    """Pings, empty deltas and the role do not put off the idle limit, though chunks among them are handed out."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for filler in (b": ping\n\n", ROLE, event(chunk("")), event({**chunk(), "choices": []})):
            stream = await open_stream(
                HEL, *[part for _ in range(50) for part in (20.0, filler)], timeout=Timeout(idle=60)
            )
            began = loop.time()
            with pytest.raises(errors.APITimeoutError) as caught:
                await drain(stream)
            assert caught.value.phase == "idle"
            assert loop.time() - began == pytest.approx(60)

    run(main())


def test_idle_limit_is_put_off_by_payload() -> None:
    """Text, tool calls, refusals, audio, reasoning and the end are payload."""

    async def main() -> None:
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
        payloads = [
            chunk("x"),
            chunk(delta={"tool_calls": [call]}),
            chunk(delta={"refusal": "no"}),
            chunk(delta={"audio": {"id": "a", "data": "QQ=="}}),
            chunk(delta={"function_call": {"name": "f"}}),
            chunk(delta={"reasoning_content": "hm"}),
            chunk(finish="stop"),
        ]
        parts = [part for payload in payloads for part in (50.0, event(payload))]
        stream = await open_stream(*parts, DONE, timeout=Timeout(first_token=60, idle=60))
        await stream.final()

    run(main())


def test_slow_reader_is_not_idle() -> None:
    """However long the reader takes between two chunks, the server's time is the server's."""

    async def main() -> None:
        stream = await open_stream(HEL, 40.0, LO, 40.0, STOP, DONE, timeout=Timeout(idle=60))
        seen = []
        async for one in stream:
            await asyncio.sleep(1000)
            seen.append(one.text)
        assert seen == ["Hel", "lo", ""]

    run(main())


def test_total_limit_spans_the_stream() -> None:
    """The total limit ends a stream in the middle, with what was received."""

    async def main() -> None:
        stream = await open_stream(HEL, *[part for _ in range(50) for part in (1.0, LO)], timeout=Timeout(total=10.5))
        with pytest.raises(errors.APITimeoutError) as caught:
            await stream.final()
        assert caught.value.phase == "total"
        assert text(caught.value.partial) == "Hel" + "lo" * 10

    run(main())


def test_total_limit_binds_a_reader_that_is_slower_than_the_server() -> None:
    """A reader that finds bytes whenever it comes is stopped as well: what one more read brings is the last."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        stream = await open_stream(HEL, *[LO] * 1000, timeout=Timeout(total=10))
        seen: list[float] = []

        async def read() -> None:
            async for _ in stream:
                seen.append(loop.time() - began)
                await asyncio.sleep(1)

        with pytest.raises(errors.APITimeoutError) as caught:
            await read()
        assert caught.value.phase == "total"
        assert seen == [pytest.approx(second) for second in range(11)]
        assert text(caught.value.partial) == "Hel" + "lo" * 10
        assert stream._reader._body.closed == 1

    run(main())


def test_total_limit_passes_while_the_reader_is_busy() -> None:
    """What was received before the limit is handed out after it; an answer that is whole by then is no failure."""

    async def main() -> None:
        for rest, whole in (([LO + STOP + DONE], True), ([LO + STOP, DONE], True), ([LO, 1.0, STOP], False)):
            stream = await open_stream(ROLE + HEL, *rest, timeout=Timeout(total=10))
            await anext(stream)
            await asyncio.sleep(3600)
            assert (await anext(stream)).text == "Hel"
            if whole:
                assert text(await stream.final()) == "Hello"
            else:
                with pytest.raises(errors.APITimeoutError) as caught:
                    await stream.final()
                assert text(caught.value.partial) == "Hello"

    run(main())


def test_total_limit_spans_attempts_and_the_stream() -> None:
    """Three attempts, their back-off and the stream of the third are one call of two hours, and end with it."""

    async def main() -> None:
        hour = 3600.0
        loop = asyncio.get_running_loop()
        busy = {**EVENT_STREAM, "retry-after": "100"}
        script = [
            ScriptedResponse(b"", status=503, before=hour / 2, headers=busy),
            ScriptedResponse(ROLE, hour / 4, ERROR, headers=busy),
            ScriptedResponse(
                ROLE, 600.0, HEL, *[part for _ in range(50) for part in (600.0, LO)], headers=EVENT_STREAM
            ),
        ]
        transport = ScriptedTransport(script)
        client = AsyncOpenAI(api_key="k", transport=transport)
        limits = Timeout(first_token=hour, idle=hour, total=2 * hour)
        began = loop.time()
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, timeout=limits)
        assert [at - began for at in transport.times] == [
            0,
            pytest.approx(hour / 2 + 100),
            pytest.approx(hour * 3 / 4 + 200),
        ]
        with pytest.raises(errors.APITimeoutError) as caught:
            await stream.final()
        assert (caught.value.phase, loop.time() - began) == ("total", pytest.approx(2 * hour))
        assert str(text(caught.value.partial)).startswith("Hello")

    run(main())


def test_timing() -> None:
    """`timing` tells when what happened, in seconds from the call's start."""

    async def main() -> None:
        stream = await open_stream(2.0, ROLE, 3.0, HEL, 4.0, LO, STOP, DONE)
        assert stream.timing.first_byte == pytest.approx(2)
        assert stream.timing.first_token == pytest.approx(5)
        assert stream.timing.last is None
        await stream.final()
        assert stream.timing.last == pytest.approx(9)

    run(main())


# Ways to read.


def test_snapshot_grows_with_what_is_handed_out() -> None:
    """`snapshot` is what the loop has seen, not what the socket has brought; older ones do not change."""

    async def main() -> None:
        stream = await open_stream(ROLE + HEL + LO + STOP + USAGE + DONE)
        snapshots = [stream.snapshot async for _ in stream]
        assert [text(one) for one in snapshots] == ["", "Hel", "Hello", "Hello", "Hello"]
        assert [one.usage is not None for one in snapshots] == [False, False, False, False, True]
        assert snapshots[0]._request_id == "req-1"
        assert stream.current_completion_snapshot == snapshots[-1]

    run(main())


def test_final_is_what_the_chunks_add_up_to() -> None:
    """The final completion is the same by every way to read, and by the accumulator on its own."""

    async def main() -> None:
        parts = [ROLE, HEL + LO, STOP, USAGE + DONE]
        stream = await open_stream(*parts)
        accumulator = ChatCompletionAccumulator()
        for one in await drain(stream):
            accumulator.add(one)
        expected = accumulator.completion()
        for way in ("text", "batches", "events"):
            other = await open_stream(*parts)
            await drain(getattr(other, way)())
            assert await other.final() == await stream.final()
        direct = await open_stream(*parts)
        final = await direct.get_final_completion()
        assert final.to_dict() == expected.to_dict()
        assert await direct.until_done() is direct

    run(main())


def test_text() -> None:
    """`text()` gives the pieces of the first choice's text, and no empty ones."""

    async def main() -> None:
        parts = [
            ROLE,
            HEL,
            event(chunk("not this", index=1)),
            event(chunk("")),
            LO,
            STOP,
            event(chunk(finish="stop", index=1)),
            DONE,
        ]
        stream = await open_stream(*parts)
        assert await drain(stream.text()) == ["Hel", "lo"]
        assert (await stream.final()).choices[1].message.content == "not this"

    run(main())


def test_batches() -> None:
    """`batches()` gives the chunks of one socket read at a time, none of them empty."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL + LO, b": ping\n\n", STOP[:20], STOP[20:] + USAGE, DONE)
        batches = await drain(stream.batches())
        # The first two reads were made when the stream was opened: its first content is in the second.
        assert [len(batch) for batch in batches] == [3, 2]

    run(main())


def test_payloads() -> None:
    """`payloads()` gives the JSON of the chunks as it came, by socket read, without what is no chunk."""

    async def main() -> None:
        odd = b'{ "choices":[{"delta" : {"content":"odd\\u0021", "vendor": 1.0}, "index":0}] }'
        stream = await open_stream(
            ROLE, HEL + b"data: " + odd + b"\n\n", b": ping\n\n", STOP[:20], STOP[20:] + USAGE, DONE
        )
        payloads = await drain(stream.payloads())

        assert payloads == [[data_of(ROLE), data_of(HEL), odd], [data_of(STOP), data_of(USAGE)]]
        completion = await stream.final()
        assert (text(completion), completion.usage is not None) == ("Helodd!", True)

    run(main())


def test_payloads_from_the_middle() -> None:
    """`payloads()` goes on where the chunks before it were taken otherwise, and loses nothing that it can't have as it came."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL + LO, STOP, DONE)
        first = await anext(stream)
        payloads = [json.loads(payload) for batch in await drain(stream.payloads()) for payload in batch]

        assert first.choices[0].delta.role == "assistant"
        assert [one["choices"][0]["delta"].get("content") for one in payloads] == ["Hel", "lo", None]
        assert text(await stream.final()) == "Hello"

    run(main())


def test_payloads_before_an_error() -> None:
    """What came before a stream broke is handed out, then the error is raised."""

    async def main() -> None:
        impossible = event({**chunk("x"), "choices": [{"index": 500, "delta": {"content": "x"}}]})
        stream = await open_stream(HEL + LO + impossible)
        payloads = stream.payloads()

        assert await anext(payloads) == [data_of(HEL), data_of(LO)]
        with pytest.raises(errors.StreamProtocolError) as caught:
            await anext(payloads)
        assert text(caught.value.partial) == "Hello"

    run(main())


def data_of(sent: bytes) -> bytes:
    """The data of an event."""
    return sent.removeprefix(b"data: ").rstrip(b"\n")


def test_events() -> None:
    """`stream()` iterates events, whose snapshots are those of their moment."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL + LO, STOP, DONE, events=True)
        told = await drain(stream)
        assert [one.type for one in told] == [
            "chunk", "content.delta", "chunk", "content.delta", "chunk", "content.delta", "chunk", "content.done",
        ]  # fmt: skip
        assert [one.snapshot for one in told if one.type == "content.delta"] == ["", "Hel", "Hello"]
        assert [text(one.snapshot) for one in told if one.type == "chunk"] == ["", "Hel", "Hello", "Hello"]
        assert told[-1].content == "Hello"
        assert text(await stream.final()) == "Hello"
        assert stream.events() is stream

    run(main())


def test_events_from_the_middle() -> None:
    """Chunks first and events from there on: the events' snapshots include what the chunks brought."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL, LO, STOP, DONE)
        assert [(await anext(stream)).text for _ in range(2)] == ["", "Hel"]
        told = await drain(stream.events())
        assert [one.type for one in told] == ["chunk", "content.delta", "chunk", "content.done"]
        assert told[1].snapshot == "Hello"
        assert text(told[0].snapshot) == "Hello"
        assert told[-1].content == "Hello"

    run(main())


def test_break_and_go_on() -> None:
    """A loop that is left with `break`, and a stream that is not closed, can be read on, or to its end."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL, LO, STOP, DONE)
        async for one in stream:
            if one.text:
                break
        async for one in stream:
            assert one.text == "lo"
            break
        assert text(await stream.final()) == "Hello"

    run(main())


def test_iterating_after_the_end() -> None:
    """After the end there is nothing more, and `final` is still there."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL, LO, STOP, DONE)
        assert len(await drain(stream)) == 4
        for again in (stream, stream.text(), stream.batches(), stream.events()):
            assert await drain(again) == []
        assert text(await stream.final()) == "Hello"

    run(main())


def test_two_readers() -> None:
    """A stream has one reader: a second task is refused, and the first gets all of it."""

    async def main() -> None:
        stream = await open_stream(HEL, 5.0, LO, STOP, DONE)
        await anext(stream)
        first, second = asyncio.create_task(stream.final()), asyncio.create_task(drain(stream))
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert text(results[0]) == "Hello"
        assert isinstance(results[1], errors.StreamStateError)
        assert "Another task is reading this stream" in str(results[1])

    run(main())


def test_readers_one_after_the_other() -> None:
    """A stream may be opened by one task and read by others in turn."""

    async def main() -> None:
        stream = await asyncio.create_task(open_stream(HEL, 5.0, LO, STOP, DONE, timeout=Timeout(idle=60)))
        assert (await asyncio.create_task(anext(stream))).text == "Hel"
        assert text(await asyncio.create_task(stream.final())) == "Hello"

    run(main())


def test_response_and_repr() -> None:
    """Status, headers and request id are the response's; `repr` tells the state."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL, LO, STOP, DONE)
        assert (stream.response.status, stream.response.request_id) == (200, "req-1")
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert repr(stream) == "<ChatStream open status=200 request_id='req-1'>"
        await stream.final()
        assert repr(stream) == "<ChatStream complete status=200 request_id='req-1'>"
        left = await open_stream(HEL, STALL)
        await left.aclose()
        assert "closed" in repr(left)
        failed = await open_stream(HEL, ERROR)
        with pytest.raises(errors.InternalServerError):
            await failed.final()
        assert "failed" in repr(failed)

    run(main())


# Leaving.


def test_closed_stream() -> None:
    """A stream that was closed before its end says so; what was received stays."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL, STALL)
        await anext(stream)
        await anext(stream)
        await stream.aclose()
        await stream.close()
        assert (stream._reader._body.closed, stream._reader._body.released) == (1, 0)
        for way in (stream.final, stream.__anext__, stream.text().__anext__, stream.batches().__anext__):
            with pytest.raises(errors.StreamStateError, match="closed before its end"):
                await way()
        assert text(stream.snapshot) == "Hel"

    run(main())


def test_closed_after_its_end() -> None:
    """Closing a stream that is over changes nothing: its connection was given back."""

    async def main() -> None:
        stream = await open_stream(ROLE, HEL, LO, STOP, DONE)
        await stream.final()
        await stream.aclose()
        assert (stream._reader._body.closed, stream._reader._body.released) == (0, 1)
        assert text(await stream.final()) == "Hello"

    run(main())


def test_closed_with_all_of_it_read() -> None:
    """A stream whose end came with its last chunks is over, though the loop has not seen them."""

    async def main() -> None:
        stream = await open_stream(ROLE + HEL + LO + STOP + DONE)
        async with stream:
            await anext(stream)
        assert (stream._reader._body.closed, stream._reader._body.released) == (0, 1)

    run(main())


def test_cancelled_reading() -> None:
    """Cancelling a read closes the stream, keeps what was received, and leaves no alarm."""

    async def main() -> None:
        stream = await open_stream(HEL, STALL, timeout=Timeout(idle=600, total=6000))
        task = asyncio.create_task(stream.final())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream._reader._body.closed == 1
        assert text(stream.snapshot) == "Hel"
        assert stream._reader.timer._handle is None
        with pytest.raises(errors.StreamStateError):
            await stream.final()

    run(main())


def test_time_out_of_the_callers_own() -> None:
    """A caller's `asyncio.timeout` around the loop ends it with `TimeoutError`, and the stream is closed."""

    async def main() -> None:
        stream = await open_stream(HEL, STALL)

        async def read() -> None:
            async with asyncio.timeout(5):
                await stream.final()

        with pytest.raises(TimeoutError):
            await read()
        assert stream._reader._body.closed == 1

    run(main())


@pytest.mark.parametrize("way", ["final", "anext"])
def test_closed_by_another_task(way: str) -> None:
    """A reader whose stream another task closes is told so, and does not take it for the server's doing."""

    async def main() -> None:
        stream = await open_stream(HEL, STALL, timeout=Timeout(idle=600))
        await anext(stream)
        task = asyncio.create_task(stream.final() if way == "final" else anext(stream))
        await asyncio.sleep(1)
        await stream.aclose()
        with pytest.raises(errors.StreamStateError, match="closed before its end"):
            await asyncio.wait_for(task, 1)
        assert text(stream.snapshot) == "Hel"

    run(main())


@pytest.mark.parametrize(
    ("parts", "warns"),
    [
        ([HEL, STALL], True),
        ([ROLE + HEL + LO + STOP + DONE], False),
        ([HEL, LO, STOP, DONE], True),
    ],
    ids=["in the middle", "all read", "not all read"],
)
def test_dropped_stream(parts: list[Any], warns: bool) -> None:  # noqa: FBT001 - a column of the table
    """A stream that is dropped in the middle warns and is closed; one that is over is not worth a warning."""

    async def main() -> None:
        stream = await open_stream(*parts)
        body = stream._reader._body
        await anext(stream)
        if warns:
            with pytest.warns(ResourceWarning, match="neither read to its end nor closed"):  # noqa: PT031 - both drop it
                del stream
                gc.collect()
        else:
            del stream
            gc.collect()
        assert body.closed == warns

    run(main())


def test_dropped_after_an_error() -> None:
    """A stream that failed is over."""

    async def main() -> None:
        stream = await open_stream(HEL, ERROR)
        with pytest.raises(errors.InternalServerError):
            await stream.final()
        body = stream._reader._body
        del stream
        gc.collect()
        assert body.closed == 1

    run(main())


def test_deviation_is_logged_once_a_client(caplog: pytest.LogCaptureFixture) -> None:
    """What leaves the published schema is read all the same, and told once, at DEBUG, by its place."""

    async def main() -> None:
        odd = event(chunk("a", delta={"vendor_key": 1}))
        script = [ScriptedResponse(odd, STOP, DONE, headers=EVENT_STREAM) for _ in range(3)]
        client = AsyncOpenAI(api_key="k", transport=ScriptedTransport(script))
        for _ in range(3):
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            assert (await stream.final()).choices[0].message.model_extra == {"vendor_key": 1}

    with caplog.at_level(logging.DEBUG, logger="openai_async"):
        run(main())

    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "vendor_key" in record.getMessage()


@pytest.mark.parametrize(
    ("delta", "payload"),
    [
        ({}, False),
        ({"role": "assistant"}, False),
        ({"content": ""}, False),
        ({"content": None}, False),
        ({"reasoning_content": None}, False),
        ({"reasoning_content": ""}, False),
        ({"content": " "}, True),
        ({"refusal": "no"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"reasoning_content": "hm"}, True),
        ({"annotations": [{"type": "url_citation"}]}, True),
    ],
)
def test_payload(delta: Any, payload: bool) -> None:  # noqa: FBT001 - a column of the table
    """A delta is payload where something of the answer is in it."""
    assert has_payload(ChatCompletionChunk.from_dict(chunk(delta=delta))) is payload


# Over real sockets.


async def abandoned(leave: Callable[[Any], Awaitable[None]]) -> None:
    """Open a stream, leave it, and expect the server to see that within half a second."""
    gone: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def endless(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(ROLE + HEL)
        gone.set_result(await peer.gone())

    async with RawServer(endless) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        began = asyncio.get_running_loop().time()
        await leave(call)
        left = asyncio.get_running_loop().time()
        seen = await asyncio.wait_for(gone, 2)
        assert seen - left < 0.5
        assert left - began < 2


async def leave_by_break(call: Any) -> None:
    """`break` inside of `async with`."""
    async with call as stream:
        async for _ in stream:
            break


async def leave_by_exception(call: Any) -> None:
    """An exception in the loop's body."""

    async def read() -> None:
        async with call as stream:
            async for _ in stream:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()


async def leave_by_cancel(call: Any) -> None:
    """Cancelling the task that reads."""

    async def read() -> None:
        async for _ in await call:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def leave_by_wait_for(call: Any) -> None:
    """A time limit of the caller's."""

    async def read() -> None:
        async with call as stream:
            await stream.final()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.05)


async def leave_from_outside(call: Any) -> None:
    """`aclose` by another task."""
    stream = await call
    task = asyncio.create_task(stream.final())
    await asyncio.sleep(0.01)
    await stream.aclose()
    with pytest.raises(errors.StreamStateError):
        await asyncio.wait_for(task, 1)


async def leave_by_dropping(call: Any) -> None:
    """Forgetting the stream."""
    stream = await call
    await anext(stream)
    with pytest.warns(ResourceWarning, match="neither read to its end nor closed"):  # noqa: PT031 - both drop it
        del stream, call
        gc.collect()


async def leave_by_limit(call: Any) -> None:
    """The stream's own limit."""
    stream = await call
    stream._reader.timer.timeout = Timeout(idle=0.05)
    stream._reader.timer.enter("idle")
    with pytest.raises(errors.APITimeoutError):
        await stream.final()


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break, leave_by_exception, leave_by_cancel, leave_by_wait_for, leave_from_outside, leave_by_dropping,
        leave_by_limit,
    ],
)  # fmt: skip
async def test_server_sees_the_reader_leave(leave: Callable[[Any], Awaitable[None]]) -> None:
    """A stream that is left early is aborted upstream at once, by whichever way it was left."""
    await abandoned(leave)


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize("late", [0.0, 0.05, 0.5])
async def test_late_end_of_the_body_delays_nobody(late: float) -> None:
    """Iteration ends with `[DONE]`, however late the body's own end comes, and the connection is used again."""
    async with RawServer(sse(hello(), late=late)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            async with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
                began = loop.time()
                assert "".join([one.text async for one in stream]) == "Hello"
                assert loop.time() - began < 0.3
            await asyncio.sleep(late * 1.2)
        assert server.connections == 1


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize("cut", [0, 1, 2, 7, 50, 1000])
async def test_cuts_of_the_wire(cut: int) -> None:
    """However the bytes are cut, the chunks are the same."""
    server = RawServer(sse(hello(), cut=cut))
    async with server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert [one.text async for one in stream] == ["", "Hel", "lo", ""]


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize(
    ("handler", "cls"),
    [
        (sse(hello()[:2], done=False), errors.IncompleteStreamError),
        (sse(hello()[:2], done=False, ending="fin"), errors.IncompleteStreamError),
        (sse(hello()[:2], done=False, ending="reset"), errors.IncompleteStreamError),
        (sse([*hello()[:2], {"error": {"message": "no", "code": 429}}], done=False), errors.RateLimitError),
        (sse([*hello()[:2], b"data: {{{\n\n"]), errors.StreamProtocolError),
    ],
    ids=["clean", "fin", "reset", "error", "garbage"],
)
async def test_broken_ends_over_sockets(handler: Handler, cls: type[errors.APIError]) -> None:
    """What breaks a stream on the wire is the error that says so, with the text that came before it."""
    async with RawServer(handler) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(cls) as caught:
            await stream.final()
    assert text(caught.value.partial) == "Hel"
    assert len(server.requests) == 1


# Answers that are none, and readers that change their mind.


@pytest.mark.parametrize("payload", [{}, {"detail": "Model overloaded"}, {"id": "c1", "model": "m"}])
def test_done_without_any_choice_is_no_answer(payload: dict[str, Any]) -> None:
    """A stream that ends in order without ever naming a choice raises, and shows what came instead."""

    async def main() -> None:
        stream = await open_stream(event(payload), DONE)

        with pytest.raises(errors.APIResponseValidationError, match="an answer in it"):
            await stream.final()

    run(main())


def test_events_after_text() -> None:
    """Events asked for after chunks went without them know what came before."""

    async def main() -> None:
        words = [event(chunk(word)) for word in ("Hello ", "big ", "world")]
        stream = await open_stream(*words, STOP, DONE, events=True)

        async for _ in stream.text():
            break
        told = [item async for item in stream]

        assert [item.snapshot for item in told if item.type == "content.delta"] == ["Hello big ", "Hello big world"]
        assert next(text(item.snapshot) for item in told if item.type == "chunk") == "Hello big "

    run(main())


def test_batches_hand_out_what_came_before_an_error() -> None:
    """The chunks of a read that ends in an impossible one are handed out, then the error is raised."""

    async def main() -> None:
        impossible = event({**chunk("x"), "choices": [{"index": 500, "delta": {"content": "x"}}]})
        stream = await open_stream(HEL + LO + impossible)
        batches = stream.batches()

        assert [one.text for one in await anext(batches)] == ["Hel", "lo"]
        with pytest.raises(errors.StreamProtocolError) as caught:
            await anext(batches)
        assert text(caught.value.partial) == "Hello"

    run(main())


def test_a_key_named_like_a_method_is_only_a_key() -> None:
    """`async with` on a plain call does not call what the server sent under the name of `aclose`."""

    async def main() -> None:
        client = AsyncOpenAI(
            api_key="k", transport=ScriptedTransport([ScriptedResponse(json_of({**completion(), "aclose": "x"}))])
        )

        async with client.chat.completions.create(model="m", messages=MESSAGES) as answer:
            assert answer.model_extra == {"aclose": "x"}

    run(main())


def json_of(payload: Any) -> bytes:
    """The payload as JSON."""
    return event(payload)[6:-2]


def test_a_break_before_the_second_answer_began() -> None:
    """With n=2, a connection that breaks between the two answers leaves one out: that is no complete stream."""

    async def main() -> None:
        stream = await open_stream(HEL, STOP, CUT, n=2)
        with pytest.raises(errors.IncompleteStreamError) as caught:
            await stream.final()
        assert text(caught.value.partial) == "Hel"

    run(main())


@pytest.mark.parametrize("ending", [[], [DONE], [DONE, CUT]])
def test_a_server_may_ignore_n(ending: list[Any]) -> None:
    """A server that gives one answer where two were asked for, and ends in order, has given its answer."""

    async def main() -> None:
        assert text(await (await open_stream(HEL, STOP, *ending, n=2)).final()) == "Hel"

    run(main())
