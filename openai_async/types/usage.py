"""Tokens that a request was billed for, by kind.

Values come in from a decoder or from `from_dict`; what goes out is read by the user. Nothing here counts tokens.
"""

from __future__ import annotations

from .model import Model

__all__ = ["CompletionTokensDetails", "CompletionUsage", "PromptTokensDetails"]


class CompletionTokensDetails(Model):
    """Tokens of the answer by kind; None: the server did not say."""

    accepted_prediction_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    text_tokens: int | None = None


class PromptTokensDetails(Model):
    """Tokens of the prompt by kind; None: the server did not say."""

    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    cached_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionUsage(Model):
    """Tokens that the request was billed for."""

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0
    completion_tokens_details: CompletionTokensDetails | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
