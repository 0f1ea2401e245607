"""`Target` and `Case`: a reader that is fuzzed, and one input to it.

A case is bytes and a number, the salt, of which everything is made that the reader is given beside the bytes: where
they are cut, what the response's head says. So it can be written down, and run again.
"""

from __future__ import annotations

import math
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from openai_async.errors import OpenAIError

__all__ = ["Case", "Target", "check_error", "finite", "same"]

_BODY_SIZE = 16 * 1024  # characters of a text that an error keeps
_SAID_SIZE = 5000  # characters of an error's message, 2000 of the server's own and what stands around them


@dataclass(frozen=True)
class Target:
    """A reader under test.

    Attributes:
        name: What it is called on the command line.
        share: How many of 100 inputs it gets.
        make: Makes an input.
        check: Reads an input, and raises whatever should not be: an `AssertionError` for a claim that does not hold. What
            it returns says in a word what came of the input, to be counted.
        exact: Whether only what `make` makes is an input, so that it can't be shortened or made by others.
    """

    name: str
    share: int
    make: Callable[[Random], bytes]
    check: Callable[[bytes, Random], str]
    exact: bool = False

    def case(self, seed: int, number: int) -> Case:
        """Return one of a run's cases: the same for the same seed and number."""
        rng = Random(zlib.crc32(self.name.encode()) << 96 | seed << 48 | number)
        return Case(self.name, rng.getrandbits(32), self.make(rng))


class Case(NamedTuple):
    """One input: the target's name, the salt, and the bytes."""

    target: str
    salt: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.target}:{self.salt}:{self.data.hex()}"

    @classmethod
    def of(cls, written: str) -> Case:
        """Return the case that `str` wrote.

        Raises:
            ValueError: It is none.
        """
        target, salt, data = written.split(":")
        return cls(target, int(salt), bytes.fromhex(data))


def same(left: Any, right: Any) -> bool:
    """Whether two values, of which NaN may be a part, are written alike."""
    return bool(left == right) or repr(left) == repr(right)


def finite(value: Any) -> bool:
    """Whether plain data holds no NaN, no infinity, and nothing that is one to most who read it: JSON can't say them."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 10**300
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else True


def check_error(error: BaseException) -> None:
    """Hold an error against what is said of all of them: ours, printable, bounded, and itself after pickling."""
    assert isinstance(error, OpenAIError), f"a foreign error: {error!r:.300}"
    said = str(error)
    said.encode()
    assert len(said) <= _SAID_SIZE, f"a message of {len(said)} characters"
    for name in ("code", "type", "param"):
        value = getattr(error, name, None)
        assert value is None or (isinstance(value, str) and len(value) <= 200), f"{name} is {value!r:.300}"
    body = getattr(error, "body", None)
    assert not isinstance(body, str) or len(body) <= _BODY_SIZE, f"a body of {len(body)} characters"
    twin = pickle.loads(pickle.dumps(error))
    assert str(twin) == said, "another error after pickling"
