"""A shell that somebody types into, on a terminal of its own.

Keys go in; what the shell makes of a line, and what it shows, comes out. A test is skipped where the shell is missing.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

__all__ = ["SHELLS", "Shell"]

# Seconds after which a shell that says nothing has failed; never waited for when all is well.
_PATIENCE = 45
_ESCAPES = re.compile(r"\x1b\[[0-9;?>]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x0f|\r")

# A shell wants a terminal to control, and not merely one to write to.
_LAUNCHER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
# How each shell is started without anybody's settings, and what it is told first: a short prompt, and two keys. Ctrl-X and
# l shows the line as it stands, Ctrl-X and k forgets it: the terminal itself may take Ctrl-U while a program runs.
SHELLS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "bash": (
        ("bash", "--norc", "--noprofile", "-i"),
        (
            "PS1='$ '; bind 'set bell-style none' 'set enable-bracketed-paste off' 'set show-all-if-ambiguous on'; "
            """bind '"\\C-xk": kill-whole-line'; bind -x '"\\C-xl": printf "<<%s>>\\n" "$READLINE_LINE"'"""
        ),
    ),
    "zsh": (
        ("zsh", "-f", "-i"),
        (
            "PS1='$ '; unsetopt prompt_sp prompt_cr; autoload -U compinit; compinit -u -D; "
            """line() { zle -I; print -r -- "<<$BUFFER>>" }; zle -N line; bindkey '^Xl' line '^Xk' kill-whole-line"""
        ),
    ),
    "fish": (
        ("fish", "--no-config", "--private", "-i"),
        (
            "function fish_prompt; echo -n '$ '; end; set -g fish_greeting; set -g fish_autosuggestion_enabled 0; "
            """bind \\cxk 'commandline ""'; bind \\cxl 'echo; echo "<<"(commandline)">>"; commandline -f repaint'"""
        ),
    ),
}


class Shell:
    """One shell.

    Args:
        name: Of `SHELLS`.
        folder: Where it is, and where its home is.
        environment: Its variables.

    Attributes:
        name: As given.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name: str = name
        words, settings = SHELLS[name]
        if shutil.which(words[0]) is None:
            pytest.skip(f"there is no {name}")
        self._seen = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "HOME": str(folder), "HISTFILE": "/dev/null", "TERM": "xterm-256color"},
            cwd=folder,
            start_new_session=True,
        )
        os.close(slave)
        try:
            self.run(settings)
        except BaseException:
            self.close()
            raise

    def run(self, line: str) -> str:
        """Enter a line, and return what the shell showed until it was done with it."""
        self.type(f'{line}; echo re""ady\n')
        return self.expect(r"(?s)(.*)\nready\n")

    def complete(self, typed: str) -> tuple[str, str]:
        """Type, press Tab, and return the line as it stands then and what was shown; the line is forgotten."""
        self.type(f"{typed}\t\x18l")
        shown = self.expect(r"(?s)(.*?)<<(?!%s)").rstrip()
        line = self.expect(r"(.*?)>>")
        self.type("\x18k\x18l")
        self.expect("<<>>")
        return line, shown

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def expect(self, pattern: str) -> str:
        """Read until the text matches, forget it up to there, and return the first group, or all that matched."""
        deadline = time.monotonic() + _PATIENCE
        while (found := re.search(pattern, self._text)) is None:
            ready = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))[0]
            assert ready, f"{pattern!r} never came; what came is {self._text!r}"
            self._seen += os.read(self._master, 65536).decode(errors="replace")
        self._seen = self._text[found.end() :]
        return found[1] if found.re.groups else found[0]

    @property
    def _text(self) -> str:
        return _ESCAPES.sub("", self._seen)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)
