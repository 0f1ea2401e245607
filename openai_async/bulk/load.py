"""`Load`: how much a server can bear at once, learnt from what it answers and refuses. Arithmetic, no clock.

Requests that want to go, heads of responses and moments come in; leaves and waits go out. It knows of the number of
requests and of pauses; what headers say of rates is `Pace`'s business, which has one of these inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from .numbers import count
from .pause import Pause, asked_pause
from .window import Window

__all__ = ["Grant", "Load"]

# Statuses by which a server says that it can't keep up, whatever the buckets hold (529 is Anthropic's and DeepSeek's).
_OVERLOADED = frozenset({500, 502, 503, 504, 529})
# A request that brought no response is a sign of overload if it was waited for so many times as long as an answer takes
# usually; where that is not known, so many seconds.
_TIMES_LATE, _LATE = 2.0, 10.0
# How much of the usual time of an answer is the newest one's.
_NEWEST = 0.1


class Grant:
    """The leave for one request, with what is to be known when its answer comes.

    Attributes:
        tokens: Taken from the bucket of tokens, by estimate.
        at: When it was given, in seconds of the caller's clock.
        ran: Requests that ran then, this one included.
        requests_balance: Of the bucket of requests, the request taken out.
        tokens_balance: Of the bucket of tokens, likewise.
        status: Of the response; None: there is none yet.
    """

    __slots__ = ("at", "ran", "requests_balance", "status", "tokens", "tokens_balance")

    def __init__(self, tokens: int, at: float, ran: int = 1) -> None:
        self.tokens: int = tokens
        self.at: float = at
        self.ran: int = ran
        self.requests_balance: float = 0.0
        self.tokens_balance: float = 0.0
        self.status: int | None = None


class Load:
    """What a server bears, as far as it is known.

    Args:
        probes: Requests at once at first, and as many more each second until the first answer; 1 or more.
        max_in_flight: Requests at once, at most, 1 or more; None: any number.

    Attributes:
        window: The number.
        in_flight: Requests that were given leave and are not over.
        rejected: How many were refused with 429.

    Raises:
        TypeError: An argument is no whole number.
        ValueError: One is below 1.
    """

    def __init__(self, *, probes: int, max_in_flight: int | None) -> None:
        self._most = inf if max_in_flight is None else count("max_in_flight", max_in_flight, least=1)
        self.window: Window = Window(first=count("probes", probes, least=1), most=self._most)
        self._pause = Pause()
        self._usual: float | None = None  # seconds that an answer takes
        self._pending = 0  # of those in flight, how many have no response yet
        self.in_flight: int = 0
        self.rejected: int = 0

    def wait(self, tokens: int, now: float) -> float:
        """Return the seconds until a request may go; 0.0: it may; `math.inf`: not before another one is over.

        Args:
            tokens: What it may cost; it is no matter.
            now: The time, in seconds of a clock that never goes back.
        """
        del tokens
        if self.in_flight >= self._most:
            return inf
        return max(self.window.wait(self._running, now), self._pause.wait(now), 0.0)

    def grant(self, tokens: int, now: float) -> Grant:
        """Give leave; `wait` has said 0.0."""
        self.window.go(self._running, now)
        self._pause.go(now)
        self.in_flight += 1
        self._pending += 1
        return Grant(tokens, now, self.in_flight)

    def observe(self, grant: Grant, status: int, headers: Mapping[str, str], now: float) -> None:
        """Take note of a response's head.

        Args:
            grant: The request's.
            status: The HTTP status.
            headers: Names in lower case.
            now: As for `wait`.
        """
        self.note(grant, status, headers, now)

    def note(
        self,
        grant: Grant,
        status: int,
        headers: Mapping[str, str],
        now: float,
        *,
        paced: bool = False,
        explained: bool = False,
    ) -> None:
        """Do as `observe`, where more is known.

        Args:
            grant: As there.
            status: As there.
            headers: As there.
            now: As there.
            paced: Whether something else learns the server's rates, and refusals are its business.
            explained: Whether it knows when there is something again.
        """
        running = self._running
        grant.status = status
        self._pending -= 1
        if status == 429:
            self.rejected += 1
            asked, first = asked_pause(headers), not self._pause.on
            if asked is not None or not explained:
                # Let nothing go for a while: the others would only be refused as well, and refusals count, too.
                self._pause.hold(asked, now, took=now - grant.at)
            if not paced and first:
                self.window.overloaded(grant.at, grant.ran, now, sure=True)
        elif status in _OVERLOADED:
            # Who tries whether a pause is over says nothing of the number.
            asked, out = asked_pause(headers), self._pause.on or self.window.overloaded(grant.at, grant.ran, now)
            if asked is not None or out:
                self._pause.hold(asked, now, took=now - grant.at)
        else:
            self._pause.accepted(grant.at)
            if status < 400:
                self.window.answered(grant.at, running, now)

    def settle(self, grant: Grant, used: int | None, now: float) -> None:
        """Take note that a request is over.

        Args:
            grant: Its leave, which is used up.
            used: Tokens, by the server's count; None: not known. It is no matter.
            now: As for `wait`.
        """
        del used
        seconds = now - grant.at
        if grant.status is None:
            self._pending -= 1
            if seconds >= (_LATE if self._usual is None else max(self._usual * _TIMES_LATE, 1.0)):
                self.window.overloaded(grant.at, grant.ran, now, late=True)
        elif grant.status < 400:
            self._usual = seconds if self._usual is None else self._usual + _NEWEST * (seconds - self._usual)
        self.in_flight -= 1

    def give_back(self, grant: Grant) -> None:
        """Take back a leave that nobody used."""
        del grant
        self.in_flight -= 1
        self._pending -= 1

    @property
    def _running(self) -> int:
        """What the window is for: requests at once; while it doubles, those that are not accepted yet."""
        return self._pending if self.window.doubling else self.in_flight
