"""Text that grows by pieces: appended to in constant time, joined when it is looked at."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Text"]


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
