"""One limit for many sends: a slow one is ended, and nothing else is."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest
from support.clock import run

from openai_async.relay import SlowReader
from openai_async.relay.sendlimit import SendLimit


def test_slow_send_is_cancelled() -> None:
    """After its seconds, counted from its own beginning; the task is as it was before."""

    async def main() -> None:
        loop, limit = asyncio.get_running_loop(), SendLimit(30)
        await asyncio.sleep(100)
        began = loop.time()
        with pytest.raises(SlowReader, match="30"):
            await limit.within(asyncio.sleep(1000))
        assert loop.time() - began == 30
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await limit.within(asyncio.sleep(29))

    run(main())


def test_sends_that_are_quick_enough_are_left_alone() -> None:
    """However long they take together, and whatever lies between them."""

    async def main() -> None:
        limit = SendLimit(30)
        for seconds in (29, 0, 25, 29.5):
            await limit.within(asyncio.sleep(seconds))
            await asyncio.sleep(seconds)
        limit.close()

    run(main())


def test_cancelled_by_somebody_else() -> None:
    """That is no slow reader; the send is cancelled with the task, also when both happen at once."""

    async def main() -> None:
        for seconds in (10, 30):
            task = asyncio.create_task(SendLimit(30).within(asyncio.sleep(1000)))
            await asyncio.sleep(seconds)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())


@pytest.mark.parametrize("raises", [True, False])
def test_send_that_makes_something_else_of_its_cancellation(raises: bool) -> None:  # noqa: FBT001 - a case
    """What it raises or returns counts, and nothing is left of the limit: the next cancellation is somebody else's."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if raises:
                raise ValueError("the sink's own") from None

    async def sends(limit: SendLimit) -> None:
        with pytest.raises(ValueError, match="own") if raises else nullcontext():
            await limit.within(stubborn())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await limit.within(asyncio.sleep(20))

    async def main() -> None:
        task = asyncio.create_task(sends(SendLimit(30)))
        await asyncio.sleep(40)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_error_of_the_sink() -> None:
    """It is raised as it is, a `TimeoutError` of its own included."""

    async def fail() -> None:
        raise TimeoutError("the sink's own")

    async def main() -> None:
        limit = SendLimit(30)
        with pytest.raises(TimeoutError, match="own"):
            await limit.within(fail())

    run(main())


def test_no_limit() -> None:
    """An infinite one makes no timer."""

    async def main() -> None:
        await SendLimit(float("inf")).within(asyncio.sleep(1e6))

    run(main())
