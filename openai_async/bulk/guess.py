"""`RateGuess`: the rate of a server that does not tell it, by what it refuses. Arithmetic, no clock.

Leaves and refusals come in with their moments; waits go out. At a refusal the server's bucket is empty: what it accepted
since the refusal before is what came back meanwhile. What it accepted before the first one is more than that, for the
bucket was not empty when it began.
"""

from __future__ import annotations

from math import inf

__all__ = ["RateGuess"]

# Refusals that are nearer to each other, in seconds, are of one moment.
_NEAREST = 1.0
# Seconds without a refusal after which the rate is twice what it was: others may have gone, or the server allows more.
# It begins slowly, as each refusal costs a request.
_DOUBLED = 60.0
# Seconds without a request that nobody held back: nobody wanted anything, and what was accepted is not all there was.
_IDLE = 1.0


class RateGuess:
    """The rate, once a refusal has told it.

    Attributes:
        rate: Requests a second when it was told; None: it was not.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self._before: float | None = None  # the rate until then
        self._told_at = 0.0
        self._began = inf  # the moment from which on is counted
        self._accepted = 0
        self._went_at = -inf
        self._pressed = False  # whether somebody was held back since

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go; 0.0 or less: it may."""
        if self.rate is None:
            return 0.0
        drift = 1 + ((now - self._told_at) / _DOUBLED) ** 2
        return self._went_at + 1 / (self.rate * drift) - now

    def press(self) -> None:
        """Take note that somebody is held back, by this or by something else."""
        self._pressed = True

    def go(self, now: float) -> None:
        """Take note that one goes."""
        if self._began == inf or (not self._pressed and now - self._went_at > _IDLE):
            self._began, self._accepted = now, 0
        self._pressed = False
        self._went_at = now
        self._accepted += 1

    def refused(self, granted: float, now: float, *, asked: bool) -> None:
        """Take note that one was refused, for no reason that was told.

        Args:
            granted: When it was given leave.
            now: The time.
            asked: Whether it says when to come again. Who comes then, and is refused again, did not find an empty bucket,
                neither now nor before: the server refuses everything, and the rate is what it was.
        """
        if granted >= self._began:
            self._accepted -= 1
        seconds = now - self._began
        if seconds < _NEAREST:
            return
        if self._accepted > 0:
            self._before, self.rate, self._told_at = self.rate, self._accepted / seconds, now
        elif asked:
            self.rate, self._told_at = self._before, now
        self._began, self._accepted = now, 0
