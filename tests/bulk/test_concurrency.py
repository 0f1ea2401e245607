"""`AdaptiveConcurrency`: against servers that bear so many at once, on a virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.clock import run

from openai_async.bulk import AdaptiveConcurrency, amap


class Busy:
    """Bears `capacity` calls at once, each of four seconds, and refuses more.

    Attributes:
        answered: How many calls it answered.
        refused: How many it refused.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.answered = self.refused = self._running = 0

    async def ask(self, limiter: AdaptiveConcurrency) -> bool:
        """One call."""
        permit = await limiter.acquire(tokens=0)
        try:
            if self._running >= self.capacity:
                await asyncio.sleep(0.01)
                permit.observe(503, {})
                self.refused += 1
                return False
            self._running += 1
            try:
                await asyncio.sleep(4)
            finally:
                self._running -= 1
            permit.observe(200, {})
            self.answered += 1
            return True
        finally:
            permit.settle(None)


async def press(server: Busy, limiter: AdaptiveConcurrency, seconds: float) -> None:
    """Endless work, for so long."""

    async def work() -> None:
        while True:
            await server.ask(limiter)

    tasks = [asyncio.create_task(work()) for _ in range(200)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_server_is_kept_busy() -> None:
    """Of what fifty places could have answered nine tenths were, and of all calls one in fifty was refused at most."""

    async def main() -> None:
        server, limiter = Busy(50), AdaptiveConcurrency()
        await press(server, limiter, 1000)
        assert server.answered >= 0.9 * 50 * 1000 / 4
        assert server.refused <= 0.02 * server.answered
        assert 40 <= limiter.limit <= 55
        assert limiter.in_flight == 0

    run(main())


def test_a_server_that_grows_weaker_and_stronger_is_followed() -> None:
    """From fifty places to ten, and back again."""

    async def main() -> None:
        server, limiter = Busy(50), AdaptiveConcurrency()
        await press(server, limiter, 200)
        server.capacity = 10
        await press(server, limiter, 100)
        assert limiter.limit <= 15
        server.capacity = 50
        await press(server, limiter, 1000)
        assert limiter.limit >= 30

    run(main())


def test_a_refusal_s_word_is_kept() -> None:
    """429 with retry-after holds back all for so long."""

    async def main() -> None:
        limiter = AdaptiveConcurrency()
        loop = asyncio.get_running_loop()
        permit = await limiter.acquire(tokens=0)
        permit.observe(429, {"retry-after": "7"})
        permit.settle(None)
        began = loop.time()
        (await limiter.acquire(tokens=0)).settle(None)
        assert loop.time() - began == pytest.approx(7)
        assert limiter.rejected == 1

    run(main())


def test_it_is_a_limiter_for_amap() -> None:
    """No more run at once than it allows."""

    async def main() -> None:
        running = most = 0

        async def call(number: int) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            return number

        limiter = AdaptiveConcurrency(max_in_flight=5)
        results = [result.value async for result in amap(range(50), call, limit=20, limiter=limiter)]
        assert sorted(filter(None, results)) == list(range(1, 50))
        assert most == 5

    run(main())


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"probes": 0}, ValueError), ({"probes": 1.5}, TypeError), ({"max_in_flight": True}, TypeError)],
    ids=str,
)
def test_arguments_that_cannot_be_used_are_named(wrong: dict[str, Any], kind: type[Exception]) -> None:
    """They are errors."""
    with pytest.raises(kind, match=next(iter(wrong))):
        AdaptiveConcurrency(**wrong)
