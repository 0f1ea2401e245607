"""The command: `PYTHONPATH=tests python -m promises [case …] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack

from .case import HELD
from .catalogue import CASES
from .page import PAGE, rewritten, tables
from .sdk import OURS, SDKS
from .worker import Worker


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m promises", description="Who keeps which promise.")
    parser.add_argument("cases", nargs="*", metavar="case", help="which to run; all without any")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/reliability.md; takes all cases")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case is called {', '.join(sorted(unknown))}")
    if arguments.write and arguments.cases:
        parser.error("--write takes all cases")
    return arguments


async def _run(ids: list[str]) -> dict[str, list[str]]:
    """Run cases with every SDK, one after the other, and say how each went."""
    verdicts: dict[str, list[str]] = {}
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(Worker(number)) for number in range(len(SDKS))]
        for id in ids:
            verdicts[id] = [await worker.judge(id) for worker in workers]
            print(f"{id}: {' | '.join(verdicts[id])}", flush=True)  # noqa: T201 - a command says what it does
    return verdicts


def _main() -> int:
    arguments = _arguments()
    verdicts = asyncio.run(_run(arguments.cases or list(CASES)))
    for number, sdk in enumerate(SDKS):
        print(f"{sdk.name}: {sum(row[number] == HELD for row in verdicts.values())} of {len(verdicts)} held")  # noqa: T201 - a command says what it does
    if arguments.write:
        PAGE.write_text(rewritten(PAGE.read_text(), tables(verdicts)))
        print(f"written: {PAGE}")  # noqa: T201 - a command says what it does
    return 0 if all(row[SDKS.index(OURS)] == HELD for row in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(_main())
