"""Time: whatever a server does in the place of an answer, a call ends when its limit passes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from support.rawserver import Handler, Peer, answer, chunk, deaf, event, hello, sse

from promises.case import Case, Check
from promises.checks import aborted, asked, ended, happened, lasts, noted, says, times_out
from promises.seen import Seen
from promises.user import User, plain, stream

__all__ = ["CASES"]

ROLE, HEL, LO, STOP = map(event, hello())
LIMIT = 0.15  # seconds
DRIP = 0.02  # seconds between what a server sends that has all the time of the world

TIME = "tests/reliability/test_time.py"
TIMER = "tests/transport/test_timer.py"
EXCHANGE = "tests/transport/test_exchange.py"


async def silent(peer: Peer) -> None:
    """Never answer."""
    await peer.gone()


def dripping(*pieces: bytes, first: bytes = b"", status: int = 200, kind: str = "text/event-stream") -> Handler:
    """Answer with `first`, and then with the pieces over and over; without any, with nothing more."""

    async def handle(peer: Peer) -> None:
        await peer.head(status, content_type=kind, transfer_encoding="chunked")
        if first:
            await peer.chunk(first)
        for piece in itertools.cycle(pieces):
            await peer.chunk(piece)
            await asyncio.sleep(DRIP)
        await peer.gone()

    return handle


def _stall(
    id: str,
    topic: str,
    needs: list[int],
    promise: str,
    limits: dict[str, float],
    handler: Handler,
    *proofs: str,
    **more: Any,
) -> Case:
    """A case of a server that brings nothing, and of the limit that passes."""
    checks: list[Check] = [times_out(LIMIT), asked(more.pop("requests", 1))]
    return Case(
        id=id, topic=topic, needs=needs, promise=promise, server=[handler], checks=checks,
        options={"limits": limits, **more.pop("options", {})}, proofs=proofs, **more,
    )  # fmt: skip


PINGED = f"{TIME}::test_idle"
OPENED = f"{TIME}::test_first_token_before_the_content"
COUNTS = "tests/api/test_stream.py::test_idle_limit_counts_payload_only"
IDLE, FIRST, TOTAL = {"idle": LIMIT}, {"first_token": LIMIT}, {"total": LIMIT}

STALLS = [
    _stall("pings", "keep-alives", [2], "Comments that keep a connection alive do not put off the idle limit.", IDLE,
           dripping(b": ping\n\n", first=ROLE + HEL), PINGED, COUNTS),
    _stall("pings-roles", "keep-alives", [2], "Chunks that say nothing do not put off the idle limit.", IDLE,
           dripping(event(chunk("")), first=ROLE + HEL), PINGED, COUNTS),
    _stall("pings-events", "keep-alives", [2], "Events named `ping` do not put off the idle limit.", IDLE,
           dripping(b"event: ping\ndata: {}\n\n", first=ROLE + HEL), PINGED),
    _stall("pings-first", "keep-alives", [2, 12], "Comments before the first token do not put off its limit.", FIRST,
           dripping(b": ping\n\n"), OPENED),
    _stall("pings-role", "keep-alives", [2, 12], "The role is no first token.", FIRST, dripping(first=ROLE), OPENED),
    _stall("bytes-of-an-event", "keep-alives", [2], "An event that comes byte by byte, and never ends, is silence.", IDLE,
           dripping(b"x", first=ROLE + HEL + b'data: {"id": "'), PINGED),
    _stall("silent-stream", "silent servers", [2], "A stream that falls silent ends at the idle limit.", IDLE,
           dripping(first=ROLE + HEL), PINGED),
    _stall("silent-head", "silent servers", [2, 12], "A server that never answers is given up at the first-token limit.", FIRST,
           silent, f"{TIME}::test_first_token_before_the_head"),
]  # fmt: skip


# The total.


FAILING = answer({"error": {"message": "no"}}, 503, {"retry-after-ms": "100"})

TOTALS = [
    Case(
        id="total-retries", topic="one total", needs=[11], promise="The total limit spans all attempts, and the waits between them.",
        server=[silent], options={"limits": TOTAL, "max_retries": 2}, checks=[lambda seen: _failed(seen) or lasts(LIMIT, LIMIT + 0.5)(seen)],
        proofs=[f"{TIME}::test_total_spans_attempts", f"{EXCHANGE}::test_spans_attempts_and_waits"],
    ),
    Case(
        id="total-backoff", topic="one total", needs=[11], promise="No wait between attempts goes beyond the total.",
        server=[FAILING], options={"limits": TOTAL, "max_retries": 20}, checks=[lambda seen: _failed(seen) or lasts(0, LIMIT + 0.3)(seen)],
        proofs=[f"{TIME}::test_wait_that_would_pass_the_total", f"{EXCHANGE}::test_does_not_wait_beyond_it"],
    ),
    _stall("total-tokens", "one total", [11], "A stream of tokens without end is ended by the total.", TOTAL,
           dripping(LO, first=ROLE + HEL), f"{TIME}::test_ways_to_read", "tests/api/test_stream.py::test_total_limit_spans_the_stream"),
    _stall("total-plain", "one total", [11], "A plain answer that comes in drops is ended by the total.", TOTAL,
           dripping(b" ", kind="application/json"), f"{TIME}::test_total_of_an_answer", "tests/api/test_opening.py::test_slow_body", user=plain),
    Case(
        id="total-refusal", topic="one total", needs=[11], promise="A refusal whose body never ends is raised when the total has passed.",
        server=[dripping(b" ", first=b"no", status=400)], options={"limits": TOTAL}, user=plain,
        checks=[lambda seen: _failed(seen) or lasts(0, LIMIT + 0.5)(seen)],
        proofs=[f"{TIME}::test_refusals_that_never_end", f"{EXCHANGE}::test_stalled"],
    ),
]  # fmt: skip


def _failed(seen: Seen) -> str | None:
    return None if seen.is_own() and not seen.hung else happened(seen)


# Connections.


async def _unconnected(user: User) -> None:
    with deaf() as url:
        user.client(url=url)
        await stream(user)


async def _queued(user: User) -> None:
    """Hold the only connection, and ask for another."""
    held = await user.open()
    began = asyncio.get_running_loop().time()
    try:
        await user.open()
    finally:
        user.seen.notes["waited"] = asyncio.get_running_loop().time() - began
        await held.close()


async def _slow(user: User) -> None:
    """Take longer for each piece of text than the idle limit."""
    async with await user.open() as chunks:
        async for one in chunks:
            user.note(one)
            if one.choices[0].delta.content:
                await asyncio.sleep(LIMIT * 1.2)


async def _impatient(user: User) -> None:
    """Have a limit of one's own around a call."""
    user.client()
    try:
        async with asyncio.timeout(LIMIT):
            await stream(user)
    except TimeoutError:
        user.seen.notes["own"] = True
        await user.left()


