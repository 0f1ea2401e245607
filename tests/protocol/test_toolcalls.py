"""Fragments join to calls, whatever a vendor does with `index` and `id`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.errors import StreamProtocolError
from openai_async.protocol.toolcalls import ToolCalls
from openai_async.types.chat import (
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    ChoiceDeltaToolCall,
)


def piece(arguments=None, *, name=None, **fields):
    """A fragment of a function call; `arguments` and `name` stand in its function."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, **({"function": function} if function else {})}


def called(*chunks):
    """The calls that chunks, lists of fragments, add up to."""
    calls = ToolCalls()
    for chunk in chunks:
        calls.add([ChoiceDeltaToolCall.from_dict(fragment) for fragment in chunk])
    return calls


def summary(*chunks):
    """Id, name and arguments of each call, in order."""
    return [(call.id, call.name, call.text.value()) for call in called(*chunks).snapshots()]


# How vendors number, by the table in the module's docstring: the chunks, and the calls they mean.
NUMBERINGS = {
    "one call in pieces": (
        [[piece(id="a", name="f", index=0)], [piece('{"x"', index=0)], [piece(":1}", index=0)]],
        [("a", "f", '{"x":1}')],
    ),
    "two calls, interleaved": (
        [
            [piece(id="a", name="f", index=0), piece(id="b", name="g", index=1)],
            [piece("{", index=1)],
            [piece("[", index=0)],
            [piece("]", index=0), piece("}", index=1)],
        ],
        [("a", "f", "[]"), ("b", "g", "{}")],
    ),
    "an id in every piece": (
        [[piece("{", id="a", name="f", index=0)], [piece("}", id="a", name="f", index=0)]],
        [("a", "f", "{}")],
    ),
    "an empty id later": ([[piece("{", id="a", name="f", index=0)], [piece("}", id="", index=0)]], [("a", "f", "{}")]),
    "an id that comes late": ([[piece("{", name="f", index=0)], [piece("}", id="a", index=0)]], [("a", "f", "{}")]),
    "from 1": (
        [[piece("{", id="a", name="f", index=1)], [piece("}", index=1)], [piece("[]", id="b", name="g", index=2)]],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "with gaps, backwards": (
        [[piece("[]", id="b", name="g", index=7)], [piece("{}", id="a", name="f", index=3)]],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "all 0 (Gemini)": (
        [[piece("{}", id="a", name="f", index=0)], [piece("[", id="b", name="g", index=0)], [piece("]", index=0)]],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "all 0, in one chunk": (
        [[piece("{}", id="a", name="f", index=0), piece("[]", id="b", name="g", index=0)]],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "all 0, interleaved by id": (
        [
            [piece("{", id="a", name="f", index=0)],
            [piece("[", id="b", name="g", index=0)],
            [piece("}", id="a", index=0)],
            [piece(" ", index=0)],
            [piece("]", id="b", index=0)],
        ],
        [("a", "f", "{} "), ("b", "g", "[]")],
    ),
    "-1 (Bedrock)": (
        [[piece("{", id="a", name="f", index=-1)], [piece("}", index=-1)]],
        [("a", "f", "{}")],
    ),
    "-1 for two": (
        [
            [piece("{", id="a", name="f", index=-1)],
            [piece("}", index=-1)],
            [piece("[", id="b", name="g", index=-1)],
            [piece("]", index=-1)],
        ],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "-1 after a number": (
        [[piece("{", id="a", name="f", index=0)], [piece("}", index=-1)]],
        [("a", "f", "{}")],
    ),
    "-1 first, without an id": ([[piece("{", name="f", index=-1)], [piece("}", index=-1)]], [("", "f", "{}")]),
    "as text": ([[piece("{", id="a", name="f", index="0")], [piece("}", index="0")]], [("a", "f", "{}")]),
    "as a float": ([[piece("{", id="a", name="f", index=0.0)], [piece("}", index=0.0)]], [("a", "f", "{}")]),
    "null": ([[piece("{", id="a", name="f", index=None)], [piece("}", index=None)]], [("a", "f", "{}")]),
    "as nonsense": ([[piece("{", id="a", name="f", index="x")], [piece("}", index=True)]], [("a", "f", "{}")]),
    "huge": ([[piece("{", id="a", name="f", index=10**30)], [piece("}", index=10**30)]], [("a", "f", "{}")]),
    "below -1": ([[piece("{", id="a", name="f", index=-7)], [piece("}", index=-7)]], [("a", "f", "{}")]),
    "from the second piece": (
        [
            [piece("{", id="a", name="f")],
            [piece("}", index=0)],
            [piece("[", id="b", name="g", index=1)],
            [piece("]", index=1)],
        ],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "not at all, by ids": (
        [
            [piece("{", id="a", name="f")],
            [piece("[", id="b", name="g")],
            [piece("}", id="a")],
            [piece("]", id="b")],
        ],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "not at all, pieces without an id": (
        [
            [piece("{", id="a", name="f")],
            [piece("}")],
            [piece("[", id="b", name="g")],
            [piece("]")],
        ],
        [("a", "f", "{}"), ("b", "g", "[]")],
    ),
    "not at all, the id first": (
        [[{"id": "a", "type": "function"}], [piece(name="f")], [piece("{")], [piece("}")]],
        [("a", "f", "{}")],
    ),
    "whole calls without anything (Ollama)": (
        [[piece("{}", name="f"), piece("{}", name="f")]],
        [("", "f", "{}"), ("", "f", "{}")],
    ),
    "whole calls in chunks of their own": (
        [[piece("{}", name="f")], [piece("{}", name="f")], [piece("[]", name="g")]],
        [("", "f", "{}"), ("", "f", "{}"), ("", "g", "[]")],
    ),
    "a name in every piece": (
        [[piece("{", name="f")], [piece("}", name="f")], [piece("[", name="g")], [piece("]", name="g")]],
        [("", "f", "{}"), ("", "g", "[]")],
    ),
    "nothing in the first piece": ([[piece("{")], [piece("}")]], [("", "", "{}")]),
    "nothing at all": ([[{}], [{}]], [("", "", "")]),
    "no fragments": ([[], []], []),
    "a name alone, then arguments": ([[piece(name="f", index=0, id="a")], [piece("{}", index=0)]], [("a", "f", "{}")]),
    "an object for arguments (Ollama)": (
        [[piece({"x": [1, "é"]}, name="f", id="a", index=0)]],
        [("a", "f", '{"x":[1,"é"]}')],
    ),
    "a new index with a known id": (
        [[piece("{}", id="a", name="f", index=0)], [piece("[]", id="a", name="g", index=1)]],
        [("a", "f", "{}"), ("a", "g", "[]")],
    ),
}


@pytest.mark.parametrize(("chunks", "calls"), NUMBERINGS.values(), ids=NUMBERINGS.keys())
def test_numberings(chunks, calls):
    """Fragments belong to the calls that the vendor means."""
    assert summary(*chunks) == calls


@pytest.mark.parametrize(("chunks", "calls"), NUMBERINGS.values(), ids=NUMBERINGS.keys())
def test_whole_calls(chunks, calls):
    """The finished calls say the same, in the same order, and carry neither index nor nulls."""
    values = [call.to_dict() for call in called(*chunks).values()]
    assert values == [
        {"id": id, "type": "function", "function": {"name": name, "arguments": text}} for id, name, text in calls
    ]


@given(
    pieces=st.lists(st.tuples(st.integers(0, 3), st.text(max_size=3)), max_size=12),
    start=st.integers(-1, 5),
    named=st.booleans(),
)
def test_interleaved_pieces(pieces, start, named):
    """Numbered calls come out whole, from whichever number they start and however their pieces mix."""
    if start == -1:
        start = 0
    texts: dict[int, str] = {}
    chunks = []
    for index, text in pieces:
        first = index not in texts
        texts[index] = texts.get(index, "") + text
        fields = {"id": f"call_{index}", "name": f"f{index}"} if first or named else {}
        chunks.append([piece(text, index=start + index, **fields)])
    assert summary(*chunks) == [(f"call_{index}", f"f{index}", texts[index]) for index in sorted(texts)]


# What a call is made of.


def test_identity_is_set_once():
    """Id, type and name are never appended to, and the first that says something counts."""
    chunks = [
        [piece("", id="a", name="f", index=0, type="function")],
        [piece("{}", id="a", name="f", index=0, type="function")],
        [piece("", name="g", index=0, type="custom")],
    ]
    (call,) = called(*chunks).values()
    assert call.to_dict() == {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_a_custom_tool():
    """A custom tool's input is joined to a call of its own type."""
    (call,) = called(
        [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": ""}}],
        [{"index": 0, "custom": {"name": "c", "input": "x = "}}],
        [{"index": 0, "custom": {"name": "", "input": "1"}}],
        [{"index": 0, "custom": {"name": "d"}}],
    ).values()
    assert isinstance(call, ChatCompletionMessageCustomToolCall)
    assert call.to_dict() == {"id": "a", "type": "custom", "custom": {"name": "c", "input": "x = 1"}}


def test_a_custom_tool_without_a_type():
    """A custom tool is known by its key, too; beside it stands a function."""
    custom, function = called(
        [{"index": 0, "id": "a", "custom": {"name": "c", "input": "x"}}, piece("{}", id="b", name="f", index=1)],
    ).values()
    assert isinstance(custom, ChatCompletionMessageCustomToolCall)
    assert isinstance(function, ChatCompletionMessageFunctionToolCall)


def test_custom_calls_without_numbers():
    """Whole custom calls without index and id are told apart by their names."""
    assert summary([{"custom": {"name": "c", "input": "x"}}, {"custom": {"name": "c", "input": "y"}}]) == [
        ("", "c", "x"),
        ("", "c", "y"),
    ]


def test_an_unknown_type():
    """A call of a type that nobody knows keeps it."""
    (call,) = called(
        [{"index": 0, "id": "a", "type": "mcp", "mcp": {"x": "1"}}], [{"index": 0, "mcp": {"x": "2"}}]
    ).values()
    assert call.to_dict() == {
        "id": "a",
        "type": "mcp",
        "mcp": {"x": "12"},
        "function": {"name": "", "arguments": ""},
    }


def test_unknown_keys():
    """What vendors add to a call, to its function or to its custom tool, is joined and stays."""
    (call,) = called(
        [{"index": 0, "id": "a", "x": "1", "function": {"name": "f", "thought": "a", "x_id": "1"}}],
        [{"index": 0, "x": "2", "function": {"arguments": "{}", "thought": "b", "x_id": "1"}}],
    ).values()
    assert call.model_extra == {"x": "12"}
    assert call.function.model_extra == {"thought": "ab", "x_id": "1"}
    (call,) = called([{"index": 0, "custom": {"name": "c", "y": 1}}], [{"index": 0, "custom": {"y": 2}}]).values()
    assert call.custom.model_extra == {"y": 2}


@pytest.mark.parametrize(
    ("misfit", "expected"),
    [
        ({"index": "x"}, {}),
        ({"index": []}, {}),
        ({"id": []}, {}),
        ({"type": {}}, {}),
        ({"function": "x"}, {}),
        ({"function": {"name": [], "arguments": True}}, {}),
        ({"custom": "x"}, {"custom": "x"}),
    ],
)
def test_values_that_did_not_fit(misfit, expected):
    """A value of the wrong type never hides what the other fragments said, and an index never stays."""
    whole = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chunks = [[{"index": 0, **whole}], [{"index": 0, **misfit}], [{}]]
    (call,) = called(*chunks).values()
    assert call.to_dict() == {**whole, **expected}


def test_misfits_alone():
    """A misfit is kept where nothing better came."""
    (call,) = called([{"index": 0, "id": ["a"], "function": {"name": ["f"]}}]).values()
    assert call.to_dict() == {"id": ["a"], "type": "function", "function": {"name": ["f"], "arguments": ""}}


@pytest.mark.parametrize(
    ("text", "whole"), [("{}", True), ('{"a":1}', True), ("{", False), ("", False), ("x", False), ("5", True)]
)
def test_whole_arguments(text, whole):
    """Arguments are whole when they are JSON."""
    (call,) = called([piece(text, index=0)]).snapshots()
    assert call.whole is whole


def test_touched():
    """The calls that fragments belong to are kept in the fragments' order, over all chunks."""
    calls = called([piece(id="a", index=0), piece(id="b", index=1)], [piece("x", index=1), piece("y", index=0)])
    assert [call.id for call in calls.touched] == ["a", "b", "b", "a"]


def test_too_many_calls():
    """A message may have 128 calls, which any number of pieces may fill; one more breaks the stream."""
    calls = called(*([piece("x", id=f"c{number}", index=number)] for number in range(128)))
    calls.add([ChoiceDeltaToolCall(index=5)])
    assert len(calls.values()) == 128
    with pytest.raises(StreamProtocolError, match="more than 128 tool calls"):
        calls.add([ChoiceDeltaToolCall(index=128)])


def test_too_many_calls_without_numbers():
    """The limit holds for calls that come without index and id."""
    with pytest.raises(StreamProtocolError):
        called([piece("{}", name="f")] * 129)
