"""A response under a permit: the permit is settled once, whatever becomes of the response."""

from __future__ import annotations

from typing import Any

import pytest
from support.limiter import WatchingLimiter
from support.scripted import ScriptedResponse

from openai_async.transport.permitted import PermittedResponse

pytestmark = pytest.mark.anyio


class Answer:
    """Something that was made of a response, and knows what it cost."""

    tokens = 7


def used(answer: Any) -> int | None:
    """What an answer says that it cost."""
    return getattr(answer, "tokens", None)


async def permitted(limiter: WatchingLimiter) -> tuple[PermittedResponse, ScriptedResponse]:
    """A response with its permit."""
    response = ScriptedResponse(b"a", b"b", status=201)
    return PermittedResponse(await limiter.acquire(tokens=1), used).take(response), response


async def test_response_is_the_same() -> None:
    """Head and bytes go through untouched, and the permit sees the head."""
    limiter = WatchingLimiter()
    one, response = await permitted(limiter)

    assert (one.status, one.headers) == (201, response.headers)
    assert [await one.read() for _ in range(3)] == [b"a", b"b", b""]
    assert limiter.log == [("observe", 1, 201)]
    one.release()
    one.void()
    assert (response.released, response.closed) == (1, 0)


@pytest.mark.parametrize("end", ["release", "close"])
async def test_end_before_the_answer(end: str) -> None:
    """A response that ended while it was read is settled when the answer is there."""
    limiter = WatchingLimiter()
    one, _ = await permitted(limiter)
    getattr(one, end)()
    assert limiter.log[1:] == []
    one.hand_over(Answer())
    one.close()
    one.void()

    assert limiter.log[1:] == [("settle", 1, 7)]


@pytest.mark.parametrize("end", ["release", "close"])
async def test_end_after_the_answer(end: str) -> None:
    """One whose body is still to come is settled at its end, with what the answer says by then."""
    limiter = WatchingLimiter()
    one, _ = await permitted(limiter)
    answer = Answer()
    one.hand_over(answer)
    assert limiter.log[1:] == []
    answer.tokens = 9
    getattr(one, end)()
    one.close()

    assert limiter.log[1:] == [("settle", 1, 9)]


async def test_answer_that_is_gone() -> None:
    """The answer is not kept alive for the count's sake."""
    limiter = WatchingLimiter()
    one, _ = await permitted(limiter)
    one.hand_over(Answer())
    one.close()

    assert limiter.log[1:] == [("settle", 1, None)]


async def test_answer_that_can_not_be_referred_to() -> None:
    """An answer of a type without weak references is no error."""
    limiter = WatchingLimiter()
    one, _ = await permitted(limiter)
    one.hand_over(5)
    one.release()

    assert limiter.log[1:] == [("settle", 1, None)]


async def test_attempt_without_a_response() -> None:
    """An attempt that brought none is settled all the same, once."""
    limiter = WatchingLimiter()
    one = PermittedResponse(await limiter.acquire(tokens=1), used)
    one.void()
    one.void()
    one.close()

    assert limiter.log == [("settle", 1, None)]


async def test_dropped_response() -> None:
    """One that is dropped unread is settled when it goes."""
    limiter = WatchingLimiter()
    one, _ = await permitted(limiter)
    del one

    assert limiter.log[1:] == [("settle", 1, None)]
