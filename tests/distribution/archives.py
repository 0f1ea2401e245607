"""Wheel and sdist: made, and looked into."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

from .environment import CheckError, Environment

__all__ = ["Archives", "build", "check_sdist", "check_wheel"]

ROOT = Path(__file__).resolve().parents[2]
_CORE = {"aiohttp", "anyio", "msgspec"}


class Archives(NamedTuple):
    """What was built: the sdist from the checkout, the wheel from the sdist."""

    wheel: Path
    sdist: Path


def build(tools: Environment, folder: Path) -> Archives:
    """Build both into an empty folder, with the build backend of `tools`."""
    tools.install("build", "hatchling")
    tools.python("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), check=True)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return Archives(wheel, sdist)


def check_wheel(wheel: Path) -> str:
    """Hold a wheel against the checkout: the whole package, its licence, and nothing else.

    Returns:
        The distribution's version.

    Raises:
        CheckError: A file is missing or too many, or the metadata are not what they should be.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        commands = archive.read(f"{info}/entry_points.txt").decode()
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "openai_async").rglob("*") if path.is_file()}
    _same("the wheel", {name for name in names if not name.startswith(f"{info}/")}, package)
    _same("its metadata", {name.removeprefix(f"{info}/") for name in names if name.startswith(f"{info}/")}, _INFO)
    needs = {line.split(">")[0] for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    _same("the bare install", needs, _CORE)
    if metadata["License-Expression"] != "MIT" or "openai-async = openai_async.__main__:main" not in commands:
        raise CheckError(f"{wheel.name}: licence {metadata['License-Expression']!r}, commands {commands!r}")
    return metadata["Version"]


_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def check_sdist(sdist: Path) -> int:
    """Hold an sdist against the checkout: who has one can do all that a checkout can, the tests included.

    Returns:
        How many files it has.

    Raises:
        CheckError: A file that git would keep is missing, or there is one that it would not.
    """
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()} - {"PKG-INFO"}
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    if listed.returncode == 0:
        kept = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
        _same("the sdist", names, kept)
    return len(names)


def _same(what: str, has: set[str], should: set[str]) -> None:
    bytecode = {name for name in should if "__pycache__" in name}
    missing, spare = should - has - bytecode, has - should
    if missing or spare:
        raise CheckError(f"{what} misses {sorted(missing)} and should not have {sorted(spare)}")
