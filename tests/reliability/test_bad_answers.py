"""Answers that are wrong in their content: any value anywhere, in every view; and heads that no answer has.

A wrong answer is an error of ours that says what the server sent, bounded and printable, or an answer of which nothing is
lost; no other exception, whoever looks at it. How answers break off is `test_outcomes`' business, how large they may
become `test_growth`'s; what a decoder makes of one chunk is in `tests/protocol/test_chunks`.
"""

from __future__ import annotations

import copy
import gzip
import itertools
import json
import math
import pickle
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run
from support.faults import head, wire
from support.rawserver import RawServer, answer, chunk, completion, event, hello, sse
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport
from support.strategies import CHUNK, paths, replaced

from openai_async import AsyncOpenAI, OpenAIError, errors
from openai_async.api.answers import read_completion
from openai_async.api.response import ResponseInfo
from openai_async.protocol.chunks import ChunkDecoder
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.output import OutputType
from openai_async.protocol.parsing import ResponseParser
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import ServerSentEvent
from openai_async.transport.limits import RateLimitInfo
from openai_async.transport.retry import retry_after
from openai_async.types.chat import ChatCompletionChunk

KEY = "sk-test-0123456789"
ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}

# What a broken server may put into the place of anything else.
VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, "", "x", "7", [], {}, [None], {"a": [{"b": [1]}]}, 2**70, 1e300),
    {"index": {}, "type": [], "name": 5},
    [{"type": "text", "text": "t"}, {"type": "image_url"}],
]


def spoilt(whole: Any) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """A path into `whole`, a value, and `whole` with it there; for every path half of the values, for the next the others."""
    for number, path in enumerate(paths(whole)):
        for value in VALUES[number % 2 :: 2]:
            yield path, value, replaced(whole, path, value)


@dataclass
class Steps:
    """What the answers are to be parsed to."""

    a: list[dict[str, str]]


class OwnChunk(ChatCompletionChunk):
    """A user's own chunk."""


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "f",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        "strict": True,
    },
}


@asynccontextmanager
async def client_of(*responses: ScriptedResponse, **options: Any) -> AsyncIterator[AsyncOpenAI]:
    """A client that gets these responses, one a request."""
    options = {"max_retries": 0, "base_url": "http://server/v1", **options}
    async with AsyncOpenAI(api_key=KEY, transport=ScriptedTransport(responses), **options) as client:
        yield client


def streamed(*payloads: Any, done: bool = True, cut: int = 0) -> ScriptedResponse:
    """A response with these events, in one read, or in reads of `cut` bytes."""
    body = b"".join(part if isinstance(part, bytes) else event(part) for part in payloads)
    body += event("[DONE]") if done else b""
    step = cut or len(body)
    return ScriptedResponse(*(body[at : at + step] for at in range(0, len(body), step)), headers=EVENT_STREAM)


def said(body: Any, status: int = 200, **headers: str) -> ScriptedResponse:
    """A response with a whole body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ScriptedResponse(
        data, status=status, headers={"content-type": "application/json", "x-request-id": "r1", **headers}
    )


@cache
def properties(cls: type) -> list[str]:
    """What instances of a class compute when they are asked."""
    return [name for name in dir(cls) if isinstance(getattr(cls, name), property)]


def look(event: Any) -> None:
    """Ask an event for all that it has to say."""
    _ = repr(event), [getattr(event, name) for name in properties(type(event))]


# Every way to read a stream.


async def by_chunks(completions: Any) -> None:
    """Chunk by chunk, each of them pickled and printed."""
    async with await completions.create(**ASK, stream=True) as stream:
        async for piece in stream:
            assert pickle.loads(pickle.dumps(piece)).to_json() == piece.to_json()
            _ = repr(piece), piece.text, [choice.delta.reasoning for choice in piece.choices]


async def by_events(completions: Any) -> None:
    """As events, from the second chunk on."""
    async with await completions.create(**ASK, stream=True) as stream:
        await anext(stream)
        async for found in stream.events():
            look(found)


async def by_parsed_events(completions: Any) -> None:
    """As events, with contents and arguments parsed."""
    async with completions.stream(**ASK, response_format=Steps, tools=[TOOL]) as stream:
        async for found in stream:
            look(found)
        repr(await stream.get_final_completion())


async def by_text(completions: Any) -> None:
    """As text."""
    async with await completions.create(**ASK, stream=True) as stream:
        assert all([text async for text in stream.text()])


async def by_bytes(completions: Any) -> None:
    """As bytes."""
    async with await completions.create(**ASK, stream=True) as stream:
        assert b"".join([data async for data in stream.raw()]).endswith(b"\n\n")


async def by_batches(completions: Any) -> None:
    """As lists of chunks."""
    async with await completions.create(**ASK, stream=True) as stream:
        assert all([batch async for batch in stream.batches()])


async def by_drafts(completions: Any) -> None:
    """As drafts of a `Steps`."""
    async with await completions.create(**ASK, stream=True) as stream:
        assert all([isinstance(draft, Steps) async for draft in stream.partial(Steps)])


async def by_the_end(completions: Any) -> None:
    """As one completion, written, copied, pickled and made a parameter."""
    async with await completions.create(**ASK, stream=True) as stream:
        whole = await stream.final()
    _ = whole.to_json(), copy.deepcopy(whole), [choice.message.to_param() for choice in whole.choices]
    assert pickle.loads(pickle.dumps(whole)).to_json() == whole.to_json()


async def by_own_chunks(completions: Any) -> None:
    """As chunks of the user's own."""
    async with await completions.create(**ASK, stream=True, cast_to=OwnChunk) as stream:
        assert all([isinstance(piece, OwnChunk) async for piece in stream])


