"""`with_raw_response` and `with_streaming_response`: the official SDK's spelling of `Call.raw` and `Call.streamed`.

A namespace of methods comes in; the same names go out, their calls giving responses instead of answers. Which
arguments a method takes, and what it raises, is told where it is defined. The namespaces are untyped here: their own
modules import this one.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, Unpack, overload

from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion
from openai_async.types.options import Omit, RequestOptions, omit
from openai_async.types.params import ResponseFormat
from openai_async.types.parsed import ParsedChatCompletion
from openai_async.types.shared import Metadata
from openai_async.types.stored import ChatCompletionDeleted, ChatCompletionStoreMessage

from .arguments import CreateParams, ListParams, MessagesParams, ParseParams
from .call import Call
from .pages import CursorPage
from .raw import RawResponse
from .stream import ChatStream
from .streamed import StreamedResponse

__all__ = [
    "ChatWithRawResponse",
    "ChatWithStreamingResponse",
    "ClientWithRawResponse",
    "ClientWithStreamingResponse",
    "CompletionsWithRawResponse",
    "CompletionsWithStreamingResponse",
    "MessagesWithRawResponse",
    "MessagesWithStreamingResponse",
]

T = TypeVar("T")


class MessagesWithRawResponse:
    """The methods of `completions.messages`, giving responses with their heads."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def list(
        self, completion_id: str, **params: Unpack[MessagesParams]
    ) -> Call[RawResponse[CursorPage[ChatCompletionStoreMessage]]]:
        """List the messages of a stored completion; see `AsyncMessages.list`."""
        call: Call[Any] = self._messages.list(completion_id, **params).raw()
        return call


class CompletionsWithRawResponse:
    """The methods of `client.chat.completions`, giving responses with their heads."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions

    @overload
    def create(
        self, *, stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[RawResponse[ChatStream[ChatCompletionChunk]]]: ...
    @overload
    def create(
        self, *, stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[RawResponse[ChatCompletion]]: ...
    @overload
    def create(
        self, *, stream: bool, **params: Unpack[CreateParams]
    ) -> Call[RawResponse[ChatCompletion | ChatStream[ChatCompletionChunk]]]: ...
    @overload
    def create(
        self, *, cast_to: type[T], stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[RawResponse[ChatStream[T]]]: ...
    @overload
    def create(
        self, *, cast_to: type[T], stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[RawResponse[T]]: ...
    def create(self, **params: Any) -> Call[RawResponse[Any]]:
        """Create a completion; see `AsyncCompletions.create`."""
        call: Call[Any] = self._completions.create(**params).raw()
        return call

    @overload
    def parse(
        self, *, response_format: type[T], **params: Unpack[ParseParams]
    ) -> Call[RawResponse[ParsedChatCompletion[T]]]: ...
    @overload
    def parse(
        self, *, response_format: ResponseFormat | Omit = omit, **params: Unpack[ParseParams]
    ) -> Call[RawResponse[ParsedChatCompletion[None]]]: ...
    @overload
    def parse(
        self, *, response_format: Any, **params: Unpack[ParseParams]
    ) -> Call[RawResponse[ParsedChatCompletion[Any]]]: ...
    def parse(self, **params: Any) -> Call[RawResponse[Any]]:
        """Create a completion whose content comes as an object; see `AsyncCompletions.parse`."""
        call: Call[Any] = self._completions.parse(**params).raw()
        return call

    def retrieve(self, completion_id: str, **options: Unpack[RequestOptions]) -> Call[RawResponse[ChatCompletion]]:
        """Return a stored completion; see `AsyncCompletions.retrieve`."""
        call: Call[Any] = self._completions.retrieve(completion_id, **options).raw()
        return call

    def update(
        self, completion_id: str, *, metadata: Metadata | None, **options: Unpack[RequestOptions]
    ) -> Call[RawResponse[ChatCompletion]]:
        """Give a stored completion other labels; see `AsyncCompletions.update`."""
        call: Call[Any] = self._completions.update(completion_id, metadata=metadata, **options).raw()
        return call

    def list(self, **params: Unpack[ListParams]) -> Call[RawResponse[CursorPage[ChatCompletion]]]:
        """List stored completions, one page; see `AsyncCompletions.list`."""
        call: Call[Any] = self._completions.list(**params).raw()
        return call

    def delete(self, completion_id: str, **options: Unpack[RequestOptions]) -> Call[RawResponse[ChatCompletionDeleted]]:
        """Delete a stored completion; see `AsyncCompletions.delete`."""
        call: Call[Any] = self._completions.delete(completion_id, **options).raw()
        return call

    @property
    def messages(self) -> MessagesWithRawResponse:
        """The methods of `completions.messages`, likewise."""
        return MessagesWithRawResponse(self._completions.messages)


class MessagesWithStreamingResponse:
    """The methods of `completions.messages`, giving responses whose bodies are read when asked for."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def list(
        self, completion_id: str, **params: Unpack[MessagesParams]
    ) -> Call[StreamedResponse[CursorPage[ChatCompletionStoreMessage]]]:
        """List the messages of a stored completion; see `AsyncMessages.list`."""
        call: Call[Any] = self._messages.list(completion_id, **params).streamed()
        return call


