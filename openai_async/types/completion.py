"""The answer to a plain call: `ChatCompletion` and everything inside it.

Values come in from a decoder or from `from_dict`; what goes out is read by the user. Every field has a default,
because some server somewhere leaves it out. Nothing here knows of streams or requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

import msgspec
from msgspec import UNSET

from .json import is_array, is_object, refuse_depth
from .messages import ChatCompletionMessageParam
from .model import Model, Response, plain, sendable
from .moderation import Moderation
from .reasoning import reasoning_of_message
from .shared import Unlisted
from .usage import CompletionUsage

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
    "Custom",
    "FinishReason",
    "Function",
    "FunctionCall",
    "Moderation",
    "ServiceTier",
    "TopLogprob",
]

# Open sets, all of them: a server may answer with a value that no list of ours has.
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | Unlisted
ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority", "fast"] | Unlisted


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

    type: Literal["url_citation"] | Unlisted = "url_citation"
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
    _ToolCalls = list[dict[str, Any]]


class ChatCompletionMessage(Model):
    """What the model said: text, a refusal, audio, or calls of tools; None where it did not.

    Attributes:
        content: The text. Where a server sends a list of typed parts instead (Mistral), the text of its text parts;
            the list is in `model_extra`.
    """

    content: str | None = None
    refusal: str | None = None
    role: Literal["assistant"] | Unlisted = "assistant"
    annotations: list[Annotation] | None = None
    audio: ChatCompletionAudio | None = None
    function_call: FunctionCall | None = None
    tool_calls: _ToolCalls | None = None

    # What a function call becomes; `ParsedChatCompletionMessage` has another.
    _function_call_type: ClassVar[type[ChatCompletionMessageFunctionToolCall]] = ChatCompletionMessageFunctionToolCall

    def __post_init__(self) -> None:
        """Turn decoded tool calls into their types, and a list of parts into their text."""
        if self.tool_calls:
            self.tool_calls = [_tool_call(call, self._function_call_type) for call in self.tool_calls]
        if self.content is None and self._extra is not UNSET:
            self.content = text_of_parts(self._extra.get("content")) or None

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning, under whichever name and in whichever shape the vendor sends it; None: there is none.

        Gemini writes it into the content, which stays as it was sent; here it is without the tags around it.
        """
        return None if self._extra is UNSET else reasoning_of_message(self._extra, self.content)

    def to_param(self) -> ChatCompletionMessageParam:
        """Return the message as one that `messages=` takes: what the request schema knows, and vendors' extras.

        Nulls, annotations and audio bytes are left out (audio is referred to by its id), also the helper keys
        `parsed` and `parsed_arguments`, and values that did not fit their field. Beside calls, content is there
        even where it is null: some servers refuse a message without it. Extras stay: some vendors want their
        reasoning back. So do content that came as a list of parts (Mistral), and a tool call's `type`, even one
        that the schema does not know.

        Returns:
            A new dict, valid by the published schema unless the server used such a type of its own. A message that
            says nothing at all gets empty content, since the API refuses it without.
        """
        out: dict[str, Any] = {"role": "assistant"}
        extra = self.model_extra
        parts = _typed_parts(extra.get("content_parts")) or _typed_parts(extra.get("content"))
        calls = [_call_param(call) for call in self.tool_calls or ()]
        said = {
            "content": plain(_with_text(parts, self.content)) if parts else self.content,
            "refusal": self.refusal,
            "audio": {"id": self.audio.id} if self.audio is not None else None,
            "function_call": sendable(self.function_call) if self.function_call is not None else None,
            # An empty list is an answer, but no request: the API wants at least one call.
            "tool_calls": calls or None,
        }
        out.update((name, value) for name, value in said.items() if value is not None)
        if len(out) == 1:
            out["content"] = ""
        elif "tool_calls" in out or "function_call" in out:
            # The schema lets it be absent, but some servers don't (DeepSeek, by reports). OpenAI's client sends the null, too.
            out.setdefault("content", None)
        return cast("ChatCompletionMessageParam", out | self._sendable_extra())

    def _sendable_extra(self) -> dict[str, Any]:
        """Extras that may stand in a message parameter."""
        taken = {*self.__struct_fields__, "parsed", "content_parts"}
        extra = {name: plain(value) for name, value in self.model_extra.items() if name not in taken}
        if not isinstance(extra.get("name", ""), str):
            del extra["name"]  # the one key that requests know and responses do not
        return extra


def _tool_call(call: Any, function_call_type: type[ChatCompletionMessageFunctionToolCall]) -> Any:
    """The call as the type that its `type` names, or, without one, that its keys betray."""
    if not isinstance(call, dict):
        return call  # a copy of a message has them in their types already
    data = cast("dict[str, Any]", call)
    refuse_depth(data)
    kind = data.get("type")
    custom = kind == "custom" or (kind != "function" and "custom" in data and "function" not in data)
    return (ChatCompletionMessageCustomToolCall if custom else function_call_type).from_dict(data)


def _call_param(call: ChatCompletionMessageToolCallUnion) -> dict[str, Any]:
    out = sendable(call)
    out.pop("index", None)  # its place in the list says it
    called = "function" if isinstance(call, ChatCompletionMessageFunctionToolCall) else "custom"
    out["type"] = out["type"] or called
    out[called].pop("parsed_arguments", None)
    return out


def _typed_parts(content: Any) -> list[dict[str, Any]] | None:
    """Content that came as a list of typed parts; None: it came otherwise."""
    if not isinstance(content, list) or not content:
        return None
    return cast("Any", content) if all(_is_typed(part) for part in cast("Iterable[Any]", content)) else None


def _with_text(parts: list[dict[str, Any]], content: str | None) -> list[dict[str, Any]]:
    """The parts, with all of the text: Mistral streams its thinking as parts, and then its answer as plain text."""
    told = text_of_parts(parts) or ""
    if content is None or content == told:
        return parts
    if not content.startswith(told):
        parts, told = [part for part in parts if part["type"] != "text"], ""
    return [*parts, {"type": "text", "text": content[len(told) :]}]


def _is_typed(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(cast("dict[str, Any]", part).get("type"), str)


def text_of_parts(content: Any) -> str | None:
    """Return the text of content that came as a list of parts, as Mistral's reasoning models send it.

    Args:
        content: What the server sent as `content`. Parts of other types than "text" (their reasoning) are skipped.

    Returns:
        The texts, joined; None: `content` is no list.
    """
    if not is_array(content):
        return None
    parts = [part for part in content if is_object(part) and _is_typed(part)]
    return "".join(part["text"] for part in parts if part["type"] == "text" and isinstance(part.get("text"), str))


class Choice(Model):
    """One of the `n` answers; `finish_reason` is None where it has not ended, or where the server did not say."""

    finish_reason: FinishReason | None = None
    index: int = 0
    logprobs: ChoiceLogprobs | None = None
    message: ChatCompletionMessage = msgspec.field(default_factory=ChatCompletionMessage)


class ChatCompletion(Response):
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
    object: Literal["chat.completion"] | Unlisted = "chat.completion"
    metadata: dict[str, str] | None = None
    moderation: Moderation | None = None
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None
