"""Where two JSON values differ first, in words.

Two decoded values come in; out goes a path and both values there, or nothing. It changes neither.
"""

from __future__ import annotations

from typing import Any

from openai_async.types.json import is_array, is_object

__all__ = ["difference", "nearness"]


def difference(recorded: Any, asked: Any, path: str = "") -> str | None:
    """Return where and how `asked` differs from `recorded`: `messages[0].content: recorded 'a', asked 'b'`; None: nowhere."""
    if recorded == asked:
        return None
    if is_object(recorded) and is_object(asked):
        prefix = f"{path}." if path else ""
        for name in [*recorded, *(name for name in asked if name not in recorded)]:
            if name not in asked:
                return f"{prefix}{name}: recorded {_short(recorded[name])}, not asked"
            if name not in recorded:
                return f"{prefix}{name}: not recorded, asked {_short(asked[name])}"
            found = difference(recorded[name], asked[name], prefix + name)
            if found is not None:
                return found
    if is_array(recorded) and is_array(asked):
        for index, (one, other) in enumerate(zip(recorded, asked, strict=False)):
            found = difference(one, other, f"{path}[{index}]")
            if found is not None:
                return found
        return f"{path or 'the body'}: recorded {len(recorded)} items, asked {len(asked)}"
    return f"{path or 'the body'}: recorded {_short(recorded)}, asked {_short(asked)}"


def nearness(recorded: Any, asked: Any) -> float:
    """Return how much of two values is the same, from 0 to 1: the share of equal members, at every level."""
    if recorded == asked:
        return 1.0
    if is_object(recorded) and is_object(asked):
        names = recorded.keys() | asked.keys()
        shared = recorded.keys() & asked.keys()
        return sum(nearness(recorded[name], asked[name]) for name in shared) / len(names)
    if is_array(recorded) and is_array(asked):
        same = sum(nearness(one, other) for one, other in zip(recorded, asked, strict=False))
        return same / max(len(recorded), len(asked))
    return 0.0


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:40]} … {shown[-15:]}"
