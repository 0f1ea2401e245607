"""Where a client is installed: a virtual environment or a folder of npm's, under the user's cache.

A client comes in, the command that runs its script comes out.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from support.environments import NotInstalledError, install_python, kept, run_quietly

from .client import Client

__all__ = ["command"]

_SCRIPTS = Path(__file__).parent / "scripts"
_NODE = 22  # what the official client for Node.js asks for at least
_NODE_PACKAGE = "24"  # npm has the program itself, for each system a package


def command(client: Client) -> list[str]:
    """Install a client unless it is there, and return the command that runs its script.

    Raises:
        NotInstalledError: The installation failed, or what it needs is missing.
    """
    # Another version of the packages or of this Python is another folder.
    contents = [client.language, platform.python_version(), *client.packages]
    folder = kept("openai-async-clients", client.name, contents, lambda made: _install(made, client))
    if client.language == "python":
        return [str(folder / "bin" / "python"), str(_SCRIPTS / client.script)]
    for name in ("steps.mjs", client.script):
        shutil.copy(_SCRIPTS / name, folder)  # node looks for packages beside the script
    return [_node(folder) or "node", str(folder / client.script)]


def _install(folder: Path, client: Client) -> None:
    if client.language == "python":
        install_python(folder, client.packages)
    else:
        _install_node(folder, client)


def _install_node(folder: Path, client: Client) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalledError("there is no npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    run_quietly([*install, *client.packages])
    if _node(folder) is None:
        run_quietly([*install, f"{_node_package()}@{_NODE_PACKAGE}"])


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
