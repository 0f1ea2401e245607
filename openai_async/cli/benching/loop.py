"""An event loop that tells how long it waited: what is left of the time, it was busy.

CPU time alone would not tell: on a machine that others use as well, a client that is overwhelmed gets little of it.
"""

from __future__ import annotations

import asyncio
import selectors
import time

__all__ = ["BenchLoop"]


class _Timed(selectors.DefaultSelector):
    """A selector that adds up the time that it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for sockets, as selectors do."""
        began = time.perf_counter()
        try:
            return super().select(timeout)
        finally:
            self.waited += time.perf_counter() - began


class BenchLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self._timed = _Timed()
        super().__init__(self._timed)

    @property
    def waited(self) -> float:
        """Seconds in which it had nothing to do, from its beginning on."""
        return self._timed.waited
