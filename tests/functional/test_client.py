"""The client against the embedded server, over real sockets: what people do with it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.limiter import WatchingLimiter

from openai_async import AsyncOpenAI, ChatCompletion, Timeout, errors
from openai_async.server import Call, Fault, Script, serve

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-test-0123456789"
HELLO: Any = [{"role": "user", "content": "Say hello in one short sentence."}]
WEATHER: Any = [{"role": "user", "content": "What is the weather in Paris? Use celsius."}]
GET_WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
PERSON: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}


def client(url: str, **options: Any) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(**{"api_key": KEY, "base_url": url, "max_retries": 0, **options})


async def both(api: AsyncOpenAI, **params: Any) -> tuple[ChatCompletion, ChatCompletion]:
    """The same request, plainly and in a stream."""
    params = {"model": "m", "messages": HELLO, **params}
    plain = await api.chat.completions.create(**params)
    stream = await api.chat.completions.create(**params, stream=True, stream_options={"include_usage": True})
    return plain, await stream.final()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n": 3},
        {"stop": ["."]},
        {"max_completion_tokens": 2},
        {"max_tokens": 2},
        {"logprobs": True, "top_logprobs": 2},
        {"messages": WEATHER, "tools": [GET_WEATHER], "tool_choice": "required"},
        {"messages": WEATHER, "tools": [GET_WEATHER]},
        {"response_format": PERSON},
        {"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "Some JSON, please."}]},
        {"messages": [{"role": "user", "content": "Please refuse."}]},
        {"messages": [{"role": "user", "content": "content_filter"}]},
        {"web_search_options": {}},
    ],
    ids=lambda params: " ".join(params) or "nothing special",
)
async def test_streams_add_up(params: dict[str, Any]) -> None:
    """A stream's final completion is the plain one, to the last field, for everything that the server can say."""
    async with serve() as url, client(url) as api:
        plain, streamed = await both(api, **params)

    expected = plain.to_dict()
    for choice in expected["choices"]:
        if not choice["message"]["annotations"]:
            del choice["message"]["annotations"]  # a stream says nothing of what there is none of
    assert streamed.to_dict() == expected
    assert plain.choices
    assert plain._request_id is not None
    assert plain._request_id != streamed._request_id


async def test_several_answers() -> None:
    """`n` answers come with their indexes."""
    async with serve() as url, client(url) as api:
        plain, streamed = await both(api, n=3)

    assert [choice.index for choice in plain.choices] == [0, 1, 2]
    assert [choice.finish_reason for choice in streamed.choices] == ["stop"] * 3


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
async def test_length(name: str) -> None:
    """An answer that is cut off by its length says so, and is no error."""
    async with serve() as url, client(url) as api:
        plain, streamed = await both(api, **{name: 2})

    for answer in (plain, streamed):
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 2


async def test_stop() -> None:
    """An answer ends before a stop sequence."""
    async with serve(Script(["one two three"], repeat=True)) as url, client(url) as api:
        plain, _ = await both(api, stop="three")

    assert plain.choices[0].message.content == "one two "


async def test_usage_only_where_it_is_asked_for() -> None:
    """Without `include_usage` a stream has no usage, and with it the last chunk has it."""
    async with serve() as url, client(url) as api:
        without = await api.chat.completions.create(model="m", messages=HELLO, stream=True)
        assert (await without.final()).usage is None
        asked = await api.chat.completions.create(
            model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in asked]

    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []


async def test_tool_round_trip() -> None:
    """A tool is called with arguments that fit, and its result is answered, by plain calls and by streams."""
    async with serve() as url, client(url) as api:
        for streaming in (False, True):
            messages = list(WEATHER)

            async def ask(messages: Any, **more: Any) -> Any:
                made = await api.chat.completions.create(model="m", messages=messages, stream=streaming, **more)  # noqa: B023 - used in this round only
                return await made.final() if streaming else made  # noqa: B023 - as above

            first = await ask(messages, tools=[GET_WEATHER], tool_choice="required")
            message = first.choices[0].message
            (call,) = message.tool_calls
            arguments = json.loads(call.function.arguments)
            second = await ask(
                [*messages, message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}],
                tools=[GET_WEATHER],
            )

            assert first.choices[0].finish_reason == "tool_calls"
            assert arguments == {"city": "Paris", "unit": "celsius"}
            assert "18 degrees" in second.choices[0].message.content


