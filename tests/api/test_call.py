"""`Call`: a coroutine that can also be entered, and that is used once."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from openai_async.api.call import Call

pytestmark = pytest.mark.anyio


class Closable:
    """A result that can be closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        """Count it."""
        self.closed += 1


def call(result: Any = "result", *, steps: int = 1) -> Call[Any]:
    """A call that takes some rounds of the event loop, and raises a result that is an exception."""

    async def work() -> Any:
        for _ in range(steps):
            await asyncio.sleep(0)
        if isinstance(result, BaseException):
            raise result
        return result

    return Call(work, name="thing.do")


async def test_awaited() -> None:
    """Awaiting gives the result."""
    assert await call() == "result"


async def test_awaited_without_a_suspension() -> None:
    """A call that never waits works too."""
    assert await call(steps=0) == "result"


async def test_error_passes() -> None:
    """What the work raises, awaiting raises."""
    with pytest.raises(ZeroDivisionError):
        await call(ZeroDivisionError())


async def test_is_a_coroutine() -> None:
    """Asyncio takes it wherever it takes coroutines."""
    one = call()
    assert isinstance(one, Coroutine)
    assert inspect.isawaitable(one)
    assert asyncio.iscoroutine(one)
    one.close()


async def test_task() -> None:
    """`create_task` runs it, and names it by the method."""
    task = asyncio.create_task(call())
    assert "thing.do()" in repr(task)
    assert await task == "result"


async def test_gather_and_task_group() -> None:
    """Several run side by side."""
    assert await asyncio.gather(call(1), call(2)) == [1, 2]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(number)) for number in (3, 4)]
    assert [task.result() for task in tasks] == [3, 4]


async def test_wait_for() -> None:
    """`wait_for` gives the result, or cancels the work."""
    assert await asyncio.wait_for(call(), 1) == "result"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(steps=1_000_000), 0.01)


async def test_shield() -> None:
    """`shield` lets the work go on when who waits is cancelled."""
    assert await asyncio.shield(call()) == "result"


def test_run() -> None:
    """`asyncio.run` runs it."""
    assert asyncio.run(call()) == "result"


async def test_cancelled_task() -> None:
    """Cancelling the task cancels the work, before its first step as well as in the middle."""
    reached: list[str] = []

    async def work() -> None:
        reached.append("begun")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            reached.append("cancelled")
            raise

    middle = asyncio.create_task(Call(work, name="thing.do"))
    await asyncio.sleep(0)
    early = asyncio.create_task(Call(work, name="thing.do"))
    for task in (middle, early):
        task.cancel()
    await asyncio.gather(middle, early, return_exceptions=True)
    assert (middle.cancelled(), early.cancelled()) == (True, True)
    assert reached == ["begun", "cancelled"]


async def test_entered() -> None:
    """`async with` gives the result and closes it on leaving, whatever is the reason."""
    result = Closable()
    async with call(result) as entered:
        assert entered is result
        assert result.closed == 0
    assert result.closed == 1

    result = Closable()
    with pytest.raises(ZeroDivisionError):
        async with call(result):
            raise ZeroDivisionError
    assert result.closed == 1


async def test_entered_with_a_result_that_has_nothing_to_close() -> None:
    """A plain result is just let go."""
    async with call(5) as entered:
        assert entered == 5


async def test_entering_that_fails() -> None:
    """What the work raises, entering raises; there is nothing to leave."""
    with pytest.raises(ZeroDivisionError):
        async with call(ZeroDivisionError()):
            pytest.fail("entered")


@pytest.mark.parametrize("first", ["await", "async with", "task", "close"])
@pytest.mark.parametrize("second", ["await", "async with", "task"])
async def test_used_twice(first: str, second: str) -> None:
    """A call is sent once: the second use is an error that says so, and not a second request."""
    sent = 0

    async def work() -> Closable:
        nonlocal sent
        sent += 1
        await asyncio.sleep(0)
        return Closable()

    async def use(one: Call[Closable], how: str) -> None:
        if how == "await":
            await one
        elif how == "async with":
            async with one:
                pass
        elif how == "task":
            await asyncio.create_task(one)
        else:
            one.close()

    one = Call(work, name="thing.do")
    await use(one, first)
    with pytest.raises(RuntimeError, match=r"thing\.do\(\.\.\.\) was used already: .* call the method again"):
        await use(one, second)
    assert sent == (first != "close")


async def test_awaited_by_two_at_once() -> None:
    """Of two tasks that await the same call the second is refused, and the first gets its result."""
    one = call(steps=5)

    async def wait() -> Any:
        return await one

    results = await asyncio.gather(wait(), wait(), return_exceptions=True)

    assert results[0] == "result"
    assert isinstance(results[1], RuntimeError)


def test_never_used() -> None:
    """A call that is dropped unused warns, by the method's name, as a coroutine does."""
    one = call()
    with pytest.warns(RuntimeWarning, match=r"thing\.do\(\.\.\.\) was never awaited"):  # noqa: PT031 - both drop it
        del one
        gc.collect()


def test_closed_unused() -> None:
    """A call that is closed unused does not warn, twice neither."""
    one = call()
    one.close()
    one.close()
    del one
    gc.collect()


async def test_closed_in_the_middle() -> None:
    """Closing a call that was begun ends its work."""
    ended: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    one = Call(work, name="thing.do")
    one.send(None)
    one.close()
    assert ended == [True]


async def test_repr() -> None:
    """Its `repr` says what it is and whether it has begun."""
    one = call()
    assert repr(one) == "<Call thing.do not begun>"
    await one
    assert repr(one) == "<Call thing.do begun>"


async def test_the_request_is_held_no_longer_than_its_sending() -> None:
    """Once a call has its result, what sent the request is let go: a stream that is open does not hold its prompt."""

    class Request:
        async def result(self) -> str:
            await asyncio.sleep(0)
            return "stream"

    request = Request()
    gone = weakref.ref(request)
    async with Call(request.result, name="thing.do", sending=request) as result:  # type: ignore[arg-type]  # it needs no more of one
        del request

        assert (result, gone()) == ("stream", None)
