"""What hooks are told of requests, over real sockets: each that started ends, once, however that comes about."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import msgspec
import pytest
from support.limiter import WatchingLimiter
from support.rawserver import Handler, RawServer, answer, chunk, completion, hello, sse
from support.scripted import ScriptedResponse, ScriptedTransport

from openai_async import AsyncAzureOpenAI, AsyncOpenAI, errors
from openai_async.hooks import AttemptEnded, FirstToken, Record, RequestEnded, RequestStarted
from openai_async.transport.message import StaleConnectionError
from openai_async.types.completion import ChatCompletion

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-secret-0123456789"
MESSAGES: Any = [{"role": "user", "content": "a private question"}]
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
WITH_USAGE = [*hello(), {**chunk(), "choices": [], "usage": USAGE}]


class Told(list[Any]):
    """Records, as a hook gets them."""

    def __call__(self, record: Record) -> None:
        self.append(record)

    def of(self, kind: type[Any]) -> list[Any]:
        """The records of one kind."""
        return [record for record in self if isinstance(record, kind)]

    @property
    def kinds(self) -> list[str]:
        """The names of the records' kinds, in order."""
        return [type(record).__name__ for record in self]

    @property
    def end(self) -> RequestEnded:
        """The one end that there is, of the one request that started."""
        (end,) = self.of(RequestEnded)
        (start,) = self.of(RequestStarted)
        assert end.call == start.call
        assert self[-1] is end
        return end


def client_of(server: RawServer, told: Told, **settings: Any) -> AsyncOpenAI:
    """A client of `server` with `told` as its hook."""
    return AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[told], **settings)


async def stream_of(client: AsyncOpenAI, **params: Any) -> Any:
    """An open stream."""
    return await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **params)


async def read(*handlers: Handler, told: Told, **params: Any) -> Any:
    """Send one request, read its answer to the end, and return it or the error."""
    async with RawServer(*handlers) as server, client_of(server, told) as client:
        try:
            answered: Any = await client.chat.completions.create(model="m", messages=MESSAGES, **params)
            return await answered.final() if params.get("stream") else answered
        except errors.OpenAIError as error:
            return error


async def test_plain_call() -> None:
    """A plain call starts, is answered and is done; the records say what was asked, and what the answer says of itself."""
    told = Told()
    headers = {"x_request_id": "req_1"}
    more = {"service_tier": "flex", "system_fingerprint": "fp_1"}
    await read(answer(completion(**more), headers=headers), told=told, temperature=0.5, user="somebody", n=1)

    start, attempt, end = told
    assert (start.operation, start.method, start.path) == ("chat.completions.create", "POST", "/v1/chat/completions")
    assert (start.address, start.model, start.stream) == ("127.0.0.1", "m", False)
    assert start.parameters == {"temperature": 0.5, "n": 1}
    assert (attempt.number, attempt.status, attempt.error, attempt.delay) == (1, 200, None, None)
    assert (end.outcome, end.attempts, end.status, end.error) == ("done", 1, 200, None)
    assert (end.response_id, end.model, end.service_tier, end.system_fingerprint) == (
        "chatcmpl-1",
        "m-1",
        "flex",
        "fp_1",
    )
    assert (end.request_id, attempt.request_id, end.finish_reasons) == ("req_1", "req_1", ("stop",))
    assert end.usage is not None
    assert end.usage.total_tokens == 5
    assert (end.first_token, end.chunks) == (None, None)
    assert 0 < attempt.seconds <= end.seconds
    assert start.call == attempt.call == end.call


@pytest.mark.parametrize("cut", [0, 7])
async def test_stream(cut: int) -> None:
    """A stream tells its first token, and its end with the usage and all its chunks, however its bytes are cut."""
    told = Told()
    await read(sse(WITH_USAGE, cut=cut), told=told, stream=True)

    assert told.kinds == ["RequestStarted", "AttemptEnded", "FirstToken", "RequestEnded"]
    assert told[0].stream
    assert told[0].parameters == {}
    end = told.end
    assert (end.outcome, end.finish_reasons, end.chunks, end.model) == ("done", ("stop",), 5, "m-1")
    assert end.usage is not None
    assert end.usage.total_tokens == 5
    assert end.first_token == told[2].seconds
    assert end.first_token is not None
    assert 0 < end.first_token <= end.seconds
    assert end.completion is not None
    assert end.completion.choices[0].message.content == "Hello"


