"""`.ci/package`: builds what users install, and installs it as they do.

Without options: wheel and sdist, their contents, and on each Python named (else the one that runs this) the bare install
and the extra `server`. With `--all`: on every supported Python of this machine, each extra alone but the large ones, and
the tests of the sdist. With `--large`: the large extras alone, `local` and `ray`. It needs the package registry.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .archives import Archives, build, check_sdist, check_wheel
from .environment import CheckError, Environment
from .extras import GIVES, LARGE, WITHOUT
from .pythons import find_pythons, version_of

_HERE = Path(__file__).resolve().parent
_FIXTURE = (
    "def test_fixture(openai_async_server):\n    assert openai_async_server.url.startswith('http://127.0.0.1:')\n"
)
_BEGUN = time.monotonic()


def main() -> int:
    """Run the checks that the command line asks for; 1: one failed."""
    parser = argparse.ArgumentParser(prog=".ci/package", description=__doc__)
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="interpreters to install for")
    parser.add_argument("--all", action="store_true", help="every Python found, every extra, the tests of the sdist")
    parser.add_argument("--large", action="store_true", help="the extras local and ray, hundreds of megabytes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="openai-async-") as folder:
        try:
            _check(arguments, Path(folder))
        except CheckError as error:
            sys.stderr.write(f"\n{error}\n")
            return 1
    return 0


def _check(arguments: argparse.Namespace, folder: Path) -> None:
    pythons = _pythons(arguments)
    tools = Environment(sys.executable, folder / "tools")
    archives = build(tools, folder / "dist")
    _say(f"sdist: {check_sdist(archives.sdist)} files, as the checkout")
    version = check_wheel(archives.wheel)
    _say(f"wheel {version}: the package, its licence, three dependencies")
    for name, python in pythons.items():
        _bare(Environment(python, folder / f"bare-{name}", pip=tools), archives.wheel, name)
        _extra("server", Environment(python, folder / f"server-{name}", pip=tools), archives.wheel, name)
        for extra in sorted(_extras(arguments)):
            _extra(extra, Environment(python, folder / f"{extra}-{name}", pip=tools), archives.wheel, name)
    if arguments.all:
        _tests(Environment(sys.executable, folder / "tests", pip=tools), archives, folder)


def _extras(arguments: argparse.Namespace) -> frozenset[str]:
    """Return which extras are asked for besides `server`."""
    small = GIVES.keys() - {"server"} - LARGE if arguments.all else frozenset[str]()
    return small | (LARGE if arguments.large else frozenset())


def _pythons(arguments: argparse.Namespace) -> dict[str, str]:
    named = arguments.pythons or [sys.executable]
    if arguments.all and not arguments.pythons:
        return find_pythons()
    pythons = {}
    for python in named:
        told = version_of(shutil.which(python) or python)
        if told is None:
            raise CheckError(f"{python} is no Python that can be started")
        pythons.setdefault(*told)
    return pythons


def _bare(environment: Environment, wheel: Path, name: str) -> None:
    """Install the wheel alone: it brings three packages with theirs, streams, and names the extra it would need."""
    expected = environment.would_install("aiohttp", "anyio", "msgspec") | {"openai-async-sdk"}
    environment.install(str(wheel))
    if (installed := environment.installed()) != expected:
        raise CheckError(f"the bare install should bring {sorted(expected)}, not {sorted(installed)}")
    environment.python("-I", "-W", "error", str(_HERE / "smoke.py"), "bare", check=True)
    for code, _, extra in WITHOUT:
        told = environment.python("-I", "-c", code).stderr.strip().splitlines() or ["nothing"]
        if not (told[-1].startswith("ImportError") and (f"'{extra}'" in told[-1] or f"[{extra}]" in told[-1])):
            raise CheckError(f"without the extra {extra}, this should have named it:\n{code}\n{told[-1]}")
    done = environment.python("-I", "-m", "openai_async", "--version")
    if done.returncode != 2 or "[cli]" not in done.stderr:
        raise CheckError(f"without the extra cli, the command should have named it: {done.stdout}{done.stderr}")
    _say(f"{name}: bare install, {len(installed)} packages; {len(WITHOUT) + 1} errors name their extras")


def _extra(extra: str, environment: Environment, wheel: Path, name: str) -> None:
    """Install the wheel with one extra: what it gives can be imported."""
    environment.install(f"{wheel}[{extra}]")
    environment.python("-I", "-W", "error", "-c", f"import {', '.join(GIVES[extra])}", check=True)
    if "openai_async.server.app" in GIVES[extra]:
        environment.python("-I", "-W", "error", str(_HERE / "smoke.py"), "server", check=True)
    if extra == "cli":
        environment.python("-I", "-W", "error", "-m", "openai_async", "chat", "--embedded", "Hello", check=True)
    if extra == "testing":
        (environment.folder / "test_fixture.py").write_text(_FIXTURE, encoding="utf-8")
        environment.python("-W", "error", "-m", "pytest", "-q", "test_fixture.py", check=True)
    if extra == "docs":
        config = str(_HERE.parents[1] / ".ci" / "docs" / "mkdocs.yml")
        environment.python(
            "-m", "mkdocs", "build", "--strict", "-f", config, "-d", str(environment.folder / "site"), check=True
        )
    _say(f"{name}: [{extra}] alone, {len(environment.installed())} packages")


def _tests(environment: Environment, archives: Archives, folder: Path) -> None:
    """Run the tests of the sdist where nothing else of the checkout is."""
    shutil.unpack_archive(archives.sdist, folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    environment.install(f"{source}[cli,dev]")
    done = environment.python("-m", "pytest", "-q", folder=source)
    if done.returncode:
        raise CheckError(f"the tests of the sdist failed:\n{done.stdout[-4000:]}{done.stderr}")
    _say(f"sdist: its tests: {done.stdout.strip().splitlines()[-1]}")


def _say(text: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - _BEGUN:4.0f} s] {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
