"""`Window`: how many requests may run at once, where that is what a server can bear. Arithmetic, no clock.

Answers and signs of overload come in, a number goes out. It doubles in the time of an answer until there are more signs than
strays. From then on it goes back each time that there are, returns quickly to just below the number where they came, and
grows from there: multiplicative decrease, and an increase that ends in a search, as that of TCP's BIC. The search is quick until
signs have come twice at about the same number, for strays come anywhere, and slow from then on.

Where answers take long, doubling takes long, too, but a refusal does not. So while nothing is refused some more go on trust.
"""

from __future__ import annotations

from math import inf

__all__ = ["Window"]

# What is left after a sign of overload, and the seconds in which that happens once. A single sign after as many answers
# as run at once says where the edge is: then a little less is enough. Many signs for few answers say how far away it is.
_CUT, _EASE, _LEAST, _CUT_EVERY = 0.7, 0.95, 0.1, 1.0
# Every server has some errors. So many signs are strays in any case, and so many as this part of those that run at once. Each
# request makes up for a part of one: a server that refuses what is too much refuses one of ten at least, as what is refused
# comes again at once, while strays are one of fifty, and seldom four of a few.
_STRAYS, _STRAY, _MADE_UP = 3.0, 0.02, 0.1
# Likewise for requests that were given up: where a server hangs, few of them show it, as each waits long.
_LATES, _LATE_MADE_UP = 2.0, 0.02
# What an answer adds near the edge, and where it is doubtful. The longer no sign comes, the more: of so many times as
# many answers as run at once, one more.
_CAREFUL, _QUICK, _CALM = 0.006, 0.1, 20.0
# How near another edge, as a part of it, one confirms it.
_NEAR = 0.1
# How much of the usual time of an answer's head is the newest one's.
_NEWEST = 0.1
# Seconds, at most, over which as many as may run are spread. A refusal is here sooner.
_SPREAD = 0.5
# What each request on trust adds to their number in a second: they double in each, ln 2. And how many of them may be
# without an answer: five times as many as a client has connections, should the server neither answer nor refuse.
_STEEP, _TRUSTED = 0.7, 5000


class Window:
    """The number, and how it has come about.

    Args:
        first: Requests at once at first, and as many more each second until the first answer.
        most: Requests at once, at most; `math.inf`: no limit.

    Attributes:
        size: Requests at once now.
        doubling: Whether it was never cut.
    """

    def __init__(self, *, first: int, most: float) -> None:
        self._first = first
        self._most = most
        self.size: float = min(float(first), most)
        self.doubling: bool = True
        self._paced = False  # whether something else knows the server's rates
        self._trusted = float(first)  # requests a second that go whatever the number is
        self._cut_at = -inf
        self._since = 0  # answers since it was cut
        self._signs = 0  # signs since then
        self._strays = 0.0  # signs of late, as far as the requests do not make up for them
        self._lates = 0.0  # those of them that were given up, likewise
        self._alive = True  # whether a request was answered that went after it was cut
        self._seconds: float | None = None  # until an answer's head is here, usually
        self._edge = inf  # where the last signs came
        self._confirmed = False  # whether those before came near it, too
        self._went_at = -inf

    def wait(self, in_flight: int, now: float) -> float:
        """Return the seconds until another one may go; 0.0: it may; `math.inf`: not before one is over.

        Requests go evenly over the time that the head of an answer takes, half a second at most, but for the first few: a
        burst would be refused as a whole before the first refusal is here.
        """
        if in_flight < min(self._first, int(self.size)):
            return 0.0
        gap = inf
        if in_flight + 1 <= self.size:
            gap = min(self._seconds or 0.0, _SPREAD) / self.size
        if self._trusts and in_flight < _TRUSTED:
            gap = min(gap, 1 / self._trusted)
        return max(0.0, self._went_at + gap - now)

    def go(self, in_flight: int, now: float) -> None:
        """Take note that one goes.

        Args:
            in_flight: Requests that run, this one aside.
            now: The time.
        """
        if self._trusts:
            if self._seconds is None:
                self.size = min(self._most, max(self.size, in_flight + 1.0))
            elif now - self._went_at < 2 / self._trusted:  # others would have gone sooner
                self._trusted += _STEEP
        self._went_at = now
        self._strays = max(0.0, self._strays - _MADE_UP)
        self._lates = max(0.0, self._lates - _LATE_MADE_UP)

    def answered(self, granted: float, in_flight: int, now: float) -> None:
        """Take note of an answer's head, and grow, if so many were wanted.

        Args:
            granted: When its request was given leave.
            in_flight: Requests that run, this one included.
            now: The time.
        """
        seconds = now - granted
        self._alive = self._alive or granted >= self._cut_at
        self._since += 1
        self._seconds = seconds if self._seconds is None else self._seconds + _NEWEST * (seconds - self._seconds)
        if 2 * in_flight < self.size:
            return
        if self.doubling:
            # One more for each answer doubles it in the time of one; it shall not double oftener than each second.
            step = min(1.0, self._seconds)
        elif (missing := _EASE * self._edge - self.size) > 0:
            step = min(1.0, max(1.0, missing) / self.size)
        elif self._confirmed:  # each sign costs a request
            step = _CAREFUL * max(1.0, self._since / self.size / _CALM)
        else:  # the farther it was passed, the less was it one
            step = min(1.0, max(_QUICK, 1.0 - self._edge / self.size))
        self.size = min(self._most, self.size + step)

    def overloaded(self, granted: float, in_flight: int, now: float, *, sure: bool = False, late: bool = False) -> bool:
        """Take note of a sign of overload, and go back; once a second, and once for all requests of one time.

        Args:
            granted: When the request was given leave that shows it.
            in_flight: Requests that ran then, this one included.
            now: The time.
            sure: Whether it can be no stray.
            late: Whether the request was given up without an answer.

        Returns:
            Whether nothing was answered since it was cut: then the number is no matter, for the server is out of order.
        """
        self._signs += 1
        news = granted >= self._cut_at  # what went before it was cut says nothing new
        if news and late:
            self._lates += 1.0
        elif news:
            self._strays += 1.0
        if not sure and not self._many(in_flight):
            return False
        wanted = self.doubling or 2 * in_flight >= self.size
        self.doubling = False
        if not news or now - self._cut_at < _CUT_EVERY:
            return False
        self._strays = self._lates = 0.0
        if not self._alive:
            return True  # the cut stays the last one: what went after it may still be answered
        self._cut_at = now
        ran = float(max(in_flight, 1)) if wanted else self.size
        borne = (self._since + 1) / (self._since + self._signs + 1)
        self.size = max(1.0, ran * (_EASE if self._since >= ran else min(_CUT, max(_LEAST, borne))))
        # Of those that were given up it is not known where they came, only that it was before.
        self._confirmed = late or abs(ran - self._edge) <= _NEAR * ran
        self._edge = ran
        self._since = self._signs = 0
        self._alive = False
        return False

    def paced(self) -> None:
        """Take note that something else knows the server's rates, so that more may go on trust."""
        self._paced = True

    def _many(self, in_flight: int) -> bool:
        """Whether signs of late are more than strays."""
        some = _STRAY * in_flight
        return self._strays > max(_STRAYS, some) or self._lates > max(_LATES, some)

    @property
    def _trusts(self) -> bool:
        """Whether some go on trust: of a server that has not answered yet, or has told its rates."""
        return self.doubling and (self._paced or self._seconds is None)
