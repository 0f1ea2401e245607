"""What fuzzing found (`python -m stress.fuzz`), each as the smallest case that failed before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date
from enum import Enum
from typing import Any

import pytest
from support.rawserver import chunk, completion, event
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, errors
from openai_async.protocol import codec

pytestmark = pytest.mark.anyio

ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Colour(Enum):
    RED = "red"
    DARK_RED = "red-dark"


def client(*parts: bytes, kind: str = EVENT_STREAM["content-type"]) -> AsyncOpenAI:
    """A client whose one request is answered with this body."""
    response = ScriptedResponse(*parts, headers={"content-type": kind})
    return AsyncOpenAI(api_key="k", max_retries=0, transport=ScriptedTransport([response]))


def said(*pieces: str) -> bytes:
    """A stream that says this."""
    return b"".join(map(event, [*map(chunk, pieces), chunk(finish="stop"), "[DONE]"]))


async def collect(items: AsyncIterator[bytes], into: list[bytes]) -> None:
    """Keep what comes, also where an error ends it."""
    async for item in items:
        into.append(item)  # noqa: PERF401 - a comprehension would lose what came before the error


async def test_half_a_character_in_a_plain_answer() -> None:
    """An answer with half a surrogate pair can be printed, and its message sent back: the half is U+FFFD."""
    body = json.dumps(completion("a\ud83d")).encode()
    answer = await client(body, kind="application/json").chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "a\ufffd"
    codec.dumps({"messages": [answer.choices[0].message]})


async def test_half_a_character_in_json_instead_of_a_stream() -> None:
    """The same where a stream was asked for, and where the answer is read as plain data."""
    body = json.dumps(completion("a\ud83d")).encode()
    async with client(body, kind="application/json").chat.completions.create(**ASKED, stream=True) as stream:
        assert [one.text async for one in stream] == ["a\ufffd"]
    plain = await client(body, kind="application/json").chat.completions.create(**ASKED, cast_to=dict)
    assert plain["choices"][0]["message"]["content"] == "a\ufffd"


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [(Colour, "red", Colour.RED), (Colour, "red-dark", Colour.DARK_RED), (date, "2001-02-03", date(2001, 2, 3))],
)
async def test_half_an_enum_member_is_no_object(type: Any, text: str, value: Any) -> None:
    """`partial` iterates objects: while half a word can't be told to be one, there is none, and not None."""
    async with client(said(*json.dumps({"value": text}))).chat.completions.create(**ASKED, stream=True) as stream:
        assert [one async for one in stream.partial(type)] == [value]


async def test_raw_bytes_before_an_impossible_chunk() -> None:
    """`raw` hands out no chunk that could not be added to the answer, nor what follows it: no `[DONE]` of a broken one."""
    good, broken = event(chunk("a")), event(chunk("b", index=2**40))
    opened = client(good + broken + event(chunk(finish="stop")) + event("[DONE]"))
    pieces: list[bytes] = []
    async with opened.chat.completions.create(**ASKED, stream=True) as stream:
        with pytest.raises(errors.StreamProtocolError):
            await collect(stream.raw(), pieces)
    assert b"".join(pieces) == good


async def test_a_choice_twice_in_one_chunk() -> None:
    """The text of a chunk that has the same choice twice is that of both, as it is in the completion."""
    both = chunk("a")
    both["choices"] += chunk("b")["choices"]
    data = event(both) + said("c")
    async with client(data).chat.completions.create(**ASKED, stream=True) as stream:
        assert [piece async for piece in stream.text()] == ["ab", "c"]
        assert stream.snapshot.choices[0].message.content == "abc"


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_byte_order_mark_in_two_reads(cut: int) -> None:
    """JSON that calls itself an event stream is read as JSON wherever the byte order mark before it is cut."""
    body = b"\xef\xbb\xbf" + json.dumps({"error": {"message": "no such model", "code": 404}}).encode()
    with pytest.raises(errors.NotFoundError, match="no such model"):
        await client(body[:cut], body[cut:]).chat.completions.create(**ASKED, stream=True)
    stream = await client(body[:cut], body[cut:3] + said("a")).chat.completions.create(**ASKED, stream=True)
    assert [one.text async for one in stream] == ["a", ""]


async def test_raw_bytes_after_a_mark_in_the_middle() -> None:
    """A byte order mark that does not begin the stream makes its line an unknown field, for `raw`'s last piece as well."""
    pieces = [event(chunk("a")), b"\xef\xbb\xbfdata: {\n\n" + event(chunk("b", finish="stop")) + event("[DONE]")]
    async with client(*pieces).chat.completions.create(**ASKED, stream=True) as stream:
        assert b"".join([piece async for piece in stream.raw()]) == b"".join(pieces)