CONNECTIONS = [
    _stall("connect", "limits of connections", [17], "A connection that never opens is given up at the connect limit.",
           {"connect": LIMIT}, silent, f"{TIME}::test_connect", user=_unconnected, requests=0),
    _stall("pool", "limits of connections", [21], "A call that gets no connection of the pool is given up at the pool limit.",
           {"pool": LIMIT}, dripping(first=ROLE + HEL), f"{TIME}::test_pool", user=_queued, options={"connections": 1}),
    Case(
        id="slow-reader", topic="slow readers", needs=[2], promise="The time that a reader takes is not the server's silence.",
        server=[sse(hello())], options={"limits": IDLE}, user=_slow, checks=[says()],
        proofs=[f"{TIME}::test_busy_reader_is_not_idle", "tests/api/test_stream.py::test_slow_reader_is_not_idle"],
    ),
    Case(
        id="own-limit", topic="the caller's limits", needs=[58], promise="A limit of the caller's own ends a call as the caller's.",
        server=[dripping(b": ping\n\n")], user=_impatient, checks=[ended, noted("own", True, wrong="limit swallowed"), aborted],
        proofs=[f"{TIME}::test_callers_own_limits", f"{TIMER}::test_time_out_of_the_callers_own"],
    ),
    Case(
        id="first-token-retried", topic="silent servers", needs=[12], promise="A server that brings no token in time is asked again, as nothing was handed out.",
        server=[dripping(b": ping\n\n", first=ROLE), sse(hello())], options={"limits": FIRST, "max_retries": 1}, checks=[says(), asked(2)],
        proofs=[f"{TIME}::test_limits_of_one_attempt_begin_anew", f"{EXCHANGE}::test_other_limits_are_retried"],
    ),
]  # fmt: skip

CASES = [*STALLS, *TOTALS, *CONNECTIONS]
