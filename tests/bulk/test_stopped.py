"""A run that every further call of would be refused: it ends by itself, keeps what was answered, and goes on later."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from openai_async import AsyncOpenAI, AuthenticationError, InsufficientQuotaError
from openai_async.bulk import BulkStats, BulkStoppedError, Journal, amap, crew
from openai_async.bulk.stopped import Refusals
from openai_async.errors import APIStatusError, PermissionDeniedError, RateLimitError
from openai_async.server import serve

pytestmark = pytest.mark.anyio

QUOTA = InsufficientQuotaError("You exceeded your current quota.", status_code=429, code="insufficient_quota")
UNKNOWN = AuthenticationError("Incorrect API key provided.", status_code=401)


def forbidden(code=None, body=None):
    """A 403."""
    return PermissionDeniedError("No.", status_code=403, code=code, body=body)


async def read(run):
    """The items that have results."""
    return [result.item async for result in run]


@pytest.mark.sockets
async def test_a_wrong_key_ends_the_run_and_the_right_one_goes_on(tmp_path):
    """A key that is refused stops a run of thousands after a few requests; nothing is recorded of it."""
    async with serve(api_key="right") as url:

        async def run(key):
            async with AsyncOpenAI(base_url=url, api_key=key) as client:

                async def ask(number):
                    messages = [{"role": "user", "content": str(number)}]
                    return await client.chat.completions.create(model="m", messages=messages)

                return await read(amap(range(50), ask, limit=5, journal=tmp_path))

        with pytest.raises(
            BulkStoppedError, match="stopped with 0 of 50 done and in the journal: run it again"
        ) as caught:
            await run("wrong")
        assert isinstance(caught.value.reason, AuthenticationError)
        assert caught.value.__cause__ is caught.value.reason
        asked = len(url.requests)
        assert asked <= 10
        assert sorted(await run("right")) == list(range(50))
        assert len(url.requests) == asked + 50


async def test_a_quota_that_is_used_up_costs_nothing_that_was_paid_for(tmp_path):
    """Calls under way when the quota ends are waited for and recorded; the next run makes only the others."""
    release = asyncio.Event()
    called = []

    async def ask(number):
        called.append(number)
        if number == 4:
            asyncio.get_running_loop().call_later(0.01, release.set)
            raise QUOTA
        if number < 4:
            await release.wait()
        return number

    run = amap(range(100), ask, limit=5, journal=tmp_path, key=str)
    with pytest.raises(BulkStoppedError, match="with 4 of 100 done"):
        await read(run)
    assert called == [0, 1, 2, 3, 4]
    assert run.stats.done == 4
    assert run.stats.failed == 0
    with Journal(tmp_path) as journal:
        assert sorted(entry.key for entry in journal.entries()) == ["0", "1", "2", "3"]


async def test_nobody_is_waited_for_without_end(monkeypatch):
    """A call that never ends is cancelled with the run, once the patience is over."""
    monkeypatch.setattr(crew, "_PATIENCE", 0.01)
    cancelled = []

    async def ask(number):
        if number:
            raise QUOTA
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(number)

    with pytest.raises(BulkStoppedError, match=r"was stopped with 0 of 2 done\.$"):
        await read(amap(range(2), ask, limit=2))
    assert cancelled == [0]


async def test_a_wrong_key_is_not_waited_for():
    """Where the key is refused, calls under way are cancelled at once: none of them is answered."""

    async def ask(number):
        if number:
            raise UNKNOWN
        await asyncio.Event().wait()

    with pytest.raises(BulkStoppedError):
        await read(amap(range(2), ask, limit=2))


async def test_an_item_that_comes_later_is_not_called():
    """A queue that gives its next item after the run was stopped has it given to nobody."""
    called = []
    ready = asyncio.Event()

    async def queue():
        yield 0
        yield 1
        await ready.wait()
        yield 2

    async def ask(number):
        called.append(number)
        if number == 1:
            ready.set()
            raise QUOTA
        for _ in range(20):
            await asyncio.sleep(0)
        return number

    run = amap(queue(), ask, limit=5)
    assert (await anext(run)).item == 0
    with pytest.raises(BulkStoppedError):
        await anext(run)
    assert called == [0, 1]


async def test_it_may_be_a_failure_like_any_other(tmp_path):
    """With give_up=False every call is made, and every refusal is recorded; with errors="raise" the first is raised."""

    async def ask(number):
        raise UNKNOWN

    run = amap(range(20), ask, limit=5, journal=tmp_path, give_up=False)
    assert len(await read(run)) == run.stats.failed == 20
    with pytest.raises(AuthenticationError):
        await read(amap(range(20), ask, errors="raise"))


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (UNKNOWN, True),
        (QUOTA, True),
        (APIStatusError("Insufficient Balance", status_code=402), True),
        (RateLimitError("Slow down.", status_code=429), False),
        (forbidden(), True),
        (forbidden(code="unsupported_country_region_territory"), True),
        (forbidden(code="content_policy_violation"), False),
        (forbidden(body={"metadata": {"reasons": ["violence"], "flagged_input": "…"}}), False),
        (ValueError("of the function's own"), False),
    ],
    ids=lambda value: getattr(value, "code", None) or type(value).__name__,
)
def test_which_refusals_stand_against_all_calls(error, final):
    """The key's and the account's; not those of one request."""
    assert Refusals().final(error) is final


def test_a_403_after_an_answer_is_about_one_request_unless_it_stays():
    """A key that was good before is not given up for one 403, and is for ten in a row."""
    refusals = Refusals()
    refusals.note_answer()
    assert not any(refusals.final(forbidden()) for _ in range(9))
    refusals.note_answer()
    assert [refusals.final(forbidden()) for _ in range(10)] == [False] * 9 + [True]


def test_it_goes_from_process_to_process():
    """Ray hands errors on pickled: what was said and how far it came survive."""
    error = pickle.loads(pickle.dumps(BulkStoppedError(QUOTA, BulkStats(total=9, done=3), kept=True)))

    assert str(error) == str(BulkStoppedError(QUOTA, BulkStats(total=9, done=3), kept=True))
    assert (error.stats.done, error.kept, error.paid) == (3, True, True)
