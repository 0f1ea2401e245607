"""Where a client is installed: a virtual environment or a folder of npm's, under the user's cache.

Packages come in, the command that runs a script comes out. What is installed stays, and is found again by its packages;
an installation that failed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .client import Client

__all__ = ["NotInstalledError", "command"]

_SCRIPTS = Path(__file__).parent / "scripts"
_PATIENCE = 900  # seconds for an installation
_NODE = 22  # what the official client for Node.js asks for at least
_NODE_PACKAGE = "24"  # npm has the program itself, for each system a package


class NotInstalledError(Exception):
    """A client can't be installed here; says why."""


def command(client: Client) -> list[str]:
    """Install a client unless it is there, and return the command that runs its script.

    Raises:
        NotInstalledError: The installation failed, or what it needs is missing.
    """
    folder = _folder(client)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Made under another name: what is there under its own is whole, whoever else runs this at the same time.
        with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as made:
            (_install_python if client.language == "python" else _install_node)(Path(made) / "made", client)
            with contextlib.suppress(OSError):  # somebody else was faster
                (Path(made) / "made").rename(folder)
    if client.language == "python":
        return [str(folder / "bin" / "python"), str(_SCRIPTS / client.script)]
    for name in ("steps.mjs", client.script):
        shutil.copy(_SCRIPTS / name, folder)  # node looks for packages beside the script
    return [_node(folder) or "node", str(folder / client.script)]


def _folder(client: Client) -> Path:
    """The folder of these packages, of this Python: another version of either is another folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    said = " ".join([client.language, platform.python_version(), *client.packages])
    return cache / "openai-async-clients" / f"{client.name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def _install_python(folder: Path, client: Client) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, *client.packages])


def _install_node(folder: Path, client: Client) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalledError("there is no npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    _run([*install, *client.packages])
    if _node(folder) is None:
        _run([*install, f"{_node_package()}@{_NODE_PACKAGE}"])


def _node(folder: Path) -> str | None:
    """A program node that is new enough: the one that was installed, else the system's; None: there is none."""
    own = folder / "node_modules" / _node_package() / "bin" / "node"
    found = str(own) if own.exists() else shutil.which("node")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").partition(".")[0]
    return found if major.isdigit() and int(major) >= _NODE else None


def _node_package() -> str:
    machine = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"node-{sys.platform}-{machine}"


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"the installation took more than {_PATIENCE} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotInstalledError(said[-1][:160] if said else f"{Path(words[0]).name} ended with {done.returncode}")
