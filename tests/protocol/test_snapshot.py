"""Chunks join to a completion: by name, in linear time, and to what a plain fold over the JSON gives."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fold import clean, fold
from support.sse_cases import cuts
from support.strategies import CHUNK, replaced, streams

from openai_async.errors import StreamProtocolError
from openai_async.protocol.chunks import ChunkDecoder
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.protocol.sse import EventParser, ServerSentEvent
from openai_async.types.chat import ChatCompletionChunk, ChatCompletionMessage, ChoiceDelta


def accumulated(chunks):
    """An accumulator with chunks, given as dicts, in it."""
    accumulator, decoder = ChatCompletionAccumulator(), ChunkDecoder()
    for chunk in chunks:
        accumulator.add(decoder.decode(ServerSentEvent(json.dumps(chunk).encode())))
    return accumulator


def joined(*chunks):
    """The completion that chunks, given as dicts, add up to, as plain data."""
    return accumulated(chunks).completion().to_dict()


def said(*deltas, **choice):
    """The one choice that deltas add up to, as plain data."""
    (found,) = joined(*({"choices": [{"index": 0, "delta": delta, **choice}]} for delta in deltas))["choices"]
    return found


def message(*deltas):
    """The message that deltas add up to, as plain data, without the role that every message has."""
    found = said(*deltas)["message"]
    assert found.pop("role") == "assistant"
    return found


# The whole, against a fold.


@given(chunks=streams())
def test_the_completion_is_that_of_a_plain_fold(chunks):
    """Whatever a stream holds, the accumulated completion is what a fold over its plain JSON gives."""
    accumulator = accumulated(chunks)
    assert clean(accumulator.completion().to_dict()) == clean(fold(chunks))
    assert accumulator.finished
    assert accumulator.chunks == len(chunks)


@given(chunks=streams())
def test_every_beginning(chunks):
    """The completion so far is what a fold over the chunks so far gives, and later chunks don't change it."""
    accumulator, decoder = ChatCompletionAccumulator(), ChunkDecoder()
    snapshots = []
    for chunk in chunks:
        accumulator.add(decoder.decode(ServerSentEvent(json.dumps(chunk).encode())))
        snapshots.append(accumulator.completion())
    for count, snapshot in enumerate(snapshots, 1):
        assert clean(snapshot.to_dict()) == clean(fold(chunks[:count]))


@given(chunks=streams(), seed=st.integers(0, 99))
def test_from_bytes_cut_anywhere(chunks, seed):
    """The same stream as bytes, cut anywhere, gives the same completion."""
    stream = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    parser, decoder, accumulator = EventParser(), ChunkDecoder(), ChatCompletionAccumulator()
    for piece in cuts(stream, seed=seed, longest=200):
        for event in parser.feed(piece):
            accumulator.add(decoder.decode(event))
    assert accumulator.completion() == accumulated(chunks).completion()


@given(chunks=streams())
def test_the_final_completion_goes_on(chunks):
    """What was accumulated can be written and read again, pickled, copied, and sent back as a message."""
    completion = accumulated(chunks).completion()
    again = type(completion).from_dict(json.loads(completion.to_json()))
    assert clean(again.to_dict()) == clean(completion.to_dict())
    assert pickle.loads(pickle.dumps(completion)) == copy.deepcopy(completion) == completion
    for choice in completion.choices:
        param = choice.message.to_param()
        assert param["role"] == "assistant"
        assert all("index" not in call for call in param.get("tool_calls", ()))


# Nothing, and the first chunk.


def test_no_chunks():
    """Without a chunk there is an empty completion, not finished and without usage."""
    accumulator = ChatCompletionAccumulator()
    assert accumulator.completion().to_dict() == {
        "id": "",
        "choices": [],
        "created": 0,
        "model": "",
        "object": "chat.completion",
    }
    assert accumulator.chunks == 0
    assert not accumulator.finished
    assert accumulator.usage is None


def test_a_chunk_of_every_field():
    """One chunk with every field of the schema in it becomes a completion that says the same."""
    completion = joined(CHUNK)
    message = completion["choices"][0]["message"]
    delta = copy.deepcopy(CHUNK["choices"][0]["delta"])
    for call in delta["tool_calls"]:
        del call["index"]
    assert message == delta
    assert completion["choices"][0]["logprobs"] == CHUNK["choices"][0]["logprobs"]
    for name in ("id", "created", "model", "service_tier", "system_fingerprint", "moderation", "usage"):
        assert completion[name] == CHUNK[name]
    assert completion["object"] == "chat.completion"
    assert "obfuscation" not in completion


# Fields of the whole.


