"""Groq's client, which asks below /openai/v1."""

from __future__ import annotations

from typing import Any

import groq
from steps import (
    HELLO,
    KEY,
    MODEL,
    PERSON,
    PERSON_SCHEMA,
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

cases = Cases("groq", lacks={"stored": "no call for stored chat completions"})


async def complete(*, key: str = KEY, **request: Any) -> Any:
    """Ask the server; a stream is read to its end."""
    async with groq.AsyncGroq(base_url=ROOT, api_key=key, max_retries=0) as client:
        answer = await client.chat.completions.create(model=MODEL, **request)
        return [chunk async for chunk in answer] if request.get("stream") else answer


@cases("create")
async def _() -> None:
    completion = await complete(messages=say(HELLO))
    usage = completion.usage
    check_answer(completion.choices[0].message.content, (usage.prompt_tokens, usage.completion_tokens))


@cases("stream")
async def _() -> None:
    whole = await complete(messages=say(HELLO))
    chunks = await complete(messages=say(HELLO), stream=True)
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
    chunks = await complete(messages=say(WEATHER), tools=[TOOL], tool_choice="required", stream=True)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    check_weather(calls[0].function.name, "".join(call.function.arguments or "" for call in calls))


@cases("structured")
async def _() -> None:
    schema = {"name": "person", "schema": PERSON_SCHEMA, "strict": True}
    completion = await complete(messages=say(PERSON), response_format={"type": "json_schema", "json_schema": schema})
    check_person(completion.choices[0].message.content)


@cases("wrong_key")
async def _() -> None:
    try:
        await complete(key=WRONG_KEY, messages=say(HELLO))
    except groq.AuthenticationError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
