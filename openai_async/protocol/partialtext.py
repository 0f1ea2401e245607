"""A growing text as JSON: the value that it has so far, and whether it is whole.

A `Text` comes in, which others append to and look at; plain data goes out. Nothing is read again because it grew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .partial import PartialJSON
from .text import Text

__all__ = ["PartialText"]


class PartialText:
    """The values that a growing text has, length by length.

    Args:
        text: The text, JSON; whoever has it may look at it and append to it.
        unwrap: What makes of the plain value the one to return; None: it is the plain one.
    """

    __slots__ = ("_again", "_again_read", "_first", "_next", "_read", "_reader", "_start", "_text", "_unwrap")

    def __init__(self, text: Text, unwrap: Callable[[Any], Any] | None = None) -> None:
        self._text = text
        self._unwrap = unwrap
        self._reader, self._read = PartialJSON(), 0
        self._again, self._again_read = PartialJSON(), 0  # reads earlier lengths, from the start
        # The text's first piece as it was last seen; the piece that is to be read next, and where it starts.
        self._first, self._next, self._start = "", 0, 0

    def at(self, length: int, *, monotonic: bool = False) -> Any:
        """Return the value that the first `length` characters have, as `PartialJSON.value`.

        Asked for growing lengths it reads each character once. An earlier length than asked for before is read from
        the start, unless that too was done before for one no longer.
        """
        if length >= self._read:
            self._read_on(length)
            reader = self._reader
        else:
            if length < self._again_read:
                self._again, self._again_read = PartialJSON(), 0
            reader = self._again
            reader.feed(self._text.value()[self._again_read : length])
            self._again_read = length
        value = reader.value(monotonic=monotonic)
        return value if self._unwrap is None else self._unwrap(value)

    @property
    def whole(self) -> bool:
        """Whether all of the text is one JSON value; asked again and again, each character is read once."""
        self._read_on(sys.maxsize)
        return self._reader.whole

    def _read_on(self, length: int) -> None:
        """Read up to `length`, piece by piece: joining the text at every look would cost its length."""
        pieces = self._text._pieces
        if not pieces or pieces[0] is not self._first or len(self._first) < 2:
            # Someone joined it, and there is one piece again. (Python has only one "a", so that proves nothing.)
            self._first, self._next, self._start = self._text.value(), 0, 0
        while self._read < length and self._next < len(pieces):
            piece = pieces[self._next]
            part = piece[self._read - self._start : length - self._start]
            self._reader.feed(part)
            self._read += len(part)
            if self._read == self._start + len(piece):
                self._next, self._start = self._next + 1, self._read
