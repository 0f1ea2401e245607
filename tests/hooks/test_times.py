"""How long things take, in virtual time: what counts from where."""

from __future__ import annotations

from typing import Any

import pytest
from support import clock
from support.rawserver import completion, event, hello
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, errors
from openai_async.api.watch import Watch
from openai_async.hooks import AttemptEnded, FirstToken, RequestEnded
from openai_async.protocol import codec

MESSAGES: Any = [{"role": "user", "content": "hi"}]


async def told_of(*script: Any, stream: bool = True, **settings: Any) -> list[Any]:
    """The records of one request whose transport plays a script; scripts are made inside of the loop."""
    told: list[Any] = []
    transport = ScriptedTransport([make() for make in script])
    async with AsyncOpenAI(api_key="k", transport=transport, hooks=[told.append], **settings) as client:
        try:
            answer: Any = await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
            if stream:
                await answer.final()
        except errors.APIError:
            assert told[-1].outcome == "error"
    return told


def of(kind: type[Any], told: list[Any]) -> list[Any]:
    """The records of one kind."""
    return [record for record in told if isinstance(record, kind)]


def refusal() -> ScriptedResponse:
    """A refusal after 2 s, with a wait of 4 s to follow."""
    body = codec.dumps({"error": {"message": "slow"}})
    return ScriptedResponse(body, status=429, headers={"retry-after": "4"}, before=2.0)


def streamed() -> ScriptedResponse:
    """A head after 1 s, the role at once, content after 8 s more, the rest after 16 s more."""
    role, hel, lo, end = map(event, hello())
    return ScriptedResponse(role, 8.0, hel, 16.0, lo, end, b"data: [DONE]\n\n", headers=EVENT_STREAM, before=1.0)


def test_stream_after_a_retry() -> None:
    """The request's times count from its start, waits included; an attempt's from its own."""
    told = clock.run(told_of(refusal, streamed))

    first, second = of(AttemptEnded, told)
    assert (first.seconds, first.delay) == pytest.approx((2.0, 4.0))
    assert second.seconds == pytest.approx(9.0)
    (token,) = of(FirstToken, told)
    (end,) = of(RequestEnded, told)
    assert token.seconds == end.first_token == pytest.approx(15.0)
    assert end.seconds == pytest.approx(31.0)


def test_plain_call() -> None:
    """A plain call takes until its body is here."""
    told = clock.run(told_of(lambda: ScriptedResponse(3.0, codec.dumps(completion()), before=1.0), stream=False))

    (end,) = of(RequestEnded, told)
    (attempt,) = of(AttemptEnded, told)
    assert (end.seconds, attempt.seconds) == pytest.approx((4.0, 4.0))


def test_wait_that_is_too_long() -> None:
    """Where the limit would pass before the next attempt, there is none, and the end is told at once."""
    told = clock.run(told_of(refusal, timeout=5.0))

    (attempt,) = of(AttemptEnded, told)
    (end,) = of(RequestEnded, told)
    assert attempt.delay is None
    assert (end.outcome, end.error) == ("error", "RateLimitError")
    assert end.seconds == pytest.approx(2.0)


def test_nothing_is_told_for_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of a thousand chunks calls hooks and their watch as often as one of three."""
    calls: list[str] = []
    for name in ("answered", "first_token", "end"):
        method = getattr(Watch, name)
        monkeypatch.setattr(Watch, name, lambda *given, name=name, method=method: (calls.append(name), method(*given)))

    def long() -> ScriptedResponse:
        role, hel, _, end = map(event, hello())
        return ScriptedResponse(role, *[hel] * 1000, end, b"data: [DONE]\n\n", headers=EVENT_STREAM)

    told = clock.run(told_of(long))

    assert len(told) == 4
    assert told[-1].chunks == 1002
    assert calls == ["answered", "first_token", "end"]
