"""`Replica`: the log of a stream that another process writes, in this one's memory.

Entries come in, in whatever pieces Redis has them; frames go into a `MemoryLog`, each once and in order, or the log ends
with "gap": it is never short without a word.
"""

from __future__ import annotations

from typing import Any, Final, cast

from openai_async.relay.errors import RelayError
from openai_async.relay.log import End, EndStatus, MemoryLog

from .entry import Entry
from .look import end_of
from .scripts import LAST

__all__ = ["Replica"]

_ERRORS: Final[dict[str, dict[str, Any] | None]] = {
    "error": {
        "message": "The stream's log can't be read.",
        "type": "server_error",
        "param": None,
        "code": "relay_unavailable",
    }
}


class Replica:
    """A log that is read from Redis.

    Args:
        keys: The log's, the lease's and the record's.
        log: Where frames go; what it has is what was read so far.
        position: The id of the entry behind which to read on.

    Attributes:
        readers: How many have the log.
    """

    def __init__(self, keys: tuple[str, str, str], log: MemoryLog, position: bytes) -> None:
        self.keys = keys
        self.log = log
        self.position: bytes = position
        self.readers = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be read."""
        return self.log.end is not None

    def has(self, epoch: int, seq: int) -> bool:
        """Whether an entry that ends with frame `seq` was read, or will never be."""
        return self.ended or (self.log.epoch, len(self.log.frames)) >= (epoch, seq)

    def take(self, entry: Entry) -> None:
        """Take the next entry; what it has that the log has too is left out."""
        log = self.log
        self.position = entry.id
        if entry.epoch < log.epoch:
            return
        if entry.epoch > log.epoch:
            log.reset(entry.epoch)
        have = len(log.frames)
        before = entry.last - (1 if entry.status is not None else len(entry.frames))  # the frames that precede it
        if before > have and entry.last != LAST:
            log.finish(End("gap"))
        elif entry.status is not None:
            log.finish(end_of(entry.status.encode(), entry.error))
        else:
            try:
                log.extend(entry.frames[max(have - before, 0) :])
            except RelayError as error:  # larger than this process keeps
                log.finish(End("error", error.error))

    def fail(self, status: str) -> None:
        """End here, without an end in the log."""
        self.log.finish(End(cast("EndStatus", status), _ERRORS.get(status)))
