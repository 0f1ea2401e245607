"""What a piece of a program leaves behind: tasks, descriptors, asyncio's log, and exceptions that nobody could catch.

A block of a test goes in; it passes if everything that it opened is gone soon after it, and nothing was said behind
anyone's back. What connections a client has is told as well. Nothing here opens or closes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

__all__ = ["Said", "connections", "descriptors", "eventually", "leaves_nothing", "pool", "says_nothing", "settled"]

_DESCRIPTORS = Path("/proc/self/fd")  # Linux has it; elsewhere descriptors are not counted

PATIENCE = 0.5
"""Seconds within which everything has to be gone."""


class Said(logging.Handler):
    """What asyncio and the interpreter say behind the program's back.

    Attributes:
        lines: Of asyncio's log, of `sys.unraisablehook`, and warnings.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what asyncio logs."""
        self.lines.append(f"log: {record.getMessage()}")

    def unraisable(self, told: sys.UnraisableHookArgs) -> None:
        """Keep what was raised where nobody could catch it: in `__del__`, or in a coroutine that was dropped."""
        # Its text only: whatever else is kept of it would come back to life.
        self.lines.append(f"unraisable: {told.err_msg or ''} {told.exc_value!r} in {told.object!r:.200}")

    def warning(self, message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        """Keep a warning."""
        self.lines.append(f"{category.__name__}: {message}")


@contextlib.contextmanager
def says_nothing(*, but: tuple[str, ...] = ()) -> Generator[Said]:
    """Fail where asyncio logs a warning, an exception can't be raised, or something warns.

    Args:
        but: Texts, one of which is in each line that may be said; a line for each of them has to be.
    """
    said = Said()
    log = logging.getLogger("asyncio")
    before = sys.unraisablehook
    log.addHandler(said)
    sys.unraisablehook = said.unraisable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = said.warning
            yield said
            gc.collect()  # what is found to be unclosed only now says so
    finally:
        sys.unraisablehook = before
        log.removeHandler(said)
    unasked = [line for line in said.lines if not any(text in line for text in but)]
    assert not unasked, unasked
    missing = [text for text in but if not any(text in line for line in said.lines)]
    assert not missing, f"{missing} was not said"


@contextlib.asynccontextmanager
async def leaves_nothing(*, but: tuple[str, ...] = ()) -> AsyncGenerator[Said]:
    """Fail where a task or a descriptor is left half a second after the block, or anything was said.

    What the block is left with passes through.

    Args:
        but: As `says_nothing` takes it.
    """
    tasks, open_before = asyncio.all_tasks(), descriptors()
    with says_nothing(but=but) as said:
        yield said
        left: set[Any] = set()

        def gone() -> bool:
            nonlocal left
            left = asyncio.all_tasks() - tasks
            return not left

        await eventually(gone, lambda: f"tasks are left: {left}")
        await eventually(lambda: not descriptors() - open_before, lambda: f"left open: {descriptors() - open_before}")


async def eventually(condition: Callable[[], bool], told: Callable[[], str] = lambda: "it never came about") -> None:
    """Let the loop run until something is so; fail when it is not within half a second."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + PATIENCE
    while not condition():
        assert loop.time() < ends, told()
        await asyncio.sleep(0.001)


def settled(condition: Callable[[], bool], told: Callable[[], str] = lambda: "it never came about") -> None:
    """Wait, without a loop, until another thread has made something so; fail when it has not within half a second."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, told()
        time.sleep(0.001)


def descriptors() -> Counter[str]:
    """Names of what this process has open: sockets, pipes, files."""
    names: Counter[str] = Counter()
    if _DESCRIPTORS.is_dir():
        for entry in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - a Path for each costs ten times the time
            with contextlib.suppress(OSError):  # the one that lists the folder
                names[os.readlink(_DESCRIPTORS / entry)] += 1  # noqa: PTH115 - likewise
    return names


def pool(client: Any) -> tuple[int, int]:
    """How many connections a client has in use in the running loop, and how many requests wait for one."""
    connector = _connector(client)
    return (0, 0) if connector is None else (len(connector._acquired), sum(map(len, connector._waiters.values())))


def connections(client: Any) -> list[Any]:
    """The connections that a client has in use in the running loop, as aiohttp's protocols."""
    connector = _connector(client)
    return [] if connector is None else list(connector._acquired)


def _connector(client: Any) -> Any:
    """The connector of a client's session in the running loop; None: nothing was sent."""
    home = client._transport._transport._homes.get(asyncio.get_running_loop())
    return None if home is None else home.session.connector
