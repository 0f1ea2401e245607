"""A server with rate limits, in time that is only counted: what a `Pace` makes of it.

Settings come in; how many calls were answered and refused, and how many could have been answered, go out. Nothing waits:
events are taken from a heap, as a year takes as long as what happens in it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

from openai_async.bulk.line import Pacer
from openai_async.bulk.load import Grant

__all__ = ["Clairvoyant", "Outcome", "Server", "simulate"]

# Seconds to a refusal.
_REFUSAL = 0.1


@dataclass
class Bucket:
    """Fills up evenly, and is full at first."""

    limit: float
    window: float = 60.0
    level: float = math.inf
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.limit

    def refill(self, now: float) -> None:
        self.level = min(self.limit, self.level + self.limit / self.window * (now - self.at))
        self.at = now

    def rest(self, units: float) -> float:
        """Seconds until so many are there."""
        return max(0.0, units - self.level) / self.limit * self.window

    def headers(self, kind: str) -> dict[str, str]:
        """As OpenAI sends them: what is left is rounded down, the time until all is back is in milliseconds."""
        left = math.floor(max(self.level, 0))
        reset = (self.limit - self.level) / self.limit * self.window
        return {
            f"x-ratelimit-limit-{kind}": str(int(self.limit)),
            f"x-ratelimit-remaining-{kind}": str(left),
            f"x-ratelimit-reset-{kind}": f"{reset * 1000:.0f}ms" if reset < 1 else f"{reset:.3f}s",
        }


@dataclass
class Server:
    """A server. Refused requests count: each takes one out of the bucket of requests, or what is left of one.

    Attributes:
        rpm: Requests in a `window`.
        tpm: Tokens in one.
        window: Seconds in which an empty bucket fills up.
        latency: Seconds from a request to the end of its answer.
        headers_after: Seconds to the answer's head; None: at its end.
        tenant: The part of all requests that somebody else takes, and from when to when, in seconds.
        silent: Whether it says nothing of its limits.
        forgets: Of so many responses one tells of the limits; the others say nothing of them.
        storm: From when to when it refuses everything, saying only when to come again.
        outage: From when to when it answers everything with 503.
        strays: The part of the requests that it answers with 503 although nothing is wrong.
        capacity: Requests at once; more are a 503. None: any number.
        hangs: Seconds after which clients give up what goes beyond the capacity, for it is never answered; None: it is
            refused.
        seed: Of the chance by which each answer takes 0.7 to 1.3 times as long as said; None: all take the same time.
    """

    rpm: float
    tpm: float = 10_000_000
    window: float = 60.0
    latency: float = 4.0
    headers_after: float | None = 0.5
    tenant: tuple[float, float, float] | None = None
    silent: bool = False
    forgets: int = 1
    storm: tuple[float, float] | None = None
    outage: tuple[float, float] | None = None
    strays: float = 0.0
    capacity: int | None = None
    hangs: float | None = None
    seed: int | None = None
    asked: int = 0
    requests: Bucket = field(init=False)
    tokens: Bucket = field(init=False)
    running: int = 0
    tenant_at: float = 0.0

    def __post_init__(self) -> None:
        self.requests, self.tokens = Bucket(self.rpm, self.window), Bucket(self.tpm, self.window)
        self._random = Random(self.seed)

    def lasts(self, seconds: float) -> float:
        """Return how long something takes that usually takes so long."""
        return seconds if self.seed is None else seconds * self._random.uniform(0.7, 1.3)

    def take(self, tokens: int, now: float) -> tuple[int, dict[str, str]]:
        """Decide about a request."""
        self._tenant_takes(now)
        self.requests.refill(now)
        self.tokens.refill(now)
        self.asked += 1
        if self.storm and self.storm[0] <= now < self.storm[1]:
            return 429, {"retry-after": f"{min(self.storm[1] - now, 20):.0f}"}
        if self.capacity is not None and self.running >= self.capacity:
            return 503, {}
        if (self.outage and self.outage[0] <= now < self.outage[1]) or self._random.random() < self.strays:
            return 503, {}
        fits = self.requests.level >= 1 and self.tokens.level >= tokens
        self.requests.level = max(0.0, self.requests.level - 1)
        if fits:
            self.tokens.level -= tokens
        tells = not self.silent and self.asked % self.forgets == 0
        told = {**self.requests.headers("requests"), **self.tokens.headers("tokens")} if tells else {}
        return (200 if fits else 429), told

    def rest(self, tokens: int, now: float) -> float:
        """Return the seconds until it would answer a request, if nobody else asks; `math.inf`: not before one is over."""
        self._tenant_takes(now)
        self.requests.refill(now)
        self.tokens.refill(now)
        for trouble in self.storm, self.outage:
            if trouble and trouble[0] <= now < trouble[1]:
                return trouble[1] - now
        if self.capacity is not None and self.running >= self.capacity:
            return math.inf
        return max(self.requests.rest(1), self.tokens.rest(tokens))

    def _tenant_takes(self, now: float) -> None:
        if self.tenant is None:
            return
        part, begins, ends = self.tenant
        since, until = max(self.tenant_at, begins), min(now, ends)
        if until > since:
            self.requests.refill(now)
            taken = part * self.rpm / self.window * (until - since)
            self.requests.level = max(0.0, self.requests.level - taken)
        self.tenant_at = now


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        answered: Calls whose answers were whole before the time was over.
        refused: Calls with 429.
        overloaded: Calls with 503, or given up.
        ideal: Calls that it could have taken, those included whose answers would be under way at the end.
    """

    answered: int = 0
    refused: int = 0
    overloaded: int = 0
    ideal: float = 0.0

    @property
    def used(self) -> float:
        """The part of the ideal that was reached."""
        return self.answered / self.ideal

    @property
    def wasted(self) -> float:
        """The part of all calls that was refused."""
        return self.refused / max(self.answered + self.refused, 1)


