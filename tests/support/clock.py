"""An event loop whose time passes only when nothing else is left to do: waits of hours take no time at all.

Coroutines go in, their results come out. It knows no sockets that answer late: what is not ready at once never is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualLoop", "run"]

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.now = 1000.0  # seconds; no test shall depend on a clock that starts at 0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Seconds, as far as the waits so far have brought it."""
        return self.now


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        assert timeout is not None, "every task waits for something that nothing will bring"
        self._loop.now += max(timeout, 0)
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
