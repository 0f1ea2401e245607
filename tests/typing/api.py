"""What type checkers make of the client: checked by mypy and pyright, both strict, and never run.

A line that is a mistake carries the errors that both checkers must find there; a checker that finds none complains of
the comment (`warn_unused_ignores`, `reportUnnecessaryTypeIgnoreComment`).
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from ssl import SSLContext
from typing import Any, assert_type

import aiohttp

from openai_async import (
    APIError,
    AsyncOpenAI,
    Call,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    EventStream,
    ParsedChatCompletion,
    ResponseInfo,
    Timeout,
    Timing,
    not_given,
    omit,
)
from openai_async.protocol.eventtypes import (
    ChatCompletionStreamEvent,
    ContentDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
)
from openai_async.transport.asgi import ASGITransport
from openai_async.transport.message import Request, Response, Transport
from openai_async.transport.session import AiohttpTransport
from openai_async.transport.timer import Timer
from openai_async.types.chat import (
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
    CompletionUsage,
)

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
TOOLS: list[ChatCompletionToolUnionParam] = [{"type": "function", "function": {"name": "f"}}]


async def answers(client: AsyncOpenAI, *, flag: bool) -> None:
    """What `create` gives depends on `stream`."""
    completions = client.chat.completions
    plain = completions.create(model="m", messages=MESSAGES)
    assert_type(plain, Call[ChatCompletion])
    assert_type(await plain, ChatCompletion)
    assert_type(await completions.create(model="m", messages=MESSAGES, stream=False), ChatCompletion)
    assert_type(await completions.create(model="m", messages=MESSAGES, stream=None), ChatCompletion)
    assert_type(await completions.create(model="m", messages=MESSAGES, stream=omit), ChatCompletion)
    assert_type(await completions.create(model="m", messages=MESSAGES, stream=not_given), ChatCompletion)

    streamed = completions.create(model="m", messages=MESSAGES, stream=True)
    assert_type(streamed, Call[ChatStream[ChatCompletionChunk]])
    assert_type(await streamed, ChatStream[ChatCompletionChunk])

    either = completions.create(model="m", messages=MESSAGES, stream=flag)
    assert_type(either, Call[ChatCompletion | ChatStream[ChatCompletionChunk]])

    told = completions.stream(model="m", messages=MESSAGES)
    assert_type(told, Call[EventStream[None]])


async def calls(client: AsyncOpenAI) -> None:
    """A call is a coroutine, with its result's type wherever it goes."""
    call = client.chat.completions.create(model="m", messages=MESSAGES)
    coroutine: Coroutine[Any, Any, ChatCompletion] = call
    awaitable: Awaitable[ChatCompletion] = coroutine
    assert_type(await awaitable, ChatCompletion)
    assert_type(asyncio.create_task(call), asyncio.Task[ChatCompletion])
    assert_type(await asyncio.wait_for(call, 1), ChatCompletion)
    assert_type(await asyncio.gather(call, call), tuple[ChatCompletion, ChatCompletion])
    async with call as completion:
        assert_type(completion, ChatCompletion)
    async with client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
        assert_type(stream, ChatStream[ChatCompletionChunk])


async def streams(client: AsyncOpenAI) -> None:
    """Each way to read a stream has its items' type."""
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    async for chunk in stream:
        assert_type(chunk, ChatCompletionChunk)
        assert_type(chunk.text, str)
        for choice in chunk.choices:
            assert_type(choice.delta.content, str | None)
            assert_type(choice.index, int)
    async for event in stream.events():
        assert_type(event, ChatCompletionStreamEvent[None])
        if event.type == "content.delta":
            assert_type(event, ContentDeltaEvent)
            assert_type(event.delta, str)
            assert_type(event.snapshot, str)
            assert_type(event.choice_index, int)
        elif event.type == "chunk":
            assert_type(event.chunk, ChatCompletionChunk)
            assert_type(event.snapshot, ParsedChatCompletion[None])
        elif event.type == "tool_calls.function.arguments.done":
            assert_type(event, FunctionToolCallArgumentsDoneEvent)
            assert_type(event.arguments, str)
    async for text in stream.text():
        assert_type(text, str)
    async for batch in stream.batches():
        assert_type(batch, list[ChatCompletionChunk])
    iterator: AsyncIterator[ChatCompletionChunk] = stream
    assert_type(await anext(iterator), ChatCompletionChunk)
    assert_type(await stream.final(), ChatCompletion)
    assert_type(await stream.get_final_completion(), ChatCompletion)
    assert_type(await stream.until_done(), ChatStream[ChatCompletionChunk])
    assert_type(stream.snapshot, ChatCompletion)
    assert_type(stream.response, ResponseInfo)
    assert_type(stream.response.request_id, str | None)
    assert_type(stream.timing, Timing)
    assert_type(stream.timing.first_token, float | None)


