"""Event loops that come, go, stop and run side by side; threads, forks, signals, and clients that are carried along.

One client for all of them. Nothing is said behind the program's back, and no server keeps a connection.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import aiohttp
import anyio
import pytest
from support.rawserver import Peer, RawServer, answer, certificates, chunk, completion, event, hello, in_thread, sse
from support.watch import eventually, says_nothing, settled

from openai_async import AsyncOpenAI, errors
from openai_async.transport.asgi import ASGITransport

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

ASKED: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
KEY = "sk-secret-0123456789"
LEFT = "was neither read to its end nor closed"


async def serve(peer: Peer) -> None:
    """Answer plainly, or with a whole stream; one that says `stay` never ends."""
    if not peer.request.json.get("stream"):
        await answer(completion())(peer)
    elif "x-stay" in peer.request.headers:
        await sse(hello()[:2], done=False, ending="nothing")(peer)
        peer.open = False
    else:
        await sse(hello())(peer)


async def plain(client: AsyncOpenAI) -> str | None:
    """Ask for a plain answer."""
    return (await client.chat.completions.create(**ASKED)).choices[0].message.content


async def whole(client: AsyncOpenAI) -> str | None:
    """Read a stream to its end."""
    async with client.chat.completions.create(**ASKED, stream=True) as stream:
        return (await stream.final()).choices[0].message.content


async def begun(client: AsyncOpenAI) -> Any:
    """A stream whose first tokens are here, and no more come."""
    stream = await client.chat.completions.create(**ASKED, stream=True, extra_headers={"x-stay": "1"})
    await anext(stream)
    return stream


def made(server: RawServer, **options: Any) -> AsyncOpenAI:
    """A client of the server, made outside of any loop."""
    return AsyncOpenAI(api_key=KEY, base_url=server.url, **options)


# One loop after the other.


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_three_runs(secure: bool, debug: bool) -> None:  # noqa: FBT001 - columns of the table
    """Each `asyncio.run` gets connections of its own; streams left open in it are aborted with it."""
    context, trusting = certificates() if secure else (None, None)
    with in_thread(RawServer(serve, context=context)) as server, says_nothing(but=(LEFT,)):
        client = made(server, ssl_context=trusting)

        async def main() -> Any:
            asyncio.get_running_loop().slow_callback_duration = 10  # a busy machine is nothing to log
            assert await asyncio.gather(plain(client), whole(client)) == ["Hello", "Hello"]
            return await begun(client), await begun(client)

        for _ in range(3):
            streams = asyncio.run(main(), debug=debug)
            settled(lambda: server.open == 0)
            del streams
        asyncio.run(client.close())
    assert len(server.requests) == 12


def test_loops_that_stop_without_ado() -> None:
    """Loops that are run twice, and closed with all that is open in them: the next one's first request cleans up."""
    with in_thread(RawServer(serve)) as server, says_nothing(but=(LEFT,)):
        client = made(server)
        for _ in range(3):
            loop = asyncio.new_event_loop()
            streams = [loop.run_until_complete(begun(client))]
            assert loop.run_until_complete(plain(client)) == "Hello"
            streams.append(loop.run_until_complete(begun(client)))
            loop.close()
            del streams
            settled(lambda: server.open <= 1)  # dropped streams are closed; a connection that is kept has still time
        asyncio.run(plain(client))
        settled(lambda: server.open == 0)
        asyncio.run(client.close())


def test_stream_kept_beyond_its_loop() -> None:
    """A stream that is dropped after its loop was closed, and even after its client, closes its socket at once."""
    with in_thread(RawServer(serve)) as server, says_nothing(but=(LEFT,)):
        client = made(server)
        loop = asyncio.new_event_loop()
        stream = loop.run_until_complete(begun(client))
        loop.close()
        assert server.open == 1
        del stream
        settled(lambda: server.open == 0)

        loop = asyncio.new_event_loop()
        stream = loop.run_until_complete(begun(client))
        loop.close()
        asyncio.run(client.close())
        settled(lambda: server.open == 0)
        del stream, client