@pytest.mark.parametrize("name", ["id", "model"])
def test_names_of_the_whole(name):
    """The first id and model that say something count: Azure's first chunk has empty ones."""
    assert joined({name: ""}, {name: "a"}, {name: "b"}, {})[name] == "a"


def test_created():
    """The first time that is not 0 counts."""
    assert joined({"created": 0}, {"created": 5}, {"created": 6})["created"] == 5


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("usage", [None, {"total_tokens": 1}, None], {"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 1}),
        (
            "usage",
            [{"total_tokens": 1, "x": 1}, {"total_tokens": 2}],
            {
                "completion_tokens": 0,
                "prompt_tokens": 0,
                "total_tokens": 2,
            },
        ),
        ("system_fingerprint", ["fp", None], "fp"),
        ("system_fingerprint", [None, "a", "b"], "b"),
        ("service_tier", [None, None, "default"], "default"),
        ("service_tier", ["auto", "default", None], "default"),
    ],
)
def test_the_last_that_is_not_null(name, values, expected):
    """Usage, fingerprint and tier are the newest that were sent; null takes nothing away."""
    assert joined(*({name: value} for value in values))[name] == expected


def test_moderation():
    """The moderation result, whichever chunk brings it, stays."""
    result = {"input": {"type": "error", "code": "c", "message": "m"}}
    assert joined({}, {"moderation": result}, {"moderation": None})["moderation"]["input"] == result["input"]


def test_usage_so_far():
    """The usage can be asked for while the stream runs."""
    accumulator = accumulated([{"usage": {"total_tokens": 1}}, {}])
    assert accumulator.usage is not None
    assert accumulator.usage.total_tokens == 1


def test_any_object_name():
    """A chunk whose `object` is missing or another is a chunk; the whole is a completion."""
    assert joined({"object": "x", "choices": [{"delta": {"content": "a"}}]})["object"] == "chat.completion"


# Choices.


def test_choices_in_any_order():
    """Choices may begin and go on in any order, several in a chunk; they come out by their index."""

    def piece(*choices):
        return {"choices": [{"index": index, "delta": {"content": text}} for index, text in choices]}

    whole = joined(piece((2, "c")), piece((0, "a"), (2, "C")), piece((1, "b")), piece((1, "B"), (0, "A")))
    assert [(choice["index"], choice["message"]["content"]) for choice in whole["choices"]] == [
        (0, "aA"),
        (1, "bB"),
        (2, "cC"),
    ]


@pytest.mark.parametrize("chunk", [{}, {"choices": None}, {"choices": []}, {"usage": {"total_tokens": 1}}])
def test_chunks_without_choices(chunk):
    """A chunk without choices says nothing of them."""
    assert said({"content": "a"}) == joined({"choices": [{"delta": {"content": "a"}}]}, chunk)["choices"][0]


@pytest.mark.parametrize("choice", [{}, {"delta": None}, {"delta": {}}, {"index": None}])
def test_empty_choices(choice):
    """A choice without a delta, or without anything, is a choice that says nothing."""
    assert joined({"choices": [choice]})["choices"] == [{"index": 0, "message": {"role": "assistant"}}]


@pytest.mark.parametrize("index", [-1, "0", 0.0, None, [], "x"])
def test_one_choice_however_numbered(index):
    """-1 (Bedrock), text, null and nonsense mean the one choice there is, and leave no trace."""
    chunks = [{"choices": [{"index": index, "delta": {"content": text}}]} for text in "ab"]
    assert joined(*chunks)["choices"] == [{"index": 0, "message": {"role": "assistant", "content": "ab"}}]


@pytest.mark.parametrize("index", [128, 10**30, -2])
def test_impossible_choices(index):
    """A choice that no request can ask for breaks the stream; what was before it stays."""
    accumulator = accumulated([{"choices": [{"delta": {"content": "a"}}]}])
    chunk = ChatCompletionChunk.from_dict({"choices": [{"delta": {"content": "b"}}, {"index": index}]})
    with pytest.raises(StreamProtocolError, match="numbered from 0 to 127"):
        accumulator.add(chunk)
    assert accumulator.completion().choices[0].message.content == "ab"


def test_as_many_choices_as_may_be():
    """128 choices are no error."""
    assert len(joined({"choices": [{"index": index} for index in range(128)]})["choices"]) == 128


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["stop"], "stop"),
        ([None, "length", None], "length"),
        (["", "stop", ""], "stop"),
        (["a", "b"], "b"),
        (["", None], None),
    ],
)
def test_finish_reason(reasons, expected):
    """The last reason that says something counts, whatever word it is."""
    assert (
        joined(*({"choices": [{"finish_reason": reason}]} for reason in reasons))["choices"][0].get("finish_reason")
        == expected
    )


