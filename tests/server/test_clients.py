"""The official Python SDK against the server, unchanged."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest
from pydantic import BaseModel

from openai_async.server import Call, Fault, Script, serve

_HELLO = [{"role": "user", "content": "Say hello in one short sentence."}]
_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
_ASKED = [{"role": "user", "content": "What is the weather in Paris? Use celsius."}]


class Person(BaseModel):
    """What the structured answers are."""

    name: str
    age: int


@pytest.fixture
def with_client():
    """Run a scenario with an official client of a server of its own."""

    def with_client(scenario, *args, max_retries=0, **options):
        async def run():
            async with (
                serve(*args, **options) as url,
                openai.AsyncOpenAI(base_url=url, api_key="sk-test", max_retries=max_retries) as client,
            ):
                return await scenario(client, url)

        return asyncio.run(run())

    return with_client


def test_create(with_client):
    """A plain call returns the completion, with its request id."""

    async def scenario(client, url):
        completion = await client.chat.completions.create(model="m", messages=_HELLO)
        return completion, url.requests[0].headers["authorization"]

    completion, key = with_client(scenario)
    assert completion.choices[0].message.content.startswith(("Hello", "Good day"))
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion._request_id.startswith("req_")
    assert key == "Bearer sk-test"


def test_stream(with_client):
    """A streamed call adds up to the plain answer, and its last chunk has the usage."""

    async def scenario(client, url):
        plain = await client.chat.completions.create(model="m", messages=_HELLO)
        stream = await client.chat.completions.create(
            model="m", messages=_HELLO, stream=True, stream_options={"include_usage": True}
        )
        return plain, [chunk async for chunk in stream]

    plain, chunks = with_client(scenario)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage == plain.usage


def test_stream_helper_agrees_with_create(with_client):
    """The SDK's own accumulation of a stream gives the plain answer: for text, calls, refusals and log probabilities."""
    requests = (
        {"messages": _HELLO},
        {"messages": _HELLO, "logprobs": True, "top_logprobs": 2},
        {"messages": [{"role": "user", "content": "Please refuse."}], "logprobs": True},
        {"messages": _ASKED, "tools": [_WEATHER]},
        {"messages": _ASKED, "tools": [_WEATHER], "tool_choice": "required"},
        {"messages": _HELLO, "n": 2},
    )

    async def scenario(client, url):
        pairs = []
        for request in requests:
            plain = await client.chat.completions.create(model="m", **request)
            async with client.chat.completions.stream(
                model="m", stream_options={"include_usage": True}, **request
            ) as stream:
                pairs.append((plain, await stream.get_final_completion()))
        return pairs

    for plain, final in with_client(scenario):
        assert _plain_data(final) == _plain_data(plain)


def _plain_data(completion):
    """A completion as data, without what the SDK's helper adds or leaves out."""
    data = completion.to_dict()
    for choice in data["choices"]:
        message = choice["message"]
        for name in [name for name, value in message.items() if not value]:
            del message[name]
        for call in message.get("tool_calls") or ():
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    return data


def test_parse(with_client):
    """A structured answer parses into the model that was asked for, streamed or not."""

    async def scenario(client, url):
        messages = [{"role": "user", "content": "Give me a person."}]
        parsed = await client.chat.completions.parse(model="m", messages=messages, response_format=Person)
        async with client.chat.completions.stream(model="m", messages=messages, response_format=Person) as stream:
            return parsed.choices[0].message.parsed, (await stream.get_final_completion()).choices[0].message.parsed

    whole, streamed = with_client(scenario)
    assert isinstance(whole, Person)
    assert whole == streamed


def test_tool_round_trip(with_client):
    """A forced tool is called with fitting arguments; the message can be sent back with the result."""

    async def scenario(client, url):
        messages = list(_ASKED)
        first = await client.chat.completions.create(
            model="m", messages=messages, tools=[_WEATHER], tool_choice="required"
        )
        message = first.choices[0].message
        messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "18 degrees"}]
        return first, await client.chat.completions.create(model="m", messages=messages, tools=[_WEATHER])

    first, second = with_client(scenario)
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(first.choices[0].message.tool_calls[0].function.arguments) == {"city": "Paris", "unit": "celsius"}
    assert "18 degrees" in second.choices[0].message.content


