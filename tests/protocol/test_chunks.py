"""What an event means: a chunk, the end, an error or nothing, whatever a server puts into it, and nothing of it lost."""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import math
import pickle

import pytest
from hypothesis import given
from support.strategies import CHUNK, paths, replaced, streams, value_at

from openai_async.errors import APIError, APIStatusError, BadRequestError, RateLimitError, StreamProtocolError
from openai_async.protocol.chunks import DONE, ChunkDecoder, as_chunk, has_payload
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import ServerSentEvent
from openai_async.types.chat import ChatCompletionChunk

HEADERS = {"x-request-id": "req_1", "content-type": "text/event-stream"}


def event(data, name=None):
    """An event of `data`, which is JSON unless it is bytes or text already."""
    if isinstance(data, str):
        data = data.encode()
    return ServerSentEvent(data if isinstance(data, bytes) else json.dumps(data).encode(), name)


def decode(data, name=None):
    """What a fresh decoder makes of one event."""
    return ChunkDecoder(headers=HEADERS).decode(event(data, name))


def decoded(*data):
    """What one decoder makes of several events."""
    decoder = ChunkDecoder()
    return [decoder.decode(event(one)) for one in data]


def content(delta, index=0, **choice):
    """A chunk with one choice."""
    return {"choices": [{"index": index, "delta": delta, **choice}]}


def texts(*data):
    """The contents of choice 0 in several events."""
    return [chunk.choices[0].delta.content for chunk in decoded(*data)]


# Chunks.


@pytest.mark.parametrize(
    "odd",
    [b"[DONE]", b"{", b'{"x": 1}', b'{"id": "\xff"}', b'{"object": "error"}', b"[" * 5000, b""],
    ids=["the end", "no JSON", "a key of a vendor's", "no UTF-8", "an error", "too deep", "nothing"],
)
def test_plain_lines_are_decoded_as_one_by_one(odd):
    """All chunks before a line that is none, or not of the schema, are those that single events give; the rest is left."""
    lines = [json.dumps(content({"content": word})).encode() for word in ("a", "b")]
    chunks = ChunkDecoder().decode_plain([*lines, odd, *lines])
    assert chunks == decoded(*lines)


def test_plain_lines_after_a_deviation():
    """A stream that deviates is read one by one until a chunk keeps to the schema again."""
    line = json.dumps(content({"content": "a"})).encode()
    decoder = ChunkDecoder()
    decoder.decode(event(content({"content": "a", "new": 1})))
    assert decoder.decode_plain([line]) == []
    decoder.decode(event(line))
    assert decoder.decode_plain([line]) == decoded(line)


def test_a_chunk_of_the_published_schema():
    """A chunk with every known field is decoded at once, and says what was sent."""
    decoder = ChunkDecoder()
    chunk = decoder.decode(event(CHUNK))
    assert type(chunk) is ChatCompletionChunk
    assert decoder.deviation is None
    assert chunk.to_dict() == CHUNK


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({**CHUNK, "x": 1}, "unknown field `x`"),
        (replaced(CHUNK, ("choices", 0, "delta", "content"), 5), "content"),
        ({"id": 5}, "id"),
    ],
)
def test_where_a_stream_leaves_the_schema(data, told):
    """`deviation` tells where the stream first left the schema, and keeps telling it."""
    decoder = ChunkDecoder()
    decoder.decode(event(data))
    first = decoder.deviation
    assert first is not None
    assert told in first
    decoder.decode(event({"created": "x"}))
    assert decoder.deviation == first


@pytest.mark.parametrize("data", [b"[DONE]", b"", b"{broken", b'{"id":"\xff"}'])
def test_what_is_no_deviation(data):
    """The end of the stream, nothing, and bytes that are no strict JSON say nothing of the schema."""
    decoder = ChunkDecoder()
    with contextlib.suppress(StreamProtocolError):
        decoder.decode(event(data))
    assert decoder.deviation is None


