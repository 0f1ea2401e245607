"""Answers as objects: `parse`, `stream(response_format=...)`, `stream.partial`, `cast_to`."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest
from support.rawserver import chunk, completion, event
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import (
    APIResponseValidationError,
    AsyncOpenAI,
    ChatCompletion,
    ChatCompletionChunk,
    ContentFilterFinishReasonError,
    IncompleteStreamError,
    LengthFinishReasonError,
    OutputParseError,
    function_tool,
)

pytestmark = pytest.mark.anyio
MESSAGES: Any = [{"role": "user", "content": "hi"}]
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@pytest.fixture
def anyio_backend() -> str:
    """One event loop is enough."""
    return "asyncio"


class Place(msgspec.Struct):
    city: str
    people: int = 0


@dataclasses.dataclass
class Data:
    city: str


class Typed(TypedDict):
    city: str


class Model(pydantic.BaseModel):
    city: str


WEATHER = function_tool(Place, name="weather")


def transport(*responses: ScriptedResponse) -> ScriptedTransport:
    """A transport that answers with these, and remembers the requests."""
    return ScriptedTransport(list(responses))


def plain(content: str | None, *, finish: str = "stop", **message: Any) -> ScriptedResponse:
    """A completion that says this."""
    body = completion("")
    body["choices"][0]["message"].update(content=content, **message)
    body["choices"][0]["finish_reason"] = finish
    return ScriptedResponse(json.dumps(body).encode())


def streamed(*pieces: str, finish: str | None = "stop", done: bool = True) -> ScriptedResponse:
    """A stream that says this, piece by piece, and tells its usage after the end."""
    parts = [chunk(piece) for piece in pieces]
    parts += [chunk(finish=finish)] if finish else []
    parts.append({**chunk(), "choices": [], "usage": USAGE})
    return ScriptedResponse(*map(event, parts), *([event("[DONE]")] if done else []), headers=EVENT_STREAM)


def client(*responses: ScriptedResponse) -> AsyncOpenAI:
    """A client that gets these answers."""
    return AsyncOpenAI(api_key="k", transport=transport(*responses), max_retries=0)


def parse(answer: ScriptedResponse, **params: Any) -> Any:
    """A parsed answer."""
    return client(answer).chat.completions.parse(model="m", messages=MESSAGES, **params)


def follow(answer: ScriptedResponse, **params: Any) -> Any:
    """A stream of events."""
    return client(answer).chat.completions.stream(model="m", messages=MESSAGES, **params)


# Plain answers.


@pytest.mark.parametrize(
    ("type", "content", "expected"),
    [
        (Place, '{"city": "Rome"}', Place("Rome")),
        (Data, '{"city": "Rome"}', Data("Rome")),
        (Typed, '{"city": "Rome"}', {"city": "Rome"}),
        (Model, '{"city": "Rome"}', Model(city="Rome")),
        (list[Place], '{"value": [{"city": "Rome"}]}', [Place("Rome")]),
        (Place | None, '{"value": null}', None),
    ],
    ids=str,
)
async def test_types(type: Any, content: str, expected: Any) -> None:
    """The content is an object of the type, whose strict schema was sent."""
    wire = transport(plain(content))
    one = AsyncOpenAI(api_key="k", transport=wire)
    answer = await one.chat.completions.parse(model="m", messages=MESSAGES, response_format=type)
    assert answer.choices[0].message.parsed == expected
    assert answer.choices[0].message.content == content
    sent = json.loads(wire.requests[0].body or b"")
    assert sent["stream"] is False
    assert sent["response_format"]["type"] == "json_schema"
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert sent["response_format"]["json_schema"]["schema"]["additionalProperties"] is False


async def test_nothing_to_parse() -> None:
    """Without a type, with a response format's dict, for a refusal and without content, nothing is parsed."""
    for answer, params in (
        (plain("text"), {}),
        (plain("{}"), {"response_format": {"type": "json_object"}}),
        (plain(None, refusal="no"), {"response_format": Place}),
        (plain(None), {"response_format": Place}),
        (plain("text", finish="length"), {}),
        (plain("text", finish="content_filter"), {}),
    ):
        message = (await parse(answer, **params)).choices[0].message
        assert message.parsed is None