async def by_another_type(completions: Any) -> None:
    """As a type that chunks do not fit."""
    async with await completions.create(**ASK, stream=True, cast_to=Steps) as stream:
        _ = [piece async for piece in stream]


VIEWS: list[Callable[[Any], Awaitable[None]]] = [
    *(by_chunks, by_events, by_parsed_events, by_text, by_bytes, by_batches, by_drafts, by_the_end),
    *(by_own_chunks, by_another_type),
]


def sound(error: BaseException) -> OpenAIError:
    """The error, if it is one that can be shown: ours, short, printable, without the key, and whole after pickling."""
    assert isinstance(error, OpenAIError), repr(error)
    shown = str(error)
    assert shown.encode()
    assert len(shown) < 3000
    assert KEY not in shown + repr(vars(error))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), shown)
    return error


# A chunk, whose content is a piece of a `Steps`.

FIRST = replaced(CHUNK, ("choices", 0, "delta", "content"), '{"a": [{"b":')
del FIRST["choices"][0]["delta"]["refusal"]
FIRST["choices"][0]["finish_reason"] = None
MIDDLE = replaced(FIRST, ("choices", 0, "delta", "content"), '"x')
MIDDLE["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = ""
LAST = replaced(MIDDLE, ("choices", 0, "delta", "content"), '"}]}')
LAST["choices"][0]["finish_reason"] = "stop"
PATHS = list(paths(MIDDLE))


@pytest.mark.parametrize("view", VIEWS)
def test_any_value_in_every_view(view: Any) -> None:
    """In whichever view, a chunk in whose fields another value stands is read, or is an error of ours."""

    async def main() -> None:
        number = VIEWS.index(view)
        # Half of the fields in one view and half in the next, and other values.
        for path, value in zip(
            PATHS[number % 2 :: 2], itertools.cycle(VALUES[number:] + VALUES[:number]), strict=False
        ):
            async with client_of(streamed(FIRST, replaced(MIDDLE, path, value), LAST)) as client:
                try:
                    await view(client.chat.completions)
                except Exception as error:  # noqa: BLE001 - `sound` looks at it
                    sound(error)

    run(main())


def test_any_value_in_parsed_events() -> None:
    """Any value in each field: every event can be looked at, and the whole is parsed, or the error is one of ours."""
    parser: ResponseParser[Any] = ResponseParser(OutputType.of(Steps), {"f": OutputType.of(dict)})
    first, middle, last = ({"choices": data["choices"]} for data in (FIRST, MIDDLE, LAST))
    for number, (_, _, bad) in enumerate(spoilt(middle)):
        decoder, accumulator = ChunkDecoder(), ChatCompletionAccumulator()
        builder = EventBuilder(accumulator, parser)
        found: list[Any] = []
        try:
            for data in (first, bad, last):
                piece: Any = decoder.decode(ServerSentEvent(json.dumps(data).encode()))
                accumulator.add(piece)
                found += builder.events(piece)
            for one in found[number % 8 :: 8]:  # each of them for some value: all for all would take 10 s
                look(one)
            parser.completion(accumulator.completion())
        except Exception as error:  # noqa: BLE001 - `sound` looks at it
            sound(error)


# Answers that are one body.

COMPLETION = {key: value for key, value in CHUNK.items() if key not in {"object", "obfuscation"}}
COMPLETION |= {"object": "chat.completion", "metadata": {"a": "b"}, "choices": [{**CHUNK["choices"][0]}]}
COMPLETION["choices"][0]["message"] = {**COMPLETION["choices"][0].pop("delta"), "content": '{"a": []}'}
MESSAGES = {
    "object": "list",
    "data": [
        {
            "id": "m1",
            "role": "user",
            "content": "x",
            "content_parts": [
                {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
                {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
            ],
        },
        {
            "id": "m2",
            "role": "assistant",
            "content": None,
            "tool_calls": COMPLETION["choices"][0]["message"]["tool_calls"],
        },
    ],
    "first_id": "m1",
    "last_id": "m2",
    "has_more": False,
}
STORED = {
    "object": "list",
    "data": [
        {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "metadata": {"a": "b"}}
    ],
    "first_id": "c1",
    "last_id": "c1",
    "has_more": True,
}
DELETED = {"id": "c1", "object": "chat.completion.deleted", "deleted": True}

ANSWERS: dict[str, tuple[Any, Callable[[Any], Awaitable[Any]]]] = {
    "a list": (STORED, lambda completions: completions.list()),
    "messages": (MESSAGES, lambda completions: completions.messages.list("c1")),
    "a deletion": (DELETED, lambda completions: completions.delete("c1")),
}


def means(found: Any, sent: Any) -> bool:
    """Whether what was found says what was sent: itself, or what it was coerced to."""
    if found == sent or sent is None:
        return True
    if isinstance(sent, list) and isinstance(found, list) and len(sent) == len(found):
        return all(map(means, found, sent))
    if isinstance(sent, dict) and isinstance(found, dict):
        return all(means(found.get(name), value) for name, value in sent.items())
    # Text for a number and JSON text for an object; a number for text.
    return found in (json.dumps(sent, separators=(",", ":")), str(sent)) or str(found).removesuffix(".0") == sent


@pytest.mark.parametrize("name", ANSWERS)
def test_any_value_in_a_body(name: str) -> None:
    """Any value in each field of what is not a completion: all of it is found again, or the error is one of ours."""
    whole, method = ANSWERS[name]

    async def main() -> None:
        for path, value, body in spoilt(whole):
            async with client_of(said(body)) as client:
                try:
                    found = await method(client.chat.completions)
                except Exception as error:  # noqa: BLE001 - `sound` looks at it
                    sound(error)
                    continue
            assert means(found.to_dict(), body), (path, value)
            assert json.loads(found.to_json())
            assert copy.deepcopy(found) == found
            for item in getattr(found, "data", ()):
                repr(item)
                if hasattr(item, "to_param"):
                    item.to_param()

    run(main())


def test_any_value_in_a_completion() -> None:
    """Any value in each field of a completion: all of it is found again, parsed or not, or the error is one of ours."""
    parser: ResponseParser[Any] = ResponseParser(OutputType.of(Steps), {"f": OutputType.of(dict)})
    for path, value, body in spoilt(COMPLETION):
        try:
            found = read_completion(json.dumps(body).encode(), ResponseInfo(200, {}))
            assert means(found.to_dict(), body), (path, value)
            parsed = parser.completion(found)
            _ = repr(parsed), parsed.to_json(), [choice.message.to_param() for choice in found.choices]
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - `sound` looks at it
            sound(error)


@pytest.mark.parametrize("body", [{}, {"x": 1}, {"status": "ok"}, {"choices": []}])
def test_deletion_that_says_nothing(body: Any) -> None:
    """JSON of another kind is no deletion: its defaults would say that the completion still is."""

    async def main() -> None:
        async with client_of(said(body)) as client:
            with pytest.raises(errors.APIResponseValidationError, match="a ChatCompletionDeleted in JSON was expected"):
                await client.chat.completions.delete("c1")

    run(main())


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        ({"object": "error", "message": "m", "code": 404}, errors.NotFoundError),
        ({"code": 503, "message": "m"}, errors.InternalServerError),
        ({"error": {"message": "m"}}, errors.APIError),
    ],
)
@pytest.mark.parametrize("name", ANSWERS)
def test_error_in_a_200(name: str, body: Any, cls: type[errors.APIError]) -> None:
    """An error of any form that says 200 is that error, whatever was asked for."""

    async def main() -> None:
        async with client_of(said(body)) as client:
            with pytest.raises(errors.APIError, match=r"^(Error code: [0-9]+ - )?m ") as caught:
                await ANSWERS[name][1](client.chat.completions)
        assert type(caught.value) is cls
        assert (caught.value.request_id, sound(caught.value)) == ("r1", caught.value)

    run(main())


def test_success_in_words() -> None:
    """A "code" of 200 beside a message is some proxies' way to say that all is well."""
    body = {"code": 200, "message": "success", "data": [{"id": "c1"}], "has_more": False}

    async def main() -> None:
        async with client_of(said(body)) as client:
            page = await client.chat.completions.list()
        assert [item.id for item in page.data] == ["c1"]
        assert page.model_extra == {"code": 200, "message": "success"}

    run(main())


# Numbers.


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "-0", "-0.0", "1" + "0" * 400])
def test_numbers_that_few_languages_have(number: str) -> None:
    """A number of any size, in any number's place and in an extra, is read, and found again as Python reads it."""
    expected = json.loads(number)
    places = [path for path in PATHS if isinstance(path[-1], str) and path[-1] not in {"index", "x"}]
    for path in [*places, ("choices", 0, "delta", "x")]:
        text = json.dumps(replaced(MIDDLE, path, "@")).replace('"@"', number)
        decoder, accumulator = ChunkDecoder(), ChatCompletionAccumulator()
        piece: Any = decoder.decode(ServerSentEvent(text.encode()))
        accumulator.add(piece)
        found: Any = piece.to_dict()
        for key in path:
            found = found[key]
        same = (found == expected, str(found) == str(expected), isinstance(found, float) and math.isnan(found))
        assert any(same), path
        _ = piece.to_json(), repr(piece), accumulator.completion().to_json()


