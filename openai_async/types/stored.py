"""Stored completions: what the server tells of their messages, and of their end.

Values come in from a decoder or from `from_dict`; what goes out is read by the user. Nothing here knows of pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import msgspec

from .completion import ChatCompletionMessage
from .json import refuse_depth
from .messages import ChatCompletionMessageParam
from .model import Model, Response, sendable
from .shared import Unlisted

__all__ = [
    "ChatCompletionContentPartImage",
    "ChatCompletionContentPartText",
    "ChatCompletionDeleted",
    "ChatCompletionStoreMessage",
    "ChatCompletionStoreMessageContentPart",
    "ImageURL",
    "PromptCacheBreakpoint",
]


class ChatCompletionDeleted(Response):
    """That a stored completion is no more, or still is: `deleted`."""

    id: str = ""
    deleted: bool = False
    object: Literal["chat.completion.deleted"] | Unlisted = "chat.completion.deleted"


class PromptCacheBreakpoint(Model):
    """The end of a cached prefix; a `ttl` of None is the request's."""

    mode: Literal["explicit"] | Unlisted = "explicit"
    ttl: Literal["30m", "12h"] | Unlisted | None = None


class ChatCompletionContentPartText(Model):
    """Text in a message. A part of a kind that has no type of its own is this, too, with everything in extras."""

    text: str = ""
    type: Literal["text"] = "text"
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ImageURL(Model):
    """Where an image is, perhaps in the URL itself, and how closely the model looks at it."""

    url: str = ""
    detail: Literal["auto", "low", "high", "original"] | Unlisted | None = None


class ChatCompletionContentPartImage(Model):
    """An image in a message."""

    image_url: ImageURL = msgspec.field(default_factory=ImageURL)
    type: Literal["image_url"] = "image_url"
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


ChatCompletionStoreMessageContentPart: TypeAlias = ChatCompletionContentPartText | ChatCompletionContentPartImage

if TYPE_CHECKING:
    _ContentParts: TypeAlias = list[ChatCompletionStoreMessageContentPart]
else:
    _ContentParts = list[dict[str, Any]]  # as with tool calls: see ChatCompletionMessage

# Roles whose messages a request may repeat with content alone; a tool's also has its `tool_call_id`, an extra.
_OTHER_ROLES = frozenset({"developer", "system", "user", "tool"})


class ChatCompletionStoreMessage(ChatCompletionMessage):
    """A message of a stored completion: of its prompt, whatever the role, or the model's.

    Attributes:
        id: Its name, for `after=`.
        content_parts: Text and images, where the message was made of parts; else None.
    """

    id: str = ""
    content_parts: _ContentParts | None = None

    def __post_init__(self) -> None:
        """Turn decoded tool calls and parts into their types."""
        super().__post_init__()
        if self.content_parts:
            self.content_parts = [_part(part) for part in self.content_parts]

    def to_param(self) -> ChatCompletionMessageParam:
        """Return the message as one that `messages=` takes, whatever its role; see `ChatCompletionMessage.to_param`.

        Returns:
            A new dict, without `id`. A tool's message is valid if the server told its `tool_call_id`.
        """
        parts = [sendable(part) for part in self.content_parts or ()]
        if self.role in _OTHER_ROLES:
            out = {"role": self.role, "content": parts or self.content or ""}
            return cast("ChatCompletionMessageParam", out | self._sendable_extra())
        out = cast("dict[str, Any]", super().to_param())
        if parts:
            out["content"] = parts
        return cast("ChatCompletionMessageParam", out)


def _part(part: Any) -> Any:
    """The part as the type that its `type` names, or, without one, that its keys betray."""
    if not isinstance(part, dict):
        return part  # a copy of a message has them in their types already
    data = cast("dict[str, Any]", part)
    refuse_depth(data)
    kind = data.get("type")
    image = kind == "image_url" or (kind != "text" and "image_url" in data and "text" not in data)
    return (ChatCompletionContentPartImage if image else ChatCompletionContentPartText).from_dict(data)
