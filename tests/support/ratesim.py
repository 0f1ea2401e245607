"""A server with rate limits, in time that is only counted: what a `Pace` makes of it.

Settings come in; how many calls were answered and refused, and how many could have been answered, go out. Nothing waits:
events are taken from a heap, as a year takes as long as what happens in it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from openai_async.bulk.load import Grant
from openai_async.bulk.pace import Pace

__all__ = ["Outcome", "Server", "simulate"]


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
        capacity: Requests at once; more are a 503. None: any number.
        hangs: Seconds after which clients give up what goes beyond the capacity, for it is never answered; None: it is
            refused.
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
    capacity: int | None = None
    hangs: float | None = None
    asked: int = 0
    requests: Bucket = field(init=False)
    tokens: Bucket = field(init=False)
    running: int = 0
    tenant_at: float = 0.0

    def __post_init__(self) -> None:
        self.requests, self.tokens = Bucket(self.rpm, self.window), Bucket(self.tpm, self.window)

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
        fits = self.requests.level >= 1 and self.tokens.level >= tokens
        self.requests.level = max(0.0, self.requests.level - 1)
        if fits:
            self.tokens.level -= tokens
        tells = not self.silent and self.asked % self.forgets == 0
        told = {**self.requests.headers("requests"), **self.tokens.headers("tokens")} if tells else {}
        return (200 if fits else 429), told

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


def simulate(server: Server, *paces: Pace, seconds: float = 600.0, tokens: int = 500) -> Outcome:
    """Have clients with endless work ask a server for so long."""
    outcome = Outcome(ideal=_ideal(server, seconds, tokens))
    order = count()
    due: dict[Pace, float] = {}  # when each is woken next
    events: list[tuple[float, int, Pace, Callable[[float], None] | None]] = []

    def at(when: float, pace: Pace, what: Callable[[float], None] | None) -> None:
        heapq.heappush(events, (when, next(order), pace, what))

    def ask(pace: Pace, now: float) -> None:
        grant = pace.grant(tokens, now)
        status, headers = server.take(tokens, now)
        outcome.refused += status == 429
        outcome.overloaded += status == 503
        if status == 503 and server.hangs is not None:
            at(now + server.hangs, pace, lambda then: pace.settle(grant, None, then))
            return
        server.running += status == 200
        took = server.latency if status == 200 else 0.1
        head = took if server.headers_after is None or status != 200 else min(server.headers_after, took)
        at(now + head, pace, lambda then: pace.observe(grant, status, headers, then))
        at(now + took, pace, lambda then: over(pace, grant, then))

    def go(pace: Pace, now: float) -> None:
        while (delay := pace.wait(tokens, now)) <= 0:
            ask(pace, now)
        if delay < math.inf and not now < due.get(pace, -1.0) <= now + delay:
            due[pace] = now + max(delay, 1e-3)
            at(due[pace], pace, None)

    def over(pace: Pace, grant: Grant, now: float) -> None:
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
