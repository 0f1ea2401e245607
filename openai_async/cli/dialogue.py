"""A conversation on a terminal: a prompt, an answer, and so on until Ctrl-D.

Lines that a person types come in; each goes out with all that was said before. It keeps the conversation in memory, and
nothing of it anywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from importlib import import_module

import click

from openai_async.errors import APIError
from openai_async.types.messages import ChatCompletionMessageParam

from .answer import Answer
from .notices import Notices
from .outcome import StoppedError, show_error
from .screen import TextScreen

__all__ = ["Dialogue"]


class Dialogue:
    """A conversation.

    Args:
        ask: Makes the request for a list of messages.
        notices: Says what goes on.
    """

    def __init__(self, ask: Callable[[list[ChatCompletionMessageParam]], Answer], notices: Notices) -> None:
        self._ask = ask
        self._notices = notices
        self._screen = TextScreen()

    def hold(self, runner: asyncio.Runner, messages: list[ChatCompletionMessageParam]) -> None:
        """Read lines and answer them until the user ends it.

        Args:
            runner: Whose loop to use; it stands still while the user types.
            messages: What goes before the conversation; it grows by what is said.

        Raises:
            OpenAIError: The settings can't be used. Errors of a single request are shown, and the next line is read.
        """
        with contextlib.suppress(ImportError):
            # Editing and recalling lines, where the system has it: `input` uses it once it is imported.
            import_module("readline")
        while True:
            try:
                line = input("> ")
            except EOFError:
                click.echo()
                return
            except KeyboardInterrupt:
                click.echo()
                self._notices.remark("Ctrl-D ends the conversation")
                continue
            if line.strip():
                self._turn(runner, messages, line)

    def _turn(self, runner: asyncio.Runner, messages: list[ChatCompletionMessageParam], line: str) -> None:
        messages.append({"role": "user", "content": line})
        answer = self._ask(messages)
        try:
            answer.fetch(runner, self._screen, self._notices)
        except (APIError, StoppedError) as error:
            show_error(error)
        else:
            answer.sum_up(self._notices, asked=False)
        if text := answer.text:
            messages.append({"role": "assistant", "content": text})
        else:
            # Nothing came of it: the user may say it again.
            messages.pop()
