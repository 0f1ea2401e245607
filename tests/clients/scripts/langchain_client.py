"""LangChain's `ChatOpenAI`."""

from __future__ import annotations

from typing import Any

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
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
)

cases = Cases("langchain-openai", "langchain-core", "openai", lacks={"stored": "no call for stored chat completions"})


class Person(BaseModel):
    name: str
    age: int


def new_model(key: str = KEY) -> Any:
    """A model of the server's."""
    return ChatOpenAI(model=MODEL, base_url=URL, api_key=key, max_retries=0, stream_usage=True)


@cases("create")
async def _() -> None:
    answer = await new_model().ainvoke(HELLO)
    usage = answer.usage_metadata
    check_answer(answer.content, (usage["input_tokens"], usage["output_tokens"]))


@cases("stream")
async def _() -> None:
    whole = await new_model().ainvoke(HELLO)
    chunks = [chunk async for chunk in new_model().astream(HELLO)]
    check_stream([chunk.content for chunk in chunks if chunk.content], whole.content)
    usages = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert usages[-1]["total_tokens"] == whole.usage_metadata["total_tokens"]


@cases("tools")
async def _() -> None:
    messages: list[Any] = [HumanMessage(WEATHER)]
    forced = new_model().bind_tools([TOOL], tool_choice="required")
    answer = await forced.ainvoke(messages)
    call = answer.tool_calls[0]
    check_weather(call["name"], call["args"])
    messages += [answer, ToolMessage(RESULT, tool_call_id=call["id"])]
    assert RESULT in (await new_model().bind_tools([TOOL]).ainvoke(messages)).content


@cases("streamed_tools")
async def _() -> None:
    forced = new_model().bind_tools([TOOL], tool_choice="required")
    chunks = [chunk async for chunk in forced.astream(WEATHER)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    check_weather(whole.tool_calls[0]["name"], whole.tool_calls[0]["args"])


@cases("structured")
async def _() -> None:
    for method in ("json_schema", "function_calling"):
        check_person(await new_model().with_structured_output(Person, method=method).ainvoke(PERSON))


@cases("wrong_key")
async def _() -> None:
    try:
        await new_model(WRONG_KEY).ainvoke(HELLO)
    except openai.AuthenticationError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
