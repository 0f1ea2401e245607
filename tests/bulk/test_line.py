"""`Line`: first come, first served, and the background behind all others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.clock import run

from openai_async.bulk import PacedLimiter
from openai_async.transport.limits import Limiter

ONE_A_SECOND = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "60s",
}


async def paced() -> PacedLimiter:
    """A limiter that lets one through each second."""
    limiter = PacedLimiter(reserve=0.0, probes=1)
    permit = await limiter.acquire(tokens=0)
    permit.observe(200, ONE_A_SECOND)
    permit.settle(None)
    return limiter


def test_the_background_goes_behind_all_others() -> None:
    """What came first waits, while somebody of the foreground does."""

    async def main() -> None:
        limiter = await paced()
        went: list[str] = []

        async def call(name: str, at: Limiter) -> None:
            permit = await at.acquire(tokens=0)
            went.append(name)
            permit.settle(None)

        background = limiter.background()
        names = [("b1", background), ("b2", background), ("f1", limiter), ("b3", background), ("f2", limiter)]
        await asyncio.gather(*(call(name, at) for name, at in names))
        assert went == ["f1", "f2", "b1", "b2", "b3"]
        assert "background of <PacedLimiter in_flight=0 waiting=0" in repr(background)

    run(main())


def test_cancelled_calls_of_the_background_take_nothing() -> None:
    """They give up their place as others do."""

    async def main() -> None:
        limiter = await paced()
        background = limiter.background()
        waiting = [asyncio.create_task(background.acquire(tokens=0)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        permit = await waiting[1]
        waiting[2].cancel()
        await asyncio.sleep(0)
        assert [task.cancelled() for task in waiting] == [True, False, True]
        assert limiter.in_flight == 1
        permit.settle(None)
        assert limiter.in_flight == 0

    run(main())


@pytest.mark.parametrize(("tokens", "kind"), [(-1, ValueError), (1.5, TypeError), (True, TypeError), (None, TypeError)])
def test_tokens_are_whole_numbers(tokens: Any, kind: type[Exception]) -> None:
    """What is none is named, and takes nothing."""

    async def main() -> None:
        limiter = PacedLimiter()
        with pytest.raises(kind, match="tokens must be"):
            await limiter.acquire(tokens=tokens)
        assert limiter.in_flight == 0

    run(main())
