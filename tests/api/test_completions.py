"""`client.chat.completions`: what its methods take, and what they make of it, before anything is sent."""

from __future__ import annotations

import enum
import inspect
import json
import sys
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from support.rawserver import chunk, completion, event, hello
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import NOT_GIVEN, AsyncOpenAI, ChatCompletion, ChatStream, not_given, omit
from openai_async.api.completions import AsyncCompletions

pytestmark = pytest.mark.anyio

MESSAGES: Any = [{"role": "user", "content": "hi"}]


def plain(payload: Any = None) -> ScriptedResponse:
    """A plain answer."""
    return ScriptedResponse(json.dumps(payload or completion()).encode())


def streamed() -> ScriptedResponse:
    """A streamed answer."""
    return ScriptedResponse(*map(event, [*hello(), "[DONE]"]), headers=EVENT_STREAM)


def api(*script: ScriptedResponse) -> tuple[AsyncCompletions, ScriptedTransport]:
    """The methods of a client on a scripted transport."""
    transport = ScriptedTransport(script)
    return AsyncOpenAI(api_key="k", transport=transport).chat.completions, transport


async def body(**params: Any) -> Any:
    """The body that a call with these parameters sends."""
    completions, transport = api(plain())
    await completions.create(**{"model": "m", "messages": MESSAGES, **params})
    (request,) = transport.requests
    assert request.body is not None
    return json.loads(request.body)


# What comes back.


async def test_plain_answer() -> None:
    """`create` gives a completion, with its request's id."""
    response = plain()
    response.headers = {"content-type": "application/json", "x-request-id": "req-1"}
    completions, _ = api(response)

    answer = await completions.create(model="m", messages=MESSAGES)

    assert isinstance(answer, ChatCompletion)
    assert answer.choices[0].message.content == "Hello"
    assert answer._request_id == "req-1"
    assert answer.to_dict()["usage"]["total_tokens"] == 5


@pytest.mark.parametrize("stream", [False, None, omit, NOT_GIVEN])
async def test_ways_to_say_plain(stream: Any) -> None:
    """Only `stream=True` is a stream."""
    completions, _ = api(plain())

    assert isinstance(await completions.create(model="m", messages=MESSAGES, stream=stream), ChatCompletion)


async def test_streamed_answer() -> None:
    """`create(stream=True)` gives a stream of chunks, `stream()` one of events."""
    completions, transport = api(streamed(), streamed())

    async with completions.create(model="m", messages=MESSAGES, stream=True) as chunks:
        assert isinstance(chunks, ChatStream)
        assert [one.object async for one in chunks] == ["chat.completion.chunk"] * 4
    async with completions.stream(model="m", messages=MESSAGES) as events:
        assert [one.type async for one in events][:2] == ["chunk", "content.delta"]

    for request in transport.requests:
        assert json.loads(request.body or b"")["stream"] is True


async def test_nothing_is_sent_before_it_is_awaited() -> None:
    """A call that is made and not awaited sends nothing."""
    completions, transport = api()
    call = completions.create(model="m", messages=MESSAGES)
    call.close()

    assert transport.requests == []


# What goes out.


async def test_parameters_are_sent_as_they_are() -> None:
    """Every parameter has its place in the body, and nothing else is in it."""
    sent = await body(temperature=0.5, stop=["a", "b"], tools=[], metadata={"k": "v"}, seed=2**53, user="ä")

    assert sent == {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0.5,
        "stop": ["a", "b"],
        "tools": [],
        "metadata": {"k": "v"},
        "seed": 2**53,
        "user": "ä",
    }


@pytest.mark.parametrize("absent", [omit, not_given, NOT_GIVEN])
async def test_omitted_parameters_are_not_sent(absent: Any) -> None:
    """`omit` and its other names leave a parameter out, also inside of a message."""
    sent = await body(temperature=absent, stream=absent, messages=[{"role": "user", "content": "hi", "name": absent}])

    assert sent == {"model": "m", "messages": MESSAGES}


async def test_none_is_null() -> None:
    """None is sent, as null."""
    sent = await body(temperature=None, stop=None)

    assert sent["temperature"] is None
    assert sent["stop"] is None


async def test_false_is_sent() -> None:
    """What is false is not what is absent."""
    sent = await body(stream=False, logprobs=False, n=0, user="")

    assert (sent["stream"], sent["logprobs"], sent["n"], sent["user"]) == (False, False, 0, "")


async def test_messages_from_anywhere() -> None:
    """Messages may be a tuple, a generator, or mappings of any kind."""

    def told() -> Iterator[Any]:
        yield from MESSAGES

    for messages in (tuple(MESSAGES), told(), [MappingProxyType(MESSAGES[0])]):
        assert (await body(messages=messages))["messages"] == MESSAGES


async def test_generator_is_read_once_for_all_attempts() -> None:
    """A generator of messages is read when the call is made: a retry sends the same."""
    completions, transport = api(ScriptedResponse(b"", status=500, headers={"retry-after-ms": "1"}), plain())

    await completions.create(model="m", messages=(message for message in MESSAGES))

    assert transport.requests[0].body == transport.requests[1].body


