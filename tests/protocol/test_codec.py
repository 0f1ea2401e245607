"""JSON in both directions: everything that servers send is read, and nothing wrong is sent."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import OrderedDict
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol import codec
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage, ChoiceDelta
from openai_async.types.options import not_given, omit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int, *, of: str = "[]") -> bytes:
    """JSON of `depth` levels of arrays, or of objects."""
    opening, closing = ("[", "]") if of == "[]" else ('{"a":', "}")
    return (opening * depth + "1" + closing * depth).encode()


# Reading.


@given(value=JSON)
def test_any_json(value):
    """Whatever JSON says is what the reader gets."""
    assert codec.loads(json.dumps(value).encode()) == value
    assert codec.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"x\ny"}', {"a": "x\ny"}),
        (b'{"a":"\xff\xc3"}', {"a": "\ufffd\ufffd"}),
        (b'{"a":"\\ud83d"}', {"a": "\ufffd"}),
        (b'{"\\ude00b":["\\ude00b\\ud83d\\ude00"]}', {"\ufffdb": ["\ufffdb\U0001f600"]}),
        (b'{"a":Infinity,"b":-Infinity,"c":1e400}', {"a": math.inf, "b": -math.inf, "c": math.inf}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b' \r\n{"a":1}\t', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'"x"', "x"),
        (b"null", None),
    ],
)
def test_more_than_the_standard_allows(data, value):
    """Control characters, bad UTF-8, surrogate halves, infinities, a byte order mark and repeated keys are read."""
    assert codec.loads(data) == value


def test_nan():
    """NaN is a number."""
    assert math.isnan(codec.loads(b'{"a":NaN}')["a"])


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b"{'a':1}", b"[1,]", b"nul", b"<html>", b"\xff", b'{"a":1}x', b'{"a":' + b"9" * 5000 + b"}"],
)
def test_no_json(data):
    """What is no JSON is a ValueError, a number of 5000 digits included."""
    with pytest.raises(ValueError):
        codec.loads(data)
    with pytest.raises(ValueError):
        codec.loads_strictly(data)
    with pytest.raises(ValueError):
        codec.loads_leniently(data)


@pytest.mark.parametrize("of", ["[]", "{}"])
@pytest.mark.parametrize("depth", [129, 500, 990, 5000, 200_000])
def test_nested_too_deeply(depth, of):
    """More than 128 levels are refused by every reader, in words of ours."""
    for load in (codec.loads, codec.loads_strictly, codec.loads_leniently):
        with pytest.raises(ValueError, match="nested too deeply"):
            load(nested(depth, of=of))
    with pytest.raises(ValueError, match="nested too deeply"):
        codec.decode(b'{"choices":[],"x":' + nested(depth, of=of) + b"}", ChatCompletion)


@pytest.mark.parametrize("of", ["[]", "{}"])
def test_nested_just_so(of):
    """128 levels are read, and brackets in strings or beside each other are no levels."""
    assert codec.loads(nested(128, of=of)) == json.loads(nested(128, of=of))
    assert codec.loads(json.dumps("[{" * 1000).encode()) == "[{" * 1000
    assert codec.loads(b"[" + b"[{}]," * 1000 + b"1]")[-1] == 1


def test_depth_in_a_deep_call():
    """Called from deep inside another program, a reader reads or refuses what is deep; it never recurses out."""

    def dive(levels):
        if levels:
            return dive(levels - 1)
        try:
            return codec.loads(nested(120))
        except ValueError as refusal:  # Python 3.11 counts the parser's own calls
            return str(refusal)

    answer = dive(sys.getrecursionlimit() - 160)
    assert answer == json.loads(nested(120)) or "nested too deeply" in answer


def test_decode_strictly():
    """An answer in the published schema is decoded at once."""
    completion = codec.decode(b'{"id":"c1","choices":[{"index":0,"message":{"role":"assistant"}}]}', ChatCompletion)
    assert completion.id == "c1"
    assert completion.choices[0].message.model_extra == {}


@pytest.mark.parametrize(
    ("data", "extra"),
    [
        (b'{"id":"c1","x":1}', {"x": 1}),
        (b'{"id":"c1","created":"x"}', {"created": "x"}),
        (b'{"id":"c1","x":"\xff"}', {"x": "\ufffd"}),
        (b'{"id":"c1","x":1e400}', {"x": math.inf}),
        (b'\xef\xbb\xbf{"id":"c1"}', {}),
    ],
)
def test_decode_leniently(data, extra):
    """An answer that leaves the schema, or strict JSON, is decoded all the same, and nothing of it is lost."""
    completion = codec.decode(data, ChatCompletion)
    assert completion.id == "c1"
    assert completion.model_extra == extra


@pytest.mark.parametrize(("data", "kind"), [(b"null", "null"), (b"[]", "list"), (b'"x"', "str"), (b"1", "int")])
def test_decode_what_is_no_object(data, kind):
    """JSON that is no object is a ValueError that names what it is."""
    with pytest.raises(ValueError, match=f"expected a JSON object, got {kind}"):
        codec.decode(data, ChatCompletion)


THREADS = """
import sys, threading
import msgspec
from openai_async.protocol.codec import typed_decoder