def test_finished():
    """A stream is finished when each choice seen has its reason."""
    chunks = [{"choices": [{"index": 0, "finish_reason": "stop"}, {"index": 1}]}]
    assert not accumulated(chunks).finished
    assert accumulated([*chunks, {"choices": [{"index": 1, "finish_reason": "length"}]}]).finished
    assert not accumulated([{"choices": []}]).finished


# Messages.


@pytest.mark.parametrize(
    "roles", [["assistant", "assistant"], [None, "assistant", ""], ["assistant", None, "user"], [None]]
)
def test_role(roles):
    """The role is set once, however often it is sent, and never missing."""
    assert said(*({"role": role} for role in roles))["message"]["role"] == "assistant"


def test_another_role():
    """A role that is not the assistant's is kept."""
    assert said({"role": "tool"})["message"]["role"] == "tool"


@pytest.mark.parametrize("name", ["content", "refusal"])
@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["a", "b"], "ab"),
        ([None, "a", None, "b"], "ab"),
        ([""], ""),
        ([None], None),
        (["a", ""], "a"),
        (["a", 5], "a5"),
    ],
)
def test_text(name, pieces, expected):
    """Text is joined; an empty text is text, null is none."""
    assert message(*({name: piece} for piece in pieces)).get(name) == expected


def test_content_after_a_tool_call():
    """Text may go on after tool calls began, and after the finish."""
    chunks = [
        {"choices": [{"delta": {"content": "A"}}]},
        {
            "choices": [
                {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}}
            ]
        },
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [{"delta": {"content": "B"}}]},
    ]
    (choice,) = joined(*chunks)["choices"]
    assert choice["message"]["content"] == "AB"
    assert choice["finish_reason"] == "tool_calls"


def test_no_calls_then_one():
    """An empty list of calls is no call, and hides none."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert message({"tool_calls": []}, {"tool_calls": [{"index": 0, **call}]}, {"tool_calls": []}) == {
        "tool_calls": [call]
    }
    assert message({"tool_calls": []}) == {}


def test_function_call():
    """The deprecated single call is joined like a tool call's function, unknown keys included."""
    call = message(
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"name": "f", "arguments": '{"x":', "x_id": "1"}},
        {"function_call": {"arguments": "1}", "x_id": "1", "n": 2, "thought": "a"}},
        {"function_call": {"thought": "b"}},
        {"function_call": None},
    )
    assert call == {"function_call": {"name": "f", "arguments": '{"x":1}', "x_id": "1", "n": 2, "thought": "ab"}}


def test_annotations():
    """Annotations come one after the other, in one delta or in several; without any there are none."""
    notes = [
        {
            "type": "url_citation",
            "url_citation": {
                "url": f"u{number}",
                "title": "t",
                "start_index": 0,
                "end_index": 1,
            },
        }
        for number in range(3)
    ]
    assert message({"annotations": notes[:2]}, {"annotations": []}, {"annotations": notes[2:]}) == {
        "annotations": notes
    }
    assert message({"annotations": []}) == {}


def test_audio_that_ends_with_its_expiry():
    """An audio answer may end with a chunk that only says when the clip expires; that is its end."""
    choice = said({"audio": {"id": "a", "data": "AAAA"}}, {"audio": {"expires_at": 5}})
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["audio"] == {"id": "a", "data": "AAAA", "transcript": "", "expires_at": 5}
    assert "finish_reason" not in said({"audio": {"id": "a", "data": "AAAA"}})


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
def test_reasoning(name):
    """A vendor's reasoning is joined as text under its own name, and can be read as `reasoning`."""
    completion = accumulated(
        [{"choices": [{"delta": {name: text}}]} for text in ("Let me ", "think", None)]
    ).completion()
    assert completion.choices[0].message.reasoning == "Let me think"
    assert completion.choices[0].message.model_extra == {name: "Let me think"}


def test_reasoning_details():
    """OpenRouter's list of details is joined by the details' index, without one detail after the other."""
    details = [
        {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "a", "format": "x"}]},
        {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "b", "format": "x"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "c"}]},
    ]
    assert message(*details)["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "ab", "format": "x"},
        {"type": "reasoning.encrypted", "data": "c"},
    ]


def test_numbers_are_replaced():
    """Numbers and flags that a vendor sends in each delta are not added up."""
    assert message({"seq": 1, "flag": True}, {"seq": 2, "flag": True}) == {"seq": 2, "flag": True}


