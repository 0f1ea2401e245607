"""Chunks join to a completion: `ChatCompletionAccumulator`.

Chunks come in, of one stream and in order; out goes the `ChatCompletion` so far, as often as it is asked for. Text is
kept in pieces and joined on demand, so that a stream costs time linear in its length; no chunk is ever changed.

Joining goes by a field's name, not by its type: what identifies (`id`, `type`, `name`, `role`) is set once, text is
appended, and everything else is replaced by the newest value that is not null.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from openai_async.errors import StreamProtocolError
from openai_async.types.chunk import ChatCompletionChunk, ChoiceDelta, ChoiceDeltaFunctionCall, ChunkChoice
from openai_async.types.completion import (
    Annotation,
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionTokenLogprob,
    Choice,
    ChoiceLogprobs,
    FunctionCall,
    Moderation,
)
from openai_async.types.reasoning import reasoning_of_message
from openai_async.types.usage import CompletionUsage

from .audio import AudioSnapshot
from .extras import Extras
from .text import Text
from .toolcalls import ToolCalls

__all__ = ["ChatCompletionAccumulator", "ChoiceSnapshot", "choice_place"]

# More answers than any server gives; a stream that names more is broken or hostile.
_MAX_CHOICES = 128


def choice_place(index: int) -> int:
    """Return which answer a chunk's choice belongs to.

    Args:
        index: As the chunk has it; -1 is what Bedrock's gateway sends where there is but one.

    Raises:
        StreamProtocolError: There is no such choice.
    """
    place = 0 if index == -1 else index
    if not 0 <= place < _MAX_CHOICES:
        raise StreamProtocolError(f"The stream names choice {index}; choices are numbered from 0 to 127.")
    return place


class ChatCompletionAccumulator:
    """The completion that a stream's chunks add up to.

    Usable on chunks from anywhere, with no event loop:

        accumulator = ChatCompletionAccumulator()
        for chunk in chunks:
            accumulator.add(chunk)
        completion = accumulator.completion()

    Attributes:
        choices: The answers so far, by their index.
        chunks: How many chunks were added.
    """

    __slots__ = (
        "_created",
        "_extras",
        "_headless",
        "_id",
        "_model",
        "_moderation",
        "_service_tier",
        "_system_fingerprint",
        "_usage",
        "choices",
        "chunks",
    )

    def __init__(self) -> None:
        self.choices: dict[int, ChoiceSnapshot] = {}
        self.chunks: int = 0
        self._headless = True  # until id, model and time are known, which most chunks repeat
        self._id = ""
        self._created = 0
        self._model = ""
        self._moderation: Moderation | None = None
        self._service_tier: str | None = None
        self._system_fingerprint: str | None = None
        self._usage: CompletionUsage | None = None
        self._extras = Extras(appends=False)

    @property
    def finished(self) -> bool:
        """Whether there is an answer, and every one seen has its `finish_reason`."""
        return bool(self.choices) and all(choice.finish_reason for choice in self.choices.values())

    @property
    def usage(self) -> CompletionUsage | None:
        """Tokens billed, as far as the stream told; None: not yet, or never."""
        return self._usage

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Add the next chunk of the stream.

        Raises:
            StreamProtocolError: The chunk belongs to choice 128 or above, or opens more than 128 tool calls. Nothing
                of it was added beyond the place where that showed.
        """
        self.chunks += 1
        if self._headless:
            self._add_head(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.system_fingerprint is not None:
            self._system_fingerprint = chunk.system_fingerprint
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.moderation is not None:
            self._moderation = chunk.moderation
        if chunk._extra is not UNSET:
            self._extras.merge(chunk._extra)
        for choice in chunk.choices:
            snapshot = self.choices.get(choice.index)
            if snapshot is None:
                snapshot = self._open(choice.index)
            snapshot.add(choice)

    def _add_head(self, chunk: ChatCompletionChunk) -> None:
        """Take what identifies the completion from the first chunk that has it: Azure's first has none of it."""
        self._id = self._id or chunk.id
        self._model = self._model or chunk.model
        self._created = self._created or chunk.created
        self._headless = not (self._id and self._model and self._created)

    def _open(self, index: int) -> ChoiceSnapshot:
        place = choice_place(index)
        snapshot = self.choices.get(place)
        if snapshot is None:
            snapshot = self.choices[place] = ChoiceSnapshot(place)
        return snapshot

    def completion(self) -> ChatCompletion:
        """Return the completion so far, choices in the order of their index; later chunks don't change it."""
        fields: dict[str, Any] = {
            "id": self._id,
            "choices": [self.choices[index].choice() for index in sorted(self.choices)],
            "created": self._created,
            "model": self._model,
            "moderation": self._moderation,
            "service_tier": self._service_tier,
            "system_fingerprint": self._system_fingerprint,
            "usage": self._usage,
        }
        return ChatCompletion.build(fields, self._extras.values(fields))


class ChoiceSnapshot:
    """One of the stream's answers so far."""

    __slots__ = (
        "_annotations",
        "_extras",
        "_function_call",
        "_logprob_extras",
        "_message_extras",
        "_role",
        "audio",
        "content",
        "content_logprobs",
        "finish_reason",
        "index",
        "refusal",
        "refusal_logprobs",
        "tool_calls",
    )

    def __init__(self, index: int) -> None:
        self.index: int = index
        self.content: Text | None = None
        self.refusal: Text | None = None
        self.finish_reason: str | None = None
        self.content_logprobs: list[ChatCompletionTokenLogprob] | None = None
        self.refusal_logprobs: list[ChatCompletionTokenLogprob] | None = None
        self.tool_calls: ToolCalls | None = None
        self.audio: AudioSnapshot | None = None
        self._role = ""
        self._annotations: list[Annotation] | None = None
        self._function_call: _FunctionCall | None = None
        self._extras = Extras(appends=False)
        self._message_extras = Extras(appends=True)
        self._logprob_extras = Extras(appends=False)

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning so far, under whichever name the vendor sends it; None: there is none."""
        extra = self._message_extras.values()
        content = self.content.value() if self.content is not None else None
        return None if extra is UNSET else reasoning_of_message(extra, content)

    def add(self, choice: ChunkChoice) -> None:
        """Add what a chunk says of this answer."""
        delta = choice.delta
        text = delta.content
        if text is not None:
            if self.content is None:
                self.content = Text()
            self.content.append(text)
        if delta.tool_calls:
            if self.tool_calls is None:
                self.tool_calls = ToolCalls()
            self.tool_calls.add(delta.tool_calls)
        if not self._role and delta.role:
            self._role = delta.role
        if delta.refusal is not None:
            self.refusal = self.refusal or Text()
            self.refusal.append(delta.refusal)
        if delta.audio is not None or delta.function_call is not None or delta.annotations:
            self._add_rarities(delta)
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
        if delta._extra is not UNSET:
            self._add_message_extras(delta)
        if choice._extra is not UNSET:
            self._extras.merge(choice._extra)

    def _add_rarities(self, delta: ChoiceDelta) -> None:
        if delta.audio is not None:
            self.audio = self.audio or AudioSnapshot()
            self.audio.add(delta.audio)
        if delta.function_call is not None:
            self._function_call = self._function_call or _FunctionCall()
            self._function_call.add(delta.function_call)
        if delta.annotations:
            self._annotations = self._annotations or []
            self._annotations.extend(delta.annotations)

    def _add_logprobs(self, logprobs: ChoiceLogprobs) -> None:
        if logprobs.content is not None:
            self.content_logprobs = self.content_logprobs or []
            self.content_logprobs.extend(logprobs.content)
        if logprobs.refusal is not None:
            self.refusal_logprobs = self.refusal_logprobs or []
            self.refusal_logprobs.extend(logprobs.refusal)
        if logprobs._extra is not UNSET:
            self._logprob_extras.merge(logprobs._extra)

    def _add_message_extras(self, delta: ChoiceDelta) -> None:
        extra = delta.model_extra
        text = delta.text
        if delta.content is None and text is not None:
            self.content = self.content or Text()
            self.content.append(text)
            extra = {**extra, "content_parts": extra["content"]}
            del extra["content"]
        self._message_extras.merge(extra)

    def choice(self) -> Choice:
        """Return the answer so far as a completion's choice."""
        audio, call = self.audio, self._function_call
        said: dict[str, Any] = {
            "content": self.content.value() if self.content is not None else None,
            "refusal": self.refusal.value() if self.refusal is not None else None,
            "role": self._role,
            "annotations": self._annotations and list(self._annotations),
            "audio": audio.value() if audio else None,
            "function_call": call.value() if call else None,
            "tool_calls": self.tool_calls.values() if self.tool_calls is not None else None,
        }
        extra = self._message_extras.values(said)
        said["role"] = self._role or "assistant"
        message = ChatCompletionMessage.build(said, extra)
        finish_reason = self.finish_reason
        if finish_reason is None and audio and audio.expires_at:
            # A stream of audio may end with a chunk that only says when the clip expires.
            finish_reason = "stop"
        logprobs = self._logprobs()
        fields = {"finish_reason": finish_reason, "index": self.index, "logprobs": logprobs, "message": message}
        return Choice.build(fields, self._extras.values({**fields, "index": True}))

    def _logprobs(self) -> ChoiceLogprobs | None:
        content, refusal = self.content_logprobs, self.refusal_logprobs
        extra = self._logprob_extras.values({"content": content, "refusal": refusal})
        if content is None and refusal is None and extra is UNSET:
            return None
        fields = {
            "content": content if content is None else list(content),
            "refusal": refusal if refusal is None else list(refusal),
        }
        return ChoiceLogprobs.build(fields, extra)


class _FunctionCall:
    """The deprecated single call."""

    __slots__ = ("_arguments", "_extras", "_name")

    def __init__(self) -> None:
        self._name = ""
        self._arguments = Text()
        self._extras = Extras(appends=True)

    def add(self, delta: ChoiceDeltaFunctionCall) -> None:
        self._name = self._name or delta.name or ""
        self._arguments.append(delta.arguments or "")
        self._extras.merge(delta.model_extra)

    def value(self) -> FunctionCall:
        fields = {"name": self._name, "arguments": self._arguments.value()}
        return FunctionCall.build(fields, self._extras.values(fields))
