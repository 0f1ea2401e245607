"""Events: what happened, once each, in order, and for ever as it was."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import CHUNK, streams

from openai_async.protocol import eventtypes
from openai_async.protocol.chunks import ChunkDecoder
from openai_async.protocol.events import EventBuilder
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import ServerSentEvent
from openai_async.types.chat import ChatCompletionChunk


class Stream:
    """A stream that is fed dicts and keeps its events."""

    def __init__(self):
        self.accumulator = ChatCompletionAccumulator()
        self.builder = EventBuilder(self.accumulator)
        self.decoder = ChunkDecoder()
        self.events = []

    def add(self, chunk, *, told=True):
        """Add a chunk, and tell its events unless `told` is False."""
        decoded = self.decoder.decode(ServerSentEvent(json.dumps(chunk).encode()))
        self.accumulator.add(decoded)
        new = self.builder.events(decoded) if told else []
        self.events += new
        return new


def happened(*chunks):
    """The events of all chunks but the chunk events."""
    stream = Stream()
    for chunk in chunks:
        stream.add(chunk)
    return [event for event in stream.events if event.type != "chunk"]


def types(*chunks):
    """Their types."""
    return [event.type for event in happened(*chunks)]


def piece(index=0, finish=None, logprobs=None, **delta):
    """A chunk with one choice."""
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}]}


def call(index, arguments=None, **fields):
    """A fragment of a function call."""
    function = {
        name: value
        for name, value in (("name", fields.pop("name", None)), ("arguments", arguments))
        if value is not None
    }
    return {"index": index, **fields, "function": function}


def token(text):
    """One token's log probability."""
    return {"token": text, "logprob": -0.5, "top_logprobs": []}


# Text.


def test_text():
    """Each piece of text is a delta, and the whole is done with the finish."""
    told = happened(
        piece(role="assistant", content=""), piece(content="Hel"), piece(content="lo"), piece(finish="stop")
    )
    assert [(event.type, getattr(event, "delta", None)) for event in told] == [
        ("content.delta", ""),
        ("content.delta", "Hel"),
        ("content.delta", "lo"),
        ("content.done", None),
    ]
    assert [event.snapshot for event in told[:3]] == ["", "Hel", "Hello"]
    assert told[3].content == "Hello"
    assert {event.choice_index for event in told} == {0}


def test_refusals():
    """A refusal is told as text is, under its own names."""
    told = happened(piece(refusal="I "), piece(refusal="won't"), piece(finish="stop"))
    assert [event.type for event in told] == ["refusal.delta", "refusal.delta", "refusal.done"]
    assert [event.snapshot for event in told[:2]] == ["I ", "I won't"]
    assert told[2].refusal == "I won't"


def test_no_done_without_anything():
    """What never had content is not done: no text, an empty one, and null."""
    assert types(piece(finish="stop")) == []
    assert types(piece(content=""), piece(finish="stop")) == ["content.delta"]
    assert types(piece(content=None, refusal=None), piece(finish="stop")) == []


def test_parts():
    """Text that comes in a list of parts is told like any other text."""
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hel"}]
    told = happened(piece(content=parts), piece(content="lo"), piece(finish="stop"))
    assert [event.delta for event in told[:2]] == ["Hel", "lo"]
    assert [event.snapshot for event in told[:2]] == ["Hel", "Hello"]
    assert told[2].content == "Hello"


def test_finish_with_the_last_piece():
    """A finish in the same chunk as the last piece is told after it."""
    assert types(piece(content="a", finish="stop")) == ["content.delta", "content.done"]


def test_text_after_the_finish():
    """What comes after the finish is told by deltas; done is not told twice, also for a second finish."""
    told = happened(piece(content="a", finish="stop"), piece(content="b"), piece(finish="stop"))
    assert [event.type for event in told] == ["content.delta", "content.done", "content.delta"]
    assert told[1].content == "a"
    assert told[2].snapshot == "ab"


