"""Types that requests and responses share: names of models, roles, efforts, response formats, function definitions.

What comes in is written by the user as plain dicts, which is what goes out: TypedDicts and aliases of literals cost
nothing at run time. Nothing here checks a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "ChatCompletionModality",
    "ChatCompletionReasoningEffort",
    "ChatCompletionRole",
    "ChatModel",
    "FunctionDefinition",
    "FunctionParameters",
    "JSONSchema",
    "Metadata",
    "ReasoningEffort",
    "ResponseFormatJSONObject",
    "ResponseFormatJSONSchema",
    "ResponseFormatText",
    "Unlisted",
]

# `Literal[...] | Unlisted`: an open set. Editors complete the names, and any other text is as good.
Unlisted: TypeAlias = str

ChatCompletionRole: TypeAlias = Literal["developer", "system", "user", "assistant", "tool", "function"]
ChatCompletionModality: TypeAlias = Literal["text", "audio"]
# None: the model's own default, for most of them "medium".
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
ChatCompletionReasoningEffort = ReasoningEffort

# Up to 16 pairs; keys of at most 64 characters, values of at most 512.
Metadata: TypeAlias = Mapping[str, str]
# A JSON Schema of type "object". Left out: a function without parameters.
FunctionParameters: TypeAlias = Mapping[str, object]


class FunctionDefinition(TypedDict):
    """A function that the model may call."""

    name: str
    """At most 64 of the characters a-z, A-Z, 0-9, underscore and dash."""
    description: NotRequired[str]
    """What it does, and when to call it: the model reads this."""
    parameters: NotRequired[FunctionParameters]
    strict: NotRequired[bool | None]
    """True: arguments always follow the schema, which must keep to the subset that structured outputs allow."""


class JSONSchema(TypedDict):
    """A named schema for the answer."""

    name: str
    """At most 64 of the characters a-z, A-Z, 0-9, underscore and dash."""
    description: NotRequired[str]
    """What the answer is for: the model reads this."""
    schema: NotRequired[Mapping[str, object]]
    strict: NotRequired[bool | None]
    """True: the answer always follows the schema, which must keep to the subset that structured outputs allow."""


class ResponseFormatText(TypedDict):
    """Text, the default."""

    type: Literal["text"]


class ResponseFormatJSONObject(TypedDict):
    """Some JSON object. A message must ask for JSON too, or the model may write white space without end."""

    type: Literal["json_object"]


class ResponseFormatJSONSchema(TypedDict):
    """JSON of a schema."""

    json_schema: JSONSchema
    type: Literal["json_schema"]


# The names that the official SDK 3.54.0 lists; `model` takes any other name as well.
ChatModel: TypeAlias = Literal[
    "gpt-6-astra",
    "gpt-6.2-astra",
    "gpt-6.1-sol",
    "gpt-6.2-sol",
    "gpt-6.1-terra",
    "gpt-6-sol",
    "gpt-6-luna",
    "gpt-5.6-sol",
    "gpt-5.6-terra",
    "gpt-5.6-luna",
    "gpt-5.5",
    "gpt-5.5-2026-04-23",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-5.4-mini-2026-03-17",
    "gpt-5.4-nano-2026-03-17",
    "gpt-5.3-chat-latest",
    "gpt-5.2",
    "gpt-5.2-2025-12-11",
    "gpt-5.2-chat-latest",
    "gpt-5.2-pro",
    "gpt-5.2-pro-2025-12-11",
    "gpt-5.1",
    "gpt-5.1-2025-11-13",
    "gpt-5.1-codex",
    "gpt-5.1-mini",
    "gpt-5.1-chat-latest",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5-2025-08-07",
    "gpt-5-mini-2025-08-07",
    "gpt-5-nano-2025-08-07",
    "gpt-5-chat-latest",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano-2025-04-14",
    "o4-mini",
    "o4-mini-2025-04-16",
    "o3",
    "o3-2025-04-16",
    "o3-mini",
    "o3-mini-2025-01-31",
    "o1",
    "o1-2024-12-17",
    "o1-preview",
    "o1-preview-2024-09-12",
    "o1-mini",
    "o1-mini-2024-09-12",
    "gpt-4o",
    "gpt-4o-2024-11-20",
    "gpt-4o-2024-08-06",
    "gpt-4o-2024-05-13",
    "gpt-audio-mini",
    "gpt-audio-mini-2025-12-15",
    "gpt-4o-audio-preview",
    "gpt-4o-audio-preview-2024-10-01",
    "gpt-4o-audio-preview-2024-12-17",
    "gpt-4o-audio-preview-2025-06-03",
    "gpt-4o-mini-audio-preview",
    "gpt-4o-mini-audio-preview-2024-12-17",
    "gpt-4o-search-preview",
    "gpt-4o-mini-search-preview",
    "gpt-4o-search-preview-2025-03-11",
    "gpt-4o-mini-search-preview-2025-03-11",
    "chatgpt-4o-latest",
    "codex-mini-latest",
    "gpt-4o-mini",
    "gpt-4o-mini-2024-07-18",
    "gpt-4-turbo",
    "gpt-4-turbo-2024-04-09",
    "gpt-4-0125-preview",
    "gpt-4-turbo-preview",
    "gpt-4-1106-preview",
    "gpt-4-vision-preview",
    "gpt-4",
    "gpt-4-0314",
    "gpt-4-0613",
    "gpt-4-32k",
    "gpt-4-32k-0314",
    "gpt-4-32k-0613",
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-16k",
    "gpt-3.5-turbo-0301",
    "gpt-3.5-turbo-0613",
    "gpt-3.5-turbo-1106",
    "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-16k-0613",
]
