"""Reasoning: every vendor's name and shape for it is read, and what is said twice is read once."""

from __future__ import annotations

from typing import Any

import pytest

from openai_async import ChatCompletionAccumulator
from openai_async.types.chat import ChatCompletionChunk, ChatCompletionMessage, ChoiceDelta

THOUGHT = {"google": {"thought": True}}


def detail(kind: str, key: str, text: str, **more: Any) -> dict[str, Any]:
    """One of OpenRouter's details."""
    return {"type": f"reasoning.{kind}", key: text, **more}


SAID: list[tuple[dict[str, Any], str | None]] = [
    ({"reasoning_content": "hm"}, "hm"),
    ({"reasoning": "hm"}, "hm"),
    ({"reasoning_text": "hm"}, "hm"),
    ({"thinking": "hm"}, "hm"),
    ({"reasoning": "hm", "reasoning_content": "hm"}, "hm"),
    ({"reasoning_content": "", "reasoning": "hm"}, "hm"),
    ({"reasoning_content": None, "reasoning": "hm"}, "hm"),
    ({"reasoning": "hm", "reasoning_content": " so"}, "hm so"),
    ({"reasoning_details": [detail("text", "text", "hm")]}, "hm"),
    ({"reasoning_details": [detail("summary", "summary", "hm")]}, "hm"),
    ({"reasoning_details": [detail("encrypted", "data", "xyz")]}, None),
    ({"reasoning": "hm", "reasoning_details": [detail("text", "text", "hm", signature="s")]}, "hm"),
    ({"reasoning": "h", "reasoning_details": [detail("text", "text", "h"), detail("text", "text", "m")]}, "hm"),
    ({"reasoning": None, "reasoning_details": []}, None),
    ({"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}, "hm"),
    ({"thinking_blocks": [{"type": "redacted_thinking", "data": "xyz"}]}, None),
    ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "hm"),
    ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so"}]}, "hm"),
    ({"content": [{"type": "text", "text": "so"}]}, None),
    ({"content": "so"}, None),
    ({"content": "so", "extra_content": {"google": {"thought_signature": "s"}}}, None),
    ({"reasoning": ""}, None),
    ({"reasoning": ["hm"], "reasoning_content": {"a": 1}, "reasoning_details": "x", "extra_content": "x"}, None),
    ({"reasoning_details": [1, {"type": ["thinking"]}, {"type": "thinking", "thinking": [1, {"text": 2}]}]}, None),
    ({}, None),
]


@pytest.mark.parametrize(("data", "text"), SAID)
def test_every_shape_is_read(data: dict[str, Any], text: str | None) -> None:
    """A delta and a message give the reasoning that they hold, once, and None where they hold none."""
    assert ChoiceDelta.from_dict(data).reasoning == text
    assert ChatCompletionMessage.from_dict(data).reasoning == text


@pytest.mark.parametrize(("data", "text"), SAID)
def test_what_is_read_is_still_there(data: dict[str, Any], text: str | None) -> None:
    """Reading it takes nothing away: the delta goes out as it came in."""
    delta = ChoiceDelta.from_dict(data)
    _ = delta.reasoning

    assert delta.to_dict() == data


STREAMS: dict[str, list[dict[str, Any]]] = {
    "deepseek": [
        {"reasoning_content": "Let "},
        {"reasoning_content": "me."},
        {"reasoning_content": None, "content": "4"},
    ],
    "both names": [{"reasoning": t, "reasoning_content": t} for t in ("Let ", "me.")] + [{"content": "4"}],
    "a name that changes": [{"reasoning": "Let "}, {"reasoning_content": "me."}, {"content": "4"}],
    "openrouter": [
        {"content": "", "reasoning": t, "reasoning_details": [detail("text", "text", t, index=0, format="f")]}
        for t in ("Let ", "me.")
    ]
    + [{"content": "4", "reasoning": None, "reasoning_details": []}],
    "details alone": [{"reasoning_details": [detail("summary", "summary", t, index=0)]} for t in ("Let ", "me.")]
    + [{"content": "4"}],
    "details that say more": [
        {"reasoning": "Let ", "reasoning_details": [detail("text", "text", "Let ", index=0)]},
        {"reasoning_details": [detail("text", "text", "me.", index=0)]},
        {"content": "4"},
    ],
    "mistral": [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]} for t in ("Let ", "me.")]
    + [{"content": "4"}],
    "gemini": [
        {"content": "<thought>Let ", "extra_content": THOUGHT},
        {"content": "me.", "extra_content": THOUGHT},
        {"content": "</thought>4"},
    ],
    "gemini in one": [{"content": "<thought>Let me.</thought>4", "extra_content": THOUGHT}],
    "vertex": [{"content": "<think>Let me.</think>", "extra_content": {"vertex": {"thought": True}}}, {"content": "4"}],
}


@pytest.mark.parametrize("deltas", STREAMS.values(), ids=STREAMS)
def test_pieces_add_up(deltas: list[dict[str, Any]]) -> None:
    """What the deltas of a stream give is what its message gives: no piece is lost, none comes twice."""
    accumulator = ChatCompletionAccumulator()
    pieces: list[str] = []
    for delta in deltas:
        chunk = ChatCompletionChunk.from_dict({"choices": [{"index": 0, "delta": delta}]})
        accumulator.add(chunk)
        pieces.append(chunk.choices[0].delta.reasoning or "")

    assert "".join(pieces) == "Let me."
    assert accumulator.completion().choices[0].message.reasoning == "Let me."
    assert accumulator.choices[0].reasoning == "Let me."


def test_a_thought_without_a_tag_is_told_by_the_deltas() -> None:
    """Content that is marked as thought and has no tag: the delta is reasoning, the joined message can't tell."""
    accumulator = ChatCompletionAccumulator()
    for delta in ({"content": "Let me.", "extra_content": THOUGHT}, {"content": "4"}):
        chunk = ChatCompletionChunk.from_dict({"choices": [{"index": 0, "delta": delta}]})
        accumulator.add(chunk)
        assert chunk.choices[0].delta.reasoning == ("Let me." if "extra_content" in delta else None)

    message = accumulator.completion().choices[0].message
    assert (message.reasoning, message.content) == (None, "Let me.4")


def test_a_thought_that_is_cut_off_is_read_to_its_end() -> None:
    """A tag that is never closed holds all that follows, and an empty one nothing."""
    assert ChatCompletionMessage.from_dict({"content": "<thought>Let", "extra_content": THOUGHT}).reasoning == "Let"
    assert (
        ChatCompletionMessage.from_dict({"content": "<thought></thought>4", "extra_content": THOUGHT}).reasoning is None
    )
    assert ChoiceDelta.from_dict({"content": "<thought>", "extra_content": THOUGHT}).reasoning is None
    assert ChoiceDelta.from_dict({"content": "", "extra_content": THOUGHT}).reasoning is None