async def test_records_of_different_requests() -> None:
    """Each request has a number of its own."""
    told = Told()
    async with RawServer(answer(completion())) as server, client_of(server, told) as client:
        for _ in range(2):
            await client.chat.completions.create(model="m", messages=MESSAGES)

    assert len({record.call for record in told}) == 2
    assert len(told) == 6


async def test_nothing_private() -> None:
    """Neither prompt nor answer nor key is in the repr of a record, nor in its JSON; by name they can be had."""
    told = Told()
    await read(answer(completion("a private answer")), told=told)
    await read(sse([chunk("a private answer"), chunk(finish="stop")]), told=told, stream=True)

    for record in told:
        shown = repr(record) + msgspec.json.encode(record).decode()
        assert "private" not in shown
        assert KEY not in shown
    started, ended = told.of(RequestStarted), told.of(RequestEnded)
    assert all(b"a private question" in record.body for record in started)
    assert [record.completion.choices[0].message.content for record in ended] == ["a private answer"] * 2


async def test_keys_that_a_server_repeats() -> None:
    """A key in a request id is masked, and so it is in what the answer says of itself."""
    told = Told()
    repeated = dict.fromkeys(("id", "model", "service_tier", "system_fingerprint"), f"for-{KEY}")
    await read(answer(completion(**repeated), headers={"x_request_id": f"for-{KEY}"}), told=told)

    assert told.end.request_id == told[1].request_id == "for-***"
    assert {told.end.response_id, told.end.model, told.end.service_tier, told.end.system_fingerprint} == {"for-***"}


async def test_retries() -> None:
    """Each failed attempt is told, with its error, its status and the wait that follows."""
    told = Told()
    refused = answer({"error": {"message": "slow"}}, 429, {"retry_after_ms": "1", "x_request_id": "req_no"})
    await read(refused, refused, answer(completion()), told=told)

    first, second, third = told.of(AttemptEnded)
    assert (first.number, first.error, first.status, first.request_id) == (1, "RateLimitError", 429, "req_no")
    assert first.delay == second.delay == 0.001
    assert (third.number, third.error, third.delay) == (3, None, None)
    assert (told.end.outcome, told.end.attempts) == ("done", 3)


async def test_refusal() -> None:
    """A request that fails ends with the class of its error and its status."""
    told = Told()
    error = await read(answer({"error": {"message": f"bad key {KEY}"}}, 401, {"x_request_id": "req_no"}), told=told)

    assert isinstance(error, errors.AuthenticationError)
    assert told.kinds == ["RequestStarted", "AttemptEnded", "RequestEnded"]
    end = told.end
    assert (end.outcome, end.error, end.status, end.request_id, end.attempts) == (
        "error",
        "AuthenticationError",
        401,
        "req_no",
        1,
    )
    assert end.completion is None
    assert KEY not in repr(told)


async def test_no_connection() -> None:
    """Where there was no response there is no status."""
    told = Told()
    async with AsyncOpenAI(api_key=KEY, base_url="http://127.0.0.1:9/v1", hooks=[told], max_retries=0) as client:
        with pytest.raises(errors.APIConnectionError):
            await client.chat.completions.create(model="m", messages=MESSAGES)

    assert (told.end.outcome, told.end.error, told.end.status) == ("error", "APIConnectionError", None)


async def test_key_that_can_not_be_had() -> None:
    """What fails before anything is sent ends the request as well."""
    told = Told()

    def give() -> str:
        raise KeyError("vault")

    async with (
        RawServer(answer(completion())) as server,
        AsyncOpenAI(api_key=give, base_url=server.url, hooks=[told]) as client,
    ):
        with pytest.raises(errors.OpenAIError, match="KeyError"):
            await client.chat.completions.create(model="m", messages=MESSAGES)

    assert (told.end.outcome, told.end.error, told.end.attempts) == ("error", "OpenAIError", 0)


