"""Where packages of others are installed for a command: folders under the user's cache, found again by what they hold.

Packages come in, a folder comes out. What is installed stays; an installation that failed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["NotInstalledError", "install_python", "kept", "run_quietly"]

_PATIENCE = 900.0  # seconds for one command of an installation


class NotInstalledError(Exception):
    """Something can't be installed here; says why."""


def kept(cache: str, name: str, contents: Sequence[str], install: Callable[[Path], None]) -> Path:
    """The folder of these contents, made unless it is there.

    Args:
        cache: The folder of all, in the user's cache.
        name: What the folder's own name begins with.
        contents: What it will hold; other contents are another folder.
        install: Makes the folder, which does not exist yet, at the path that it is given.

    Raises:
        NotInstalledError: From `install`.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / cache
    folder = root / f"{name}-{hashlib.sha256(' '.join(contents).encode()).hexdigest()[:12]}"
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        # Made under another name: what is there under its own is whole, whoever else runs this at the same time.
        with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as made:
            install(Path(made) / "made")
            with contextlib.suppress(OSError):  # somebody else was faster
                (Path(made) / "made").rename(folder)
    return folder


def install_python(
    folder: Path,
    packages: Sequence[str],
    *,
    alone: Sequence[str] = (),
    python: str = sys.executable,
    patience: float = _PATIENCE,
) -> None:
    """Make a virtual environment of these packages.

    Args:
        folder: Where.
        packages: What to install, as pip takes it.
        alone: What to install without what it asks for.
        python: The interpreter.
        patience: Seconds for pip.

    Raises:
        NotInstalledError: The installation failed.
    """
    run_quietly([python, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if packages:
        run_quietly([*pip, *packages], patience)
    if alone:
        run_quietly([*pip, "--no-deps", *alone], patience)


def run_quietly(words: Sequence[str], patience: float = _PATIENCE) -> None:
    """Run a command of an installation.

    Args:
        words: Program and arguments.
        patience: Seconds.

    Raises:
        NotInstalledError: It failed; the message is the last line that it said.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"the installation took more than {patience:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotInstalledError(said[-1][:160] if said else f"{Path(words[0]).name} ended with {done.returncode}")