def test_extras_beside_the_deltas():
    """Unknown keys of a chunk and of a choice are kept from whichever chunk brings them."""
    whole = joined(
        {"provider": "P", "prompt_filter_results": [{"prompt_index": 0}], "choices": []},
        {
            "provider": "P",
            "choices": [{"delta": {"content": "a"}, "content_filter_results": {"hate": {"filtered": False}}}],
        },
        {"citations": ["u"], "choices": [{"delta": {}, "native_finish_reason": "STOP", "stop_reason": 7}]},
        {"choices": [{"delta": {}, "native_finish_reason": "STOP"}]},
    )
    assert whole["provider"] == "P"
    assert whole["prompt_filter_results"] == [{"prompt_index": 0}]
    assert whole["citations"] == ["u"]
    (choice,) = whole["choices"]
    assert choice["content_filter_results"] == {"hate": {"filtered": False}}
    assert (choice["native_finish_reason"], choice["stop_reason"]) == ("STOP", 7)


# Content as a list of parts (Mistral).

PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hel"}]


def test_parts():
    """The text among parts is the text, and the parts stay; what is sent back has the text that came plainly, too."""
    whole = message({"content": PARTS}, {"content": "lo"}, {"content": [{"type": "text", "text": "!"}]})
    assert whole == {"content": "Hello!", "content_parts": [*PARTS, {"type": "text", "text": "!"}]}
    param = ChatCompletionMessage.from_dict(whole).to_param()
    assert param["content"] == [PARTS[0], {"type": "text", "text": "Hello!"}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (PARTS, "Hel"),
        ([], ""),
        ([{"type": "image", "text": "x"}, "x", {"type": "text"}, {"type": "text", "text": 5}], ""),
        ("a", "a"),
        ("", ""),
        (None, None),
        ({"a": 1}, None),
        (True, None),
    ],
)
def test_the_text_of_a_delta(content, text):
    """A delta's text is its content, or that of its parts; None where there is no content."""
    assert ChoiceDelta.from_dict({"content": content}).text == text
    assert ChoiceDelta.from_dict({"content": content, "x": 1}).text == text
    assert message({"content": content}).get("content", ...) == (
        text if text is not None else content if content is not None else ...
    )


# Log probabilities.


def token(text):
    """One token's log probability."""
    return {"token": text, "logprob": -0.5, "top_logprobs": []}


def test_logprobs():
    """Tokens are listed once each, in order, text and refusal apart, and from whichever chunk they begin."""
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": None}]},
        {"choices": [{"index": 0, "logprobs": {"content": [token("a")], "refusal": None}}]},
        {"choices": [{"index": 1, "logprobs": {"content": None, "refusal": [token("n")]}}]},
        {
            "choices": [
                {"index": 0, "logprobs": {"content": [token("b"), token("c")], "refusal": []}},
                {"index": 1, "logprobs": {"refusal": [token("o")]}},
            ]
        },
    ]
    first, second = joined(*chunks)["choices"]
    assert first["logprobs"] == {"content": [token("a"), token("b"), token("c")], "refusal": []}
    assert second["logprobs"] == {"refusal": [token("n"), token("o")]}


@pytest.mark.parametrize("text", ["same", "Same again"])
def test_text_beside_the_deltas(text):
    """Text that chunk, choice or log probabilities repeat is not appended to itself; inside a delta it is."""
    chunk = {"note": text, "choices": [{"note": text, "logprobs": {"note": text}, "delta": {"note": text}}]}
    whole = joined(chunk, chunk)
    (choice,) = whole["choices"]
    assert whole["note"] == choice["note"] == choice["logprobs"]["note"] == text
    assert choice["message"]["note"] == text * 2


def test_logprobs_extras():
    """Unknown keys in log probabilities stay, also alone."""
    choices = [{"choices": [{"logprobs": {"id": "x", "n": number}}]} for number in range(2)]
    assert joined(*choices)["choices"][0]["logprobs"] == {"id": "x", "n": 1}


@pytest.mark.parametrize("logprobs", [{}, None, {"content": None}])
def test_no_logprobs(logprobs):
    """Log probabilities that say nothing are none."""
    assert "logprobs" not in said({}, logprobs=logprobs)


# Values that did not fit their field.

