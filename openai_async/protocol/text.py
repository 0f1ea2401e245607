"""Text that grows by pieces: appended to in constant time, joined when it is looked at; and text that can be shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["HALF", "Text", "whole_characters"]

HALF: Final = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, or one of both: JSON can write it alone, UTF-8 can't."""


def whole_characters(text: str) -> str:
    """Return `text` with its surrogate pairs as the characters that they mean, and lone halves as U+FFFD."""
    if not HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Text:
    """A string in pieces."""

    __slots__ = ("_pieces", "append")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        # The list's own method, bound once: no call of ours stands between a chunk and its place.
        self.append: Callable[[str], None] = self._pieces.append

    def __deepcopy__(self, memo: object) -> Text:
        """Return a copy with pieces of its own: `append` would be copied as the original's."""
        twin = Text()
        twin.append(self.value())
        return twin

    def value(self) -> str:
        """Return the whole text so far."""
        pieces = self._pieces
        if len(pieces) > 1:
            pieces[:] = ("".join(pieces),)
        return pieces[0] if pieces else ""
