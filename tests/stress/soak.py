"""The command: `PYTHONPATH=tests python -m stress.soak [--streams N] [--at-once N] [--faults F] [--seed N] [--json FILE]`.

It reads many streams at once from a server in a process of its own, some of which go wrong in every way there is. What
has to come of each is known beforehand; what the process holds is looked at all the while. It exits with 1 if a stream
came to something else, if one is missing, or if anything grows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from openai_async import AsyncOpenAI, Timeout, __version__

from .progress import Progress
from .soaking.gauge import Bounds, Sample, growth, sample, slope
from .soaking.judge import mismatch
from .soaking.kinds import script
from .soaking.reading import read
from .soaking.server import raise_limit

__all__ = ["main"]

_WARM_UP = 1_000  # streams, at most, before anything is measured
_EVERY = 1_000  # streams between two samples, at most
_MOST_TOLD = 20  # mismatches that are told of
_LIMITS = Timeout(connect=60, first_token=120, idle=120)  # none of which passes, however busy the machine is


@dataclass
class Tally:
    """What the streams have come to so far."""

    ended: int = 0
    chunks: int = 0
    replaced: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    mismatches: int = 0
    told: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


@contextlib.contextmanager
def _server(seed: int, faults: float) -> Iterator[int]:
    """Run the server; its port."""
    folder = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "stress.soaking.server", "--seed", str(seed), "--faults", str(faults)]
    paths = os.pathsep.join(path for path in (folder, os.environ.get("PYTHONPATH")) if path)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths})
    try:
        assert process.stdout is not None  # it is a pipe
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


async def _stats(port: int) -> dict[str, int]:
    """What the server holds, as it tells once the connections that were closed are gone."""
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            async with session.get(f"http://127.0.0.1:{port}/stats") as response:
                held: dict[str, int] = await response.json(content_type=None)
            if held["open"] == 1:
                break
            await asyncio.sleep(0.05)
    return held


async def _soak(port: int, first: int, count: int, arguments: argparse.Namespace, progress: Progress) -> Tally:
    """Read so many streams with one client, and leave it."""
    tally, numbers = Tally(), iter(range(first, first + count))
    client = AsyncOpenAI(
        api_key="k", base_url=f"http://127.0.0.1:{port}/v1", timeout=_LIMITS, limit=arguments.at_once + 100
    )
    patience = 1 + arguments.at_once / 60
    every = max(1, min(_EVERY, count // 20))

    async def work() -> None:
        for number in numbers:
            planned = script(arguments.seed, number, arguments.faults)
            seen = await read(client, planned, patience=patience)
            tally.ended += 1
            tally.chunks += seen.chunks
            tally.kinds[planned.kind] += 1
            tally.outcomes["complete" if seen.error is None else type(seen.error).__name__] += 1
            tally.replaced += max(0, (seen.retries or 0) - (planned.expected.retries or 0))
            if wrong := mismatch(planned, seen):
                tally.mismatches += 1
                if len(tally.told) < _MOST_TOLD:
                    tally.told.append(f"stream {number} ({planned.kind}, read as {planned.view}): {wrong}")
            if tally.ended % every == 0:
                tally.samples.append(sample(tally.ended, progress.began, client))
            progress.say(tally.ended, f"{tally.mismatches} mismatches")

    async with client:
        workers = [asyncio.create_task(work()) for _ in range(min(arguments.at_once, count))]
        await asyncio.gather(*workers)
    return tally


async def _run(port: int, arguments: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Warm up, rest, soak, rest; return all figures."""
    warm_up = max(1, min(_WARM_UP, arguments.streams // 5))
    quiet = Progress(None, "", quiet=True)
    first = await _soak(port, arguments.streams, warm_up, arguments, quiet)
    before = sample(0, progress.began)
    cpu, began = time.process_time(), time.monotonic()
    tally = await _soak(port, 0, arguments.streams, arguments, progress)
    cpu, seconds = time.process_time() - cpu, time.monotonic() - began
    after = sample(tally.ended, progress.began)
    progress.end()
    server = await _stats(port)
    settled = tally.samples[len(tally.samples) // 10 :]
    wrong = [*first.told, *tally.told, *growth(settled, before, after, Bounds())]
    if tally.ended != arguments.streams:
        wrong.append(f"{tally.ended} of {arguments.streams} streams are accounted for")
    if server["open"] != 1 or server["expected"]:
        wrong.append(
            f"the server still holds {server['open'] - 1} connections and awaits {server['expected']} attempts"
        )
    return {
        "streams": tally.ended,
        "at_once": arguments.at_once,
        "faults": arguments.faults,
        "seed": arguments.seed,
        "package": __version__,
        "python": platform.python_version(),
        "warm_up": warm_up,
        "seconds": round(seconds, 1),
        "chunks": tally.chunks,
        "requests": server["requests"],
        "cpu_seconds": round(cpu, 1),
        "cpu_us_per_chunk": round(1e6 * cpu / max(tally.chunks, 1), 2),
        "cpu_us_per_stream": round(1e6 * cpu / max(tally.ended, 1)),
        "mismatches": tally.mismatches + first.mismatches,
        "connections_replaced": tally.replaced,
        "rss_slope_bytes_per_stream": round(slope(settled), 1),
        "kinds": dict(tally.kinds.most_common()),
        "outcomes": dict(tally.outcomes.most_common()),
        "at_rest": [before.as_dict(), after.as_dict()],
        "samples": [one.as_dict() for one in tally.samples],
        "wrong": wrong,
    }


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command says what it does


def _row(label: str, held: dict[str, Any]) -> str:
    names = ("seconds", "rss", "descriptors", "tasks", "acquired", "objects", "blocks")
    seconds, rss, *counts = (held[name] for name in names)
    return f"{label:>12}{seconds:9.1f}{rss / 2**20:10.1f}" + "".join(f"{count:12,}" for count in counts)


def _report(figures: dict[str, Any]) -> None:
    _say(
        f"{'streams':>12}{'seconds':>9}{'RSS MiB':>10}{'descriptors':>12}{'tasks':>12}{'connections':>12}{'objects':>12}{'blocks':>12}"
    )
    before, after = figures["at_rest"]
    _say(_row("at rest", before))
    samples = figures["samples"]
    for held in samples[:: max(1, len(samples) // 10)] + samples[-1:]:
        _say(_row(f"{held['streams']:,}", held))
    _say(_row("at rest", after))
    for what in ("kinds", "outcomes"):
        _say(f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in figures[what].items()))
    _say(
        f"{figures['streams']:,} streams, {figures['chunks']:,} chunks in {figures['seconds']} s; "
        f"{figures['cpu_us_per_chunk']} µs of CPU a chunk, everything in; memory {figures['rss_slope_bytes_per_stream']} bytes "
        f"a stream; {figures['connections_replaced']} dead connections replaced; {figures['mismatches']} mismatches"
    )
    for line in figures["wrong"]:
        _say(f"WRONG: {line}")


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stress.soak", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--streams", type=int, default=50_000, metavar="N", help="how many")
    parser.add_argument("--at-once", type=int, default=500, metavar="N", help="how many at a time")
    parser.add_argument("--faults", type=float, default=0.05, metavar="F", help="how many of them go wrong, 0 to 1")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what happens to which")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures there, too")
    arguments = parser.parse_args(given)
    if arguments.streams < 1 or arguments.at_once < 1 or not 0 <= arguments.faults <= 1:
        parser.error("--streams and --at-once take 1 or more, --faults 0 to 1")
    return arguments


def main(given: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = _arguments(given)
    raise_limit()
    progress = Progress(arguments.streams, "streams")
    with _server(arguments.seed, arguments.faults) as port:
        figures = asyncio.run(_run(port, arguments, progress))
    _report(figures)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
