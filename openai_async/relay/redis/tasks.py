"""`Tasks`: the background work of a Redis backend, which goes on whatever happens in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

__all__ = ["Tasks"]

_log = logging.getLogger("openai_async")


class Tasks:
    """Functions that run until they are stopped, each in a task of its own."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, **jobs: Callable[[], Awaitable[None]]) -> None:
        """Run functions, by their names."""
        self._tasks += [asyncio.create_task(_keep(name, job), name=f"relay {name}") for name, job in jobs.items()]

    async def stop(self, last: Awaitable[None]) -> None:
        """Wait for the last that needs them, then cancel them, and wait until they have ended."""
        tasks, self._tasks = self._tasks, []
        try:
            await last
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(name: str, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 - a bug in one part must not end all streams
            _log.exception("relay: the %s of the Redis backend failed, and begins anew", name)
            await asyncio.sleep(1)