def test_a_stream_that_always_deviates():
    """Chunk after chunk with unknown keys, and again without, is read the same as chunk by chunk."""
    data = [{"id": "c", "x": n, **content({"content": str(n)})} for n in range(50)]
    data += [content({"content": str(n)}) for n in range(50, 100)]
    chunks = decoded(*data)
    assert [chunk.to_dict() for chunk in chunks] == [decode(one).to_dict() for one in data]
    assert [chunk.model_extra.get("x") for chunk in chunks] == [*range(50), *[None] * 50]


class Counted(bytes):
    """Bytes that can be told from others."""


def test_the_strict_decoder_is_not_asked_in_vain():
    """After two refusals in a row it is asked every 16th time, and again each time once it agrees."""
    decoder = ChunkDecoder()
    asked = []
    strict = decoder._strict

    def watched(data):
        asked.append(data)
        return strict(data)

    decoder._strict = watched
    strange, plain = event({"x": 1}), event({"id": "c"})
    for _ in range(31):
        decoder.decode(strange)
    assert len(asked) == 2 + 2
    for _ in range(40):
        decoder.decode(plain)
    assert 24 <= len(asked) - 4 <= 40
    before = len(asked)
    for one in (strange, plain, strange, plain):
        decoder.decode(one)
    assert len(asked) == before + 4


@pytest.mark.parametrize("name", [None, "message", "chunk", "completion", "data", "delta", "chat.completion.chunk"])
def test_names_of_chunks(name):
    """Vendors name their chunks in many ways; all are chunks."""
    assert decode({"id": "c1"}, name).id == "c1"


@pytest.mark.parametrize("payload", [{"choices": []}, {"usage": {"total_tokens": 1}}, {"id": "c1"}])
def test_an_unknown_name_with_a_chunk(payload):
    """Data that looks like a chunk is one, whatever its event is called."""
    assert decode(payload, "thing").to_dict() == ChatCompletionChunk.from_dict(payload).to_dict()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("", None),
        (" \n", None),
        ("", "ping"),
        ("ping", "keepalive"),
        ("{}", "ping"),
        ('{"type":"ping"}', "ping"),
        ("[]", "ping"),
        ("null", "ping"),
        ('{"status":"queued"}', "status"),
    ],
)
def test_keep_alives(data, name):
    """Events without data, and named ones that say nothing of an answer, mean nothing."""
    assert decode(data, name) is None


@pytest.mark.parametrize("data", ["[DONE]", " [DONE] ", "[DONE]\n"])
@pytest.mark.parametrize("name", [None, "done", "message", "error"])
def test_done(data, name):
    """`[DONE]` is the end, whatever the event is called and whatever blanks stand around it."""
    assert decode(data, name) is DONE
    assert repr(DONE) == "DONE"


@pytest.mark.parametrize(
    "data", ["{", "ping", "[DONE]!", "{'a': 1}", "<html>", '{"a":1}{"b":2}', '{"a":' + "9" * 5000 + "}", "\x00"]
)
@pytest.mark.parametrize("name", [None, "message"])
def test_malformed(data, name):
    """Data that is no JSON, of an event that nothing marks as a keep-alive, breaks the stream; the error shows it."""
    with pytest.raises(StreamProtocolError, match="is no JSON") as caught:
        decode(data, name)
    assert caught.value.body == data[:512]
    assert caught.value.request_id == "req_1"
    assert caught.value.headers == HEADERS
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("data", ["null", "[]", '["x"]', "1", "true", '"text"'])
def test_no_object(data):
    """JSON that is no object breaks the stream as well."""
    with pytest.raises(StreamProtocolError, match="is no JSON object"):
        decode(data)


def test_a_long_sample():
    """An error shows the beginning of what was wrong, not all of it."""
    with pytest.raises(StreamProtocolError) as caught:
        decode("x" * 10_000)
    assert len(caught.value.body) == 512
    assert "x" * 100 in str(caught.value)
    assert "x" * 101 not in str(caught.value)


