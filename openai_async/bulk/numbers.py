"""Arguments that are numbers: each is returned if it is one in its range, and named if it is not."""

from __future__ import annotations

__all__ = ["count", "fraction"]


def count(name: str, value: object, *, least: int) -> int:
    """Return a whole number.

    Raises:
        TypeError: It is none; True and 1.0 are none either.
        ValueError: It is below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not a {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


def fraction(name: str, value: object) -> float:
    """Return a number from 0 to 1; what of the two ends may be is the caller's business.

    Raises:
        TypeError: It is none; True is none either.
        ValueError: It is below 0, above 1, or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not a {type(value).__name__}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, not {value!r}")
    return float(value)
