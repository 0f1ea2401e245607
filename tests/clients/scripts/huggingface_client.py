"""Hugging Face's `AsyncInferenceClient`."""

from __future__ import annotations

import inspect
from typing import Any

from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError
from steps import (
    HELLO,
    KEY,
    MODEL,
    PERSON,
    PERSON_SCHEMA,
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

cases = Cases("huggingface_hub", lacks={"stored": "no call for stored chat completions"})


async def complete(*, key: str = KEY, **request: Any) -> Any:
    """Ask the server."""
    client = AsyncInferenceClient(base_url=URL, api_key=key)
    answer = await client.chat.completions.create(model=MODEL, **request)
    if not inspect.isasyncgen(answer):
        return answer
    return [chunk async for chunk in answer]


@cases("create")
async def _() -> None:
    completion = await complete(messages=say(HELLO))
    usage = completion.usage
    check_answer(completion.choices[0].message.content, (usage.prompt_tokens, usage.completion_tokens))


@cases("stream")
async def _() -> None:
    whole = await complete(messages=say(HELLO))
    chunks = await complete(messages=say(HELLO), stream=True, stream_options={"include_usage": True})
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    check_stream(pieces, whole.choices[0].message.content)
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


@cases("tools")
async def _() -> None:
    messages = say(WEATHER)
    first = await complete(messages=messages, tools=[TOOL], tool_choice="required")
    call = first.choices[0].message.tool_calls[0]
    check_weather(call.function.name, call.function.arguments)
    called = {"name": call.function.name, "arguments": call.function.arguments}
    messages += [
        {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": called}]},
        {"role": "tool", "tool_call_id": call.id, "content": RESULT},
    ]
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
    except HfHubHTTPError as error:
        check_refusal(error, error.response.status_code)
    else:
        check_refusal(None, None)


cases.run()
