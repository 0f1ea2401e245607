"""One piece of a streamed answer: `ChatCompletionChunk` and its deltas.

Values come in from the chunk decoder; what goes out is read by the user and by the accumulator. This is the hot
path: fields and defaults only. Nothing here joins pieces.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET

from .completion import (
    Annotation,
    ChoiceLogprobs,
    FinishReason,
    ServiceTier,
    text_of_parts,
)
from .model import Model
from .moderation import Moderation
from .reasoning import reasoning_of_delta
from .shared import Unlisted
from .usage import CompletionUsage

__all__ = [
    "ChatCompletionChunk",
    "ChoiceDelta",
    "ChoiceDeltaAudio",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallCustom",
    "ChoiceDeltaToolCallFunction",
    "ChunkChoice",
]


class ChoiceDeltaAudio(Model):
    """A piece of spoken output: base64 `data` and `transcript` to append; None: nothing new."""

    id: str | None = None
    data: str | None = None
    expires_at: int | None = None  # Unix time in seconds
    transcript: str | None = None


class ChoiceDeltaFunctionCall(Model):
    """A piece of the deprecated single function call."""

    arguments: str | None = None
    name: str | None = None


class ChoiceDeltaToolCallFunction(Model):
    """A piece of a function tool call: `arguments` to append to the JSON text so far."""

    arguments: str | None = None
    name: str | None = None


class ChoiceDeltaToolCallCustom(Model):
    """A piece of a custom tool call: `input` to append."""

    input: str | None = None
    name: str | None = None


class ChoiceDeltaToolCall(Model):
    """A piece of a tool call.

    Attributes:
        index: Which of the message's calls it continues. None: the vendor sends none. Servers number from 0, from 1
            (LiteLLM), or send -1 (Bedrock): the accumulator sorts it out, and so should whoever joins by hand.
        id: Set on the call's first piece, by some vendors on each.
        type: Likewise; None on later pieces.
    """

    index: int | None = None
    id: str | None = None
    function: ChoiceDeltaToolCallFunction | None = None
    custom: ChoiceDeltaToolCallCustom | None = None
    type: Literal["function", "custom"] | Unlisted | None = None


class ChoiceDelta(Model):
    """What a chunk adds to one message; None: nothing new."""

    audio: ChoiceDeltaAudio | None = None
    annotations: list[Annotation] | None = None
    content: str | None = None
    function_call: ChoiceDeltaFunctionCall | None = None
    refusal: str | None = None
    role: Literal["developer", "system", "user", "assistant", "tool"] | Unlisted | None = None
    tool_calls: list[ChoiceDeltaToolCall] | None = None

    @property
    def text(self) -> str | None:
        """The text that the delta adds, also where content came as a list of parts (Mistral); None: it has none."""
        if self.content is not None or self._extra is UNSET:
            return self.content
        return text_of_parts(self._extra.get("content"))

    @property
    def reasoning(self) -> str | None:
        """The piece of the model's reasoning, under whichever name and in whichever shape the vendor sends it.

        None: the delta has none. The pieces of a stream add up to the reasoning of its message.
        """
        return None if self._extra is UNSET else reasoning_of_delta(self._extra, self.content)


class ChunkChoice(Model):
    """What a chunk adds to one of the `n` answers; `finish_reason` is None until it ends."""

    delta: ChoiceDelta = msgspec.field(default_factory=ChoiceDelta)
    finish_reason: FinishReason | None = None
    index: int = 0
    logprobs: ChoiceLogprobs | None = None


class ChatCompletionChunk(Model):
    """One event of a stream.

    Attributes:
        choices: What is new, often for one choice. Empty in chunks that carry only usage (the last one, when
            `include_usage` is asked for) or a vendor's metadata (Azure's first): don't index without a look.
        obfuscation: Random padding that hides token lengths from eavesdroppers; means nothing.
    """

    id: str = ""
    choices: list[ChunkChoice] = []
    created: int = 0
    model: str = ""
    object: Literal["chat.completion.chunk"] | Unlisted = "chat.completion.chunk"
    moderation: Moderation | None = None
    obfuscation: str | None = None
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None

    @property
    def text(self) -> str:
        """The content that this chunk adds to choice 0; empty when there is none."""
        text = ""
        for choice in self.choices:
            if choice.index in (0, -1):  # -1: Bedrock's gateways, where there is but one
                text += choice.delta.text or ""  # a choice may come twice
        return text
