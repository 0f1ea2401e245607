"""The import contracts fail when they are broken: a contract that can't is no contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = Path(sys.executable).parent / "lint-imports"

BREACHES = {
    "a type that knows the network": ("types/model.py", "import aiohttp"),
    "a parser that knows the loop": ("protocol/sse.py", "import asyncio"),
    "a decision that knows the clock": ("transport/retry.py", "import time"),
    "a layer that looks up": ("protocol/sse.py", "from openai_async.transport import timer"),
    "a layer that looks up for its annotations": (
        "transport/exchange.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from openai_async.api import client",
    ),
    "a server that knows the client": ("server/app.py", "from openai_async.api import client"),
    "an error that knows a type": ("errors.py", "from openai_async.types import model"),
    "a second door to aiohttp": ("api/client.py", "import aiohttp"),
    "two modules that need each other": ("protocol/text.py", "from openai_async.protocol import snapshot"),
    "a module outside of the house": ("utils.py", ""),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the package copied to `folder`."""
    command = [str(LINT), "--no-cache", "--config", str(folder / "pyproject.toml")]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, text=True, capture_output=True, check=False
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package and its contracts."""
    shutil.copytree(ROOT / "openai_async", tmp_path / "openai_async", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_kept(house: Path) -> None:
    """The package as it stands keeps its contracts."""
    done = lint(house)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", BREACHES)
def test_broken(house: Path, name: str) -> None:
    """Each kind of breach is found, and named."""
    place, line = BREACHES[name]
    file = house / "openai_async" / place
    text = file.read_text() if file.exists() else ""
    file.write_text(text + "\n" + line + "\n")

    done = lint(house)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout or "not listed" in done.stdout + done.stderr or "utils" in done.stdout + done.stderr
