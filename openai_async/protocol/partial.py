"""JSON that is still being written: the value of a text that has not ended.

Pieces of text come in, cut anywhere; plain data goes out, as far as it goes. Each character is read once, and never
again when the value is looked at. What breaks the rules of JSON is never raised: the value stays what it was.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from openai_async.types.json import MAX_DEPTH

from .jsontoken import (
    ESCAPE,
    ESCAPE_BEGINS,
    LITERALS,
    NUMBER_FOLLOWS,
    PLAIN,
    TOKEN,
    WHITE_SPACE,
    Kind,
    parse_number,
    unescape,
)
from .text import Text

__all__ = ["PartialJSON", "Unfinished", "UnfinishedArray", "UnfinishedObject", "UnfinishedString"]


class Unfinished:
    """The mark of a value that may still grow; such values stand in the monotonic reading only."""

    __slots__ = ()


class UnfinishedString(Unfinished, str):
    """The beginning of a string."""

    __slots__ = ()


class UnfinishedArray(Unfinished, list[Any]):
    """The beginning of an array."""

    __slots__ = ()


class UnfinishedObject(Unfinished, dict[str, Any]):
    """The beginning of an object."""

    __slots__ = ()


class PartialJSON:
    """A reader of one JSON text, piece by piece.

    Attributes:
        broken: Whether the text is no JSON, or is nested in more than 128 levels. From there on nothing is read.
    """

    __slots__ = (
        "_after",
        "_expected",
        "_keys",
        "_number",
        "_open",
        "_place",
        "_root",
        "_shown",
        "_string",
        "_tail",
        "broken",
    )

    def __init__(self) -> None:
        self.broken: bool = False
        self._root: Any = UNSET  # there is no value; null is one
        self._open: list[list[Any] | dict[str, Any]] = []  # what is not closed yet, outermost first; closed items only
        self._keys: list[str] = []  # of each open object, the key whose value comes next; "" for arrays
        self._after = [""]  # what may follow a value: at the root, then in each open container
        self._expected = "v"  # what may come: marks as they are, v for a value, k for a key
        self._string: Text | None = None  # the string that is being read, a value or (if k is expected) a key
        self._number: Text | None = None  # the number that is being read
        self._place = ""  # where in the number, as in `NUMBER_FOLLOWS`
        self._tail = ""  # the beginning of an escape or a literal, at most 11 characters: read again with what follows
        self._shown: dict[bool, Any] = {}  # what the last looks gave, as long as it is true

    def feed(self, text: str) -> None:
        """Read on, at the character after the last one fed."""
        if self._tail:
            text, self._tail = self._tail + text, ""
        position, end = 0, len(text)
        while position < end and not self.broken:
            if self._string is not None:
                position = self._read_string(text, position, self._string)
            elif self._number is not None:
                position = self._read_number(text, position, self._number)
            else:
                position = self._read_token(text, position)

    def value(self, *, monotonic: bool = False) -> Any:
        """Return the value so far; None: there is none yet.

        It costs the width of the containers that are still open. It is never changed by later feeding, and shares
        what is closed with other looks, so don't change it either.

        Args:
            monotonic: Which of two readings to return. False: the official SDK's (jiter's), where an unfinished string
                is left out with its key, and a number at the end of the text is as far as it goes. True: the one in
                which values only grow. What is open is an `Unfinished` of its kind, strings included, and a number
                shows when something follows it (so never at the root). While no key of an object comes twice, keys
                never vanish or move, arrays and strings grow at their end, and nothing else changes once shown.
        """
        if monotonic not in self._shown:
            self._shown[monotonic] = self._look(monotonic=monotonic)
        return self._shown[monotonic]

    # Looking.

    @property
    def whole(self) -> bool:
        """Whether what was read is one JSON value, and nothing of it is missing."""
        if self.broken or self._open or self._string is not None or self._tail:
            return False
        if self._number is not None:
            return parse_number(self._number.value(), self._place) is not None
        return self._root is not UNSET

    def _look(self, *, monotonic: bool) -> Any:
        inner = self._unfinished_string() if monotonic else self._unfinished_number()
        for container, key in zip(reversed(self._open), reversed(self._keys), strict=True):
            if isinstance(container, list):
                array = UnfinishedArray(container) if monotonic else container.copy()
                if inner is not UNSET:
                    array.append(inner)
                inner = array
            else:
                object_ = UnfinishedObject(container) if monotonic else container.copy()
                if inner is not UNSET:
                    object_[key] = inner
                inner = object_
        value = self._root if inner is UNSET else inner
        return None if value is UNSET else value

    def _unfinished_string(self) -> Any:
        if self._string is None or "k" in self._expected:
            return UNSET
        text = self._string.value()
        if "\ud800" <= text[-1:] <= "\udbff":
            text = text[:-1]  # half of a pair, unescaped: some vendors split an emoji over two events
        return UnfinishedString(text)

    def _unfinished_number(self) -> Any:
        number = None if self._number is None else parse_number(self._number.value(), self._place)
        return UNSET if number is None else number

    # Reading: each method takes the text and a position in it, and returns the position up to which it read.

    def _read_token(self, text: str, position: int) -> int:
        match = TOKEN.match(text, position)
        if match is None:
            return self._break(position)
        kind = match.lastindex
        if kind == Kind.STRING:
            good = self._end_string(match[Kind.STRING])
        elif kind == Kind.MARK:
            good = self._mark(match[Kind.MARK])
        elif kind == Kind.STRING_BEGINS:
            good = self._begin_string()
        elif kind == Kind.END:
            self._tail = match[Kind.END]
            good = not self._tail or "v" in self._expected
        elif "v" not in self._expected:
            good = False
        elif kind == Kind.LITERAL:
            good = self._add(LITERALS[match[Kind.LITERAL]])
        elif kind == Kind.NUMBER and self._ends_value(text[match.end()]):
            value = parse_number(match[Kind.NUMBER], ".1" if match[Kind.FRACTION] else "1")
            good = value is not None and self._add(value)
        else:
            self._number, self._place = Text(), ""
            return match.start(kind or 0)
        return match.end() if good else self._break(position)

    def _read_string(self, text: str, position: int, string: Text) -> int:
        plain = PLAIN.match(text, position)
        end = plain.end() if plain else position
        if end > position:
            self._grow(string, text[position:end])
        if end == len(text):
            return end
        if text[end] == '"':
            self._string = None
            self._end_string(string.value())
            return end + 1
        if escape := ESCAPE.match(text, end):
            self._grow(string, unescape(escape))
            return escape.end()
        if text[end] == "\\" and ESCAPE_BEGINS.match(text, end):
            self._tail = text[end:]
            return len(text)
        return self._break(end)

    def _read_number(self, text: str, position: int, number: Text) -> int:
        end, place = position, self._place
        while end < len(text) and (following := NUMBER_FOLLOWS[place].get(text[end])):
            end, place = end + 1, following
        if end > position:
            number.append(text[position:end])
            self._place = place
            self._shown.pop(False, None)
        if end == len(text):
            return end
        value = parse_number(number.value(), place) if self._ends_value(text[end]) else None
        if value is None:
            return self._break(end)
        self._number = None
        self._add(value)
        return end

    # What was read: each method says whether it was in its place.

    def _begin_string(self) -> bool:
        if "v" in self._expected:
            self._shown.pop(True, None)
        elif "k" not in self._expected:
            return False
        self._string = Text()
        return True

    def _grow(self, string: Text, piece: str) -> None:
        string.append(piece)
        if "v" in self._expected:
            self._shown.pop(True, None)

    def _end_string(self, string: str) -> bool:
        if "k" not in self._expected:
            return "v" in self._expected and self._add(string)
        self._keys[-1] = string
        self._expected = ":"
        return True

    def _mark(self, mark: str) -> bool:
        if mark in "[{":
            if "v" not in self._expected or len(self._open) == MAX_DEPTH:
                return False
            self._open.append([] if mark == "[" else {})
            self._keys.append("")
            self._after.append(",]" if mark == "[" else ",}")
            self._expected = "v]" if mark == "[" else "k}"
            self._shown.clear()
        elif mark not in self._expected:
            return False
        elif mark in "]}":
            self._keys.pop()
            self._after.pop()
            self._add(self._open.pop())
        else:
            self._expected = "v" if mark == ":" or self._after[-1] == ",]" else "k"
        return True

    def _add(self, value: Any) -> bool:
        """Put a whole value in its place."""
        if not self._open:
            self._root = value
        elif isinstance(container := self._open[-1], list):
            container.append(value)
        else:
            container[self._keys[-1]] = value
        self._expected = self._after[-1]
        self._shown.clear()
        return True

    def _ends_value(self, mark: str) -> bool:
        return mark in WHITE_SPACE or mark in self._after[-1]

    def _break(self, position: int) -> int:
        self.broken = True
        return position
