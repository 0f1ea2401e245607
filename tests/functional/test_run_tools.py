"""Runs of tools against the embedded server, over real sockets: what people do with them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import pytest
from support.rawserver import Peer, RawServer, chunk, event

from openai_async import AsyncOpenAI, errors
from openai_async.server import Call, Script, serve

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

WEATHER: Any = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
IN_PARIS = Call("get_weather", {"city": "Paris", "unit": "celsius"}, id="call_paris")
IN_ROME = Call("get_weather", {"city": "Rome", "unit": "celsius"}, id="call_rome")


class Weather(msgspec.Struct):
    """What the tool returns."""

    city: str
    degrees: float


class Summary(msgspec.Struct):
    """What the last answer is to be."""

    warmest: str


async def get_weather(
    city: Annotated[str, "Its English name"], unit: Literal["celsius", "fahrenheit"] = "celsius"
) -> Weather:
    """Return the weather of a city."""
    await asyncio.sleep(0)
    return Weather(city, {"Paris": 11.5, "Rome": 19.0}[city] if unit == "celsius" else 60)


def current_time() -> str:
    """Return the time of day."""
    return "12:00"


def client(url: str) -> AsyncOpenAI:
    """A client of the server."""
    return AsyncOpenAI(api_key="sk-test-0123456789", base_url=url, max_retries=0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_run(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """Two calls at once, one more, and the answer; the server, which checks them, takes all requests."""
    script = Script([[IN_PARIS, IN_ROME], Call("current_time"), "It is warmer in Rome."])
    options: Any = {"stream_options": {"include_usage": True}} if stream else {}
    async with serve(script) as url, client(url) as api:
        run = await api.chat.completions.run_tools(
            model="m", messages=WEATHER, tools=[get_weather, current_time], stream=stream, **options
        )

    assert (run.content, run.turns, script.used) == ("It is warmer in Rome.", 3, 3)
    assert [message["role"] for message in run.messages] == [
        *("user", "assistant", "tool", "tool"),
        *("assistant", "tool", "assistant"),
    ]
    assert [(message["tool_call_id"], message["content"]) for message in run.messages[2:4]] == [
        ("call_paris", '{"city":"Paris","degrees":11.5}'),
        ("call_rome", '{"city":"Rome","degrees":19.0}'),
    ]
    assert run.messages[5]["content"] == "12:00"
    told = [completion.usage for completion in run.completions]
    assert run.usage is not None
    assert run.usage.total_tokens == sum(usage.total_tokens for usage in told if usage is not None) > 0


async def test_a_run_can_be_continued() -> None:
    """The messages of a run, and a further question, make the next request, with and without tools."""
    script = Script([[IN_PARIS, Call("no_such_tool")], "11.5 degrees.", IN_ROME, "19 degrees.", "Farewell."])
    async with serve(script) as url, client(url) as api:
        first = await api.chat.completions.run_tools(model="m", messages=WEATHER, tools=[get_weather])
        messages = [*first.messages, {"role": "user", "content": "And in Rome?"}]
        second = await api.chat.completions.run_tools(model="m", messages=messages, tools=[get_weather])
        messages = [*second.messages, {"role": "user", "content": "Thank you."}]
        last = await api.chat.completions.create(model="m", messages=messages)

    assert (first.content, second.content, last.choices[0].message.content) == (
        "11.5 degrees.",
        "19 degrees.",
        "Farewell.",
    )


async def test_a_run_as_events() -> None:
    """Text of the answer and the ends of calls, as a user shows them."""
    script = Script([[IN_PARIS, IN_ROME], "It is warmer in Rome."])
    shown: list[str] = []
    async with (
        serve(script) as url,
        client(url) as api,
        api.chat.completions.run_tools(model="m", messages=WEATHER, tools=[get_weather], stream=True) as run,
    ):
        async for happened in run:
            if happened.type == "run.tool.done":
                shown.append(f"{happened.name} {happened.result.city}")
            elif happened.type == "content.done":
                shown.append(happened.content)
        assert (await run.final()).turns == 2

    assert sorted(shown[:2]) == ["get_weather Paris", "get_weather Rome"]
    assert shown[2:] == ["It is warmer in Rome."]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_answer_as_an_object(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """Tools and a type for the answer go together."""
    script = Script([[IN_PARIS, IN_ROME], '{"warmest": "Rome"}'])
    async with serve(script) as url, client(url) as api:
        run = await api.chat.completions.run_tools(
            model="m", messages=WEATHER, tools=[get_weather], response_format=Summary, stream=stream
        )

    assert run.message.parsed == Summary("Rome")


async def test_no_script_at_all() -> None:
    """The server's stand-in for a model calls the tool it is asked for, and tells what came back."""
    async with serve() as url, client(url) as api:
        run = await api.chat.completions.run_tools(
            model="m",
            messages=[{"role": "user", "content": "What is the weather in Paris? Use celsius."}],
            tools=[get_weather],
            on_tool_error="answer",
        )

    assert [done.name for done in run.calls] == ["get_weather"]
    assert run.content


async def test_a_model_that_never_ends() -> None:
    """A model that calls for ever is asked `max_turns` times."""
    script = Script([IN_PARIS], repeat=True)
    async with serve(script) as url, client(url) as api:
        with pytest.raises(errors.ToolLoopError) as caught:
            await api.chat.completions.run_tools(model="m", messages=WEATHER, tools=[get_weather], max_turns=3)

    assert script.used == caught.value.run.turns == 3


async def test_the_server_sees_a_run_end() -> None:
    """Leaving a run in the middle of an answer closes its connection."""
    gone = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.head(200, content_type="text/event-stream")
        await peer.send(event(chunk("Hel")))
        await peer.gone()
        gone.set()

    async with RawServer(handle) as server, client(server.url) as api:
        async with api.chat.completions.run_tools(model="m", messages=WEATHER, tools=[get_weather], stream=True) as run:
            async for happened in run:
                if happened.type == "content.delta":
                    break
        await gone.wait()
