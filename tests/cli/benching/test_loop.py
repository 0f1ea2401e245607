"""An event loop that tells how long it waited."""

from __future__ import annotations

import asyncio
import time

from openai_async.cli.benching.loop import BenchLoop


def test_waiting_is_told_from_working():
    """Time in which nothing was to do is waited; time in which something was computed is not."""

    async def main():
        loop = asyncio.get_running_loop()
        before = loop.waited
        await asyncio.sleep(0.05)
        waited = loop.waited - before
        before, began = loop.waited, time.perf_counter()
        while time.perf_counter() - began < 0.05:
            pass
        return waited, loop.waited - before

    with asyncio.Runner(loop_factory=BenchLoop) as runner:
        waited, worked = runner.run(main())

    assert waited > 0
    assert worked == 0