async def test_arguments() -> None:
    """Arguments of typed tools are objects, of strict dict tools plain data, of others text."""
    strict = {"type": "function", "function": {"name": "strict", "strict": True, "parameters": {}}}
    loose = {"type": "function", "function": {"name": "loose", "parameters": {}}}
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": '{"city": "Rome"}'}}
        for name in ("weather", "strict", "loose")
    ]
    answer = plain(None, finish="tool_calls", tool_calls=calls)
    message = (await parse(answer, tools=(tool for tool in (WEATHER, strict, loose)))).choices[0].message
    assert [call.function.parsed_arguments for call in message.tool_calls] == [Place("Rome"), {"city": "Rome"}, None]
    assert "parsed_arguments" not in json.dumps(message.to_param())


@pytest.mark.parametrize(
    ("finish", "error"), [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)]
)
async def test_cut_short(finish: str, error: type[LengthFinishReasonError]) -> None:
    """What is cut off where there is something to parse is an error with everything received."""
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    for answer, params in (
        (plain('{"city": "Ro', finish=finish), {"response_format": Place}),
        (plain(None, finish=finish, tool_calls=[call]), {"tools": [WEATHER]}),
    ):
        with pytest.raises(error) as caught:
            await parse(answer, **params)
        assert caught.value.completion.choices[0].finish_reason == finish
        assert caught.value.completion.usage.total_tokens == 5
        assert caught.value.partial is caught.value.completion


async def test_broken() -> None:
    """What is no JSON, or does not fit, is an error with text, place and completion."""
    for content, place in (('{"city": 3}', "$.city"), ('{"city"', ""), ("Sure! Here it is:", "byte 0")):
        with pytest.raises(OutputParseError) as caught:
            await parse(plain(content), response_format=Place)
        error = caught.value
        assert (error.text, error.place, error.target) == (content, place, "Place")
        assert error.completion.choices[0].message.content == content
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "[]"}}
    with pytest.raises(OutputParseError, match="weather"):
        await parse(plain(None, tool_calls=[call]), tools=[WEATHER])


def test_mistakes() -> None:
    """A class where a dict belongs, an instance, and a misspelt name are refused at once."""
    completions: Any = client().chat.completions
    with pytest.raises(TypeError, match=r"parse\(\) and stream\(\) take a class"):
        completions.create(model="m", messages=MESSAGES, response_format=Place)
    with pytest.raises(TypeError, match="the class itself"):
        completions.parse(model="m", messages=MESSAGES, response_format="Place")
    with pytest.raises(TypeError, match="'response_format'"):
        completions.parse(model="m", messages=MESSAGES, response_fromat=Place)
    with pytest.raises(TypeError, match="complex"):
        completions.stream(model="m", messages=MESSAGES, response_format=complex)


# Streams.


async def test_events() -> None:
    """While it is written, an answer is plain data as far as it goes; when it is done, an object."""
    async with follow(streamed('{"ci', 'ty": "Ro', 'me", "people": 1', "2}"), response_format=Place) as stream:
        events = [one async for one in stream]
        final = await stream.get_final_completion()
    deltas = [one for one in events if one.type == "content.delta"]
    told = [{}, {}, {"city": "Rome", "people": 1}, {"city": "Rome", "people": 12}]
    assert [one.parsed for one in deltas] == told
    assert [one.parsed for one in reversed(deltas)] == told[::-1]
    assert [one.parsed for one in events if one.type == "content.done"] == [Place("Rome", 12)]
    assert final.choices[0].message.parsed == Place("Rome", 12)
    assert final.usage.total_tokens == 3
    assert [one.snapshot.choices[0].message.parsed for one in events if one.type == "chunk"][:2] == [{}, {}]


async def test_snapshots() -> None:
    """A snapshot's `parsed` is plain data until the choice has ended, and is not changed later."""
    async with follow(streamed('{"city": "Rome"', "}"), response_format=Place) as stream:
        await anext(stream)
        await anext(stream)
        early = stream.current_completion_snapshot
        await stream.until_done()
        assert early.choices[0].message.parsed == {"city": "Rome"}
        assert stream.snapshot.choices[0].message.parsed == Place("Rome")


