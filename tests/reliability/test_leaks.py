"""Memory: two hundred rounds of leaving, or sixty of anything else, cost no more than a few.

What is counted are the objects that Python's garbage collector knows, and the blocks that its allocator has given out,
after a first few rounds that fill caches. What is left of tasks and sockets is `test_lifecycle`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import sys
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import ReferenceType

import pytest
from support.rawserver import Peer, RawServer, answer, chunk, completion, event, hello, in_thread, sse

from openai_async import AsyncOpenAI, errors
from openai_async.transport.asgi import ASGITransport

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
WARM = 20  # rounds that fill caches

ROLE, HEL, LO, STOP = map(event, hello())
CALL: Any = {"index": 0, "id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


async def serve(peer: Peer) -> None:
    """Do what the request's header says."""
    how = peer.request.headers.get("x-case", "")
    asked = peer.request.json if peer.request.body else {}
    if how == "stay":
        await sse(hello()[:2], done=False, ending="nothing")(peer)
        peer.open = False
    elif how == "silent":
        await peer.gone()
        peer.open = False
    elif how == "cut":
        await sse(hello()[:2], done=False, ending="fin")(peer)
    elif how == "busy":
        await answer({"error": {"message": "busy"}}, 503, {"retry-after-ms": "1"})(peer)
    elif how == "tool" and asked["messages"][-1]["role"] == "user":
        await sse([chunk(delta={"role": "assistant", "tool_calls": [CALL]}), chunk(finish="tool_calls")])(peer)
    elif how == "pages":
        more = "after=" not in peer.request.target
        page = {"object": "list", "data": [{**completion(), "id": f"id-{more}"}], "has_more": more}
        await answer(page)(peer)
    else:
        await (sse(hello()) if asked.get("stream") else answer(completion()))(peer)


def said(how: str) -> Any:
    """Parameters of a request that is answered so."""
    return {**ASKED, "extra_headers": {"x-case": how}}


async def plain(client: AsyncOpenAI) -> None:
    """A plain answer."""
    await client.chat.completions.create(**ASKED)


async def whole(client: AsyncOpenAI) -> None:
    """A stream to its end, by events."""
    async with client.chat.completions.stream(**ASKED) as stream:
        async for _ in stream:
            pass


async def left(client: AsyncOpenAI) -> None:
    """A stream that is left in the middle."""
    async with client.chat.completions.create(**said("stay"), stream=True) as stream:
        await anext(stream)


async def closed_elsewhere(client: AsyncOpenAI) -> None:
    """A stream that another task closes while it is read."""
    stream = await client.chat.completions.create(**said("stay"), stream=True)
    reading = asyncio.create_task(stream.final())
    await asyncio.sleep(0)
    await stream.aclose()
    with contextlib.suppress(errors.StreamStateError):
        await reading


async def cancelled(client: AsyncOpenAI) -> None:
    """A request that is cancelled before its answer."""
    task = asyncio.create_task(client.chat.completions.create(**said("silent")))
    await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.wait([task])


async def timed_out(client: AsyncOpenAI) -> None:
    """A request whose limit passes."""
    with contextlib.suppress(errors.APITimeoutError):
        await client.chat.completions.create(**said("silent"), timeout=0.002, max_retries=0)


