"""What the type checkers infer from the public API. Checked by mypy and pyright, never run.

A line that must be an error carries both checkers' ignores: each of them reports an ignore that it does not need.
"""

from __future__ import annotations

import asyncio
from typing import assert_type

from openai_async import AsyncOpenAI, Call, ChatStream, Timeout, omit
from openai_async.protocol.events import ContentDeltaEvent, FunctionToolCallArgumentsDoneEvent, StreamEvent
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


async def plain(client: AsyncOpenAI) -> None:
    """A plain call gives a completion, whichever way it is said."""
    assert_type(await client.chat.completions.create(model="m", messages=messages), ChatCompletion)
    assert_type(await client.chat.completions.create(model="m", messages=messages, stream=False), ChatCompletion)
    assert_type(await client.chat.completions.create(model="m", messages=messages, stream=None), ChatCompletion)
    assert_type(await client.chat.completions.create(model="m", messages=messages, stream=omit), ChatCompletion)
    call = client.chat.completions.create(model="m", messages=messages)
    assert_type(call, Call[ChatCompletion])
    task = asyncio.create_task(call)
    assert_type(await task, ChatCompletion)
    async with client.chat.completions.create(model="m", messages=messages) as completion:
        assert_type(completion, ChatCompletion)


async def streaming(client: AsyncOpenAI) -> None:
    """A streaming call gives a stream of chunks."""
    async with client.chat.completions.create(model="m", messages=messages, stream=True) as stream:
        assert_type(stream, ChatStream[ChatCompletionChunk])
        async for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
            assert_type(chunk.choices[0].delta.content, str | None)
        async for text in stream.text():
            assert_type(text, str)
        async for batch in stream.batches():
            assert_type(batch, list[ChatCompletionChunk])
        assert_type(await stream.final(), ChatCompletion)


async def either(client: AsyncOpenAI, *, stream: bool) -> None:
    """A flag that is only known at run time gives one or the other."""
    answer = await client.chat.completions.create(model="m", messages=messages, stream=stream)
    assert_type(answer, ChatCompletion | ChatStream[ChatCompletionChunk])


async def events(client: AsyncOpenAI) -> None:
    """`stream()` gives events, told apart by their `type`."""
    async with client.chat.completions.stream(model="m", messages=messages) as stream:
        assert_type(stream, ChatStream[StreamEvent])
        async for event in stream:
            if event.type == "content.delta":
                assert_type(event, ContentDeltaEvent)
                assert_type(event.snapshot, str)
            if event.type == "tool_calls.function.arguments.done":
                assert_type(event, FunctionToolCallArgumentsDoneEvent)
        assert_type(await stream.get_final_completion(), ChatCompletion)


async def tool_calls(client: AsyncOpenAI) -> None:
    """A message's tool calls are told apart by their `type`, and a message goes back into `messages=`."""
    completion = await client.chat.completions.create(model="m", messages=messages)
    message = completion.choices[0].message
    for call in message.tool_calls or []:
        if call.type == "function":
            assert_type(call.function.arguments, str)
        else:
            assert_type(call.custom.input, str)
    assert_type(message.to_param(), ChatCompletionMessageParam)
    await client.chat.completions.create(model="m", messages=[*messages, message, message.to_param()])


async def options(client: AsyncOpenAI) -> None:
    """Every method takes the options of a request."""
    await client.chat.completions.create(
        model="m",
        messages=messages,
        temperature=None,
        stop=omit,
        timeout=Timeout(first_token=3),
        max_retries=0,
        idempotency_key="k",
        extra_headers={"x-a": "b", "user-agent": omit},
        extra_query={"a": [1]},
        extra_body={"top_k": 3},
    )


async def mistakes(client: AsyncOpenAI) -> None:
    """A misspelt parameter, a missing one and one of the wrong type are errors before the program runs."""
    await client.chat.completions.create(model="m", messages=messages, temprature=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await client.chat.completions.create(model="m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await client.chat.completions.create(model="m", messages=messages, temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
