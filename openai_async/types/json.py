"""What a decoded JSON value is, in words that both type checkers believe.

Values come in, a yes or no goes out: after it mypy and pyright agree on what the value holds, which they do not after a
bare `isinstance` of an `Any`.
"""

from __future__ import annotations

from typing import Any, Final, TypeGuard

__all__ = ["MAX_DEPTH", "is_array", "is_deep", "is_object", "refuse_depth"]

# Deeper is no answer but an attack: Python allows 1000 calls in each other, and joining, copying or printing a value
# takes up to three a level.
MAX_DEPTH: Final = 128
"""Levels of arrays and objects that an answer may have."""


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded value is a JSON array."""
    return isinstance(value, list)


def is_deep(value: object) -> bool:
    """Whether a decoded value is nested in more than `MAX_DEPTH` levels."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            below += item.values() if is_object(item) else item if is_array(item) else ()
        level = [item for item in below if is_object(item) or is_array(item)]
        if not level:
            return False
    return True


def refuse_depth(value: object) -> None:
    """Raise if a decoded value is nested too deeply; for values that msgspec decodes without a type, to any depth.

    Raises:
        ValueError: It is nested in more than `MAX_DEPTH` levels.
    """
    if is_deep(value):
        raise ValueError(f"nested too deeply, in more than {MAX_DEPTH} levels")
