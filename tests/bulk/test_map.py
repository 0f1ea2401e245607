"""`amap`: every item once, no more at a time than allowed, and nothing left running, however it ends.

Set `OPENAI_ASYNC_ITEMS` to a number for as many items of the endless input, a million for example.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import itertools
import os
import random
import tracemalloc

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.limiter import WatchingLimiter

from openai_async import AsyncOpenAI, RateLimitError
from openai_async.bulk import crew
from openai_async.bulk.journal import Journal
from openai_async.bulk.linefile import JournalError
from openai_async.bulk.map import amap
from openai_async.errors import Attempt, OpenAIError
from openai_async.server import serve
from openai_async.types.completion import ChatCompletion

pytestmark = pytest.mark.anyio

ITEMS = int(os.environ.get("OPENAI_ASYNC_ITEMS") or 100_000)


async def double(number):
    """A call that takes no time."""
    return number * 2


class Calls:
    """A function that yields to the loop a random number of times, and knows how many calls are under way.

    Attributes:
        running: Calls under way.
        most: The most that there were.
        seen: The items, in the order of the calls.
        cancelled: Calls that were cancelled.
    """

    def __init__(self, seed=1, longest=5):
        self.running = self.most = self.cancelled = 0
        self.seen = []
        self._random = random.Random(seed)
        self._longest = longest

    async def __call__(self, item):
        """Make one."""
        self.seen.append(item)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(self._random.randrange(self._longest)):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(0)  # its clean-up
            raise
        finally:
            self.running -= 1
        return item * 2


async def numbers(count):
    """Items that come later."""
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def alone():
    """Whether no task of a run is left."""
    names = {task.get_coro().__qualname__.partition(".")[0] for task in asyncio.all_tasks()}
    return not names & {"Crew", "Source", "_Works", "Calls"}


async def until(condition):
    """Let the others run until something is so."""
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def read(run):
    """The values of a run's results, to the last one or to an error."""
    return [result.value async for result in run]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("make", [range, numbers, lambda count: iter(range(count))])
async def test_every_item_is_called_once(make, limit, ordered):
    """Each item has one result, in order if asked for, and never more than `limit` calls are under way."""
    calls = Calls()
    run = amap(make(300), calls, limit=limit, ordered=ordered)
    results = [result async for result in run]

    places = [result.index for result in results]
    assert sorted(places) == list(range(300))
    assert not ordered or places == sorted(places)
    assert all((result.item, result.value, result.ok) == (result.index, result.index * 2, True) for result in results)
    assert calls.most <= limit
    assert calls.most > limit // 2 or make is numbers  # which come slowly
    assert (run.stats.done, run.stats.failed, run.stats.running) == (300, 0, 0)
    assert run.stats.total == (300 if make is range else None)
    assert alone()


@given(
    count=st.integers(0, 60),
    limit=st.integers(1, 20),
    seed=st.integers(0, 1000),
    leave=st.integers(0, 60),
    ordered=st.booleans(),
    later=st.booleans(),
    how=st.sampled_from(["break", "cancel", "end"]),
)
def test_nothing_is_left_wherever_it_is_left(count, limit, seed, leave, ordered, later, how):
    """Left or cancelled at any result, every call has ended, and no result that was handed out is wrong."""
    calls = Calls(seed)
    taken = []

    async def take(run):
        async with run:
            async for result in run:
                taken.append(result)
                if len(taken) > leave and how == "break":
                    break
                if len(taken) > leave and how == "cancel":
                    asyncio.current_task().cancel()

    async def main():
        task = asyncio.create_task(
            take(amap(numbers(count) if later else range(count), calls, limit=limit, ordered=ordered))
        )
        await asyncio.wait([task])
        assert task.cancelled() == (how == "cancel" and leave < count)
        assert alone()

    asyncio.run(main())
    assert calls.running == 0
    assert len({result.index for result in taken}) == len(taken)
    assert all(result.value == result.item * 2 for result in taken)
    assert len(calls.seen) <= len(taken) + 2 * limit
    if how == "end":
        assert len(taken) == count


