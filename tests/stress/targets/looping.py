"""One event loop in virtual time for all inputs: to make one takes longer than a stream."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

from support.clock import VirtualLoop

__all__ = ["run"]

T = TypeVar("T")


class _Loop:
    runner: asyncio.Runner | None = None
    told: list[str] = []


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end; warnings, and what the loop is told of behind everyone's back, are errors."""
    if _Loop.runner is None:
        _Loop.runner = asyncio.Runner(loop_factory=VirtualLoop)
        _Loop.runner.get_loop().set_exception_handler(lambda _, context: _Loop.told.append(repr(context)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = _Loop.runner.run(main)
    told, _Loop.told = _Loop.told, []
    assert not told, f"the event loop was told: {told}"
    return result
