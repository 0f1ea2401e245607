"""The program as a whole: help, version, completion, and errors that nobody foresaw."""

from __future__ import annotations

import subprocess
import sys

import pytest

from openai_async import __version__
from openai_async.cli import answer


def test_the_version_costs_little(run):
    """`--version` prints it, and imports neither aiohttp nor starlette."""
    done = run("--version", PYTHONPROFILEIMPORTTIME="1")

    assert (done.returncode, done.stdout.decode()) == (0, f"openai-async {__version__}\n")
    imported = {line.rpartition(b"|")[2].strip().partition(b".")[0] for line in done.stderr.splitlines()}
    assert b"click" in imported
    assert not {b"aiohttp", b"starlette", b"uvicorn", b"sse_starlette"} & imported


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("chat", "--help"), ("serve", "-h")])
def test_help_teaches(call, words):
    """Help goes to stdout, fits 80 columns, and has examples that can be copied."""
    done = call(*words)

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert sum(line.startswith("    openai-async ") for line in lines) >= 2
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("columns", "widest"), [("20", 40), ("40", 40), ("60", 60), ("200", 80)])
@pytest.mark.parametrize("command", ["chat", "bulk", "relay", "completions"])
def test_help_fits_the_terminal(call, command, columns, widest):
    """Help is as wide as the terminal, from 40 columns to 80; only examples, which are copied, are longer."""
    lines = call(command, "--help", COLUMNS=columns).stdout.decode().partition("Examples:")[0].splitlines()

    assert max(map(len, lines)) <= widest


def test_an_unknown_command_is_a_mistake(call):
    """A command that does not exist ends with code 2, as other mistakes do."""
    done = call("chatt")

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("openai-async: error: No such command 'chatt'. Did you mean 'chat'?")


@pytest.fixture
def broken(monkeypatch):
    """Break the program in a way that nobody foresaw."""

    def fetch(self, *args):
        del self, args
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(answer.Answer, "fetch", fetch)


def test_even_a_bug_is_one_line(call, broken):
    """An error in the program itself is one line, which asks for a report."""
    done = call("chat", "--embedded", "Hi")

    assert done.returncode == 1
    assert done.stderr.decode() == (
        "openai-async: error: ZeroDivisionError: of all things (--debug shows where; please report it)\n"
    )


def test_debug_shows_where(run):
    """With `--debug` the traceback comes first, then the line."""
    done = run("chat", "--embedded", "--debug", "-m", "nope", "Hi")

    assert done.returncode == 1
    assert b"Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(b"openai-async: error: 404 ")


def test_debug_behind_a_dash_dash_is_a_word(call):
    """What stands behind `--` is part of the prompt, not a request for tracebacks."""
    done = call("chat", "--embedded", "-m", "nope", "--", "--debug", "--json")

    assert done.stderr.startswith(b"openai-async: error: 404 ")


def test_ctrl_c_outside_of_a_request(start, tmp_path):
    """Ctrl-C while nothing is under way ends with code 130 and one line."""
    program = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED], capture_output=True, check=False, timeout=20
    )  # fmt: skip

    assert (program.returncode, program.stderr) == (130, b"openai-async: stopped\n")


_INTERRUPTED = """
import sys
from openai_async.cli import program, question
class Stdin:
    def isatty(self): return False
    @property
    def buffer(self): raise KeyboardInterrupt
sys.stdin = Stdin()
sys.exit(program.run(["chat", "--embedded"]))
"""