@pytest.mark.parametrize("index", [128, 2**31, 2**63, 2**70, -5, 1e300, "-2", "99999999999999999"])
def test_choices_that_can_not_be(index: Any) -> None:
    """A choice beyond the 128th, or before the first, ends the stream; what came before is in the error."""
    payloads = [chunk("before"), chunk("after", index=index)]

    async def main() -> None:
        for cut in (0, 50):
            for view in (by_events, by_text, by_bytes, by_batches, by_the_end):
                async with client_of(streamed(*payloads, cut=cut)) as client:
                    with pytest.raises(errors.StreamProtocolError, match="names choice") as caught:
                        await view(client.chat.completions)
                partial = sound(caught.value).partial  # type: ignore[attr-defined]  # an APIError has it
                assert [choice.message.content for choice in partial.choices] == ["before"]

    run(main())


@pytest.mark.parametrize("index", ["7", 7.0, 127, -1, None, True, [], "x"])
def test_choices_by_other_numbers(index: Any) -> None:
    """A number in another spelling is that number; -1 is the first choice, and so is what is none."""
    expected = 7 if index in ("7", 7.0) else 127 if index == 127 else 0

    async def main() -> None:
        async with client_of(streamed(chunk("x", finish="stop", index=index))) as client:
            whole = await (await client.chat.completions.create(**ASK, stream=True)).final()
        assert [(choice.index, choice.message.content) for choice in whole.choices] == [(expected, "x")]

    run(main())


