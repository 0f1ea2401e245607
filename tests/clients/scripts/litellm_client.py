"""LiteLLM as a library."""

from __future__ import annotations

from typing import Any

import litellm
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

litellm.telemetry = False
litellm.suppress_debug_info = True
cases = Cases("litellm", "openai", lacks={"stored": "no call for stored chat completions"})


async def complete(*, key: str = KEY, **request: Any) -> Any:
    """Ask the server, as any that speaks OpenAI's API."""
    return await litellm.acompletion(model=f"openai/{MODEL}", api_base=URL, api_key=key, max_retries=0, **request)


@cases("create")
async def _() -> None:
    completion = await complete(messages=say(HELLO))
    usage = completion.usage
    check_answer(completion.choices[0].message.content, (usage.prompt_tokens, usage.completion_tokens))


@cases("stream")
async def _() -> None:
    whole = await complete(messages=say(HELLO))
    answer = await complete(messages=say(HELLO), stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in answer]
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    check_stream(pieces, whole.choices[0].message.content)
    usages = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)]
    assert usages[-1].total_tokens == whole.usage.total_tokens


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
    answer = await complete(messages=say(WEATHER), tools=[TOOL], tool_choice="required", stream=True)
    chunks = [chunk async for chunk in answer]
    built = litellm.stream_chunk_builder(chunks)
    call = built.choices[0].message.tool_calls[0].function
    check_weather(call.name, call.arguments)


@cases("structured")
async def _() -> None:
    schema = {"name": "person", "schema": PERSON_SCHEMA, "strict": True}
    completion = await complete(messages=say(PERSON), response_format={"type": "json_schema", "json_schema": schema})
    check_person(completion.choices[0].message.content)


@cases("wrong_key")
async def _() -> None:
    try:
        await complete(key=WRONG_KEY, messages=say(HELLO))
    except litellm.AuthenticationError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
