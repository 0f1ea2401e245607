"""`openai-async completion`: the script, and what a real shell makes of it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

from .conftest import PATIENCE, environment


@pytest.fixture
def place(tmp_path):
    """A folder for PATH, with the program in it under its own name."""
    program = tmp_path / "openai-async"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openai_async "$@"\n')
    program.chmod(0o755)
    return tmp_path


class Shell:
    """An interactive bash on a terminal of its own, with the program on its PATH."""

    def __init__(self, place):
        self.text = ""
        self._master, slave = pty.openpty()
        changes = {"PATH": f"{place}:{os.environ['PATH']}", "PS1": "$ ", "HISTFILE": "/dev/null", "TERM": "dumb"}
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(**changes),
            cwd=place,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text):
        """Press keys."""
        os.write(self._master, text.encode())

    def expect(self, pattern):
        """Read until the text matches, and forget it up to there."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.text)) is None:
            ready = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))[0]
            assert ready, f"{pattern!r} never came; what came is {self.text!r}"
            self.text += os.read(self._master, 65536).decode(errors="replace")
        self.text = self.text[found.end() :]

    def close(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def bash(place):
    """Start a bash that has read the script."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    shell = Shell(place)
    try:
        shell.expect(r"\$ ")
        shell.type('eval "$(openai-async completion bash)"; echo re""ady\n')
        shell.expect(r"\nready")
        shell.expect(r"\$ ")
        yield shell
    finally:
        shell.close()


@pytest.mark.parametrize(("typed", "completed"), [
    ("openai-async doc", "openai-async doctor "),
    ("openai-async completions del", "openai-async completions delete "),
    ("openai-async bench --conc", "openai-async bench --concurrency "),
    ("openai-async completion zs", "openai-async completion zsh "),
    ("openai-async bench --prompts que", "openai-async bench --prompts questions.txt "),
])  # fmt: skip
def test_bash_completes(bash, place, typed, completed):
    """A Tab in a real bash completes commands, options, choices, and names of files."""
    (place / "questions.txt").touch()

    bash.type(f"{typed}\t")

    bash.expect(re.escape(completed))


def test_bash_shows_what_there_is(bash):
    """Two Tabs show all commands."""
    bash.type("openai-async \t\t")

    bash.expect(r"(?s)(?=.*chat)(?=.*serve)(?=.*completions)(?=.*bench)(?=.*doctor)(?=.*completion )")


@pytest.mark.parametrize(("shell", "has"), [
    ("bash", "complete -o nosort -F _openai_async_completion openai-async"),
    ("zsh", "#compdef openai-async"),
    ("fish", "complete --no-files --command openai-async"),
])  # fmt: skip
def test_scripts(call, shell, has):
    """The script of each shell goes to stdout, and calls the program as the program wants to be called."""
    done = call("completion", shell)

    assert (done.returncode, done.stderr) == (0, b"")
    assert has in done.stdout.decode()
    assert f"_OPENAI_ASYNC_COMPLETE={shell}_complete" in done.stdout.decode()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_read_them(call, shell, tmp_path):
    """Each script is one that its shell can parse, where that is installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    script = tmp_path / "script"
    script.write_bytes(call("completion", shell).stdout)

    subprocess.run([shell, "-n", str(script)], check=True)


def test_other_shells(call):
    """A shell that click can't complete in is a mistake, and those that it can are named."""
    done = call("completion", "tcsh")

    assert (done.returncode, done.stdout) == (2, b"")
    assert "'bash', 'zsh', 'fish'" in done.stderr.decode()


@pytest.mark.parametrize("words", [("completion",), ("bench",), ("doctor",)])
def test_help_teaches(call, words):
    """Help goes to stdout, fits 80 columns, and has examples that can be copied."""
    done = call(*words, "--help")

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert sum("openai-async " in line for line in lines) >= 3
    assert max(map(len, lines)) <= 80
