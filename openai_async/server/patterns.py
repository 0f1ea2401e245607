r"""Text that a regular expression matches.

A pattern comes in, out goes a text of it: characters, classes, groups, alternatives, repetitions and anchors are
understood, look-around and back references are not. It never searches: whoever needs certainty matches the text
afterwards.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dice import Dice

    # Writes one text of a part of the pattern.
    _Maker = Callable[["_Writing"], str]

__all__ = ["text_matching"]

_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_WORD = _LOWER + _LOWER.upper() + _DIGITS + "_"
_PRINTABLE = _WORD + " -.,:;!?'/()+@#%&*=<>[]{}|~^$\"\\`"
_CLASSES = {
    "d": _DIGITS,
    "w": _WORD,
    "s": " ",
    "D": "".join(character for character in _PRINTABLE if character not in _DIGITS),
    "W": "".join(character for character in _PRINTABLE if character not in _WORD),
    "S": _PRINTABLE.replace(" ", ""),
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_ZERO_WIDTH = {"b", "A", "Z", "z"}
_LONGEST_REPEAT = 1000
_LONGEST = 20_000  # characters and repetitions: a pattern of twenty characters can ask for billions


def text_matching(pattern: str, *, dice: Dice, spread: int = 3) -> str:
    """Return a text that `pattern` matches.

    Args:
        pattern: A regular expression, as in a JSON schema: not anchored unless it says so.
        dice: Chooses among the texts.
        spread: How many more times than it must an open repetition (`*`, `+`, `{2,}`) may repeat at most.

    Raises:
        ValueError: The pattern holds something that is not understood, or asks for more than 20,000 characters.
    """
    try:
        return _parsed(pattern)(_Writing(dice, spread))
    except RecursionError:
        raise ValueError("its groups are nested too deeply") from None


class _Writing:
    """One text while it is being written.

    Args:
        dice: Chooses.
        spread: How far open repetitions may exceed their minimum.
    """

    def __init__(self, dice: Dice, spread: int) -> None:
        self.dice = dice
        self.spread = spread
        self._left = _LONGEST

    def spend(self, size: int) -> None:
        """Count characters or repetitions.

        Raises:
            ValueError: They are too many.
        """
        self._left -= size
        if self._left < 0:
            raise ValueError(f"it asks for more than {_LONGEST} characters")


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> _Maker:
    parser = _Parser(pattern)
    maker = parser.alternatives()
    if parser.left:
        raise ValueError(f"unbalanced parenthesis in {pattern!r}")
    return maker


class _Parser:
    """A recursive descent over the pattern's characters; each method consumes what it understands."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    @property
    def left(self) -> str:
        return self._text[self._at :]

    def _take(self, *starts: str) -> str:
        """Consume and return the first of `starts` that stands here; empty: none does."""
        for start in starts:
            if self._text.startswith(start, self._at):
                self._at += len(start)
                return start
        return ""

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise ValueError(f"{self._text!r} ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def alternatives(self) -> _Maker:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else lambda writing: writing.dice.pick(options)(writing)

    def _sequence(self) -> _Maker:
        parts: list[_Maker] = []
        while self.left and self.left[0] not in "|)":
            parts.append(self._repeated(self._atom()))
        return lambda writing: "".join([part(writing) for part in parts])

    def _repeated(self, atom: _Maker) -> _Maker:
        bounds = self._bounds()
        if bounds is None:
            return atom
        low, high = bounds
        self._take("?", "+")  # lazy and possessive match the same texts, or some of them
        if low > _LONGEST_REPEAT:
            raise ValueError(f"{low} repetitions in {self._text!r} are too many")

        def make(writing: _Writing) -> str:
            most = low + writing.spread if high is None else min(high, low + writing.spread)
            count = writing.dice.between(low, most)
            writing.spend(count)  # also of what is empty: it takes its time
            return "".join([atom(writing) for _ in range(count)])

        return make

    def _bounds(self) -> tuple[int, int | None] | None:
        """Consume a quantifier, and return its bounds; None: there is none here."""
        sign = self._take("*", "+", "?")
        if sign:
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        inside, brace, _ = self.left[1:].partition("}")
        low, comma, high = inside.partition(",")
        # A brace that is no quantifier stands for itself.
        if not (self.left.startswith("{") and brace and (low.isdigit() or (comma and not low))):
            return None
        if high and not high.isdigit():
            return None
        self._at += len(inside) + 2
        return int(low or 0), (int(high) if high else None) if comma else int(low)

    def _atom(self) -> _Maker:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign in "^$":
            return _always("")
        if sign == "[":
            return _one_of(self._class())
        if sign == ".":
            return _one_of(_WORD)
        if sign == "\\":
            chosen = self._escaped()
            return _one_of(chosen) if chosen else _always("")
        return _always(sign)

    def _group(self) -> _Maker:
        if self._take("?P<", "?<"):
            if self.left[:1] in ("=", "!"):
                raise ValueError(f"look-behind in {self._text!r}")
            while self._next() != ">":
                pass
        elif self._take("?") and not self._take(":"):
            raise ValueError(f"look-ahead or flags in {self._text!r}")
        inner = self.alternatives()
        if not self._take(")"):
            raise ValueError(f"missing parenthesis in {self._text!r}")
        return inner

    def _escaped(self) -> str:
        """The characters that the escape after a backslash may stand for; empty: it has no width."""
        sign = self._next()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in _ZERO_WIDTH:
            return ""
        if sign in "xu":
            digits = 2 if sign == "x" else 4
            code, self._at = self.left[:digits], self._at + digits
            return chr(int(code, 16))
        if sign.isalnum() and sign not in _ESCAPES:
            raise ValueError(f"unknown escape \\{sign} in {self._text!r}")
        return _ESCAPES.get(sign, sign)

    def _class(self) -> str:
        """The characters of a class whose opening bracket is consumed."""
        negated = bool(self._take("^"))
        members = ""
        while True:
            sign = self._next()
            if sign == "]" and members:
                break
            first = self._escaped() if sign == "\\" else sign
            if len(first) == 1 and self.left[:1] == "-" and self.left[1:2] not in ("]", ""):
                self._at += 1
                last = self._next()
                last = self._escaped() if last == "\\" else last
                members += "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))
            else:
                members += first
        chosen = "".join(character for character in _PRINTABLE if character not in members) if negated else members
        if not chosen:
            raise ValueError(f"a class in {self._text!r} leaves no character")
        return chosen


def _always(text: str) -> _Maker:
    def make(writing: _Writing) -> str:
        writing.spend(len(text))
        return text

    return make


def _one_of(characters: str) -> _Maker:
    def make(writing: _Writing) -> str:
        writing.spend(1)
        return writing.dice.pick(characters)

    return make
