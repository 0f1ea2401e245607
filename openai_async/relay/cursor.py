"""`Cursor`: how far somebody has read a stream.

The id of an SSE event comes in, or nothing; two numbers go out, and back.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from .errors import BadCursor

__all__ = ["Cursor"]

# Numbers below 2^63, without leading zeros: one cursor has one spelling, and Redis takes it for an entry's id.
_FORM = re.compile(r"(0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})")


class Cursor(NamedTuple):
    """A place in a stream; as text `epoch-seq`, which is the `id` of the SSE event of that frame.

    Attributes:
        epoch: Which attempt to write the stream; it grows with each. 0: none, from the start.
        seq: The number of the last frame that was read, from 1, without holes. 0: nothing was read.
    """

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, last_event_id: str | None) -> Self:
        """Return the cursor that a text says.

        Args:
            last_event_id: As `str` writes it; None or empty: from the start.

        Raises:
            BadCursor: It is something else.
        """
        if not last_event_id:
            return cls(0, 0)
        match = _FORM.fullmatch(last_event_id)
        if match is None:
            raise BadCursor("A cursor is written epoch-seq, two whole numbers with a hyphen, as in 1-25.")
        return cls(int(match[1]), int(match[2]))
