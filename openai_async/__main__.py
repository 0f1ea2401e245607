"""The program `openai-async`, and `python -m openai_async`.

Arguments come in from the command line, an exit code goes out. It never shows a traceback where click or rich is
missing: one line says what to install.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code (see `docs/cli.md`)."""
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        sys.stderr.write(
            f"openai-async: error: the command line needs {needed}: run pip install '.[cli]' in the project's folder\n"
        )
        sys.exit(2)
    try:
        from openai_async.cli.program import run  # noqa: PLC0415 - it needs what was just looked for

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before any command could take note of it
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