@pytest.mark.parametrize("ordered", [False, True])
async def test_the_input_is_pulled_only_as_far_as_needed(ordered):
    """A reader that takes no more results stops the calls after 2 * `limit` items; the input may be endless."""
    pulled = []

    def endless():
        while True:
            pulled.append(None)
            yield len(pulled)

    async with amap(endless(), double, limit=10, ordered=ordered) as run:
        await anext(run)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(pulled) == 21
        await anext(run)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(pulled) == 22
    assert alone()


async def test_nothing_begins_before_a_result_is_asked_for():
    """A run that nobody reads pulls nothing, calls nothing, and can be dropped or closed."""
    calls = Calls()
    async with amap(range(3), calls):
        await asyncio.sleep(0)
    amap(range(3), calls)
    gc.collect()
    assert calls.seen == []


@pytest.mark.timeout(600)
async def test_endless_input_takes_no_memory():
    """After 100,000 items the process holds no more than after 10,000."""

    def endless():
        number = 0
        while True:
            yield f"item {number}" * 20
            number += 1

    async def length(item):
        return item

    async with amap(endless(), length, limit=50) as run:
        for _ in range(10_000):
            await anext(run)
        tracemalloc.start()
        try:
            for _ in range(1_000):
                await anext(run)
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(ITEMS - 11_000):
                await anext(run)
            assert tracemalloc.get_traced_memory()[0] < before + 100_000
        finally:
            tracemalloc.stop()


async def test_failures_are_results():
    """With "collect", the default, an error is the result of its item, and the others go on."""

    async def odd(number):
        await asyncio.sleep(0)
        if number % 2:
            raise ValueError(number)
        return number

    run = amap(range(10), odd, ordered=True)
    results = [result async for result in run]

    assert [result.ok for result in results] == [True, False] * 5
    assert results[2].unwrap() == 2
    with pytest.raises(ValueError, match="3"):
        results[3].unwrap()
    assert (run.stats.done, run.stats.failed, run.stats.finished) == (5, 5, 10)


@pytest.mark.parametrize("ordered", [False, True])
async def test_the_first_failure_is_raised(ordered):
    """With "raise", the error itself comes out in its turn, no item is pulled after it, and the rest is cancelled."""
    calls = Calls()
    never = asyncio.Event()

    async def fail(number):
        if number == 20:
            raise ValueError("of 20")
        if number > 20:
            await never.wait()
        return await calls(number)

    taken = []
    run = amap(range(1000), fail, limit=5, errors="raise", ordered=ordered)

    async def take():
        async for result in run:
            taken.append(result.index)  # noqa: PERF401 - what came before the error counts

    with anyio.fail_after(5), pytest.raises(ValueError, match="of 20"):
        await take()

    assert 10 <= len(taken) <= 20
    assert not ordered or taken == list(range(20))
    assert run.stats.failed == 1
    assert alone()
    with pytest.raises(StopAsyncIteration):
        await anext(run)


async def test_a_call_that_cancels_itself_has_failed():
    """A cancellation that comes from within the function ends its item, and nothing else."""

    async def strange(number):
        if number == 1:
            raise asyncio.CancelledError
        return number

    results = [result async for result in amap(range(3), strange, ordered=True)]
    assert [result.ok for result in results] == [True, False, True]
    assert "cancelled from within" in str(results[1].error)


@pytest.mark.parametrize("later", [False, True])
async def test_an_input_that_breaks_ends_the_run(later):
    """An error of the iterable is raised after the results that are there."""

    def broken():
        yield 1
        yield 2
        raise KeyError("broken")

    async def broken_later():
        for number in broken():
            yield number

    run = amap(broken_later() if later else broken(), double, limit=1)
    assert [(await anext(run)).value, (await anext(run)).value] == [2, 4]
    with pytest.raises(KeyError, match="broken"):
        await anext(run)
    assert alone()