@pytest.mark.parametrize(
    ("pieces", "finish", "error"),
    [
        (['{"city": "Ro'], "length", LengthFinishReasonError),
        (['{"city": "Ro'], "content_filter", ContentFilterFinishReasonError),
        (['{"city": 3}'], "stop", OutputParseError),
        (["no JSON"], "stop", OutputParseError),
    ],
)
async def test_what_cannot_be_parsed(pieces: list[str], finish: str, error: Any) -> None:
    """It is not told to be done; the stream's end raises, when all is received, as often as it is asked."""
    stream = await follow(streamed(*pieces, finish=finish), response_format=Place)
    types = []
    for _ in range(2):
        with pytest.raises(error) as caught:
            types += [types.append(one.type) or "" async for one in stream]
        assert caught.value.completion.usage.total_tokens == 3
    with pytest.raises(error):
        await stream.final()
    assert [one for one in types if one] == ["chunk", "content.delta", "chunk", "chunk"]


async def test_broken_off() -> None:
    """A stream that breaks off says so, whatever there was to parse."""
    with pytest.raises(IncompleteStreamError) as caught:
        await (await follow(streamed('{"city": "Rome"}', finish=None, done=False), response_format=Place)).final()
    assert caught.value.partial.choices[0].message.content == '{"city": "Rome"}'


async def test_an_end_without_finish_reason() -> None:
    """A stream that ends with [DONE] alone is whole: what it said is told to be done, once."""
    async with follow(streamed('{"city": "Rome"}', finish=None), response_format=Place) as stream:
        done = [one.parsed async for one in stream if one.type == "content.done"]
    assert done == [Place("Rome")]


async def test_streamed_arguments() -> None:
    """The same for the arguments of calls."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "R'}}
    more = {"index": 0, "function": {"arguments": 'ome"}'}}
    parts = [chunk(delta={"tool_calls": [call]}), chunk(delta={"tool_calls": [more]}), chunk(finish="tool_calls")]
    answer = ScriptedResponse(*map(event, parts), event("[DONE]"), headers=EVENT_STREAM)
    async with follow(answer, tools=[WEATHER]) as stream:
        told = [(one.type, one.parsed_arguments) async for one in stream if one.type.startswith("tool_calls")]
    assert told == [
        ("tool_calls.function.arguments.delta", {}),
        ("tool_calls.function.arguments.delta", {"city": "Rome"}),
        ("tool_calls.function.arguments.done", Place("Rome")),
    ]


# Objects while they are written.


@pytest.mark.parametrize("type", [Place, Model, Data])
async def test_partial(type: Any) -> None:
    """Objects of the type, each with more than the one before; the last one is whole."""
    stream = await client(streamed("", '{"ci', 'ty": "Ro', "m", 'e"', "}")).chat.completions.create(
        model="m", messages=MESSAGES, stream=True
    )
    seen = [one async for one in stream.partial(type)]
    assert all(isinstance(one, type) for one in seen)
    assert [one.city for one in seen] == [None, "Ro", "Rom", "Rome", "Rome"]
    assert seen[-1] == type(city="Rome")


async def test_partial_lists() -> None:
    """What travels in an object is handed out of it."""
    pieces = ['{"value": [{"city": "a"', '}, {"city": "b"}', "]}"]
    async with follow(streamed(*pieces), response_format=list[Place]) as stream:
        seen = [one async for one in stream.partial(list[Place])]
    assert [[place.city for place in one] for one in seen] == [["a"], ["a", "b"], ["a", "b"]]
    assert seen[-1] == [Place("a"), Place("b")]


async def test_partial_ends() -> None:
    """A refusal has no object; what is cut off or broken raises at the end."""
    refusal = ScriptedResponse(
        event(chunk(delta={"refusal": "no"})), event(chunk(finish="stop")), event("[DONE]"), headers=EVENT_STREAM
    )
    assert [one async for one in (await follow(refusal)).partial(Place)] == []
    seen: list[Any] = []
    cut = (await follow(streamed('{"city": "Ro', finish="length"))).partial(Place)
    with pytest.raises(LengthFinishReasonError):
        seen += [seen.append(one) async for one in cut]
    assert [one.city for one in seen] == ["Ro"]


# Types of one's own.


class Mine(ChatCompletion):
    colour: str = ""


class Chunk(msgspec.Struct):
    id: str
    choices: list[dict[str, Any]]


class Wrong(msgspec.Struct):
    id: int


async def test_cast_to() -> None:
    """A completion as a type of the user's: derived from ours and lossless, a strict struct, plain data, bytes."""
    body = json.dumps({**completion("Hello"), "colour": "red"}).encode()

    async def ask(to: Any) -> Any:
        completions = client(ScriptedResponse(body, headers={"x-request-id": "r"})).chat.completions
        return await completions.create(model="m", messages=MESSAGES, cast_to=to)

    mine = await ask(Mine)
    assert (type(mine), mine.colour, mine.choices[0].message.content, mine._request_id) == (Mine, "red", "Hello", "r")
    assert (await ask(Chunk)).id == "chatcmpl-1"
    assert await ask(dict) == json.loads(body)
    assert await ask(bytes) == body
    with pytest.raises(APIResponseValidationError, match=r"Wrong.*\$\.id"):
        await ask(Wrong)