async def test_parallel_calls() -> None:
    """Several calls in one answer stay apart."""
    calls = [Call("one", {"a": 1}, id="c1"), Call("two", {"b": [1, 2]}, id="c2")]
    async with serve(Script([calls], repeat=True)) as url, client(url) as api:
        for answer in await both(api, messages=WEATHER):
            made = answer.choices[0].message.tool_calls or []
            assert [(call.id, call.function.name, json.loads(call.function.arguments)) for call in made] == [  # type: ignore[union-attr]  # all are functions
                ("c1", "one", {"a": 1}),
                ("c2", "two", {"b": [1, 2]}),
            ]


async def test_structured_answer() -> None:
    """An answer in a JSON schema is JSON of that schema."""
    async with serve() as url, client(url) as api:
        plain, _ = await both(api, response_format=PERSON)

    person = json.loads(plain.choices[0].message.content or "")
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


async def test_events() -> None:
    """`stream()` tells of text and of tool calls by the official names, each with the final answer's parts."""
    async with serve() as url, client(url) as api:
        async with api.chat.completions.stream(model="m", messages=HELLO) as stream:
            told = [event async for event in stream]
            final = await stream.get_final_completion()
        assert (
            "".join(event.delta for event in told if event.type == "content.delta") == final.choices[0].message.content
        )
        assert [event.content for event in told if event.type == "content.done"] == [final.choices[0].message.content]

        async with api.chat.completions.stream(
            model="m", messages=WEATHER, tools=[GET_WEATHER], tool_choice="required"
        ) as stream:
            told = [event async for event in stream]
        (done,) = [event for event in told if event.type == "tool_calls.function.arguments.done"]
        pieces = [event.arguments_delta for event in told if event.type == "tool_calls.function.arguments.delta"]
        assert "".join(pieces) == done.arguments
        assert json.loads(done.arguments) == {"city": "Paris", "unit": "celsius"}


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (422, errors.UnprocessableEntityError),
        (429, errors.RateLimitError),
        (500, errors.InternalServerError),
        (503, errors.InternalServerError),
        (418, errors.APIStatusError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_statuses(status: int, cls: type[errors.APIStatusError], stream: bool) -> None:  # noqa: FBT001 - a column
    """Every status is its class, with the server's message and the request's id."""
    async with serve(faults=[Fault(status=status)]) as url, client(url) as api:
        with pytest.raises(errors.APIStatusError) as caught:
            await api.chat.completions.create(model="m", messages=HELLO, stream=stream)

    assert type(caught.value) is cls
    assert caught.value.status_code == status
    assert "asked for" in caught.value.message
    assert caught.value.request_id


@pytest.mark.parametrize("stream", [False, True])
async def test_retries_after_what_passes(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """A rate limit, a dropped connection and a server error in a row are survived, as the server asks."""
    faults = [Fault(status=429, retry_after=0.01), Fault(drop=True), Fault(status=503, retry_after=0.01)]
    async with serve(faults=faults) as url, client(url, max_retries=3) as api:
        answer: Any = await api.chat.completions.create(model="m", messages=HELLO, stream=stream)
        if stream:
            answer = await answer.final()
        assert len(url.requests) == 4

    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(pings=True, line_end="crlf", sizes=(1,)),
        Fault(bom=True, line_end="cr", sizes=(7, 1, 3)),
        Fault(no_done=True),
        Fault(no_finish=True),
    ],
    ids=["crlf by bytes", "cr and bom", "no done", "no finish"],
)
async def test_odd_streams_are_read(fault: Fault) -> None:
    """Line ends, pings, byte order marks, tiny pieces, and one missing end of two change nothing."""
    async with serve(faults=[Fault(skip=1, times=0)]) as url, client(url) as api:
        stream = await api.chat.completions.create(model="m", messages=HELLO, stream=True)
        whole = (await stream.final()).choices[0].message
    async with serve(faults=[fault]) as url, client(url) as api:
        stream = await api.chat.completions.create(model="m", messages=HELLO, stream=True)
        assert (await stream.final()).choices[0].message == whole