def new():
    inner = msgspec.defstruct("Inner", [(f"i{n}", str | None, None) for n in range(30)])
    return msgspec.defstruct("Outer", [(f"o{n}", list[inner] | None, None) for n in range(30)])

def work(kind, barrier):
    barrier.wait(10)
    assert typed_decoder(kind).decode(b'{"o29": [{"i29": "x"}]}').o29[0].i29 == "x"

sys.setswitchinterval(1e-6)
for _ in range(150):
    barrier, kind = threading.Barrier(4), new()
    threads = [threading.Thread(target=work, args=(kind, barrier)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_need_the_same_decoder_at_once():
    """Several threads may decode a type for the first time: msgspec alone would end the process, which is one of its own."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_strict_decoders_are_made_once():
    """The typed decoder of a class is made once."""
    decoder = codec.strict_decoder(ChatCompletionChunk)
    assert codec.strict_decoder(ChatCompletionChunk) is decoder
    assert decoder.type is ChatCompletionChunk


# Writing.


class Colour(Enum):
    """An enumeration of values of several types."""

    RED = "red"
    PAIR = (1, 2)


class Level(IntEnum):
    """Numbers with names."""

    HIGH = 3


class Word(StrEnum):
    """Strings with names."""

    YES = "yes"


class Loud(str):
    """A string that prints as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


class Count(int):
    """A number of a type of its own."""


class Ratio(float):
    """Likewise."""


class Point(pydantic.BaseModel):
    """A model of pydantic's."""

    x: int = 0
    y: int = 0
    label: str | None = None


@given(value=JSON)
def test_plain_data_is_written_as_it_is(value):
    """Plain data is written without a change."""
    assert json.loads(codec.dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": omit, "b": not_given, "c": None}, {"c": None}),
        ({"a": {"b": omit}}, {"a": {}}),
        ((1, 2), [1, 2]),
        (frozenset({1}), [1]),
        ({"a": 1}.values(), [1]),
        ((number for number in range(3)), [0, 1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": omit, "b": (1,)}), {"b": [1]}),
        (Colour.RED, "red"),
        (Colour.PAIR, [1, 2]),
        (Level.HIGH, 3),
        ({Word.YES: Word.YES}, {"yes": "yes"}),
        (Loud("quiet"), "quiet"),
        ({Loud("quiet"): [Loud("quiet")]}, {"quiet": ["quiet"]}),
        (Count(4), 4),
        (Ratio(0.5), 0.5),
        (2**70, 2**70),
        (Point(x=1), {"x": 1}),
        ([Point(x=1, label=None)], [{"x": 1, "label": None}]),
        (ChoiceDelta(content="x"), {"content": "x"}),
        (ChatCompletionMessage(content="x", annotations=[]), {"role": "assistant", "content": "x"}),
        ("\u2028é€😀\0", "\u2028é€😀\0"),
    ],
)
def test_what_users_pass(value, written):
    """What users of the official SDK pass is written: mappings, iterables, enums, models of both kinds, subclasses."""
    assert json.loads(codec.dumps(value)) == written


def test_a_message_goes_back():
    """A message of an answer becomes a message parameter again, vendors' keys included, wherever it stands."""
    message = ChatCompletionMessage.from_dict(
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}},
            ],
        }
    )
    sent = json.loads(codec.dumps({"messages": [{"role": "user", "content": "x"}, message]}))["messages"][1]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert sent == {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]}