MISFITS = [
    (("id",), ["x"]),
    (("created",), "soon"),
    (("model",), {}),
    (("service_tier",), ["x"]),
    (("system_fingerprint",), False),
    (("usage",), []),
    (("usage",), "none"),
    (("moderation",), "x"),
    (("choices",), [5]),
    (("choices",), "x"),
    (("choices", 0), "x"),
    (("choices", 0, "finish_reason"), {}),
    (("choices", 0, "index"), {}),
    (("choices", 0, "logprobs"), "x"),
    (("choices", 0, "logprobs", "content"), [5]),
    (("choices", 0, "logprobs", "refusal"), {}),
    (("choices", 0, "delta", "role"), []),
    (("choices", 0, "delta", "content"), {}),
    (("choices", 0, "delta", "refusal"), True),
    (("choices", 0, "delta", "audio"), 5),
    (("choices", 0, "delta", "audio", "data"), []),
    (("choices", 0, "delta", "function_call"), "f"),
    (("choices", 0, "delta", "function_call", "name"), []),
    (("choices", 0, "delta", "annotations"), [5]),
    (("choices", 0, "delta", "tool_calls"), [5]),
    (("choices", 0, "delta", "tool_calls"), "x"),
    (("choices", 0, "delta", "tool_calls", 0), "x"),
]


@pytest.mark.parametrize(("path", "value"), MISFITS, ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_a_misfit_hides_nothing(path, value, first):
    """A value of the wrong type in one chunk does not take the place of what the others said, before or after it."""
    strange = replaced(CHUNK, path, value)
    whole = joined(*([strange, CHUNK] if first else [CHUNK, strange]))
    alone = joined(CHUNK)
    for name in ("id", "created", "model", "service_tier", "system_fingerprint", "usage", "moderation"):
        assert whole[name] == alone[name], name
    choice, expected = whole["choices"][0], alone["choices"][0]
    assert choice["index"] == 0
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"].keys() == expected["logprobs"].keys()
    assert choice["logprobs"]["content"][0] == expected["logprobs"]["content"][0]
    for name, value_of_one in expected["message"].items():
        assert type(choice["message"][name]) is type(value_of_one), name
    assert choice["message"]["content"].startswith("text")
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "f"
    assert choice["message"]["function_call"]["name"] == "f"


def test_a_message_beside_the_deltas():
    """A whole message that a vendor sends beside its delta does not take the place of the joined one."""
    chunks = [{"choices": [{"delta": {"content": text}, "message": {"content": "x"}}]} for text in "ab"]
    assert joined(*chunks)["choices"] == [{"index": 0, "message": {"role": "assistant", "content": "ab"}}]


def test_a_misfit_alone_is_kept():
    """Where no chunk says anything better, the strange value is in the completion."""
    whole = joined({"usage": "none", "id": 5, "choices": [{"delta": {"refusal": True}, "logprobs": "x"}]})
    assert (whole["usage"], whole["id"]) == ("none", "5")
    assert whole["choices"][0] == {
        "index": 0,
        "logprobs": "x",
        "message": {"role": "assistant", "refusal": True},
    }


# Costs, and copies.


def test_no_chunk_is_changed():
    """The chunks are as they were, and the completion shares no list with what still grows."""
    chunks = [ChatCompletionChunk.from_dict(CHUNK) for _ in range(2)]
    before = copy.deepcopy(chunks)
    accumulator = ChatCompletionAccumulator()
    accumulator.add(chunks[0])
    first = accumulator.completion()
    kept = copy.deepcopy(first)
    accumulator.add(chunks[1])
    accumulator.completion()
    assert chunks == before
    assert first == kept


def test_a_copy_goes_its_own_way():
    """A copied or pickled accumulator and the original don't see each other's chunks."""
    accumulator = accumulated([CHUNK])
    for twin in (copy.deepcopy(accumulator), pickle.loads(pickle.dumps(accumulator))):
        twin.add(ChatCompletionChunk.from_dict(CHUNK))
        assert twin.completion().choices[0].message.content == "texttext"
        assert twin.completion().choices[0].message.tool_calls[0].function.arguments == "{}{}"
    assert accumulator.completion().choices[0].message.content == "text"


def test_pieces_are_not_joined_before_somebody_looks():
    """Text and log probabilities are kept as they came, so that a stream costs time linear in its length."""
    chunk = ChatCompletionChunk.from_dict(
        {"choices": [{"delta": {"content": "x", "reasoning": "y"}, "logprobs": {"content": [token("x")]}}]}
    )
    accumulator = ChatCompletionAccumulator()
    for _ in range(1000):
        accumulator.add(chunk)
    snapshot = accumulator.choices[0]
    assert len(snapshot.content._pieces) == 1000
    assert len(snapshot._message_extras._values["reasoning"]._pieces) == 1000
    assert snapshot.content_logprobs[999] is chunk.choices[0].logprobs.content[0]
    assert accumulator.completion().choices[0].message.content == "x" * 1000
    assert len(snapshot.content._pieces) == 1