@pytest.mark.parametrize(
    ("handler", "error", "chunks"),
    [
        (sse([*hello()[:3]], done=False), "IncompleteStreamError", 3),
        (sse([*hello()[:3]], done=False, ending="reset"), "IncompleteStreamError", 3),
        (sse([*hello()[:3], {"error": {"message": "down", "code": 500}}]), "InternalServerError", 3),
        (sse([*hello()[:3], "{nonsense"]), "StreamProtocolError", 3),
    ],
)
async def test_stream_that_breaks(handler: Handler, error: str, chunks: int) -> None:
    """A stream that breaks ends with its error, and with what came until then."""
    told = Told()
    raised = await read(handler, told=told, stream=True)

    end = told.end
    assert type(raised).__name__ == end.error == error
    assert (end.outcome, end.chunks, end.finish_reasons) == ("error", chunks, (None,))
    assert end.completion is not None
    assert end.completion.choices[0].message.content == "Hello"


async def test_stream_that_fails_before_its_first_content() -> None:
    """That is an attempt which failed, and is retried."""
    told = Told()
    broken = sse([chunk("", delta={"role": "assistant"})], done=False, ending="reset")
    await read(broken, sse(hello()), told=told, stream=True)

    assert [record.error for record in told.of(AttemptEnded)] == ["IncompleteStreamError", None]
    assert len(told.of(FirstToken)) == 1
    assert (told.end.outcome, told.end.attempts) == ("done", 2)


async def test_status_of_what_is_no_answer() -> None:
    """A response of status 200 that is none has a status; an attempt without a response has none, whatever came before."""
    told = Told()
    broken = sse([chunk("", delta={"role": "assistant"})], done=False, ending="reset")

    async def hang_up(peer: Any) -> None:
        peer.reset()

    await read(broken, hang_up, answer(b"<html>"), told=told, stream=True)

    assert [(record.error, record.status) for record in told.of(AttemptEnded)] == [
        ("IncompleteStreamError", 200),
        ("APIConnectionError", None),
        ("APIResponseValidationError", 200),
    ]
    assert (told.end.error, told.end.status) == ("APIResponseValidationError", 200)


async def test_stale_connection() -> None:
    """A kept-alive connection that turned out dead is a failed attempt, by the name that users know."""
    told = Told()
    transport = ScriptedTransport([StaleConnectionError("dead"), ScriptedResponse(msgspec.json.encode(completion()))])
    async with AsyncOpenAI(api_key=KEY, transport=transport, hooks=[told]) as client:
        await client.chat.completions.create(model="m", messages=MESSAGES)

    assert [(one.error, one.delay) for one in told.of(AttemptEnded)] == [("APIConnectionError", 0.0), (None, None)]


@pytest.mark.parametrize("leave", ["break", "close", "raise"])
async def test_stream_that_is_left(leave: str) -> None:
    """A reader that goes away ends the request there and then, and that is no error of the request."""
    told = Told()
    async with (
        RawServer(sse(hello()[:3], done=False, ending="nothing")) as server,
        client_of(server, told) as client,
    ):
        stream = await stream_of(client)
        if leave == "close":
            await anext(stream)
            await stream.aclose()
        elif leave == "break":
            async with stream:
                async for _ in stream:
                    break
        else:
            with pytest.raises(ZeroDivisionError):
                async with stream:
                    _ = 1 / 0
        end = told.end

    assert (end.outcome, end.error, end.finish_reasons) == ("left", None, (None,))
    assert end.completion is not None
    assert end.completion.id == "chatcmpl-1"


@pytest.mark.parametrize("cycle", [False, True])
async def test_stream_that_is_dropped(*, cycle: bool) -> None:
    """A stream that nobody closes ends its request when it goes: with its last reference, or with its cycle."""
    told = Told()
    async with (
        RawServer(sse(hello()[:3], done=False, ending="nothing")) as server,
        client_of(server, told) as client,
    ):
        stream: Any = await stream_of(client)
        await anext(stream)
        gone = weakref.ref(stream._reader)
        if cycle:
            stream.itself = stream
        with pytest.warns(ResourceWarning):  # noqa: PT031 - dropping it warns
            del stream
            if cycle:
                gc.collect()
        assert gone() is None
        await asyncio.sleep(0)  # of a cycle the loop tells
        assert told.end.outcome == "left"


