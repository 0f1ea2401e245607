"""`PacedLimiter`: calls that wait for a pace, on a virtual clock and against the embedded server."""

from __future__ import annotations

import asyncio

import pytest
from support.clock import run

from openai_async import AsyncOpenAI
from openai_async.bulk import PacedLimiter
from openai_async.server import RateLimits, serve

ONE_A_SECOND = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "60s",
}


def test_calls_go_in_order_at_the_rate() -> None:
    """Once the bucket is empty, one call a second is let through, first come, first served."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = PacedLimiter(reserve=0.0, probes=1)
        began = loop.time()
        first = await limiter.acquire(tokens=0)
        first.observe(200, ONE_A_SECOND)
        first.settle(None)
        went: list[tuple[int, float]] = []

        async def call(number: int) -> None:
            permit = await limiter.acquire(tokens=0)
            went.append((number, loop.time() - began))
            permit.settle(None)

        await asyncio.gather(*(call(number) for number in range(4)))

        assert [number for number, _ in went] == [0, 1, 2, 3]
        assert [at for _, at in went] == pytest.approx([1, 2, 3, 4], abs=0.05)
        assert limiter.in_flight == 0

    run(main())


def test_cancelled_calls_take_nothing() -> None:
    """Who gives up makes room for the next one, whether it waited or had just been let through."""

    async def main() -> None:
        limiter = PacedLimiter(probes=1)
        first = await limiter.acquire(tokens=0)
        waiting = [asyncio.create_task(limiter.acquire(tokens=0)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        first.settle(None)  # lets the second through …
        waiting[1].cancel()  # … which is cancelled before it knows
        permit = await waiting[2]

        assert [task.cancelled() for task in waiting] == [True, True, False]
        assert limiter.in_flight == 1
        permit.settle(None)
        assert limiter.in_flight == 0

    run(main())


@pytest.mark.anyio
async def test_a_server_with_limits_refuses_next_to_nothing() -> None:
    """Against real headers: more calls than the bucket holds, none of them refused in the end, hardly any at first."""
    limiter = PacedLimiter()
    async with (
        serve(limits=RateLimits(requests=600, enforce=True)) as url,
        AsyncOpenAI(api_key="k", base_url=url, limiter=limiter) as client,
    ):

        async def ask() -> str | None:
            answer = await client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hi"}])
            return answer.choices[0].finish_reason

        reasons = await asyncio.gather(*(ask() for _ in range(610)))

    assert set(reasons) == {"stop"}
    assert limiter.rejected <= 6