def test_text_after_a_call():
    """Text that goes on after a tool call is not done before the finish."""
    told = happened(
        piece(content="A"),
        piece(tool_calls=[call(0, "{}", id="a", name="f")]),
        piece(content="B"),
        piece(finish="stop"),
    )
    (done,) = [event for event in told if event.type == "content.done"]
    assert done.content == "AB"


# Choices.


def test_several_choices():
    """Events say which choice they are of, and each choice is done with its own finish."""
    both = {"choices": [*piece(0, content="a")["choices"], *piece(1, content="x")["choices"]]}
    told = happened(both, piece(1, content="y", finish="stop"), piece(0, content="b"), piece(0, finish="length"))
    assert [(event.type, event.choice_index) for event in told] == [
        ("content.delta", 0),
        ("content.delta", 1),
        ("content.delta", 1),
        ("content.done", 1),
        ("content.delta", 0),
        ("content.done", 0),
    ]
    assert [event.content for event in told if event.type == "content.done"] == ["xy", "ab"]


def test_a_choice_numbered_minus_1():
    """Bedrock's choice -1 is choice 0."""
    told = happened(piece(-1, content="a"), piece(-1, finish="stop"))
    assert [(event.type, event.choice_index) for event in told] == [("content.delta", 0), ("content.done", 0)]


def test_a_choice_twice_in_a_chunk():
    """Two entries for one choice in one chunk are told one after the other, each with its own calls and text."""
    twice = {
        "choices": [
            {"delta": {"content": "a", "tool_calls": [call(0, "{", id="a", name="f"), call(1, "[", id="b", name="g")]}},
            {"delta": {"content": "b", "tool_calls": [call(0, "}")]}},
        ]
    }
    told = happened(twice, piece(tool_calls=[call(1, "]")]))
    assert [(event.delta, event.snapshot) for event in told if event.type == "content.delta"] == [
        ("a", "a"),
        ("b", "ab"),
    ]
    assert [(event.id, event.arguments) for event in told if event.type.startswith("tool")] == [
        ("a", "{"),
        ("b", "["),
        ("a", "{}"),
        ("b", "[]"),
    ]


# Calls.


def test_function_calls():
    """Each fragment is a delta with the arguments so far; the calls are done together, at the finish."""
    told = happened(
        piece(tool_calls=[call(0, "", id="a", name="f", type="function")]),
        piece(tool_calls=[call(0, '{"x"')]),
        piece(tool_calls=[call(1, "{", id="b", name="g")]),
        piece(tool_calls=[call(0, ":1}"), call(1, "}")]),
        piece(finish="tool_calls"),
    )
    deltas = [event for event in told if event.type == "tool_calls.function.arguments.delta"]
    assert [(event.index, event.id, event.name, event.arguments_delta, event.arguments) for event in deltas] == [
        (0, "a", "f", "", ""),
        (0, "a", "f", '{"x"', '{"x"'),
        (1, "b", "g", "{", "{"),
        (0, "a", "f", ":1}", '{"x":1}'),
        (1, "b", "g", "}", "{}"),
    ]
    assert [(event.type, event.index, event.id, event.name, event.arguments) for event in told[5:]] == [
        ("tool_calls.function.arguments.done", 0, "a", "f", '{"x":1}'),
        ("tool_calls.function.arguments.done", 1, "b", "g", "{}"),
    ]


def test_a_whole_call_with_the_finish():
    """A call that comes whole, in the chunk that finishes, is told and done."""
    assert types(piece(tool_calls=[call(0, "{}", id="a", name="f")], finish="tool_calls")) == [
        "tool_calls.function.arguments.delta",
        "tool_calls.function.arguments.done",
    ]


def test_a_fragment_without_a_function():
    """A first fragment that only names the call says nothing of its arguments."""
    told = happened(
        piece(tool_calls=[{"index": 0, "id": "a", "type": "function"}]), piece(tool_calls=[call(0, "{}", name="f")])
    )
    assert [(event.type, event.name, event.arguments) for event in told] == [
        ("tool_calls.function.arguments.delta", "f", "{}"),
    ]


