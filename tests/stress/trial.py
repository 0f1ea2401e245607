"""One input given to its target: what came of it, or what was found, with the shortest input that still finds it.

Cases come in, words and findings go out. A target that does not come back is a finding, too.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from random import Random
from types import FrameType
from typing import NamedTuple

from .targets.catalogue import TARGETS
from .targets.target import Case

__all__ = ["Finding", "attempt", "shortened"]

_PATIENCE = 20.0  # seconds that an input may take; the slowest take 0.1
_TRIES = 400  # at making an input shorter


class Finding(NamedTuple):
    """What should not be.

    Attributes:
        case: The input.
        said: The error, in one line.
        place: Where it was raised: the same place again is the same finding.
        trace: The traceback.
    """

    case: Case
    said: str
    place: str
    trace: str


class _EndlessError(BaseException):
    """The target does not come back. No `Exception`, so that nobody catches it."""


@contextmanager
def _limit() -> Iterator[None]:
    """Interrupt what takes too long, where that can be done: on the main thread of a system with timers."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _EndlessError(f"it takes more than {_PATIENCE:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    others = signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *others)


@contextmanager
def _nothing_unraisable() -> Iterator[None]:
    """Fail where something was raised that nobody could catch: in `__del__`, a stream that was left open, say."""
    told: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda raised: told.append(f"{raised.exc_value!r} in {raised.object!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        sys.unraisablehook = before
    assert not told, f"nobody could catch: {told}"


def attempt(case: Case, *, limited: bool = True) -> str | Finding:
    """Give one input to its target; return in a word what came of it, or what was found.

    Args:
        case: The input.
        limited: Whether to interrupt what takes too long; False: someone else does.
    """
    target = TARGETS[case.target]
    try:
        with _limit() if limited else nullcontext(), _nothing_unraisable():
            return target.check(case.data, Random(case.salt))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever comes out is what is looked for
        return _finding(case, error)


def _finding(case: Case, error: BaseException) -> Finding:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    said = f"{type(error).__name__}: {error}"
    said = said.encode("ascii", "backslashreplace").decode()
    # The claim that failed is a place, too: what it found, after the colon, differs from input to input.
    claim = str(error).partition(":")[0][:60] if isinstance(error, AssertionError) else ""
    place = f"{last.filename}:{last.lineno} {type(error).__name__} {claim}"
    trace = "".join(traceback.format_list(frames[-8:]))
    error.__traceback__ = None
    gc.collect()  # what the failure held on to is no finding of the next input
    return Finding(case, said[:500], place, trace)


def shortened(finding: Finding, attempt: Callable[[Case], str | Finding] = attempt) -> Finding:
    """Return the finding with as few bytes as a few hundred tries leave, or itself where bytes can't be left out."""
    if TARGETS[finding.case.target].exact or "_EndlessError" in finding.place:
        return finding
    best, tries = finding, 0
    size = max(len(finding.case.data) // 2, 1)
    while tries < _TRIES:
        start, shorter = 0, False
        while start < len(best.case.data) and tries < _TRIES:
            data = best.case.data
            tries += 1
            found = attempt(best.case._replace(data=data[:start] + data[start + size :]))
            if isinstance(found, Finding) and found.place == finding.place:
                best, shorter = found, True
            else:
                start += size
        if size == 1 and not shorter:
            break
        size = max(size // 2, 1)
    return best
