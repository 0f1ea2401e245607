"""OpenAI's Agents SDK, on its model for chat completions."""

from __future__ import annotations

from typing import Any, Literal

import openai
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from pydantic import BaseModel
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

set_tracing_disabled(disabled=True)
cases = Cases("openai-agents", "openai", lacks={"stored": "no call for stored chat completions"})


class Person(BaseModel):
    name: str
    age: int


def new_agent(key: str = KEY, **options: Any) -> Agent[None]:
    """An agent of the server's model."""
    client = openai.AsyncOpenAI(base_url=URL, api_key=key, max_retries=0)
    return Agent("helper", model=OpenAIChatCompletionsModel(MODEL, client), **options)


def with_tool(called: list[dict[str, Any]]) -> Agent[None]:
    """An agent that has to ask for the weather."""

    @function_tool
    def get_weather(city: str, unit: Literal["celsius", "fahrenheit"]) -> str:
        """Tell the weather of a city now."""
        called.append({"city": city, "unit": unit})
        return RESULT

    return new_agent(tools=[get_weather], model_settings=ModelSettings(tool_choice="required"))


def deltas(events: list[Any]) -> list[str]:
    """The pieces of text among the events."""
    raw = [event.data for event in events if event.type == "raw_response_event"]
    return [data.delta for data in raw if data.type == "response.output_text.delta"]


@cases("create")
async def _() -> None:
    result = await Runner.run(new_agent(), HELLO)
    usage = result.raw_responses[0].usage
    check_answer(result.final_output, (usage.input_tokens, usage.output_tokens))


@cases("stream")
async def _() -> None:
    whole = await Runner.run(new_agent(), HELLO)
    run = Runner.run_streamed(new_agent(), HELLO)
    check_stream(deltas([event async for event in run.stream_events()]), whole.final_output)
    assert run.final_output == whole.final_output


@cases("tools")
async def _() -> None:
    called: list[dict[str, Any]] = []
    result = await Runner.run(with_tool(called), WEATHER)
    check_weather("get_weather", called[0])
    assert RESULT in result.final_output


@cases("streamed_tools")
async def _() -> None:
    called: list[dict[str, Any]] = []
    run = Runner.run_streamed(with_tool(called), WEATHER)
    text = "".join(deltas([event async for event in run.stream_events()]))
    check_weather("get_weather", called[0])
    assert RESULT in text


@cases("structured")
async def _() -> None:
    check_person((await Runner.run(new_agent(output_type=Person), PERSON)).final_output)


@cases("wrong_key")
async def _() -> None:
    try:
        await Runner.run(new_agent(WRONG_KEY), HELLO)
    except openai.AuthenticationError as error:
        check_refusal(error, error.status_code)
    else:
        check_refusal(None, None)


cases.run()