@pytest.mark.parametrize("depth", [129, 400, 990, 3000, 100_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nested_too_deeply(depth, brackets):
    """An extra of more than 128 levels breaks the stream, and nothing recurses without end."""
    opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
    deep = opening * depth + "1" + closing * depth
    for data in ('{"x":' + deep + "}", '{"choices":[{"delta":{"x":' + deep + "}}]}", '{"id":' + deep + "}"):
        with pytest.raises(StreamProtocolError, match="nested too deeply"):
            decode(data)
    assert decode('{"x":' + deep + "}", "ping") is None
    with pytest.raises(APIError, match=r"^\W"):
        decode(deep, "error")


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nested_as_deeply_as_may_be(brackets):
    """What is just allowed can be joined, copied, compared, printed, pickled and written."""
    opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
    deep = opening * 120 + "1" + closing * 120
    chunk = decode('{"x":' + deep + ',"choices":[{"delta":{"x":' + deep + "}}]}")
    accumulator = ChatCompletionAccumulator()
    accumulator.add(chunk)
    accumulator.add(chunk)
    for whole in (chunk, accumulator.completion()):
        assert whole.to_dict()["x"] is not None
        assert copy.deepcopy(whole) == pickle.loads(pickle.dumps(whole)) == whole
        assert whole.to_json()
        assert repr(whole)
    assert chunk.x == json.loads(deep)


# Values of other types.

PATHS = list(paths(CHUNK))
VALUES = [None, True, 5, 1.5, "x", "", [], {}, [[[]]], {"a": {"b": [1]}}, [None], -1, 2**70]


def means(found, sent):
    """Whether what was found is what was sent: the same, with defaults beside it, or as a number or as text."""
    if sent is None or found == sent:
        return True
    if isinstance(sent, dict) and isinstance(found, dict):
        return all(means(found.get(name), value) for name, value in sent.items())
    return found == json.dumps(sent, separators=(",", ":")) or found == str(sent)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_any_value_anywhere(path):
    """A value of any type in the place of any other raises nothing foreign, and is found again in `to_dict`."""
    for sent in VALUES:
        data = replaced(CHUNK, path, sent)
        chunk = decode(data)
        found = chunk.to_dict()
        assert means(value_at(found, path), sent), sent
        assert means(value_at(json.loads(chunk.to_json(indent=None)), path), sent), sent
        # What was not replaced is where it was.
        for other in PATHS:
            if other[: len(path)] != path and path[: len(other)] != other:
                assert means(value_at(found, other), value_at(CHUNK, other)), (sent, other)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_any_value_anywhere_is_joined(path):
    """The same chunks, between good ones, join to a completion and to events, or end in an error of ours."""
    for sent in VALUES:
        decoder, accumulator = ChunkDecoder(), ChatCompletionAccumulator()
        builder = EventBuilder(accumulator)
        try:
            for data in (CHUNK, replaced(CHUNK, path, sent), CHUNK):
                chunk = decoder.decode(event(data))
                accumulator.add(chunk)
                builder.events(chunk)
        except StreamProtocolError:
            assert path == ("choices", 0, "index")
            assert sent == 2**70
            continue
        completion = accumulator.completion()
        said = completion.to_dict()["choices"][0]["message"]
        assert said["content"].startswith("text")
        assert said["tool_calls"][0]["function"]["name"] == "f"
        assert "index" not in said["tool_calls"][0]
        assert json.loads(completion.to_json())["usage"]["total_tokens"] == 12


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_a_field_left_out(path):
    """A chunk without one of its fields, or with an unknown one beside it, decodes, and says the rest."""
    if isinstance(path[-1], int):
        return
    data = replaced(CHUNK, path, None)
    inner = value_at(data, path[:-1]) if path[:-1] else data
    del inner[path[-1]]
    inner["x_unknown"] = {"a": [1]}
    chunk = decode(data).to_dict()
    assert value_at(chunk, (*path[:-1], "x_unknown")) == {"a": [1]}
    assert decode(chunk).to_dict() == chunk


@given(chunks=streams())
def test_a_chunk_written_again(chunks):
    """A chunk that is written as JSON and decoded again is the same chunk, unknown keys included."""
    for data in chunks:
        chunk = decode(data)
        written = chunk.to_json(indent=None)
        again = decode(written)
        assert again == chunk
        assert again.to_json(indent=None) == written


@pytest.mark.parametrize(
    ("data", "content"),
    [
        ('{"choices":[{"delta":{"content":"a"}}],"choices":[{"delta":{"content":"b"}}]}', "b"),
        ('{"choices":[{"delta":{"content":"a","content":"b"}}]}', "b"),
        ('{"choices":[{"delta":{"content":"a","x":1,"x":2,"content":"b"}}]}', "b"),
    ],
)
def test_repeated_keys(data, content):
    """Of a key that is there twice the last one counts, in both passes."""
    assert decode(data).choices[0].delta.content == content


def test_numbers_and_bytes_that_json_does_not_have():
    """NaN, infinities, control characters and bytes that are no UTF-8 are read; none of it ends a stream."""
    chunk = decode(b'{"x":NaN,"y":-Infinity,"z":1e400,"choices":[{"delta":{"content":"a\x01\n\xff\xc3"}}]}')
    assert math.isnan(chunk.x)
    assert (chunk.y, chunk.z) == (-math.inf, math.inf)
    assert chunk.choices[0].delta.content == "a\x01\n\ufffd\ufffd"
    assert json.loads(chunk.to_json())["choices"][0]["delta"]["content"] == "a\x01\n\ufffd\ufffd"
    assert decode(b'{"choices":[{"logprobs":{"content":[{"logprob":-Infinity}]}}]}').choices[0].logprobs is not None


# Halves of surrogate pairs: some vendors cut an emoji in two events.

HALF, OTHER = "\ud83d", "\ude00"


def test_halves_join():
    """The two halves of a character in two events are that character, once, in the second."""
    assert texts(content({"content": "a" + HALF}), content({"content": OTHER + "b"})) == ["a", "😀b"]
    assert texts(content({"content": HALF}), content({"content": ""}), content({"content": OTHER})) == ["", "", "😀"]


@pytest.mark.parametrize("character", ["\U00010000", "😀", "\U0010ffff"])
def test_halves_of_any_character(character):
    """The first and the last of the characters that have halves join like any other."""
    high, low = character.encode("utf-16-be")[:2], character.encode("utf-16-be")[2:]
    halves = [half.decode("utf-16-be", "surrogatepass") for half in (high, low)]
    assert texts(*(content({"content": half}) for half in halves)) == ["", character]


def test_halves_in_one_event():
    """Two halves beside each other are one character, without any other event."""
    assert texts(content({"content": HALF + OTHER})) == ["😀"]


def test_halves_wait_for_their_place():
    """Between the two halves other places may speak; each waits for its own other half."""
    chunks = decoded(
        content({"content": HALF, "reasoning": "r" + HALF}),
        content({"content": HALF}, index=1),
        content({"role": "assistant"}),
        content({"content": OTHER}, index=1),
        content({"content": OTHER, "reasoning": OTHER}),
    )
    assert chunks[3].choices[0].delta.content == "😀"
    assert chunks[4].choices[0].delta.content == "😀"
    assert chunks[4].choices[0].delta.reasoning == "😀"


def test_halves_go_by_the_index():
    """Choices and calls that stand elsewhere in the next chunk are known by their index."""

    def call(text, index):
        return {"index": index, "function": {"arguments": text}}

    first = content({"tool_calls": [call("x", 0), call(HALF, 1)]})
    second = content({"tool_calls": [call(OTHER, 1)]})
    assert decoded(first, second)[1].choices[0].delta.tool_calls[0].function.arguments == "😀"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([HALF, "b"], ["", "\ufffdb"]),
        ([OTHER], ["\ufffd"]),
        ([HALF, HALF + OTHER], ["", "\ufffd😀"]),
        (["a" + HALF + "b"], ["a\ufffdb"]),
        ([HALF, HALF], ["", "\ufffd"]),
    ],
)
def test_halves_alone(pieces, expected):
    """A half whose other half does not come is U+FFFD, as soon as that shows."""
    assert texts(*(content({"content": piece}) for piece in pieces)) == expected