def test_loop_closed_in_the_middle_of_everything() -> None:
    """A loop that is closed while requests wait, connect, and drain: what asyncio says is of the user's tasks only."""

    async def slow(peer: Peer) -> None:
        if peer.request.json.get("stream"):
            await sse(hello(), ending="nothing")(peer)
        await peer.gone()
        peer.open = False

    with in_thread(RawServer(slow)) as server, says_nothing(but=("Task was destroyed but it is pending",)) as said:
        client = made(server, limit=2)
        loop = asyncio.new_event_loop()

        async def main() -> list[asyncio.Task[Any]]:
            assert await whole(client) == "Hello"  # its rest is being read
            tasks = [asyncio.create_task(plain(client)) for _ in range(3)]
            while len(server.requests) < 2:  # noqa: ASYNC110 - it is in another thread
                await asyncio.sleep(0.001)
            return tasks

        tasks = loop.run_until_complete(main())
        loop.close()
        del tasks, loop
        gc.collect()
        asyncio.run(client.close())
        settled(lambda: server.open == 0)
        gc.collect()
    assert len([line for line in said.lines if "destroyed" in line]) == 3


@pytest.mark.parametrize("how", ["ended", "at rest", "running"])
def test_stream_carried_to_another_loop(how: str) -> None:
    """Reading it there is an error that says what is wrong; in its own loop it goes on, if that goes on."""
    with in_thread(RawServer(serve)) as server, says_nothing():
        client = made(server)
        runner = asyncio.Runner()
        stream, response = runner.run(open_both(client))
        if how == "ended":
            runner.close()
        reads: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "next": functools.partial(drained, stream),
            "final": stream.final,
            "text": lambda: drained(stream.text()),
            "body": response.read,
            "parse": response.parse,
        }

        def read_elsewhere() -> None:
            for read in reads.values():
                with pytest.raises(errors.StreamStateError, match="the event loop in which it was opened"):
                    asyncio.run(read())
            assert stream.snapshot.choices[0].message.content == "Hel"

        if how == "running":
            runner.run(asyncio.to_thread(read_elsewhere))
        else:
            read_elsewhere()
        if how != "ended":
            assert repr(stream).startswith("<ChatStream open")
            assert runner.run(whole(client)) == "Hello"
        asyncio.run(stream.aclose())
        asyncio.run(response.aclose())
        runner.close()
        settled(lambda: server.open == 0)
        asyncio.run(client.close())


async def open_both(client: AsyncOpenAI) -> tuple[Any, Any]:
    """A stream that has brought all that it will, and a response whose body is unread."""
    stream = await begun(client)
    await anext(stream)
    return stream, await client.chat.completions.create(**ASKED, stream=True, extra_headers={"x-stay": "1"}).streamed()


async def drained(items: Any) -> list[Any]:
    """Read to the end."""
    return [item async for item in items]


@pytest.mark.parametrize("run", ["anyio", "uvloop", "eager"])
def test_other_ways_to_run(run: str) -> None:
    """The `run` of anyio, uvloop, and tasks that begin at once: streams end and are left as ever."""
    with in_thread(RawServer(serve)) as server:
        client = made(server)

        async def main() -> None:
            assert await asyncio.gather(plain(client), whole(client)) == ["Hello", "Hello"]
            async with await begun(client):
                pass
            async with await begun(client) as stream:
                task = asyncio.create_task(stream.final())
                await asyncio.sleep(0)
                await stream.aclose()
                with pytest.raises(errors.StreamStateError):
                    await task

        if run == "eager" and sys.version_info < (3, 12):
            pytest.skip("Python 3.12 brought eager tasks")
        if run == "uvloop":
            uvloop = pytest.importorskip("uvloop", reason="an extra, not needed for tests")
        with says_nothing():
            for _ in range(2):
                if run == "anyio":
                    anyio.run(main)
                elif run == "uvloop":
                    uvloop.run(main())
                else:
                    eager(main())
                settled(lambda: server.open == 0)
            asyncio.run(client.close())