def test_streamed_calls_can_be_sent_back(with_client):
    """Calls that the SDK joined from a stream keep their `index`, and are taken with it."""

    async def scenario(client, url):
        request = {"model": "m", "tools": [_WEATHER]}
        async with client.chat.completions.stream(messages=_ASKED, tool_choice="required", **request) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        sent = message.to_dict()
        messages = [*_ASKED, sent, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "18 degrees"}]
        for call in sent["tool_calls"]:
            del call["function"]["parsed_arguments"]  # the API refuses these
        sent.pop("parsed", None)
        return sent["tool_calls"], await client.chat.completions.create(messages=messages, **request)

    calls, second = with_client(scenario)
    assert calls[0]["index"] == 0
    assert "18 degrees" in second.choices[0].message.content


@pytest.mark.parametrize(
    ("options", "request_", "error", "code"),
    [
        ({"api_key": "sk-other"}, {}, openai.AuthenticationError, "invalid_api_key"),
        ({"models": ["other"]}, {}, openai.NotFoundError, "model_not_found"),
        ({}, {"temperature": 3}, openai.BadRequestError, "decimal_above_max_value"),
        ({}, {"extra_body": {"nonsense": 1}}, openai.BadRequestError, "unknown_parameter"),
        ({"faults": [Fault(status=429)]}, {}, openai.RateLimitError, "rate_limit_exceeded"),
        ({"faults": [Fault(status=503)]}, {}, openai.InternalServerError, "service_unavailable"),
        ({"faults": [Fault(drop=True)]}, {}, openai.APIConnectionError, None),
    ],
)
def test_errors_have_their_classes(with_client, options, request_, error, code):
    """Each error of the server raises the SDK's class for it, with code and message."""

    async def scenario(client, url):
        with pytest.raises(error) as caught:
            await client.chat.completions.create(**{"model": "m", "messages": _HELLO, **request_})
        return caught.value

    raised = with_client(scenario, **options)
    assert raised.code == code
    assert raised.message


def test_retries_succeed(with_client):
    """A client that retries gets its answer after the faults are used up."""

    async def scenario(client, url):
        await client.chat.completions.create(model="m", messages=_HELLO)
        return [request.headers["x-stainless-retry-count"] for request in url.requests]

    faults = [Fault(status=429, retry_after=0.01), Fault(drop=True)]
    assert with_client(scenario, faults=faults, max_retries=2) == ["0", "1", "2"]


def test_error_events_raise(with_client):
    """An error event in the middle of a stream raises after the chunks before it."""

    async def scenario(client, url):
        stream = await client.chat.completions.create(model="m", messages=_HELLO, stream=True)
        seen = [await anext(stream) for _ in range(3)]
        with pytest.raises(openai.APIError, match="had an error") as caught:
            await anext(stream)
        return len(seen), caught.value.code

    assert with_client(scenario, faults=[Fault(error_after=2, code="boom")]) == (3, "boom")


def test_cut_streams_raise(with_client):
    """A connection that is cut in the middle of a stream raises a connection error."""

    async def scenario(client, url):
        with pytest.raises(openai.APIConnectionError):
            async for _ in await client.chat.completions.create(model="m", messages=_HELLO, stream=True):
                pass

    with_client(scenario, faults=[Fault(cut_after=2)])


def test_leaving_a_stream_is_seen(with_client):
    """A stream that is closed early aborts the answer on the server."""

    async def scenario(client, url):
        messages = [{"role": "user", "content": "Write 20000 words."}]
        async with await client.chat.completions.create(model="m", messages=messages, stream=True) as stream:
            await anext(aiter(stream))
        await asyncio.wait_for(url.wait_aborts(), 5)
        return url.aborts

    assert with_client(scenario) == 1


@pytest.mark.parametrize("fault", [Fault(line_end="crlf"), Fault(pings=True), Fault(sizes=(1,)), Fault(sizes=(3, 11))])
def test_odd_streams_mean_the_same(with_client, fault):
    """Line ends, comments and odd pieces change nothing about what a client reads."""

    async def scenario(client, url):
        stream = await client.chat.completions.create(model="m", messages=_HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert with_client(scenario, faults=[fault]) == with_client(scenario)


def test_models(with_client):
    """Models can be listed and retrieved."""

    async def scenario(client, url):
        return [model.id async for model in client.models.list()], (await client.models.retrieve("a")).id

    assert with_client(scenario, models=["a", "b"]) == (["a", "b"], "a")


def test_scripted_calls(with_client):
    """A scripted call reaches the client as written."""

    async def scenario(client, url):
        completion = await client.chat.completions.create(model="m", messages=_HELLO)
        return completion.choices[0].message.tool_calls[0].function

    function = with_client(scenario, Script([Call("f", {"a": 1})]))
    assert (function.name, function.arguments) == ("f", '{"a":1}')
