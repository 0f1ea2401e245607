"""Mistral's client."""

from __future__ import annotations

from typing import Any

from mistralai.client import Mistral, errors
from pydantic import BaseModel
from steps import (
    HELLO,
    KEY,
    MODEL,
    PERSON,
    RESULT,
    ROOT,
    TOOL,
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

cases = Cases("mistralai", lacks={"stored": "no call for stored chat completions"})


class Person(BaseModel):
    name: str
    age: int


def new_client(key: str = KEY) -> Mistral:
    """A client of the server."""
    return Mistral(api_key=key, server_url=ROOT)


async def complete(*, key: str = KEY, **request: Any) -> Any:
    """Ask the server."""
    async with new_client(key) as client:
        return await client.chat.complete_async(model=MODEL, **request)


async def chunks_of(**request: Any) -> list[Any]:
    """Ask the server for a stream, and read it to its end."""
    async with new_client() as client, await client.chat.stream_async(model=MODEL, **request) as events:
        return [event.data async for event in events]


@cases("create")
async def _() -> None:
    completion = await complete(messages=say(HELLO))
    usage = completion.usage
    check_answer(completion.choices[0].message.content, (usage.prompt_tokens, usage.completion_tokens))


@cases("stream")
async def _() -> None:
    whole = await complete(messages=say(HELLO))
    chunks = await chunks_of(messages=say(HELLO))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    check_stream(pieces, whole.choices[0].message.content)


@cases("tools")
async def _() -> None:
    messages = say(WEATHER)
    first = await complete(messages=messages, tools=[TOOL], tool_choice="required")
    message = first.choices[0].message
    call = message.tool_calls[0]
    check_weather(call.function.name, call.function.arguments)
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
    second = await complete(messages=messages, tools=[TOOL])
    assert RESULT in second.choices[0].message.content


@cases("streamed_tools")
async def _() -> None:
    chunks = await chunks_of(messages=say(WEATHER), tools=[TOOL], tool_choice="required")
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    check_weather(calls[0].function.name, "".join(call.function.arguments for call in calls))


@cases("structured")
async def _() -> None:
    async with new_client() as client:
        parsed = await client.chat.parse_async(Person, model=MODEL, messages=say(PERSON))
    check_person(parsed.choices[0].message.parsed)


@cases("wrong_key")
async def _() -> None:
    try:
        await complete(key=WRONG_KEY, messages=say(HELLO))
    except errors.SDKError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
