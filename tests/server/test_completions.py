"""Finished answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.server.completions import Cutter, Draft, complete, head_of, request_key
from openai_async.server.tokens import split_tokens

_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city":"Paris"}'}}


def _request(**fields):
    return {"model": "m", "messages": [{"role": "user", "content": "one two"}], **fields}


def _choice(draft, **fields):
    return complete(_request(**fields), [draft])["choices"][0]


def test_answers_conform_to_the_published_schema(conforms):
    """Text, refusals, calls, log probabilities and extras all make valid completions."""
    for draft, fields in (
        (Draft(content="Hello."), {"logprobs": True, "top_logprobs": 2, "service_tier": "flex"}),
        (Draft(refusal="No."), {"logprobs": True, "moderation": {"model": "omni"}}),
        (Draft(calls=[_CALL]), {"reasoning_effort": "high"}),
        (Draft(function_call=_CALL["function"]), {}),
        (Draft(content="Hello."), {"modalities": ["audio"], "audio": {"format": "wav", "voice": "alloy"}}),
    ):
        conforms(complete(_request(**fields), [draft]), "CreateChatCompletionResponse")


def test_delivery_does_not_change_the_key():
    """The same question has the same key, streamed or not, and another question another."""
    assert request_key(_request()) == request_key(_request(stream=True, stream_options={"include_usage": True}))
    assert request_key(_request()) != request_key(_request(seed=1))


def test_dates_depend_on_the_request_or_the_clock():
    """Without a clock an answer is dated within 2025 by its request, with one by the clock."""
    dates = {head_of(_request(seed=seed))["created"] for seed in range(20)}

    assert len(dates) > 15
    assert all(1_735_689_600 <= date < 1_767_225_600 for date in dates)
    assert head_of(_request(), created=5)["created"] == 5


def test_auto_is_answered_with_the_tier_that_served():
    """The tier auto becomes default, others are confirmed."""
    assert head_of(_request(service_tier="auto"))["service_tier"] == "default"
    assert head_of(_request(service_tier="priority"))["service_tier"] == "priority"


@pytest.mark.parametrize("stop", ["there", ["zzz", "there"], ["Hello there", "there"]])
def test_text_ends_before_the_first_stop_sequence(stop):
    """The earliest stop sequence cuts the text, and is no part of it."""
    choice = _choice(Draft(content="Hello there, world."), stop=stop)

    assert "there" not in choice["message"]["content"]
    assert "Hello there, world.".startswith(choice["message"]["content"])
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("limit", [{"max_tokens": 2}, {"max_completion_tokens": 2}])
def test_text_ends_at_the_limit(limit):
    """Either limit counts tokens, and says so in the finish reason."""
    choice = _choice(Draft(content="Hello there, world."), **limit)

    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello there", "length")


def test_text_within_the_limit_just_stops():
    """A text of exactly as many tokens as allowed is not cut."""
    assert _choice(Draft(content="Hello there"), max_tokens=2)["finish_reason"] == "stop"


def test_reasoning_counts_against_the_limit():
    """Thinking uses up `max_completion_tokens`, and is counted in the usage."""
    request = _request(reasoning_effort="low", max_completion_tokens=9)
    completion = complete(request, [Draft(content="Hello there")])

    assert completion["choices"][0]["message"]["content"] == "Hello"
    assert completion["usage"]["completion_tokens_details"]["reasoning_tokens"] == 8
    assert completion["usage"]["completion_tokens"] == 9


def test_arguments_are_cut_at_the_limit():
    """The limit cuts the JSON of calls, too, all of them together."""
    choice = _choice(Draft(calls=[_CALL, _CALL]), max_tokens=7)
    texts = [call["function"]["arguments"] for call in choice["message"]["tool_calls"]]

    assert texts == ['{"city":"Paris"}', '{"city']
    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Draft(content="x"), "stop"),
        (Draft(refusal="x"), "stop"),
        (Draft(calls=[_CALL]), "tool_calls"),
        (Draft(calls=[_CALL], finish_reason="stop"), "stop"),
        (Draft(function_call=_CALL["function"]), "function_call"),
        (Draft(content="x", finish_reason="content_filter"), "content_filter"),
    ],
)
def test_finish_reason_suits_the_answer(draft, reason):
    """The finish reason follows from what is said, unless the draft has one."""
    assert _choice(draft)["finish_reason"] == reason


def test_logprobs_cover_the_text():
    """There is one entry for each token of the text, and null for the refusal that is not there."""
    logprobs = _choice(Draft(content="Hello there."), logprobs=True)["logprobs"]

    assert "".join(entry["token"] for entry in logprobs["content"]) == "Hello there."
    assert logprobs["refusal"] is None
    assert _choice(Draft(content="x"))["logprobs"] is None


def test_usage_adds_up():
    """Prompt and answer are counted, choices together, and the total is their sum."""
    usage = complete(_request(), [Draft(content="a b"), Draft(content="c")])["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (8, 3, 11)


def test_predictions_are_counted():
    """Predicted tokens that the answer has are accepted, others rejected and billed."""
    request = _request(prediction={"type": "content", "content": "Hello nobody"})
    usage = complete(request, [Draft(content="Hello there")])["usage"]

    details = usage["completion_tokens_details"]
    assert (details["accepted_prediction_tokens"], details["rejected_prediction_tokens"]) == (1, 1)
    assert usage["completion_tokens"] == 3


def test_speech_takes_the_texts_place():
    """A spoken answer has its text in the transcript, and counts it as audio."""
    request = _request(modalities=["text", "audio"], audio={"format": "pcm16", "voice": "alloy"})
    completion = complete(request, [Draft(content="Hello there")])
    message = completion["choices"][0]["message"]

    assert message["content"] is None
    assert message["audio"]["transcript"] == "Hello there"
    assert completion["usage"]["completion_tokens_details"]["audio_tokens"] == 2


def test_citations_of_a_cut_text_are_dropped():
    """An annotation must not point behind the end of the text."""
    draft = Draft(content="a b c", annotations=[{"type": "url_citation"}])

    assert _choice(draft)["message"]["annotations"] == draft.annotations
    assert _choice(draft, max_tokens=1)["message"]["annotations"] == []


@given(
    st.text(alphabet="abX ", max_size=30),
    st.lists(st.integers(1, 4), max_size=10),
    st.sampled_from(["X", ["ab", "bX"]]),
)
def test_pieces_are_cut_where_the_whole_is(text, sizes, stop):
    """However a text is cut into pieces, the stop sequences end it at the same place."""
    whole = Cutter(_request(stop=stop))
    expected = whole.feed(text) + whole.end()
    cutter, shown, rest = Cutter(_request(stop=stop)), "", text
    for size in [*sizes, len(text)]:
        shown += cutter.feed(rest[:size])
        rest = rest[size:]
    shown += cutter.end()

    assert (shown, cutter.reason) == (expected, whole.reason)


def test_pieces_share_the_limit():
    """The token limit counts over all pieces, and nothing follows it."""
    cutter = Cutter(_request(max_tokens=3))

    assert [cutter.feed(piece) for piece in ("one two", " three four", " five")] == ["one two", " three", ""]
    assert cutter.reason == "length"
    assert split_tokens(cutter.end()) == []
