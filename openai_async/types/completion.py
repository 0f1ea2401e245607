"""The answer to a plain call: `ChatCompletion` and everything inside it.

Values come in from a decoder or from `from_dict`; what goes out is read by the user. Every field has a default,
because some server somewhere leaves it out. Nothing here knows of streams or requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from .model import Model

__all__ = [
    "Annotation",
    "AnnotationURLCitation",
    "ChatCompletion",
    "ChatCompletionAudio",
    "ChatCompletionMessage",
    "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageFunctionToolCall",
    "ChatCompletionMessageToolCall",
    "ChatCompletionMessageToolCallUnion",
    "ChatCompletionTokenLogprob",
    "Choice",
    "ChoiceLogprobs",
    "CompletionTokensDetails",
    "CompletionUsage",
    "Custom",
    "FinishReason",
    "Function",
    "FunctionCall",
    "Moderation",
    "ModerationError",
    "ModerationResult",
    "ModerationResults",
    "PromptTokensDetails",
    "ServiceTier",
    "TopLogprob",
]

# Open sets, all of them: a server may answer with a value that no list of ours has.
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | str
ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority", "fast"] | str


class TopLogprob(Model):
    """One of the likeliest tokens at a position, with its natural log probability (-9999.0: very unlikely)."""

    token: str = ""
    bytes: list[int] | None = None  # the token's UTF-8; None: no such form
    logprob: float = 0.0


class ChatCompletionTokenLogprob(Model):
    """A sampled token, its natural log probability, and the likeliest alternatives at its position."""

    token: str = ""
    bytes: list[int] | None = None  # the token's UTF-8; None: no such form. Tokens may split a character
    logprob: float = 0.0
    top_logprobs: list[TopLogprob] = []


class ChoiceLogprobs(Model):
    """Log probabilities of a choice's tokens, in order; None: none for this kind of token."""

    content: list[ChatCompletionTokenLogprob] | None = None
    refusal: list[ChatCompletionTokenLogprob] | None = None


class Function(Model):
    """The function that a tool call names, and its arguments as JSON text.

    The model writes the arguments: they may be no valid JSON, or name parameters that the function has not.
    """

    arguments: str = ""
    name: str = ""


class Custom(Model):
    """The custom tool that a call names, and its input as the model wrote it."""

    input: str = ""
    name: str = ""


class ChatCompletionMessageFunctionToolCall(Model):
    """A call of a function tool."""

    id: str = ""
    function: Function = msgspec.field(default_factory=Function)
    type: Literal["function"] = "function"


class ChatCompletionMessageCustomToolCall(Model):
    """A call of a custom tool."""

    id: str = ""
    custom: Custom = msgspec.field(default_factory=Custom)
    type: Literal["custom"] = "custom"


# The older name of the official SDK.
ChatCompletionMessageToolCall = ChatCompletionMessageFunctionToolCall

ChatCompletionMessageToolCallUnion: TypeAlias = (
    ChatCompletionMessageFunctionToolCall | ChatCompletionMessageCustomToolCall
)


class AnnotationURLCitation(Model):
    """A cited web page and the characters of the message that cite it, `start_index` up to `end_index`."""

    end_index: int = 0
    start_index: int = 0
    title: str = ""
    url: str = ""


class Annotation(Model):
    """A note on the message: today, a URL citation of web search."""

    type: Literal["url_citation"] | str = "url_citation"
    url_citation: AnnotationURLCitation = msgspec.field(default_factory=AnnotationURLCitation)


class ChatCompletionAudio(Model):
    """Spoken output: base64 `data` in the requested format, forgotten by the server at `expires_at` (Unix, s)."""

    id: str = ""
    data: str = ""
    expires_at: int = 0
    transcript: str = ""


class FunctionCall(Model):
    """The deprecated single function call; see `Function`."""

    arguments: str = ""
    name: str = ""


if TYPE_CHECKING:
    _ToolCalls: TypeAlias = list[ChatCompletionMessageToolCallUnion]
else:
    # msgspec refuses a union of two untagged structs, and a tagged one would make an unknown `type` an error:
    # tool calls are decoded to dicts and told apart in `__post_init__`. Calls are few; the cost does not show.
    _ToolCalls = list[Any]


