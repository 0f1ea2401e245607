"""Moderation: verdicts and errors are told apart, in completions and in chunks."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from openai_async.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    Model,
    Moderation,
    ModerationError,
    ModerationResult,
    ModerationResults,
)

RESULTS: dict[str, Any] = {
    "type": "moderation_results",
    "model": "omni-moderation",
    "results": [
        {
            "type": "moderation_result",
            "model": "omni-moderation",
            "flagged": True,
            "categories": {"violence": True},
            "category_scores": {"violence": 0.9},
            "category_applied_input_types": {"violence": ["text"]},
        }
    ],
}
ERROR = {"type": "error", "code": "unavailable", "message": "try later"}


@pytest.mark.parametrize("cls", [ChatCompletion, ChatCompletionChunk])
def test_verdicts_and_errors_are_told_apart(cls: type[ChatCompletion | ChatCompletionChunk]) -> None:
    """Input and output each are results or an error, by their type, on the fast path and on the second."""
    data = {"moderation": {"input": RESULTS, "output": ERROR}}

    strict = msgspec.json.decode(json.dumps(data), type=cls)

    assert strict == cls.from_dict(data)
    assert strict.moderation is not None
    assert isinstance(strict.moderation.input, ModerationResults)
    assert strict.moderation.input.results[0].category_scores == {"violence": 0.9}
    assert isinstance(strict.moderation.output, ModerationError)
    assert strict.moderation.output.code == "unavailable"
    assert strict.to_dict()["moderation"] == data["moderation"]


def test_verdict_of_unknown_type_is_kept() -> None:
    """A type of verdict that we do not know reads as results, with its type and keys."""
    moderation = Moderation.from_dict({"input": {"type": "later", "eta": 5}, "output": None})

    assert isinstance(moderation.input, ModerationResults)
    assert moderation.to_dict() == {"input": {"model": "", "results": [], "type": "later", "eta": 5}}


@pytest.mark.parametrize("verdict", ["pending", 1, [RESULTS]])
def test_verdict_that_is_no_object_is_kept_aside(verdict: Any) -> None:
    """A verdict that is no object leaves None, and stays in the dict."""
    moderation = Moderation.from_dict({"input": verdict})

    assert moderation.input is None
    assert moderation.to_dict() == {"input": verdict}


def test_objects_are_taken_as_they_are() -> None:
    """Verdicts given to the constructor stay the same objects."""
    verdicts: list[Model] = [ModerationResults(results=[ModerationResult()]), ModerationError()]

    moderation = Moderation(input=verdicts[0], output=verdicts[1])

    assert moderation.input is verdicts[0]
    assert moderation.output is verdicts[1]
