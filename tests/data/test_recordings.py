"""Answers recorded from the real API: the same chunks, completions and events as the official client's."""

from __future__ import annotations

import asyncio
import json
import random

import openai
import pytest
from support import shared
from support.bodies import framed, in_pieces, serving
from support.fold import clean
from support.sse_cases import cuts

from openai_async import (
    DONE,
    APIError,
    AsyncOpenAI,
    ChatCompletionAccumulator,
    ChatCompletionChunk,
    ChunkDecoder,
    EventParser,
    LengthFinishReasonError,
)
from openai_async.api.tools import argument_types
from openai_async.protocol.codec import decode
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.output import OutputType
from openai_async.protocol.parsing import ResponseParser
from openai_async.types.chat import ChatCompletion

RECORDINGS = {recording["name"]: recording for recording in shared.load("recordings/manifest.json")}
STREAMS = [name for name, recording in RECORDINGS.items() if recording["kind"] == "sse"]
ANSWERS = [name for name, recording in RECORDINGS.items() if recording["kind"] == "json"]
MESSAGES = [{"role": "user", "content": "hi"}]

pytestmark = shared.needs("recordings")
streams = pytest.mark.parametrize("name", STREAMS)


def body(name):
    """The bytes of a recording's answer."""
    files = RECORDINGS[name]["files"]
    return (shared.SHARED / "recordings" / files.get("sse", files.get("body", ""))).read_bytes()


def load(name, kind):
    """What the official client made of it."""
    return shared.load(f"recordings/{RECORDINGS[name]['files'][kind]}")


def chunks(name, pieces=None):
    """The chunks in a recorded stream."""
    parser, decoder = EventParser(), ChunkDecoder()
    found = [decoder.decode(event) for piece in pieces or [body(name)] for event in parser.feed(piece)]
    assert found.pop() is DONE
    assert decoder.deviation is None
    return found


def accumulated(found):
    """The completion that chunks add up to."""
    accumulator = ChatCompletionAccumulator()
    for chunk in found:
        accumulator.add(chunk)
    assert accumulator.finished
    return accumulator.completion()


def comparable(completion, *, parsed=False):
    """A completion without nulls, and without what only the official client's helpers add."""
    if "$error" in completion:  # it raised at the length limit, with what it had
        completion = completion["$error"]["completion"]
    for choice in completion["choices"]:
        if not parsed:
            choice["message"].pop("parsed", None)
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index", None)
            if not parsed:
                call["function"].pop("parsed_arguments", None)
    return clean(completion)


def parser(name):
    """What parses a recording's answer: to plain data, which is what the official client's objects are written as."""
    arguments = RECORDINGS[name]["kwargs"]
    output = OutputType.of(dict) if "$python_type" in arguments.get("response_format", {}) else None
    return ResponseParser(output, argument_types(arguments.get("tools", ())))


# Streams.


@streams
def test_chunks_as_the_official_client_decodes_them(name):
    """Over the same socket, the official client and ours decode the same chunks."""

    async def both():
        pieces = framed(in_pieces(body(name), 1000), content_type="text/event-stream")
        async with serving(pieces) as url:
            async with AsyncOpenAI(api_key="k", base_url=url) as client:
                stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                ours = [chunk async for chunk in stream]
            async with openai.AsyncOpenAI(api_key="k", base_url=url) as official:
                theirs = [
                    chunk
                    async for chunk in await official.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                ]
        return ours, theirs

    ours, theirs = asyncio.run(both())
    assert all(type(chunk) is ChatCompletionChunk for chunk in ours)
    assert [clean(chunk.to_dict()) for chunk in ours] == [clean(chunk.to_dict()) for chunk in theirs]
    assert len(ours) == RECORDINGS[name]["n_chunks"] or name == CUT_SHORT


@streams
def test_cut_anywhere(name):
    """A recorded stream, byte by byte or cut at random, gives the same chunks."""
    whole = chunks(name)
    assert chunks(name, in_pieces(body(name), 1)) == whole
    for seed in range(3):
        assert chunks(name, cuts(body(name), seed=seed, longest=500)) == whole


@streams
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_other_line_ends(name, end):
    """The same stream with the other line ends of the standard, as some proxies write them, is the same."""
    again = body(name).replace(b"\n", end)
    assert chunks(name, in_pieces(again, 7)) == chunks(name)


@streams
@pytest.mark.parametrize("kind", ["final", "plain"])
def test_the_final_completion(name, kind):
    """The completion is the official client's."""
    expected = comparable(load(name, kind))
    found = comparable(accumulated(chunks(name)).to_dict())
    if name == CUT_SHORT and kind == "final":
        # It raises before the last chunk, the one with the usage: its completion has none.
        assert found.pop("usage")["completion_tokens"] > 0
    assert found == expected


@streams
def test_the_parsed_completion(name):
    """Contents and arguments are parsed to what the official client parses them to."""
    completion = accumulated(chunks(name))
    if name == CUT_SHORT:
        with pytest.raises(LengthFinishReasonError) as caught:
            parser(name).completion(completion)
        assert caught.value.completion.usage.completion_tokens > 0
    else:
        found = parser(name).completion(completion).to_dict()
        assert comparable(found, parsed=True) == comparable(load(name, "final"), parsed=True)


CUT_SHORT = "py_parse_max_tokens_reached"  # where the official helper raises before the stream's end