@pytest.mark.parametrize("delta", [{}, {"content": None}, {"role": "assistant"}, None])
def test_a_half_at_the_end(delta):
    """A choice that ends takes the halves that it still waits for along, as U+FFFD; the other choices' wait on."""
    chunks = decoded(
        {
            "choices": [
                {"index": 0, "delta": {"content": HALF, "reasoning": HALF}},
                {"index": 1, "delta": {"content": HALF}},
            ]
        },
        content(delta, finish_reason="stop"),
        content({"content": OTHER}, index=1),
    )
    assert (chunks[1].choices[0].delta.content, chunks[1].choices[0].delta.reasoning) == ("\ufffd", "\ufffd")
    assert chunks[2].choices[0].delta.content == "😀"


def test_a_half_in_the_last_delta():
    """The same holds for a half that comes together with the end, or whose place then holds something else."""
    (chunk,) = decoded(content({"content": "a" + HALF}, finish_reason="stop"))
    assert chunk.choices[0].delta.content == "a\ufffd"
    chunks = decoded(content({"content": HALF}), content({"content": ["b"]}, finish_reason="stop"))
    assert chunks[1].choices[0].delta.model_extra == {"content": ["b"]}
    chunks = decoded(content({"content": HALF}), content(["b"], finish_reason="stop"))
    assert chunks[1].choices[0].model_extra == {"delta": ["b"]}


