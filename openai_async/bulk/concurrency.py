"""`AdaptiveConcurrency`: calls that wait for a place, as many places as the server bears, which its answers tell."""

from __future__ import annotations

from .line import Line
from .load import Load

__all__ = ["AdaptiveConcurrency"]


class AdaptiveConcurrency(Line):
    """Keeps a client from overloading a server whose limit is a number of requests at once, and not a rate.

        client = AsyncOpenAI(base_url="http://127.0.0.1:8000/v1", limiter=AdaptiveConcurrency())

    For servers of one's own, and such as say nothing of their limits. The number doubles in the time of an answer until
    there are signs of overload: a refusal (429), or several of 500, 502, 503, 504, 529, and of requests that were given up
    without an answer after twice the usual time; two of them, or one in fifty requests, are strays. Then it goes back to
    0.95 or 0.7 of itself, once a second, and grows slowly where the signs came last. `retry-after` holds back all for so
    long, and so does a server that answers nothing at all, for 1 s to 30 s.

    Headers that tell of rates are not read: for APIs that limit requests or tokens a minute there is `PacedLimiter`,
    which does this as well.

    Args:
        probes: Requests at once at first, and as many more each second until the first answer; 1 or more.
        max_in_flight: Requests at once, at most, 1 or more; None: any number.

    Raises:
        TypeError: An argument is no whole number.
        ValueError: A number is out of its range.
    """

    def __init__(self, *, probes: int = 8, max_in_flight: int | None = None) -> None:
        self._load = Load(probes=probes, max_in_flight=max_in_flight)
        super().__init__(self._load)

    @property
    def limit(self) -> int:
        """Requests at once that the server is believed to bear; while that is being tried, those not yet accepted."""
        return int(self._load.window.size)
