"""What is done to its end, whoever is cancelled."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from support.clock import run

from openai_async.relay.shield import shielded


def test_it_is_done_though_it_is_cancelled_twice() -> None:
    """By a task's cancellation or a scope's; then that goes on."""
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(10)
        done.append("work")

    async def main() -> None:
        task = asyncio.create_task(shielded(work()))
        for _ in range(2):
            await asyncio.sleep(1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["work"]
        with anyio.move_on_after(1) as scope:
            await shielded(work())
            await asyncio.sleep(1e6)
        assert scope.cancelled_caught
        assert done == ["work"] * 2

    run(main())


def test_what_it_raises_is_raised() -> None:
    """As if it had been awaited."""

    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            await shielded(fail())

    run(main())
