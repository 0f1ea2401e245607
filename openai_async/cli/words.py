"""Text on its way to a person's eyes.

Text of models and servers comes in; out goes what is safe to print: no escape sequence of theirs reaches a terminal, and
a message for stderr is one line. Nothing here prints.
"""

from __future__ import annotations

__all__ = ["clean", "count", "one_line"]

# A message longer than that is a page of HTML or a prompt sent back; its beginning says enough.
_LONGEST = 1000

# C0 controls are shown by their pictures (U+2400 …), C1 by U+FFFD. Carriage returns go: they would overwrite the line.
_CONTROLS: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"},
    ord("\r"): "",
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
}


def clean(text: str) -> str:
    """Return `text` without anything that a terminal would obey; line feeds and tabs stay."""
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """Return `text` as one clean line of at most 1000 characters, each run of white space as one space."""
    line = clean(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def count(number: int, noun: str) -> str:
    """Return "1 token", "2 tokens" and so on."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
