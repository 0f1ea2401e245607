"""How far a command has come: one line that is written over on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]

_EVERY = {True: 0.2, False: 10.0}  # seconds between two lines, on a terminal and elsewhere


class Progress:
    """Says on standard error how far a command has come.

    Args:
        total: How much there is to do; None: as much as comes.
        what: What is counted.
        quiet: Whether it says nothing.
    """

    def __init__(self, total: int | None, what: str, *, quiet: bool = False) -> None:
        self._total = total
        self._what = what
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self.began: float = time.monotonic()  # by the monotonic clock
        self._said = self.began

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.began

    def say(self, done: int, more: str = "", *, now: bool = False) -> None:
        """Say that so much is done, unless that was said a moment ago; `now`: in any case."""
        if self._quiet or not (now or time.monotonic() - self._said >= _EVERY[self._terminal]):
            return
        self._said = time.monotonic()
        of = "" if self._total is None else f" of {self._total:,}"
        rate = done / max(self.seconds, 1e-9)
        line = f"{done:,}{of} {self._what}, {self.seconds:.0f} s, {rate:,.0f}/s{', ' + more if more else ''}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and not self._quiet:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