async def test_an_async_input_belongs_to_one_task():
    """An async generator is advanced, and closed, in the same task, so that it may hold a time limit open."""
    tasks = []

    async def items():
        try:
            async with asyncio.timeout(60):
                for number in range(100):
                    tasks.append(asyncio.current_task())
                    yield number
        finally:
            tasks.append(asyncio.current_task())

    async with amap(items(), Calls(), limit=5) as run:
        async for result in run:
            if result.index > 50:
                break
    assert len(set(tasks)) == 1
    assert alone()


async def test_a_dropped_run_is_closed():
    """A plain `async for` that is left leaves no calls behind: the run is closed when it is dropped."""
    calls = Calls(longest=3)
    async for _ in amap(range(1_000_000), calls, limit=5):
        break
    await until(alone)
    assert calls.running == 0
    assert len(calls.seen) < 20


async def test_a_second_reader_shares_the_results():
    """Several tasks may read one run: each result goes to one of them, and all of them end."""
    run = amap(range(200), Calls(), limit=8)

    parts = await asyncio.gather(read(run), read(run), read(run))
    assert sorted(value for part in parts for value in part) == [number * 2 for number in range(200)]


async def test_cancelling_a_close_does_not_stop_it():
    """Whoever waits for the end may be cancelled; the calls end all the same."""
    calls = Calls(longest=100_000)
    run = amap(range(10), calls, limit=5)
    reader = asyncio.create_task(anext(run))
    await until(lambda: calls.running == 5)
    reader.cancel()
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await run.aclose()
    assert calls.running == 0
    assert calls.cancelled == 5
    assert alone()


# The journal.


async def test_resuming_makes_the_missing_calls_only(tmp_path):
    """A run that is left in the middle goes on with the items that have no outcome; the journal has them all then."""
    calls = Calls()
    async with amap(range(100), calls, limit=5, journal=tmp_path) as run:
        async for _ in run:
            if run.stats.done >= 50:
                break
    with Journal(tmp_path) as journal:
        kept = len(journal)
    assert kept >= 50

    more = Calls()
    run = amap(range(100), more, limit=5, journal=str(tmp_path))
    results = [result async for result in run]

    assert len(results) == len(more.seen) == 100 - kept
    assert (run.stats.resumed, run.stats.done, run.stats.finished) == (kept, 100 - kept, 100)
    with Journal(tmp_path) as journal:
        assert sorted(entry.value for entry in journal.entries()) == [number * 2 for number in range(100)]


async def test_what_was_handed_out_is_in_the_journal(tmp_path):
    """A result is recorded before anybody sees it."""
    with Journal(tmp_path) as journal:
        async for result in amap(range(50), double, limit=5, journal=journal, key=str):
            assert journal.get(str(result.item)).value == result.value
        assert not journal._closed


async def test_a_changed_item_is_called_again(tmp_path):
    """Without a key function the journal's keys change with the item and with its place."""
    calls = Calls()
    for items in (["a", "b", "b"], ["a", "c", "b"]):
        async for _ in amap(items, calls, journal=tmp_path):
            pass
    assert sorted(calls.seen) == ["a", "b", "b", "c"]


async def test_a_key_is_called_once(tmp_path):
    """An item whose key another one has is not called, whether the other one's call is over or under way."""
    calls = Calls()
    run = amap(["a", "b", "a", "c", "a", "b"] * 20, calls, limit=4, journal=tmp_path, key=str)
    results = [result async for result in run]

    assert sorted(calls.seen) == ["a", "b", "c"]
    assert len(results) == 3
    assert run.stats.resumed == 117


