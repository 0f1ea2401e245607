"""What an answer means: contents and arguments as objects, or why they are none.

Completions and pieces of them come in; out go the objects that the request asked for. It knows types by their
`OutputType` only, and never changes a completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from openai_async.errors import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    OutputParseError,
)
from openai_async.types.completion import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageToolCallUnion,
    Choice,
)
from openai_async.types.model import Model
from openai_async.types.parsed import (
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChoice,
    ParsedFunction,
    ParsedFunctionToolCall,
)

from .output import OutputType
from .partial import PartialJSON

__all__ = ["ResponseParser"]

M = TypeVar("M", bound=Model)
T = TypeVar("T")

_CUT_SHORT = {"length": LengthFinishReasonError, "content_filter": ContentFilterFinishReasonError}


class ResponseParser(Generic[T]):
    """Parses the answers to one request.

    Args:
        output: What contents are to become; None: they stay text.
        tools: What the arguments of each function are to become, by its name; those of others stay text.
    """

    def __init__(self, output: OutputType[T] | None = None, tools: Mapping[str, OutputType[Any]] | None = None) -> None:
        self.output = output
        self.tools: Mapping[str, OutputType[Any]] = tools or {}

    def completion(self, completion: ChatCompletion) -> ParsedChatCompletion[T]:
        """Return `completion` with its contents and arguments parsed.

        Raises:
            LengthFinishReasonError: A choice was cut off by a token limit, and there was something to parse.
            ContentFilterFinishReasonError: Likewise, by the content filter.
            OutputParseError: What a choice says is no JSON, or does not fit its type. All of them carry the
                completion, with everything parsed that could be.
        """
        whole: ParsedChatCompletion[T] = _as_parsed(completion)
        failures = [failure for choice in whole.choices for failure in self._fill(choice)]
        if failures:
            failures[0].completion = whole
            raise failures[0]
        return whole

    def snapshot(self, completion: ChatCompletion) -> ParsedChatCompletion[T]:
        """Return an unfinished `completion`; what is not whole is parsed as far as it goes, to plain data."""
        whole: ParsedChatCompletion[T] = _as_parsed(completion)
        for choice in whole.choices:
            message = choice.message
            if not self._fill(choice) and choice.finish_reason:
                continue
            if self.output is not None and message.content and message.parsed is None:
                message.parsed = self.output.unwrap(_so_far(message.content))
            for function, output in self._calls(message):
                if function.parsed_arguments is None:
                    function.parsed_arguments = output.unwrap(_so_far(function.arguments))
        return whole

    def cut_short(self, finish_reason: str | None, *, calls: bool) -> bool:
        """Whether a choice that ended so is cut off from what was to be parsed.

        Args:
            finish_reason: How it ended.
            calls: Whether it has a call whose arguments would be parsed.
        """
        return finish_reason in _CUT_SHORT and (self.output is not None or calls)

    def _fill(self, choice: ParsedChoice[T]) -> list[Any]:
        """Parse one choice; return what went wrong, in order, as errors without their completion."""
        message = choice.message
        calls = self._calls(message)
        if self.cut_short(choice.finish_reason, calls=bool(calls)):
            return [_CUT_SHORT[choice.finish_reason or ""](None)]
        failures: list[OutputParseError] = []
        if self.output is not None and message.content and not message.refusal:
            try:
                message.parsed = self.output.parse(message.content)
            except OutputParseError as failure:
                failures.append(failure)
        for function, output in calls:
            try:
                function.parsed_arguments = output.parse(function.arguments)
            except OutputParseError as failure:
                failures.append(failure)
        return failures

    def _calls(self, message: ParsedChatCompletionMessage[T]) -> list[tuple[ParsedFunction, OutputType[Any]]]:
        """The functions called whose arguments are to be parsed."""
        calls = [call.function for call in message.tool_calls or () if isinstance(call, ParsedFunctionToolCall)]
        return [(function, self.tools[function.name]) for function in calls if function.name in self.tools]


def _so_far(text: str) -> Any:
    reader = PartialJSON()
    reader.feed(text)
    return reader.value()


def _as_parsed(completion: ChatCompletion) -> ParsedChatCompletion[Any]:
    """The same completion, of the types that have places for what is parsed."""
    choices = [_parsed_choice(choice) for choice in completion.choices]
    return _built(ParsedChatCompletion[Any], completion, choices=choices)


def _parsed_choice(choice: Choice) -> ParsedChoice[Any]:
    return _built(ParsedChoice[Any], choice, message=_parsed_message(choice.message))


def _parsed_message(message: ChatCompletionMessage) -> ParsedChatCompletionMessage[Any]:
    calls = message.tool_calls
    return _built(
        ParsedChatCompletionMessage[Any],
        message,
        tool_calls=None if calls is None else [_parsed_call(call) for call in calls],
    )


def _parsed_call(call: ChatCompletionMessageToolCallUnion) -> Any:
    if not isinstance(call, ChatCompletionMessageFunctionToolCall):
        return call
    return _built(ParsedFunctionToolCall, call, function=_built(ParsedFunction, call.function))


def _built(cls: type[M], value: Model, **changed: Any) -> M:
    """The same object as a `cls`, its extras included, but for these fields."""
    return cls.build(value._fields() | changed, value._extra)
