"""One timer for one call, from its first attempt to its last byte.

It is told of phases and of progress, and turns the cancellation that it causes when a limit passes into an
`APITimeoutError`. aiohttp's own read timeout costs 7 µs a read; this one moves a number, and looks at it when the
event loop wakes it: once per limit, not once per read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf
from types import TracebackType
from typing import Self

from openai_async.errors import APITimeoutError, StreamStateError, TimeoutPhase
from openai_async.types.options import Timeout

from .loops import running_loop

__all__ = ["Timer"]

_HINTS: dict[TimeoutPhase, str] = {
    "pool": "no connection of the pool became free within {:g} s",
    "connect": "connecting took longer than {:g} s",
    "first_token": "no token arrived within {:g} s",
    "idle": "no further token arrived within {:g} s",
    "total": "the call took longer than {:g} s in all",
}


def _clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The loop's clock: of asyncio's own loops what is below `time`, which is a Python function, called at every read."""
    return time.monotonic if getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time else loop.time


class Timer:
    """The limits of one call.

    Every wait stands in `with timer:`; outside of it no limit interrupts, though time goes on. Where the total one
    passes out there, while the reader is busy, one wait more may bring what has arrived by then; the next raises.

    Args:
        timeout: The limits, in seconds.

    Raises:
        OpenAIError: No event loop of asyncio's is running here.

    Attributes:
        attempts: How many attempts began.
    """

    __slots__ = ("_alarm", "_cancelling", "_clock", "_expired", "_handle", "_limit", "_overdue", "_paused", "_phase_ends", "_reader", "_task", "_total_ends",
                 "attempts", "loop", "marks", "phase", "timeout")  # fmt: skip

    def __init__(self, timeout: Timeout) -> None:
        self.timeout: Timeout = timeout
        self.attempts: int = 0
        self.loop: asyncio.AbstractEventLoop = running_loop()
        self._clock = _clock_of(self.loop)
        self.phase: TimeoutPhase = "total"
        # When each thing happened, in seconds of the loop's clock: what `ChatStream.timing` shows.
        self.marks: dict[str, float] = {"started": self._clock()}
        self._limit: float | None = None
        self._phase_ends = inf
        self._paused = self.marks["started"]
        self._total_ends = inf if timeout.total is None else self.marks["started"] + timeout.total
        self._handle: asyncio.TimerHandle | None = None
        self._alarm = inf  # when the handle wakes
        self._task: asyncio.Task[object] | None = None
        self._reader = 0  # the id of the task that was seen to run in the call's loop; itself, it would be a cycle
        self._cancelling = 0
        self._expired = False
        self._overdue = False  # a wait has begun after the total limit

    @property
    def remaining(self) -> float:
        """Seconds until the total limit; infinite without one."""
        return self._total_ends - self._clock()

    def begin_attempt(self) -> float:
        """Forget what the last attempt reached, and return the time: only the total limit goes on."""
        self.attempts += 1
        self.marks = {"started": self.marks["started"]}
        self.enter("total")
        return self.mark("sent")

    def mark(self, what: str) -> float:
        """Note that `what` happened now, and return the time."""
        now = self.marks[what] = self._clock()
        return now

    def enter(self, phase: TimeoutPhase) -> None:
        """Begin a phase: its limit counts from now."""
        limit: float | None = None if phase == "total" else getattr(self.timeout, phase)
        self.phase = phase
        self._limit = limit
        self._paused = self._clock()
        self._phase_ends = inf if limit is None else self._paused + limit
        if self._task is not None:
            self._arm()

    def progress(self) -> None:
        """Note that a token came: the idle limit counts from now."""
        if self.phase == "idle":
            if self._limit is not None:
                self._phase_ends = self._clock() + self._limit
        else:
            self.enter("idle")

    def pause(self) -> None:
        """Note that the reader is busy: until `resume` a token's limits do not count. Entering a phase says so too."""
        self._paused = self._clock()

    def resume(self) -> None:
        """Note that the reader waits again; raises as `check_loop`."""
        # That of the last read is in the call's loop. Asking for the running one is a system call in Python 3.11, 1 µs.
        if id(asyncio.current_task(self.loop)) != self._reader:
            self.check_loop()
        if self.phase in ("idle", "first_token"):
            self._phase_ends += self._clock() - self._paused

    def __enter__(self) -> Self:
        # Given the loop, it need not ask for the running one: in Python 3.11 that is a system call, 1 µs a read.
        task = asyncio.current_task(self.loop)
        assert task is not None  # a coroutine that awaits runs in a task
        if self._handle is None:
            self._note_overdue()
        self._task = task
        self._cancelling = task.cancelling()
        if self._phase_ends < self._alarm or self._total_ends < self._alarm:
            self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._expired:
            return
        self._expired = False
        assert task is not None  # set by __enter__
        # Whoever else cancelled the task meanwhile goes first: then the cancellation is theirs, and goes on.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self.error() from None

    def check_loop(self) -> None:
        """Refuse to wait in another event loop than the call's, whose socket would wake nobody there.

        Raises:
            StreamStateError: It is another, most likely because `asyncio.run` was called once more.
            OpenAIError: It is none of asyncio's.
        """
        if running_loop() is not self.loop:
            self._reader = 0
            raise StreamStateError(
                "A stream can only be read in the event loop in which it was opened, and this is another one; open it "
                "here. What was received before can still be had."
            )
        self._reader = id(asyncio.current_task(self.loop))

    def _note_overdue(self) -> None:
        """Let one wait begin after the total limit, and raise at the next.

        The alarm alone ends no call whose reader is slower than its server: such a reader never waits, as there are
        always bytes at hand.
        """
        if self._total_ends > self._clock():
            return
        if self._overdue:
            raise self.error()
        self._overdue = True

    def error(self) -> APITimeoutError:
        """The error that says which limit passed."""
        phase, limit = self.phase, self._limit
        if self._total_ends <= self._phase_ends:
            phase, limit = "total", self.timeout.total
        hint = _HINTS[phase].format(limit if limit is not None else 0)
        return APITimeoutError(f"Request timed out: {hint} (timeout.{phase}).", phase=phase)

    async def sleep(self, delay: float) -> None:
        """Wait `delay` seconds, under the total limit. Cancelling it loses nothing."""
        self.enter("total")
        with self:
            await asyncio.sleep(delay)

    def stop(self) -> None:
        """End the limits: the call is over."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle, self._alarm = None, inf

    def _arm(self) -> None:
        """Have the alarm ring when the first limit passes, or earlier."""
        ends = min(self._phase_ends, self._total_ends)
        if ends < self._alarm:
            if self._handle is not None:
                self._handle.cancel()
            self._handle, self._alarm = self.loop.call_at(ends, self._wake), ends

    def _wake(self) -> None:
        self._handle, self._alarm = None, inf
        if self._task is None:
            return  # nobody waits: the next wait arms again
        if min(self._phase_ends, self._total_ends) > self._clock():
            self._arm()
        else:
            self._expired = True
            self._task.cancel()
