"""`Pause`: how long nobody goes after a refusal, and who goes first when it is over. Arithmetic, no clock.

Refusals and answers come in with their moments; waits go out. A refusal's word is not the last one: what comes back
after a pause is one request,
until that is accepted, or was not refused in the time of a refusal. All at once would be refused as a whole where the
server still refuses everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from openai_async.transport.retry import retry_after

__all__ = ["Pause", "asked_pause"]

# Seconds of the first pause after a refusal that says neither when to come again nor what is left; doubled up to the last.
_FIRST, _LONGEST = 1.0, 30.0
# How many times as long as the refusal took, and seconds at least, the one that tries is waited for.
_TIMES, _TRIAL = 3.0, 1.0


class Pause:
    """The pause that is on, if one is.

    Attributes:
        on: Whether one is, or the one that tries whether it is over is still waited for.
    """

    def __init__(self) -> None:
        self._until = -inf
        self._next = _FIRST
        self.on: bool = False
        self._tried_at = -inf
        self._trial = _TRIAL

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go; 0.0 or less: it may."""
        if not self.on:
            return 0.0
        if self._tried_at >= self._until:
            return self._tried_at + self._trial - now
        return self._until - now

    def go(self, now: float) -> None:
        """Take note that one goes."""
        if not self.on:
            return
        if self._tried_at < self._until:
            self._tried_at = now
        else:
            self.on = False  # the one that tried was not refused

    def hold(self, seconds: float | None, now: float, *, took: float) -> None:
        """Let nothing go for a while.

        Args:
            seconds: As long as the server asks; None: it does not say, and each time it is twice as long.
            now: The time.
            took: Seconds from the leave of the request to its refusal.
        """
        self._trial = max(_TRIAL, _TIMES * took)
        if seconds is None:
            if self.on and now < self._until:
                return  # of several that were refused together the first one has said it
            seconds, self._next = self._next, min(self._next * 2, _LONGEST)
        self._until = max(self._until, now + seconds)
        self.on = True

    def accepted(self, granted: float) -> None:
        """Take note that a request was accepted that was given leave at that moment."""
        if granted >= self._until:
            self.on = False
            self._next = _FIRST


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a refusal asks to wait, by `retry-after-ms` or `retry-after`; None: it does not say.

    A date is read by the server's own clock, which `date` tells (RFC 9110, section 6.6.1); without that it says nothing.

    Args:
        headers: Names in lower case.
    """
    moment = retry_after({"retry-after": headers.get("date", "")}, now=0.0)  # of a date: seconds since 1970
    return retry_after(headers, now=inf if moment is None else moment)
