"""`client.chat.completions`: the methods of the Chat Completions API.

Keyword arguments come in, a `Call` goes out. Arguments are checked and encoded at once, so that a mistake shows where
it was made; nothing is sent before the call is awaited or entered.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, overload

from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion
from openai_async.types.options import Omit, RequestOptions
from openai_async.types.params import CompletionCreateParamsBase

from .call import Call
from .opening import open_stream, read_completion
from .request import Sender, encode_body
from .stream import ChatStream

if TYPE_CHECKING:
    from openai_async.protocol.eventtypes import StreamEvent

__all__ = ["AsyncChat", "AsyncCompletions", "CreateParams"]

_PATH = "/chat/completions"


class CreateParams(CompletionCreateParamsBase, RequestOptions):
    """What `create` and `stream` take: the API's parameters, and the options of every method."""


_OPTIONS = frozenset(RequestOptions.__annotations__)
_NAMES = frozenset({*CreateParams.__annotations__, "stream"})


class AsyncChat:
    """`client.chat`: the one namespace below it is `completions`."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    @property
    def completions(self) -> AsyncCompletions:
        """The methods of the Chat Completions API."""
        return AsyncCompletions(self._client)


class AsyncCompletions:
    """The methods of `client.chat.completions`."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    @overload
    def create(
        self, *, stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[ChatStream[ChatCompletionChunk]]: ...
    @overload
    def create(
        self, *, stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[ChatCompletion]: ...
    @overload
    def create(
        self, *, stream: bool, **params: Unpack[CreateParams]
    ) -> Call[ChatCompletion | ChatStream[ChatCompletionChunk]]: ...
    def create(self, **params: Any) -> Call[Any]:
        """Create a completion: `POST /chat/completions`.

        Args:
            params: The API's parameters, explained in `CompletionCreateParamsBase`, and the options of
                `RequestOptions`. `model` and `messages` are required; an argument that is `omit` is not sent, one
                that is None is sent as null.

        Returns:
            A call to await or to enter with `async with`. It gives a `ChatCompletion`, or with `stream=True` a
            `ChatStream` of chunks, once the first content is here.

        Raises:
            TypeError: An argument is unknown (the message names the closest one), missing, or of a type that can't
                be sent.
            ValueError: A number or a text can't be sent.
            OpenAIError: From the call: whatever goes wrong; see `openai_async.errors`.
        """
        if params.get("stream"):
            return self._streaming(params, "create", events=False)
        plan = self._client._plan("POST", _PATH, *_split(params, "create"), stream=False)
        return Call(partial(self._client._send, plan, read_completion), name="chat.completions.create")

    def stream(self, **params: Unpack[CreateParams]) -> Call[ChatStream[StreamEvent]]:
        """Create a completion and follow it by events: `create(stream=True)` whose stream iterates events.

            async with client.chat.completions.stream(model=…, messages=…) as stream:
                async for event in stream:
                    if event.type == "content.delta":
                        print(event.delta, end="")
                completion = await stream.get_final_completion()

        Arguments and errors are those of `create`.
        """
        return self._streaming({**params, "stream": True}, "stream", events=True)

    def _streaming(self, params: dict[str, Any], method: str, *, events: bool) -> Call[Any]:
        plan = self._client._plan("POST", _PATH, *_split(params, method), stream=True)
        asked = params.get("n")
        choices = asked if isinstance(asked, int) else 1
        accept = partial(open_stream, events=events, choices=choices, deviations=self._client._deviations)
        return Call(partial(self._client._send, plan, accept), name=f"chat.completions.{method}")


if sys.version_info >= (3, 12):
    # What wraps coroutine functions (tracers, schedulers) asks for this mark; `create` returns a coroutine.
    inspect.markcoroutinefunction(AsyncCompletions.create)
    inspect.markcoroutinefunction(AsyncCompletions.stream)


def _split(params: Mapping[str, Any], method: str) -> tuple[bytes, RequestOptions]:
    """Check a call's arguments, and part what is sent from how it is sent."""
    unknown = next((name for name in params if name not in _NAMES), None)
    if unknown is not None:
        raise TypeError(_unknown_argument(method, unknown))
    missing = [name for name in ("messages", "model") if isinstance(params.get(name, Omit()), Omit)]
    if missing:
        raise TypeError(f"{method}() misses the required argument {' and '.join(map(repr, missing))}")
    messages: object = params["messages"]
    kind = type(messages).__name__
    if isinstance(messages, str | bytes | Mapping):
        raise TypeError(
            f'{method}(messages=...) takes a list of messages, such as [{{"role": "user", "content": "Hello"}}], '
            f"not {kind}"
        )
    if isinstance(params.get("response_format"), type):
        raise TypeError(f"{method}(response_format=...) takes a response format's dict, not a class")
    body = {name: value for name, value in params.items() if name not in _OPTIONS}
    options = {name: value for name, value in params.items() if name in _OPTIONS}
    return encode_body(body, params.get("extra_body")), cast("RequestOptions", options)


def _unknown_argument(method: str, name: str) -> str:
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    close = get_close_matches(name, _NAMES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "parameters of other vendors go into extra_body={...}."
    return f"{method}() got an unexpected keyword argument {name!r}; {hint}"
