"""The names of OpenTelemetry's GenAI conventions, and which of them a record fills.

A record comes in, attributes go out. The names are those of version 0.1 of the GenAI conventions, of 2026, which have a
repository of their own now; nothing here needs OpenTelemetry. Of a value that has another type than the conventions want
nothing is told: parameters go out as they were given, and answers come from any server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from openai_async.types.json import is_array
from openai_async.types.usage import CompletionUsage

from .records import RequestEnded, RequestStarted

__all__ = [
    "SECONDS",
    "TOKENS",
    "Attributes",
    "finish_reasons",
    "of_end",
    "of_request",
    "of_server",
    "of_usage",
    "provider_of",
    "tokens_by_modality",
]

Attributes: TypeAlias = dict[str, str | bool | int | float | list[str]]

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Boundaries of the buckets of durations, in seconds."""

TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""Boundaries of the buckets of token counts."""

# The end of a host, and how the conventions call who is there. Whoever is not listed speaks OpenAI's format.
_PROVIDERS: Final = {
    ".openai.azure.com": "azure.ai.openai",
    ".cognitiveservices.azure.com": "azure.ai.openai",
    ".services.ai.azure.com": "azure.ai.inference",
    ".api.anthropic.com": "anthropic",
    ".api.cohere.ai": "cohere",
    ".api.cohere.com": "cohere",
    ".api.deepseek.com": "deepseek",
    ".api.groq.com": "groq",
    ".api.mistral.ai": "mistral_ai",
    ".api.moonshot.ai": "moonshot_ai",
    ".api.perplexity.ai": "perplexity",
    ".api.x.ai": "x_ai",
    ".generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
}

_NUMBERS: Final = {
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
}
_WHOLE: Final = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "top_k": "gen_ai.request.top_k",
}


def provider_of(address: str) -> str:
    """Return what the conventions call the provider at a host; "openai": also where the host is not known."""
    if address.startswith("bedrock") and address.endswith(".amazonaws.com"):
        return "aws.bedrock"
    return next((name for end, name in _PROVIDERS.items() if f".{address}".endswith(end)), "openai")


def of_server(record: RequestStarted, provider: str) -> Attributes:
    """Return what spans and metrics of a request have in common, known before it is sent."""
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "server.address": record.address,
        "server.port": record.port,
    }
    if record.model is not None:
        attributes["gen_ai.request.model"] = record.model
    return attributes


def of_request(parameters: Mapping[str, Any], *, stream: bool) -> Attributes:
    """Return what a request asks for."""
    attributes: Attributes = {"openai.api.type": "chat_completions"}
    if stream:
        attributes["gen_ai.request.stream"] = True
    for name, key in _NUMBERS.items():
        value = parameters.get(name)
        if (number := value if isinstance(value, float) else _whole(value)) is not None:
            attributes[key] = float(number)
    for name, key in _WHOLE.items():
        if (number := _whole(parameters.get(name))) is not None:
            attributes[key] = number
    if (choices := _whole(parameters.get("n"))) is not None and choices != 1:
        attributes["gen_ai.request.choice.count"] = choices
    if stops := _texts(parameters.get("stop")):
        attributes["gen_ai.request.stop_sequences"] = stops
    if isinstance(effort := parameters.get("reasoning_effort"), str):
        attributes["gen_ai.request.reasoning.level"] = effort
    if isinstance(tier := parameters.get("service_tier"), str) and tier != "auto":
        attributes["openai.request.service_tier"] = tier
    if kind := _output_type(parameters):
        attributes["gen_ai.output.type"] = kind
    return attributes


def of_end(record: RequestEnded) -> Attributes:
    """Return what a request came to: of its answer, of its failure, and of the usage."""
    told: dict[str, str | int | float | None] = {
        "gen_ai.response.id": record.response_id,
        "gen_ai.response.model": record.model,
        "gen_ai.response.time_to_first_chunk": record.first_token,
        "openai.response.service_tier": record.service_tier,
        "openai.response.system_fingerprint": record.system_fingerprint,
        "error.type": record.error,
        "openai_async.attempts": record.attempts,
        "openai_async.outcome": record.outcome,
        "openai_async.request_id": record.request_id,
        "openai_async.stream.chunks": record.chunks,
    }
    attributes: Attributes = {name: value for name, value in told.items() if value is not None}
    if reasons := finish_reasons(record):
        attributes["gen_ai.response.finish_reasons"] = reasons
    if record.usage is not None:
        attributes |= of_usage(record.usage)
    return attributes


def finish_reasons(record: RequestEnded) -> list[str]:
    """Return why each choice ended; of one that did not, the conventions want "error"."""
    return [reason or "error" for reason in record.finish_reasons]


def of_usage(usage: CompletionUsage) -> Attributes:
    """Return the counts of tokens, those of their kinds that the server tells included."""
    prompt, answer = usage.prompt_tokens_details, usage.completion_tokens_details
    told: dict[str, int | None] = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    if prompt is not None:
        told["cache_read.input_tokens"] = prompt.cached_tokens
        told["cache_write.input_tokens"] = prompt.cache_write_tokens
        told["text.input_tokens"] = prompt.text_tokens
        told["audio.input_tokens"] = prompt.audio_tokens
        told["image.input_tokens"] = prompt.image_tokens
    if answer is not None:
        told["reasoning.output_tokens"] = answer.reasoning_tokens
        told["text.output_tokens"] = answer.text_tokens
        told["audio.output_tokens"] = answer.audio_tokens
    # Of a kind that did not occur, servers say 0 or nothing; both read as nothing.
    return {
        f"gen_ai.usage.{name}": count
        for name, count in zip(told, map(_whole, told.values()), strict=True)
        if count or (count is not None and name in {"input_tokens", "output_tokens"})
    }


def tokens_by_modality(attributes: Mapping[str, Any], direction: str) -> dict[str, int]:
    """Return how many tokens were text, audio, images; "unknown" are those of which the server says no kind.

    Args:
        attributes: Of a usage, as `of_usage` returns them; without any, 0 tokens are "unknown".
        direction: "input" or "output".
    """
    counts = {kind: attributes.get(f"gen_ai.usage.{kind}.{direction}_tokens", 0) for kind in ("text", "audio", "image")}
    counts = {kind: count for kind, count in counts.items() if count}
    rest = attributes.get(f"gen_ai.usage.{direction}_tokens", 0) - sum(counts.values())
    return {**counts, "unknown": rest} if rest > 0 or not counts else counts


def _whole(value: object) -> int | None:
    """A number that OTLP can carry, which has 64 bits and a sign: of a longer one, exporters lose the whole batch."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(2**63) <= value < 2**63 else None


def _texts(value: object) -> list[str]:
    given: list[Any] = value if is_array(value) else [value]
    return [text for text in given if isinstance(text, str)]


def _output_type(parameters: Mapping[str, Any]) -> str | None:
    modalities: object = parameters.get("modalities")
    if is_array(modalities) and "audio" in modalities:
        return "speech"
    form: object = parameters.get("response_format")
    return {"json_object": "json", "json_schema": "json", "text": "text"}.get(form) if isinstance(form, str) else None
