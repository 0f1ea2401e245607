"""What came of a stream, though it was not handed out: the same as when it is."""

from __future__ import annotations

from typing import Any

import pytest
from support.rawserver import chunk, completion, hello

from openai_async import ChatCompletion, ChatCompletionAccumulator, ChatCompletionChunk
from openai_async.api.findings import Findings, joined

USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOKENS = {"content": [{"token": "Hel", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}
STREAM = [
    *hello()[:2],
    chunk("", index=1, delta={"refusal": "no"}),
    chunk(delta={"tool_calls": [CALL]}, service_tier="flex"),
    {**chunk("lo"), "choices": [{**chunk("lo")["choices"][0], "logprobs": TOKENS}]},
    chunk(finish="stop"),
    chunk(finish="content_filter", index=1, system_fingerprint="fp"),
    {**chunk(), "choices": [], "usage": USAGE},
]


def chunks(stream: list[Any]) -> list[ChatCompletionChunk]:
    """Chunks of JSON."""
    return [ChatCompletionChunk.from_dict(one) for one in stream]


def accumulated(some: list[ChatCompletionChunk]) -> ChatCompletionAccumulator:
    """What is handed out."""
    accumulator = ChatCompletionAccumulator()
    for one in some:
        accumulator.add(one)
    return accumulator


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_findings_wherever_the_reader_stands(at: int) -> None:
    """Chunks that wait count as those that were handed out."""
    every = chunks(STREAM)
    found = Findings.of_stream(accumulated(every[:at]), every[at:])

    assert found == Findings.of_stream(accumulated(every), [])
    assert found.finished
    assert found.finish_reasons == ("stop", "content_filter")
    assert (found.chunks, found.service_tier, found.system_fingerprint) == (len(STREAM), "flex", "fp")
    assert found.usage is not None
    assert found.usage.total_tokens == 5


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
@pytest.mark.parametrize("later", [0, 1, 2])
def test_completion_wherever_the_reader_stands(at: int, later: int) -> None:
    """The whole completion can be had without handing anything out, also after some more was."""
    every = chunks(STREAM)
    accumulator = accumulated(every[:at])
    waiting = tuple(every[at:])
    for one in waiting[:later]:
        accumulator.add(one)
    before = accumulator.completion()

    assert joined(accumulator, waiting, at) == accumulated(every).completion()
    assert accumulator.completion() == before


def test_unfinished() -> None:
    """A choice that has not ended has no reason; without any choice there is no answer."""
    found = Findings.of_stream(ChatCompletionAccumulator(), chunks(STREAM[:6]))

    assert not found.finished
    assert found.finish_reasons == ("stop", None)
    assert not Findings().finished


def test_choices_of_one_number() -> None:
    """Choices of a whole answer are told apart by their places: some servers call each of them 0."""
    choices = [{**completion()["choices"][0], "finish_reason": reason} for reason in ("stop", "length")]
    found = Findings.of_completion(ChatCompletion.from_dict(completion(choices=choices)))

    assert found.finish_reasons == ("stop", "length")


def test_impossible_choice() -> None:
    """A stream that names one is joined up to it."""
    every = chunks([*hello()[:2], chunk("x", index=500)])

    assert joined(ChatCompletionAccumulator(), tuple(every), 0).choices[0].message.content == "Hel"


def test_only_choice_of_bedrock() -> None:
    """Choice -1 is the first."""
    found = Findings.of_stream(ChatCompletionAccumulator(), chunks([chunk("x", index=-1, finish="stop")]))

    assert found.finish_reasons == ("stop",)