@pytest.mark.parametrize("cycle", [False, True])
async def test_whole_stream_that_is_dropped(*, cycle: bool) -> None:
    """An answer whose choices have ended is done, however its stream goes, though `[DONE]` is still to come."""
    told = Told()
    async with RawServer(sse(hello(), done=False, ending="nothing")) as server, client_of(server, told) as client:
        stream: Any = await stream_of(client)
        for _ in hello():
            await anext(stream)
        if cycle:
            stream.itself = stream
        with pytest.warns(ResourceWarning):  # noqa: PT031 - dropping it warns
            del stream
            gc.collect()
        await asyncio.sleep(0)

    assert (told.end.outcome, told.end.finish_reasons) == ("done", ("stop",))


@pytest.mark.parametrize("unread", [False, True])
async def test_hook_that_is_interrupted_by_the_garbage_collector(*, unread: bool) -> None:
    """A response found by the garbage collector is told by the loop: a hook may hold a lock that is no RLock."""
    told, lock = Told(), threading.Lock()
    waited: list[bool] = []

    def locking(record: Record) -> None:
        taken = lock.acquire(timeout=0.1)
        waited.append(not taken)
        told.append(record)
        if record.call > told[0].call:
            gc.collect()
        if taken:
            lock.release()

    handler = sse(hello()[:3], done=False, ending="nothing")
    async with (
        RawServer(handler, answer(completion())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[locking]) as client,
    ):
        call: Any = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        dropped: Any = await (call.streamed() if unread else call)
        dropped.itself = dropped
        with pytest.warns(ResourceWarning):  # noqa: PT031 - dropping it warns
            gc.disable()
            try:
                del call, dropped
                await client.chat.completions.create(model="m", messages=MESSAGES)
            finally:
                gc.enable()

    assert not any(waited)
    assert sorted(record.outcome for record in told.of(RequestEnded)) == ["done", "left"]


async def test_stream_that_is_done_and_not_read() -> None:
    """Where the whole answer is here, it is done, though its reader goes away in the middle."""
    told = Told()
    async with (
        RawServer(answer(b"".join(_events()), kind="text/event-stream")) as server,
        client_of(server, told) as client,
        await stream_of(client) as stream,
    ):
        async for _ in stream:
            break

    end = told.end
    assert (end.outcome, end.finish_reasons, end.chunks) == ("done", ("stop",), 5)
    assert end.usage is not None
    assert end.completion is not None
    assert end.completion.choices[0].message.content == "Hello"


async def test_stream_whose_last_read_names_an_impossible_choice() -> None:
    """It shows when the chunk is handed out, and hooks, which are told when all is here, hear of it all the same."""
    told = Told()
    events = [*hello()[:3], chunk("no", index=500), chunk(finish="stop")]
    body = b"".join([b"data: %b\n\n" % msgspec.json.encode(one) for one in events] + [b"data: [DONE]\n\n"])
    raised = await read(answer(body, kind="text/event-stream"), told=told, stream=True)

    assert type(raised).__name__ == told.end.error == "StreamProtocolError"
    assert told.end.outcome == "error"
    assert told.end.completion is not None
    assert told.end.completion.choices[0].message.content == "Hello"


def _events() -> list[bytes]:
    return [b"data: %b\n\n" % msgspec.json.encode(one) for one in WITH_USAGE] + [b"data: [DONE]\n\n"]


@pytest.mark.parametrize("stage", ["before", "stream", "block"])
async def test_cancellation(stage: str) -> None:
    """A task that is cancelled cancels its request: while it waits for an answer, for a chunk, or in the user's code."""
    told = Told()
    asked, waiting = asyncio.Event(), asyncio.Event()
    handle = sse([] if stage == "before" else hello()[:3], done=False, ending="nothing")

    async def asking(peer: Any) -> None:
        asked.set()
        await handle(peer)

    async with RawServer(asking) as server, client_of(server, told) as client:

        async def use() -> None:
            async with await stream_of(client) as stream:
                waiting.set()
                if stage == "block":
                    await asyncio.sleep(9)
                await stream.final()

        task = asyncio.create_task(use())
        await (asked if stage == "before" else waiting).wait()
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()
    assert (told.end.outcome, told.end.error) == ("cancelled", None)