class CompletionsWithStreamingResponse:
    """The methods of `client.chat.completions`, giving responses whose bodies are read when asked for."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions

    @overload
    def create(
        self, *, stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[StreamedResponse[ChatStream[ChatCompletionChunk]]]: ...
    @overload
    def create(
        self, *, stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[StreamedResponse[ChatCompletion]]: ...
    @overload
    def create(
        self, *, stream: bool, **params: Unpack[CreateParams]
    ) -> Call[StreamedResponse[ChatCompletion | ChatStream[ChatCompletionChunk]]]: ...
    @overload
    def create(
        self, *, cast_to: type[T], stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[StreamedResponse[ChatStream[T]]]: ...
    @overload
    def create(
        self, *, cast_to: type[T], stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[StreamedResponse[T]]: ...
    def create(self, **params: Any) -> Call[StreamedResponse[Any]]:
        """Create a completion; see `AsyncCompletions.create`."""
        call: Call[Any] = self._completions.create(**params).streamed()
        return call

    @overload
    def parse(
        self, *, response_format: type[T], **params: Unpack[ParseParams]
    ) -> Call[StreamedResponse[ParsedChatCompletion[T]]]: ...
    @overload
    def parse(
        self, *, response_format: ResponseFormat | Omit = omit, **params: Unpack[ParseParams]
    ) -> Call[StreamedResponse[ParsedChatCompletion[None]]]: ...
    @overload
    def parse(
        self, *, response_format: Any, **params: Unpack[ParseParams]
    ) -> Call[StreamedResponse[ParsedChatCompletion[Any]]]: ...
    def parse(self, **params: Any) -> Call[StreamedResponse[Any]]:
        """Create a completion whose content comes as an object; see `AsyncCompletions.parse`."""
        call: Call[Any] = self._completions.parse(**params).streamed()
        return call

    def retrieve(self, completion_id: str, **options: Unpack[RequestOptions]) -> Call[StreamedResponse[ChatCompletion]]:
        """Return a stored completion; see `AsyncCompletions.retrieve`."""
        call: Call[Any] = self._completions.retrieve(completion_id, **options).streamed()
        return call

    def update(
        self, completion_id: str, *, metadata: Metadata | None, **options: Unpack[RequestOptions]
    ) -> Call[StreamedResponse[ChatCompletion]]:
        """Give a stored completion other labels; see `AsyncCompletions.update`."""
        call: Call[Any] = self._completions.update(completion_id, metadata=metadata, **options).streamed()
        return call

    def list(self, **params: Unpack[ListParams]) -> Call[StreamedResponse[CursorPage[ChatCompletion]]]:
        """List stored completions, one page; see `AsyncCompletions.list`."""
        call: Call[Any] = self._completions.list(**params).streamed()
        return call

    def delete(
        self, completion_id: str, **options: Unpack[RequestOptions]
    ) -> Call[StreamedResponse[ChatCompletionDeleted]]:
        """Delete a stored completion; see `AsyncCompletions.delete`."""
        call: Call[Any] = self._completions.delete(completion_id, **options).streamed()
        return call

    @property
    def messages(self) -> MessagesWithStreamingResponse:
        """The methods of `completions.messages`, likewise."""
        return MessagesWithStreamingResponse(self._completions.messages)


class ChatWithRawResponse:
    """The namespaces of `client.chat`, giving responses with their heads."""

    def __init__(self, chat: Any) -> None:
        self._chat = chat

    @property
    def completions(self) -> CompletionsWithRawResponse:
        """The methods of `client.chat.completions`."""
        return CompletionsWithRawResponse(self._chat.completions)


class ClientWithRawResponse:
    """The namespaces of a client, giving responses with their heads."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def chat(self) -> ChatWithRawResponse:
        """The namespace of `chat.completions`."""
        return ChatWithRawResponse(self._client.chat)


class ChatWithStreamingResponse:
    """The namespaces of `client.chat`, giving responses whose bodies are read when asked for."""

    def __init__(self, chat: Any) -> None:
        self._chat = chat

    @property
    def completions(self) -> CompletionsWithStreamingResponse:
        """The methods of `client.chat.completions`."""
        return CompletionsWithStreamingResponse(self._chat.completions)


class ClientWithStreamingResponse:
    """The namespaces of a client, giving responses whose bodies are read when asked for."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def chat(self) -> ChatWithStreamingResponse:
        """The namespace of `chat.completions`."""
        return ChatWithStreamingResponse(self._client.chat)