@pytest.mark.parametrize("index", [2**31, 2**63, 2**70, -5, 1e300, "7"])
def test_calls_of_any_number(index: Any) -> None:
    """Tool calls may be numbered as their server likes: fragments of one number are one call."""

    def fragment(index: Any, text: str, **more: Any) -> Any:
        return chunk(delta={"tool_calls": [{"index": index, **more, "function": {"name": "f", "arguments": text}}]})

    payloads = [fragment(0, "{", id="a"), fragment(index, "[", id="b"), fragment(0, "}"), fragment(index, "]")]

    async def main() -> None:
        async with client_of(streamed(*payloads, chunk(finish="tool_calls"))) as client:
            whole = await (await client.chat.completions.create(**ASK, stream=True)).final()
        calls = whole.choices[0].message.tool_calls or []
        assert {call.id: call.function.arguments for call in calls} == {"a": "{}", "b": "[]"}

    run(main())


# Text.


def test_bytes_that_are_no_text() -> None:
    """Bytes that are no UTF-8, in names, contents, keys, ids and the names of events, are U+FFFD; the rest stands."""
    bad = event(chunk("a?b", model="m?", **{"k?": "v?"})).replace(b"?", b"\xff")
    named = b"event: message\nid: \xff7\n" + event(chunk("c", finish="stop"))
    odd = b"event: \xff\ndata: \xff\n\n"  # an event of a name that nobody knows may hold anything

    async def main() -> None:
        for view in (by_chunks, by_events, by_text, by_bytes, by_batches, by_the_end):
            async with client_of(streamed(bad, odd, named)) as client:
                await view(client.chat.completions)
        async with client_of(streamed(bad, odd, named)) as client:
            whole = await (await client.chat.completions.create(**ASK, stream=True)).final()
        assert whole.choices[0].message.content == "a\ufffdbc"
        assert (whole.model, whole.model_extra) == ("m\ufffd", {"k\ufffd": "v\ufffd"})

    run(main())


