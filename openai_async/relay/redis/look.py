"""`Look`: what Redis knows of a stream, from the reply of the script `LOOK`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

import msgspec

from openai_async.relay.log import End, EndStatus

from .scripts import LAST

__all__ = ["Look", "end_of", "look", "read_owner", "written_owner"]


class Look(msgspec.Struct, frozen=True):
    """What Redis knows of a stream.

    Attributes:
        epoch: The last one; 0: none.
        frames: How many it has.
        end: How it ended; None: it has no end.
        held: Whether a producer gave a sign within its lease.
        left: Milliseconds until its record expires, which each sign of a producer renews; -2: there is no such stream.
            A log without a record is none, as nobody knows whose it is.
        expired: Whether it has ended and its log is gone.
        owner: Whose it is; None: anybody's.
    """

    epoch: int
    frames: int
    end: End | None
    held: bool
    left: int
    expired: bool
    owner: str | None

    @property
    def known(self) -> bool:
        """Whether there is, or was, such a stream."""
        return self.left != -2


def look(reply: Sequence[Any]) -> Look:
    """Return what a reply of `LOOK` says."""
    epoch, seq, status, reason, lease, left, over, owner = reply
    end = end_of(status, reason) if status else None
    return Look(
        epoch,
        0 if seq == LAST else seq - 1 if end is not None else seq,
        end,
        lease != -2,
        left,
        bool(over and end is None),
        read_owner(owner),
    )


def end_of(status: bytes, error: bytes | dict[str, Any] | None = None) -> End:
    """Return an end as the log has it; a status that is none of ours is "error"."""
    name = status.decode("utf-8", "replace")
    if isinstance(error, bytes):
        error = msgspec.json.decode(error, type=dict[str, Any]) if error else None
    return End(cast("EndStatus", name) if name in get_args(EndStatus) else "error", error)


def written_owner(owner: str | None) -> str:
    """Return an owner as the scripts take it: nobody, and somebody without a name, are two things."""
    return "" if owner is None else "+" + owner


def read_owner(owner: bytes) -> str | None:
    """Return an owner of a script's reply."""
    return owner[1:].decode("utf-8", "replace") if owner else None
