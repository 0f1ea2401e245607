"""How an answer looks on stdout: as text, or with `--json` as it came.

Chunks come in one by one; out go letters as soon as they are here, flushed once per socket read. Nothing else is ever
written to stdout, and nothing of it to stderr.
"""

from __future__ import annotations

import sys
from typing import Protocol

from rich.console import Console
from rich.text import Text

from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.completion import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCallUnion,
)

from .words import clean

__all__ = ["JsonScreen", "Screen", "TextScreen"]


class Screen(Protocol):
    """Shows one answer. Every method raises `OSError` when stdout can't be written to."""

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Show what a chunk adds, perhaps not before `flush`."""
        ...

    def flush(self) -> None:
        """Make sure that all of it is seen."""
        ...

    def finish(self, completion: ChatCompletion) -> None:
        """Show what of the whole answer was not shown yet: all of it, if it did not come in chunks."""
        ...

    def close(self) -> None:
        """End the line, however the answer ended; the next answer may follow."""
        ...


class JsonScreen:
    """One line of JSON for each chunk, or for the whole completion; nothing that the server sent is lost."""

    def __init__(self) -> None:
        self._streams = False

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Write the chunk's line."""
        self._streams = True
        self._write(chunk.to_json(indent=None))

    def flush(self) -> None:
        """Pass the lines on."""
        sys.stdout.buffer.flush()

    def finish(self, completion: ChatCompletion) -> None:
        """Write the completion's line, unless its chunks were written."""
        if not self._streams:
            self._write(completion.to_json(indent=None))
            self.flush()

    def close(self) -> None:
        """Do nothing: every line is whole."""

    def _write(self, line: str) -> None:
        # JSON is UTF-8, whatever the terminal's encoding.
        sys.stdout.buffer.write(line.encode() + b"\n")


class TextScreen:
    """The first answer's text as it comes; what else there is, at the end.

    On a terminal that can dim text, the model's reasoning goes before it, dimmed. Elsewhere it is left out, so that a
    file or a pipe gets the answer and nothing else.
    """

    def __init__(self) -> None:
        self._out = sys.stdout
        self._terminal = self._out.isatty()
        self._console = Console()
        self._dims = self._terminal and self._console.color_system is not None
        self._begin()

    def _begin(self) -> None:
        self._shown = 0  # characters of the first answer's text
        self._thinking = self._thought = False
        self._open_line = False

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Write the text that the chunk adds to the first answer."""
        for choice in chunk.choices:
            if choice.index > 0:
                continue
            if reasoning := choice.delta.reasoning:
                self._think(reasoning)
            if text := choice.delta.content or choice.delta.refusal:
                if not (reasoning and reasoning in text):  # Gemini's thoughts are content, too
                    self._say(text)
                self._shown += len(text)

    def flush(self) -> None:
        """Let the letters be seen."""
        self._out.flush()

    def finish(self, completion: ChatCompletion) -> None:
        """Write the rest: text that no chunk had, tool calls, further answers."""
        for place, choice in enumerate(completion.choices):
            message = choice.message
            if place == 0:
                if not self._thought and message.reasoning:
                    self._think(message.reasoning)
                self._say(_text(message)[self._shown :])
            else:
                self._end_line()
                self._say(f"\n--- answer {place + 1} of {len(completion.choices)} ---\n{_text(message)}")
            for line in _calls(message):
                self._end_line()
                self._say(line)
        self.flush()

    def close(self) -> None:
        """End the line."""
        try:
            self._end_line()
            self.flush()
        finally:
            self._begin()

    def _think(self, text: str) -> None:
        if self._dims:
            if not self._thinking:
                self._end_line()
            self._thinking = self._thought = True
            self._console.print(Text(clean(text), style="dim"), end="", soft_wrap=True, highlight=False)

    def _say(self, text: str) -> None:
        if not text:
            return
        if self._thinking:
            self._thinking = False
            self._out.write("\n\n")
        self._out.write(clean(text) if self._terminal else text)
        self._open_line = not text.endswith("\n")

    def _end_line(self) -> None:
        if self._open_line or self._thinking:
            self._out.write("\n")
        self._open_line = self._thinking = False


def _text(message: ChatCompletionMessage) -> str:
    return message.content or message.refusal or ""


def _calls(message: ChatCompletionMessage) -> list[str]:
    """One line for each call of a tool."""
    lines = [f"tool call: {_call(call)}" for call in message.tool_calls or ()]
    if (call := message.function_call) is not None:
        lines.append(f"function call: {call.name}({call.arguments})")
    return lines


def _call(call: ChatCompletionMessageToolCallUnion) -> str:
    if isinstance(call, ChatCompletionMessageCustomToolCall):
        return f"{call.custom.name}({call.custom.input!r})"
    return f"{call.function.name}({call.function.arguments})"