async def test_enum_members() -> None:
    """A member of the user's enum is sent as its value."""

    class Model(enum.Enum):
        BIG = "big-1"

    assert (await body(model=Model.BIG))["model"] == "big-1"


async def test_answers_go_back_as_messages() -> None:
    """The message of an answer, plain or streamed, can be put back among the messages, with no null but content's."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    plain_completions, _ = api(
        plain({**completion(), "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    )
    first = (await plain_completions.create(model="m", messages=MESSAGES)).choices[0].message
    delta = {"role": "assistant", "tool_calls": [{"index": 0, **call}]}
    events = map(event, [chunk(delta=delta), chunk(finish="tool_calls"), "[DONE]"])
    stream_completions, _ = api(ScriptedResponse(*events, headers=EVENT_STREAM))
    stream = await stream_completions.create(model="m", messages=MESSAGES, stream=True)
    second = (await stream.final()).choices[0].message

    result = {"role": "tool", "tool_call_id": "c1", "content": "42"}
    for answered in (first, second, first.to_param()):
        sent = await body(messages=[*MESSAGES, answered, result])
        assert sent["messages"] == [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [call]}, result]


# Mistakes.


@pytest.mark.parametrize("method", ["create", "stream"])
@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("temprature", "did you mean 'temperature'?"),
        ("max_token", "did you mean 'max_tokens'?"),
        ("message", "did you mean 'messages'?"),
        ("extra_header", "did you mean 'extra_headers'?"),
        ("top_k_of_another_vendor", "parameters of other vendors go into extra_body={...}."),
    ],
)
def test_unknown_argument(method: str, wrong: str, hint: str) -> None:
    """A misspelt parameter is an error where it was made, with the one that was meant."""
    completions, _ = api()
    arguments = {"model": "m", "messages": MESSAGES, wrong: 1}

    with pytest.raises(TypeError) as caught:
        getattr(completions, method)(**arguments)

    assert str(caught.value) == f"{method}() got an unexpected keyword argument {wrong!r}; {hint}"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "'messages' and 'model'"),
        ({"model": "m"}, "'messages'"),
        ({"messages": MESSAGES}, "'model'"),
        ({"messages": MESSAGES, "model": omit}, "'model'"),
    ],
)
def test_missing_argument(given: dict[str, Any], missing: str) -> None:
    """What is missing is named, also where it is there as `omit`."""
    completions, _ = api()

    with pytest.raises(TypeError, match=f"create\\(\\) misses the required argument {missing}"):
        completions.create(**given)


@pytest.mark.parametrize("messages", ["hi", b"hi", {"role": "user", "content": "hi"}])
def test_messages_that_are_no_list(messages: Any) -> None:
    """A bare text or message in the place of the list is shown how it is meant."""
    completions, _ = api()

    with pytest.raises(TypeError) as caught:
        completions.create(model="m", messages=messages)

    assert str(caught.value) == (
        'create(messages=...) takes a list of messages, such as [{"role": "user", "content": "Hello"}], '
        f"not {type(messages).__name__}"
    )


@pytest.mark.parametrize(
    ("params", "error", "where"),
    [
        ({"temperature": float("nan")}, ValueError, "temperature: "),
        ({"temperature": float("inf")}, ValueError, "temperature: "),
        ({"metadata": {"a": {1: 2}}}, TypeError, "metadata.a: "),
        ({"messages": [{"role": "user", "content": b"hi"}]}, TypeError, "messages[0].content: "),
        ({"user": object()}, TypeError, "user: "),
        ({"user": "\ud83d"}, ValueError, "surrogate"),
        ({"extra_body": ["x"]}, TypeError, "extra_body must be a mapping"),
        ({"max_retries": -1}, ValueError, "max_retries must be 0 or more"),
        ({"timeout": 0}, ValueError, "above 0"),
    ],
)
def test_values_that_can_not_be_sent(params: dict[str, Any], error: type[Exception], where: str) -> None:
    """A value that JSON can't say is an error where it was made, with its place; nothing is sent in its stead."""
    completions, _ = api()

    with pytest.raises(error) as caught:
        completions.create(**{"model": "m", "messages": MESSAGES, **params})

    assert where in str(caught.value)


def test_class_as_response_format() -> None:
    """A class is no response format here."""
    completions, _ = api()

    with pytest.raises(TypeError, match="response_format"):
        completions.create(model="m", messages=MESSAGES, response_format=dict)  # type: ignore[arg-type]  # the mistake


def test_positional_arguments() -> None:
    """All arguments have names."""
    completions, _ = api()

    with pytest.raises(TypeError, match="positional"):
        completions.create("m", MESSAGES)  # type: ignore[call-overload]  # the mistake


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no such mark")
@pytest.mark.parametrize("method", ["create", "stream"])
def test_methods_are_marked_as_coroutine_functions(method: str) -> None:
    """What wraps coroutine functions recognises the methods as such."""
    completions, _ = api()

    assert inspect.iscoroutinefunction(getattr(completions, method))