async def test_failures_are_outcomes_unless_they_end_the_run(tmp_path):
    """Collected failures are recorded, and called again on request; one that is raised is called again anyway."""

    async def fail(item):
        raise ValueError(item)

    await read(amap(["a", "b"], fail, journal=tmp_path / "collect", key=str))
    run = amap(["a", "b"], double, journal=tmp_path / "collect", key=str)
    assert [result async for result in run] == []
    with Journal(tmp_path / "collect", retry_failed=True) as journal:
        again = [result.value async for result in amap(["a", "b"], double, journal=journal, key=str, ordered=True)]
    assert again == ["aa", "bb"]

    with pytest.raises(ValueError, match="a"):
        await anext(amap(["a"], fail, journal=tmp_path / "raise", key=str, errors="raise"))
    with Journal(tmp_path / "raise") as journal:
        assert len(journal) == 0


async def test_a_journal_that_cannot_be_written_ends_the_run(tmp_path):
    """No call is made whose outcome would be lost: the error is raised, and nothing is left running."""
    journal = Journal(tmp_path)
    calls = Calls()
    run = amap(range(1000), calls, limit=5, journal=journal, key=str)
    await anext(run)
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        await read(run)
    assert len(calls.seen) < 20
    assert alone()


async def test_what_ends_at_once_is_recorded_at_once(tmp_path):
    """Calls that end in one turn of the loop are one write of the journal, before the first of them is handed out."""
    kept = []

    class Watched(Journal):
        def keep(self, results):
            kept.append(len(results))
            super().keep(results)

    answered = asyncio.Event()

    async def wait(item):
        await answered.wait()
        return item

    with Watched(tmp_path) as journal:
        run = amap(range(10), wait, journal=journal, key=str)
        reader = asyncio.create_task(anext(run))
        await until(lambda: run.stats.running == 10)
        assert kept == []
        answered.set()
        assert (await reader).value in range(10)
        assert kept == [10]
        assert len(journal) == 10
        assert len(await read(run)) == 9


@pytest.mark.parametrize("turns", range(4))
async def test_what_has_ended_is_recorded_when_a_run_is_left(tmp_path, turns):
    """However soon after the answers a run is closed, what the calls returned is in the journal."""
    answered = asyncio.Event()
    ended = []

    async def wait(item):
        await answered.wait()
        ended.append(item)

    run = amap(range(5), wait, limit=5, journal=tmp_path, key=str)
    reader = asyncio.create_task(anext(run))
    await until(lambda: run.stats.running == 5)
    answered.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    await run.aclose()
    await asyncio.gather(reader, return_exceptions=True)
    with Journal(tmp_path) as journal:
        assert sorted(entry.key for entry in journal.entries()) == sorted(map(str, ended))
    assert len(ended) == 5


async def test_what_cannot_be_recorded_costs_no_other_answer(tmp_path):
    """Where one of several values is no JSON, the others of its turn are in the journal, and the error names it."""
    answered = asyncio.Event()

    async def thing(item):
        await answered.wait()
        return object() if item == "b" else item

    run = amap(["a", "b", "c"], thing, journal=tmp_path, key=str)
    reader = asyncio.create_task(read(run))
    await until(lambda: run.stats.running == 3)
    answered.set()
    with pytest.raises(TypeError, match="outcome of 'b' can't be written as JSON"):
        await reader
    with Journal(tmp_path) as journal:
        assert {entry.key: entry.value for entry in journal.entries()} == {"a": "a", "c": "c"}


async def test_what_cannot_be_recorded_is_named(tmp_path):
    """A value that is no JSON, an item without a key: the error says what is wrong, and what to do."""

    async def thing(item):
        del item
        return object()

    with pytest.raises(TypeError, match="outcome of 'a' can't be written as JSON"):
        await anext(amap(["a"], thing, journal=tmp_path, key=str))
    with pytest.raises(TypeError, match="an item of type object has no key of its own: give key="):
        await anext(amap([object()], thing, journal=tmp_path))
    with pytest.raises(TypeError, match="key must return text, not a int"):
        await anext(amap([1], thing, journal=tmp_path, key=lambda item: item))


