"""One finding of `doctor`: what was looked at, how it is, and what to do.

Plain data, made by the checks and shown by the command. Nothing here looks at anything.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["Finding", "Verdict", "fail", "okay", "skip", "warn"]

Verdict: TypeAlias = Literal["ok", "warn", "fail", "skip"]
"""As it should be; works, but; does not work; could not be looked at."""


class Finding(msgspec.Struct, kw_only=True):
    """What one check found.

    Attributes:
        check: The check's name, one word.
        verdict: How it is.
        said: What was found, in a sentence.
        advice: What to do, in sentences; empty: nothing.
        seconds: How long what was looked at took; None: it takes no time.
        details: The same and more for programs: numbers and names.
    """

    check: str
    verdict: Verdict
    said: str
    advice: list[str] = []
    seconds: float | None = None
    details: dict[str, Any] = {}


def okay(check: str, said: str, *, seconds: float | None = None, **details: Any) -> Finding:
    """Return a finding that all is well."""
    return Finding(check=check, verdict="ok", said=said, seconds=seconds, details=details)


def warn(check: str, said: str, *advice: str, seconds: float | None = None, **details: Any) -> Finding:
    """Return a finding that something works, but not as it should."""
    return Finding(check=check, verdict="warn", said=said, advice=list(advice), seconds=seconds, details=details)


def fail(check: str, said: str, *advice: str, seconds: float | None = None, **details: Any) -> Finding:
    """Return a finding that something does not work."""
    return Finding(check=check, verdict="fail", said=said, advice=list(advice), seconds=seconds, details=details)


def skip(check: str, why: str) -> Finding:
    """Return a finding that a check was left out."""
    return Finding(check=check, verdict="skip", said=why)