class Clairvoyant:
    """A client that knows at each moment what the server would answer: nobody does better.

    Args:
        server: The server, which it looks into.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.in_flight: int = 0
        self.rejected: int = 0

    def wait(self, tokens: int, now: float) -> float:
        """Return the seconds until a request would be answered."""
        return self._server.rest(tokens, now)

    def grant(self, tokens: int, now: float) -> Grant:
        """Give leave."""
        self.in_flight += 1
        return Grant(tokens, now)

    def observe(self, grant: Grant, status: int, headers: Mapping[str, str], now: float) -> None:
        """Take no note of what is known."""
        del headers, now
        grant.status = status
        self.rejected += status == 429

    def settle(self, grant: Grant, used: int | None, now: float) -> None:
        """Take note that a request is over."""
        del grant, used, now
        self.in_flight -= 1

    def give_back(self, grant: Grant) -> None:
        """Take back a leave."""
        del grant
        self.in_flight -= 1


def simulate(server: Server, *paces: Pacer, seconds: float = 600.0, tokens: int = 500) -> Outcome:
    """Have clients with endless work ask a server for so long."""
    outcome = Outcome(ideal=_ideal(server, seconds, tokens))
    order = count()
    due: dict[Pacer, float] = {}  # when each is woken next
    events: list[tuple[float, int, Pacer, Callable[[float], None] | None]] = []

    def at(when: float, pace: Pacer, what: Callable[[float], None] | None) -> None:
        heapq.heappush(events, (when, next(order), pace, what))

    def ask(pace: Pacer, now: float) -> None:
        grant = pace.grant(tokens, now)
        status, headers = server.take(tokens, now)
        outcome.refused += status == 429
        outcome.overloaded += status == 503
        if status == 503 and server.hangs is not None:
            at(now + server.hangs, pace, lambda then: pace.settle(grant, None, then))
            return
        server.running += status == 200
        took = server.lasts(server.latency if status == 200 else _REFUSAL)
        head = took
        if status == 200 and server.headers_after is not None:
            head = min(server.lasts(server.headers_after), took)
        at(now + head, pace, lambda then: pace.observe(grant, status, headers, then))
        at(now + took, pace, lambda then: over(pace, grant, then))

    def go(pace: Pacer, now: float) -> None:
        while (delay := pace.wait(tokens, now)) <= 0:
            ask(pace, now)
        if delay < math.inf and not now < due.get(pace, -1.0) <= now + delay:
            due[pace] = now + max(delay, 1e-3)
            at(due[pace], pace, None)

    def over(pace: Pacer, grant: Grant, now: float) -> None:
        if grant.status == 200:
            server.running -= 1
            outcome.answered += 1
        pace.settle(grant, None, now)

    for pace in paces:
        at(0.0, pace, None)
    while events:
        now, _, pace, what = heapq.heappop(events)
        if now > seconds:
            break
        if what is not None:
            what(now)
        go(pace, now)
    return outcome


def _ideal(server: Server, seconds: float, tokens: int) -> float:
    if server.capacity is not None:
        return server.capacity * seconds / server.latency
    ideal = min(server.rpm, server.tpm / tokens) * (1 + seconds / server.window)
    if server.tenant:
        part, begins, ends = server.tenant
        ideal -= part * server.rpm / server.window * (ends - begins)
    return ideal
