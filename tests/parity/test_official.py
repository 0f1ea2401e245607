"""The official SDK and ours, on the same bytes and with the same calls: what they read, raise and send."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from support.rawserver import Handler, RawRequest, RawServer, answer, chunk, completion, event, hello, sse

import openai_async
from openai_async.server import serve
from openai_async.types import chat

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-test-0123456789"
MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris? Use celsius."}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ours(url: str, **options: Any) -> openai_async.AsyncOpenAI:
    """Our client."""
    return openai_async.AsyncOpenAI(**{"api_key": KEY, "base_url": url, "max_retries": 0, **options})


def theirs(url: str, **options: Any) -> openai.AsyncOpenAI:
    """The official client."""
    return openai.AsyncOpenAI(**{"api_key": KEY, "base_url": url, "max_retries": 0, **options})


def said(value: Any) -> Any:
    """Plain data without nulls and empty lists, and without what only one of the two clients adds."""
    if isinstance(value, dict):
        return {
            name: said(item)
            for name, item in value.items()
            if item is not None and item != [] and name not in {"parsed", "parsed_arguments"}
        }
    return [said(item) for item in value] if isinstance(value, list) else value


def call(index: int, **fields: Any) -> dict[str, Any]:
    """A fragment of a tool call; `name` and `arguments` belong to its function."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return {"index": index, **fields, "function": function}


LOGPROB = {"token": "Hel", "bytes": [72, 101, 108], "logprob": -0.5, "top_logprobs": []}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}

# Streams that keep to the published schema: where the official client is right, both must agree.
STREAMS: dict[str, list[Any]] = {
    "text": hello(),
    "usage": [*hello(), {**chunk(), "choices": [], "usage": USAGE}],
    "usage is null until the end": [
        *({**one, "usage": None} for one in hello()),
        {**chunk(), "choices": [], "usage": USAGE},
    ],
    "unicode": [chunk("", delta={"role": "assistant"}), chunk("Grüße, "), chunk("\U0001f30d"), chunk(finish="stop")],
    "refusal": [
        chunk(delta={"role": "assistant", "refusal": "I "}),
        chunk(delta={"refusal": "won't"}),
        chunk(finish="stop"),
    ],
    "one call": [
        chunk(delta={"role": "assistant", "tool_calls": [call(0, id="c1", type="function", name="f", arguments="")]}),
        chunk(delta={"tool_calls": [call(0, arguments='{"a"')]}),
        chunk(delta={"tool_calls": [call(0, arguments=": 1}")]}),
        chunk(finish="tool_calls"),
    ],
    "two calls": [
        chunk(delta={"role": "assistant", "tool_calls": [call(0, id="c1", type="function", name="f", arguments="")]}),
        chunk(delta={"tool_calls": [call(0, arguments="{}")]}),
        chunk(delta={"tool_calls": [call(1, id="c2", type="function", name="g", arguments="")]}),
        chunk(delta={"tool_calls": [call(1, arguments="[]")]}),
        chunk(finish="tool_calls"),
    ],
    "two choices": [
        chunk("", delta={"role": "assistant"}),
        chunk("", delta={"role": "assistant"}, index=1),
        chunk("a"),
        chunk("b", index=1),
        chunk(finish="stop"),
        chunk(finish="stop", index=1),
    ],
    "log probabilities": [
        chunk("", delta={"role": "assistant"}),
        {
            **chunk(),
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": "Hel"},
                    "finish_reason": None,
                    "logprobs": {"content": [LOGPROB], "refusal": None},
                }
            ],
        },
        chunk(finish="stop"),
    ],
    "reasoning": [
        chunk(delta={"role": "assistant", "reasoning_content": "hm, "}),
        chunk(delta={"reasoning_content": "well"}),
        chunk("Yes"),
        chunk(finish="stop"),
    ],
    "metadata": [
        {**one, "system_fingerprint": "fp-1", "service_tier": "default", "obfuscation": "xyz"} for one in hello()
    ],
    "length": [*hello()[:-1], chunk(finish="length")],
}


async def chunks_of(client: Any) -> list[Any]:
    """The chunks that a client reads, as plain data."""
    async with await client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
        return [said(one.to_dict()) async for one in stream]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("cut", [0, 5])
