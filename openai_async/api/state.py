"""`ChatCompletionStreamState`: events and the whole completion of chunks from anywhere.

Chunks come in, of one stream and in order; events go out, and the completion so far. It needs no event loop and no
client: chunks may come from a file, a queue, or another machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from openai_async.protocol.events import EventBuilder
from openai_async.protocol.eventtypes import ChatCompletionStreamEvent
from openai_async.protocol.output import OutputType
from openai_async.protocol.parsing import ResponseParser
from openai_async.protocol.snapshot import ChatCompletionAccumulator
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.options import Omit, omit
from openai_async.types.parsed import ParsedChatCompletion

from .arguments import is_type
from .tools import argument_types

__all__ = ["ChatCompletionStreamState"]

T = TypeVar("T")


class ChatCompletionStreamState(Generic[T]):
    """The state of one stream, as the official SDK's class of that name.

        state = ChatCompletionStreamState()
        for chunk in chunks:
            for event in state.handle_chunk(chunk):
                ...
        completion = state.get_final_completion()

    Args:
        input_tools: The request's tools, whose arguments are to be parsed.
        response_format: The type that contents are parsed to; a response format's dict parses nothing.

    Raises:
        TypeError: The type is none that JSON could become.
    """

    def __init__(
        self, *, input_tools: Iterable[Any] | Omit = omit, response_format: type[T] | dict[str, Any] | Omit = omit
    ) -> None:
        output: OutputType[T] | None = OutputType.of(response_format) if is_type(response_format) else None
        tools = () if isinstance(input_tools, Omit) else input_tools
        self._parser = ResponseParser(output, argument_types(tools))
        self._accumulator = ChatCompletionAccumulator()
        self._builder = EventBuilder(self._accumulator, self._parser)

    def handle_chunk(self, chunk: ChatCompletionChunk) -> list[ChatCompletionStreamEvent[T]]:
        """Add the next chunk and return the events that it causes, its own first.

        Raises:
            StreamProtocolError: The chunk names an impossible choice or call.
        """
        self._accumulator.add(chunk)
        return self._builder.events(chunk)

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[T]:
        """The completion so far; `parsed` holds plain data while it is unfinished. Later chunks don't change it."""
        return self._parser.snapshot(self._accumulator.completion())

    def get_final_completion(self) -> ParsedChatCompletion[T]:
        """Return the completion, parsed; call it after the last chunk.

        Raises:
            LengthFinishReasonError, ContentFilterFinishReasonError: It was cut off or withheld where there was
                something to parse.
            OutputParseError: It is no JSON, or does not fit its type.
        """
        return self._parser.completion(self._accumulator.completion())
