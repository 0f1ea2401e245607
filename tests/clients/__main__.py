"""The command: `PYTHONPATH=tests python -m clients [name …] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
import time

from support.environments import NotInstalledError
from support.marked import rewritten
from support.outcome import Outcome

from .case import CASES
from .catalogue import CLIENTS
from .client import Client
from .environment import command
from .page import PAGE, cell, table
from .run import Run, run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clients", description="Which client does what with our server.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(CLIENTS)}; all without any")
    parser.add_argument("--write", action="store_true", help="write the table of docs/clients.md; takes all clients")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(CLIENTS):
        parser.error(f"no client is called {', '.join(sorted(unknown))}")
    if arguments.write and arguments.names:
        parser.error("--write takes all clients")
    return arguments


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command says what it does


def _seen(name: str, outcome: Outcome) -> None:
    _say(f"    {name}: {cell(outcome).strip('*')}{f' ({outcome.why})' if outcome.why else ''}")


def _one(number: int, total: int, client: Client) -> Run:
    _say(f"[{number}/{total}] {client.name}: {' '.join(client.packages)}")
    began = time.monotonic()
    try:
        words = command(client)
    except NotInstalledError as error:
        _say(f"    not installed: {error}")
        return Run(client, missing=str(error))
    _say(f"    installed after {time.monotonic() - began:.0f} s")
    return asyncio.run(run(client, words, _seen))


def _main() -> int:
    arguments = _arguments()
    clients = [CLIENTS[name] for name in arguments.names or CLIENTS]
    runs = [_one(number, len(clients), client) for number, client in enumerate(clients, 1)]
    width = max(len(client.name) for client in clients)
    _say(f"\n{'':{width}}  {'  '.join(CASES)}")
    for made in runs:
        cells = "  ".join(f"{cell(made.outcomes.get(name)).strip('*'):{len(name)}}" for name in CASES)
        _say(f"{made.client.name:{width}}  {f'not installed: {made.missing}' if made.missing else cells}")
    if arguments.write:
        date = dt.datetime.now(tz=dt.UTC).date().isoformat()
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), table(runs, date), "clients"), encoding="utf-8")
        _say(f"written: {PAGE}")
    return 1 if any(made.failed for made in runs) else 0


if __name__ == "__main__":
    sys.exit(_main())
