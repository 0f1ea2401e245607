"""Programs that others wrote, for tests against them: installed into a folder of the caller's, run on loopback, ended.

Commands go in, a running program comes out, listening. Nothing here knows what any of them says.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .environments import NotInstalledError, install_python

__all__ = ["ProgramError", "install_from_pypi", "running"]

_STARTING = 60.0  # seconds: a busy machine takes ten
_ENDING = 10.0  # seconds, then it is killed


class ProgramError(Exception):
    """A program can't be installed or started here; says why."""


def install_from_pypi(folder: Path, *packages: str) -> Path:
    """Install packages into a virtual environment of their own, and return the folder of its commands.

    Raises:
        ProgramError: pip failed; the message is the last line that it said.
    """
    try:
        install_python(folder, packages)
    except NotInstalledError as error:
        raise ProgramError(f"pip could not install {', '.join(packages)}: {error}") from None
    return folder / "bin"


@contextmanager
def running(
    command: Sequence[str], port: int, log: Path, *, starting: float = _STARTING, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a program that listens on a port of the loopback interface, and yield its process id. Leaving the block ends it.

    Args:
        command: Program and arguments.
        port: Where it will listen.
        log: The file that its output goes to.
        starting: Seconds until it has to listen.
        env: Its environment; None: ours.

    Raises:
        ProgramError: It ended at once, or does not listen in time; the message has its log.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
        try:
            _wait(process, port, log, starting)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, starting: float) -> None:
    """Wait until the port is open: what else tells of a start differs from program to program."""
    deadline = time.monotonic() + starting
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    said = log.read_text(encoding="utf-8", errors="replace")[-1000:]
    raise ProgramError(f"{Path(str(process.args[0])).name} does not listen: {said}")  # type: ignore[index]  # a list it was
