"""Text in pieces."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from openai_async.server.dice import Dice
from openai_async.server.tokens import count_tokens, logprobs_of, prompt_tokens, split_tokens, text_of


@given(st.text())
def test_no_character_is_lost(text):
    """The pieces of any text, joined, are the text, and none of them is empty."""
    tokens = split_tokens(text)

    assert "".join(tokens) == text
    assert all(tokens)
    assert count_tokens(text) == len(tokens)


def test_words_keep_their_leading_space():
    """Words carry the space before them, and punctuation stands alone."""
    assert split_tokens("Hello there, world.") == ["Hello", " there", ",", " world", "."]


def test_json_is_split_at_its_punctuation():
    """JSON comes in pieces much like those of the API."""
    assert split_tokens('{"city":"Paris"}') == ['{"', "city", '":"', "Paris", '"}']


def test_logprobs_tell_token_bytes_and_alternatives():
    """Each entry has its token's UTF-8, a probability below 1, and the alternatives in order, itself first."""
    (entry,) = logprobs_of([" é"], top=3, dice=Dice(1))

    assert bytes(entry["bytes"]).decode() == " é"
    assert entry["logprob"] <= 0
    assert entry["top_logprobs"][0]["token"] == " é"
    assert len({other["token"] for other in entry["top_logprobs"]}) == 3
    likelihoods = [other["logprob"] for other in entry["top_logprobs"]]
    assert likelihoods == sorted(likelihoods, reverse=True)


def test_as_many_alternatives_as_wanted():
    """Any number of alternatives from 0 to 20 can be had, for a word that is among them, too."""
    assert [len(logprobs_of([" the"], top=top, dice=Dice(1))[0]["top_logprobs"]) for top in (0, 1, 20)] == [0, 1, 20]


def test_logprobs_are_json():
    """The numbers are finite, and survive JSON."""
    entries = logprobs_of(["a"] * 100, top=1, dice=Dice(5))

    assert json.loads(json.dumps(entries, allow_nan=False)) == entries


def test_text_of_any_content():
    """Strings, parts and nothing all have a text."""
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "refusal", "refusal": "b"}]

    assert [text_of(content) for content in ("x", None, parts)] == ["x", "", "a\nb"]


def test_prompts_grow_with_all_they_hold():
    """Messages, calls, images, tools and schemas all count."""
    request = {"messages": [{"role": "user", "content": "one two"}]}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    image = {"type": "image_url", "image_url": {"url": "https://example.org/i.png"}}
    counts = [
        prompt_tokens(request),
        prompt_tokens({"messages": [*request["messages"], {"role": "assistant", "tool_calls": [call]}]}),
        prompt_tokens({"messages": [{"role": "user", "content": [{"type": "text", "text": "one two"}, image]}]}),
        prompt_tokens({**request, "tools": [{"type": "function", "function": {"name": "f"}}]}),
    ]

    assert counts[0] == 8
    assert all(count > counts[0] for count in counts[1:])
