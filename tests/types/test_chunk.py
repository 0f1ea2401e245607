"""Chunks: the fast path for what the API documents, and no loss for what vendors send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openai_async.types.chat import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceDeltaAudio,
    ChoiceDeltaFunctionCall,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallCustom,
    ChoiceDeltaToolCallFunction,
    ChunkChoice,
)

SHARED = Path(__file__).parents[3] / "shared"

decode = msgspec.json.Decoder(ChatCompletionChunk).decode


def chunk_of(**delta: Any) -> dict[str, Any]:
    """A chunk as the API documents it, with this delta."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "service_tier": "default",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
        "usage": None,
        "obfuscation": "x",
    }


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({}, ChoiceDelta()),
        ({"role": "assistant", "content": "", "refusal": None}, ChoiceDelta(role="assistant", content="")),
        ({"content": "a"}, ChoiceDelta(content="a")),
        ({"refusal": "no"}, ChoiceDelta(refusal="no")),
        (
            {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            ChoiceDelta(
                tool_calls=[
                    ChoiceDeltaToolCall(
                        index=0, id="c", type="function", function=ChoiceDeltaToolCallFunction(name="f", arguments="")
                    )
                ]
            ),
        ),
        (
            {"tool_calls": [{"index": 1, "type": "custom", "custom": {"input": "x"}}]},
            ChoiceDelta(
                tool_calls=[ChoiceDeltaToolCall(index=1, type="custom", custom=ChoiceDeltaToolCallCustom(input="x"))]
            ),
        ),
        (
            {"function_call": {"arguments": "{"}},
            ChoiceDelta(function_call=ChoiceDeltaFunctionCall(arguments="{")),
        ),
        (
            {"audio": {"id": "a", "data": "QQ==", "expires_at": 1, "transcript": "t"}},
            ChoiceDelta(audio=ChoiceDeltaAudio(id="a", data="QQ==", expires_at=1, transcript="t")),
        ),
    ],
)
def test_documented_chunks_take_the_fast_path(delta: dict[str, Any], expected: ChoiceDelta) -> None:
    """Each kind of delta that the API documents is decoded strictly, and equal to the second pass."""
    data = chunk_of(**delta)

    chunk = decode(json.dumps(data))

    assert chunk.choices == [ChunkChoice(index=0, delta=expected)]
    assert chunk == ChatCompletionChunk.from_dict(data)
    assert chunk.service_tier == "default"
    assert chunk.obfuscation == "x"


def test_usage_chunk_has_no_choices() -> None:
    """The chunk with the usage has an empty list of choices, and no text."""
    chunk = decode('{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}')

    assert chunk.choices == []
    assert chunk.text == ""
    assert chunk.usage is not None
    assert chunk.usage.total_tokens == 3


def test_text_is_that_of_the_first_choice() -> None:
    """`text` is what choice 0 gains, wherever it stands in the chunk; without it, nothing."""
    both = {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]}

    assert ChatCompletionChunk.from_dict(both).text == "a"
    assert ChatCompletionChunk.from_dict({"choices": both["choices"][:1]}).text == ""
    assert ChatCompletionChunk.from_dict({"choices": [{"delta": {"content": None}}]}).text == ""


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
def test_reasoning_is_found_under_each_vendors_name(name: str) -> None:
    """`reasoning` reads the piece of the model's reasoning, whatever the vendor calls it."""
    assert ChoiceDelta.from_dict({name: "hm"}).reasoning == "hm"
    assert ChoiceDelta.from_dict({name: ["hm"]}).reasoning is None
    assert ChoiceDelta(content="a").reasoning is None


@pytest.mark.parametrize(
    "data",
    [
        chunk_of(content="a", reasoning_content="b"),
        chunk_of(role="", tool_calls=[{"index": None, "id": 5, "function": {"arguments": {"a": 1}}}]),
        {**chunk_of(), "choices": None, "usage": {}},
        {**chunk_of(), "created": 1.5, "error": {"message": "x"}},
        {**chunk_of(), "choices": [{"delta": None, "index": "0", "finish_reason": "eos"}]},
        {**chunk_of(), "citations": ["u"], "choices": [{"index": 0, "text": "a"}]},
    ],
)
def test_deviations_are_read_without_loss(data: dict[str, Any]) -> None:
    """What the fast path refuses or takes of vendors' inventions, the second pass keeps."""
    chunk = ChatCompletionChunk.from_dict(data)

    assert contains(chunk.to_dict(), data)


def contains(whole: Any, part: Any) -> bool:
    """Whether `whole` has all that `part` has, nulls aside, numbers as text and arguments as JSON text."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(value is None or (key in whole and contains(whole[key], value)) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    if isinstance(part, dict) and isinstance(whole, str):
        return bool(json.loads(whole) == part)
    return bool(whole == part) or str(whole) == str(part)


def events() -> list[tuple[str, Any]]:
    """The JSON objects of all recorded streams that are chunks, each with its file's name."""
    found: list[tuple[str, Any]] = []
    files = [*(SHARED / "recordings").glob("*.sse"), *(SHARED / "wire").glob("*.sse")]
    files += (SHARED / "captures").glob("*/*.http")
    for file in sorted(files):
        for line in file.read_bytes().splitlines():
            if line.startswith(b"data:"):
                try:
                    data = json.loads(line[5:])
                except ValueError:
                    continue  # [DONE], and what is broken on purpose or cut by the framing
                if isinstance(data, dict):
                    found.append((file.name, data))
    return found


def test_recorded_events_lose_nothing() -> None:
    """Every JSON object that a real server or an oddity's author sent as an event comes out whole."""
    recorded = events()
    if not recorded:
        pytest.skip("the recordings are not there")
    assert len(recorded) > 500
    for name, data in recorded:
        assert contains(ChatCompletionChunk.from_dict(data).to_dict(), data), (name, data)


def test_recordings_of_the_real_api_take_the_fast_path() -> None:
    """Chunks of the real API, as recorded, are all decoded strictly."""
    files = sorted((SHARED / "recordings").glob("*.sse"))
    if not files:
        pytest.skip("the recordings are not there")
    for file in files:
        for line in file.read_bytes().splitlines():
            if line.startswith(b"data: {"):
                assert decode(line[6:]).object == "chat.completion.chunk", file.name


def test_text_where_servers_differ():
    """`text` is what the accumulator would append: also of Bedrock's choice -1, also of Mistral's list of parts."""
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    assert ChatCompletionChunk.from_dict({"choices": [{"index": -1, "delta": {"content": "x"}}]}).text == "x"
    assert ChatCompletionChunk.from_dict({"choices": [{"index": 0, "delta": {"content": parts}}]}).text == "ab"
    assert ChatCompletionChunk.from_dict({"choices": [{"index": 1, "delta": {"content": "x"}}]}).text == ""
