"""Times in words: a number of seconds as people read it.

Seconds come in, a short text goes out. Nothing here prints.
"""

from __future__ import annotations

__all__ = ["seconds_text"]


def seconds_text(seconds: float) -> str:
    """Return a time with three digits and a unit: "12.3 ms"."""
    if seconds >= 0.9995:
        return f"{_digits(seconds)} s"
    if seconds >= 0.0009995:
        return f"{_digits(seconds * 1e3)} ms"
    return f"{seconds * 1e6:.0f} µs" if seconds else "0"


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
