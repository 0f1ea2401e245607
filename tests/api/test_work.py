"""Work in a task of its own: what becomes of it when nobody wants it any more."""

from __future__ import annotations

import asyncio
import sys

import pytest

from openai_async.api.work import Work
from openai_async.errors import StreamStateError

pytestmark = pytest.mark.anyio


class Closable:
    """A result that has to be closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        """Count it."""
        self.closed += 1


async def made(result: Closable) -> Closable:
    """Give the result at once."""
    return result


async def test_a_result() -> None:
    """What work gives or raises is given or raised, and nothing is closed."""
    work, result = Work(), Closable()

    async def fail() -> None:
        raise KeyError("no")

    assert await work.finish(made(result)) is result
    assert result.closed == 0
    with pytest.raises(KeyError):
        await work.finish(fail())


async def test_a_result_that_comes_with_an_abort() -> None:
    """A result that is there when the work is aborted is closed."""
    work, result = Work(), Closable()

    async def make() -> Closable:
        asyncio.get_running_loop().call_soon(work.abort)
        return result

    with pytest.raises(StreamStateError, match="aborted"):
        await work.finish(make())
    assert result.closed == 1


async def test_a_result_that_comes_with_a_cancelling() -> None:
    """A result that is there when its receiver is cancelled is closed."""
    work, result = Work(), Closable()
    receiver: list[asyncio.Task[Closable]] = []

    async def make() -> Closable:
        receiver[0].cancel()
        return result

    receiver.append(asyncio.create_task(work.finish(make())))
    with pytest.raises(asyncio.CancelledError):
        await receiver[0]
    assert result.closed == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 brought eager tasks")
async def test_work_that_aborts_at_once() -> None:
    """Work may abort itself before its task is known."""
    work = Work()

    async def leave() -> None:
        work.abort()
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # 3.12
    try:
        with pytest.raises(StreamStateError, match="aborted"):
            await work.finish(leave())
    finally:
        loop.set_task_factory(None)


async def test_stopping() -> None:
    """Stopping waits for the end of what is under way, and is harmless when nothing is."""
    work = Work()
    await work.stop()
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("hang")

    work.start(hang())
    await asyncio.sleep(0)
    await work.stop()
    await work.stop()

    assert ended == ["hang"]
