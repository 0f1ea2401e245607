"""What the contestants run on: which interpreter, which event loop.

A path and a choice come in; a setting that can be named, and is known to have what the contestants import, goes out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["MAKING", "Setting", "missing"]

_PACKAGES = ("openai", "httpx2", "aiohttp", "msgspec", "anyio", "orjson", "uvloop")
_NEEDED = {"openai", "aiohttp", "msgspec", "anyio", "orjson"}
_ASK = f"""
import json, platform
from importlib.metadata import PackageNotFoundError, version
found = {{}}
for name in {_PACKAGES!r}:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps({{"version": platform.python_version(), "packages": found}}))
"""
MAKING = "python3.13 -m venv ENV && ENV/bin/pip install . -r benchmarks/requirements.txt, then --python ENV/bin/python"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One of them.

    Attributes:
        python: Path of the interpreter.
        uvloop: Whether the event loop is uvloop's and not asyncio's.
    """

    python: str = sys.executable
    uvloop: bool = False

    @property
    def version(self) -> str:
        """The interpreter's version."""
        return str(_about(self.python)["version"])

    @property
    def packages(self) -> dict[str, str]:
        """Versions of what the contestants are made of, by the distribution's name; without those it has not."""
        return dict(_about(self.python)["packages"])

    def __str__(self) -> str:
        return f"Python {self.version}, {'uvloop' if self.uvloop else 'asyncio'}"


def missing(setting: Setting) -> str | None:
    """Say in a sentence why nothing can run on `setting`; None: it can."""
    try:
        absent = (_NEEDED | ({"uvloop"} if setting.uvloop else set())) - set(setting.packages)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        return f"{setting.python} does not run as Python: {error}"
    if absent:
        return f"{setting.python} lacks {', '.join(sorted(absent))}: pip install -r benchmarks/requirements.txt"
    return None


@cache
def _about(python: str) -> dict[str, Any]:
    done = subprocess.run([python, "-c", _ASK], stdout=subprocess.PIPE, check=True, timeout=60)
    about: dict[str, Any] = json.loads(done.stdout)
    return about
