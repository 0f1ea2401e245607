"""What type checkers make of parsed answers, their streams, and tools: checked as `api.py` is, and never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypedDict, assert_type

import msgspec
import pydantic

from openai_async import (
    AsyncOpenAI,
    Call,
    ChatCompletionStreamEvent,
    ChatStream,
    EventStream,
    FunctionTool,
    ParsedChatCompletion,
    RawResponse,
    StreamedResponse,
    function_tool,
    omit,
    pydantic_function_tool,
)
from openai_async.api.runevents import ToolRun, ToolRunEvent
from openai_async.api.runner import ToolRunner
from openai_async.protocol.eventtypes import (
    ChunkEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    RefusalDoneEvent,
)
from openai_async.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai_async.types.parsed import ParsedChatCompletionMessage, ParsedFunctionToolCall

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


class Step(msgspec.Struct):
    """One step."""

    text: str


@dataclass
class Data:
    """A dataclass."""

    text: str


class Dict(TypedDict):
    """A typed dict."""

    text: str


class Unit(Enum):
    """An enumeration."""

    C = "c"


class Model(pydantic.BaseModel):
    """A pydantic model."""

    text: str


async def parsed(client: AsyncOpenAI) -> None:
    """`parse` gives a completion of the type asked for."""
    parse = client.chat.completions.parse
    call = parse(model="m", messages=MESSAGES, response_format=Step)
    assert_type(call, Call[ParsedChatCompletion[Step]])
    completion = await call
    assert_type(completion, ParsedChatCompletion[Step])
    message = completion.choices[0].message
    assert_type(message, ParsedChatCompletionMessage[Step])
    assert_type(message.parsed, Step | None)
    assert_type(message.content, str | None)
    for tool_call in message.tool_calls or ():
        if tool_call.type == "function":
            assert_type(tool_call, ParsedFunctionToolCall)
            assert_type(tool_call.function.parsed_arguments, Any)
    assert_type(message.to_param(), ChatCompletionMessageParam)
    await parse(model="m", messages=[*MESSAGES, message], response_format=Step)


async def kinds(client: AsyncOpenAI) -> None:
    """Each kind of type, and none."""
    parse = client.chat.completions.parse
    assert_type(
        (await parse(model="m", messages=MESSAGES, response_format=Data)).choices[0].message.parsed, Data | None
    )
    assert_type(
        (await parse(model="m", messages=MESSAGES, response_format=Dict)).choices[0].message.parsed, Dict | None
    )
    assert_type(
        (await parse(model="m", messages=MESSAGES, response_format=Unit)).choices[0].message.parsed, Unit | None
    )
    assert_type(
        (await parse(model="m", messages=MESSAGES, response_format=Model)).choices[0].message.parsed, Model | None
    )
    assert_type(await parse(model="m", messages=MESSAGES, response_format=list[Step]), ParsedChatCompletion[list[Step]])
    assert_type(await parse(model="m", messages=MESSAGES, response_format=int), ParsedChatCompletion[int])
    assert_type(
        await parse(model="m", messages=MESSAGES, response_format={"type": "json_object"}), ParsedChatCompletion[None]
    )
    assert_type(await parse(model="m", messages=MESSAGES), ParsedChatCompletion[None])
    assert_type(await parse(model="m", messages=MESSAGES, response_format=omit), ParsedChatCompletion[None])


async def responses(client: AsyncOpenAI) -> None:
    """The responses of `parse` know the type, too."""
    completions = client.chat.completions
    raw = await completions.with_raw_response.parse(model="m", messages=MESSAGES, response_format=Step)
    assert_type(raw, RawResponse[ParsedChatCompletion[Step]])
    assert_type(raw.parse(), ParsedChatCompletion[Step])
    untyped = await completions.with_raw_response.parse(model="m", messages=MESSAGES, response_format={"type": "text"})
    assert_type(untyped, RawResponse[ParsedChatCompletion[None]])
    streamed = await completions.with_streaming_response.parse(model="m", messages=MESSAGES)
    assert_type(streamed, StreamedResponse[ParsedChatCompletion[None]])
    same = await completions.parse(model="m", messages=MESSAGES, response_format=Step).raw()
    assert_type(same, RawResponse[ParsedChatCompletion[Step]])
    call = completions.with_streaming_response.parse(model="m", messages=MESSAGES, response_format=list[Step])
    async with call as response:
        assert_type(response, StreamedResponse[ParsedChatCompletion[list[Step]]])
        assert_type(await response.parse(), ParsedChatCompletion[list[Step]])


async def events(client: AsyncOpenAI) -> None:
    """`stream` gives events of the type asked for, told apart by `type`."""
    completions = client.chat.completions
    call = completions.stream(model="m", messages=MESSAGES, response_format=Step)
    assert_type(call, Call[EventStream[Step]])
    async with call as stream:
        assert_type(stream, EventStream[Step])
        async for event in stream:
            assert_type(event, ChatCompletionStreamEvent[Step])
            if event.type == "content.done":
                assert_type(event, ContentDoneEvent[Step])
                assert_type(event.parsed, Step | None)
                assert_type(event.content, str)
            elif event.type == "content.delta":
                assert_type(event, ContentDeltaEvent)
                assert_type(event.parsed, Any)
            elif event.type == "chunk":
                assert_type(event, ChunkEvent[Step])
                assert_type(event.snapshot, ParsedChatCompletion[Step])
            elif event.type == "refusal.done":
                assert_type(event, RefusalDoneEvent)
        assert_type(await stream.get_final_completion(), ParsedChatCompletion[Step])
        assert_type((await stream.final()).choices[0].message.parsed, Step | None)
        assert_type(stream.snapshot, ParsedChatCompletion[Step])
        assert_type(stream.events(), EventStream[Step])
    assert_type(await completions.stream(model="m", messages=MESSAGES, response_format=Model), EventStream[Model])
    assert_type(await completions.stream(model="m", messages=MESSAGES, response_format=Data), EventStream[Data])
    assert_type(
        await completions.stream(model="m", messages=MESSAGES, response_format=list[Step]), EventStream[list[Step]]
    )
    assert_type(
        await completions.stream(model="m", messages=MESSAGES, response_format={"type": "text"}), EventStream[None]
    )


async def partial(client: AsyncOpenAI) -> None:
    """`partial` iterates objects of the type."""
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    iterator: AsyncIterator[Step] = stream.partial(Step)
    assert_type(await anext(iterator), Step)
    async for steps in stream.partial(list[Step]):
        assert_type(steps, list[Step])
    async for model in stream.partial(Model):
        assert_type(model, Model)


async def cast(client: AsyncOpenAI) -> None:
    """`cast_to` gives the user's type, or a stream of it."""
    completions = client.chat.completions
    assert_type(completions.create(model="m", messages=MESSAGES, cast_to=Step), Call[Step])
    assert_type(await completions.create(model="m", messages=MESSAGES, cast_to=Dict, stream=False), Dict)
    assert_type(await completions.create(model="m", messages=MESSAGES, cast_to=bytes), bytes)
    stream = await completions.create(model="m", messages=MESSAGES, cast_to=Step, stream=True)
    assert_type(stream, ChatStream[Step])
    async for chunk in stream:
        assert_type(chunk, Step)
    raw = await completions.with_raw_response.create(model="m", messages=MESSAGES, cast_to=Step)
    assert_type(raw, RawResponse[Step])
    assert_type(
        await completions.with_raw_response.create(model="m", messages=MESSAGES, cast_to=Model, stream=True),
        RawResponse[ChatStream[Model]],
    )


