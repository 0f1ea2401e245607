"""What a process holds: memory, descriptors, tasks, connections, objects; and whether that grows.

Samples are taken while streams are under way, and twice at rest, before the first and after the last.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from support.watch import pool

__all__ = ["Bounds", "Sample", "growth", "sample", "slope"]

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """What is held at one moment.

    Attributes:
        streams: How many had ended by then.
        seconds: Since the start.
        rss: Resident memory, bytes.
        descriptors: Open files and sockets.
        tasks: Of asyncio.
        acquired: Connections of the pool that are in use.
        objects: That the garbage collector knows.
        blocks: Of memory that Python's own allocator has given out: all small objects, those the collector does not know
            included. What is freed counts no more, which memory that the system counts may.
    """

    streams: int
    seconds: float
    rss: int
    descriptors: int
    tasks: int
    acquired: int
    objects: int
    blocks: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Bounds:
    """What may be between two samples, so that nothing grows.

    Attributes:
        rss: Bytes that memory may grow by from the first samples under load to the last, the allocator's noise: that is
            what two runs of the same differ by.
        rest_rss: Bytes between the samples at rest: what was freed is given back in part only.
        rest_objects: Objects between the samples at rest: caches that fill up late.
        rest_blocks: Likewise blocks.
    """

    rss: int = 12 * 2**20
    rest_rss: int = 24 * 2**20
    rest_objects: int = 2_000
    rest_blocks: int = 5_000


def sample(streams: int, began: float, client: Any = None) -> Sample:
    """Look at what this process holds; `client`: whose pool to look at, if it has made a request."""
    gc.collect()
    rss = int(_STATM.read_text().split()[1]) * _PAGE
    descriptors = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - the folder itself is one of them
    acquired = pool(client)[0] if client is not None else 0
    tasks = len(asyncio.all_tasks())
    return Sample(
        streams,
        time.monotonic() - began,
        rss,
        descriptors,
        tasks,
        acquired,
        len(gc.get_objects()),
        sys.getallocatedblocks(),
    )


def slope(samples: list[Sample]) -> float:
    """Return by how many bytes memory grows a stream, by least squares; 0.0: there are fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    return statistics.linear_regression([one.streams for one in samples], [one.rss for one in samples]).slope


def growth(under_load: list[Sample], before: Sample, after: Sample, bounds: Bounds) -> list[str]:
    """Say what grew beyond its bounds.

    Args:
        under_load: Samples after the warm-up, in order.
        before: At rest, before the streams.
        after: At rest, after them.
        bounds: What may be.
    """
    grown: list[str] = []
    if len(under_load) >= 6:
        first = statistics.median(one.rss for one in under_load[:3])
        last = statistics.median(one.rss for one in under_load[-3:])
        if last - first > bounds.rss:
            grown.append(f"memory under load grew by {(last - first) / 2**20:.1f} MiB")
    if after.rss - before.rss > bounds.rest_rss:
        grown.append(f"memory at rest grew by {(after.rss - before.rss) / 2**20:.1f} MiB")
    most = {"objects": bounds.rest_objects, "blocks": bounds.rest_blocks, "descriptors": 0, "tasks": 0, "acquired": 0}
    for name, more in most.items():
        had, has = getattr(before, name), getattr(after, name)
        if has > had + more:
            grown.append(f"{name} at rest grew from {had:,} to {has:,}")
    return grown
