"""Chance that always falls the same way.

Any text or number comes in as a seed; out go numbers, picks and letters that look random and are the same in every
process, on every machine and Python. It never reads a clock or the system's randomness.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

__all__ = ["Dice"]

_T = TypeVar("_T")

_MASK = (1 << 64) - 1
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Dice:
    """A splitmix64 generator.

    Python's own generator promises stable numbers for `random()` only, not for its picks and ranges.

    Args:
        seed: Any integer; the lower 64 bits count.
    """

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    @classmethod
    def of(cls, *parts: object) -> Self:
        """Make dice from the text of `parts`: equal parts, equal throws."""
        digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(errors="surrogatepass"), digest_size=8).digest()
        return cls(int.from_bytes(digest, "big"))

    def bits(self) -> int:
        """Return the next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def unit(self) -> float:
        """Return a float from 0.0 up to, not including, 1.0."""
        return (self.bits() >> 11) / (1 << 53)

    def below(self, bound: int) -> int:
        """Return an integer from 0 up to, not including, `bound`; 0 when `bound` is 1 or less."""
        # The bias of the remainder is 2**-64 * bound: nobody tests for that here.
        return self.bits() % bound if bound > 1 else 0

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def pick(self, options: Sequence[_T]) -> _T:
        """Return one of `options`, which must not be empty."""
        return options[self.below(len(options))]

    def letters(self, count: int, *, alphabet: str = _LETTERS) -> str:
        """Return `count` characters of `alphabet`."""
        return "".join([alphabet[self.below(len(alphabet))] for _ in range(count)])

    def hex(self, count: int) -> str:
        """Return `count` hexadecimal digits."""
        return self.letters(count, alphabet="0123456789abcdef")
