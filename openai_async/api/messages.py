"""`client.chat.completions.messages`: the messages of a stored completion.

The completion's id comes in, a call for their list goes out. Nothing is sent before the call is awaited or iterated.
"""

from __future__ import annotations

from typing import Unpack, cast
from urllib.parse import quote

from openai_async.protocol import codec
from openai_async.types.stored import ChatCompletionStoreMessage

from .arguments import MessagesParams, check_names, check_text
from .pages import Listing, PageCall
from .request import Sender
from .wrappers import MessagesWithRawResponse, MessagesWithStreamingResponse

__all__ = ["AsyncMessages", "completion_path"]

_NAMES = frozenset(MessagesParams.__annotations__)
# What a segment of a path may hold beside letters, digits and "-._~" (RFC 3986, section 3.3).
_SEGMENT = "!$&'()*+,;=:@"


class AsyncMessages:
    """The one method of `client.chat.completions.messages`."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    def list(self, completion_id: str, **params: Unpack[MessagesParams]) -> PageCall[ChatCompletionStoreMessage]:
        """List the messages of a stored completion: `GET /chat/completions/{completion_id}/messages`.

            async for message in client.chat.completions.messages.list("chatcmpl-…"):
                print(message.role, message.content)

        Args:
            completion_id: Of a completion made with `store=True`.
            params: The API's parameters, explained in `MessageListParams`, and the options of `RequestOptions`, which
                hold for each page.

        Returns:
            A call: await it for the first page, iterate it with `async for` for all messages.

        Raises:
            TypeError, ValueError: An argument is unknown, or can't be sent.
            OpenAIError: From the call; a page that was here before is an `APIResponseValidationError`.
        """
        check_names("list", params, _NAMES, others="extra_query")
        path = f"{completion_path(completion_id)}/messages"
        return Listing(self._client, path, ChatCompletionStoreMessage, params).call("chat.completions.messages.list")

    @property
    def with_raw_response(self) -> MessagesWithRawResponse:
        """The same method, giving the response with its head; the official SDK's spelling of `list(...).raw()`."""
        return MessagesWithRawResponse(self)

    @property
    def with_streaming_response(self) -> MessagesWithStreamingResponse:
        """The same method, giving a response whose body is read when asked for; for use with `async with`."""
        return MessagesWithStreamingResponse(self)


def completion_path(completion_id: object) -> str:
    """Return the path of a stored completion, its id percent-encoded.

    Raises:
        TypeError: The id is no string.
        ValueError: It is empty, or "." or "..", which would climb out of the list; or no text.
    """
    check_text(completion_id, "completion_id")
    text = str.__str__(cast("str", completion_id))
    if not text:
        raise ValueError("Expected a non-empty value for `completion_id` but received ''")
    if text in {".", ".."}:
        raise ValueError(f"completion_id can't be {text!r}")
    codec.plain(text, "completion_id")  # half of a surrogate pair is no text
    return f"/chat/completions/{quote(text, safe=_SEGMENT)}"
