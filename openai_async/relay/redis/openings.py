"""`Openings`: streams that are being opened, and given back where nobody waits for them any longer.

Whoever is cancelled while Redis is asked can't know whether it has the lease; an answer that comes later tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from openai_async.relay.end import End
from openai_async.relay.errors import RelayError
from openai_async.relay.producer import Producer

__all__ = ["Openings"]


class Openings:
    """The openings of one backend.

    Attributes:
        under_way: How many there are, those that nobody waits for any longer among them.
    """

    def __init__(self) -> None:
        self.under_way: int = 0
        self._late: set[asyncio.Task[None]] = set()

    async def wait(self, opening: Coroutine[Any, Any, Producer]) -> Producer:
        """Return what an opening brings; cancelling it gives that back as soon as it is there.

        Raises:
            Exception: Whatever the opening raises.
        """
        self.under_way += 1
        task = asyncio.create_task(self._counted(opening), name="relay opening")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            late = asyncio.create_task(_give_back(task), name="relay late opening")
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            raise

    async def _counted(self, opening: Coroutine[Any, Any, Producer]) -> Producer:
        try:
            return await opening
        finally:
            self.under_way -= 1  # in the same step as the stream becomes one of the process's own

    async def settle(self) -> None:
        """Wait until all that came late is given back; cancelling it lets go of that."""
        if not self._late:
            return
        try:
            await asyncio.wait(self._late)
        finally:
            for task in self._late:
                task.cancel()


async def _give_back(opening: asyncio.Task[Producer]) -> None:
    with suppress(RelayError):
        producer = await opening
        await producer.finish(End("lost"))