def completions(answer: ChatCompletion) -> None:
    """A completion's parts."""
    message = answer.choices[0].message
    assert_type(message, ChatCompletionMessage)
    assert_type(message.content, str | None)
    assert_type(answer.usage, CompletionUsage | None)
    assert_type(answer._request_id, str | None)
    assert_type(answer.to_dict(), dict[str, Any])
    for call in message.tool_calls or ():
        assert_type(call.id, str)
        if call.type == "function":
            assert_type(call.function.arguments, str)
        else:
            assert_type(call.custom.input, str)


async def parameters(client: AsyncOpenAI, message: ChatCompletionMessage) -> None:
    """What is right is accepted: parameters, options, and answers among the messages."""
    create = client.chat.completions.create
    await create(model="m", messages=[{"role": "system", "content": "Be brief."}, *MESSAGES], temperature=0.5, n=2)
    await create(model="m", messages=MESSAGES, temperature=None, top_p=omit, stop=["a"], tools=TOOLS)
    assert_type(message.to_param(), ChatCompletionMessageParam)
    await create(model="m", messages=[*MESSAGES, message, message.to_param()])
    await create(model="m", messages=(one for one in MESSAGES))
    await create(model="m", messages=MESSAGES, response_format={"type": "json_object"}, reasoning_effort="low")
    await create(
        model="m",
        messages=MESSAGES,
        extra_headers={"x": "1", "y": omit},
        extra_query={"a": [1]},
        extra_body={"top_k": 5},
        timeout=Timeout(first_token=5),
        max_retries=0,
        idempotency_key="k",
    )
    await create(model="m", messages=MESSAGES, timeout=5, stream=True)
    await create(model="m", messages=MESSAGES, timeout=None)


def mistakes(client: AsyncOpenAI) -> None:
    """What is wrong is an error, for each checker."""
    create, stream = client.chat.completions.create, client.chat.completions.stream
    create(model="m", messages=MESSAGES, temprature=0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    create(model="m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - messages are missing
    create(messages=MESSAGES)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - the model is missing
    create("m", MESSAGES)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - arguments have names
    create(model="m", messages="hi")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a text is no list
    create(model="m", messages=MESSAGES, temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType] - a text is no number
    create(model="m", messages=[{"role": "robot", "content": "hi"}])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType] - no such role
    create(model="m", messages=MESSAGES, max_retries=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType] - 0 turns retries off
    stream(model="m", messages=MESSAGES, stream=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - it always is
    stream(model="m", messages=MESSAGES, temprature=0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    AsyncOpenAI(api_key=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a number is no key
    AsyncOpenAI(apikey="k")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a misspelt setting
    AsyncOpenAI("k")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - settings have names
    Timeout(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - limits have names
    Timeout(read=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - no such limit


async def wrong_use(client: AsyncOpenAI) -> None:
    """What can't be done with a call or a stream is an error."""
    for _ in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] - it has to be awaited
        pass
    completion = await client.chat.completions.create(model="m", messages=MESSAGES)
    async for _ in completion:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] - it is no stream
        pass


async def settings(session: aiohttp.ClientSession, context: SSLContext) -> None:
    """A client's settings, and what it gives back."""

    async def fetch_key() -> str:
        return "k"

    client = AsyncOpenAI(api_key=fetch_key, session=session, ssl_context=context, timeout=None, max_retries=0)
    AsyncOpenAI(api_key=lambda: "k", timeout=5, default_headers={"a": "1", "b": omit}, default_query={"c": 1})
    assert_type(client.with_options(timeout=1), AsyncOpenAI)
    assert_type(client.copy(max_retries=5), AsyncOpenAI)
    async with client as entered:
        assert_type(entered, AsyncOpenAI)
    assert_type(client.is_closed(), bool)


async def subclass() -> None:
    """A subclass stays itself."""

    class Mine(AsyncOpenAI):
        pass

    assert_type(Mine(api_key="k").with_options(), Mine)
    async with Mine(api_key="k") as mine:
        assert_type(mine, Mine)


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI app."""


class OwnTransport:
    """A transport of the user's."""

    closed = False

    async def send(self, request: Request, timer: Timer) -> Response:
        """Send nothing."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close nothing."""


def transports() -> None:
    """Ours and the user's are transports."""
    each: list[Transport] = [AiohttpTransport(), ASGITransport(asgi_app), OwnTransport()]
    for one in each:
        AsyncOpenAI(api_key="k", transport=one)
    AsyncOpenAI(api_key="k", transport=object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it can't send


def failures(error: APIError) -> None:
    """An error's fields."""
    assert_type(error.message, str)
    assert_type(error.status_code, int | None)
    assert_type(error.headers, dict[str, str])
    assert_type(error.request_id, str | None)