@pytest.mark.parametrize("key", ["\x7fextra", "\x7frequest_id", "\x7forigin", "_extra", "_response_id", "__class__"])
@pytest.mark.parametrize("value", [{"id": "x", "content": "y"}, "r", None])
def test_keys_of_our_own(key: str, value: Any) -> None:
    """Names that this package keeps for itself mean nothing when a server sends them: they are unknown keys."""
    body = {**completion(), key: value, "choices": [{**completion()["choices"][0], key: value}]}

    async def main() -> None:
        async with client_of(said(body), streamed(chunk("x", finish="stop", **{key: value}))) as client:
            plain = await client.chat.completions.create(**ASK)
            whole = await (await client.chat.completions.create(**ASK, stream=True)).final()
        assert plain.to_dict()[key] == plain.choices[0].to_dict()[key] == value
        assert (plain.id, plain._request_id, plain.choices[0].message.content) == ("chatcmpl-1", "r1", "Hello")
        assert (whole._request_id, whole.choices[0].message.content) == (None, "x")
        assert whole.to_dict().get(key) == value

    run(main())


# Nesting.

DEPTHS = [129, 900, 100_000]
PLACES = {
    "a chunk": '{"x":@}',
    "a delta": '{"choices":[{"index":0,"delta":{"content":"x","x":@}}]}',
    "a known field": '{"choices":[{"index":0,"delta":{"content":@}}]}',
    "tool calls": '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"x":@}]}}]}',
    "arguments": '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":@}}]}}]}',
    "moderation": '{"moderation":{"input":{"results":@}}}',
    "a message's tool calls": '{"choices":[{"message":{"tool_calls":[{"type":"function","x":@}]},"finish_reason":"stop"}]}',
    "a stored message": '{"data":[{"id":"m1","content_parts":[{"type":"text","x":@}]}]}',
    "a key of our own": '{"\\u007fextra":{"x":@}}',
    "an error": '{"error":@}',
}


def nested(depth: int, opening: str) -> str:
    """JSON of so many levels."""
    closing = "]" if opening == "[" else "}"
    return opening * depth + "1" + closing * depth


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nested_too_deeply(place: str, opening: str) -> None:
    """Nesting beyond 128 levels, in a stream or a body, is an error of ours, wherever it is and however deep."""

    async def main() -> None:
        for depth in DEPTHS:
            body = PLACES[place].replace("@", nested(depth, opening)).encode()
            for method in (by_events, by_parsed_events, by_the_end):
                async with client_of(streamed(chunk("x"), b"data: " + body + b"\n\n")) as client:
                    with pytest.raises(errors.StreamProtocolError, match="nested too deeply") as caught:
                        await method(client.chat.completions)
                sound(caught.value)
            for method in (lambda completions: completions.create(**ASK), ANSWERS["a list"][1], ANSWERS["messages"][1]):
                async with client_of(said(body)) as client:
                    with pytest.raises(errors.APIResponseValidationError) as refused:
                        await method(client.chat.completions)
                sound(refused.value)
            async with client_of(said(body, 400)) as client:
                with pytest.raises(errors.BadRequestError) as told:
                    await client.chat.completions.create(**ASK)
            sound(told.value)

    run(main())


@pytest.mark.parametrize("place", ["a chunk", "a delta", "tool calls", "moderation", "a message's tool calls"])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nested_as_deeply_as_may_be(place: str, opening: str) -> None:
    """What is just allowed can be read in every view, from the first chunk on or later, copied, pickled and printed."""
    body = f"data: {PLACES[place].replace('@', nested(120, opening))}\n\n".encode()

    async def main() -> None:
        for view in (by_chunks, by_events, by_batches, by_the_end, by_own_chunks):
            async with client_of(streamed(body, chunk("x"), body, chunk(finish="stop"))) as client:
                await view(client.chat.completions)

    run(main())


@pytest.mark.parametrize("depth", [128, 129, 1000, 100_000])
def test_deep_text(depth: int) -> None:
    """Content and arguments that are JSON of any depth, whole or not, are text all the same; parsing them raises ours."""
    text = "[" * depth
    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": text}}]
    payloads = [chunk(text, delta={"tool_calls": calls}), chunk("]" * depth, finish="stop")]

    async def main() -> None:
        async with client_of(streamed(*payloads)) as client:
            await by_events(client.chat.completions)
        for view in (by_parsed_events, by_drafts):
            async with client_of(streamed(*payloads)) as client:
                with pytest.raises(errors.OutputParseError) as caught:
                    await view(client.chat.completions)
            message = sound(caught.value).partial.choices[0].message  # type: ignore[attr-defined]  # this one has it
            assert message.content == text + "]" * depth

    run(main())


# Refusals.

