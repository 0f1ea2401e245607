"""What a Tab in a shell is answered: the words that may stand where the cursor is.

A line that is half typed comes in; candidates go to stdout, one a line, for the script of `completion` to read. Names of
files are the shell's business, which knows its quotes and its `~`: it is told that one is wanted, and where it begins.
"""

from __future__ import annotations

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
_SEPARATORS = "|&;(){}`\n"


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
    """Return the last command of a line, as far as it is typed: what stands behind the last `|`, `;` and the like."""
    quote, begin, escaped = "", 0, False
    for place, character in enumerate(line):
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _SEPARATORS:
            begin = place + 1
    return line[begin:]
