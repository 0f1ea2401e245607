"""The four scripts, one step each, on a real server: who may append, and where a log ends."""

from __future__ import annotations

from typing import Any

import pytest
from support.redisserver import RedisServer, installed

from openai_async.relay.redis.scripts import APPEND, LAST, LOOK, OPEN, STOP, Script

pytestmark = pytest.mark.skipif(not installed(), reason="redis-server is not installed")

LOG, LEASE, RECORD = "oa:s:{a}", "oa:l:{a}", "oa:r:{a}"


class Log:
    """A log, by its scripts."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.epochs: list[int] = []

    def run(self, script: Script, *words: str | int) -> Any:
        reply = self.server.run("EVAL", script.source, 3, LOG, LEASE, RECORD, *words)
        return [word.decode() if isinstance(word, bytes) else word for word in reply]

    def open(self, token: str, owner: str = "") -> int:
        word, epoch, _ = self.run(OPEN, token, 60_000, 3_600_000, owner)
        assert word == "ok"
        self.epochs.append(epoch)
        return epoch

    def append(self, token: str, epoch: int, first: int, *frames: str, status: str = "") -> Any:
        fields = ["d", "\n".join(frames)] if frames else []
        last = first + len(frames) - 1
        times = 60_000, 3_600_000, 600_000, 4_200_000
        return self.run(APPEND, token, epoch, first, last, *times, "+me", status, "", *fields)

    @property
    def ids(self) -> list[str]:
        """With the place of the epoch for the epoch, from 1."""
        found = [entry[0].decode().split("-") for entry in self.server.run("XRANGE", LOG, "-", "+")]
        return [f"{self.epochs.index(int(epoch)) + 1}-{seq}" for epoch, seq in found]


@pytest.fixture
def log(server: RedisServer) -> Log:
    """An empty server's."""
    return Log(server)


def test_one_token_holds_a_stream(log: Log) -> None:
    """Another is told for how long; the same one gets the same epoch again, as an answer may have been lost."""
    assert log.open("t1") == log.open("t1")
    word, left = log.run(OPEN, "t2", 60_000, 3_600_000, "")
    assert (word, 0 < left <= 60_000) == ("held", True)
    assert log.ids == ["1-0"]


def test_an_append_that_is_repeated_changes_nothing(log: Log) -> None:
    """It is told where the log ends, which is where it wanted it."""
    epoch = log.open("t1")

    assert log.append("t1", epoch, 1, "a", "b") == ["ok"]
    assert log.append("t1", epoch, 1, "a", "b") == ["tail", 2]
    assert log.ids == ["1-0", "1-2"]


def test_frames_that_are_missing_are_asked_for(log: Log) -> None:
    """A log that was deleted, or lost its end, takes nothing behind the hole."""
    epoch = log.open("t1")
    log.append("t1", epoch, 1, "a", "b")
    log.server.run("DEL", LOG)

    assert log.append("t1", epoch, 3, "c") == ["tail", 0]
    assert log.append("t1", epoch, 1, "a", "b", "c") == ["ok"]
    assert log.ids == ["1-3"]


def test_a_log_that_was_trimmed_to_nothing_goes_on(log: Log) -> None:
    """Its last id is still known; a late reader sees that the beginning is missing."""
    epoch = log.open("t1")
    log.append("t1", epoch, 1, "a", "b")
    log.server.run("XTRIM", LOG, "MAXLEN", 0)

    assert log.append("t1", epoch, 3, "c") == ["ok"]
    assert log.ids == ["1-3"]


def test_a_lease_that_ran_out_is_taken_again_unless_another_has_it(log: Log) -> None:
    """Nothing is lost by a pause that nobody noticed; a zombie's append is refused, and changes nothing."""
    epoch = log.open("t1")
    log.server.run("DEL", LEASE)
    assert log.append("t1", epoch, 1, "a") == ["ok"]
    log.server.run("DEL", LEASE)
    assert log.open("t2") > epoch

    assert log.append("t1", epoch, 2, "b") == ["fenced"]
    log.server.run("DEL", LEASE)
    assert log.append("t1", epoch, 2, "b") == ["fenced"]
    assert log.ids == ["1-0", "1-1", "2-0"]


def test_an_end_is_the_last_entry(log: Log) -> None:
    """It comes with the last frames, frees the lease, and nothing is opened or appended behind it."""
    epoch = log.open("t1")

    assert log.append("t1", epoch, 1, "a", "b", status="done") == ["ok"]
    assert log.ids == ["1-0", "1-2", "1-3"]
    assert log.run(LOOK)[:5] == [epoch, 3, "done", "", -2]
    assert log.append("t1", epoch, 1, "a", "b", status="done") == ["ended", "done", ""]
    assert log.run(OPEN, "t2", 60_000, 3_600_000, "") == ["ended", "done", ""]
    assert log.run(STOP, 600_000, 4_200_000, "cancelled", "") == ["ended", "done", ""]
    assert 0 < log.server.run("PTTL", LOG) <= 600_000


def test_a_stop_fences_the_holder(log: Log) -> None:
    """End and lease go in one step."""
    epoch = log.open("t1")
    log.append("t1", epoch, 1, "a")

    assert log.run(STOP, 600_000, 4_200_000, "cancelled", '{"code":"x"}') == ["ok"]
    assert log.append("t1", epoch, 2, "b") == ["ended", "cancelled", '{"code":"x"}']
    assert log.ids == ["1-0", "1-1", "1-2"]


def test_a_stop_reaches_readers_of_a_log_that_was_lost(log: Log) -> None:
    """Its id is behind all that they can have read."""
    log.open("t1")
    log.server.run("DEL", LOG)

    assert log.run(STOP, 600_000, 4_200_000, "cancelled", "") == ["ok"]
    assert log.ids == [f"1-{LAST}"]


def test_there_is_nothing_to_stop_where_nothing_is(log: Log) -> None:
    """And nothing is made by asking."""
    assert log.run(STOP, 600_000, 4_200_000, "cancelled", "") == ["none"]
    assert log.run(LOOK) == [0, 0, "", "", -2, -2, 0, ""]
    assert log.server.run("EXISTS", LOG, LEASE, RECORD) == 0


def test_the_owner_is_kept_and_comes_back(log: Log) -> None:
    """Whoever takes over leaves it; a server that forgot it is told again with the next sign of life."""
    epoch = log.open("t1", "+me")
    log.server.run("DEL", LEASE)
    assert log.run(OPEN, "t2", 60_000, 3_600_000, "+you")[2] == "+me"
    log.server.run("FLUSHALL")
    assert log.append("t1", epoch, 1) == ["ok"]

    assert log.run(LOOK)[-1] == "+me"


def test_an_end_that_is_no_longer_kept_is_remembered(log: Log) -> None:
    """Nobody begins it again."""
    epoch = log.open("t1")
    log.append("t1", epoch, 1, "a", status="done")
    log.server.run("DEL", LOG)

    assert log.run(OPEN, "t2", 60_000, 3_600_000, "") == ["expired"]
    assert log.run(STOP, 600_000, 4_200_000, "cancelled", "") == ["expired"]
    assert log.run(LOOK)[6] == 1


def test_a_stream_given_back_can_be_taken_at_once(log: Log) -> None:
    """The frames are written, and there is no end."""
    epoch = log.open("t1")
    assert log.append("t1", epoch, 1, "a", status="lost") == ["ok"]

    assert log.run(LOOK)[:5] == [epoch, 1, "", "", -2]
    assert log.open("t2") > epoch
