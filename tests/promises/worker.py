"""A process that runs cases with one SDK: `python -m promises.worker <number of the SDK>`.

Names of cases come in, a line each; a line of JSON goes out for each, what it came to. A case that keeps its event loop
busy for ever can only be ended with its process: that is what `Worker` does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from typing import Self

from .case import judge
from .catalogue import CASES
from .sdk import SDKS

__all__ = ["Worker"]

_PATIENCE = 10.0  # seconds for a case that its own limit does not end


class Worker:
    """Runs cases in a process of its own, which is replaced when a case does not come back.

    Args:
        number: Of the SDK.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._process: asyncio.subprocess.Process | None = None

    async def judge(self, id: str) -> str:
        """What the case came to, as `case.judge` says it."""
        process = self._process = self._process or await self._start()
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - they are pipes
        process.stdin.write(f"{id}\n".encode())
        try:
            async with asyncio.timeout(_PATIENCE):
                line = await process.stdout.readline()
        except TimeoutError:
            await self._stop()
            return f"busy for {_PATIENCE:.0f} s (killed)"
        if not line:
            await self._stop()
            return "takes the process with it"
        told: str = json.loads(line)
        return told

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", __spec__.name, str(self._number)]
        return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()


def _main() -> None:
    sdk = SDKS[int(sys.argv[1])]
    gc.collect()
    gc.freeze()  # what importing made is no garbage: looking through it takes longer than most cases
    for line in sys.stdin:
        print(json.dumps(judge(CASES[line.strip()], sdk)), flush=True)  # noqa: T201 - what goes out


if __name__ == "__main__":
    _main()
