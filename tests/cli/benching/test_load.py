"""The load of a bench run, over real sockets."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio
import pytest
from support import clock
from support.rawserver import RawServer, answer, chunk, event, hello, sse
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI
from openai_async.cli.benching.load import Load, Pace
from openai_async.cli.benching.tally import BenchTally

pytestmark = pytest.mark.sockets

BODY = {"model": "m", "messages": [], "stream": True}
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
WHOLE = [*hello(), chunk(usage=USAGE) | {"choices": []}]


async def load(*handlers, bodies=(BODY,), **pace):
    """Run a load against a server that answers so; returns the tally and the server."""
    tally = BenchTally()
    async with (
        RawServer(*handlers) as server,
        AsyncOpenAI(base_url=server.url, api_key="", max_retries=0) as client,
    ):
        with anyio.fail_after(30):
            await Load(client, bodies, Pace(**{"requests": None, "concurrency": 2, **pace})).run(tally)
    return tally, server


@pytest.mark.anyio
async def test_so_many_requests():
    """Exactly the requests that are asked for are sent, and each body in its turn, round and round."""
    bodies = [{**BODY, "seed": number} for number in range(3)]

    tally, server = await load(sse(WHOLE), bodies=bodies, requests=7, concurrency=1)

    assert [request.json["seed"] for request in server.requests] == [0, 1, 2, 0, 1, 2, 0]
    assert (tally.answered, tally.failed, tally.chunks, tally.tokens) == (7, 0, 14, 21)
    assert (tally.first.count, tally.gaps.count, tally.whole.count) == (7, 7, 7)
    assert tally.first.most <= tally.whole.most
    assert tally.seconds > 0
    assert not tally.late.count


class Room:
    """A server that keeps its answers back until so many requests are here."""

    def __init__(self, size):
        self.size = size
        self.here = 0
        self.most = 0
        self.full = asyncio.Event()

    async def __call__(self, peer):
        """Answer one request."""
        self.here += 1
        self.most = max(self.most, self.here)
        if self.here >= self.size:
            self.full.set()
        await self.full.wait()
        self.here -= 1
        await sse(WHOLE)(peer)


@pytest.mark.anyio
async def test_so_many_at_once():
    """As many requests are open at once as there are readers, and never more."""
    room = Room(4)

    tally, _ = await load(room, requests=12, concurrency=4)

    assert tally.answered == 12
    assert room.most == 4


@pytest.mark.anyio
async def test_failures_are_counted():
    """What fails is counted by its kind; the rest goes on."""
    refusal = answer({"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}, 429)
    cut = sse([chunk("a"), chunk("b")], done=False, ending="fin")

    tally, _ = await load(sse(WHOLE), refusal, cut, sse(WHOLE), requests=4, concurrency=1)

    assert (tally.answered, tally.failed) == (2, 2)
    assert set(tally.errors) == {"RateLimitError 429 rate_limit_exceeded", "IncompleteStreamError"}
    assert (tally.first.count, tally.whole.count) == (3, 2)


@pytest.mark.anyio
async def test_a_server_that_only_fails():
    """Ten failures without an answer end it, however many requests are left."""
    _, server = await load(answer({"error": {"message": "No."}}, 401), requests=1000, concurrency=1)
    _, rated = await load(answer({"error": {"message": "No."}}, 401), requests=1000, concurrency=20, rate=500)

    assert len(server.requests) == 10
    assert len(rated.requests) < 100


@pytest.mark.anyio
async def test_cancelling_keeps_what_was_counted():
    """Cancelled, it aborts the requests under way; what was counted stays, and the clocks stand."""
    here = asyncio.Event()

    async def stuck(peer):
        here.set()
        await peer.gone()
        peer.fin()

    tally = BenchTally()
    async with RawServer(sse(WHOLE), stuck) as server, AsyncOpenAI(base_url=server.url, api_key="") as client:
        load = asyncio.create_task(Load(client, [BODY], Pace(requests=5, concurrency=1)).run(tally))
        await here.wait()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load

    assert (tally.answered, tally.failed) == (1, 0)
    assert tally.seconds > 0


# In virtual time, whose moments are sums of seconds, and rounded.

near = partial(pytest.approx, abs=1e-6)


def stream(*parts):
    """A streamed answer: contents, and the seconds between them; and its end."""
    made = [part if isinstance(part, float) else event(chunk(part)) for part in parts]
    return ScriptedResponse(*made, event(chunk(finish="stop")), event("[DONE]"), headers=EVENT_STREAM)


def played(*answers, **pace):
    """Run a load against answers that take no time but their own; returns the tally and when requests began."""
    tally = BenchTally()

    async def main():
        transport = ScriptedTransport(answers)
        began = asyncio.get_running_loop().time()
        async with AsyncOpenAI(transport=transport, api_key="", max_retries=0) as client:
            await Load(client, [BODY], Pace(**{"requests": len(answers), "concurrency": 1, **pace})).run(tally)
        return [time - began for time in transport.times]

    return tally, clock.run(main())


def test_times_are_exact():
    """First token, gaps and the whole answer are measured from the request on, to the moment."""
    tally, _ = played(stream(3.0, "a", 0.5, "b", 0.25, "c", 1.0))

    assert (tally.first.least, tally.first.most) == near((3.0, 3.0))
    assert (tally.gaps.count, tally.gaps.least, tally.gaps.most) == near((2, 0.25, 0.5))
    assert tally.whole.total == near(4.75)
    assert tally.chunk_speeds.total == near(2 / 0.75)


def test_pieces_of_one_read_came_together():
    """What one read brought has no time in between."""
    together = ScriptedResponse(
        *[2.0, b"".join(event(chunk(text)) for text in "abc"), 1.0, event(chunk("d", finish="stop")), event("[DONE]")],
        headers=EVENT_STREAM,
    )

    tally, _ = played(together)

    assert (tally.gaps.zeros, tally.gaps.total, tally.first.total) == near((2, 1.0, 2.0))


def test_readers_ask_again_at_once():
    """Without a rate the next request begins when an answer is there: the server sets the pace."""
    _, began = played(*[stream("a", 1.0) for _ in range(4)], concurrency=2)

    assert began == near([0, 0, 1, 1])


def test_a_rate_does_not_wait_for_answers():
    """With a rate requests begin at their time, however slow the answers are, as users' do."""
    tally, began = played(*[stream("a", 9.0) for _ in range(4)], concurrency=10, rate=2)

    assert began == near([0, 0.5, 1, 1.5])
    assert (tally.late.count, tally.late.most) == near((4, 0))


def test_late_requests_are_told():
    """Where no reader is free at a request's time, it begins late, and how late is counted."""
    tally, began = played(*[stream("a", 2.0) for _ in range(3)], concurrency=1, rate=1)

    assert began == near([0, 2, 4])
    assert (tally.late.total, tally.late.most) == near((3, 2))


def test_nothing_begins_after_the_duration():
    """After the duration no request begins; one under way is read to its end."""
    tally, began = played(*[stream("a", 0.75) for _ in range(3)], duration=2.0, requests=None)

    assert began == near([0, 0.75, 1.5])
    assert tally.answered == 3


def test_a_rate_and_a_duration():
    """Together they say how many requests there are."""
    _, began = played(*[stream("a", 5.0) for _ in range(4)], duration=2.0, requests=None, rate=2, concurrency=9)

    assert began == near([0, 0.5, 1, 1.5])


def test_requests_that_never_began_are_counted():
    """Those whose time came before the end of the duration, and for which no reader was free until then."""
    tally, began = played(*[stream("a", 9.0) for _ in range(2)], duration=2.0, requests=None, rate=5, concurrency=2)

    assert began == near([0, 0.2])
    assert tally.missed == 8