# Where our events are others than the official client's, as (what it tells and we don't there, what we tell and it
# doesn't there), with the reason.
MOVED = (
    "tool_calls.function.arguments.done",
    "GetWeatherArgs",
    '{"city": "Edinburgh", "country": "GB", "units": "c"}',
)
DIFFERENT = {
    # It calls the first call done when the second begins, which is early where calls interleave; we, at the finish.
    "py_parse_multiple_pydantic_tools": ([MOVED], [MOVED]),
    # It raises at the finish, as there is something to parse that is not whole; we go on to the usage, then raise.
    CUT_SHORT: ([], [("chunk",), ("chunk",)]),
}
PARSED = ("parsed", "parsed_arguments")
TEXTS = ("name", "delta", "snapshot", "content", "refusal", "arguments_delta", "arguments")


def told(name):
    """The events of a recorded stream, as the official client's are written down."""
    accumulator = ChatCompletionAccumulator()
    builder = EventBuilder(accumulator, parser(name))
    for chunk in chunks(name):
        accumulator.add(chunk)
        for event in builder.events(chunk):
            yield {
                field: plain(getattr(event, field))
                for field in ("type", "index", *TEXTS, *PARSED)
                if hasattr(event, field)
            }


def plain(value):
    """A field of an event as plain data; the completion of a chunk event is not written down."""
    if isinstance(value, list):
        return [item.to_dict() for item in value]
    return None if isinstance(value, ChatCompletion) else value


def summary(event):
    """An event's type and texts."""
    return (event["type"], *(event[field] for field in TEXTS if isinstance(event.get(field), str)))


@streams
def test_events(name):
    """The events are the official client's, of the same types, texts and tokens in the same order, but where meant."""
    ours, theirs = list(told(name)), load(name, "events")
    missing, added = DIFFERENT.get(name, ([], []))
    if (missing, added) == ([], []):
        assert [clean(event) for event in theirs] == [clean(event) for event in ours]
    mine, other = [summary(event) for event in ours], [summary(event) for event in theirs]
    for event in added:
        del mine[len(mine) - 1 - mine[::-1].index(event)]  # what we tell, we tell late
    for event in missing:
        other.remove(event)
    assert mine == other


# What noise on the line, or a broken server, may make of a stream.

NOISE = [
    b"null",
    b"-1",
    b"1e400",
    b"[]",
    b"{}",
    b"\n",
    b"\n\n",
    b"\r",
    b"data: ",
    b":",
    b'"',
    b"\\ud83d",
    b"\\",
    b"\xff",
    b"\0",
]
NOISE += [b"{", b"}", b"[", b"]", b",", b"9" * 30, b'"index"', b'"error"', b"event: error\n", b"id: 1\n", b"[DONE]"]


def corrupted(stream, seed):
    """The beginning of a stream with a few bytes changed, lost, put in, or repeated."""
    chance = random.Random(seed)
    data = bytearray(stream[:5000])
    for _ in range(chance.randint(1, 5)):
        at, size = chance.randrange(len(data)), chance.randint(0, 20)
        data[at : at + size] = chance.choice([chance.randbytes(1), b"", chance.choice(NOISE), data[:200]])
    return bytes(data)


def outcome(pieces):
    """What comes of a stream: its chunks and events as text, its completion so far, and the error at its end."""
    parser, decoder, accumulator = EventParser(), ChunkDecoder(), ChatCompletionAccumulator()
    builder, found = EventBuilder(accumulator), []
    try:
        for event in (event for piece in pieces for event in parser.feed(piece)):
            chunk = decoder.decode(event)
            if isinstance(chunk, ChatCompletionChunk):
                accumulator.add(chunk)
                found += [repr(event) for event in builder.events(chunk)]
    except APIError as error:
        found.append(repr(error))
    completion = accumulator.completion()
    assert all(choice.message.to_param()["role"] == "assistant" for choice in completion.choices)
    return found, completion.to_json()


@streams
def test_corrupted(name):
    """A corrupted stream is read or refused by an error of ours, and the same however it is cut."""
    for seed in range(20):
        stream = corrupted(body(name), seed)
        assert outcome([stream]) == outcome(cuts(stream, seed=seed, longest=300))


# Plain answers.


@pytest.mark.parametrize("name", ANSWERS)
def test_plain_answers(name):
    """A plain answer is decoded to what the official client makes of it."""
    completion = decode(body(name), ChatCompletion)
    assert clean(completion.to_dict()) == clean(json.loads(body(name)))
    final = load(name, "final")
    if "$error" in final:  # it raised at the length limit
        assert completion.choices[0].finish_reason == "length"
    else:
        assert comparable(completion.to_dict()) == comparable(final)


@pytest.mark.sockets
@pytest.mark.parametrize("name", ANSWERS)
def test_plain_answers_over_a_socket(name):
    """The same answer over a socket, in pieces of seven bytes, is the same."""

    async def ask():
        pieces = framed(in_pieces(body(name), 7), mode="length", content_type="application/json")
        async with serving(pieces) as url, AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
            return await client.chat.completions.create(model="m", messages=MESSAGES)

    assert asyncio.run(ask()) == decode(body(name), ChatCompletion)


def test_all_recordings_are_read():
    """There are 13 streams and 14 plain answers."""
    assert (len(STREAMS), len(ANSWERS)) == (13, 14)


@pytest.mark.parametrize("name", ANSWERS)
def test_parsed_answers(name):
    """A plain answer is parsed to what the official client parses it to; only one that is cut off is refused."""
    completion, final = decode(body(name), ChatCompletion), load(name, "final")
    if "$error" in final:
        with pytest.raises(LengthFinishReasonError) as caught:
            parser(name).completion(completion)
        assert caught.value.completion.to_dict() == completion.to_dict()
    else:
        assert comparable(parser(name).completion(completion).to_dict(), parsed=True) == comparable(final, parsed=True)
