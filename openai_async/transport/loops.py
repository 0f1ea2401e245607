"""Event loops: which one runs here, and which of the others may be touched from here, and how.

A loop and a function come in. Nothing here knows what the function does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from openai_async.errors import OpenAIError

__all__ = ["in_loop", "owe_nothing", "running_loop"]


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that runs here.

    Raises:
        OpenAIError: None of asyncio's does.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise OpenAIError(
            "No asyncio event loop is running here. Call this from a coroutine that asyncio.run() runs; trio has another "
            "kind of loop, which aiohttp can't use."
        ) from None


def in_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call `function`, which is not to be called while `loop` runs in another thread: then that loop calls it.

    The garbage collector comes by in whatever thread it likes.
    """
    if loop.is_running() and asyncio._get_running_loop() is not loop:
        with suppress(RuntimeError):  # it was closed just now
            loop.call_soon_threadsafe(function)
            return
    function()


def owe_nothing(task: asyncio.Task[object]) -> None:
    """Have asyncio not complain of a task that is unfinished when its loop just stops, being none of the user's."""
    unfinished: Any = task
    unfinished._log_destroy_pending = False  # what `asyncio.gather` does