async def test_cast_to_of_streams() -> None:
    """The chunks of a stream as a type of the user's; the completion is ours all the same."""

    async def ask(to: Any) -> Any:
        completions = client(streamed("a", "b")).chat.completions
        return await completions.create(model="m", messages=MESSAGES, stream=True, cast_to=to)

    stream = await ask(Chunk)
    chunks = [one async for one in stream]
    assert [type(one) for one in chunks] == [Chunk] * 4
    assert chunks[0].choices[0]["delta"] == {"content": "a"}
    assert (await stream.final()).choices[0].message.content == "ab"
    async with await ask(ChatCompletionChunk) as ours:
        assert isinstance(await anext(ours), ChatCompletionChunk)
    wrong = await ask(Wrong)
    with pytest.raises(APIResponseValidationError):
        await anext(wrong)
    await wrong.aclose()


async def test_cast_to_after_other_views() -> None:
    """Each chunk is its own, whatever views took those before it."""
    completions = client(streamed("a", "b", "c")).chat.completions
    async with completions.create(model="m", messages=MESSAGES, stream=True, cast_to=Chunk) as stream:
        assert await anext(stream.text()) == "a"
        assert (await anext(stream)).choices[0]["delta"] == {"content": "b"}


def test_cast_to_is_checked_at_once() -> None:
    """A type that nothing could become is refused before anything is sent."""
    completions: Any = client().chat.completions
    for stream in (False, True):
        with pytest.raises(TypeError, match="complex"):
            completions.create(model="m", messages=MESSAGES, stream=stream, cast_to=complex)


async def test_any_json() -> None:
    """`dict` asks for any object; a mapping of a kind is described, which strict mode can't hold to."""
    wire = transport(plain('{"a": 1}'), plain('{"a": 1}'))
    one = AsyncOpenAI(api_key="k", transport=wire)
    for type in (dict, dict[str, int]):
        answer: Any = await one.chat.completions.parse(model="m", messages=MESSAGES, response_format=type)
        assert answer.choices[0].message.parsed == {"a": 1}
    first, second = (json.loads(request.body or b"")["response_format"] for request in wire.requests)
    assert first == {"type": "json_object"}
    assert second["json_schema"]["strict"] is False


async def test_vendors_keys() -> None:
    """What a vendor adds, at any level of a parsed answer, is read as an attribute, as in any other answer."""
    body = completion("", cost=1)
    call = {"id": "c", "type": "function", "signature": 4, "function": {"name": "f", "arguments": "{}", "speed": 5}}
    body["choices"][0] |= {"score": 2, "message": {"content": "x", "reasoning_content": 3, "tool_calls": [call]}}
    whole = await parse(ScriptedResponse(json.dumps(body).encode()))

    choice = whole.choices[0]
    (called,) = choice.message.tool_calls
    told = (whole.cost, choice.score, choice.message.reasoning_content, called.signature, called.function.speed)
    assert told == (1, 2, 3, 4, 5)
