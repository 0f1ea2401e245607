"""Time limits, on a clock of the tests' own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from support.clock import VirtualLoop, run

from openai_async.errors import APITimeoutError, OpenAIError, TimeoutPhase
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

NONE = Timeout.of(None)


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the test on a virtual clock."""

    def wrapped() -> None:
        run(test())

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


def now() -> float:
    """The loop's time, in seconds."""
    return asyncio.get_running_loop().time()


async def for_ever() -> None:
    """Wait without end."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("phase", ["pool", "connect", "first_token", "idle"])
def test_every_phase_has_its_limit(phase: TimeoutPhase) -> None:
    """A wait in a phase ends after that phase's limit, with an error that names it."""

    async def main() -> None:
        timer = Timer(Timeout(**{"pool": 900, "connect": 900, "first_token": 900, "idle": 900, phase: 30}))
        began = now()

        timer.enter(phase)
        with pytest.raises(APITimeoutError) as caught, timer:
            await for_ever()

        assert caught.value.phase == phase
        assert now() - began == pytest.approx(30)
        assert "30 s" in caught.value.message
        assert f"timeout.{phase}" in caught.value.message
        timer.stop()

    run(main())


@virtual
async def test_total_limit_needs_no_phase() -> None:
    """The total limit holds from the timer's start, before any phase is entered."""
    timer = Timer(Timeout(total=7))
    began = now()

    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()

    assert (caught.value.phase, now() - began) == ("total", pytest.approx(7))


@virtual
async def test_total_spans_phases_and_waits() -> None:
    """The total limit counts on through phases, through time outside of waits, and through sleeps."""
    timer = Timer(Timeout(connect=5, first_token=600, total=20))
    began = now()

    timer.enter("connect")
    with timer:
        await asyncio.sleep(4)
    await asyncio.sleep(6)  # nobody waits under the timer
    await timer.sleep(3)
    timer.begin_attempt()
    timer.enter("first_token")
    assert timer.remaining == pytest.approx(7)
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()

    assert (caught.value.phase, now() - began) == ("total", pytest.approx(20))


@virtual
async def test_phases_own_limit_goes_first() -> None:
    """Of two limits the one that passes first is the one that is named."""
    timer = Timer(Timeout(first_token=5, total=20))

    timer.enter("first_token")
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()

    assert caught.value.phase == "first_token"
    timer.stop()


@virtual
async def test_equal_limits_are_the_total_one() -> None:
    """Where phase and total end together it is the total limit, which is not worth a retry."""
    timer = Timer(Timeout(first_token=5, total=5))

    timer.enter("first_token")
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()

    assert caught.value.phase == "total"


@virtual
async def test_no_limit_sets_no_alarm() -> None:
    """Without limits nothing is scheduled, and waits of days pass."""
    timer = Timer(NONE)

    for phase in ("pool", "connect", "first_token", "idle"):
        timer.enter(phase)
        with timer:
            await asyncio.sleep(100_000)
            assert timer._handle is None


@virtual
async def test_progress_moves_the_limit_without_moving_the_alarm() -> None:
    """Tokens change a number; the event loop's alarm is set again only when it rings."""
    timer = Timer(Timeout(first_token=600, idle=10))
    timer.enter("first_token")
    timer.progress()

    with timer:
        alarm = timer._handle
        for _ in range(5):
            await asyncio.sleep(1)
            timer.progress()
            assert timer._handle is alarm
        began = now()
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()

    assert (caught.value.phase, now() - began) == ("idle", pytest.approx(10))


@virtual
async def test_shorter_limit_moves_the_alarm() -> None:
    """Entering a phase that ends sooner than the alarm sets it again, in the middle of a wait too."""
    timer = Timer(Timeout(pool=900, connect=5))
    began = now()
    timer.enter("pool")

    async def connect() -> None:
        await asyncio.sleep(1)
        timer.enter("connect")

    other = asyncio.create_task(connect())
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()

    assert (caught.value.phase, now() - began) == ("connect", pytest.approx(6))
    await other


@virtual
async def test_first_progress_begins_the_idle_phase() -> None:
    """The first token ends the wait for it: from there on the idle limit counts."""
    timer = Timer(Timeout(first_token=600, idle=10))
    timer.enter("first_token")
    with timer:
        await asyncio.sleep(500)

    timer.progress()

    assert timer.phase == "idle"
    with timer:
        await asyncio.sleep(9)
    timer.stop()


@virtual
async def test_slow_reader_is_not_idle() -> None:
    """Between `pause` and `resume` the idle limit stands still; what was used of it before stays used."""
    timer = Timer(Timeout(idle=10))
    timer.enter("idle")
    with timer:
        await asyncio.sleep(4)

    timer.pause()
    await asyncio.sleep(1000)
    timer.resume()

    began = now()
    with pytest.raises(APITimeoutError), timer:
        await for_ever()
    assert now() - began == pytest.approx(6)


