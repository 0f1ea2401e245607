"""What users of the official SDK write, run with either package: only the import changes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from enum import Enum
from typing import Any, Literal

import openai
import pydantic
import pytest

import openai_async
from openai_async.server import Call, Script, serve

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("sdk", [openai, openai_async], ids=["openai", "openai_async"])

QUESTION: Any = [{"role": "user", "content": "Say this is a test"}]


@pytest.fixture
def anyio_backend() -> str:
    """One event loop is enough."""
    return "asyncio"


@pytest.fixture
async def server() -> AsyncGenerator[Any]:
    """The embedded server, which makes up answers that fit what is asked for."""
    async with serve() as url:
        yield url


class Step(pydantic.BaseModel):
    explanation: str
    output: str


class MathResponse(pydantic.BaseModel):
    steps: list[Step]
    final_answer: str


class Table(str, Enum):  # noqa: UP042 - as users write it
    ORDERS = "orders"
    CUSTOMERS = "customers"


class Condition(pydantic.BaseModel):
    column: str
    operator: Literal["=", ">", "<"]
    value: str | int


class Query(pydantic.BaseModel):
    """Query the database."""

    table_name: Table
    columns: list[str]
    conditions: list[Condition]


class GetWeather(pydantic.BaseModel):
    city: str
    country: str


@both
async def test_plain(sdk: Any, server: str) -> None:
    """A plain completion, awaited."""
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        completion = await client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        assert completion.choices[0].message.content
        assert completion.usage.total_tokens > 0
        assert completion._request_id


@both
async def test_streaming(sdk: Any, server: str) -> None:
    """A streamed completion, chunk by chunk."""
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
        text = ""
        async for chunk in stream:
            if not chunk.choices:
                continue
            text += chunk.choices[0].delta.content or ""
        assert text


@both
async def test_raw_response(sdk: Any, server: str) -> None:
    """The response's head beside the completion, and a response read line by line."""
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        response = await client.chat.completions.with_raw_response.create(model="gpt-4o", messages=QUESTION)
        assert response.request_id == response.headers["x-request-id"]
        assert response.headers.get("x-ratelimit-remaining-requests")
        assert response.parse().choices[0].message.content
        async with client.chat.completions.with_streaming_response.create(
            model="gpt-4o", messages=QUESTION, stream=True
        ) as streamed:
            lines = [line async for line in streamed.iter_lines()]
        assert "data: [DONE]" in lines


@both
async def test_parsing(sdk: Any, server: str) -> None:
    """A completion parsed to a pydantic model."""
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        completion = await client.chat.completions.parse(
            model="gpt-4o",
            messages=[
                {"role": "system", "content": "You are a helpful math tutor."},
                {"role": "user", "content": "solve 8x + 31 = 2"},
            ],
            response_format=MathResponse,
        )
        message = completion.choices[0].message
        assert isinstance(message.parsed, MathResponse)
        assert message.refusal is None
        assert message.parsed == MathResponse.model_validate_json(message.content)


@both
async def test_parsing_stream(sdk: Any, server: str) -> None:
    """A stream of events that ends in a parsed model."""
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        async with client.chat.completions.stream(
            model="gpt-4o", messages=QUESTION, response_format=MathResponse
        ) as stream:
            done = []
            async for event in stream:
                if event.type == "content.delta":
                    assert event.parsed is None or isinstance(event.parsed, dict)
                elif event.type == "content.done":
                    done.append(event.parsed)
                elif event.type == "error":
                    raise AssertionError(event)
        completion = await stream.get_final_completion()
        assert isinstance(completion.choices[0].message.parsed, MathResponse)
        assert done == [completion.choices[0].message.parsed]


@both
async def test_parsing_tools(sdk: Any, server: str) -> None:
    """A call whose arguments are a pydantic model."""
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        completion = await client.chat.completions.parse(
            model="gpt-4o",
            messages=[{"role": "user", "content": "look up all my orders in november of last year"}],
            tools=[sdk.pydantic_function_tool(Query)],
            tool_choice="required",
        )
        tool_call = (completion.choices[0].message.tool_calls or [])[0]
        assert tool_call.function.name == "Query"
        assert isinstance(tool_call.function.parsed_arguments, Query)
        assert tool_call.function.parsed_arguments.table_name in Table


@both
async def test_parsing_tools_stream(sdk: Any, server: str) -> None:
    """The same, streamed: arguments grow, and are whole in the done event."""
    async with (
        sdk.AsyncOpenAI(api_key="k", base_url=server) as client,
        client.chat.completions.stream(
            model="gpt-4o",
            messages=[{"role": "user", "content": "What's the weather like in SF and New York?"}],
            tools=[sdk.pydantic_function_tool(GetWeather, name="get_weather")],
            tool_choice="required",
            parallel_tool_calls=True,
        ) as stream,
    ):
        done = [
            (event.name, event.parsed_arguments)
            async for event in stream
            if event.type == "tool_calls.function.arguments.done"
        ]
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert done
    assert done == [(call.function.name, call.function.parsed_arguments) for call in calls]
    assert all(isinstance(arguments, GetWeather) for _, arguments in done)


@both
async def test_tool_loop(sdk: Any) -> None:
    """Tools called by hand: the model's message is put back as it came, and the results after it."""
    script = Script([[Call("get_weather", {"city": "Rome"}), Call("get_weather", {"city": "Oslo"})], "It rains."])
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    async with serve(script) as url, sdk.AsyncOpenAI(api_key="k", base_url=url) as client:
        messages: list[Any] = [{"role": "user", "content": "What's the weather like in Rome and Oslo?"}]
        while True:
            completion = await client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
            message = completion.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                break
            for call in message.tool_calls:
                city = json.loads(call.function.arguments)["city"]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": f"rain in {city}"})
        assert message.content == "It rains."
        assert len(messages) == 5


@both
async def test_azure(sdk: Any, server: str) -> None:
    """Azure's client, whose deployment is named by the model."""
    async with sdk.AsyncAzureOpenAI(
        api_key="k", api_version="2024-10-21", azure_endpoint=server.removesuffix("/v1")
    ) as client:
        completion = await client.chat.completions.create(model="deployment-name", messages=QUESTION)
        assert completion.model == "deployment-name"


@both
async def test_errors(sdk: Any) -> None:
    """Errors are caught by the same names, with the same fields."""
    async with serve(api_key="right") as url, sdk.AsyncOpenAI(api_key="wrong", base_url=url, max_retries=0) as client:
        with pytest.raises(sdk.AuthenticationError) as caught:
            await client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        assert caught.value.status_code == 401
        assert caught.value.request_id
        assert caught.value.body["message"] in str(caught.value)
        with pytest.raises(sdk.APIStatusError):
            await client.with_options(api_key="also wrong", timeout=5).chat.completions.create(
                model="gpt-4o", messages=QUESTION
            )


@both
async def test_stream_state(sdk: Any, server: str) -> None:
    """Chunks of `create`, given to the stream's state by hand."""
    state_class = (
        openai_async.ChatCompletionStreamState
        if sdk is openai_async
        else __import__("openai.lib.streaming.chat", fromlist=["x"]).ChatCompletionStreamState
    )
    async with sdk.AsyncOpenAI(api_key="k", base_url=server) as client:
        state = state_class()
        types = []
        async for chunk in await client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True):
            types += [event.type for event in state.handle_chunk(chunk)]
        assert types.count("content.done") == 1
        assert state.get_final_completion().choices[0].message.content