@function_tool
async def weather(city: str, unit: Literal["c", "f"] = "c") -> str:
    """Get the weather."""
    return f"{city} {unit}"


@function_tool(name="clock", strict=False)
def clock() -> str:
    """Tell the time."""
    return "noon"


def tools() -> list[ChatCompletionToolUnionParam | FunctionTool]:
    """A tool is made of a function, with options or without, or of a type."""
    assert_type(weather, FunctionTool)
    assert_type(clock, FunctionTool)
    assert_type(function_tool(Step), FunctionTool)
    assert_type(pydantic_function_tool(Model), FunctionTool)
    assert_type(weather.bind("{}"), dict[str, Any])
    assert_type(weather.name, str)
    return [weather, {"type": "function", "function": {"name": "f"}}]


async def runs(client: AsyncOpenAI) -> None:
    """A run of tools knows the type of its last answer."""
    run_tools = client.chat.completions.run_tools
    runner = run_tools(model="m", messages=MESSAGES, tools=[weather, tools], response_format=Step)
    assert_type(runner, ToolRunner[Step])
    run = await runner
    assert_type(run, ToolRun[Step])
    assert_type(run.message.parsed, Step | None)
    assert_type(run.content, str | None)
    assert_type(run.completion, ParsedChatCompletion[Step])
    plain = run_tools(model="m", messages=MESSAGES, tools=[weather], stream=True)
    assert_type(plain, ToolRunner[None])
    async with plain as entered:
        async for event in entered:
            assert_type(event, ToolRunEvent[None])
            if event.type == "content.delta":
                assert_type(event, ContentDeltaEvent)


def mistakes(client: AsyncOpenAI) -> None:
    """What is wrong is an error, for each checker."""
    completions = client.chat.completions
    completions.parse(model="m", messages=MESSAGES, response_format=Step, temprature=0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.parse(model="m", messages=MESSAGES, response_format=Step, stream=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - it is never a stream
    completions.parse(model="m", messages=MESSAGES, response_fromat=Step)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.stream(model="m", messages=MESSAGES, response_format=Step, max_token=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.create(model="m", messages=MESSAGES, cast_to=Step, temprature=0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.create(model="m", messages=MESSAGES, response_format=Step)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType] - types are for `parse`
    completions.with_raw_response.parse(model="m", messages=MESSAGES, temprature=0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.with_raw_response.create(model="m", messages=MESSAGES, temprature=0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.run_tools(model="m", messages=MESSAGES, tools=[weather], max_turn=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt parameter
    completions.run_tools(model="m", messages=MESSAGES, tools=[3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType] - a number is no tool
    function_tool(weather, nmae="w")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - a misspelt option
    function_tool("weather")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType] - a name is no function
    pydantic_function_tool(Model, title="w")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - no such option
