"""The official client for Python; with the argument `aiohttp` on its other transport."""

from __future__ import annotations

import sys
from typing import Any

import openai
from pydantic import BaseModel
from steps import (
    HELLO,
    KEY,
    MODEL,
    PERSON,
    RESULT,
    TOOL,
    URL,
    WEATHER,
    WRONG_KEY,
    Cases,
    check_answer,
    check_person,
    check_refusal,
    check_stream,
    check_weather,
    say,
)

on_aiohttp = sys.argv[3:] == ["aiohttp"]
cases = Cases("openai", "aiohttp" if on_aiohttp else "httpx2")


class Person(BaseModel):
    name: str
    age: int


def new_client(key: str = KEY) -> openai.AsyncOpenAI:
    """A client of the chosen transport."""
    options: dict[str, Any] = {"http_client": openai.DefaultAioHttpClient()} if on_aiohttp else {}
    return openai.AsyncOpenAI(base_url=URL, api_key=key, max_retries=0, **options)


@cases("create")
async def _() -> None:
    async with new_client() as client:
        completion = await client.chat.completions.create(model=MODEL, messages=say(HELLO))
    usage = completion.usage
    assert usage is not None
    assert completion._request_id is not None
    check_answer(completion.choices[0].message.content, (usage.prompt_tokens, usage.completion_tokens))


@cases("stream")
async def _() -> None:
    async with new_client() as client:
        whole = await client.chat.completions.create(model=MODEL, messages=say(HELLO))
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model=MODEL, messages=say(HELLO), stream=True, stream_options={"include_usage": True}
            )
        ]
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    check_stream(pieces, whole.choices[0].message.content)
    assert chunks[-1].usage == whole.usage


@cases("tools")
async def _() -> None:
    messages = say(WEATHER)
    async with new_client() as client:
        first = await client.chat.completions.create(
            model=MODEL, messages=messages, tools=[TOOL], tool_choice="required"
        )
        message = first.choices[0].message
        call = message.tool_calls[0]
        check_weather(call.function.name, call.function.arguments)
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
        second = await client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert RESULT in second.choices[0].message.content


@cases("streamed_tools")
async def _() -> None:
    async with (
        new_client() as client,
        client.chat.completions.stream(
            model=MODEL, messages=say(WEATHER), tools=[TOOL], tool_choice="required"
        ) as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("tool_calls.function.arguments.delta") > 1
    assert kinds.count("tool_calls.function.arguments.done") == 1
    call = final.choices[0].message.tool_calls[0].function
    check_weather(call.name, call.arguments)


@cases("structured")
async def _() -> None:
    async with new_client() as client:
        parsed = await client.chat.completions.parse(model=MODEL, messages=say(PERSON), response_format=Person)
    check_person(parsed.choices[0].message.parsed)


@cases("wrong_key")
async def _() -> None:
    async with new_client(WRONG_KEY) as client:
        try:
            await client.chat.completions.create(model=MODEL, messages=say(HELLO))
        except openai.AuthenticationError as error:
            check_refusal(error, error.status_code)
        else:
            check_refusal(None, None)


@cases("stored")
async def _() -> None:
    async with new_client() as client:
        completions = client.chat.completions
        made = [
            (await completions.create(model=MODEL, messages=say(HELLO), store=True, metadata={"n": str(n)})).id
            for n in range(3)
        ]
        assert [item.id async for item in completions.list(limit=2)] == made
        assert [item.id async for item in completions.list(metadata={"n": "1"})] == made[1:2]
        assert (await completions.retrieve(made[0])).metadata == {"n": "0"}
        assert (await completions.update(made[0], metadata={"n": "9"})).metadata == {"n": "9"}
        assert [message.content async for message in completions.messages.list(made[0])] == [HELLO]
        assert (await completions.delete(made[0])).deleted
        assert [item.id async for item in completions.list()] == made[1:]


cases.run()
