"""`client.chat.completions`: the methods of the Chat Completions API.

Keyword arguments come in, a `Call` goes out. Arguments are checked and encoded at once, so that a mistake shows where
it was made; nothing is sent before the call is awaited or entered.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from openai_async.protocol.output import OutputType
from openai_async.protocol.parsing import ResponseParser
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import ChatCompletion
from openai_async.types.options import Omit, RequestOptions, omit
from openai_async.types.params import ResponseFormat
from openai_async.types.parsed import ParsedChatCompletion

from .answers import caster_of, read_completion
from .arguments import (
    MESSAGES,
    CreateParams,
    ParseParams,
    ToolParams,
    check_flag,
    check_names,
    is_type,
    items_of,
)
from .call import Call
from .request import Plan, Sender, encode_body
from .response import ResponseInfo
from .sending import PlainSending, Sending, StreamSending
from .stored import StoredCompletions
from .stream import ChatStream, EventStream, cast_stream
from .wrappers import CompletionsWithRawResponse, CompletionsWithStreamingResponse

if TYPE_CHECKING:  # what only some programs use loads with its first use: a tenth of the time to the first token
    from .handlers import RunnableTool
    from .runner import ToolRunner
    from .toolbox import ToolErrorPolicy

__all__ = ["AsyncChat", "AsyncCompletions", "CreateParams", "ParseParams"]

T = TypeVar("T")

_PATH = "/chat/completions"


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


class AsyncCompletions(StoredCompletions):
    """The methods of `client.chat.completions`."""

    @overload
    def create(
        self, *, cast_to: None = None, stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[ChatStream[ChatCompletionChunk]]: ...
    @overload
    def create(
        self, *, cast_to: None = None, stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[ChatCompletion]: ...
    @overload
    def create(
        self, *, cast_to: None = None, stream: bool, **params: Unpack[CreateParams]
    ) -> Call[ChatCompletion | ChatStream[ChatCompletionChunk]]: ...
    @overload
    def create(
        self, *, cast_to: type[T], stream: Literal[True], **params: Unpack[CreateParams]
    ) -> Call[ChatStream[T]]: ...
    @overload
    def create(
        self, *, cast_to: type[T], stream: Literal[False] | Omit | None = None, **params: Unpack[CreateParams]
    ) -> Call[T]: ...
    @overload
    def create(self, *, cast_to: type[T], stream: bool, **params: Unpack[CreateParams]) -> Call[T | ChatStream[T]]: ...
    def create(self, *, cast_to: Any = None, **params: Any) -> Call[Any]:
        """Create a completion: `POST /chat/completions`.

        Args:
            cast_to: A type of your own for the answer, or with `stream=True` for each chunk: a struct, a dataclass, a
                TypedDict, a pydantic model, `dict`, `bytes`, or a class derived from this package's types; None:
                `ChatCompletion` and `ChatCompletionChunk`.
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
        if is_type(params.get("response_format")):
            raise TypeError(
                "create(response_format=...) takes a response format's dict, not a class; "
                "parse() and stream() take a class, and parse the answer"
            )
        name = "chat.completions.create"
        stream = params.get("stream")
        if not (stream is None or isinstance(stream, Omit)):
            check_flag(stream, "create(stream=...)")
        if not stream:
            read: Any = read_completion if cast_to is None else caster_of(cast_to)
            plan = self._plan_of(params, "create", stream=False)
            return _call(PlainSending(self._client, plan, read), name)
        wrap: Any = ChatStream[Any] if cast_to is None else partial(cast_stream, caster_of(cast_to))
        return _call(self._streaming(params, "create", wrap, keep_data=cast_to is not None), name)

    @overload
    def parse(self, *, response_format: type[T], **params: Unpack[ParseParams]) -> Call[ParsedChatCompletion[T]]: ...
    @overload
    def parse(
        self, *, response_format: ResponseFormat | Omit = omit, **params: Unpack[ParseParams]
    ) -> Call[ParsedChatCompletion[None]]: ...
    @overload
    def parse(self, *, response_format: Any, **params: Unpack[ParseParams]) -> Call[ParsedChatCompletion[Any]]: ...
    def parse(self, **params: Any) -> Call[Any]:
        """Create a completion whose content and function arguments come as objects.

            completion = await client.chat.completions.parse(model=…, messages=…, response_format=Weather)
            weather = completion.choices[0].message.parsed

        Args:
            params: As `create`, but `response_format` may be a type: a msgspec struct, dataclass, TypedDict, pydantic
                model, `list[...]`, union, enum …; the model is held to its strict JSON schema. Arguments of tools made
                by `function_tool` or `pydantic_function_tool`, and of dict tools with `strict: True`, are parsed, too.

        Returns:
            A call that gives a completion with `message.parsed` and `function.parsed_arguments`. A refusal leaves
            `parsed` None.

        Raises:
            TypeError, ValueError, OpenAIError: As `create`.
            LengthFinishReasonError, ContentFilterFinishReasonError: From the call: the answer was cut off or withheld
                where there was something to parse; `completion` has what came.
            OutputParseError: From the call: the answer is no JSON, or does not fit the type; likewise.
        """
        parser, params = _with_types(params, "parse")
        plan = self._plan_of({**params, "stream": False}, "parse", stream=False)

        def read(body: bytes, info: ResponseInfo) -> ParsedChatCompletion[Any]:
            return parser.completion(read_completion(body, info))

        return _call(PlainSending(self._client, plan, read), "chat.completions.parse")

    @overload
    def stream(self, *, response_format: type[T], **params: Unpack[ParseParams]) -> Call[EventStream[T]]: ...
    @overload
    def stream(
        self, *, response_format: ResponseFormat | Omit = omit, **params: Unpack[ParseParams]
    ) -> Call[EventStream[None]]: ...
    @overload
    def stream(self, *, response_format: Any, **params: Unpack[ParseParams]) -> Call[EventStream[Any]]: ...
    def stream(self, **params: Any) -> Call[Any]:
        """Create a completion and follow it by events: `create(stream=True)` whose stream iterates events.

            async with client.chat.completions.stream(model=…, messages=…) as stream:
                async for event in stream:
                    if event.type == "content.delta":
                        print(event.delta, end="")
                completion = await stream.get_final_completion()

        Arguments and errors are those of `parse`; what can't be parsed is raised at the stream's end.
        """
        parser, params = _with_types(params, "stream")
        wrap = partial(EventStream[Any], parser=parser)
        return _call(self._streaming({**params, "stream": True}, "stream", wrap), "chat.completions.stream")

    @overload
    def run_tools(
        self,
        *,
        tools: Iterable[RunnableTool],
        response_format: type[T],
        stream: bool = False,
        max_turns: int = 10,
        tool_timeout: float | None = None,
        on_tool_error: ToolErrorPolicy = "raise",
        **params: Unpack[ToolParams],
    ) -> ToolRunner[T]: ...
    @overload
    def run_tools(
        self,
        *,
        tools: Iterable[RunnableTool],
        response_format: ResponseFormat | Omit = omit,
        stream: bool = False,
        max_turns: int = 10,
        tool_timeout: float | None = None,
        on_tool_error: ToolErrorPolicy = "raise",
        **params: Unpack[ToolParams],
    ) -> ToolRunner[None]: ...
    def run_tools(
        self,
        *,
        tools: Iterable[RunnableTool],
        stream: bool = False,
        max_turns: int = 10,
        tool_timeout: float | None = None,
        on_tool_error: ToolErrorPolicy = "raise",
        **params: Any,
    ) -> ToolRunner[Any]:
        """Let the model call Python functions, and tell it what they returned, until it has no more calls.

            run = await client.chat.completions.run_tools(model=…, messages=…, tools=[get_weather])
            print(run.content, run.usage)

        Args:
            tools: Functions, sync (called in a worker thread) or async; see `handlers.read_tools` for more.
            stream: Whether answers are streamed, for who follows the run by its events.
            max_turns: How often the model is asked at most, 1 or more.
            tool_timeout: Seconds that one call may take before the model is told so; None: no limit.
            on_tool_error: What becomes of an exception of a tool: see `ToolErrorPolicy`.
            params: As `parse` takes them.

        Returns:
            A run to await, or to iterate for its events; see `ToolRunner`, which also tells what it raises.

        Raises:
            TypeError, ValueError: As `parse`, and as `ToolRunner`.
        """
        from .runner import ToolRunner  # noqa: PLC0415 - see above

        return ToolRunner(
            self.stream if stream else self.parse,
            params,
            tools=tools,
            stream=stream,
            max_turns=max_turns,
            tool_timeout=tool_timeout,
            on_tool_error=on_tool_error,
            hooks=self._client._hooks,
        )

    @property
    def with_raw_response(self) -> CompletionsWithRawResponse:
        """The same methods, giving responses with their heads; the official SDK's spelling of `create(...).raw()`."""
        return CompletionsWithRawResponse(self)

    @property
    def with_streaming_response(self) -> CompletionsWithStreamingResponse:
        """The same methods, giving responses whose bodies are read when asked for; for use with `async with`."""
        return CompletionsWithStreamingResponse(self)

    def _plan_of(self, params: dict[str, Any], method: str, *, stream: bool) -> Plan:
        body, options = _split(params, method)
        return self._client._plan("POST", _PATH, body, options, stream=stream, model=params["model"])

    def _streaming(
        self, params: dict[str, Any], method: str, wrap: Any, *, keep_data: bool = False
    ) -> StreamSending[Any]:
        plan = self._plan_of(params, method, stream=True)
        asked = params.get("n")
        choices = asked if isinstance(asked, int) else 1
        return StreamSending(self._client, plan, wrap, choices=choices, keep_data=keep_data)


