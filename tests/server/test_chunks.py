"""Answers in pieces."""

from __future__ import annotations

import asyncio
import json

import pytest

from openai_async.server.chunks import DONE, events_of, live_events
from openai_async.server.completions import Draft, complete

_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city":"Paris"}'}}
_CUSTOM = {"id": "d", "type": "custom", "custom": {"name": "g", "input": "some text"}}


def _request(**fields):
    return {"model": "m", "messages": [{"role": "user", "content": "one two"}], **fields}


def _chunks(request, drafts):
    *events, done = events_of(request, complete(request, drafts))
    assert done is DONE
    return [json.loads(event.data) for event in events]


def _joined(chunks, index=0):
    """Join the deltas of a choice as the API's users do: texts are appended, lists go by index."""
    message, logprobs, reason = {}, {}, None
    for choice in (choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index):
        _merge(message, choice["delta"])
        for name, entries in (choice["logprobs"] or {}).items():
            if entries is not None:
                logprobs.setdefault(name, []).extend(entries)
        reason = choice["finish_reason"] or reason
    return message, logprobs, reason


def _merge(target, delta):
    for name, value in delta.items():
        if name == "tool_calls":
            calls = target.setdefault(name, {})
            for piece in value:
                _merge(calls.setdefault(piece.pop("index"), {}), piece)
        elif isinstance(value, dict):
            _merge(target.setdefault(name, {}), value)
        elif isinstance(value, str) and name not in ("role", "id", "type", "name"):
            target[name] = (target.get(name) or "") + value
        elif value is not None or name not in target:
            target[name] = value


@pytest.mark.parametrize(
    ("fields", "draft"),
    [
        ({}, Draft(content="Hello there, world.")),
        ({}, Draft(content="")),
        ({"logprobs": True, "top_logprobs": 1}, Draft(content="Hello there.")),
        ({"logprobs": True}, Draft(refusal="No, thank you.")),
        ({}, Draft(calls=[_CALL])),
        ({}, Draft(calls=[_CALL, _CUSTOM])),
        ({}, Draft(calls=[_CUSTOM])),
        ({}, Draft(function_call=_CALL["function"])),
        ({}, Draft(content="See it.", annotations=[{"type": "url_citation", "url_citation": {}}])),
        ({"modalities": ["audio"], "audio": {"format": "wav", "voice": "alloy"}}, Draft(content="Hello there.")),
        ({"max_tokens": 1}, Draft(content="Hello there.")),
    ],
)
def test_pieces_joined_are_the_answer(fields, draft):
    """Whatever an answer holds, its stream adds up to the same message, log probabilities and finish reason."""
    request = _request(**fields)
    (choice,) = complete(request, [draft])["choices"]

    message, logprobs, reason = _joined(_chunks(request, [draft]))

    if "tool_calls" in message:
        message["tool_calls"] = [message["tool_calls"][at] for at in sorted(message["tool_calls"])]
    expected = {name: value for name, value in choice["message"].items() if value != []}
    assert message == expected
    assert reason == choice["finish_reason"]
    assert logprobs == {name: entries for name, entries in (choice["logprobs"] or {}).items() if entries is not None}


def test_chunks_conform_to_the_published_schema(conforms):
    """Every chunk of a stream is valid."""
    request = _request(
        logprobs=True, moderation={"model": "omni"}, stream_options={"include_usage": True, "include_obfuscation": True}
    )
    for draft in (Draft(content="Hello there."), Draft(calls=[_CALL, {**_CALL, "id": "e"}]), Draft(refusal="No.")):
        for chunk in _chunks(request, [draft]):
            conforms(chunk, "CreateChatCompletionStreamResponse")


def test_choices_take_turns():
    """With several choices, each has its turn for every token, and ends by itself."""
    chunks = _chunks(_request(n=2), [Draft(content="a b c"), Draft(content="x")])
    order = [(chunk["choices"][0]["index"], chunk["choices"][0]["finish_reason"]) for chunk in chunks]

    assert order == [(0, None), (1, None), (0, None), (1, None), (0, None), (1, "stop"), (0, None), (0, "stop")]