@virtual
async def test_reader_pauses_from_the_phases_beginning() -> None:
    """A reader that takes its time before its first read is not idle either."""
    timer = Timer(Timeout(idle=10))
    timer.progress()

    await asyncio.sleep(1000)
    timer.resume()

    began = now()
    with pytest.raises(APITimeoutError), timer:
        await for_ever()
    assert now() - began == pytest.approx(10)


@virtual
async def test_resume_leaves_other_phases_alone() -> None:
    """Only the limits of tokens wait for the reader."""
    timer = Timer(Timeout(connect=10))
    timer.enter("connect")
    began = now()

    timer.pause()
    await asyncio.sleep(8)
    timer.resume()
    with pytest.raises(APITimeoutError), timer:
        await for_ever()

    assert now() - began == pytest.approx(10)


@virtual
async def test_limit_that_passed_between_waits_ends_the_next() -> None:
    """Outside of a wait nothing is interrupted; the wait that comes after the limit is."""
    timer = Timer(Timeout(total=5))
    await asyncio.sleep(50)
    began = now()

    with pytest.raises(APITimeoutError), timer:
        await for_ever()

    assert now() == pytest.approx(began)


@virtual
async def test_total_that_passed_between_waits_leaves_one_for_what_is_there() -> None:
    """After the total limit one wait may still bring what has arrived; the next raises, though it need not wait."""
    timer = Timer(Timeout(total=5, idle=60))
    timer.progress()
    with timer:
        await asyncio.sleep(1)
    task = asyncio.current_task()
    assert task is not None

    await asyncio.sleep(10)
    timer.resume()
    with timer:
        pass
    timer.pause()
    await asyncio.sleep(1)
    timer.resume()
    with pytest.raises(APITimeoutError) as caught, timer:
        pass

    assert caught.value.phase == "total"
    assert task.cancelling() == 0
    await asyncio.sleep(10)  # the alarm rings into nothing
    assert task.cancelling() == 0


@virtual
async def test_limits_of_hours() -> None:
    """Limits of hours hold to the second: each phase its own, over tokens that come once an hour, and the total."""
    hour = 3600.0
    timer = Timer(Timeout(first_token=3 * hour, idle=2 * hour, total=24 * hour))
    began = now()
    timer.enter("first_token")
    with timer:
        await asyncio.sleep(3 * hour - 1)
    for _ in range(10):
        timer.progress()
        with timer:
            await asyncio.sleep(1.5 * hour)
    timer.progress()
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()
    assert (caught.value.phase, now() - began) == ("idle", pytest.approx(20 * hour - 1))

    timer.enter("first_token")
    timer.progress()
    for _ in range(3):
        timer.progress()
        with timer:
            await asyncio.sleep(hour)
    timer.progress()
    with pytest.raises(APITimeoutError) as caught, timer:
        await for_ever()
    assert (caught.value.phase, now() - began) == ("total", pytest.approx(24 * hour))


@virtual
async def test_cancellation_from_outside_stays_one() -> None:
    """A cancelled task gets its `CancelledError`, and no limit has anything to do with it."""
    timer = Timer(Timeout(total=100))

    async def wait() -> None:
        with timer:
            await for_ever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    timer.stop()


@pytest.mark.parametrize("first", ["cancel", "limit"])
def test_cancellation_wins_over_a_limit_of_the_same_moment(first: str) -> None:
    """Cancelled from outside and by a limit at once, the task is cancelled: a time-out would swallow that."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timer = Timer(Timeout(total=10))

        async def wait() -> None:
            with timer:
                await for_ever()

        task = asyncio.create_task(wait())
        if first == "cancel":
            loop.call_at(loop.time() + 10, task.cancel)
        await asyncio.sleep(0)  # the task waits, its alarm is set
        if first == "limit":
            loop.call_at(loop.time() + 10, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1

    run(main())


@virtual
async def test_time_out_leaves_no_cancellation_behind() -> None:
    """After an expiry the task counts as not cancelled: later waits, and `asyncio.timeout`, work as before."""
    timer = Timer(Timeout(total=1))
    task = asyncio.current_task()
    assert task is not None

    with pytest.raises(APITimeoutError), timer:
        await for_ever()

    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await for_ever()


@virtual
async def test_limit_inside_an_earlier_cancellation() -> None:
    """A task that was cancelled, and cleans up under a timer, still gets the limit's own error."""
    timer = Timer(Timeout(total=5))
    seen: list[type[BaseException]] = []

    async def wait() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError:
            try:
                with timer:
                    await for_ever()
            except APITimeoutError as error:
                seen.append(type(error))
            raise

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [APITimeoutError]


