"""What a bench run counts."""

from __future__ import annotations

import pytest

from openai_async.cli.benching.figures import Figures, Setting
from openai_async.cli.benching.tally import BenchTally
from openai_async.errors import APIConnectionError, APITimeoutError, InternalServerError, RateLimitError
from openai_async.types.chunk import ChatCompletionChunk

SETTING = Setting(
    model="m",
    prompts=1,
    max_tokens=None,
    requests=1,
    concurrency=1,
    rate=None,
    duration=None,
    warmup=0,
    embedded=False,
)


def piece(content=None, *, usage=None, **delta):
    """A chunk."""
    said = {} if content is None else {"content": content}
    choices = [] if usage is not None else [{"index": 0, "delta": {**said, **delta}}]
    return ChatCompletionChunk.from_dict({"id": "1", "choices": choices, "usage": usage})


def usage(tokens):
    """What a server counts."""
    return piece(usage={"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens})


@pytest.fixture
def tally():
    """A tally whose clocks run."""
    made = BenchTally()
    made.start()
    return made


def figures(tally, **changes):
    """The figures of a run that took two seconds, one of them computing."""
    tally.stop()
    tally.seconds, tally.cpu = changes.pop("seconds", 2.0), changes.pop("cpu", 1.0)
    return Figures.of(tally, SETTING)


def test_gaps_lie_between_pieces(tally):
    """The role is no piece; pieces of one read have no time between them, those of two have."""
    answer = tally.begin()
    answer.add([piece(role="assistant"), piece("a"), piece("b")], 10.0)
    answer.add([piece("c")], 10.5)
    answer.add([piece(), usage(6)], 11.0)
    tally.answer(answer, 1.25)

    found = figures(tally)
    assert (found.between_chunks.count, found.between_chunks.min, found.between_chunks.max) == (2, 0.0, 0.5)
    assert found.between_chunks.buckets[0] == (0.0, 1)
    assert found.whole_answer.mean == 1.25
    assert (found.chunks, found.completion_tokens, found.prompt_tokens) == (3, 6, 3)
    assert (found.tokens_per_second, found.chunks_per_second, found.requests_per_second) == (3.0, 1.5, 0.5)
    assert found.stream_tokens_per_second.mean == 10.0  # five tokens after the first, in half a second
    assert found.stream_chunks_per_second.mean == 4.0


@pytest.mark.parametrize("delta", [{"refusal": "no"}, {"tool_calls": [{"index": 0}]}, {"reasoning_content": "hm"}])
def test_pieces_of_other_kinds(tally, delta):
    """Refusals, calls of tools and reasoning are pieces of the answer, too."""
    answer = tally.begin()
    answer.add([piece(**delta)], 1.0)

    assert answer.chunks == 1


def test_tokens_that_nobody_counted(tally):
    """One answer without a count is enough for the run to have none: a part of the tokens is no throughput."""
    for told in ([usage(5)], []):
        answer = tally.begin()
        answer.add([piece("a"), *told], 1.0)
        tally.answer(answer, 1.0)

    found = figures(tally)
    assert (found.completion_tokens, found.tokens_per_second, found.stream_tokens_per_second) == (None, None, None)
    assert found.chunks_per_second == 1.0


def test_a_count_without_numbers_is_none(tally):
    """Some servers send a usage with nothing in it; where there was nothing to count, 0 is a count."""
    for said, tokens in (([], 0), ([piece("a")], None)):
        answer = tally.begin()
        answer.add([*said, usage(0)], 1.0)
        tally.answer(answer, 1.0)
        assert figures(tally).completion_tokens == tokens


def test_a_run_without_answers(tally):
    """Where nothing was answered, there are no quantiles and no tokens."""
    found = figures(tally, seconds=0.0)

    assert (found.first_token.p50, found.completion_tokens, found.requests_per_second) == (None, None, 0.0)


def test_errors_by_kind(tally):
    """Errors are counted by class, status, code and limit, with the first one's words as an example."""
    tally.fail(RateLimitError("Slow down.\nNow.", status_code=429, code="rate_limit_exceeded"))
    tally.fail(RateLimitError("Slow down, please.", status_code=429, code="rate_limit_exceeded"))
    tally.fail(APITimeoutError("Late.", phase="idle"))
    tally.fail(APIConnectionError("Gone."))

    found = {kind: (failures.count, failures.example) for kind, failures in figures(tally).errors.items()}
    assert found == {
        "RateLimitError 429 rate_limit_exceeded": (2, "Slow down. Now."),
        "APITimeoutError idle": (1, "Late."),
        "APIConnectionError": (1, "Gone."),
    }


def test_kinds_without_end(tally):
    """A server that makes up a code for each error does not fill the memory."""
    for number in range(1000):
        tally.fail(InternalServerError("Oh.", status_code=500, code=f"e{number}"))

    assert len(tally.errors) == 51
    assert sum(failures.count for failures in tally.errors.values()) == 1000


def test_hope(tally):
    """Ten failures before the first answer end all hope; after one answer there always is some."""
    for _ in range(9):
        tally.fail(APIConnectionError("Gone."))
    assert not tally.hopeless
    tally.fail(APIConnectionError("Gone."))
    assert tally.hopeless
    tally.answer(tally.begin(), 1.0)
    assert not tally.hopeless


@pytest.mark.parametrize(("cpu", "idle", "lag", "bound", "held_up"), [
    (0.2, 1.8, 0.001, False, False),
    (1.9, 0.1, 0.001, True, False),
    (1.9, None, 0.5, True, False),
    (0.2, 0.1, 0.5, True, False),
    (0.2, 1.8, 0.5, False, True),
    (0.2, None, 0.5, False, True),
])  # fmt: skip
def test_who_was_the_limit(tally, cpu, idle, lag, bound, held_up):
    """A client that was busy nearly all the time was the limit; one that woke up late without it was held up."""
    for _ in range(100):
        tally.lag.add(lag)
    tally.answered = 1
    tally.idle = idle

    client = figures(tally, cpu=cpu).client

    assert (client.bound, client.held_up, client.cpu_share) == (bound, held_up, cpu / 2)
