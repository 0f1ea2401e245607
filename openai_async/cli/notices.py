"""What is said beside the answer: on stderr, for people.

Notes, retries and waiting come in; out go dimmed lines and a spinner, and none of it where stderr is no terminal or the
user wants quiet. It never writes to stdout.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.text import Text

from .outcome import PROGRAM
from .words import one_line

__all__ = ["Notices"]


class Notices:
    """The lines on stderr.

    Args:
        quiet: Say only what must be said.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self.chatty: bool = self._console.is_terminal and not quiet

    def note(self, text: str) -> None:
        """Say what a reader of the answer should know, unless the user wants quiet."""
        if not self._quiet:
            self._print(f"{PROGRAM}: note: {text}")

    def remark(self, text: str) -> None:
        """Say what is nice to know, to people only."""
        if self.chatty:
            self._print(text)

    def figures(self, text: str) -> None:
        """Say numbers that were asked for."""
        self._print(text)

    def waiting(self) -> AbstractContextManager[Any]:
        """Turn a spinner until the answer begins."""
        return self._console.status("waiting", spinner="line") if self.chatty else nullcontext()

    @contextmanager
    def retries(self) -> Generator[None]:
        """Tell of the client's retries for as long as it is open."""
        logger = logging.getLogger("openai_async")
        handler = _Remarks(self)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)

    def _print(self, text: str) -> None:
        self._console.print(Text(one_line(text), style="dim"), soft_wrap=True, highlight=False)


class _Remarks(logging.Handler):
    """Passes the client's log on."""

    def __init__(self, notices: Notices) -> None:
        super().__init__()
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        self._notices.remark(record.getMessage())