async def test_time_limit() -> None:
    """A limit that passes in the middle of a stream is its error."""
    told = Told()
    async with (
        RawServer(sse(hello()[:3], done=False, ending="nothing")) as server,
        client_of(server, told) as client,
    ):
        stream = await stream_of(client, timeout=0.2)
        with pytest.raises(errors.APITimeoutError):
            await stream.final()

    assert (told.end.outcome, told.end.error) == ("error", "APITimeoutError")


async def test_call_that_is_closed() -> None:
    """A call that is given up while it waits has been left by its caller; one that was never begun tells nothing."""
    told = Told()
    async with RawServer(sse(ending="nothing")) as server, client_of(server, told) as client:
        client.chat.completions.create(model="m", messages=MESSAGES).close()
        assert told == []

        call = client.chat.completions.create(model="m", messages=MESSAGES)
        call.send(None)
        call.close()

    assert told.end.outcome == "left"


@pytest.mark.parametrize(
    ("call", "operation", "method"),
    [
        (lambda c: c.chat.completions.retrieve("chatcmpl-1"), "chat.completions.retrieve", "GET"),
        (lambda c: c.chat.completions.update("chatcmpl-1", metadata={}), "chat.completions.update", "POST"),
        (lambda c: c.get("/models", cast_to=dict), "get", "GET"),
        (lambda c: c.post("/embeddings", cast_to=dict, body={"input": "x"}), "post", "POST"),
    ],
)
async def test_other_operations(call: Any, operation: str, method: str) -> None:
    """What creates nothing is told by its operation, and bills nothing."""
    told = Told()
    async with RawServer(answer(completion())) as server, client_of(server, told) as client:
        await call(client)

    assert (told[0].operation, told[0].method, told[0].model) == (operation, method, None)
    assert (told.end.outcome, told.end.usage, told.end.response_id) == ("done", None, None)


async def test_lists() -> None:
    """Each page is a request, and so is each list of messages, and each deletion."""
    told = Told()
    page = {"object": "list", "data": [], "has_more": False}
    gone = {"object": "chat.completion.deleted", "id": "chatcmpl-1", "deleted": True}
    async with RawServer(answer(page), answer(page), answer(gone)) as server, client_of(server, told) as client:
        assert [one async for one in client.chat.completions.list()] == []
        assert [one async for one in client.chat.completions.messages.list("chatcmpl-1")] == []
        await client.chat.completions.delete("chatcmpl-1")

    assert [record.operation for record in told.of(RequestStarted)] == [
        "chat.completions.list",
        "chat.completions.messages.list",
        "chat.completions.delete",
    ]
    assert [record.outcome for record in told.of(RequestEnded)] == ["done"] * 3


class Mine(msgspec.Struct):
    """A type of the user's."""

    id: str


class Plainer(ChatCompletion):
    """Likewise, derived from one of ours, with other fields."""

    choices: list[dict[str, Any]] = []  # type: ignore[assignment] - dicts, which a user's own type may want
    usage: dict[str, int] | None = None  # type: ignore[assignment] - likewise


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.parse(model="m", messages=MESSAGES, response_format=dict[str, int]),
        lambda c: c.create(model="m", messages=MESSAGES, cast_to=Mine),
        lambda c: c.create(model="m", messages=MESSAGES, cast_to=Plainer),
        lambda c: c.with_raw_response.create(model="m", messages=MESSAGES),
        lambda c: c.create(model="m", messages=MESSAGES).raw(),
    ],
)
async def test_usage_whatever_the_answer_becomes(call: Any) -> None:
    """The usage is told, whatever type the answer has for its user."""
    told = Told()
    async with RawServer(answer(completion('{"a": 1}'))) as server, client_of(server, told) as client:
        await call(client.chat.completions)

    assert told.end.usage is not None
    assert told.end.usage.total_tokens == 5
    assert told.end.completion is not None


