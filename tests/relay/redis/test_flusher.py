"""How far a log is in Redis, told from commands and answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from openai_async.relay.redis.flusher import Replication, Settings

pytestmark = pytest.mark.anyio

SETTINGS = Settings(lease=1000, beat=0.3, ttl=1000, retain=1000, remembered=1000, compress="none")
STATUS = 15  # the place of an end's status in a command


class Log:
    """A log of one frame."""

    head = 1

    def __init__(self) -> None:
        self.whole = 0

    def frames(self, after: int) -> Sequence[bytes]:
        return [b"{}"][after:]

    def fence(self, status: str | None, error: dict[str, Any] | None) -> None:
        raise AssertionError((status, error))

    def written(self) -> None:
        self.whole += 1


async def test_an_end_that_comes_while_the_last_frames_are_written_is_written_too() -> None:
    """The answer to the frames is none to the end: only the command that has it ends the replication."""
    log = Log()
    replication = Replication(log, ("log", "lease", "record"), "token", 1, "")

    first = replication.command(SETTINGS)
    replication.finish("done", None)
    replication.answered([b"ok"], 0.0)
    assert replication.pending
    assert (log.whole, replication.done.is_set()) == (0, False)
    second = replication.command(SETTINGS)
    replication.answered([b"ok"], 0.0)

    assert (first[STATUS], second[STATUS]) == ("", "done")
    assert not replication.pending
    assert (log.whole, replication.done.is_set()) == (1, True)
