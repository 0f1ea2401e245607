"""What a Tab in a shell is answered: the words that may stand where the cursor is.

A line that is half typed comes in; candidates go to stdout, one a line, for the script of `completion` to read. Names of
files are the shell's business, which knows its quotes and its `~`: it is told that one is wanted, and where it begins.
"""

from __future__ import annotations

import re

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from .outcome import PROGRAM, ExitCode

__all__ = ["ASKED", "FIELDS", "LINE", "answer", "candidates"]

# Variables of the environment: that a shell asks, and the line up to the cursor.
ASKED = "_OPENAI_ASYNC_COMPLETE"
LINE = "_OPENAI_ASYNC_LINE"

# What parts the fields of an answer: kind ("plain" or "file"), what of the word stands before the value, value, help.
FIELDS = "\x1f"

_CURSOR = "\0"

# What is to be passed over whole, quotes and redirections among it, or parts commands.
_PARTS = re.compile(r"""\\.|'[^']*'?|"(?:\\.|[^"\\])*"?|[<>][&|]|&>|[|&;()`\n]""", re.DOTALL)
_SEPARATORS = "|&;)\n"
_ENDS = {")": "(", "`": "`"}  # of commands within a command, each with its beginning


def answer(program: click.Command, line: str) -> int:
    """Print what may stand at the end of a line, and return the exit code."""
    for prefix, item in candidates(program, line):
        begun = item.begun or ""  # what a completer of ours says; click's items have a None for what they lack
        click.echo(FIELDS.join([item.type, f"{prefix}{begun}", item.value, " ".join((item.help or "").split())]))
    return ExitCode.OK


def candidates(program: click.Command, line: str) -> list[tuple[str, CompletionItem]]:
    """Return what may stand at the end of a line, each with the beginning of its word: `--order=`, or nothing."""
    words = split_arg_string(_command_of(line) + _CURSOR)
    # Before the program's name may stand variables, `sudo`, `time`.
    first = next((place for place, word in enumerate(words) if word.rpartition("/")[2] == PROGRAM), 0)
    arguments, word, prefix = words[first + 1 : -1], words[-1].removesuffix(_CURSOR), ""
    if word.startswith("--") and "=" in word:
        name, equals, word = word.partition("=")
        arguments, prefix = [*arguments, name], name + equals
    found = ShellComplete(program, {}, PROGRAM, ASKED).get_completions(arguments, word)
    return [(prefix, item) for item in found]


def _command_of(line: str) -> str:
    """Return the command that the line ends in, as far as it is typed: what stands behind the last `|`, `;` and the like.

    One within it, as `$(cat model)` is, is a part of it once that is closed.
    """
    begin = 0
    around: list[tuple[str, int]] = []  # the commands around this one: by what each was left, and where it begins
    for match in _PARTS.finditer(line):
        part = match[0]
        if around and around[-1][0] == _ENDS.get(part):
            begin = around.pop()[1]
        elif part in "(`":
            around.append((part, begin))
            begin = match.end()
        elif part in _SEPARATORS:
            begin = match.end()
    return line[begin:]