class Opaque:
    """Nothing that JSON has."""


def itself():
    """A list that contains itself."""
    value: list[object] = []
    value.append({"a": value})
    return value


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (b"x", TypeError, r"the value: a bytes can't be sent as JSON; decode it, or encode it as base64"),
        ([bytearray(b"x")], TypeError, r"\[0\]: a bytearray can't be sent"),
        ({"a": [1, {"b": memoryview(b"x")}]}, TypeError, r"a\[1\]\.b: a memoryview can't be sent"),
        ({"messages": [{"content": {1}, "role": b"x"}]}, TypeError, r"messages\[0\]\.role: a bytes"),
        (
            {"messages": [{"content": Opaque()}]},
            TypeError,
            r"messages\[0\]\.content: a Opaque can't be sent as JSON; turn it",
        ),
        ({"a": object}, TypeError, r"a: a type can't be sent"),
        ([omit], TypeError, r"\[0\]: a Omit can't be sent"),
        (1j, TypeError, r"the value: a complex"),
        ({"a": {1: 2}}, TypeError, r"a: a JSON object's keys are strings, not 1"),
        ({None: 1}, TypeError, r"keys are strings, not None"),
        ({("x" * 100,): 1}, TypeError, r"keys are strings, not a tuple$"),
        ({"a": math.nan}, ValueError, r"a: JSON has no number nan"),
        ([0.5, math.inf], ValueError, r"\[1\]: JSON has no number inf"),
        ({"a": Ratio("-inf")}, ValueError, r"a: JSON has no number -inf"),
        ({"a": "x" * 50 + "\ud83d" + "y" * 50}, ValueError, r"^a: it holds half of a surrogate pair.* character 50$"),
        ({"a": "xy\ude00z"}, ValueError, r"surrogate pair, which is no text, at character 2$"),
        ({"\ude00": 1}, ValueError, "half of a surrogate pair"),
        (ChoiceDelta.from_dict({"content": "x", "y": [math.nan]}), ValueError, r"y\[0\]: JSON has no number nan"),
        (itself(), ValueError, "contains itself, or is nested too deeply"),
        (json.loads(nested(900)), ValueError, "contains itself, or is nested too deeply"),
    ],
)
def test_what_can_not_be_sent(value, kind, message):
    """What JSON has no form for is refused, and the message says where it stands and what to do."""
    with pytest.raises(kind, match=message):
        codec.dumps(value)


def test_a_generator_is_read_once_and_in_order():
    """An iterable's members are written in its order, each looked at once."""
    seen = []

    def members():
        for number in range(3):
            seen.append(number)
            yield {"n": number}

    assert codec.dumps({"a": members()}) == b'{"a":[{"n":0},{"n":1},{"n":2}]}'
    assert seen == [0, 1, 2]


def test_nothing_given_is_changed():
    """The values given are as they were afterwards."""
    value = {"a": omit, "b": [{"c": (1,)}]}
    codec.dumps(value)
    assert value == {"a": omit, "b": [{"c": (1,)}]}
