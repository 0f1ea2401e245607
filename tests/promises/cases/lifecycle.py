"""Connections, tasks and event loops: what is left is aborted, what is done is used again, and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

from support.rawserver import Handler, Peer, answer, completion, event, hello, sse

from promises.case import Case, Check
from promises.checks import aborted, asked, connected, ended, noted, says
from promises.seen import Seen
from promises.user import User, plain

__all__ = ["CASES"]

ROLE, HEL, LO, STOP = hello()
ENDLESS = sse([ROLE, HEL], done=False, ending="nothing")

LIFE = "tests/reliability/test_lifecycle.py"
LEAVING = "tests/api/test_stream.py::test_server_sees_the_reader_leave"
SESSION = "tests/transport/test_session.py"


# Leaving: the server sees it within half a second.


async def _reading(user: User) -> tuple[asyncio.Task[None], Any]:
    """A task that waits for the next token of a stream that brings none."""
    opened = await user.open()
    await user.first(opened)
    task = asyncio.create_task(user.read(opened))
    await asyncio.sleep(0.02)
    return task, opened


async def _collected(user: User) -> None:
    """Have the garbage collector come by, more than once: generators in generators are collected one at a time."""
    began = asyncio.get_running_loop().time()
    for _ in range(4):
        gc.collect()
        await asyncio.sleep(0.01)
    await user.left(began)


async def by_break(user: User) -> None:
    """`break` inside of `async with`."""
    async with await user.open() as chunks:
        await user.first(chunks)
    await user.left()


async def by_exception(user: User) -> None:
    """An exception in the loop's body."""
    with contextlib.suppress(ZeroDivisionError):
        async with await user.open() as chunks:
            async for _ in chunks:
                raise ZeroDivisionError
    await user.left()


async def by_cancelling(user: User) -> None:
    """Cancelling the task that reads."""
    task, _ = await _reading(user)
    task.cancel()
    await asyncio.wait([task])
    user.seen.notes["cancelled"] = task.cancelled()
    await user.left()


async def by_cancelling_plain(user: User) -> None:
    """Cancelling a call before its answer."""
    task = asyncio.create_task(user.create())
    while not user.server.requests:  # noqa: ASYNC110 - a socket's other end sets no event
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    user.seen.notes["cancelled"] = task.cancelled()
    await user.left()


async def by_closing(user: User) -> None:
    """`close` by another task than the one that reads."""
    task, opened = await _reading(user)
    began = asyncio.get_running_loop().time()
    await opened.close()
    await user.left(began)
    done, _ = await asyncio.wait([task], timeout=1)
    task.cancel()
    user.seen.notes["reader"] = task.exception() if done else None
    await asyncio.wait([task])


async def by_dropping(user: User) -> None:
    """Forgetting the stream."""
    opened = await user.open()
    await user.first(opened)
    del opened
    await _collected(user)


async def by_closing_the_client(user: User) -> None:
    """Closing the client under a reader."""
    task, _ = await _reading(user)
    began = asyncio.get_running_loop().time()
    await user.only.close()
    await user.left(began)
    done, _ = await asyncio.wait([task], timeout=1)
    task.cancel()
    user.seen.notes["reader"] = task.exception() if done else None
    await asyncio.wait([task])


def _reader_told(seen: Seen) -> str | None:
    """Who was still reading got an error of the SDK's."""
    error = seen.notes.get("reader")
    if error is None:
        return "the reader waits on, or ends without an error"
    return None if isinstance(error, seen.sdk.module.OpenAIError) else f"the reader gets a {type(error).__name__}"


def _leave(id: str, needs: list[int], promise: str, user: Any, *proofs: str, **more: Any) -> Case:
    """A case of a user who leaves early."""
    return Case(
        id=id, topic="leaving", needs=needs, promise=promise, server=[more.pop("server", ENDLESS)], user=user,
        checks=[ended, aborted, *more.pop("checks", [])], proofs=[*proofs, LEAVING, f"{LIFE}::test_leaving", f"{LIFE}::test_leaving_a_stream"], **more,
    )  # fmt: skip


async def _never(peer: Peer) -> None:
    await peer.gone()


WAS_CANCELLED = noted("cancelled", True, wrong="cancelling swallowed")

LEAVES = [
    _leave("leave-break", [25], "A stream that is left by `break`, inside of `async with`, is aborted at once.", by_break),
    _leave("leave-exception", [25], "So is one that is left by an exception.", by_exception),
    _leave("leave-cancel", [25, 58], "A stream whose reader is cancelled is aborted at once.", by_cancelling,
           "tests/api/test_stream.py::test_cancelled_reading", checks=[WAS_CANCELLED]),
    _leave("leave-cancel-plain", [25], "So is a plain call that is cancelled before its answer.", by_cancelling_plain,
           f"{SESSION}::test_cancelled_request_aborts", server=_never, checks=[WAS_CANCELLED]),
    _leave("leave-close", [25, 58], "A stream that another task closes is aborted, and its reader is told.", by_closing,
           "tests/api/test_stream.py::test_closed_by_another_task", checks=[_reader_told]),
    _leave("leave-drop", [25, 58], "A stream that is forgotten is aborted when it is collected.", by_dropping,
           "tests/api/test_stream.py::test_dropped_stream", drops=True),
    _leave("leave-client", [22, 25], "Closing a client ends the streams that are open, and their readers are told.",
           by_closing_the_client, "tests/api/test_client.py::test_closing_under_a_stream",
           f"{SESSION}::test_closing_ends_who_still_reads", checks=[_reader_told]),
]  # fmt: skip