@pytest.mark.parametrize("index", [[], {}, None, "0", 1.5, True])
def test_a_half_in_a_place_without_a_number(index):
    """A choice whose index is no number is known by its position."""
    first, second = (content({"content": text}, index=index) for text in (HALF, OTHER))
    assert texts(first, second) == ["", "😀"]


def test_halves_in_keys():
    """A key that holds a half is a key all the same, with U+FFFD."""
    assert decode('{"x\\ud83d":1}').model_extra == {"x\ufffd": 1}


def test_after_the_halves():
    """Once the halves are joined, chunks are decoded as before them."""
    decoder = ChunkDecoder()
    for data in (content({"content": HALF}), content({"content": OTHER})):
        decoder.decode(event(data))
    assert decoder._halves == {}
    assert decoder.decode(event(content({"content": "x"}))).choices[0].delta.content == "x"
    assert decoder.deviation is None


# Errors in the stream; what becomes of each form is `failures`' and tested there.


def test_an_error():
    """An error object is raised as the class that its code stands for, with the response's headers."""
    with pytest.raises(RateLimitError, match="slow down") as caught:
        decode({"error": {"message": "slow down", "type": "rate_limit_error", "code": None}})
    assert caught.value.status_code == 429
    assert caught.value.request_id == "req_1"
    assert caught.value.body == {"message": "slow down", "type": "rate_limit_error", "code": None}


@pytest.mark.parametrize(
    "data", [{"object": "error"}, {"object": "error", "id": "x"}, {"object": "error", "choices": []}]
)
def test_an_error_that_fits_the_schema(data):
    """An error is an error also where each of its keys is one of a chunk."""
    with pytest.raises(APIError, match="without saying which"):
        decode(data)


def test_an_object_named_error_with_choices():
    """A chunk that says something is a chunk, if the strict decoder finds nothing strange in it."""
    assert decode({"object": "error", **content({"content": "x"})}).text == "x"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "without saying which"),
        ("boom", "boom"),
        ('"boom"', "boom"),
        ("null", "without saying which"),
        ("[]", "without saying which"),
        ('["boom"]', "boom"),
        ("{}", "without saying which"),
        ('{"message":"boom"}', "boom"),
        ('{"error":"boom"}', "boom"),
        ('{"id":"c1","choices":[]}', "without saying which"),
        ("{broken", "{broken"),
    ],
)
def test_an_event_named_error(data, message):
    """An event named "error" is one, whatever its data is."""
    with pytest.raises(APIError, match=message) as caught:
        decode(data, "error")
    assert not isinstance(caught.value, APIStatusError)
    assert caught.value.headers == HEADERS


def test_an_error_with_a_status():
    """An error's number is its status, and its class's."""
    with pytest.raises(BadRequestError) as caught:
        decode({"object": "error", "message": "boom", "type": "BadRequestError", "param": None, "code": 400})
    assert (caught.value.status_code, caught.value.code) == (400, "400")


