"""The command: `PYTHONPATH=tests python -m stress.guided [--target NAME] [--seconds S] [--seed N]`.

The same targets as `stress.fuzz`, fed by atheris, which looks at what each input reached in the package's code and makes
the next ones of those that reached something new. `pip install atheris` brings it (Linux, CPython 3.11). It ends at the
first finding, with an exit code other than 0.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["main"]

_SEEDS = 300  # inputs of our own that it starts with
_SALT = 4  # bytes of an input that are the salt
_LONGEST = 4096  # bytes of an input
_TARGETS = ["chunks", "streams", "events", "bodies", "pages", "texts", "headers"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stress.guided", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--target", choices=_TARGETS, default=_TARGETS[0])
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="how long")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random")
    parser.add_argument("--corpus", type=Path, default=None, help=argparse.SUPPRESS)  # set for the process that fuzzes
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command says what it does


def _fuzz(arguments: argparse.Namespace) -> None:
    """Fuzz until the time is up or something is found; libFuzzer ends the process, and cleans up nothing."""
    atheris: Any = importlib.import_module("atheris")
    # The package is instrumented when it is first imported, so not before this.
    with atheris.instrument_imports(include=["openai_async"]):
        trial: Any = importlib.import_module("stress.trial")
    case_of: Any = importlib.import_module("stress.targets.target").Case

    def one(data: bytes) -> None:
        case = case_of(arguments.target, int.from_bytes(data[:_SALT], "big"), data[_SALT:])
        found = trial.attempt(case, limited=False)  # libFuzzer uses the same alarm
        if not isinstance(found, str):
            short = trial.shortened(found, lambda again: trial.attempt(again, limited=False))
            _say(f"\nFOUND {short.said}\n{short.trace}again: python -m stress.fuzz {short.case}")
            raise RuntimeError(short.said)  # noqa: TRY004 - so ends libFuzzer, whatever it was

    options = {
        "max_total_time": arguments.seconds,
        "seed": arguments.seed,
        "max_len": _LONGEST,
        "exact_artifact_path": os.devnull,
    }
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(arguments.corpus)], one)
    atheris.Fuzz()


def main() -> int:
    """Run the command; return its exit code."""
    arguments = _arguments()
    if importlib.util.find_spec("atheris") is None:
        _say("atheris is not installed: pip install atheris (Linux, CPython 3.11)")
        return 2
    if arguments.corpus is not None:
        _fuzz(arguments)
        return 0
    targets: Any = importlib.import_module("stress.targets.catalogue").TARGETS
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_SEEDS):
            case = targets[arguments.target].case(arguments.seed, number)
            seed = case.salt.to_bytes(_SALT, "big") + case.data
            (Path(folder) / f"seed-{number}").write_bytes(seed[:_LONGEST])
        command = [sys.executable, "-m", "stress.guided", *sys.argv[1:], "--corpus", folder]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
