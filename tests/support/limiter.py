"""A limiter that lets everything through and writes down what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["WatchingLimiter"]


class WatchingLimiter:
    """Lets every attempt through at once.

    Attributes:
        acquired: The tokens that each attempt was said to cost.
        log: What the permits were told, in order: ("observe", number, status) and ("settle", number, tokens).
    """

    def __init__(self) -> None:
        self.acquired: list[int] = []
        self.log: list[tuple[Any, ...]] = []

    async def acquire(self, *, tokens: int) -> _WatchingPermit:
        """Give the leave."""
        self.acquired.append(tokens)
        return _WatchingPermit(len(self.acquired), self.log)


class _WatchingPermit:
    def __init__(self, number: int, log: list[tuple[Any, ...]]) -> None:
        self._number = number
        self._log = log

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        assert all(name == name.lower() for name in headers)
        self._log.append(("observe", self._number, status))

    def settle(self, used_tokens: int | None) -> None:
        self._log.append(("settle", self._number, used_tokens))
