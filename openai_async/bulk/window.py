"""`Window`: how many requests may run at once, where that is what a server can bear. Arithmetic, no clock.

Answers and signs of overload come in, a number goes out. It doubles in the time of an answer until the first sign. From
then on it grows by one in that time, slower where a sign came last, and goes back with each sign: additive increase,
multiplicative decrease, as TCP's window does.
"""

from __future__ import annotations

from math import inf

__all__ = ["Window"]

# What is left after a sign of overload, and the seconds in which that happens once. A single sign after as many answers
# as run at once says where the edge is: then a little less is enough. Many signs for few answers say how far away it is.
_CUT, _EASE, _LEAST, _CUT_EVERY = 0.7, 0.9, 0.1, 1.0
# Requests at once at which doubling begins where something else paces: twice as many as a client has connections.
_WIDE = 2000.0
# What an answer adds near the edge: there each sign costs a request. The longer none comes, the more: of so many times
# as many answers as run at once, one more.
_CAREFUL, _CALM = 0.01, 20.0
# How much of the usual time of an answer's head is the newest one's.
_NEWEST = 0.1


class Window:
    """The number, and how it has come about.

    Args:
        first: Requests at once until the first answer.
        most: Requests at once, at most; `math.inf`: no limit.

    Attributes:
        size: Requests at once now.
        doubling: Whether no sign of overload has come yet.
    """

    def __init__(self, *, first: int, most: float) -> None:
        self._first = first
        self._most = most
        self.size: float = min(float(first), most)
        self.doubling: bool = True
        self._cut_at = -inf
        self._since = 0  # answers since it was cut
        self._signs = 0  # signs since then
        self._seconds: float | None = None  # until an answer's head is here, usually
        self._edge = inf  # where the last sign came
        self._went_at = -inf

    def wait(self, in_flight: int, now: float) -> float:
        """Return the seconds until another one may go; 0.0: it may; `math.inf`: not before one is over.

        Once it is known how long the head of an answer takes, requests go evenly over that time, but for the first few: a
        burst would be refused as a whole before the first refusal is here.
        """
        if in_flight + 1 > self.size:
            return inf
        if self._seconds is None or in_flight < self._first:
            return 0.0
        return max(0.0, self._went_at + self._seconds / self.size - now)

    def go(self, now: float) -> None:
        """Take note that one goes."""
        self._went_at = now

    def answered(self, seconds: float, in_flight: int) -> None:
        """Take note of an answer's head, and grow, if so many were wanted.

        Args:
            seconds: Since the request's leave.
            in_flight: Requests that run, this one included.
        """
        self._since += 1
        self._seconds = seconds if self._seconds is None else self._seconds + _NEWEST * (seconds - self._seconds)
        if 2 * in_flight < self.size:
            return
        if self.doubling:
            # One more for each answer doubles it in the time of one; it shall not double oftener than each second.
            step = min(1.0, self._seconds)
        elif self.size < _EASE * self._edge:
            step = 1.0 / self.size
        else:
            step = _CAREFUL * max(1.0, self._since / self.size / _CALM)
        self.size = min(self._most, self.size + step)

    def overloaded(self, granted: float, in_flight: int, now: float) -> None:
        """Take note of a sign of overload, and go back; once a second, and once for all requests of one time.

        Args:
            granted: When the request was given leave that shows it.
            in_flight: Requests that ran then, this one included.
            now: The time.
        """
        self._signs += 1
        ran = float(max(in_flight, 1)) if self.doubling else self.size
        self.doubling = False
        if granted < self._cut_at or now - self._cut_at < _CUT_EVERY:
            return  # what went before it was cut says nothing new
        self._cut_at = now
        self._edge = ran
        borne = (self._since + 1) / (self._since + self._signs + 1)
        self.size = max(1.0, ran * (_EASE if self._since >= ran else min(_CUT, max(_LEAST, borne))))
        self._since = self._signs = 0

    def widen(self) -> None:
        """Let many go, unless there was a sign: something else paces."""
        if self.doubling:
            self.size = min(self._most, max(self.size, _WIDE))