def test_usage_comes_last_and_is_null_before():
    """Asked for usage, every chunk has the key, and the last one, without choices, has the numbers."""
    *chunks, last = _chunks(_request(stream_options={"include_usage": True}), [Draft(content="a b")])

    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 2


def test_usage_is_not_mentioned_unless_asked_for():
    """Without the option, no chunk knows of usage."""
    assert not any("usage" in chunk for chunk in _chunks(_request(), [Draft(content="a b")]))


def test_obfuscation_levels_the_lengths():
    """With obfuscation, a delta's text and its padding together are a multiple of 16 characters."""
    chunks = _chunks(_request(stream_options={"include_obfuscation": True}), [Draft(content="a longer story")])
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[1:-1]]

    assert {(len(text) + len(chunk["obfuscation"])) % 16 for text, chunk in zip(texts, chunks[1:-1], strict=True)} == {
        0
    }


def test_moderation_comes_after_the_choices():
    """The moderation is a chunk of its own, behind the finish."""
    chunks = _chunks(_request(moderation={"model": "omni"}), [Draft(content="a")])

    assert chunks[-1]["choices"] == []
    assert chunks[-1]["moderation"]["output"]["type"] == "moderation_results"


def test_a_single_call_opens_with_the_role():
    """One call begins in the first chunk, several begin one by one, as with the API."""
    one, two = _chunks(_request(), [Draft(calls=[_CALL])]), _chunks(_request(), [Draft(calls=[_CALL, _CALL])])

    assert one[0]["choices"][0]["delta"]["tool_calls"][0]["function"] == {"name": "f", "arguments": ""}
    assert "tool_calls" not in two[0]["choices"][0]["delta"]


def _live(request, pieces):
    asked = []

    async def source():
        try:
            for piece in pieces:
                asked.append(piece)
                yield piece
        finally:
            asked.append("closed")

    async def collect():
        return [event async for event in live_events(request, source(), created=1)]

    events = asyncio.run(collect())
    assert events[-1] is DONE
    return [json.loads(event.data) for event in events[:-1]], asked


def test_live_text_is_sent_piece_by_piece():
    """Text that is being written goes out as it comes, one chunk a piece, for every choice."""
    chunks, asked = _live(_request(n=2), ["One", " two"])

    assert [_joined(chunks, index)[0]["content"] for index in (0, 1)] == ["One two", "One two"]
    assert len(chunks) == 8
    assert asked == ["One", " two", "closed"]


def test_live_text_is_asked_for_no_more_after_the_limit():
    """When the limit is reached, the writer is closed at once."""
    chunks, asked = _live(_request(max_tokens=2), ["One two three", " four"])

    message, _, reason = _joined(chunks)
    assert (message["content"], reason) == ("One two", "length")
    assert asked == ["One two three", "closed"]


def test_live_text_holds_back_what_may_be_a_stop_sequence():
    """The beginning of a stop sequence is not shown before it is known to be none."""
    chunks, _ = _live(_request(stop="END"), ["One E", "ND two"])
    assert _joined(chunks)[0]["content"] == "One "

    chunks, _ = _live(_request(stop="END"), ["One E", "x"])
    assert _joined(chunks)[0]["content"] == "One Ex"


def test_any_iterator_of_text_is_live_text():
    """What can't be closed, an iterator that is no generator, is read like one."""

    class Pieces:
        def __init__(self):
            self.left = ["One", " two"]

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async def collect():
        return [json.loads(event.data) async for event in live_events(_request(), Pieces()) if event is not DONE]

    assert _joined(asyncio.run(collect()))[0]["content"] == "One two"


def test_the_completion_that_was_sent_is_told():
    """Whoever asks is given the completion of live text when it is over, as a plain answer would have been."""
    told = []

    async def source():
        yield "One two three"

    async def collect():
        return [event async for event in live_events(_request(max_tokens=2), source(), created=1, finished=told.append)]

    asyncio.run(collect())
    assert told == [complete(_request(max_tokens=2), [Draft(content="One two", finish_reason="length")], created=1)]


def test_live_text_has_usage_too():
    """The usage of live text counts what was sent."""
    chunks, _ = _live(_request(stream_options={"include_usage": True}), ["One", " two"])

    assert chunks[-1]["usage"]["completion_tokens"] == 2
