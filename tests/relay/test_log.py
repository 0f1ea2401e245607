"""What a log of one stream hands to its readers, and cursors."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run

from openai_async.relay import BadCursor, Batch, Cursor, End, Fenced, MemoryLog, StreamTooLarge

NUMBERS = st.integers(0, 10**18 - 1)
DONE = End("done")


@given(NUMBERS, NUMBERS)
def test_a_cursor_is_read_as_it_was_written(epoch: int, seq: int) -> None:
    """Text and numbers say the same."""
    assert Cursor.parse(str(Cursor(epoch, seq))) == Cursor(epoch, seq)


@pytest.mark.parametrize("text", [None, ""])
def test_no_cursor_is_the_start(text: str | None) -> None:
    """A browser's first request has no `Last-Event-ID`."""
    assert Cursor.parse(text) == (0, 0)


@pytest.mark.parametrize("text", ["1", "1-", "-1", "1-2-3", "a-b", "1 - 2", "01-2", "1-2\n", "٣-4", "1-" + "9" * 40])
def test_a_malformed_cursor_is_told(text: str) -> None:
    """Whatever else a client sends is a `ValueError` that says how a cursor looks, and stands for status 400."""
    with pytest.raises(BadCursor, match="epoch-seq") as caught:
        Cursor.parse(text)
    assert isinstance(caught.value, ValueError)
    assert caught.value.status_code == 400
    assert caught.value.error["code"] == "bad_cursor"


def test_a_reader_gets_all_since_its_cursor() -> None:
    """One batch, whose numbers go on where the cursor ended."""
    log = MemoryLog(7)
    log.extend([b"a", b"b", b"c"])

    assert log.since(Cursor(0, 0)) == Batch(7, 1, [b"a", b"b", b"c"])
    assert log.since(Cursor(7, 1)) == Batch(7, 2, [b"b", b"c"])
    assert log.since(Cursor(7, 3)) is None
    assert log.since(Cursor(7, 9)) is None, "a replica may lag"


def test_readers_at_one_place_share_a_batch() -> None:
    """It is made once for all of them, and anew as soon as there is more, or another attempt."""
    log = MemoryLog(7)
    log.extend([b"a", b"b"])
    shared = log.since(Cursor(7, 1))
    assert log.since(Cursor(7, 1)) is shared

    log.append(b"c")
    assert log.since(Cursor(7, 1)) == Batch(7, 2, [b"b", b"c"])
    assert log.since(Cursor(7, 2)) == Batch(7, 3, [b"c"])
    assert shared == Batch(7, 2, [b"b"]), "who has it keeps it"

    log.reset(8)
    log.extend([b"d", b"e", b"f"])
    assert log.since(Cursor(8, 2)) == Batch(8, 3, [b"f"])


@pytest.mark.parametrize("epoch", [6, 8])
def test_a_cursor_of_another_epoch_is_reset(epoch: int) -> None:
    """What was read belongs to another attempt, older or, after a restart, unknown: it begins anew."""
    log = MemoryLog(7)
    assert log.since(Cursor(epoch, 3)) == Batch(7, 1, [], reset=True)
    assert log.since(Cursor(epoch, 0)) is None, "nothing was read"

    log.append(b"a")

    assert log.since(Cursor(epoch, 3)) == Batch(7, 1, [b"a"], reset=True)
    assert log.since(Cursor(epoch, 0)) == Batch(7, 1, [b"a"])


def test_a_batch_does_not_change_later() -> None:
    """What is appended after it is no part of it."""
    log = MemoryLog(1)
    log.append(b"a")
    batch = log.since(Cursor(0, 0))
    log.append(b"b")
    assert batch == Batch(1, 1, [b"a"])


def test_an_ended_log_stays_as_it_is() -> None:
    """The first end counts, and nothing comes after it."""
    log = MemoryLog(1)
    assert log.finish(DONE)
    assert not log.finish(End("lost"))
    with pytest.raises(Fenced) as caught:
        log.append(b"a")
    assert (log.end, log.frames, caught.value.end) == (DONE, [], DONE)


def test_a_log_holds_so_many_bytes() -> None:
    """What fits is kept; the first payload that does not is refused."""
    log = MemoryLog(1, max_bytes=5)
    with pytest.raises(StreamTooLarge, match="5 bytes"):
        log.extend([b"abc", b"de", b"f"])
    assert (log.frames, log.size) == ([b"abc", b"de"], 5)


def test_a_payload_is_bytes() -> None:
    """Text would be found out at the first reader only."""
    log = MemoryLog(1)
    with pytest.raises(TypeError, match="not str"):
        log.append("a")  # type: ignore[arg-type]  # that is the mistake
    assert log.frames == []


def test_an_epoch_only_grows() -> None:
    """Else a cursor could mean two things."""
    log = MemoryLog(2)
    with pytest.raises(ValueError, match="2 is not above 2"):
        log.reset(2)


def test_whoever_waits_is_woken_by_frames_the_end_and_a_reset() -> None:
    """Each of them is one wake-up for all readers, and one batch."""

    async def main() -> list[list[Batch]]:
        log = MemoryLog(1)

        async def read() -> list[Batch]:
            return [batch async for batch in log.follow()]

        readers = [asyncio.create_task(read()) for _ in range(3)]
        await asyncio.sleep(1)
        log.append(b"a")
        log.append(b"b")  # before anybody was awake
        await asyncio.sleep(1)
        log.reset(2)
        await asyncio.sleep(1)
        log.append(b"c")
        await asyncio.sleep(1)
        log.finish(DONE)
        return await asyncio.gather(*readers)

    assert run(main()) == 3 * [[Batch(1, 1, [b"a", b"b"]), Batch(2, 1, [], reset=True), Batch(2, 1, [b"c"])]]


def test_a_reader_that_leaves_disturbs_nobody() -> None:
    """Of two that wait, one is cancelled; the other is woken, and nothing is kept of the first."""

    async def main() -> None:
        log = MemoryLog(1)
        first, second = (asyncio.create_task(log.changed(Cursor(0, 0))) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait([first])
        assert len(log._waiters) == 1
        log.append(b"a")
        await second
        assert not log._waiters

    run(main())