def test_custom_tools():
    """A custom tool has events of its own."""
    told = happened(
        piece(tool_calls=[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": ""}}]),
        piece(tool_calls=[{"index": 0, "custom": {"input": "x"}}]),
        piece(tool_calls=[{"index": 0, "custom": {"input": "y"}}, call(1, "{}", id="b", name="f")]),
        piece(finish="tool_calls"),
    )
    deltas = [event for event in told if event.type == "tool_calls.custom.input.delta"]
    assert [(event.index, event.id, event.name, event.input_delta, event.input) for event in deltas] == [
        (0, "a", "c", "", ""),
        (0, "a", "c", "x", "x"),
        (0, "a", "c", "y", "xy"),
    ]
    custom, function = told[-2:]
    assert (custom.type, custom.index, custom.id, custom.name, custom.input) == (
        "tool_calls.custom.input.done",
        0,
        "a",
        "c",
        "xy",
    )
    assert function.type == "tool_calls.function.arguments.done"


def test_a_custom_fragment_of_a_function():
    """Text that a vendor puts into the other of the two places counts, so that what follows is right."""
    told = happened(
        piece(tool_calls=[{"index": 0, "id": "a", "type": "function", "custom": {"name": "f", "input": "{"}}]),
        piece(tool_calls=[call(0, "}")]),
    )
    assert [(event.arguments_delta, event.arguments) for event in told] == [("{", "{"), ("}", "{}")]


def test_calls_without_numbers():
    """Calls that the vendor does not number are told by the number they get."""
    first, second = ({"id": name, "function": {"name": name, "arguments": "{}"}} for name in "ab")
    told = happened(piece(tool_calls=[first, second]), piece(finish="stop"))
    assert [(event.index, event.id) for event in told] == [(0, "a"), (1, "b"), (0, "a"), (1, "b")]


# Log probabilities.


def test_logprobs():
    """Log probabilities are told as they come, each with all so far, and all at the finish; empty ones are not."""
    told = happened(
        piece(content="a", logprobs={"content": [token("a")], "refusal": None}),
        piece(refusal="n", logprobs={"content": [], "refusal": [token("n")]}),
        piece(content="b", logprobs={"content": [token("b"), token("c")]}),
        piece(finish="stop", logprobs={"content": [], "refusal": []}),
    )

    def tokens(found):
        return "".join(item.token for item in found)

    deltas = [event for event in told if event.type == "logprobs.content.delta"]
    assert [(tokens(event.content), tokens(event.snapshot)) for event in deltas] == [("a", "a"), ("bc", "abc")]
    (delta,) = [event for event in told if event.type == "logprobs.refusal.delta"]
    assert (tokens(delta.refusal), tokens(delta.snapshot)) == ("n", "n")
    assert [event.type for event in told[-4:]] == [
        "content.done",
        "refusal.done",
        "logprobs.content.done",
        "logprobs.refusal.done",
    ]
    assert tokens(told[-2].content) == "abc"
    assert tokens(told[-1].refusal) == "n"


# The chunk itself, and the past.


def test_chunk_events():
    """Every chunk is an event of its own, before those it caused, with the completion as it was after it."""
    stream = Stream()
    for chunk in (piece(content="a"), {"usage": {"total_tokens": 1}}, piece(content="b", finish="stop")):
        first, *_ = stream.add(chunk)
        assert first.type == "chunk"
        assert first.chunk.to_dict().items() >= ChatCompletionChunk.from_dict(chunk).to_dict().items()
        assert first.snapshot.to_dict() == stream.accumulator.completion().to_dict()


@given(chunks=streams())
def test_what_events_say_does_not_change(chunks):
    """What an event says right after it happened, it says when all is over."""
    stream = Stream()
    then = []
    for chunk in chunks:
        then += [[copy.deepcopy(getattr(event, name)) for name in visible(event)] for event in stream.add(chunk)]
    assert [[getattr(event, name) for name in visible(event)] for event in stream.events] == then


def visible(event):
    """The names that an event has for its reader."""
    return [name for name in dir(event) if name[0] != "_"]


@given(chunks=streams())
def test_deltas_and_dones_agree(chunks):
    """The deltas of each text add up to its snapshots and to its done event, which comes once, after all of them."""
    texts: dict[tuple[object, ...], str] = {}
    done: dict[tuple[object, ...], str] = {}
    for event in happened(*chunks):
        kind, _, what = event.type.rpartition(".")
        if kind.startswith("logprobs"):
            continue
        place = (kind, event.choice_index, getattr(event, "index", None))
        whole = "arguments" if "function" in kind else "input" if "custom" in kind else kind
        if what == "delta":
            piece = getattr(event, f"{whole}_delta", None)
            texts[place] = texts.get(place, "") + (event.delta if piece is None else piece)
            assert place not in done
            assert (event.snapshot if piece is None else getattr(event, whole)) == texts[place]
        else:
            assert place not in done
            done[place] = getattr(event, whole)
    assert {place: text for place, text in texts.items() if text or place[2] is not None} == done


def test_snapshots_when_the_reader_skips():
    """A snapshot stays what it was also when chunks were added without asking for their events."""
    stream = Stream()
    (chunk_event, delta) = stream.add(piece(content="a"))
    stream.add(piece(content="b"), told=False)
    assert chunk_event.snapshot.choices[0].message.content == "a"
    assert delta.snapshot == "a"


@given(chunks=streams(), seed=st.integers(0, 5))
def test_events_from_the_middle_on(chunks, seed):
    """Whoever asks for events in the middle of a stream gets those that the rest causes, with the same snapshots."""
    middle = min(seed, len(chunks))
    late, full = Stream(), Stream()
    for chunk in chunks[:middle]:
        full.add(chunk)
        late.add(chunk, told=False)
    late.builder = EventBuilder(late.accumulator)
    for chunk in chunks[middle:]:
        for mine, other in zip(late.add(chunk), full.add(chunk), strict=True):
            assert [getattr(mine, name) for name in visible(mine)] == [getattr(other, name) for name in visible(other)]


def test_events_after_a_finish():
    """Whoever asks after a choice's finish is not told that it is done by a second one."""
    stream = Stream()
    stream.add(piece(content="a", finish="stop"), told=False)
    stream.builder = EventBuilder(stream.accumulator)
    assert [event.type for event in stream.add(piece(content="b", finish="stop"))] == ["chunk", "content.delta"]


def test_repr():
    """An event prints what it says, and not what its snapshots are made of."""
    stream = Stream()
    for chunk in (CHUNK, CHUNK):
        stream.add(chunk)
    for event in stream.events:
        assert repr(event).startswith(f"{type(event).__name__}(")
        assert " _" not in repr(event)
    told = happened(piece(content="a", finish="stop"))
    assert repr(told[0]) == "ContentDeltaEvent(delta='a', choice_index=0, type='content.delta')"
    assert repr(told[1]) == "ContentDoneEvent(content='a', choice_index=0, type='content.done', parsed=None)"


def test_every_type_is_told():
    """A chunk of every field causes an event of each type that there is."""
    events = happened(CHUNK) + happened(piece(reasoning_content="hm", finish="stop"))
    told = {type(event).__name__ for event in events} | {"ChunkEvent"}
    assert told == set(eventtypes.__all__) - {"ChatCompletionStreamEvent", "StreamEvent"}
    assert len({event.type for event in events}) == len(told) - 1


@pytest.mark.parametrize("chunk", [{}, {"choices": []}, piece(), piece(role="assistant"), piece(x="reasoning")])
def test_chunks_that_say_nothing(chunk):
    """A chunk without text, calls and log probabilities is a chunk event and nothing else."""
    assert happened(chunk) == []