async def test_answer_is_the_users() -> None:
    """What a hook does to the completion and the usage that it is given changes nothing of the user's."""

    def censoring(record: Record) -> None:
        if isinstance(record, RequestEnded):
            assert record.completion is not None
            record.completion.choices[0].message.content = "***"
            assert record.usage is not None
            record.usage.prompt_tokens = 99

    told = Told()
    async with (
        RawServer(answer(completion())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[censoring, told]) as client,
    ):
        answered = await client.chat.completions.create(model="m", messages=MESSAGES)

    assert answered.choices[0].message.content == "Hello"
    assert answered.usage is not None
    assert answered.usage.prompt_tokens == 2
    assert told.end.completion is not None
    assert told.end.completion.choices[0].message.content == "Hello"


async def test_stream_whose_body_does_not_ask_for_one() -> None:
    """Its bytes are not kept while it is read."""
    told = Told()
    async with RawServer(sse(WITH_USAGE, cut=9)) as server, client_of(server, told) as client:
        body = {"model": "m", "messages": MESSAGES}
        async with client.post("/chat/completions", body=body, stream=True) as stream:
            watched: Any = stream._reader._body
            await stream.final()

    assert watched._body.pieces == []
    assert (told.end.outcome, told.end.chunks) == ("done", 5)


async def test_answer_that_can_not_be_parsed() -> None:
    """The server has answered, and billed: the error is told, and the usage too."""
    told = Told()
    async with RawServer(answer(completion("no JSON"))) as server, client_of(server, told) as client:
        with pytest.raises(errors.OutputParseError):
            await client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Mine)

    assert told.of(AttemptEnded)[0].error is None
    assert (told.end.outcome, told.end.error, told.end.status) == ("error", "OutputParseError", 200)
    assert told.end.usage is not None


async def test_events() -> None:
    """A stream of events ends as one of chunks does."""
    told = Told()
    async with (
        RawServer(sse(WITH_USAGE)) as server,
        client_of(server, told) as client,
        client.chat.completions.stream(model="m", messages=MESSAGES) as stream,
    ):
        assert [event.type async for event in stream]

    assert (told.end.outcome, told.end.chunks) == ("done", 5)


@pytest.mark.parametrize("way", ["parse", "bytes", "leave"])
@pytest.mark.parametrize("stream", [False, True])
async def test_response_with_its_body_unread(way: str, *, stream: bool) -> None:
    """Its end is told when its body is read or given up; of a stream whose bytes the user reads, no more than that."""
    told = Told()
    async with (
        RawServer(sse(WITH_USAGE) if stream else answer(completion())) as server,
        client_of(server, told) as client,
    ):
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
        async with call.streamed() as response:
            assert told.of(RequestEnded) == []
            if way == "parse":
                parsed: Any = await response.parse()
                if stream:
                    await parsed.final()
            elif way == "bytes":
                assert b"".join([data async for data in response.iter_bytes()])

    end = told.end
    assert end.outcome == ("left" if way == "leave" else "done")
    assert (end.usage is not None) == (way == "parse" or (way == "bytes" and not stream))
    assert (end.first_token is not None) == (stream and way == "parse")


async def test_stream_of_an_unread_body_that_can_not_be_opened() -> None:
    """What turns out to be no stream when it is parsed ends the request with that error."""
    told = Told()
    async with RawServer(answer(b"<html>")) as server, client_of(server, told) as client:
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        async with call.streamed() as response:
            with pytest.raises(errors.APIResponseValidationError):
                await response.parse()

    assert (told.end.outcome, told.end.error) == ("error", "APIResponseValidationError")


async def test_unread_body_that_breaks() -> None:
    """A body that is cut off while it is read is the request's error."""
    told = Told()

    async def cut(peer: Any) -> None:
        await peer.head(content_type="application/json", content_length="100")
        await peer.send(b"{")
        peer.reset()

    async with RawServer(cut) as server, client_of(server, told) as client:
        call = client.chat.completions.create(model="m", messages=MESSAGES)
        with pytest.raises(errors.APIConnectionError):
            async with call.streamed() as response:
                await response.read()

    assert (told.end.outcome, told.end.error) == ("error", "APIConnectionError")


