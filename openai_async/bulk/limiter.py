"""`PacedLimiter`: calls that wait for a `Pace`, which the server's answers tell.

One limiter stands for one budget, a model and a key: give it to the client, and online traffic and bulk runs share it.
"""

from __future__ import annotations

from .line import Line
from .pace import Pace

__all__ = ["PacedLimiter"]


class PacedLimiter(Line):
    """Keeps a client within a server's rate limits, as its answers tell them; nothing is to be set.

        client = AsyncOpenAI(limiter=PacedLimiter())

    Until the first answer a few requests go at once, and as many more each second; then twice as many each second, while
    none is refused. So they come to go as the server's buckets of requests and tokens fill up. Refused ones hold back all
    for as long as the server asks, and signs of overload lower the number of requests at once, as in
    `AdaptiveConcurrency`. A server that says nothing of rates is tried with more and more, until it refuses; what it accepts
    between two refusals tells its rate.

    Args:
        share: The part of the budget that is this process's, above 0, up to 1: 0.25 for each of four workers that don't
            know of each other.
        reserve: The part of each bucket that is left alone, 0 or more and below 1.
        probes: Requests at once at first, and as many more each second until the first answer; 1 or more.
        max_in_flight: Requests at once, at most, 1 or more; None: as many as the rates ask for. The client has a limit
            of connections beside it.

    Raises:
        TypeError: An argument is no number, or no whole one.
        ValueError: A number is out of its range.
    """

    def __init__(
        self, *, share: float = 1.0, reserve: float = 0.02, probes: int = 8, max_in_flight: int | None = None
    ) -> None:
        super().__init__(Pace(share=share, reserve=reserve, probes=probes, max_in_flight=max_in_flight))
