"""Calls of a hub's backend, and what becomes of them when the hub closes."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from support.clock import run

from openai_async.relay.calls import Calls
from openai_async.relay.errors import HubClosed


def test_a_call_is_made_while_the_hub_is_open() -> None:
    """Its result comes back, or what it raises; before and after, there is `HubClosed`."""

    async def answer() -> int:
        await asyncio.sleep(1)
        return 7

    async def fail() -> int:
        raise LookupError

    async def main() -> None:
        calls = Calls()
        with pytest.raises(HubClosed):
            await calls.make(answer)
        calls.open = True
        assert await calls.make(answer) == 7
        with pytest.raises(LookupError):
            await calls.make(fail)
        await calls.close(5)
        with pytest.raises(HubClosed):
            await calls.make(answer)

    run(main())


def test_a_call_under_way_is_cut_off() -> None:
    """Whoever made it is told, and the close has waited for that."""
    over: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(1)
            over.append("call")

    async def main() -> None:
        calls = Calls()
        calls.open = True
        made = asyncio.create_task(calls.make(hang))
        await asyncio.sleep(1)
        await calls.close(5)
        assert over == ["call"]
        with pytest.raises(HubClosed):
            await made

    run(main())


def test_what_comes_too_late_is_given_back() -> None:
    """A call that got something though it was cut off: the close waits until that is given back."""
    back: list[int] = []

    async def insist() -> int:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            return 7
        raise AssertionError

    async def give_back(got: int) -> None:
        await asyncio.sleep(2)
        back.append(got)

    async def main() -> None:
        calls = Calls()
        calls.open = True
        made = asyncio.create_task(calls.make(insist, give_back=give_back))
        await asyncio.sleep(1)
        await calls.close(5)
        assert back == [7]
        with pytest.raises(HubClosed):
            await made

    run(main())


def test_a_call_that_does_not_stop_is_left_behind() -> None:
    """The close has its seconds, and no more."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(100)

    async def main() -> None:
        calls = Calls()
        calls.open = True
        made = asyncio.create_task(calls.make(stubborn))
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await calls.close(5)
        assert loop.time() - began == 5
        with pytest.raises(HubClosed):
            await made

    run(main())


def test_a_caller_that_is_cancelled_as_well_is_cancelled() -> None:
    """Its own cancellation is not taken for the hub's; and one that the hub took back is no longer counted."""

    async def hang() -> None:
        await asyncio.sleep(1e6)

    async def main() -> None:
        calls = Calls()
        calls.open = True
        both, one = (asyncio.create_task(calls.make(hang)) for _ in range(2))
        counted: list[int] = []

        async def told() -> None:
            with pytest.raises(HubClosed):
                await calls.make(hang)
            task = asyncio.current_task()
            assert task is not None
            counted.append(task.cancelling())
            await asyncio.sleep(1)
            counted.append(task.cancelling())

        telling = asyncio.create_task(told())
        await asyncio.sleep(1)
        both.cancel()
        await calls.close(5)
        with pytest.raises(asyncio.CancelledError):
            await both
        with pytest.raises(HubClosed):
            await one
        await telling
        assert counted == [0, 0]

    run(main())
