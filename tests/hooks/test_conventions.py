"""Names and values of the GenAI conventions, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from openai_async.hooks import RequestEnded, RequestStarted
from openai_async.hooks.conventions import (
    of_end,
    of_request,
    of_server,
    of_usage,
    provider_of,
    tokens_by_modality,
)
from openai_async.types.usage import CompletionUsage


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("localhost", "openai"),
        ("mine.openai.azure.com", "azure.ai.openai"),
        ("mine.services.ai.azure.com", "azure.ai.inference"),
        ("api.groq.com", "groq"),
        ("api.x.ai", "x_ai"),
        ("notapi.x.ai", "openai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
    ],
)
def test_providers(address: str, provider: str) -> None:
    """The host tells the provider; whoever is unknown speaks OpenAI's format."""
    assert provider_of(address) == provider


@pytest.mark.parametrize(
    ("parameters", "attributes"),
    [
        ({"temperature": 1}, {"gen_ai.request.temperature": 1.0}),
        ({"temperature": "hot", "top_p": None, "seed": True}, {}),
        ({"top_p": 0.5, "frequency_penalty": 0, "presence_penalty": -1}, {
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.frequency_penalty": 0.0,
            "gen_ai.request.presence_penalty": -1.0,
        }),
        ({"max_tokens": 5}, {"gen_ai.request.max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"gen_ai.request.max_tokens": 6}),
        ({"seed": 7, "top_k": 3}, {"gen_ai.request.seed": 7, "gen_ai.request.top_k": 3}),
        ({"seed": 2**63 - 1}, {"gen_ai.request.seed": 2**63 - 1}),
        ({"seed": 2**63, "max_tokens": -(2**63) - 1, "temperature": 10**400}, {}),
        ({"n": 1}, {}),
        ({"n": 2}, {"gen_ai.request.choice.count": 2}),
        ({"stop": "a"}, {"gen_ai.request.stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"gen_ai.request.stop_sequences": ["a", "b"]}),
        ({"stop": None}, {}),
        ({"reasoning_effort": "low"}, {"gen_ai.request.reasoning.level": "low"}),
        ({"service_tier": "auto"}, {}),
        ({"service_tier": "flex"}, {"openai.request.service_tier": "flex"}),
        ({"response_format": "json_schema"}, {"gen_ai.output.type": "json"}),
        ({"response_format": "text"}, {"gen_ai.output.type": "text"}),
        ({"response_format": ["odd"]}, {}),
        ({"modalities": ["text", "audio"]}, {"gen_ai.output.type": "speech"}),
        ({"logprobs": True, "store": True}, {}),
    ],
)  # fmt: skip
def test_requests(parameters: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Each parameter has its name; what has another type than the conventions want is left out."""
    assert of_request(parameters, stream=False) == {"openai.api.type": "chat_completions", **attributes}
    assert of_request(parameters, stream=True)["gen_ai.request.stream"] is True


def test_server() -> None:
    """What is known before a request is sent."""
    record = RequestStarted(
        call=1, operation="o", method="POST", path="/", address="h", port=1, model=None, stream=False, parameters={}
    )

    assert of_server(record, "openai") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "server.address": "h",
        "server.port": 1,
    }


def test_ends() -> None:
    """What is not known is left out; a choice that did not end has ended by an error."""
    record = RequestEnded(call=1, outcome="left", seconds=1, attempts=1, finish_reasons=("stop", None))

    assert of_end(record) == {
        "openai_async.attempts": 1,
        "openai_async.outcome": "left",
        "gen_ai.response.finish_reasons": ["stop", "error"],
    }


FULL = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 8, "audio_tokens": 30, "text_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0},
}


def test_usage() -> None:
    """Each kind of token has its name; kinds that did not occur are left out, and the two totals are not."""
    assert of_usage(CompletionUsage.from_dict(FULL)) == {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 8,
        "gen_ai.usage.text.input_tokens": 60,
        "gen_ai.usage.audio.input_tokens": 30,
        "gen_ai.usage.reasoning.output_tokens": 20,
    }
    assert of_usage(CompletionUsage(prompt_tokens=2**63)) == {"gen_ai.usage.output_tokens": 0}
    assert of_usage(CompletionUsage()) == {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}


@pytest.mark.parametrize(
    ("usage", "direction", "counts"),
    [
        (FULL, "input", {"text": 60, "audio": 30, "unknown": 10}),
        (FULL, "output", {"unknown": 50}),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"audio_tokens": 9}}, "input", {"audio": 9}),
        ({"prompt_tokens": 0}, "input", {"unknown": 0}),
    ],
)
def test_modalities(usage: dict[str, Any], direction: str, counts: dict[str, int]) -> None:
    """Tokens are counted once, by their kind; of the rest the server does not say what it was."""
    assert tokens_by_modality(of_usage(CompletionUsage.from_dict(usage)), direction) == counts


def test_no_usage() -> None:
    """Without a usage, no tokens were of an unknown kind."""
    assert tokens_by_modality({}, "input") == {"unknown": 0}