@pytest.mark.parametrize("way", ["bytes", "lines", "stream"])
async def test_unread_body_that_is_too_long(way: str) -> None:
    """A body, or a line of one, of more than 64 MiB is the request's error, which knows its response."""
    told = Told()

    async def long(peer: Any) -> None:
        await peer.head(content_type="application/json", x_request_id="req_1")
        for _ in range(65):
            await peer.send(b" " * 2**20)

    async with RawServer(long) as server, client_of(server, told) as client:
        call: Any = client.chat.completions.create(model="m", messages=MESSAGES, stream=way == "stream")
        async with call.streamed() as response:
            with pytest.raises(errors.APIResponseValidationError, match="longer than") as caught:
                await (anext(response.iter_lines()) if way == "lines" else response.read())

    assert caught.value.request_id == "req_1"
    assert (told.end.outcome, told.end.error) == ("error", "APIResponseValidationError")


@pytest.mark.parametrize("stream", [False, True])
async def test_unread_body_that_is_left_while_another_error_is_handled(*, stream: bool) -> None:
    """A fallback that is left has been left: the error for which it was asked is another request's."""
    told = Told()
    handler = sse(hello()[:3], done=False, ending="nothing")
    async with RawServer(handler) as server, client_of(server, told) as client:
        call: Any = client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
        try:
            raise errors.APIConnectionError("the first choice is down")
        except errors.APIConnectionError:
            async with call.streamed() as response:
                await anext(response.iter_bytes())

    assert (told.end.outcome, told.end.error) == ("left", None)


@pytest.mark.parametrize("way", ["limit", "cancel"])
async def test_unread_body_that_does_not_come(way: str) -> None:
    """A limit that passes while it is read is the request's error; a cancellation is none."""
    told = Told()
    limit = 0.2 if way == "limit" else None
    async with RawServer(sse(hello()[:3], done=False, ending="nothing")) as server, client_of(server, told) as client:
        call = client.chat.completions.create(model="m", messages=MESSAGES, stream=True, timeout=limit)
        async with call.streamed() as response:
            reading = asyncio.create_task(response.read())
            if way == "cancel":
                await asyncio.sleep(0.05)
                reading.cancel()
            await asyncio.wait([reading])

    ended = ("error", "APITimeoutError") if way == "limit" else ("cancelled", None)
    assert (told.end.outcome, told.end.error) == ended


async def test_completion_that_comes_instead_of_a_stream() -> None:
    """A server that ignores `stream=True` has answered."""
    told = Told()
    await read(answer(completion()), told=told, stream=True)

    assert (told.end.outcome, told.end.finish_reasons) == ("done", ("stop",))


async def test_beside_a_limiter() -> None:
    """A limiter's permits are settled as without hooks."""
    told, limiter = Told(), WatchingLimiter()
    async with RawServer(sse(WITH_USAGE)) as server, client_of(server, told, limiter=limiter) as client:
        await (await stream_of(client)).final()

    assert limiter.log == [("observe", 1, 200), ("settle", 1, 5)]
    assert told.end.outcome == "done"


async def test_twins() -> None:
    """`with_options` keeps the hooks, puts others in their place, or takes them away."""
    first, second = Told(), Told()
    async with RawServer(answer(completion())) as server, client_of(server, first) as client:
        for one in (
            client,
            client.with_options(timeout=9),
            client.with_options(hooks=[second]),
            client.with_options(hooks=None),
            client.with_options(hooks=[]),
        ):
            await one.chat.completions.create(model="m", messages=MESSAGES)

    assert (len(first.of(RequestEnded)), len(second.of(RequestEnded))) == (2, 1)


async def test_azure() -> None:
    """A client of Azure's tells the same, under the deployment's address."""
    told = Told()
    async with RawServer(answer(completion())) as server:
        client = AsyncAzureOpenAI(
            azure_endpoint=server.url.removesuffix("/v1"), api_key=KEY, api_version="2024-10-21", hooks=[told]
        )
        async with client:
            await client.chat.completions.create(model="dep", messages=MESSAGES)
            await client.with_options(hooks=None).chat.completions.create(model="dep", messages=MESSAGES)

    assert told[0].operation == "chat.completions.create"
    assert told[0].path == "/openai/deployments/dep/chat/completions"
    assert told.end.outcome == "done"


class Interruption(BaseException):
    """What ends a program."""


