"""The tokens of JSON text, whole ones and ones that have only begun.

Characters come in; out goes a token, or where in one the text ends. Which token may stand where is its reader's
business (`partial`).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ESCAPE",
    "ESCAPE_BEGINS",
    "LITERALS",
    "NUMBER_FOLLOWS",
    "PLAIN",
    "TOKEN",
    "WHITE_SPACE",
    "Kind",
    "parse_number",
    "unescape",
]

WHITE_SPACE: Final = " \t\n\r"
LITERALS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


class Kind:
    """What a match of `TOKEN` found: the numbers of its groups, of which it has one (a number may have two)."""

    STRING: Final = 1  # a whole one, without escapes
    STRING_BEGINS: Final = 2  # any other
    NUMBER: Final = 3  # a whole one
    FRACTION: Final = 4  # its part that makes it a float; "": there is none
    NUMBER_BEGINS: Final = 5  # any other
    LITERAL: Final = 6
    MARK: Final = 7
    END: Final = 8  # of the text: nothing, or a literal's beginning


# No group is possessive: Python 3.11.2, which is Debian 12's, takes "1." for a whole number then.
TOKEN: Final = re.compile(
    r"""[ \t\n\r]*+(?:
        "([^"\\\x00-\x1f]*+)"
      | (")
      | (-?+(?:0|[1-9][0-9]*+)((?:\.[0-9]++)?(?:[eE][-+]?+[0-9]++)?))(?=[ \t\n\r,\]}])
      | ([-0-9])
      | (true|false|null)
      | ([\[\]{}:,])
      | ((?:t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?)?)\Z
    )""",
    re.VERBOSE,
)

# Inside strings. Control characters are no part of one (RFC 8259, section 7), and half a surrogate pair is no character.
PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]++')
_HIGH, _LOW = r"u([dD][89abAB][0-9a-fA-F]{2})", r"u([dD][c-fC-F][0-9a-fA-F]{2})"
ESCAPE: Final = re.compile(rf'\\(?:(["\\/bfnrt])|{_HIGH}\\{_LOW}|u(?![dD][89a-fA-F])([0-9a-fA-F]{{4}}))')
ESCAPE_BEGINS: Final = re.compile(rf"\\(?:u[0-9a-fA-F]{{0,3}}|{_HIGH}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?)?\Z")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_DIGITS, _EXPONENT = "0123456789", {"e": "e", "E": "e"}
NUMBER_FOLLOWS: Final = {
    "": {"-": "-", "0": "0"} | dict.fromkeys(_DIGITS[1:], "1"),
    "-": {"0": "0"} | dict.fromkeys(_DIGITS[1:], "1"),
    "0": {".": "."} | _EXPONENT,
    "1": {".": "."} | _EXPONENT | dict.fromkeys(_DIGITS, "1"),
    ".": dict.fromkeys(_DIGITS, ".1"),
    ".1": _EXPONENT | dict.fromkeys(_DIGITS, ".1"),
    "e": {"+": "e+", "-": "e+"} | dict.fromkeys(_DIGITS, "e1"),
    "e+": dict.fromkeys(_DIGITS, "e1"),
    "e1": dict.fromkeys(_DIGITS, "e1"),
}
"""What may follow in a number, by the place where it ends so far (named after what stands there), and what place that is."""


def parse_number(text: str, place: str) -> int | float | None:
    """Return a number that ends at `place`; None: it can't end there, or has more digits than Python takes (4300)."""
    if place in {".1", "e1"}:
        return float(text)
    try:
        return int(text) if place in {"0", "1"} else None
    except ValueError:
        return None


def unescape(escape: re.Match[str]) -> str:
    """Return the character that a match of `ESCAPE` stands for."""
    simple, high, low, other = escape.groups()
    if simple:
        return _ESCAPED.get(simple, simple)
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    return chr(int(other, 16))
