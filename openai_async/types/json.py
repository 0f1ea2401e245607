"""What a decoded JSON value is, in words that both type checkers believe.

Values come in, a yes or no goes out: after it mypy and pyright agree on what the value holds, which they do not after a
bare `isinstance` of an `Any`.
"""

from __future__ import annotations

from typing import Any, TypeGuard

__all__ = ["is_array", "is_object"]


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded value is a JSON array."""
    return isinstance(value, list)