if sys.version_info >= (3, 12):
    # What wraps coroutine functions (tracers, schedulers) asks for this mark; these return a coroutine.
    for _method in (AsyncCompletions.create, AsyncCompletions.parse, AsyncCompletions.stream):
        inspect.markcoroutinefunction(_method)


def _call(sending: Sending[Any], name: str) -> Call[Any]:
    return Call(sending.result, name=name, sending=sending)  # no `Call[Any].of`: a subscripted class takes 0.7 µs more


def _with_types(params: dict[str, Any], method: str) -> tuple[ResponseParser[Any], dict[str, Any]]:
    """Return what parses the answer, and the arguments with a type's schema in the place of the type."""
    check_names(method, params, _NAMES - {"stream"})
    asked, tools = params.get("response_format"), params.get("tools")
    output: OutputType[Any] | None = None
    if is_type(asked):
        output = OutputType.of(asked, argument=f"{method}(response_format=...)")
        params = {**params, "response_format": output.response_format()}
    if tools is not None and not isinstance(tools, Omit):
        given = list(items_of(tools, f"{method}(tools=...)", "tools"))  # it may be a generator, and is read twice
        params = {**params, "tools": given}
        from .tools import argument_types  # noqa: PLC0415 - see above

        return ResponseParser(output, argument_types(given)), params
    return ResponseParser(output), params


def _split(params: Mapping[str, Any], method: str) -> tuple[bytes, RequestOptions]:
    """Check a call's arguments, and part what is sent from how it is sent."""
    check_names(method, params, _NAMES)
    missing = [name for name in ("messages", "model") if isinstance(params.get(name, omit), Omit)]
    if missing:
        raise TypeError(f"{method}() misses the required argument {' and '.join(map(repr, missing))}")
    items_of(params["messages"], f"{method}(messages=...)", MESSAGES)
    body = {name: value for name, value in params.items() if name not in _OPTIONS}
    options = {} if len(body) == len(params) else {name: params[name] for name in params.keys() & _OPTIONS}
    return encode_body(body, params.get("extra_body")), cast("RequestOptions", options)