def eager(main: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop whose tasks begin when they are made."""

    async def run() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await asyncio.create_task(main)

    asyncio.run(run())


# Side by side.


def test_threads() -> None:
    """One client in several threads, each with one loop after the other, all at once: each has its own answers."""
    with in_thread(RawServer(serve)) as server, says_nothing():
        client = made(server)
        barrier = threading.Barrier(4)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                barrier.wait(10)
                for _ in range(5):
                    assert asyncio.run(some()) == ["Hello", "Hello"] * 2
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)

        async def some() -> Any:
            return await asyncio.gather(*(use(client) for use in (plain, whole) * 2))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failures == []
        asyncio.run(client.close())
        settled(lambda: server.open == 0)
    assert len(server.requests) == 4 * 5 * 4


def test_closing_in_one_of_two_threads() -> None:
    """Closing a client ends what this loop has; a stream of another loop goes on, and what that loop has goes with it."""
    with in_thread(RawServer(serve)) as server, says_nothing():
        client = made(server)

        async def main() -> None:
            async with await begun(client):
                await asyncio.to_thread(lambda: asyncio.run(use_and_close()))
                await eventually(lambda: server.open == 1)
                with pytest.raises(errors.OpenAIError, match="client is closed"):
                    await plain(client)

        async def use_and_close() -> None:
            async with client:
                assert await whole(client) == "Hello"

        asyncio.run(main())
        settled(lambda: server.open == 0)


DROPPED = {"stream": LEFT, "response": LEFT, "client": "a client was not closed; its connections are"}


@pytest.mark.parametrize("what", DROPPED)
def test_collected_in_another_thread(what: str) -> None:
    """The garbage collector comes by in any thread: the loop that sleeps in another one closes the connection."""
    with in_thread(RawServer(serve)) as server, says_nothing(but=(DROPPED[what],)):
        client: Any = made(server)

        async def main() -> None:
            nonlocal client
            asyncio.get_running_loop().slow_callback_duration = 10  # a busy machine is nothing to log
            if what == "stream":
                held: Any = await begun(client)
            elif what == "response":
                held = await client.chat.completions.create(
                    **ASKED, stream=True, extra_headers={"x-stay": "1"}
                ).streamed()
            else:
                held = client
                await plain(client)
                client = None
            assert server.open == 1
            cycle: list[Any] = [held]
            cycle.append(cycle)
            del held, cycle
            await asyncio.to_thread(gc.collect)
            await eventually(lambda: server.open == 0)

        asyncio.run(main(), debug=True)  # which refuses calls from other threads
        if client is not None:
            asyncio.run(client.close())


# Processes.


def in_child(work: Callable[[], object]) -> int:
    """Do `work` in a fork of this process, and return its id; it exits with 0 if it went well, with 1 if it raised."""
    with warnings.catch_warnings():
        # From Python 3.12 on: what a child does with locks of other threads. This one has none.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.alarm(10)  # it must not outlive the test
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - there is nobody to raise it for
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
@pytest.mark.parametrize("then", ["uses it", "drops all", "ends its loop", "stays"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_fork(secure: bool, then: str) -> None:  # noqa: FBT001 - a column of the table
    """A child has connections of its own; whatever it does, the parent's stream goes on, and can be aborted."""
    context, trusting = certificates() if secure else (None, None)
    go = threading.Event()

    async def slow(peer: Peer) -> None:
        if "x-slow" not in peer.request.headers:
            await serve(peer)
            return
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(b"".join(map(event, hello()[:2])))
        await asyncio.to_thread(go.wait, 10)
        await peer.chunk(b"".join(map(event, [chunk(str(number)) for number in range(50)])))
        await peer.chunk(event(chunk(finish="stop")) + event("[DONE]"))
        await peer.chunk(b"")

    ready, leave = [*os.pipe()], os.pipe()
    with in_thread(RawServer(slow, context=context)) as server:
        client = made(server, ssl_context=trusting)

        async def main() -> None:
            await asyncio.gather(*(plain(client) for _ in range(3)))  # idle connections
            slowly = client.chat.completions.create(**ASKED, stream=True, extra_headers={"x-slow": "1"})
            held = [await slowly, await begun(client)]
            before = server.open
            child = in_child(functools.partial(in_the_child, held))
            os.close(ready.pop())
            assert await asyncio.to_thread(os.read, ready[0], 1), "the child has failed"
            go.set()
            text = "".join([one.text async for one in held[0]])
            assert text == "Hel" + "".join(map(str, range(50)))
            await held[1].aclose()
            await eventually(lambda: server.open < before)  # the child has no copy that keeps it open
            os.write(leave[1], b"x")
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert await plain(client) == "Hello"

        def in_the_child(held: list[Any]) -> None:
            with says_nothing(but=(LEFT,) if then == "drops all" else ()):
                for _ in range(2):
                    assert asyncio.run(whole(client)) == "Hello" if then == "uses it" else True
                if then == "drops all":
                    held.clear()
                    gc.collect()
                    client.__dict__.clear()
                    gc.collect()
                if then == "ends its loop":
                    for task in asyncio.all_tasks(loop):
                        task.cancel()
                os.write(ready[1], b"x")
                if then == "stays":
                    os.read(leave[0], 1)

        async def outer() -> None:
            nonlocal loop
            loop = asyncio.get_running_loop()
            await main()

        loop: Any = None
        try:
            with says_nothing():
                asyncio.run(outer())
                asyncio.run(client.close())
        finally:
            for end in (*ready, *leave):
                os.close(end)
        settled(lambda: server.open == 0)
    used = [one.connection for one in server.requests]
    assert len(used) == (8 if then == "uses it" else 6)
    assert set(used[5:7]).isdisjoint(used[:5]) or then != "uses it"


@needs_fork
def test_multiprocessing() -> None:
    """A worker of `multiprocessing`, forked, uses the parent's client."""
    with in_thread(RawServer(serve)) as server:
        client = made(server)

        def work() -> None:
            assert asyncio.run(whole(client)) == "Hello"

        async def main() -> None:
            assert await plain(client) == "Hello"
            worker = multiprocessing.get_context("fork").Process(target=work)
            worker.start()
            await asyncio.to_thread(worker.join, 10)
            assert worker.exitcode == 0
            assert await plain(client) == "Hello"
            await client.close()

        asyncio.run(main())
    assert [one.connection for one in server.requests] == [1, 2, 1]


async def test_pickling() -> None:
    """What is tied to connections says that it can't be pickled, and what to do instead; no key is in the message."""
    with in_thread(RawServer(serve)) as server:
        async with made(server) as client, await begun(client) as stream:
            response = await client.chat.completions.create(**ASKED).streamed()
            call = client.chat.completions.create(**ASKED)
            for what, told in {
                client: "Make a client in each process",
                call: "Make a client in each process",
                stream: "Its `snapshot` can",
                response: "it is a connection",
            }.items():
                with pytest.raises(TypeError, match=told) as caught:
                    pickle.dumps(what)
                assert KEY not in str(caught.value)
            call.close()
            await response.aclose()
            assert pickle.loads(pickle.dumps(stream.snapshot)) == stream.snapshot


async def test_pickled_page() -> None:
    """A page is data, and travels; what it can't do where it arrives, it says."""
    page = {"object": "list", "data": [{**completion(), "id": "a"}], "has_more": True}
    async with RawServer(answer(page)) as server, made(server) as client:
        first = await client.chat.completions.list()
        twin = pickle.loads(pickle.dumps(first))
        assert twin == first
        assert twin.has_next_page()
        with pytest.raises(errors.StreamStateError, match=r"knows no client.*after='a'"):
            await twin.get_next_page()


def test_users_session_in_another_loop() -> None:
    """A session of the user's serves the loop that it was made in; in another one the error says what to do."""
    with in_thread(RawServer(serve)) as server, asyncio.Runner() as runner:

        async def start() -> aiohttp.ClientSession:
            return aiohttp.ClientSession()

        session = runner.run(start())
        client = made(server, session=session)
        assert runner.run(plain(client)) == "Hello"
        with pytest.raises(errors.OpenAIError, match="session= belongs to another event loop"):
            asyncio.run(plain(client))
        assert runner.run(whole(client)) == "Hello"
        runner.run(session.close())


async def test_copies_of_a_client() -> None:
    """A copy, deep or not, has the same settings and shares the connections; the settings of one are its own."""
    with in_thread(RawServer(serve)) as server:
        client = made(server)
        for twin in (copy.copy(client), copy.deepcopy({"client": client})["client"]):
            assert twin is not client
            assert twin.api_key == KEY
            assert await plain(twin) == "Hello"
        assert server.connections == 1
        await client.close()
        assert twin.is_closed()


# Signals, and what goes through everything.


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C interrupt: what a shell runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("use", ["plain", "stream", "backing off"])
@pytest.mark.parametrize("kind", ["signal", "KeyboardInterrupt", "SystemExit"])
@pytest.mark.usefixtures("ctrl_c")
def test_interrupts(kind: str, use: str) -> None:
    """Ctrl-C, and what ends a program, end it: the server sees it, and nothing is said."""

    async def never(peer: Peer) -> None:
        if use == "backing off":
            await answer({}, 503, {"retry-after": "60"})(peer)
        elif use == "stream":
            await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
            await peer.chunk(b"".join(map(event, hello()[:2])))
        reached.set()
        await peer.gone()
        peer.open = False

    reached = threading.Event()
    with in_thread(RawServer(never)) as server, says_nothing():
        client = made(server)

        async def main() -> None:
            reading = asyncio.create_task((whole if use == "stream" else plain)(client))
            await asyncio.to_thread(reached.wait, 5)
            if kind == "signal":
                signal.raise_signal(signal.SIGINT)
            elif kind == "KeyboardInterrupt":
                asyncio.get_running_loop().call_soon(interrupt)
            else:
                raise SystemExit(3)
            await reading

        def interrupt() -> None:
            raise KeyboardInterrupt

        with pytest.raises(SystemExit if kind == "SystemExit" else KeyboardInterrupt):
            asyncio.run(main())
        settled(lambda: server.open == 0)
        gc.collect()
        asyncio.run(client.close())


# Contexts.


async def test_contexts() -> None:
    """Calls and streams leave no context variable behind, whichever task reads and whichever closes."""
    with in_thread(RawServer(serve)) as server:
        async with made(server) as client:
            before = dict(contextvars.copy_context().items())
            assert await plain(client) == "Hello"
            stream = await begun(client)
            assert await asyncio.create_task(whole(client)) == "Hello"
            await asyncio.create_task(stream.aclose())
            task = asyncio.create_task(client.chat.completions.create(**ASKED))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert dict(contextvars.copy_context().items()) == before


async def test_coroutine_that_is_closed_in_another_context() -> None:
    """A call that was begun by hand and is closed elsewhere, as the garbage collector does it, raises nothing."""

    async def never(peer: Peer) -> None:
        await peer.gone()
        peer.open = False

    async with RawServer(never) as server:
        with says_nothing():
            client = made(server)
            for use in (plain, whole):
                coroutine = use(client)
                coroutine.send(None)  # it connects
                contextvars.Context().run(coroutine.close)
                await eventually(lambda: server.open == 0)
            await client.close()


# Apps in this process.


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer half a stream, and wait for the reader to go."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"".join(map(event, hello()[:2])), "more_body": True})
    await receive()


@pytest.mark.parametrize("how", ["run", "stopped", "dropped"])
def test_apps_and_their_loops(how: str) -> None:
    """A client of an app serves one loop after the other; streams left open in one disturb nobody."""
    with says_nothing(but=(LEFT,)):
        client = AsyncOpenAI(api_key=KEY, transport=ASGITransport(app), base_url="http://app/v1")
        for _ in range(2):
            if how == "run":
                stream = asyncio.run(begun(client))
            else:
                loop = asyncio.new_event_loop()
                stream = loop.run_until_complete(begun(client))
                if how == "dropped":
                    del stream
                    gc.collect()
                loop.close()
            with pytest.raises(errors.StreamStateError, match="the event loop in which it was opened"):
                asyncio.run(stream.final() if how != "dropped" else no_stream())
            stream = None
        asyncio.run(asyncio.wait_for(client.close(), 5))


async def no_stream() -> None:
    """Raise what a stream of another loop raises."""
    raise errors.StreamStateError("the event loop in which it was opened")
