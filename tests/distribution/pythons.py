"""Which Pythons of this machine the package says it supports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

__all__ = ["find_pythons", "version_of"]

ROOT = Path(__file__).resolve().parents[2]
_TELL = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"


def version_of(python: str, **environment: str) -> tuple[str, str] | None:
    """Return version ("3.12") and path of the interpreter that a command starts; None: it starts none."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _TELL], env=os.environ | environment, text=True, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    version, path = done.stdout.strip().split(" ", 1)
    return version, path


def find_pythons() -> dict[str, str]:
    """Return version and path of one interpreter for each supported version: on the PATH, or of pyenv."""
    supported = _supported()
    found = {".".join(map(str, sys.version_info[:2])): sys.executable}
    candidates = [(f"python{version}", {}) for version in supported]
    if shutil.which("pyenv"):
        listed = subprocess.run(["pyenv", "versions", "--bare"], text=True, capture_output=True, check=False).stdout
        # By minor version: "python3" may be that of a virtual environment, first on the PATH.
        candidates += [("python" + ".".join(name.split(".")[:2]), {"PYENV_VERSION": name}) for name in listed.split()]
    for command, environment in candidates:
        told = version_of(command, **environment)
        if told is not None and told[0] in supported:
            found.setdefault(*told)
    return dict(sorted(found.items(), key=lambda item: supported.index(item[0])))


def _supported() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prefix = "Programming Language :: Python :: 3."
    return [f"3.{line.removeprefix(prefix)}" for line in project["classifiers"] if line.startswith(prefix)]
