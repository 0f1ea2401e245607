"""`ConsoleHook`: what happens, printed line by line as it happens; the first dashboard there is."""

from __future__ import annotations

import sys
from typing import TextIO

from .lines import line_of
from .records import Record

__all__ = ["ConsoleHook"]


class ConsoleHook:
    """Prints a line for each record.

    Args:
        file: Where to; None: the standard error of the moment, which leaves the output to the answers.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    def __call__(self, record: Record) -> None:
        """Print a record."""
        print(line_of(record), file=self._file or sys.stderr, flush=True)
