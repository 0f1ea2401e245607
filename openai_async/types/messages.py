"""What you say: the messages of a request, and the parts they are made of.

What comes in is written by the user as plain dicts, which is what goes out. Nothing here is a response type: the
model's messages are `ChatCompletionMessage`, and `messages=` takes those as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NotRequired, TypeAlias, TypedDict

from .shared import Unlisted

__all__ = [
    "AssistantAudio",
    "AssistantFunctionCall",
    "ChatCompletionAssistantMessageParam",
    "ChatCompletionAudioParam",
    "ChatCompletionContentPart",
    "ChatCompletionContentPartImageParam",
    "ChatCompletionContentPartInputAudio",
    "ChatCompletionContentPartInputAudioParam",
    "ChatCompletionContentPartParam",
    "ChatCompletionContentPartRefusal",
    "ChatCompletionContentPartRefusalParam",
    "ChatCompletionContentPartTextParam",
    "ChatCompletionDeveloperMessageParam",
    "ChatCompletionFunctionMessageParam",
    "ChatCompletionMessageCustomToolCallParam",
    "ChatCompletionMessageFunctionToolCallParam",
    "ChatCompletionMessageParam",
    "ChatCompletionMessageToolCallParam",
    "ChatCompletionMessageToolCallUnionParam",
    "ChatCompletionPredictionContent",
    "ChatCompletionPredictionContentParam",
    "ChatCompletionSystemMessageParam",
    "ChatCompletionToolMessageParam",
    "ChatCompletionUserMessageParam",
    "ContentArrayOfContentPart",
    "CreateChatCompletionRequestMessageParam",
    "CustomParam",
    "File",
    "FileFile",
    "FunctionParam",
    "ImageURLParam",
    "InputAudio",
    "PromptCacheBreakpointParam",
    "Voice",
    "VoiceID",
]

# --- Parts ---


class PromptCacheBreakpointParam(TypedDict):
    """Marks the end of a prefix that later prompts will repeat, so that it is cached up to exactly here."""

    mode: Literal["explicit"]
    ttl: NotRequired[Literal["30m", "12h"]]
    """How long the prefix is kept at least. Left out: as `prompt_cache_options` says."""


class ChatCompletionContentPartTextParam(TypedDict):
    """Text."""

    text: str
    type: Literal["text"]
    prompt_cache_breakpoint: NotRequired[PromptCacheBreakpointParam]


class ImageURLParam(TypedDict):
    """Where the image is."""

    url: str
    """An `https:` URL, or a `data:` URL with the image in base64."""
    detail: NotRequired[Literal["auto", "low", "high", "original"]]
    """How closely the model looks, which is what tokens are spent on. Left out: "auto"."""


class ChatCompletionContentPartImageParam(TypedDict):
    """An image."""

    image_url: ImageURLParam
    type: Literal["image_url"]
    prompt_cache_breakpoint: NotRequired[PromptCacheBreakpointParam]


class InputAudio(TypedDict):
    """Sound, `data` in base64."""

    data: str
    format: Literal["wav", "mp3"]


class ChatCompletionContentPartInputAudioParam(TypedDict):
    """A sound."""

    input_audio: InputAudio
    type: Literal["input_audio"]
    prompt_cache_breakpoint: NotRequired[PromptCacheBreakpointParam]


class FileFile(TypedDict):
    """A file: an uploaded one by its `file_id`, or `file_data` (a `data:` URL in base64) with a `filename`."""

    file_data: NotRequired[str]
    file_id: NotRequired[str]
    filename: NotRequired[str]


class File(TypedDict):
    """A file to read, such as a PDF."""

    file: FileFile
    type: Literal["file"]
    prompt_cache_breakpoint: NotRequired[PromptCacheBreakpointParam]


class ChatCompletionContentPartRefusalParam(TypedDict):
    """What the model said when it refused."""

    refusal: str
    type: Literal["refusal"]


ChatCompletionContentPartParam: TypeAlias = (
    ChatCompletionContentPartTextParam
    | ChatCompletionContentPartImageParam
    | ChatCompletionContentPartInputAudioParam
    | File
)
# What an assistant message may be made of.
ContentArrayOfContentPart: TypeAlias = ChatCompletionContentPartTextParam | ChatCompletionContentPartRefusalParam

# --- Calls that an assistant message repeats ---


class FunctionParam(TypedDict):
    """The called function, its arguments as JSON text."""

    arguments: str
    name: str


class CustomParam(TypedDict):
    """The called custom tool, and its input."""

    input: str
    name: str


class ChatCompletionMessageFunctionToolCallParam(TypedDict):
    """A call of a function tool. The message with its result repeats the `id`."""

    id: str
    function: FunctionParam
    type: Literal["function"]


class ChatCompletionMessageCustomToolCallParam(TypedDict):
    """A call of a custom tool. The message with its result repeats the `id`."""

    id: str
    custom: CustomParam
    type: Literal["custom"]


ChatCompletionMessageToolCallUnionParam: TypeAlias = (
    ChatCompletionMessageFunctionToolCallParam | ChatCompletionMessageCustomToolCallParam
)


class AssistantAudio(TypedDict):
    """An earlier spoken answer, by the id it came with, while the server remembers it."""

    id: str


class AssistantFunctionCall(TypedDict):
    """The deprecated single function call."""

    arguments: str
    name: str


# --- Messages ---


class ChatCompletionDeveloperMessageParam(TypedDict):
    """Instructions that stand above the user's. Reasoning models take these instead of a system message."""

    content: str | Iterable[ChatCompletionContentPartTextParam]
    role: Literal["developer"]
    name: NotRequired[str]