@pytest.mark.parametrize("kind", [RequestStarted, AttemptEnded, FirstToken, RequestEnded])
async def test_hook_that_ends_the_program(kind: type[Any]) -> None:
    """It ends the request as well, of which the other hooks are told, wherever they stand."""
    before, after = Told(), Told()

    def interrupting(record: Record) -> None:
        if isinstance(record, kind):
            raise Interruption

    async with (
        RawServer(answer(completion())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[before, interrupting, after]) as client,
    ):
        with pytest.raises(Interruption):
            await (await stream_of(client)).final()

    ended = ("done", None) if kind is RequestEnded else ("error", "Interruption")
    assert [(told.end.outcome, told.end.error) for told in (before, after)] == [ended, ended]


class Marking(Told):
    """A hook that has a header, the same for all attempts of a request."""

    def headers_for(self, started: RequestStarted) -> dict[str, str]:
        """Mark the request by its number."""
        return {"X-Mark": str(started.call)}


@pytest.mark.parametrize("keys", ["fixed", "renewed"])
@pytest.mark.parametrize("stream", [False, True])
async def test_headers_of_a_hook(keys: str, *, stream: bool) -> None:
    """Every attempt of a request carries them, another request others; the key is what it was."""
    told = Marking()
    refused = answer({"error": {"message": "slow"}}, 503, {"retry_after_ms": "1"})
    good = sse(hello()) if stream else answer(completion())

    async def renewed() -> str:
        return KEY

    async with (
        RawServer(refused, good) as server,
        AsyncOpenAI(api_key=KEY if keys == "fixed" else renewed, base_url=server.url, hooks=[told]) as client,
    ):
        for _ in range(2):
            answered: Any = await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
            if stream:
                await answered.final()

    first, second = told.of(RequestStarted)
    marks = [request.headers["x-mark"] for request in server.requests]
    assert marks == [str(first.call), str(first.call), str(second.call)]
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("given", ["call", "client"])
async def test_headers_that_the_request_has(given: str) -> None:
    """Those of the call and of the client go before a hook's."""
    told, mark = Marking(), {"X-MARK": "mine"}
    async with RawServer(answer(completion())) as server:
        settings: Any = {"default_headers": mark} if given == "client" else {}
        options: Any = {"extra_headers": mark} if given == "call" else {}
        async with client_of(server, told, **settings) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES, **options)

    assert server.requests[0].headers["x-mark"] == "mine"


@pytest.mark.parametrize("headers", [{"content-length": "5"}, {"x-mark": "a\r\nb: c"}, {"x mark": "a"}, {"x-mark": 5}])
async def test_headers_that_can_not_be_sent(caplog: pytest.LogCaptureFixture, headers: Any) -> None:
    """They are the hook's failure, and the request goes without."""

    class Broken(Told):
        def headers_for(self, _started: RequestStarted) -> Any:
            return headers

    told = Broken()
    await read(answer(completion()), told=told)

    assert told.end.outcome == "done"
    assert "Broken failed at a RequestStarted" in caplog.text


async def test_headers_that_end_the_program() -> None:
    """What ends the program ends the request, and its end is told."""

    class Ending(Told):
        def headers_for(self, _started: RequestStarted) -> Any:
            raise Interruption

    told = Ending()
    with pytest.raises(Interruption):
        await read(answer(completion()), told=told)

    assert (told.end.outcome, told.end.error) == ("error", "Interruption")


async def test_hook_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A hook that raises breaks no call and stops no other hook; it is logged once."""
    told = Told()

    def broken(_record: Record) -> None:
        raise RuntimeError("no disk")

    def cancelling(_record: Record) -> None:
        raise asyncio.CancelledError

    async with (
        RawServer(answer(completion()), sse(hello())) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, hooks=[broken, cancelling, told]) as client,
    ):
        assert await client.chat.completions.create(model="m", messages=MESSAGES)
        assert await (await stream_of(client)).final()

    assert len(told.of(RequestEnded)) == 2
    lines = [record for record in caplog.records if record.name == "openai_async"]
    assert [record.levelname for record in lines] == ["ERROR", "ERROR"]
    assert "broken failed at a RequestStarted" in lines[0].getMessage()