@pytest.mark.parametrize("limit", [3, 5])
@pytest.mark.parametrize("own", [asyncio.timeout, anyio.fail_after])
def test_time_out_of_the_callers_own(own: Callable[[float], Any], limit: float) -> None:
    """The caller's own limit around a wait stays the caller's, even when both pass together."""

    async def main() -> None:
        timer = Timer(Timeout(total=5))

        async def wait() -> None:
            async with AsyncExitStack() as stack:
                if own is asyncio.timeout:
                    await stack.enter_async_context(own(limit))
                else:
                    stack.enter_context(own(limit))
                with timer:
                    await for_ever()

        with pytest.raises(TimeoutError):
            await wait()
        timer.stop()

    run(main())


@virtual
async def test_expiry_that_the_body_survives_is_forgotten() -> None:
    """A wait that swallows its cancellation and comes back with a result is no time-out."""
    timer = Timer(Timeout(total=5))
    task = asyncio.current_task()
    assert task is not None

    with timer:
        try:
            await for_ever()
        except asyncio.CancelledError:
            result = "here all the same"

    assert result == "here all the same"
    assert task.cancelling() == 0


@virtual
async def test_errors_inside_pass_through() -> None:
    """An exception of the body's own leaves as it is."""
    timer = Timer(Timeout(total=5))
    with pytest.raises(ZeroDivisionError), timer:
        raise ZeroDivisionError
    timer.stop()


@virtual
async def test_sleep_is_cut_by_the_total_limit_only() -> None:
    """A sleep between attempts is no phase: it ends early only where the total limit says so."""
    timer = Timer(Timeout(connect=1, first_token=1, idle=1, total=10))
    timer.enter("first_token")
    await timer.sleep(8)
    began = now()

    with pytest.raises(APITimeoutError) as caught:
        await timer.sleep(8)

    assert (caught.value.phase, now() - began) == ("total", pytest.approx(2))


@virtual
async def test_attempt_begins_anew_but_for_the_total() -> None:
    """A new attempt forgets the marks and the limit of the last one's phase, not the total one."""
    timer = Timer(Timeout(first_token=5, total=100))
    timer.enter("first_token")
    timer.mark("headers")
    timer.mark("last")
    await asyncio.sleep(50)

    sent = timer.begin_attempt()

    assert timer.marks == {"started": sent - 50, "sent": sent}
    assert timer.remaining == pytest.approx(50)
    with timer:
        await asyncio.sleep(40)  # the passed limit of the last attempt's phase is no limit of this one
    timer.stop()


@virtual
async def test_stop_ends_all_limits() -> None:
    """After `stop` no alarm is left in the event loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    timer = Timer(Timeout(total=5, idle=5))
    timer.progress()
    with timer:
        await asyncio.sleep(1)

    timer.stop()
    timer.stop()

    assert [handle for handle in loop._scheduled if not handle.cancelled()] == []


@virtual
async def test_wait_may_move_between_tasks() -> None:
    """A stream opened by one task and read by another is interrupted where it is read."""
    timer = Timer(Timeout(total=10))
    with timer:
        await asyncio.sleep(1)

    async def read() -> None:
        with timer:
            await for_ever()

    with pytest.raises(APITimeoutError):
        await asyncio.create_task(read())


@virtual
async def test_alarm_rings_into_nothing_while_the_reader_is_busy() -> None:
    """An alarm that rings between two waits cancels nobody."""
    timer = Timer(Timeout(idle=5))
    timer.progress()
    with timer:
        await asyncio.sleep(1)

    await asyncio.sleep(100)
    timer.resume()
    with timer:
        await asyncio.sleep(1)

    timer.stop()


def test_the_clock_is_the_loops() -> None:
    """Loops of asyncio's own are asked past their `time`, which is this function; any other loop is asked itself."""

    async def main() -> None:
        timer = Timer(Timeout(total=10))
        assert timer._clock is time.monotonic
        assert asyncio.get_running_loop().time() == pytest.approx(time.monotonic(), abs=5)
        timer.stop()

    async def virtual() -> None:
        timer = Timer(Timeout(total=10))
        assert timer._clock() == now()
        assert timer.remaining == 10
        timer.stop()

    asyncio.run(main())
    run(virtual())


def test_without_a_loop_of_asyncios_the_error_says_so() -> None:
    """As under trio, or where a coroutine is driven by hand."""
    with pytest.raises(OpenAIError, match="asyncio event loop is running here"):
        Timer(NONE)
