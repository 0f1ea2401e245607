"""What may stand at the end of a line that is half typed."""

from __future__ import annotations

import os

import pytest

from openai_async.cli.completer import candidates
from openai_async.cli.program import _program


def found(line):
    """The candidates, each as the whole word that it makes; a file as its kind and what is typed of it."""
    return [
        (item.type, item.value) if item.type == "file" else f"{prefix}{item.value}"
        for prefix, item in candidates(_program, line)
    ]


@pytest.mark.parametrize(("line", "words"), [
    ("openai-async do", ["doctor"]),
    ("openai-async completions list --order ", ["asc", "desc"]),
    ("openai-async completions list --order=", ["--order=asc", "--order=desc"]),
    ("openai-async completions list --order=d", ["--order=desc"]),
    ("openai-async bulk a\\ b", [("file", "a b")]),
    ("openai-async bulk 'a b", [("file", "a b")]),
    ("openai-async bulk 'a b' ", [("file", "")]),
    ("openai-async bulk a b ", []),
    ("openai-async serve --local ", [("file", "")]),
    ("openai-async chat -p a", []),
    ("openai-async chat -p tools=@a", [("file", "a")]),
    ("openai-async chat Hello ", []),
    ("/usr/bin/openai-async do", ["doctor"]),
    ("A=1 time openai-async do", ["doctor"]),
    ("cat a; ls | openai-async do", ["doctor"]),
    ("(openai-async do", ["doctor"]),
    ("echo 'a|b' \\; \"c'd\" && openai-async do", ["doctor"]),
    ("openai-async chat 'a;b' --embe", ["--embedded"]),
    ("openai-async chat a\\;b --embe", ["--embedded"]),
    ("{ openai-async do", ["doctor"]),
    ("diff <(openai-async do", ["doctor"]),
    ("case a in a) openai-async do", ["doctor"]),
    ("openai-async bulk ${HOME}/a --limit", ["--limit"]),
    ("openai-async chat -p stop={a,b} --embe", ["--embedded"]),
    ("openai-async chat -m $(cat a | head) --embe", ["--embedded"]),
    ("openai-async chat -m `cat a` --embe", ["--embedded"]),
    ("openai-async chat a 2>&1 &> b --embe", ["--embedded"]),
    ("openai-async chat `openai-async do", ["doctor"]),
    ("", ["chat", "bulk", "serve", "relay", "completions", "bench", "doctor", "completion"]),
])  # fmt: skip
def test_candidates(line, words):
    """They fit the last command of the line, as a shell would take it apart, and the word that is begun."""
    assert found(line) == words


def test_files_of_parameters_are_not_read():
    """A Tab behind `NAME=@FILE` does not read the file, which may be large, or a pipe that never ends."""
    reader, writer = os.pipe()
    try:
        os.write(writer, b"{}")
        os.close(writer)
        assert found(f"openai-async chat -p tools=@/dev/fd/{reader} --embe") == ["--embedded"]
        assert os.read(reader, 2) == b"{}"
    finally:
        os.close(reader)


def test_answer(call):
    """One line for each, its fields parted by a character that no word has."""
    done = call(_OPENAI_ASYNC_COMPLETE="1", _OPENAI_ASYNC_LINE="openai-async chat --param=tools=@a/b")

    assert done.stdout == b"file\x1f--param=tools=@\x1fa/b\x1f\n"


def test_commands_are_listed_without_being_imported(run):
    """A Tab behind the program's name imports no command."""
    done = run(_OPENAI_ASYNC_COMPLETE="1", _OPENAI_ASYNC_LINE="openai-async ", PYTHONPROFILEIMPORTTIME="1")

    assert done.stdout.startswith(b"plain\x1f\x1fchat\x1fAsk a model, and print its answer as it is written.\n")
    assert b"openai_async.cli.program" in done.stderr
    assert b"openai_async.cli.chat" not in done.stderr
