"""`shielded`: what has to be done to its end, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio

__all__ = ["shielded"]


async def shielded(work: Coroutine[Any, Any, None]) -> None:
    """Do something whose time is bounded; cancelling it, once or again, is raised when it is done.

    Args:
        work: Done in a task of its own, as a task's cancellation knows no shield.

    Raises:
        Exception: Whatever it raises.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
