"""What came of a case that a command tried: `Outcome`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        passed: Whether it was done; None: whoever was tried has no way to do it, which is no pass.
        why: What went wrong, or what is lacking; empty: nothing.
    """

    passed: bool | None
    why: str = ""