async def test_chunks(name: str, cut: int) -> None:
    """Both read the same chunks from the same bytes."""
    async with RawServer(sse(STREAMS[name], cut=cut)) as server, ours(server.url) as our, theirs(server.url) as their:
        assert await chunks_of(our) == await chunks_of(their) == [said(one) for one in STREAMS[name]]


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "length"])
async def test_final_completions(name: str) -> None:
    """Both make the same completion of the same chunks, but for the keys that are wrong in the official one."""
    async with RawServer(sse(STREAMS[name])) as server, ours(server.url) as our, theirs(server.url) as their:
        async with our.chat.completions.stream(model="m", messages=MESSAGES) as our_stream:
            our_final = said((await our_stream.get_final_completion()).to_dict())
        async with their.chat.completions.stream(model="m", messages=MESSAGES) as their_stream:
            their_final = said((await their_stream.get_final_completion()).to_dict())

    for choice in their_final["choices"]:
        for made in choice["message"].get("tool_calls", ()):
            del made["index"]  # a key of the stream's
    our_final.pop("obfuscation", None)
    assert our_final == their_final


@pytest.mark.parametrize("name", ["text", "refusal", "one call", "two calls", "log probabilities", "reasoning"])
async def test_events(name: str) -> None:
    """Both tell the same events, in the same order, with the same texts."""

    def told(one: Any) -> tuple[Any, ...]:
        names = ("delta", "content", "refusal", "name", "arguments", "arguments_delta")
        return (one.type, *(str(getattr(one, name, None)) for name in names if "logprobs" not in one.type))

    async with RawServer(sse(STREAMS[name])) as server, ours(server.url) as our, theirs(server.url) as their:
        async with our.chat.completions.stream(model="m", messages=MESSAGES) as our_stream:
            # Events of reasoning are ours alone.
            our_events = [told(one) async for one in our_stream if not one.type.startswith("reasoning.")]
        async with their.chat.completions.stream(model="m", messages=MESSAGES) as their_stream:
            their_events = [told(one) async for one in their_stream]

    # The official SDK finishes a call when the next one begins, ours when its choice ends: calls may interleave.
    assert sorted(our_events) == sorted(their_events)
    if name != "two calls":
        assert our_events == their_events


@pytest.mark.parametrize(
    "body",
    [
        completion(),
        completion("", choices=[]),
        completion(
            choices=[
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                            {"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}},
                        ],
                    },
                }
            ]
        ),
        completion(service_tier="default", system_fingerprint="fp", vendor={"key": [1, 2.5, None, True]}),
        completion('\u2028 \U0001f600 \\ " \x7f'),
    ],
    ids=["text", "no choices", "calls", "extras", "unicode"],
)
async def test_plain_completions(body: dict[str, Any]) -> None:
    """Both read the same completion from the same bytes."""
    handler = answer(body, headers={"x-request-id": "req-1"})
    async with RawServer(handler) as server, ours(server.url) as our, theirs(server.url) as their:
        our_answer: Any = await our.chat.completions.create(model="m", messages=MESSAGES)
        their_answer = await their.chat.completions.create(model="m", messages=MESSAGES)

    assert said(our_answer.to_dict()) == said(their_answer.to_dict())
    assert our_answer._request_id == their_answer._request_id == "req-1"
    assert said(json.loads(our_answer.to_json())) == said(json.loads(their_answer.to_json()))


async def failure(client: Any, *, stream: bool) -> Any:
    """The error of a call, read to its end."""

    async def read() -> None:
        made = await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
        if stream:
            async for _ in made:
                pass

    with pytest.raises(Exception) as caught:
        await read()
    return caught.value


