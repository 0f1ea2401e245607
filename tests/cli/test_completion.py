"""`openai-async completion`: the script, and what real shells make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from support.shells import SHELLS, Shell

from .conftest import environment

# How each shell is told to read the script.
_READ = {
    "bash": 'eval "$(openai-async completion bash)"',
    "zsh": 'eval "$(openai-async completion zsh)"',
    "fish": "openai-async completion fish | source",
}


def started_in(folder, name):
    """A shell in a folder with files; the program is on its PATH under its own name."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "openai-async"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openai_async "$@"\n')
    program.chmod(0o755)
    files = (
        "questions.txt",
        "two words.jsonl",
        "model.gguf",
        "semi;colon.json",
        "sub/deep.jsonl",
        "more/two words.json",
    )
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).touch()
    return Shell(name, folder, environment(PATH=f"{program.parent}:{os.environ['PATH']}"))


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, tmp_path_factory):
    """A shell that has read the script."""
    started = started_in(tmp_path_factory.mktemp(request.param), request.param)
    try:
        assert "rror" not in started.run(_READ[request.param])
        yield started
    finally:
        started.close()


@pytest.mark.parametrize(("typed", "completed"), [
    # Commands, options, choices.
    ("openai-async doc", "openai-async doctor "),
    ("openai-async completions del", "openai-async completions delete "),
    ("openai-async bench --conc", "openai-async bench --concurrency "),
    ("openai-async completion zs", "openai-async completion zsh "),
    ("openai-async completions list --order d", "openai-async completions list --order desc "),
    ("openai-async completions list --order=d", "openai-async completions list --order=desc "),
    # Files.
    ("openai-async bench --prompts que", "openai-async bench --prompts questions.txt "),
    ("openai-async bench --prompts=que", "openai-async bench --prompts=questions.txt "),
    ("openai-async bulk que", "openai-async bulk questions.txt "),
    ("openai-async bulk ~/que", "openai-async bulk ~/questions.txt "),
    ("openai-async bulk sub/", "openai-async bulk sub/deep.jsonl "),
    ("openai-async bulk two", "openai-async bulk two\\ words.jsonl "),
    ('openai-async bulk "two', 'openai-async bulk "two words.jsonl" '),
    ("openai-async serve --local mod", "openai-async serve --local model.gguf "),
    ("openai-async chat -p tools=@que", "openai-async chat -p tools=@questions.txt "),
    ("openai-async chat -p tools=@semi\\;co", "openai-async chat -p tools=@semi\\;colon.json "),
    ("openai-async chat -p tools=@more/two\\ w", "openai-async chat -p tools=@more/two\\ words.json "),
    ("openai-async chat -p 'tools=@two", "openai-async chat -p 'tools=@two words.jsonl' "),
    ('openai-async chat -p "tools=@two', 'openai-async chat -p "tools=@two words.jsonl" '),
    ("openai-async completions list '--order=d", "openai-async completions list '--order=desc' "),
    ("openai-async bulk $HOME/que", "openai-async bulk $HOME/questions.txt "),
    # What stands around the command.
    ("A=1 openai-async bulk questions.txt --lim", "A=1 openai-async bulk questions.txt --limit "),
    ("echo a | openai-async bench --base-url http://a:1/v1 --conc",
     "echo a | openai-async bench --base-url http://a:1/v1 --concurrency "),
    ("openai-async bulk $(echo questions.txt) a --lim", "openai-async bulk $(echo questions.txt) a --limit "),
    ('openai-async chat "what; openai-async is" --embe', 'openai-async chat "what; openai-async is" --embedded '),
    # Nothing to complete: a prompt is no file.
    ("openai-async chat que", "openai-async chat que"),
    ("openai-async completions get que", "openai-async completions get que"),
])  # fmt: skip
def test_a_tab(shell, typed, completed):
    """A Tab in a real shell completes commands, options, their values, and names of files."""
    assert shell.complete(typed)[0] == completed


def test_a_tab_shows_what_there_is(shell):
    """A Tab where much may stand shows all of it, with the whole of its help where the shell shows help."""
    line, shown = shell.complete("openai-async ")

    assert line == "openai-async "
    assert all(name in shown for name in ("chat", "bulk", "serve", "relay", "completions", "bench", "doctor"))
    if shell.name != "bash":
        assert "Ask a model, and print its answer as it is written." in shown


def test_quotes_of_bash(tmp_path):
    """A quote may begin in the midst of a word; a name that quotes can't hold as it is, is none to complete."""
    (tmp_path / "$(touch made).json").touch()
    bash = started_in(tmp_path, "bash")
    try:
        bash.run(_READ["bash"])
        typed = ("-p tools='@two", "-p 'tools=@$", '-p "tools=@\\$', "-p tools=@\\$", "--model='d")
        completed = [
            bash.complete(f"openai-async chat {words}")[0].removeprefix("openai-async chat ") for words in typed
        ]
        order = bash.complete("openai-async completions list --order='d")[0]
    finally:
        bash.close()

    assert completed == [
        "-p tools='@two words.jsonl' ",
        "-p 'tools=@$",
        '-p "tools=@\\$',
        "-p tools=@\\$\\(touch\\ made\\).json ",
        "--model='d",
    ]
    assert order == "openai-async completions list --order='desc' "
    assert not (tmp_path / "made").exists()


def test_a_file_of_zsh(tmp_path):
    """The script as a file of zsh's $fpath completes at every Tab, the second as the first."""
    zsh = started_in(tmp_path, "zsh")
    try:
        zsh.run("mkdir fpath; openai-async completion zsh > fpath/_openai-async")
        zsh.run("fpath=($PWD/fpath $fpath); compinit -u -D")
        completed = [zsh.complete("openai-async doc")[0] for _ in range(3)]
    finally:
        zsh.close()

    assert completed == ["openai-async doctor "] * 3


@pytest.mark.parametrize(("shell", "has"), [
    ("bash", "complete -o nosort -F _openai_async_completion openai-async"),
    ("zsh", "#compdef openai-async"),
    ("fish", "complete --command openai-async --no-files"),
])  # fmt: skip
def test_scripts(call, shell, has):
    """The script of each shell goes to stdout, and calls the program as the program wants to be called."""
    done = call("completion", shell)

    assert (done.returncode, done.stderr) == (0, b"")
    assert has in done.stdout.decode()
    assert "_OPENAI_ASYNC_COMPLETE=1 _OPENAI_ASYNC_LINE=" in done.stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_can_read_them(call, shell, tmp_path):
    """Each script is one that its shell can parse, where that is installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    script = tmp_path / "script"
    script.write_bytes(call("completion", shell).stdout)

    subprocess.run([shell, "-n", str(script)], check=True)


def test_other_shells(call):
    """Another shell is a mistake, and those that there are are named."""
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