class ChatCompletionMessage(Model):
    """What the model said: text, a refusal, audio, or calls of tools; None where it did not."""

    content: str | None = None
    refusal: str | None = None
    role: Literal["assistant"] | str = "assistant"
    annotations: list[Annotation] | None = None
    audio: ChatCompletionAudio | None = None
    function_call: FunctionCall | None = None
    tool_calls: _ToolCalls | None = None

    def __post_init__(self) -> None:
        """Turn decoded tool calls into their types."""
        if self.tool_calls:
            self.tool_calls = [_tool_call(call) for call in self.tool_calls]

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning, under whichever name the vendor sends it; None: there is none."""
        return reasoning_text(self.model_extra)

    def to_param(self) -> dict[str, Any]:
        """Return the message as one that `messages=` takes: what the request schema knows, and vendors' extras.

        Nulls, annotations and audio bytes are left out (audio is referred to by its id), also the helper keys
        `parsed` and `parsed_arguments`. Extras stay: some vendors want their reasoning back.
        """
        out = self.to_dict()
        out.pop("annotations", None)
        out.pop("parsed", None)
        if self.audio is not None:
            out["audio"] = {"id": self.audio.id}
        if not out.get("tool_calls"):
            # An empty list is an answer, but no request: the API wants at least one call.
            out.pop("tool_calls", None)
        for call in out.get("tool_calls", []):
            call.get("function", {}).pop("parsed_arguments", None)
        return out


def _tool_call(call: Any) -> Any:
    """The call as the type that its `type` names, or, without one, that its keys betray."""
    if not isinstance(call, dict):
        return call
    custom = call.get("type") == "custom" or ("custom" in call and "function" not in call)
    return (ChatCompletionMessageCustomToolCall if custom else ChatCompletionMessageFunctionToolCall).from_dict(call)


# vLLM ≥ 0.9, OpenRouter and Groq say "reasoning", DeepSeek, llama.cpp and older vLLM "reasoning_content".
_REASONING_KEYS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")


def reasoning_text(extra: dict[str, Any]) -> str | None:
    """The first text in `extra` under one of the vendors' names for reasoning, or None."""
    return next((extra[key] for key in _REASONING_KEYS if isinstance(extra.get(key), str)), None)


class Choice(Model):
    """One of the `n` answers; `finish_reason` is None where it has not ended, or where the server did not say."""

    finish_reason: FinishReason | None = None
    index: int = 0
    logprobs: ChoiceLogprobs | None = None
    message: ChatCompletionMessage = msgspec.field(default_factory=ChatCompletionMessage)


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


class ModerationResult(Model):
    """The verdict on one input: category to bool, to the input types it applies to, and to a score from 0 to 1."""

    categories: dict[str, bool] = {}
    category_applied_input_types: dict[str, list[str]] = {}
    category_scores: dict[str, float] = {}
    flagged: bool = False
    model: str = ""
    type: Literal["moderation_result"] | str = "moderation_result"


class ModerationResults(Model):
    """Verdicts of one moderation model, one per input."""

    model: str = ""
    results: list[ModerationResult] = []
    type: Literal["moderation_results"] = "moderation_results"


class ModerationError(Model):
    """Why moderation did not run."""

    code: str = ""
    message: str = ""
    type: Literal["error"] = "error"


if TYPE_CHECKING:
    _Moderated: TypeAlias = ModerationResults | ModerationError
else:
    _Moderated = Any  # as with tool calls above


class Moderation(Model):
    """Moderation of the request's input and of the model's output; None: not asked for, or not sent."""

    input: _Moderated | None = None
    output: _Moderated | None = None

    def __post_init__(self) -> None:
        """Turn decoded verdicts into their types."""
        self.input, self.output = _moderated(self.input), _moderated(self.output)


def _moderated(verdict: Any) -> Any:
    if not isinstance(verdict, dict):
        return verdict
    return (ModerationError if verdict.get("type") == "error" else ModerationResults).from_dict(verdict)


class ChatCompletion(Model):
    """A chat completion, answered plainly or accumulated from a stream.

    Attributes:
        id: The server's name for it, empty where it sent none.
        choices: The answers, in the order of their `index`, usually one.
        created: Unix time in seconds, 0 where the server sent none.
        usage: Tokens billed; None: not asked for (`stream_options={"include_usage": True}`) or not told.
    """

    id: str = ""
    choices: list[Choice] = []
    created: int = 0
    model: str = ""
    object: Literal["chat.completion"] | str = "chat.completion"
    metadata: dict[str, str] | None = None
    moderation: Moderation | None = None
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None
    # The `x-request-id` of the response it came in; UNSET reads as None through `_request_id`.
    _response_id: str | UnsetType = msgspec.field(default=UNSET, name="\x7frequest_id")

    @property
    def _request_id(self) -> str | None:
        return None if self._response_id is UNSET else self._response_id