def test_an_error_without_headers():
    """A decoder of a recorded stream needs no headers."""
    with pytest.raises(APIError) as caught:
        ChunkDecoder().decode(event({"error": {"message": "boom"}}))
    assert caught.value.headers == {}
    assert caught.value.request_id is None


# Payload: what ends the wait for the first token.


@pytest.mark.parametrize(
    ("choice", "payload"),
    [
        ({}, False),
        ({"delta": {"role": "assistant"}}, False),
        ({"delta": {"role": "assistant", "content": "", "refusal": "", "tool_calls": [], "annotations": []}}, False),
        ({"delta": {"content": None, "reasoning_content": None, "x": ""}}, False),
        ({"delta": {}, "logprobs": {"content": []}, "native_finish_reason": "x"}, False),
        ({"finish_reason": ""}, False),
        ({"delta": {"content": "a"}}, True),
        ({"delta": {"refusal": "a"}}, True),
        ({"delta": {"content": [{"type": "text", "text": "a"}]}}, True),
        ({"delta": {"reasoning_content": "a"}}, True),
        ({"delta": {"tool_calls": [{"index": 0}]}}, True),
        ({"delta": {"function_call": {"name": "f"}}}, True),
        ({"delta": {"audio": {"data": "AAAA"}}}, True),
        ({"delta": {"annotations": [{"type": "url_citation"}]}}, True),
        ({"finish_reason": "stop"}, True),
    ],
)
def test_payload(choice, payload):
    """Role, metadata and empty pieces are no payload; whatever is part of an answer, or ends it, is."""
    for choices in ([choice], [{}, choice], [choice, {"index": 1}]):
        chunk = decode({"id": "c1", "usage": {"total_tokens": 1}, "choices": choices})
        assert has_payload(chunk) is payload
    assert not has_payload(ChatCompletionChunk())


# Whole completions instead of chunks.

MESSAGE = {
    "role": "assistant",
    "content": "Hello",
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        "junk",
    ],
    "x": 1,
}
WHOLE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop", "y": 2}],
    "usage": {"total_tokens": 3},
}


def test_a_completion_becomes_one_chunk():
    """A whole completion in an event is the chunk that says it all, its calls numbered."""
    chunk = decode(WHOLE)
    assert chunk.object == "chat.completion.chunk"
    assert chunk.text == "Hello"
    choice = chunk.choices[0]
    assert [call.index for call in choice.delta.tool_calls] == [0, 1]
    assert choice.delta.model_extra["x"] == 1
    assert (choice.finish_reason, choice.model_extra, chunk.usage.total_tokens) == ("stop", {"y": 2}, 3)


def test_what_is_given_is_not_changed():
    """`as_chunk` leaves its argument as it is."""
    given = copy.deepcopy(WHOLE)
    as_chunk(given)
    assert given == WHOLE


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"message": None}, ""),
        ({"message": {"content": "a"}, "delta": {"content": "b"}}, "b"),
        ({"delta": {"content": "b"}}, "b"),
        ({"message": {"content": "a", "tool_calls": None}}, "a"),
        ("junk", ""),
    ],
)
def test_choices_beside_a_message(choice, text):
    """A message is only read where there is no delta, and anything may stand beside it."""
    chunk = as_chunk({"choices": [choice, {"index": 1, "message": {"content": "z"}}]})
    assert chunk.text == text
    assert chunk.choices[-1].delta.content == "z"


def test_a_message_that_is_no_object():
    """A message of another type is kept as what it is: a delta that did not fit."""
    assert as_chunk({"choices": [{"message": "x"}]}).choices[0].model_extra == {"delta": "x"}


def test_an_odd_chunk_leaves_no_cycle() -> None:
    """What was refused by the strict pass is let go at once: a frame that held its error would keep a stream's all."""
    gc.collect()
    gc.disable()
    try:
        decoder = ChunkDecoder()
        for _ in range(3):
            assert decoder.decode(ServerSentEvent(b'{"choices": [{"index": 0, "delta": {"content": "x", "odd": 1}}]}'))
        del decoder
        assert gc.collect() == 0
    finally:
        gc.enable()