@pytest.mark.parametrize(
    ("fault", "cls"),
    [
        (Fault(cut_after=2), errors.IncompleteStreamError),
        (Fault(cut_after=2, reset=True), errors.IncompleteStreamError),
        (Fault(no_done=True, no_finish=True), errors.IncompleteStreamError),
        (Fault(error_after=2), errors.InternalServerError),
        (Fault(bad_json_after=2), errors.StreamProtocolError),
        (Fault(stall_after=2), errors.APITimeoutError),
    ],
    ids=["cut", "reset", "no end", "error", "bad json", "stall"],
)
async def test_broken_streams_keep_what_came(fault: Fault, cls: type[errors.APIError]) -> None:
    """A stream that breaks in the middle raises, with the beginning of the answer."""
    async with serve(Script(["one two three four five six"], repeat=True)) as url, client(url) as api:
        whole = (await api.chat.completions.create(model="m", messages=HELLO)).choices[0].message.content or ""
        url.add_fault(fault)
        stream = await api.chat.completions.create(
            model="m", messages=HELLO, stream=True, timeout=Timeout(first_token=5, idle=0.2)
        )
        with pytest.raises(cls) as caught:
            await stream.final()

    content = caught.value.partial.choices[0].message.content
    assert content
    assert whole.startswith(content)


async def test_cancelling_reaches_the_server() -> None:
    """A task that is cancelled in the middle of a stream, or while it waits for a plain answer, is gone upstream."""
    async with serve(delay=0.02, faults=[Fault(stall_after=0, skip=1)]) as url, client(url) as api:

        async def read() -> None:
            async with api.chat.completions.create(model="m", messages=HELLO, stream=True) as stream:
                async for _ in stream:
                    started.set()

        started = asyncio.Event()
        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(url.wait_aborts(1), 2)

        task = asyncio.create_task(api.chat.completions.create(model="m", messages=HELLO))
        while len(url.requests) < 2:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(url.wait_aborts(2), 2)


async def test_two_hundred_streams_at_once() -> None:
    """Two hundred streams side by side bring each its own answer."""
    async with serve() as url, client(url) as api:

        async def one(number: int) -> str:
            messages: Any = [{"role": "user", "content": f"Number {number}: repeat the number."}]
            async with api.chat.completions.create(model="m", messages=messages, stream=True) as stream:
                return "".join([piece async for piece in stream.text()])

        streamed = await asyncio.gather(*map(one, range(200)))
        again = await asyncio.gather(*map(one, range(200)))
        assert url.connections <= 400

    assert streamed == again
    assert len(set(streamed)) > 100


async def test_pool_of_two_serves_twenty() -> None:
    """More streams than connections wait their turn, and all of them come through."""
    async with serve() as url, client(url, limit=2) as api:

        async def one() -> str | None:
            async with api.chat.completions.create(model="m", messages=HELLO, stream=True) as stream:
                return (await stream.final()).choices[0].message.content

        answers = await asyncio.gather(*(one() for _ in range(20)))
        assert len(set(answers)) == 1
        assert url.connections <= 4


async def test_connection_is_kept() -> None:
    """Plain calls and streams one after the other use one connection."""
    async with serve() as url, client(url) as api:
        for _ in range(5):
            await api.chat.completions.create(model="m", messages=HELLO)
            async with api.chat.completions.create(model="m", messages=HELLO, stream=True) as stream:
                await stream.final()
        assert url.connections == 1


async def test_rate_limit_headers() -> None:
    """What the server tells of its limits is in the response's headers."""
    async with serve() as url, client(url) as api:
        stream = await api.chat.completions.create(model="m", messages=HELLO, stream=True)
        await stream.final()

    assert int(stream.response.headers["x-ratelimit-remaining-requests"]) > 0


async def test_routes_without_a_method() -> None:
    """`client.get` and `client.post` reach what the server has, as plain data, as a type, and as a stream."""
    body: Any = {"model": "m", "messages": HELLO}
    async with serve() as url, client(url) as api:
        models = await api.get("/models")
        whole = await api.post("/chat/completions", body=body, cast_to=ChatCompletion)
        async with api.post("/chat/completions", body={**body, "stream": True}, stream=True) as stream:
            streamed = await stream.final()

    assert models["object"] == "list"
    assert streamed.choices[0].message.content == whole.choices[0].message.content


async def test_limiter() -> None:
    """A limiter is asked before each attempt, sees each head, and hears what the answer cost."""
    limiter = WatchingLimiter()
    async with (
        serve(faults=[Fault(status=500, retry_after=0.01)]) as url,
        client(url, limiter=limiter, max_retries=1) as api,
    ):
        completion = await api.chat.completions.create(model="m", messages=HELLO)

    assert completion.usage is not None
    assert limiter.log == [
        ("observe", 1, 500),
        ("settle", 1, None),
        ("observe", 2, 200),
        ("settle", 2, completion.usage.total_tokens),
    ]
