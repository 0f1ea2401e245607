"""Pydantic AI's agents, on its model for OpenAI's chat completions."""

from __future__ import annotations

from typing import Any, Literal

from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from steps import (
    HELLO,
    KEY,
    MODEL,
    PERSON,
    RESULT,
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

cases = Cases("pydantic-ai-slim", "openai", lacks={"stored": "no call for stored chat completions"})


class Person(BaseModel):
    name: str
    age: int


def new_agent(key: str = KEY, **options: Any) -> Agent[None, Any]:
    """An agent of the server's model."""
    client = AsyncOpenAI(base_url=URL, api_key=key, max_retries=0)
    return Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client)), **options)


def with_tool(called: list[dict[str, Any]]) -> Agent[None, Any]:
    """An agent that may ask for the weather."""
    agent = new_agent()

    @agent.tool_plain
    def get_weather(city: str, unit: Literal["celsius", "fahrenheit"]) -> str:
        """Tell the weather of a city now."""
        called.append({"city": city, "unit": unit})
        return RESULT

    return agent


@cases("create")
async def _() -> None:
    result = await new_agent().run(HELLO)
    usage = result.usage() if callable(result.usage) else result.usage
    check_answer(result.output, (usage.input_tokens, usage.output_tokens))


@cases("stream")
async def _() -> None:
    whole = await new_agent().run(HELLO)
    async with new_agent().run_stream(HELLO) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    check_stream(pieces, whole.output)


@cases("tools")
async def _() -> None:
    called: list[dict[str, Any]] = []
    result = await with_tool(called).run(WEATHER)
    check_weather("get_weather", called[0])
    assert RESULT in result.output


@cases("streamed_tools")
async def _() -> None:
    called: list[dict[str, Any]] = []
    async with with_tool(called).run_stream(WEATHER) as result:
        text = "".join([piece async for piece in result.stream_text(delta=True)])
    check_weather("get_weather", called[0])
    assert RESULT in text


@cases("structured")
async def _() -> None:
    for output in (Person, NativeOutput(Person)):  # by a tool, and by a schema
        check_person((await new_agent(output_type=output).run(PERSON)).output)


@cases("wrong_key")
async def _() -> None:
    try:
        await new_agent(WRONG_KEY).run(HELLO)
    except ModelHTTPError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