async def test_the_journal_is_synced_beside_the_calls(tmp_path):
    """As long as a run goes on, its journal is synced again and again, and once more in the end."""
    synced = []

    class Watched(Journal):
        def sync(self):
            synced.append(len(self))
            super().sync()

    with Watched(tmp_path, fsync=0.001) as journal:
        async for _ in amap(range(200), double, limit=1, journal=journal, key=str):
            await until(lambda: len(synced) >= 3)
        assert synced[-1] == 200


# Totals, limiters, arguments.


class Answer:
    """Looks like a raw response."""

    status_code = 200
    headers = {"x-ratelimit-limit-requests": "10"}
    retries_taken = 2

    def __init__(self, usage):
        self.usage = usage


USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


async def test_totals_add_up():
    """Tokens are those of the values, retries and refusals those that values and errors tell of."""
    refused = RateLimitError("slow down", status_code=429)
    refused.attempts = (Attempt("429", 429, 0.1, 1.0), Attempt("500", 500, 0.1, 1.0), Attempt("429", 429, 0.1, None))

    async def ask(item):
        if isinstance(item, Exception):
            raise item
        return item

    items = [{"usage": USAGE}, Answer(None), {"usage": None}, refused, RateLimitError("no", status_code=429), "text"]
    run = amap(items, ask, ordered=True)
    results = [result async for result in run]

    assert results[0].usage.total_tokens == 15
    assert [result.usage for result in results[1:]] == [None] * 5
    stats = run.stats
    assert (stats.done, stats.failed, stats.retries, stats.rate_limited) == (4, 2, 4, 3)
    assert (stats.prompt_tokens, stats.completion_tokens) == (10, 5)
    assert (stats.cached_tokens, stats.reasoning_tokens) == (4, 3)
    assert stats.seconds > 0


async def test_a_limiter_lets_every_call_through():
    """Each call has a permit, told of heads where the outcome has one, and settled with the tokens where it knows."""
    limiter = WatchingLimiter()

    async def ask(item):
        if item == "fail":
            raise RateLimitError("no", status_code=429, headers={"retry-after": "1"})
        return item if isinstance(item, dict) else Answer(None)

    items = [{"messages": [], "max_tokens": 100, "usage": USAGE}, "x" * 400, "fail", 5]

    async def maybe(item):
        return await ask(item)

    async for _ in amap(items, maybe, limiter=limiter, limit=1):
        pass

    assert limiter.acquired[0] > 100
    assert limiter.acquired[1:] == [100, 1, 0]
    assert limiter.log == [
        ("settle", 1, 15),
        ("observe", 2, 200),
        ("settle", 2, None),
        ("observe", 3, 429),
        ("settle", 3, None),
        ("observe", 4, 200),
        ("settle", 4, None),
    ]


async def test_a_permit_that_fails_costs_no_answer(tmp_path, caplog):
    """What a permit raises is logged; the answer is recorded and handed out."""

    class Broken:
        async def acquire(self, *, tokens):
            del tokens
            return self

        def settle(self, used_tokens):
            del used_tokens
            raise ZeroDivisionError

    assert await read(amap([1], double, limiter=Broken(), journal=tmp_path)) == [2]
    assert "a permit of the limiter failed" in caplog.text


async def test_permits_of_cancelled_calls_are_settled():
    """Leaving the run settles the permits of the calls that it cancels."""
    limiter = WatchingLimiter()

    async def ask(item):
        if item:
            await asyncio.Event().wait()

    async with amap(range(10), ask, limiter=limiter, limit=3) as run:
        await anext(run)
        await until(lambda: len(limiter.acquired) == 4)
    assert sorted(number for _, number, _ in limiter.log) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fn": 3}, TypeError, "fn must be an async function, not a int"),
        ({"items": 3}, TypeError, "items must be an iterable or an async iterable, not a int"),
        ({"items": "text"}, TypeError, "not a str"),
        ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        ({"limit": 1.5}, TypeError, "limit must be a whole number, not a float"),
        ({"limit": True}, TypeError, "not a bool"),
        ({"errors": "ignore"}, ValueError, '"collect" or "raise", not \'ignore\''),
        ({"limiter": object()}, TypeError, "limiter must have a method acquire"),
    ],
)
async def test_arguments_that_cannot_be_used_are_named(arguments, error, message):
    """A wrong argument is told of by the call itself, before anything happens."""
    given_ = {"items": [], "fn": double, **arguments}
    with pytest.raises(error, match=message):
        amap(given_.pop("items"), given_.pop("fn"), **given_)