class ChatCompletionSystemMessageParam(TypedDict):
    """Instructions that stand above the user's; for older models, and most other vendors."""

    content: str | Iterable[ChatCompletionContentPartTextParam]
    role: Literal["system"]
    name: NotRequired[str]


class ChatCompletionUserMessageParam(TypedDict):
    """What the user says, shows, or plays. `name` tells several users apart."""

    content: str | Iterable[ChatCompletionContentPartParam]
    role: Literal["user"]
    name: NotRequired[str]


class ChatCompletionAssistantMessageParam(TypedDict):
    """What the model said before. `content` may be missing where there are tool calls."""

    role: Literal["assistant"]
    audio: NotRequired[AssistantAudio | None]
    content: NotRequired[str | Iterable[ContentArrayOfContentPart] | None]
    function_call: NotRequired[AssistantFunctionCall | None]
    name: NotRequired[str]
    refusal: NotRequired[str | None]
    tool_calls: NotRequired[Iterable[ChatCompletionMessageToolCallUnionParam]]


class ChatCompletionToolMessageParam(TypedDict):
    """What a called tool returned."""

    content: str | Iterable[ChatCompletionContentPartTextParam]
    role: Literal["tool"]
    tool_call_id: str
    """The `id` of the call that this answers."""


class ChatCompletionFunctionMessageParam(TypedDict):
    """What the function of a deprecated single function call returned."""

    content: str | None
    name: str
    role: Literal["function"]


ChatCompletionMessageParam: TypeAlias = (
    ChatCompletionDeveloperMessageParam
    | ChatCompletionSystemMessageParam
    | ChatCompletionUserMessageParam
    | ChatCompletionAssistantMessageParam
    | ChatCompletionToolMessageParam
    | ChatCompletionFunctionMessageParam
)

# --- What a request says of its answer ---


class VoiceID(TypedDict):
    """A custom voice."""

    id: str


Voice: TypeAlias = (
    Literal["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"]
    | Unlisted
    | VoiceID
)


class ChatCompletionAudioParam(TypedDict):
    """How a spoken answer sounds. Streams can only be "pcm16"."""

    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]
    voice: Voice


class ChatCompletionPredictionContentParam(TypedDict):
    """Text that much of the answer is expected to repeat, as when a file is edited."""

    content: str | Iterable[ChatCompletionContentPartTextParam]
    type: Literal["content"]


# The names in the API's reference, and older ones of the official SDK.
ChatCompletionContentPart: TypeAlias = ChatCompletionContentPartParam
ChatCompletionContentPartInputAudio = ChatCompletionContentPartInputAudioParam
ChatCompletionContentPartRefusal = ChatCompletionContentPartRefusalParam
ChatCompletionMessageToolCallParam = ChatCompletionMessageFunctionToolCallParam
ChatCompletionPredictionContent = ChatCompletionPredictionContentParam
CreateChatCompletionRequestMessageParam: TypeAlias = ChatCompletionMessageParam
