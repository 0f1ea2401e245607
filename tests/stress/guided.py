"""The command: `PYTHONPATH=tests python -m stress.guided [--target NAME] [--seconds S] [--seed N]`.

The same targets as `stress.fuzz`, fed by atheris, which looks at what each input reached in the package's code and makes
the next ones of those that reached something new. `pip install atheris` brings it (CPython 3.11 to 3.13, on Linux). It
ends at the first finding, with an exit code other than 0.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["main"]

_SEEDS = 300  # inputs of our own that it starts with
_SALT = 4  # bytes of an input that are the salt
_LONGEST = 4096  # bytes of an input


def _arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stress.guided", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--target", choices=names, default=names[0])
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="how long")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random")
    return parser.parse_args()


def main() -> int:
    """Run the command; return its exit code, unless libFuzzer ends the process by itself."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris (CPython 3.11 to 3.13, on Linux)")  # noqa: T201 - a command says what it does
        return 2
    atheris: Any = importlib.import_module("atheris")
    # The package is instrumented when it is first imported, so not before this.
    with atheris.instrument_imports(include=["openai_async"]):
        trial: Any = importlib.import_module("stress.trial")
        targets: Any = importlib.import_module("stress.targets.catalogue").TARGETS
    case_of: Any = importlib.import_module("stress.targets.target").Case
    arguments = _arguments([name for name, target in targets.items() if not target.exact])
    target = targets[arguments.target]

    def one(data: bytes) -> None:
        case = case_of(target.name, int.from_bytes(data[:_SALT], "big"), data[_SALT:])
        found = trial.attempt(case, limited=False)  # libFuzzer uses the same alarm
        if not isinstance(found, str):
            short = trial.shortened(found, lambda again: trial.attempt(again, limited=False))
            print(f"\nFOUND {short.said}\n{short.trace}again: python -m stress.fuzz {short.case}", flush=True)  # noqa: T201 - as above
            raise RuntimeError(short.said)  # noqa: TRY004 - so ends libFuzzer, whatever it was

    with tempfile.TemporaryDirectory() as folder:
        for number in range(_SEEDS):
            case = target.case(arguments.seed, number)
            seed = case.salt.to_bytes(_SALT, "big") + case.data
            (Path(folder) / f"seed-{number}").write_bytes(seed[:_LONGEST])
        options = {
            "max_total_time": arguments.seconds,
            "seed": arguments.seed,
            "max_len": _LONGEST,
            "artifact_prefix": folder,
        }
        atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), folder], one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
