"""Who may read and stop a stream: its owner, or anybody if it has none."""

from __future__ import annotations

import hmac

from .backend import StreamRecord
from .errors import UnknownStream

__all__ = ["check_owner", "may"]


def may(owner: str | None, record: StreamRecord) -> bool:
    """Return whether somebody may read and stop a stream; the comparison takes as long for any wrong name.

    Args:
        owner: Who asks; None: somebody who does not say.
        record: What is known of the stream.
    """
    if record.owner is None:
        return True
    return owner is not None and hmac.compare_digest(owner.encode(), record.owner.encode())


def check_owner(owner: str | None, record: StreamRecord) -> None:
    """Let those pass who may read and stop a stream.

    Raises:
        UnknownStream: It is another owner's.
    """
    if not may(owner, record):
        raise UnknownStream