LARGE = "word " * 50_000  # 250 KB

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t",
    "a web page": b"<html><head><title>502 Bad Gateway</title></head><body>" + LARGE.encode(),
    "titles without end": b"<html>" + b"<title>" * 100_000,
    "titles in titles": b"<html>" + b"<title" * 100_000,
    "a book": LARGE.encode(),
    "a book in JSON": json.dumps({"error": {"message": LARGE, "code": LARGE, "type": LARGE, "param": LARGE}}).encode(),
    "a book at the root": json.dumps({"detail": [{"msg": LARGE}]}).encode(),
    "a JSON string": json.dumps(LARGE).encode(),
    "UTF-16": '{"error":{"message":"hällo"}}'.encode("utf-16"),
    "Latin-1": '{"error":{"message":"hällo"}}'.encode("latin-1"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + b'{"error":{"message":"m"}}',
    "half a character": b'{"error":{"message":"a\\ud83d","code":"\\udc00","param":"\\ud83d\\ude00"}}',
    "no JSON": b'{"error":{"message":"a',
    "null": b"null",
    "a number": b"1e999",
    "a number of 5000 digits": b'{"error":{"message":"m","code":' + b"9" * 5000 + b"}}",
    "a list": b"[[[]],1]",
    "another kind": json.dumps(completion()).encode(),
    "other types": b'{"error":{"message":[1],"code":{},"type":["x"],"param":true}}',
    "the key": json.dumps({"error": {"message": f"no such key: {KEY}", "param": KEY, KEY: [KEY]}}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_refusals(body: bytes) -> None:
    """A refusal of any status and body is the class of its status, with a short sentence and a body of bounded size."""

    async def main() -> None:
        for status, stream in itertools.product((0, 199, 300, 400, 418, 429, 500, 999), (False, True)):
            async with client_of(said(body, status)) as client:
                with pytest.raises(errors.APIStatusError) as caught:
                    await client.chat.completions.create(**ASK, stream=stream)
            error = caught.value
            assert sound(error) is error
            assert (error.status_code, error.request_id) == (status, "r1")
            assert not isinstance(error.body, str) or len(error.body) <= 16_384
            assert all(len(text) <= 200 for text in (error.code, error.type, error.param) if text)

    run(main())


@pytest.mark.parametrize("name", ["a book in JSON", "half a character", "another kind", "the key"])
def test_refusals_in_a_stream(name: str) -> None:
    """The same bodies in the middle of a stream, as an event named so: bounded, printable, with all that came before."""
    failed = b"event: error\ndata: " + BODIES[name] + b"\n\n"

    async def main() -> None:
        for view in VIEWS[:9]:
            async with client_of(streamed(chunk('{"a":'), failed)) as client:
                with pytest.raises(errors.APIError) as caught:
                    await view(client.chat.completions)
            assert sound(caught.value) is caught.value
            assert caught.value.partial.choices[0].message.content == '{"a":'

    run(main())


def test_attempts_are_told_in_short() -> None:
    """Of a book that a server sends with each refusal, each attempt keeps the beginning."""

    async def main() -> None:
        async with client_of(*(said(BODIES["a book in JSON"], 500) for _ in range(2)), max_retries=1) as client:
            with pytest.raises(errors.InternalServerError) as caught:
                await client.chat.completions.create(**ASK)
        assert [len(attempt.error) for attempt in caught.value.attempts] == [2001, 2001]

    run(main())


@pytest.mark.parametrize("key", ["z" * 1_000_000, "\ud83d"], ids=["long", "half a character"])
def test_what_does_not_fit_is_told_in_short(key: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error and a log that name a key or a value of the answer name its beginning."""
    caplog.set_level("DEBUG", logger="openai_async")
    misfit = {"a": [{key: 5}], key: 1}

    async def main() -> None:
        for payload in (misfit, {"a": [key]}, {"a": [{"b": key}, 5]}):
            async with client_of(streamed(chunk(json.dumps(payload), finish="stop", **{key: 1}))) as client:
                with pytest.raises(errors.OutputParseError) as caught:
                    await by_drafts(client.chat.completions)
            sound(caught.value)
            async with client_of(said({**payload, "choices": []})) as client:
                with pytest.raises(errors.APIResponseValidationError) as refused:
                    await client.chat.completions.create(**ASK, cast_to=Steps)
            sound(refused.value)

    run(main())
    assert all(len(record.getMessage()) < 500 for record in caplog.records)
    assert len(caplog.records) == (3 if len(key) > 1 else 0)  # a half is no deviation from the schema but from JSON


# Heads that no answer has, on real sockets.

GOOD = json.dumps(completion()).encode()
STREAM = b"".join(map(event, [*hello(), "[DONE]"]))
NO_HTTP, NO_ANSWER, REFUSED = (
    errors.APIResponseValidationError,
    errors.APIResponseValidationError,
    errors.APIStatusError,
)


def plain(status: int, *lines: str, body: bytes = GOOD, **headers: str) -> bytes:
    """A response with a length."""
    return head(status, *lines, content_length=str(len(body)), **headers) + body


HEADS: dict[str, tuple[bytes, type[OpenAIError], str]] = {
    "garbage": (b"\0\1\2garbage\r\n\r\n", NO_HTTP, "does not speak HTTP"),
    "a megabyte of garbage": (b"x" * 1_000_000, NO_HTTP, "does not speak HTTP"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.7\r\n", NO_HTTP, "does not speak HTTP"),
    "a status of letters": (b"HTTP/1.1 abc Said\r\n\r\n", NO_HTTP, "does not speak HTTP"),
    "a status of four digits": (b"HTTP/1.1 2000 Said\r\n\r\n", NO_HTTP, "does not speak HTTP"),
    "a body without a head": (GOOD, NO_HTTP, "does not speak HTTP"),
    "a long reason": (b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n", NO_HTTP, "more than 8190 bytes"),
    "a header of 100 KB": (plain(200, "x-long: " + "y" * 100_000), NO_HTTP, "more than 8190 bytes"),
    "10,000 headers": (plain(200, *[f"x-{n}: y" for n in range(10_000)]), NO_HTTP, "Too many headers"),
    "a NUL in a header": (plain(200, "x-request-id: a\0b"), NO_HTTP, "Invalid HTTP header"),
    "a header without a name": (plain(200, ": b"), NO_HTTP, "Invalid header"),
    "two lengths": (plain(200, "content-length: 3"), NO_HTTP, "Duplicate Content-Length"),
    "a length and chunks": (plain(200, "transfer-encoding: chunked"), NO_HTTP, "Content-Length"),
    "a length of letters": (head(200, "content-length: abc"), NO_HTTP, "Content-Length"),
    "a length below zero": (head(200, "content-length: -5"), NO_HTTP, "Content-Length"),
    "a length beyond measure": (head(200, "content-length: " + "9" * 30), NO_HTTP, "Content-Length"),
    "status 0": (plain(0).replace(b"1.1 0 ", b"1.1 000 "), REFUSED, "status 0, which no answer"),
    "status 99": (plain(99).replace(b"1.1 99 ", b"1.1 099 "), REFUSED, "status 99, which no answer"),
    "status 101": (head(101, "upgrade: h2c", "connection: upgrade") + STREAM, REFUSED, "status 101, which no answer"),
    "status 204": (head(204), NO_ANSWER, "answered 204 .* with nothing"),
    "status 205": (plain(205, body=b""), NO_ANSWER, "answered 205 .* with nothing"),
    "status 304": (head(304), REFUSED, "Error code: 304"),
    "status 599": (plain(599), errors.InternalServerError, "Error code: 599"),
    "status 999": (plain(999), errors.InternalServerError, "Error code: 999"),
    "a long redirect": (plain(308, "location: " + "x" * 8000), REFUSED, "redirects to x{500};"),
    "brotli": (plain(200, "content-encoding: br"), NO_ANSWER, "can't be decompressed: .*br"),
    "a refusal in zstd": (plain(500, "content-encoding: zstd"), NO_ANSWER, "can't be decompressed: .*zstd"),
    "a coding nobody knows": (plain(200, "content-encoding: x", body=b"\x1f\x8b\x08"), NO_ANSWER, "answered 200"),
    "gzip in gzip": (
        plain(200, "content-encoding: gzip, gzip", body=gzip.compress(gzip.compress(GOOD))),
        NO_ANSWER,
        "answered 200",
    ),
    "UTF-16": (
        plain(200, body=GOOD.decode().encode("utf-16"), content_type="application/json; charset=utf-16"),
        NO_ANSWER,
        r"charset=utf-16\) with '\ufffd\ufffd{",
    ),
}


async def asked(server: RawServer, *, stream: bool) -> Any:
    """What a client gets of a server, whole."""
    async with AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0, timeout=10) as client:
        found: Any = await client.chat.completions.create(**ASK, stream=stream)
        return await found.final() if stream else found


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize("name", HEADS)
async def test_heads(name: str) -> None:
    """A head that is none, or that no answer has, is an error of ours that says so, for a body and for a stream."""
    data, cls, told = HEADS[name]
    async with RawServer(wire(data)) as server:
        for stream in (False, True):
            with pytest.raises(OpenAIError, match=told) as caught:
                await asked(server, stream=stream)
            assert isinstance(sound(caught.value), cls)


STRANGE: dict[str, bytes] = {
    "status 201": plain(201),
    "status 206": plain(206),
    "interim answers": head(100) * 100 + head(103, "link: x") + plain(200),
    "100 headers": plain(200, *[f"x-{n}: y" for n in range(100)]),
    "a header of 8 KB": plain(200, "x-long: " + "y" * 8000),
    "two content types": plain(200, "content-type: text/html", content_type="application/json"),
    "no content type": plain(200),
    "a charset nobody knows": plain(200, content_type="application/json; charset=nonsense"),
    "a charset that it is not": plain(200, content_type="application/json; charset=utf-16"),
    "a coding that it is not": plain(200, "content-encoding: x"),
    "deflate without its head": plain(200, "content-encoding: deflate", body=zlib.compress(GOOD)[2:-4]),
    "gzip in two": plain(200, "content-encoding: gzip", body=gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:])),
    "HTTP/1.0": head(200, version="HTTP/1.0") + GOOD,
    "bare line feeds": plain(200).replace(b"\r\n", b"\n"),
    "white space around it": plain(200, body=b" \r\n\t" * 5000 + GOOD + b"\n" * 5000),
}


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE.keys())
async def test_strange_heads(data: bytes) -> None:
    """What is strange and can be read is read, as a body and in the place of a stream."""
    async with RawServer(wire(data)) as server:
        for stream in (False, True):
            assert (await asked(server, stream=stream)).choices[0].message.content == "Hello"


@pytest.mark.anyio
@pytest.mark.sockets
async def test_headers_that_are_no_text() -> None:
    """Bytes of a header that are no UTF-8 are U+FFFD: an id, a limit and an error that have them can be printed."""
    odd = [
        f"x-request-id: {chr(0xFF)}{chr(0xE4)}1",
        f"retry-after: {chr(0xFF)}",
        f"x-ratelimit-limit-tokens: {chr(0xFF)}",
    ]
    async with RawServer(wire(plain(200, *odd)), wire(plain(429, *odd))) as server:
        assert (await asked(server, stream=False))._request_id == "\ufffd\ufffd1"
        with pytest.raises(errors.RateLimitError) as caught:
            await asked(server, stream=True)
    assert sound(caught.value) is caught.value
    assert caught.value.request_id == "\ufffd\ufffd1"
    assert all(value.encode() for value in caught.value.headers.values())


@pytest.mark.anyio
@pytest.mark.sockets
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (STREAM.decode().encode("utf-16"), r"with '\ufffd\ufffdd"),
        (b": ping\n\n" * 3, "with ': ping"),
        (b'data: {"id":', "with 'data: "),
        (b"data: {}\n\n", "^The stream ended before the answer did"),
        (b"event: ping\ndata: x\n\n", "with 'event: ping"),
    ],
    ids=["UTF-16", "pings", "a beginning", "a chunk that says nothing", "another event"],
)
async def test_streams_without_an_answer(body: bytes, told: str) -> None:
    """A stream in which there is no answer is an error that shows what there is."""
    async with RawServer(answer(body, kind="text/event-stream")) as server:
        with pytest.raises(errors.APIError, match=told) as caught:
            await asked(server, stream=True)
    assert sound(caught.value) is caught.value
    assert caught.value.headers["content-type"] == "text/event-stream"
    assert len(caught.value.body or "") <= 512


@pytest.mark.anyio
@pytest.mark.sockets
async def test_event_too_large_after_others() -> None:
    """The events before one that is too large are handed out, also where they came with it; then the error."""
    huge = b"data: " + b"x" * (16 * 1024 * 1024)
    async with (
        RawServer(sse([b"".join(map(event, hello()[:3])) + huge])) as server,
        AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(**ASK, stream=True)
        assert [piece.text for piece in [await anext(stream) for _ in range(3)]] == ["", "Hel", "lo"]
        with pytest.raises(errors.StreamProtocolError, match="16777216 bytes") as caught:
            await anext(stream)
    assert sound(caught.value) is caught.value
    assert caught.value.partial.choices[0].message.content == "Hello"
    assert caught.value.body == "data: " + "x" * 506


# Headers, as text.


@given(text=st.text(max_size=30) | st.from_regex(r"[-+0-9.,:eEnaifNIT µmsh()A-Z]{0,30}", fullmatch=True))
def test_delays_and_limits_of_any_text(text: str) -> None:
    """Whatever a server says of delays and limits, it is a number of seconds that is one, or nothing."""
    for name in ("retry-after", "retry-after-ms"):
        delay = retry_after({name: text}, now=1.7e9)
        assert delay is None or (delay > 0 and math.isfinite(delay))
    names = [
        f"x-ratelimit-{field}-{kind}" for field in ("limit", "remaining", "reset") for kind in ("tokens", "requests")
    ]
    found = RateLimitInfo.of(dict.fromkeys(names, text))
    assert found is not None
    for bucket in (found.tokens, found.requests):
        assert bucket.reset is None or math.isfinite(bucket.reset)
        assert bucket.limit is None or bucket.limit >= 0


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 1 00:00:00 +99999999999",
        "1 Jan 2030 00:00:00 " + "9" * 5000,
        "9" * 8000,
        "1e400",
        "0x10",
    ],
)
def test_dates_that_are_none(date: str) -> None:
    """A date that no calendar has is no delay, and one beyond any patience is left to the caller; neither raises."""
    delay = retry_after({"retry-after": date}, now=1.7e9)
    assert delay is None or delay > 120
