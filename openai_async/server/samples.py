"""Words, names and dates to fill values with.

A property's name, a format's name and the user's words come in; out go strings and numbers that suit them. It knows
nothing of schemas beyond those names, and never invents something that differs from run to run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .dice import Dice

__all__ = ["FORMATS", "Hints", "sample_range", "sample_text"]

_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fern", "grove", "harbour", "island", "juniper", "kestrel",
          "lantern", "meadow", "north", "orchard", "pebble", "quartz", "river", "summit", "tundra", "valley", "willow")  # fmt: skip
_NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Katherine Johnson", "Claude Shannon")
_CITIES = ("Lisbon", "Oslo", "Kyoto", "Nairobi", "Montreal", "Wellington")
_COUNTRIES = ("Portugal", "Norway", "Japan", "Kenya", "Canada", "New Zealand")

# Words in a property's name, what suits them, and whether a name in the user's message suits better.
_BY_NAME: tuple[tuple[frozenset[str], Sequence[str], bool], ...] = (
    (frozenset({"city", "location", "place", "town", "destination", "where"}), _CITIES, True),
    (frozenset({"country", "region", "nation"}), _COUNTRIES, True),
    (frozenset({"first", "firstname"}), [name.split()[0] for name in _NAMES], True),
    (frozenset({"last", "lastname", "surname"}), [name.split()[1] for name in _NAMES], True),
    (frozenset({"name", "person", "author", "user", "who", "customer", "participant"}), _NAMES, True),
    (frozenset({"email", "mail"}), ("ada@example.org", "grace@example.org"), False),
    (frozenset({"url", "uri", "link", "website"}), ("https://example.org/",), False),
    (frozenset({"currency"}), ("EUR", "USD", "JPY"), False),
    (frozenset({"unit", "units"}), ("celsius", "fahrenheit", "metric", "imperial"), False),
    (frozenset({"color", "colour"}), ("blue", "green", "red"), False),
    (frozenset({"date", "day"}), ("2026-03-14", "2026-09-01"), False),
    (frozenset({"time", "hour"}), ("09:30", "17:45"), False),
    (frozenset({"language", "lang"}), ("English", "Portuguese"), False),
)
_ECHOES = frozenset({"query", "question", "text", "message", "prompt", "input", "search", "q"})
_RANGES = {"age": (18, 80), "year": (1990, 2030), "month": (1, 12), "day": (1, 28), "hour": (0, 23), "minute": (0, 59),
           "count": (1, 10), "limit": (1, 10), "temperature": (-5, 30), "percent": (0, 100), "rating": (1, 5)}  # fmt: skip
_SENTENCE_STARTS = frozenset({"what", "who", "where", "when", "why", "how", "is", "are", "do", "does", "can", "could",
                              "please", "give", "tell", "use", "find", "show", "say", "look", "call", "the", "a", "an",
                              "i", "my", "get", "write", "make", "extract", "return", "answer", "json", "list"})  # fmt: skip
_LONGEST_ECHO = 200


class Hints:
    """What the user's message offers to fill values with: its names, numbers and words.

    Args:
        text: The message; empty: nothing is offered.
    """

    def __init__(self, text: str = "") -> None:
        self.text: str = text[:_LONGEST_ECHO].strip()
        self._folded = text.casefold()
        self._names = _names(text)
        self._numbers: list[str] = re.findall(r"(?<![\w.])-?\d{1,9}(?:\.\d{1,6})?(?![\w])", text)

    def name(self) -> str | None:
        """Return the next name, each once, then the last again; None: there are none."""
        return self._names.pop(0) if len(self._names) > 1 else next(iter(self._names), None)

    def number(self, suits: Callable[[float], bool], *, whole: bool) -> float | None:
        """Return the next number that suits, and use it up; None: there is none."""
        for text in self._numbers:
            number = float(text) if "." in text else int(text)
            if (isinstance(number, int) or not whole) and suits(number):
                self._numbers.remove(text)
                return number
        return None

    def mentioned(self, options: Sequence[Any]) -> list[Any]:
        """Return those of `options` that are strings and words of the message."""
        return [option for option in options if isinstance(option, str) and option and self._mentions(option)]

    def _mentions(self, option: str) -> bool:
        return re.search(rf"\b{re.escape(option.casefold())}\b", self._folded) is not None


def _names(text: str) -> list[str]:
    """The capitalised words of a text; one that merely begins a sentence counts only if there is no other."""
    names: list[str] = []
    starts: list[str] = []
    for match in re.finditer(r"[A-ZÀ-Þ][\w'-]*(?: [A-ZÀ-Þ][\w'-]*)*", text):
        name = _without_start(match[0])
        begins = text[: match.start()].rstrip()[-1:] in ("", ".", "!", "?")
        (starts if begins and name == match[0] and " " not in name else names).append(name)
    return list(filter(None, names)) or list(filter(None, starts))


def _without_start(name: str) -> str:
    words = name.split(" ")
    while words and words[0].casefold() in _SENTENCE_STARTS:
        words.pop(0)
    return " ".join(words)


def sample_text(name: str, *, dice: Dice, hints: Hints) -> str:
    """Return a text that suits a property called `name`."""
    words = frozenset(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))
    if words & _ECHOES and hints.text:
        return hints.text
    for keys, options, personal in _BY_NAME:
        if words & keys:
            return (hints.name() if personal else None) or dice.pick(hints.mentioned(options) or options)
    return f"{dice.pick(_WORDS)} {dice.pick(_WORDS)}"


def sample_range(name: str) -> tuple[int, int]:
    """Return the smallest and the largest number that suit a property called `name`."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((_RANGES[word] for word in words if word in _RANGES), (0, 100))


def _date(dice: Dice) -> str:
    return f"{dice.between(2000, 2030)}-{dice.between(1, 12):02}-{dice.between(1, 28):02}"


def _time(dice: Dice) -> str:
    return f"{dice.between(0, 23):02}:{dice.between(0, 59):02}:{dice.between(0, 59):02}Z"


def _uuid(dice: Dice) -> str:
    return f"{dice.hex(8)}-{dice.hex(4)}-4{dice.hex(3)}-8{dice.hex(3)}-{dice.hex(12)}"


FORMATS: dict[str, Callable[[Dice], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda dice: f"{_date(dice)}T{_time(dice)}",
    "duration": lambda dice: f"P{dice.between(1, 30)}DT{dice.between(1, 23)}H",
    "email": lambda dice: f"{dice.pick(_WORDS)}.{dice.pick(_WORDS)}@example.org",
    "hostname": lambda dice: f"{dice.pick(_WORDS)}.example.org",
    "ipv4": lambda dice: f"192.0.2.{dice.between(1, 254)}",
    "ipv6": lambda dice: f"2001:db8::{dice.hex(4).lstrip('0') or '1'}",
    "uuid": _uuid,
    "uri": lambda dice: f"https://example.org/{dice.pick(_WORDS)}",
    "uri-reference": lambda dice: f"/{dice.pick(_WORDS)}",
}
