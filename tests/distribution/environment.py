"""A virtual environment with nothing in it but what a check installs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

__all__ = ["CheckError", "Environment"]

# What would lead an environment to another one's packages, or a client to somebody's server.
_FOREIGN = ("PYTHONPATH", "VIRTUAL_ENV", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PIP_REQUIRE_VIRTUALENV")


class CheckError(Exception):
    """A check failed; the message says what is wrong."""


class Environment:
    """One environment.

    Args:
        python: The interpreter it is made from.
        folder: Where it is made.
        pip: The environment whose pip installs into this one; None: this one gets its own, which takes seconds.
    """

    def __init__(self, python: str, folder: Path, *, pip: Environment | None = None) -> None:
        self.folder = folder
        self._pip = pip or self
        without = [] if pip is None else ["--without-pip"]
        _run([python, "-I", "-m", "venv", *without, str(folder)], folder.parent, check=True)

    @property
    def executable(self) -> str:
        """Path of its interpreter."""
        return str(self.folder / "bin" / "python")

    def python(
        self, *arguments: str, folder: Path | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run its interpreter in a folder; None: in its own.

        Raises:
            CheckError: With `check`, the run failed.
        """
        return _run([self.executable, *arguments], folder or self.folder, check=check)

    def install(self, *requirements: str) -> None:
        """Install with pip.

        Raises:
            CheckError: They can't be installed.
        """
        self._pip.python(*_PIP, "--python", self.executable, "install", "--quiet", *requirements, check=True)

    def would_install(self, *requirements: str) -> set[str]:
        """Return the names of what pip would install besides what is there."""
        arguments = ("install", "--quiet", "--dry-run", "--report", "-", *requirements)
        done = self._pip.python(*_PIP, "--python", self.executable, *arguments, check=True)
        return {one["metadata"]["name"].lower() for one in json.loads(done.stdout)["install"]}

    def installed(self) -> set[str]:
        """Return the names of all distributions in it."""
        code = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
        return set(self.python("-I", "-c", code, check=True).stdout.split())


_PIP = ("-m", "pip", "--disable-pip-version-check")


def _run(command: list[str], folder: Path, *, check: bool) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise CheckError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done
