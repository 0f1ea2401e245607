"""Tokens and seconds."""

from __future__ import annotations

import pytest

from openai_async.cli import tally as module
from openai_async.cli.tally import Tally
from openai_async.types.chat import ChatCompletionChunk
from openai_async.types.usage import CompletionUsage


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def chunk(**delta):
    """A chunk of one choice."""
    return ChatCompletionChunk.from_dict({"choices": [{"index": 0, "delta": delta}]})


@pytest.mark.parametrize(
    ("delta", "tokens"),
    [
        ({"content": "a"}, 1),
        ({"refusal": "a"}, 1),
        ({"reasoning_content": "a"}, 1),
        ({"tool_calls": [{"index": 0}]}, 1),
        ({"role": "assistant", "content": ""}, 0),
        ({}, 0),
    ],
)
def test_a_token_is_a_chunk_with_something_in_it(clock, delta, tokens):
    """Chunks count when they carry some of the answer."""
    tally = Tally()
    tally.add(chunk(**delta))

    assert tally.tokens == tokens


def test_what_a_stop_cuts_off(clock):
    """A stop tells tokens and seconds, or that nothing came."""
    tally = Tally()
    clock[0] += 1.26
    assert tally.cut() == "stopped after 1.3 s; no answer was received"

    tally.add(chunk(content="a"))
    clock[0] += 1
    assert tally.cut() == "stopped after 1 token, 2.3 s; the answer is incomplete"


def test_the_summary(clock):
    """The sum has the first token's time, and a speed if there was time to measure one; the server's count goes first."""
    tally = Tally()
    usage = CompletionUsage(prompt_tokens=3, completion_tokens=9, total_tokens=12)
    clock[0] += 0.5
    tally.add(chunk(content="a"))
    tally.add(chunk(content="b"))
    assert tally.summary(None) == "2 tokens in 0.50 s, the first after 0.50 s"

    clock[0] += 2
    tally.add(chunk(content="c"))
    tally.end()
    clock[0] += 60
    assert tally.summary(None) == "3 tokens in 2.50 s, the first after 0.50 s, then 1 tokens/s"
    assert tally.summary(usage) == "3 + 9 tokens in 2.50 s, the first after 0.50 s, then 4 tokens/s"


def test_an_answer_in_one_piece_has_no_first_token(clock):
    """Of an answer that was not streamed only the whole time is known."""
    tally = Tally()
    clock[0] += 2

    assert tally.summary(CompletionUsage(prompt_tokens=3, completion_tokens=1)) == "3 + 1 token in 2.00 s"
