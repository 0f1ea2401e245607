"""Any number of readers and one writer, in any order, against a list: nobody misses a frame or gets one twice."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import run

from openai_async.relay import Cursor, End, MemoryLog, RelayHub, Subscription

# What happens, and to which reader. "wait" lets everybody run until all of them wait.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "burst", "wait", "subscribe", "resume", "merged", "leave", "take"]),
        st.integers(0, 7),
    ),
    max_size=40,
)
ENDINGS = st.sampled_from(["done", "stop", "fail"])


class Reader:
    """One reader, and the numbers of what it got."""

    def __init__(self, subscription: Subscription) -> None:
        self.begin = subscription.cursor
        self.subscription = subscription
        self.seen: list[tuple[int, int, bytes]] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for batch in self.subscription:
            assert not batch.reset or not self.seen
            self.seen += [(batch.epoch, batch.first + place, frame) for place, frame in enumerate(batch.frames)]

    async def leave(self) -> Cursor:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.subscription.aclose()
        return self.subscription.cursor


async def interleave(steps: list[tuple[str, int]], ending: str) -> None:
    """Do all steps; then hold each reader's numbers against the log."""
    written: list[bytes] = []
    cursors = [Cursor(0, 0)]
    readers: list[Reader] = []
    async with RelayHub(drain=0) as hub:
        try:
            async with hub.producer("s") as producer:
                for step, number in steps:
                    await _do(hub, producer, step, number, written, readers, cursors)
                epoch = producer.epoch
                if ending == "stop":
                    assert await hub.stop("s")
                elif ending == "fail":
                    raise RuntimeError("the worker broke")
        except RuntimeError:
            pass
        late = Reader(hub.subscribe("s"))
        for reader in [*readers, late]:
            if not reader.task.cancelled():
                await reader.task
                assert reader.subscription.end == producer.log.end
            skipped = reader.begin.seq if reader.begin.epoch == epoch else 0
            expected = [(epoch, skipped + place, frame) for place, frame in enumerate(written[skipped:], 1)]
            if reader.task.cancelled():
                expected = expected[: len(reader.seen)]
            assert reader.seen == expected
        assert len(late.seen) == len(written)
        assert producer.log.end is not None
        assert producer.log.end.status == {"done": "done", "stop": "cancelled", "fail": "error"}[ending]
        assert not hub._readers


async def _do(
    hub: RelayHub,
    producer: Any,
    step: str,
    number: int,
    written: list[bytes],
    readers: list[Reader],
    cursors: list[Cursor],
) -> None:
    if step in ("append", "burst"):
        payloads = [b"%d" % (len(written) + place) for place in range(1 if step == "append" else number)]
        producer.extend(payloads)
        written += payloads
    elif step == "wait":
        await asyncio.sleep(1)
    elif step == "subscribe":
        readers.append(Reader(hub.subscribe("s")))
    elif step == "merged":  # these frames are no text, so merging leaves them all
        readers.append(Reader(hub.subscribe("s", replay="merged")))
    elif step == "resume":
        readers.append(Reader(hub.subscribe("s", after=str(cursors[number % len(cursors)]))))
    elif step == "leave" and readers:
        cursors.append(await readers[number % len(readers)].leave())
    elif step == "take":
        await asyncio.sleep(0)


@given(STEPS, ENDINGS)
@settings(max_examples=150)
def test_every_reader_gets_every_frame_once_and_in_order(steps: list[tuple[str, int]], ending: str) -> None:
    """From its cursor on, without holes, whenever it came, left or came back; and then the end."""
    run(interleave(steps, ending))


@given(st.lists(st.tuples(st.sampled_from(["append", "reset", "wait", "read"]), st.integers(1, 3)), max_size=30))
def test_a_reset_voids_what_came_before(steps: list[tuple[str, int]]) -> None:
    """A reader that drops what a reset voids ends with the last attempt's frames."""

    async def main() -> None:
        log = MemoryLog(1)
        readers: list[asyncio.Task[list[bytes]]] = []

        async def read() -> list[bytes]:
            kept: list[bytes] = []
            async for batch in log.follow():
                if batch.reset:
                    kept.clear()
                assert batch.first == len(kept) + 1
                kept += batch.frames
            return kept

        for step, number in steps:
            if step == "append":
                log.extend([b"%d" % number] * number)
            elif step == "reset":
                log.reset(log.epoch + number)
            elif step == "read":
                readers.append(asyncio.create_task(read()))
            else:
                await asyncio.sleep(1)
        log.finish(End("done"))
        for reader in readers:
            assert await reader == log.frames

    run(main())