# Connections that are used again.


def _late(seconds: float) -> Any:
    """A user who reads two streams, one after the other's body has ended; the loop's end is timed, the better one counts."""

    async def read(user: User) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            user.seen.text = ""
            async with await user.open() as chunks:
                async for one in chunks:
                    user.note(one)
                    last = loop.time()
                user.seen.notes["delay"] = min(user.seen.notes.get("delay", 1.0), loop.time() - last)
            await asyncio.sleep(seconds + 0.05)

    return read


def _prompt(seen: Seen) -> str | None:
    delay = seen.notes["delay"]
    return None if delay < 0.03 else f"loop ends {delay * 1000:.0f} ms late"


async def _twins(user: User) -> None:
    """Change options for each call."""
    for number in range(5):
        twin = user.only.with_options(timeout=10 + number)
        user.keep(await twin.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]))


async def _many(user: User) -> None:
    """Open more streams than the usual pool has places."""
    opened = await asyncio.gather(*(user.open() for _ in range(101)))
    user.seen.notes["open"] = user.server.open
    for one in opened:
        await one.close()


async def _drop_client(user: User) -> None:
    """Forget a client that was never closed."""
    await plain(user)
    user.forget()
    await _collected(user)


def _reuse(
    id: str, needs: list[int], promise: str, handler: Handler, user: Any, checks: list[Check], *proofs: str, **more: Any
) -> Case:
    """A case of connections."""
    return Case(
        id=id, topic="connections", needs=needs, promise=promise, server=[handler], user=user, checks=checks,
        proofs=proofs, **more,
    )  # fmt: skip


AGAIN = f"{SESSION}::test_one_connection_serves_stream_after_stream"
LATE = "tests/api/test_stream.py::test_late_end_of_the_body_delays_nobody"

REUSE = [
    _reuse("reuse", [13], "A stream that has ended leaves its connection for the next one.", sse(hello()), _late(0),
           [says(), connected(1), _prompt], AGAIN),
    _reuse("reuse-50-ms", [13], "So it does where its body ends 50 ms after `[DONE]`, and the reader does not wait for that.",
           sse(hello(), late=0.05), _late(0.05), [says(), connected(1), _prompt], AGAIN, LATE),
    _reuse("reuse-500-ms", [13], "And where it ends 500 ms after it.",
           sse(hello(), late=0.5), _late(0.5), [says(), connected(1), _prompt], AGAIN, LATE),
    _reuse("twins", [23], "A client with other options shares the connections of the first.", answer(completion()), _twins,
           [says(), connected(1)], "tests/api/test_client.py::test_twins_share_connections"),
    _reuse("no-hidden-limit", [21], "No pool of 100 holds the 101st stream back.", ENDLESS, _many,
           [ended, noted("open", 101, wrong="{} of 101 streams opened")],
           "tests/functional/test_client.py::test_two_hundred_streams_at_once",
           f"{SESSION}::test_long_wait_for_the_pool_warns_once"),
    _reuse("dropped-client", [22, 23], "A client that is forgotten closes its connections when it is collected, and warns.",
           answer(completion()), _drop_client,
           [says(), aborted, lambda seen: None if any("ResourceWarning" in one for one in seen.warned) else "no warning"],
           "tests/api/test_client.py::test_dropped_client_is_collected_at_once",
           f"{SESSION}::test_dropped_transport_warns_and_closes", drops=True),
]  # fmt: skip


# Event loops and tasks.


def _three_loops(user: User) -> None:
    """Use one client in three event loops, streaming and plainly."""
    client = user.client()

    async def once() -> None:
        user.seen.text = ""
        completions = client.chat.completions
        await completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=False)
        async with await user.open() as chunks:
            await user.read(chunks)

    for _ in range(3):
        asyncio.run(once())
    asyncio.run(user.close())


async def _both(peer: Peer) -> None:
    """Answer as it was asked."""
    await (sse(hello()) if peer.request.json.get("stream") else answer(completion()))(peer)


async def _two_readers(user: User) -> None:
    """Two tasks read one stream at the same time."""
    opened = await user.open()
    first = asyncio.create_task(user.read(opened))
    await asyncio.sleep(0.02)
    try:
        async for _ in opened:
            break
    except Exception as error:  # noqa: BLE001 - it is what is being looked for
        user.seen.notes["reader"] = error
    await first
    await opened.close()


async def _slowly(peer: Peer) -> None:
    await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
    for one in [ROLE, HEL]:
        await peer.chunk(event(one))
    await asyncio.sleep(0.1)
    for one in [LO, STOP, "[DONE]"]:
        await peer.chunk(event(one))
    await peer.chunk(b"")


TASKS = [
    Case(
        id="three-loops", topic="event loops", needs=[22], promise="One client serves one `asyncio.run` after the other.",
        server=[_both], user=_three_loops, checks=[says(), asked(6)],
        proofs=["tests/api/test_client.py::test_client_of_many_event_loops",
                f"{SESSION}::test_transport_serves_one_event_loop_after_the_other"],
    ),
    Case(
        id="two-readers", topic="two tasks", needs=[58], promise="Of two tasks that read one stream, the second is refused, and the first gets all of it.",
        server=[_slowly], user=_two_readers, checks=[says(), _reader_told],
        proofs=["tests/api/test_stream.py::test_two_readers", f"{LIFE}::test_two_readers"],
    ),
]  # fmt: skip

CASES = [*LEAVES, *REUSE, *TASKS]