async def dropped(client: AsyncOpenAI) -> None:
    """A stream that is forgotten."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        await anext(await client.chat.completions.create(**said("stay"), stream=True))


async def cut(client: AsyncOpenAI) -> None:
    """A stream that the server breaks off; its error is kept by nobody."""
    with contextlib.suppress(errors.IncompleteStreamError):
        async with client.chat.completions.create(**said("cut"), stream=True) as stream:
            await stream.final()


async def refused(client: AsyncOpenAI) -> None:
    """A request that fails three times."""
    with contextlib.suppress(errors.InternalServerError):
        await client.chat.completions.create(**said("busy"))


async def lines(client: AsyncOpenAI) -> None:
    """The lines of a response that is left in the middle."""
    async with client.chat.completions.create(**said("stay"), stream=True).streamed() as response:
        async for _ in response.iter_lines():
            break


async def tools(client: AsyncOpenAI) -> None:
    """A run of tools."""

    async def add(a: int) -> int:
        """Add one."""
        return a + 1

    async with client.chat.completions.run_tools(**said("tool"), tools=[add], stream=True) as run:
        await run.final()


async def pages(client: AsyncOpenAI) -> None:
    """A list of two pages."""
    assert len([item async for item in client.chat.completions.list(extra_headers={"x-case": "pages"})]) == 2


async def clients(client: AsyncOpenAI) -> None:
    """A client of its own, and twins of it."""
    async with AsyncOpenAI(api_key="k", base_url=client.base_url) as other:
        await plain(other.with_options(max_retries=0))


USES: dict[Callable[[AsyncOpenAI], Awaitable[None]], int] = {
    **dict.fromkeys([left, closed_elsewhere, cancelled, timed_out, dropped, cut, lines], 200),
    **dict.fromkeys([plain, whole, refused, pages, tools, clients], 60),
}


def counted() -> Counter[str]:
    """How many objects there are of each type, but for cancelled alarms, which asyncio forgets by the hundred."""
    loop: Any = asyncio._get_running_loop()
    if loop is not None:
        loop._scheduled = [alarm for alarm in loop._scheduled if not alarm.cancelled()]
        heapq.heapify(loop._scheduled)
        loop._timer_cancelled_count = 0
    gc.collect()
    return Counter(type(one).__qualname__ for one in gc.get_objects() if not _of_abc(one))


def _of_abc(one: object) -> bool:
    """Whether an object belongs to what an ABC remembers of classes: filled anew whenever some class registers itself."""
    if type(one).__name__ == "builtin_function_or_method":
        one = getattr(one, "__self__", None)
    return isinstance(one, ReferenceType) and isinstance(one(), type | set)


@pytest.mark.parametrize(("use", "rounds"), USES.items())
async def test_rounds(use: Callable[[AsyncOpenAI], Awaitable[None]], rounds: int) -> None:
    """What is done again and again leaves nothing in memory."""
    async with RawServer(serve) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        for _ in range(WARM):
            await use(client)
        await asyncio.sleep(0.01)
        before, size = counted(), sys.getallocatedblocks()
        for _ in range(rounds):
            await use(client)
            server.requests.clear()
            server.handlers = [serve]
        for _ in range(100):  # a busy machine takes a while to close connections; what is leaked stays
            await asyncio.sleep(0.02)
            grown = {name: number - before[name] for name, number in counted().items() if number - before[name] > WARM}
            blocks = sys.getallocatedblocks() - size
            if not grown and blocks < rounds:
                break
        assert grown == {}
        assert blocks < rounds  # less than one a round


def test_loops_and_clients() -> None:
    """One client in loop after loop keeps nothing of those that ended, nor of their streams."""
    with in_thread(RawServer(serve)) as server:
        client = AsyncOpenAI(api_key="k", base_url=server.url)

        async def main() -> Any:
            await plain(client)
            return await client.chat.completions.create(**said("stay"), stream=True)

        def once() -> None:
            stream = asyncio.run(main())
            asyncio.run(stream.aclose())

        for _ in range(5):
            once()
        before = counted()
        for _ in range(30):
            once()
            server.requests.clear()
        assert {name: number - before[name] for name, number in counted().items() if number - before[name] >= 15} == {}
        asyncio.run(client.close())


async def test_apps() -> None:
    """Responses of an app in this process are forgotten, however they are left."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": ROLE + HEL, "more_body": True})
        await receive()

    transport = ASGITransport(app)
    async with AsyncOpenAI(api_key="k", transport=transport, base_url="http://app/v1") as client:

        async def once() -> None:
            async with client.chat.completions.create(**ASKED, stream=True) as stream:
                await anext(stream)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        for _ in range(WARM):
            await once()
        before = counted()
        for _ in range(200):
            await once()
        assert {name: number - before[name] for name, number in counted().items() if number - before[name] > WARM} == {}
        assert len(transport._open) <= 1
