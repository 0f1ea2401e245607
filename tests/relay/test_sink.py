"""Readers of any speed: none misses text, none holds up the writer."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from support.clock import run
from support.rawserver import chunk, hello

from openai_async import StreamStateError
from openai_async.relay import Batch, End, Producer, RelayHub, SlowReader, Subscription, UnknownStream, pump

DONE = End("done")


def payload(each: Any) -> bytes:
    """The JSON of a chunk."""
    return json.dumps(each).encode()


class Page:
    """A sink that takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[Batch] = []
        self.ends: list[End] = []

    async def send(self, batch: Batch) -> None:
        await asyncio.sleep(self.seconds)
        self.batches.append(batch)

    async def close(self, end: End) -> None:
        self.ends.append(end)

    @property
    def text(self) -> str:
        frames = [json.loads(frame) for batch in self.batches for frame in batch.frames]
        return "".join(choice["delta"].get("content", "") for frame in frames for choice in frame["choices"])


async def write(producer: Producer, count: int, pace: float) -> None:
    """Write a role and pieces of text."""
    producer.append(payload(hello()[0]))
    for place in range(count):
        producer.append(payload(chunk(f"{place} ")))
        await asyncio.sleep(pace)


def pumped(
    page: Page,
    *,
    count: int = 1000,
    pace: float = 0.005,
    check: Callable[[float, float], None] | None = None,
    **options: Any,
) -> End:
    """Write a stream while it is pumped into a page; `check` is told how long the writer took, and the page then."""

    async def main() -> End:
        loop = asyncio.get_running_loop()
        async with RelayHub() as hub:
            began = loop.time()
            async with hub.producer("s") as producer:
                pumping = asyncio.create_task(pump(hub.subscribe("s"), page, **options))
                await write(producer, count, pace)
            written = loop.time()
            end = await pumping
            if check is not None:
                check(written - began, loop.time() - written)
            return end

    return run(main())


WHOLE = "".join(f"{place} " for place in range(1000))


def test_a_slow_page_gets_few_large_pieces() -> None:
    """At 100 ms a send, 1,000 tokens in 5 s take 60 sends at most, and are there just after the last came."""

    def check(written: float, late: float) -> None:
        assert written == pytest.approx(5), "the writer waits for nobody"
        assert late <= 0.3

    page = Page(0.1)
    assert pumped(page, check=check) == DONE
    assert len(page.batches) <= 60
    assert page.text == WHOLE
    assert sum(len(frame) for batch in page.batches for frame in batch.frames) < 30_000
    assert page.ends == [DONE]


def test_a_fast_page_gets_every_frame_as_it_came() -> None:
    """Nothing is merged for who keeps up."""
    page = Page()
    pumped(page)
    assert sum(len(batch.frames) for batch in page.batches) == 1001
    assert page.text == WHOLE


def test_never_is_never() -> None:
    """A slow page gets larger batches of all frames, if it wants them all."""
    page = Page(0.1)
    pumped(page, coalesce="never")
    assert sum(len(batch.frames) for batch in page.batches) == 1001
    assert page.text == WHOLE


def test_always_merges_whatever_comes_together() -> None:
    """The first batch, too."""
    page = Page()

    async def main() -> None:
        async with RelayHub() as hub:
            async with hub.producer("s") as producer:
                producer.extend(payload(chunk("a")) for _ in range(9))
            await pump(hub.subscribe("s"), page, coalesce="always")

    run(main())
    assert [len(batch.frames) for batch in page.batches] == [1]
    assert page.text == 9 * "a"


def test_sends_keep_their_distance() -> None:
    """With `min_interval` there are as many sends a second as it allows, at most."""
    page = Page()
    pumped(page, min_interval=0.5)
    assert len(page.batches) <= 13
    assert page.text == WHOLE


def test_a_page_that_takes_nothing_is_dropped() -> None:
    """After `send_timeout`; it is not told of an end, and the writer does not notice."""
    page = Page(31)
    with pytest.raises(SlowReader, match="30 s"):
        pumped(page, pace=0.1)
    assert (page.batches, page.ends) == ([], [])


def test_what_a_sink_raises_is_raised() -> None:
    """A page that went away is its owner's business, even by a timeout of its own; the subscription is closed."""

    class Gone(Page):
        async def send(self, batch: Batch) -> None:
            raise TimeoutError(f"the page's own, after {len(batch.frames)}")

    async def main() -> None:
        async with RelayHub() as hub, hub.producer("s") as producer:
            producer.append(b"{}")
            with pytest.raises(TimeoutError, match="own"):
                await pump(hub.subscribe("s"), Gone())
            assert not hub._readers

    run(main())


def test_a_stream_that_is_not_there() -> None:
    """It is raised, and nothing is sent."""
    page = Page()

    async def main() -> None:
        async with RelayHub() as hub:
            with pytest.raises(UnknownStream):
                await pump(hub.subscribe("s"), page)

    run(main())
    assert (page.batches, page.ends) == ([], [])


def test_a_subscription_that_was_closed() -> None:
    """That is no end of the stream, so the sink is not told of one."""
    page = Page()

    async def main() -> None:
        async with RelayHub() as hub, hub.producer("s") as producer:
            subscription = hub.subscribe("s")
            pumping = asyncio.create_task(pump(subscription, page))
            await asyncio.sleep(1)
            await subscription.aclose()
            producer.append(b"{}")
            with pytest.raises(StreamStateError):
                await pumping

    run(main())
    assert page.ends == []


@pytest.mark.parametrize("options", [{"coalesce": "often"}, {"min_interval": -1}, {"send_timeout": 0}])
def test_wrong_arguments_are_told(options: dict[str, Any]) -> None:
    """By name, before anything is read."""
    with pytest.raises(ValueError, match=next(iter(options))):
        pumped(Page(), count=0, **options)


def test_pumping_can_be_cancelled_at_every_point() -> None:
    """Whenever it is: the subscription is closed, the writer goes on, and another reader gets all."""

    async def main(steps: int) -> bool:
        async with RelayHub() as hub:
            async with hub.producer("s") as producer:
                page = Page(0.001)
                pumping = asyncio.create_task(pump(hub.subscribe("s"), page, min_interval=0.002))
                writing = asyncio.create_task(write(producer, 5, 0.001))
                for _ in range(steps):
                    await asyncio.sleep(0)
                ended = pumping.done()
                pumping.cancel()
                await asyncio.wait([pumping])
                assert not hub._readers
                await writing
            again = Page()
            assert await pump(hub.subscribe("s"), again) == DONE
            assert again.text == "0 1 2 3 4 "
            return ended

    for steps in range(60):
        run(main(steps))


def test_stalled_readers_cost_no_memory() -> None:
    """500 that take nothing hold cursors, not copies: what waits for them is the one log."""

    async def main() -> None:
        async with RelayHub() as hub, hub.producer("s") as producer:
            subscriptions: list[Subscription] = [hub.subscribe("s") for _ in range(500)]
            pumps = [asyncio.create_task(pump(each, Page(1e6), send_timeout=1e9)) for each in subscriptions]
            await write(producer, 10, 0.001)
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                for _ in range(2000):
                    producer.append(bytes(1000))
                    await asyncio.sleep(0)
                grown = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert 2_000_000 < grown < 2_500_000
            assert {each.behind for each in subscriptions} == {2009}, "all but the first batch, of two frames"
            for each in pumps:
                each.cancel()
            await asyncio.wait(pumps)

    run(main())
