"""Processes of a program, its children among them: how much they compute, as Linux tells it, and how they are killed.

Process ids go in; where the system does not tell of children, there are none.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["kill", "processor_time"]

_TICK = os.sysconf("SC_CLK_TCK")  # of the kernel's clock, in a second


def processor_time(pids: Iterable[int]) -> float:
    """Seconds that these processes and their children have computed; 0 where the system does not tell."""
    total = 0.0
    for pid in _with_children(pids):
        with contextlib.suppress(OSError):  # it has ended
            # The name stands in brackets and may hold anything, spaces too.
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def kill(pid: int) -> None:
    """Kill a process and its children, at once: none of them can say anything more."""
    for each in list(_with_children([pid])):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _with_children(pids: Iterable[int]) -> Iterator[int]:
    for pid in pids:
        yield pid
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                children = (task / "children").read_text(encoding="utf-8").split()
                yield from _with_children(int(child) for child in children)
