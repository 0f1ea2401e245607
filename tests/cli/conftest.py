"""What the command line's tests share: running it as a user does, on a terminal or between pipes, and servers."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from openai_async.cli import program
from openai_async.server import serve

ROOT = Path(__file__).resolve().parents[2]

# Seconds after which a program that says nothing has failed; never waited for when all is well.
PATIENCE = 45

# Runs a program with Ctrl-C as a shell would, whatever the test run itself does with it; with a terminal as stdin, as
# that terminal's foreground process.
_LAUNCHER = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
if os.isatty(0):
    import fcntl, termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-W", "error", "-m", "openai_async", *sys.argv[1:]])
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def command(*words):
    """The words that start the program with these arguments."""
    return [sys.executable, "-c", _LAUNCHER, *map(str, words)]


def environment(**changes):
    """A user's environment without anything that the client reads, and with the checkout's package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "_OPENAI", "COLUMNS"))}
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        kept.pop(name, None)
        kept.pop(name.upper(), None)
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **changes}


@pytest.fixture
def run():
    """Run the program between pipes, and return what came of it; stdin is empty unless given.

    Beside the arguments it takes `stdout`, a file to write to, `shell`, the words that start it, and variables of the
    environment.
    """

    def run(*words, stdin=b"", stdout=subprocess.PIPE, shell=(), **changes):
        return subprocess.run(
            [*shell, *command(*words)],
            input=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(**changes),
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.fixture
def call(monkeypatch, capfd):
    """Do as `run`, in this process: a tenth of the time, for what needs no process of its own."""
    before, handlers = dict(os.environ), logging.root.handlers[:]

    def call(*words, stdin=b"", **changes):
        os.environ.clear()
        os.environ.update(environment(**changes))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = program.run([*map(str, words)])
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(words, code, out.encode(), err.encode())

    yield call
    # A process may change these as it likes; this one goes on.
    os.environ.clear()
    os.environ.update(before)
    logging.root.handlers[:] = handlers


class Terminal:
    """The program on a terminal of its own, 80 columns wide.

    Attributes:
        raw: All that it wrote there.
    """

    def __init__(self, words, changes, *, stdout=None, stderr=None):
        self._master, slave = pty.openpty()
        self.raw = b""
        self._seen = 0
        self.process = subprocess.Popen(
            command(*words),
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave if stderr is None else stderr,
            env=environment(**changes),
            start_new_session=True,
        )
        os.close(slave)

    @property
    def text(self):
        """What was written since the last match, escape sequences taken out."""
        written = self.raw.decode(errors="ignore")  # the last character may be half there
        return _ESCAPES.sub("", written).replace("\r\n", "\n")[self._seen :]

    def expect(self, pattern, *, patience=PATIENCE):
        """Read until the text matches, and forget it up to there; return the match."""
        deadline = time.monotonic() + patience
        while (found := re.search(pattern, self.text)) is None:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} never came; what came is {self.text!r}")
        self._seen += found.end()
        return found

    def type(self, text):
        """Type: a line feed is Enter, character 3 Ctrl-C, character 4 Ctrl-D."""
        os.write(self._master, text.encode())

    def insist(self, key, pattern):
        """Press a key until the text matches: CPython's readline overlooks a signal that meets it between two reads."""
        for _ in range(PATIENCE):
            self.type(key)
            with contextlib.suppress(TimeoutError):
                return self.expect(pattern, patience=1)
        raise AssertionError(f"{pattern!r} never came; what came is {self.text!r}")

    def close(self):
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 1))

    def _read(self, patience):
        if not select.select([self._master], [], [], max(patience, 0))[0]:
            raise TimeoutError(f"nothing more came; what came is {self.text!r}")
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.raw += data
        return bool(data)

    def stop(self):
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self._master)


@pytest.fixture
def terminal():
    """Start the program on a terminal; with `stdout` or `stderr` these go elsewhere."""
    with contextlib.ExitStack() as stack:

        def start(*words, stdout=None, stderr=None, **changes):
            made = Terminal(words, changes, stdout=stdout, stderr=stderr)
            stack.callback(made.stop)
            return made

        yield start


@pytest.fixture
def server():
    """Start an embedded server in a thread, and return its address, which also tells what it saw."""
    with start_blocking_portal() as portal, contextlib.ExitStack() as stack:
        yield lambda *responder, **options: stack.enter_context(
            portal.wrap_async_context_manager(serve(*responder, **options))
        )


class Drip:
    """A responder whose words leave the server one by one, each when the test says so.

    Attributes:
        asked: Set when a request is here.
        closed: Set when the server gives the answer up, or has sent it.
    """

    def __init__(self, portal, words):
        self._portal = portal
        self._words = words
        self._drops = portal.call(self._semaphore)
        self.asked = portal.call(self._event)
        self.closed = portal.call(self._event)

    async def _semaphore(self):
        return anyio.Semaphore(0)

    async def _event(self):
        return anyio.Event()

    async def __call__(self, request):
        """Answer any request."""
        del request
        self.asked.set()
        return self._drip()

    async def _drip(self):
        try:
            for word in self._words:
                await self._drops.acquire()
                yield word
        finally:
            self.closed.set()

    def let(self):
        """Let the next word go."""
        self._portal.call(self._drops.release)

    def wait_asked(self):
        """Wait until a request is here."""
        self._portal.call(self._wait, self.asked)

    def wait_closed(self):
        """Wait until the server has done with the answer."""
        self._portal.call(self._wait, self.closed)

    async def _wait(self, event):
        with anyio.fail_after(PATIENCE):
            await event.wait()


@pytest.fixture
def drip():
    """Start a server with a `Drip`; returns its address and the drip."""
    with start_blocking_portal() as portal, contextlib.ExitStack() as stack:

        def start(*words):
            made = Drip(portal, words)
            url = stack.enter_context(portal.wrap_async_context_manager(serve(made)))
            return url, made

        yield start


class Piped:
    """The program between pipes, while it runs."""

    def __init__(self, words, changes):
        self.process = subprocess.Popen(
            command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(**changes),
        )
        self.came = b""

    def expect(self, text):
        """Read stdout until it has the text."""
        pipe = self.process.stdout.fileno()
        while text not in self.came:
            ready = select.select([pipe], [], [], PATIENCE)[0]
            data = os.read(pipe, 65536) if ready else b""
            assert data, f"{text!r} never came; what came is {self.came!r}"
            self.came += data

    def interrupt(self):
        """Send SIGINT."""
        self.process.send_signal(signal.SIGINT)

    def leave(self):
        """Read no more of stdout."""
        self.process.stdout.close()

    def end(self):
        """Read to the end; return the exit code, stdout and stderr."""
        if self.process.stdout.closed:
            err = self.process.stderr.read()
            return self.process.wait(PATIENCE), self.came, err
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, self.came + out, err

    def stop(self):
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def start():
    """Start the program between pipes, stdin empty."""
    with contextlib.ExitStack() as stack:

        def start(*words, **changes):
            made = Piped(words, changes)
            stack.callback(made.stop)
            return made

        yield start