REFUSAL = {"error": {"message": "No.", "type": "some_error", "code": "some_code", "param": "some_param"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "status", [302, 400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 500, 501, 503, 529]
)
async def test_refusals(status: int, stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """For every status both raise the class of the same name, with the same fields."""
    handler = answer(REFUSAL, status, {"x-request-id": "req-1"})
    async with RawServer(handler) as server, ours(server.url) as our, theirs(server.url) as their:
        mine, official = await failure(our, stream=stream), await failure(their, stream=stream)

    assert type(mine).__name__ == type(official).__name__
    assert mine.status_code == official.status_code == status
    assert (mine.code, mine.type, mine.param) == (official.code, official.type, official.param)
    assert (mine.body, mine.request_id) == (official.body, official.request_id)
    assert str(mine) == f"{official} (request id: req-1)"
    names = [cls.__name__ for cls in type(mine).__mro__]
    assert names[: names.index("OpenAIError")] == [
        cls.__name__ for cls in type(official).__mro__ if cls.__name__ in names[: names.index("OpenAIError")]
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_lost_connections(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """A connection that is refused, or that ends without an answer, is an `APIConnectionError` for both."""

    async def hang_up(peer: Any) -> None:
        peer.fin()

    async with RawServer(hang_up) as server:
        for url in (server.url, "http://127.0.0.1:1/v1"):
            async with ours(url) as our, theirs(url) as their:
                mine, official = await failure(our, stream=stream), await failure(their, stream=stream)
            assert type(mine) is openai_async.APIConnectionError
            assert type(official) is openai.APIConnectionError


@pytest.mark.parametrize(
    "handler",
    [sse(hello()[:2], done=False, ending="fin"), sse(hello()[:2], done=False, ending="reset")],
    ids=["fin", "reset"],
)
async def test_streams_that_break(handler: Handler) -> None:
    """A stream that breaks is an `APIConnectionError` for both; ours has what was received."""
    async with RawServer(handler) as server, ours(server.url) as our, theirs(server.url) as their:
        mine, official = await failure(our, stream=True), await failure(their, stream=True)

    assert isinstance(mine, openai_async.APIConnectionError)
    assert isinstance(official, openai.APIConnectionError)
    assert mine.partial.choices[0].message.content == "Hel"


async def test_error_in_a_stream() -> None:
    """An error in a stream has the same message, code, type and body; ours has its class and its request's id, too."""
    handler = sse(
        [*hello()[:2], {"error": {"message": "No.", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}]
    )
    async with RawServer(handler) as server, ours(server.url) as our, theirs(server.url) as their:
        mine, official = await failure(our, stream=True), await failure(their, stream=True)

    assert (mine.message, mine.code, mine.type) == (official.message, official.code, official.type)
    assert mine.body == official.body
    assert type(official) is openai.APIError
    assert type(mine) is openai_async.RateLimitError


# What is sent.

Send = Callable[[Any], Any]


async def sent(make: Callable[[str], Any], send: Send, handler: Handler) -> RawRequest:
    """The request that a client sends."""
    async with RawServer(handler) as server, make(server.url) as client:
        await send(client)
    (request,) = server.requests
    return request


async def both(send: Send, **options: Any) -> tuple[RawRequest, RawRequest]:
    """The requests that the two clients send for one call."""
    return (
        await sent(lambda url: ours(url, **options), send, answer(completion())),
        await sent(lambda url: theirs(url, **options), send, answer(completion())),
    )


def assistant(client: Any) -> Any:
    """An assistant message as the client's own type."""
    types: Any = chat if isinstance(client, openai_async.AsyncOpenAI) else openai.types.chat
    return types.ChatCompletionMessage.model_validate(
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }
    )


PARAMS: dict[str, dict[str, Any]] = {
    "nothing special": {},
    "numbers": {
        "temperature": 0.5,
        "top_p": 1,
        "seed": 7,
        "max_completion_tokens": 10,
        "n": 2,
        "presence_penalty": -0.25,
    },
    "null": {"temperature": None, "stop": None},
    "false": {"stream": False, "logprobs": False, "parallel_tool_calls": False, "store": False},
    "tools": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    "stop": {"stop": ["a", "b"], "user": "ü", "metadata": {"k": "v"}, "logit_bias": {"50256": -100}},
    "format": {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "object"}}}},
    "extra body": {"extra_body": {"top_k": 5, "model": "other", "metadata": {"k": "v"}}},
    "effort": {"reasoning_effort": "low", "verbosity": "high", "service_tier": "flex", "modalities": ["text"]},
    "parts": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": {"url": "data:,"}}],
            },
        ]
    },
}


@pytest.mark.parametrize("name", PARAMS)
async def test_bodies(name: str) -> None:
    """Both send the same JSON for the same call."""

    async def send(client: Any) -> None:
        await client.chat.completions.create(**{"model": "m", "messages": MESSAGES, **PARAMS[name]})

    our, their = await both(send)

    assert our.json == their.json
    assert (our.method, our.target) == (their.method, their.target) == ("POST", "/v1/chat/completions")


async def test_bodies_with_omitted_parameters() -> None:
    """`omit` and `NOT_GIVEN` are absent from both."""

    async def send(client: Any) -> None:
        module = openai_async if isinstance(client, openai_async.AsyncOpenAI) else openai
        await client.chat.completions.create(
            model="m", messages=iter(MESSAGES), temperature=module.omit, top_p=module.NOT_GIVEN, stream=module.omit
        )

    our, their = await both(send)

    assert our.json == their.json == {"model": "m", "messages": MESSAGES}


async def test_bodies_with_answers_put_back() -> None:
    """A client's own message among the messages is sent the same by both."""

    async def send(client: Any) -> None:
        tool = {"role": "tool", "tool_call_id": "c1", "content": "18"}
        await client.chat.completions.create(model="m", messages=[*MESSAGES, assistant(client), tool])

    our, their = await both(send)

    assert our.json == their.json


