"""One run of one contestant, in the process made for it: `python -m benchmarks.child <run as JSON>`.

What to run comes in as the one argument; a line of JSON goes out, with the CPU and wall seconds of each round. Only
the work is measured: imports, the client's making and a warm-up stand before the clock starts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Coroutine
from typing import Any

from .row import Client
from .rows import ROWS

__all__ = ["FOOTER"]

# What a `Script` has appended: the figures of its own process, which the parent can't see as exactly from outside.
# VmHWM and not ru_maxrss: on Linux the latter starts at what the parent had when it forked.
FOOTER = """
def _figures():
    import sys, time
    cpu, modules = time.process_time(), len(sys.modules)
    import json
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            memory = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    else:
        import resource
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"cpu": [cpu], "memory": memory, "modules": modules}))
_figures()
"""


async def _rounds(contestant: Client, run: dict[str, Any]) -> dict[str, Any]:
    cpu: list[float] = []
    wall: list[float] = []
    async with contestant.open(run["origin"]) as work:
        await work(run["warm_up_model"], run["warm_up"])
        for _ in range(contestant.rounds):
            gc.collect()
            began_cpu, began_wall = time.process_time(), time.perf_counter()
            proof = await work(run["model"], run["units"])
            cpu.append(time.process_time() - began_cpu)
            wall.append(time.perf_counter() - began_wall)
            if proof != run["proof"]:
                raise SystemExit(f"{contestant.name} did not do the work: {proof} instead of {run['proof']}")
    return {"cpu": cpu, "wall": wall}


def _complete(main: Coroutine[Any, Any, dict[str, Any]], *, with_uvloop: bool) -> dict[str, Any]:
    if not with_uvloop:
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    found = next(one for one in ROWS[asked["row"]].contestants if one.name == asked["contestant"])
    assert isinstance(found, Client)  # scripts are run as they are
    print(json.dumps(_complete(_rounds(found, asked), with_uvloop=asked["uvloop"])))
