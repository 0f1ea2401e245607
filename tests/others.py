"""What others wrote, and we: every client against our server, and our client with every server and family of answers.

    PYTHONPATH=tests python -m others [--all] [--write]

Two commands in one, `clients` and `providers`; both can be given names. It ends with 1 if a case failed that could pass.
"""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> int:
    """Run both, one after the other; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m others", description="Other clients, and other servers.")
    parser.add_argument("--all", action="store_true", help="heavy servers, too: GB to download, minutes to compile")
    parser.add_argument("--write", action="store_true", help="write the tables of the documentation; takes --all")
    arguments = parser.parse_args()
    if arguments.write and not arguments.all:
        parser.error("--write takes --all")
    write = ["--write"] if arguments.write else []
    commands = [["clients", *write], ["providers", *(["--all"] if arguments.all else []), *write]]
    return max([subprocess.run([sys.executable, "-m", *command], check=False).returncode for command in commands])


if __name__ == "__main__":
    sys.exit(main())
