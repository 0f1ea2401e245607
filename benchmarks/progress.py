"""What is under way, and how long it will take as far as that is known, on stderr.

Each run that begins comes in; on a terminal one line goes out that rewrites itself, elsewhere a line a turn.
"""

from __future__ import annotations

import sys
import time

__all__ = ["Progress", "clock"]


def clock(seconds: float) -> str:
    """Minutes and seconds, as a clock shows them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


class Progress:
    """The progress of some rows, one after the other.

    Args:
        steps: How many runs each row has, in their order.
    """

    def __init__(self, steps: list[int]) -> None:
        self._steps = steps
        self._row = -1
        self._name = ""
        self._done = 0  # of this row
        self._turn = ""
        self._began = self._row_began = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def begin(self, name: str) -> None:
        """Begin the next row."""
        self._row += 1
        self._name, self._done, self._turn, self._row_began = name, -1, "", time.monotonic()

    def __call__(self, text: str) -> None:
        """Begin the row's next run; `text` starts with its turn."""
        self._done += 1
        line = f"[{self._row + 1}/{len(self._steps)}] {self._name} {text}"
        if self._terminal:
            print(f"\r\x1b[K{f'{line}  {self._times()}'[:118]}", end="", file=sys.stderr, flush=True)
        elif (turn := text.partition(" ")[0]) != self._turn:
            self._turn = turn
            print(
                f"[{self._row + 1}/{len(self._steps)}] {self._name} {turn}  {self._times()}",
                file=sys.stderr,
                flush=True,
            )

    def clear(self) -> None:
        """Make room for what is printed next."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _times(self) -> str:
        """What has passed, and about what is left: of this row by its own pace, of the others by the pace so far."""
        now = time.monotonic()
        passed = f"{clock(now - self._began)} passed"
        if self._done < 1 and not self._row:
            return passed
        steps = self._steps[self._row]
        before = sum(self._steps[: self._row])
        pace = (now - self._began) / (before + max(self._done, 0))
        own = (now - self._row_began) / self._done if self._done > 0 else pace
        left = own * max(0, steps - self._done) + pace * sum(self._steps[self._row + 1 :])
        return f"{passed}, about {clock(left)} left"