# What should never happen.


async def test_a_call_that_ignores_its_end_is_left_behind(monkeypatch, caplog):
    """Closing waits for cancelled calls for a limited time, and then logs how many still run."""
    monkeypatch.setattr(crew, "_GRACE", 0.01)
    end = asyncio.Event()

    async def stubborn(item):
        while not end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await end.wait()
        return item

    run = amap(range(10), stubborn, limit=3)
    reader = asyncio.create_task(anext(run))
    await until(lambda: run.stats.running == 3)
    with anyio.fail_after(5):
        await run.aclose()
    assert "3 calls of a bulk run are still running" in caplog.text
    end.set()
    await until(alone)
    with pytest.raises(StopAsyncIteration):
        await reader


async def test_a_disk_that_cannot_sync_ends_the_run(tmp_path, monkeypatch):
    """Where outcomes can't be made durable, the run ends with the error, and so does closing the journal."""

    def fail(number):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    journal = Journal(tmp_path, fsync=0.001)
    run = amap(itertools.count(), Calls(), limit=2, journal=journal, key=str)
    with anyio.fail_after(5), pytest.raises(JournalError, match="can't be synced: Input/output error"):
        await read(run)
    with pytest.raises(JournalError, match="can't be synced"):
        journal.close()
    assert journal._own.closed
    assert alone()


async def test_many_done_items_let_others_run(tmp_path):
    """While a resumed run skips what is done, other tasks get their turn."""
    with Journal(tmp_path, fsync="never") as journal:  # no thread at the end, for which they would have turns as well
        for number in range(5000):
            journal.record(str(number), None)
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        assert await read(amap(range(5000), double, limit=4, journal=journal, key=str)) == []
        task.cancel()
        assert turns >= 10


# With the client.


@pytest.mark.sockets
async def test_completions_are_recorded_and_counted(tmp_path):
    """Completions go into the journal whole, and their tokens into the totals."""
    async with serve() as url, AsyncOpenAI(base_url=url, api_key="") as client:

        async def ask(text):
            return await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])

        run = amap(["Say 3 words.", "Say 4 words."], ask, journal=tmp_path, key=str, ordered=True)
        results = [result async for result in run]

    assert run.stats.completion_tokens == sum(result.value.usage.completion_tokens for result in results)
    assert run.stats.prompt_tokens == sum(result.usage.prompt_tokens for result in results)
    with Journal(tmp_path) as journal:
        for result in results:
            assert ChatCompletion.from_dict(journal.get(result.key).value) == result.value


@pytest.mark.sockets
async def test_leaving_aborts_the_requests_under_way():
    """A run that is left hangs up on the server at once: nothing more is generated."""

    async def never(request):
        if request["messages"][0]["content"] != "0":
            await asyncio.Event().wait()
        return "Yes."

    async with serve(never) as url, AsyncOpenAI(base_url=url, api_key="") as client:

        async def ask(number):
            messages = [{"role": "user", "content": str(number)}]
            return await client.chat.completions.create(model="m", messages=messages)

        async with amap(range(100), ask, limit=5) as run:
            await anext(run)
            with anyio.fail_after(10):
                while len(url.requests) < 6:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.001)
        with anyio.fail_after(10):
            await url.wait_aborts(5)


def test_without_a_loop_of_asyncios_the_error_says_so() -> None:
    """As under trio, or where a coroutine is driven by hand."""

    async def nothing(item: int) -> int:
        return item

    with pytest.raises(OpenAIError, match="asyncio event loop is running here"):
        anext(amap([1], nothing)).send(None)
