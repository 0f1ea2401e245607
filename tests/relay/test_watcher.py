"""One timer asks for all who wait, and only while somebody does."""

from __future__ import annotations

import asyncio

import pytest
from support.clock import run

from openai_async.relay.watcher import _here, announce, until


def test_asks_four_times_a_second_once_for_all() -> None:
    """Everybody who waits for the same question is woken by one answer."""
    asked: list[float] = []

    def question() -> bool:
        asked.append(asyncio.get_running_loop().time() - 1000)
        return asked[-1] >= 1

    async def main() -> None:
        await asyncio.gather(*(until(question) for _ in range(100)))
        assert asyncio.get_running_loop().time() - 1000 == 1

    run(main())
    assert asked[:100] == [0] * 100  # each asks for itself before it waits
    assert asked[100:] == [0.25, 0.5, 0.75, 1]


def test_answered_at_once() -> None:
    """What is so already is not waited for, and sets no timer."""

    async def main() -> None:
        await until(lambda: True)
        assert _here()._timer is None

    run(main())


def test_rests_when_nobody_waits() -> None:
    """A wait that is cancelled leaves neither a question nor a timer; others go on."""

    async def main() -> None:
        ready = False
        one, two = (asyncio.create_task(until(lambda: ready)) for _ in range(2))
        await asyncio.sleep(1)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert _here()._timer is not None
        ready = True
        await two
        assert _here()._timer is None
        assert not _here()._waiting

    run(main())


def test_announced_at_once() -> None:
    """Who announces an answer wakes those who wait for it, and nobody else."""

    def never() -> bool:
        return False

    async def main() -> None:
        told, other = asyncio.create_task(until(never)), asyncio.create_task(until(lambda: False))
        await asyncio.sleep(0)
        announce(never)
        await told
        assert asyncio.get_running_loop().time() == 1000
        assert not other.done()
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other

    run(main())