@pytest.mark.parametrize("method", ["create", "stream"])
async def test_streaming_bodies(method: str) -> None:
    """Both send the same JSON for the same stream."""

    async def send(client: Any) -> None:
        options: Any = {"model": "m", "messages": MESSAGES, "stream_options": {"include_usage": True}}
        if method == "stream":
            async with client.chat.completions.stream(**options) as stream:
                await stream.until_done()
        else:
            async with await client.chat.completions.create(**options, stream=True) as stream:
                async for _ in stream:
                    pass

    handler = sse(hello())
    our, their = await sent(ours, send, handler), await sent(theirs, send, handler)

    assert our.json == their.json


async def test_queries() -> None:
    """Both send the same query for the same arguments, defaults included."""

    async def send(client: Any) -> None:
        await client.chat.completions.create(
            model="m", messages=MESSAGES, extra_query={"b": [1, 2], "c": {"d": "e f"}, "g": True, "h": "ä&="}
        )

    our, their = await both(send, default_query={"a": "1"})

    assert sorted(unquoted(our)) == sorted(unquoted(their))


def unquoted(request: RawRequest) -> list[tuple[str, str]]:
    """The query's pairs, in whichever way they are escaped."""
    from urllib.parse import parse_qsl, urlsplit

    return parse_qsl(urlsplit(request.target).query, keep_blank_values=True)


# Headers that only the official client sends, that only ours sends, and that differ. All other ones are the same.
ONLY_THEIRS = {
    "connection",
    "x-stainless-arch",
    "x-stainless-async",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-read-timeout",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
}
DIFFERENT = {"host", "user-agent", "content-length"}


@pytest.mark.parametrize("stream", [False, True])
async def test_headers(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """Both send the same headers but for a list that stands here: the SDK's name, its telemetry, and a stream's form."""

    async def send(client: Any) -> None:
        options: Any = {"extra_headers": {"X-Mine": "1"}, "timeout": 30}
        made = await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream, **options)
        if stream:
            async with made:
                async for _ in made:
                    pass

    handler = sse(hello()) if stream else answer(completion())
    options: Any = {"organization": "org", "project": "proj", "default_headers": {"X-Default": "1"}}
    our = await sent(lambda url: ours(url, **options), send, handler)
    their = await sent(lambda url: theirs(url, **options), send, handler)

    different = DIFFERENT | ({"accept", "accept-encoding"} if stream else set())
    assert set(their.headers) - set(our.headers) == ONLY_THEIRS
    assert set(our.headers) - set(their.headers) == set()
    assert {name for name in our.headers if our.headers[name] != their.headers[name]} <= different
    for name in ("authorization", "content-type", "openai-organization", "openai-project", "x-mine", "x-default"):
        assert our.headers[name] == their.headers[name]
    if stream:
        assert (our.headers["accept"], their.headers["accept"]) == (
            "text/event-stream, application/json",
            "application/json",
        )
        assert (our.headers["accept-encoding"], their.headers["accept-encoding"]) == ("identity", "gzip, deflate")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n": 2},
        {"tools": [TOOL], "tool_choice": "required"},
        {"logprobs": True, "top_logprobs": 1},
        {"stream_options": {"include_usage": True}},
        {"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "JSON, please."}]},
    ],
    ids=lambda params: " ".join(params) or "nothing special",
)
async def test_against_the_embedded_server(params: dict[str, Any]) -> None:
    """Against a real server both read the same chunks, and the same final completion."""

    async def read(client: Any) -> tuple[list[Any], Any]:
        options: Any = {"model": "m", "messages": MESSAGES, **params}
        async with await client.chat.completions.create(**options, stream=True) as stream:
            chunks = [said(one.to_dict()) async for one in stream]
        async with client.chat.completions.stream(**options) as helper:
            final = said((await helper.get_final_completion()).to_dict())
        for one in chunks:
            one.pop("obfuscation", None)
        for choice in final["choices"]:
            for made in choice["message"].get("tool_calls", ()):
                made.pop("index", None)
        final.pop("obfuscation", None)
        return chunks, final

    async with serve() as url, ours(url) as our, theirs(url) as their:
        mine, official = await read(our), await read(their)

    assert mine == official


def test_bodies_are_events() -> None:
    """The bodies of these tests are what a server would send."""
    assert event(hello()[1]).startswith(b'data: {"id": "chatcmpl-1", ')
