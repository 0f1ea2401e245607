"""Fewer frames, the same completion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rawserver import chunk, hello
from support.strategies import streams

from openai_async.relay import Batch, merge
from openai_async.relay.completion import completion_of
from openai_async.relay.merge import merged


def frames_of(*chunks: Any) -> list[bytes]:
    """Chunks as payloads."""
    return [json.dumps(each, separators=(",", ":")).encode() for each in chunks]


def told(frames: list[bytes]) -> str | None:
    """The completion that payloads say, as JSON."""
    completion = completion_of(frames)
    return None if completion is None else completion.to_json()


# Pieces of text between which anything may stand, and whose envelopes differ now and then.
VENDORS = st.sampled_from([1, 1, True, 1.0, "s", None, {"a": "s", "b": {"c": 1}}, [1], {"a": [1]}])
USAGES = st.sampled_from([None, None, {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "a", "b"]),
        "created": st.sampled_from([1, 1, 2]),
        "model": st.sampled_from(["m", "m", ""]),
        "service_tier": st.sampled_from([None, "default"]),
        "system_fingerprint": st.sampled_from([None, "fp_1", "fp_2"]),
        "usage": USAGES,
        "obfuscation": st.text(max_size=2),
    },
)
ODD_FIELDS = st.fixed_dictionaries({"vendor": VENDORS}, optional={"usage": USAGES, "obfuscation": st.text(max_size=2)})
PIECES = st.lists(
    st.builds(
        lambda text, index, fields: {**chunk(text, index=index), **fields},
        st.text(max_size=3),
        st.integers(0, 1),
        st.just({}) | FIELDS | ODD_FIELDS,
    ),
    max_size=12,
)


@given(streams(), st.data())
def test_merged_frames_add_up_to_the_same(chunks: list[dict[str, Any]], data: st.DataObject) -> None:
    """Tools, refusals, log probabilities, several choices, usage, unknown fields: the completion is the same."""
    for piece in data.draw(PIECES):
        chunks.insert(data.draw(st.integers(0, len(chunks))), piece)
    frames = frames_of(*chunks)
    assert told(merge(frames)) == told(frames)


@given(PIECES)
def test_merged_pieces_add_up_to_the_same(pieces: list[dict[str, Any]]) -> None:
    """However their envelopes differ."""
    frames = frames_of(*pieces)
    assert told(merge(frames)) == told(frames)


@given(st.lists(st.binary(max_size=8) | st.sampled_from(frames_of(*hello())), max_size=8))
def test_anything_goes_in(frames: list[bytes]) -> None:
    """What is no chunk stays as it is, in its place."""
    assert [frame for frame in merge(frames) if b"content" not in frame] == [
        frame for frame in frames if b"content" not in frame
    ]


def test_a_thousand_pieces_are_one() -> None:
    """The role before them and the finish after them stay as they were, byte by byte."""
    role, finish = frames_of(hello()[0], hello()[-1])
    pieces = frames_of(*(chunk(f"{place} ", obfuscation="x" * (place % 7)) for place in range(1000)))

    first, text, last = merge([role, *pieces, finish])

    assert (first, last) == (role, finish)
    assert json.loads(text)["choices"][0]["delta"] == {"content": "".join(f"{place} " for place in range(1000))}


@pytest.mark.parametrize(
    "other",
    [
        chunk("b", finish="stop"),
        chunk("b", index=1),
        chunk("b", delta={"role": "assistant"}),
        chunk("b", delta={"refusal": "no"}),
        chunk("b", delta={"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}),
        chunk("b", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
        chunk("b", vendor=1),
        chunk("a", vendor=[1]),
        chunk("b", choices=[]),
        {**chunk("b"), "choices": chunk("b")["choices"] * 2},
        {"error": {"message": "no"}, **chunk("b")},
    ],
)
def test_whatever_says_more_than_text_is_untouched(other: Any) -> None:
    """It stays beside its neighbours, all of them byte by byte; even where it has odd spaces in it."""
    frames = [b' {"choices" :[]}', *frames_of(chunk("a"), other, chunk("c"))]
    assert merge(frames) == frames


def test_a_lone_half_of_a_character_is_untouched() -> None:
    """Servers cut surrogate pairs in two; the halves are joined by whoever decodes them, not here."""
    halves = [
        b'{"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}',
        b'{"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}',
    ]
    assert merge(halves) == halves
    assert told(halves) == told(merge(halves))


@given(pieces=PIECES, first=st.integers(1, 50), reset=st.booleans())
def test_cursors_of_merged_batches_are_true(pieces: list[dict[str, Any]], first: int, *, reset: bool) -> None:
    """Whoever has read up to some id, and comes back with it, has exactly the frames up to that one."""
    frames = frames_of(*pieces)
    batches = merged(Batch(3, first, frames, reset))

    seen: list[bytes] = []
    for batch in batches:
        for place, frame in enumerate(batch.frames):
            seen.append(frame)
            rest = frames[batch.first + place - first + 1 :]
            assert told(seen + rest) == told(frames)
    assert [batch.reset for batch in batches] == [reset, *[False] * (len(batches) - 1)][: len(batches)]
    assert reset <= bool(batches)
    if frames:
        assert batches[-1].cursor == (3, first + len(frames) - 1)
