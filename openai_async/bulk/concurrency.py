"""`AdaptiveConcurrency`: calls that wait for a place, as many places as the server bears, which its answers tell."""

from __future__ import annotations

from .line import Line
from .load import Load

__all__ = ["AdaptiveConcurrency"]


class AdaptiveConcurrency(Line):
    """Keeps a client from overloading a server whose limit is a number of requests at once, and not a rate.

        client = AsyncOpenAI(base_url="http://127.0.0.1:8000/v1", limiter=AdaptiveConcurrency())

    For servers of one's own, and such as say nothing of their limits. The number doubles in the time of an answer until
    the first sign of overload: a refusal (429), 500, 502, 503, 504, 529, or a request that was given up without an answer
    after twice the usual time. Then it grows by one at a time, slowly where a sign came last, and goes back to 0.9 or 0.7
    of itself with a sign, once a second. A refusal with `retry-after` holds back all for so long.

    Headers that tell of rates are not read: for APIs that limit requests or tokens a minute there is `PacedLimiter`,
    which does this as well.

    Args:
        probes: Requests at once until the first answer, 1 or more.
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
