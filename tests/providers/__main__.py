"""The command: `PYTHONPATH=tests python -m providers [name …] [--all] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys

from support.marked import rewritten
from support.outcome import Outcome

from .cases import CASES
from .catalogue import SERVERS
from .corpus import FAMILIES, GROUPS, Tally, tried
from .page import PAGE, cell, corpus_table, servers_table, tally
from .run import Run, run
from .server import Server

_LONGEST = 160  # characters of a remark


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m providers", description="What our client does with which server.")
    heavy = [server.name for server in SERVERS.values() if server.heavy]
    told = f"corpus, or of {', '.join(SERVERS)}; without any, the corpus and all but {', '.join(heavy)}"
    parser.add_argument("names", nargs="*", metavar="name", help=told)
    parser.add_argument("--all", action="store_true", help="the heavy ones, too: GB to download, minutes to compile")
    parser.add_argument("--write", action="store_true", help="write docs/providers-tried.md; takes --all")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SERVERS) - {"corpus"}:
        parser.error(f"no server is called {', '.join(sorted(unknown))}")
    if arguments.all and arguments.names:
        parser.error("--all takes no names")
    if arguments.write and not arguments.all:
        parser.error("--write takes --all")
    return arguments


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command says what it does


def _seen(name: str, outcome: Outcome, remark: str) -> None:
    said = "; ".join(dict.fromkeys(filter(None, (outcome.why, remark[:_LONGEST]))))
    _say(f"    {name}: {cell(outcome).strip('*')}{f' ({said})' if said else ''}")


def _one(number: int, total: int, server: Server) -> Run:
    _say(f"[{number}/{total}] {server.name}: {' '.join(server.packages)}")
    made = run(server, _seen)
    if made.missing:
        _say(f"    not installed: {made.missing}")
    else:
        _say(f"    installed after {made.seconds[0]:.0f} s, started after {made.seconds[1]:.0f} s")
    return made


async def _corpus() -> dict[str, dict[str, Tally]]:
    return {name: await tried(family) for name, family in FAMILIES.items()}


def _grid(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        _say("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())


def _main() -> int:
    arguments = _arguments()
    everything = arguments.all or not arguments.names
    failed = False
    if everything or "corpus" in arguments.names:
        tallies = asyncio.run(_corpus())
        cells = [[name, *(tally(family.get(group)) for group in GROUPS)] for name, family in tallies.items()]
        _grid([["", *GROUPS], *cells])
        for name, family in tallies.items():
            for group, made in family.items():
                for answer, why in made.failed.items():
                    _say(f"    {name}, {group}, {answer}: {why}")
                    failed = True
    light = [name for name, server in SERVERS.items() if arguments.all or not server.heavy]
    servers = [SERVERS[name] for name in (light if everything else arguments.names) if name in SERVERS]
    runs = [_one(number, len(servers), server) for number, server in enumerate(servers, 1)]
    if runs:
        cells = [
            [run.server.name, *(cell(run.outcomes.get(name)).strip("*") if not run.missing else "-" for name in CASES)]
            for run in runs
        ]
        _grid([["", *CASES], *cells])
    if arguments.write:
        date = dt.datetime.now(tz=dt.UTC).date().isoformat()
        page = rewritten(PAGE.read_text(encoding="utf-8"), servers_table(runs, date), "servers")
        PAGE.write_text(rewritten(page, corpus_table(tallies), "corpus"), encoding="utf-8")
        _say(f"written: {PAGE}")
    return 1 if failed or any(run.failed for run in runs) else 0


if __name__ == "__main__":
    sys.exit(_main())
