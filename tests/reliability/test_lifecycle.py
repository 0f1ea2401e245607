"""Leaving: by whatever way, at whatever moment, from whatever is used, all is as if it had never been.

The server sees the connection go away within half a second, the pool has its places back and serves the next request,
what the caller gets is theirs (a cancellation stays one), and behind their back nothing is left and nothing is said.
Ways to leave a stream that are simpler than these are in `tests/api/test_stream.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from support.faults import EarlyServer, NoHandshake, framed, head
from support.rawserver import Handler, Peer, RawServer, answer, certificates, chunk, completion, event, hello, sse
from support.watch import PATIENCE, connections, descriptors, eventually, leaves_nothing, pool

from openai_async import AsyncOpenAI, errors
from openai_async.transport import exchange

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

MESSAGES: Any = [{"role": "user", "content": "hi"}]
ASKED: Any = {"model": "m", "messages": MESSAGES}

LARGE: Any = [{"role": "user", "content": "x" * 16 * 2**20}]

ROLE, HEL, LO, STOP = map(event, hello())
CALL: Any = {"index": 0, "id": "c", "type": "function", "function": {"name": "wait", "arguments": "{}"}}


# What is used: each reads to its end, and tells what it has got so far.


class Steps:
    """How far the reader is."""

    def __init__(self) -> None:
        self.item = asyncio.Event()  # something came
        self.end = asyncio.Event()  # the answer is whole
        self.tool = asyncio.Event()  # a tool runs
        self.stream: Any = None  # what can be closed from elsewhere

    async def read(self, items: AsyncIterator[Any]) -> None:
        """Iterate to the end."""
        async for _ in items:
            self.item.set()
        self.end.set()

    async def wait(self) -> str:
        """Wait for ever, as a tool."""
        self.tool.set()
        await asyncio.Event().wait()
        return "never"


async def create(client: AsyncOpenAI, _: Steps) -> None:
    """A plain answer."""
    await client.chat.completions.create(**ASKED)


async def parse(client: AsyncOpenAI, _: Steps) -> None:
    """A plain answer that is parsed."""
    await client.chat.completions.parse(**ASKED, response_format=list[int])


async def raw(client: AsyncOpenAI, _: Steps) -> None:
    """A plain answer with its head."""
    await client.chat.completions.create(**ASKED).raw()


async def streamed(client: AsyncOpenAI, _: Steps) -> None:
    """A plain answer whose body is read later."""
    async with client.chat.completions.create(**ASKED).streamed() as response:
        await response.parse()


async def run_tools(client: AsyncOpenAI, steps: Steps) -> None:
    """A run whose tool never ends."""
    await client.chat.completions.run_tools(**ASKED, tools=[steps.wait])


async def stream(client: AsyncOpenAI, steps: Steps) -> None:
    """A stream, in `async with`."""
    async with client.chat.completions.create(**ASKED, stream=True) as steps.stream:
        await steps.read(steps.stream)
        await asyncio.Event().wait()


async def bare(client: AsyncOpenAI, steps: Steps) -> None:
    """A stream, awaited and iterated, without `async with`."""
    steps.stream = await client.chat.completions.create(**ASKED, stream=True)
    await steps.read(steps.stream)
    await asyncio.Event().wait()


async def events(client: AsyncOpenAI, steps: Steps) -> None:
    """A stream of events."""
    async with client.chat.completions.stream(**ASKED) as steps.stream:
        await steps.read(steps.stream)
        await asyncio.Event().wait()


async def final(client: AsyncOpenAI, steps: Steps) -> None:
    """A stream read to its end at once."""
    async with client.chat.completions.create(**ASKED, stream=True) as steps.stream:
        steps.item.set()
        await steps.stream.final()
        steps.end.set()
        await asyncio.Event().wait()


async def text(client: AsyncOpenAI, steps: Steps) -> None:
    """The text of a stream."""
    async with client.chat.completions.create(**ASKED, stream=True) as steps.stream:
        await steps.read(steps.stream.text())
        await asyncio.Event().wait()


async def batches(client: AsyncOpenAI, steps: Steps) -> None:
    """The chunks of a stream, by socket read."""
    async with client.chat.completions.create(**ASKED, stream=True) as steps.stream:
        await steps.read(steps.stream.batches())
        await asyncio.Event().wait()


async def partial(client: AsyncOpenAI, steps: Steps) -> None:
    """The object that a stream writes."""
    async with client.chat.completions.create(**ASKED, stream=True) as steps.stream:
        steps.item.set()
        await steps.read(steps.stream.partial(list[int]))


async def raw_bytes(client: AsyncOpenAI, steps: Steps) -> None:
    """The bytes of a stream that came with its head."""
    response = await client.chat.completions.create(**ASKED, stream=True).raw()
    async with response.parse() as steps.stream:
        await steps.read(steps.stream.raw())
        await asyncio.Event().wait()


async def streamed_lines(client: AsyncOpenAI, steps: Steps) -> None:
    """The lines of a response whose body is read later."""
    async with client.chat.completions.with_streaming_response.create(**ASKED, stream=True) as steps.stream:
        await steps.read(steps.stream.iter_lines())


async def streamed_stream(client: AsyncOpenAI, steps: Steps) -> None:
    """The stream of a response whose body is read later."""
    async with client.chat.completions.create(**ASKED, stream=True).streamed() as steps.stream:
        await steps.read(await steps.stream.parse())
        await asyncio.Event().wait()


async def run_tools_streamed(client: AsyncOpenAI, steps: Steps) -> None:
    """A streamed run whose tool never ends."""
    async with client.chat.completions.run_tools(**ASKED, tools=[steps.wait], stream=True) as steps.stream:
        async for told in steps.stream:
            if told.type == "content.delta":
                steps.item.set()


async def large(client: AsyncOpenAI, _: Steps) -> None:
    """A plain answer to a request that is larger than all buffers on its way."""
    await client.chat.completions.create(model="m", messages=LARGE)


async def large_stream(client: AsyncOpenAI, steps: Steps) -> None:
    """A stream for such a request."""
    async with client.chat.completions.create(model="m", messages=LARGE, stream=True) as steps.stream:
        await steps.read(steps.stream)


async def pages(client: AsyncOpenAI, steps: Steps) -> None:
    """A list, to its end."""
    await steps.read(aiter(client.chat.completions.list()))


Use = Callable[[AsyncOpenAI, Steps], Awaitable[None]]

PLAIN: list[Use] = [create, parse, raw, streamed, run_tools]
STREAMS: list[Use] = [
    stream, bare, events, final, text, batches, partial, raw_bytes, streamed_lines, streamed_stream, run_tools_streamed,
]  # fmt: skip


# What is used where only some of them are.
FEW: list[Use] = [create, stream, events, streamed_lines, run_tools_streamed, pages]


# When it is left.


class Scene:
    """A server, a client of one connection, and a use of it that came to a moment and stays there.

    Attributes:
        seen: When the server saw the connection go away.
        left: Set by who leaves.
    """

    def __init__(self, use: Use) -> None:
        self.use = use
        self.steps = Steps()
        self.server: RawServer
        self.client: AsyncOpenAI
        self.reached = asyncio.Event()
        self.left = asyncio.Event()
        self.seen: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.due = True  # the server is to see it go
        self.after = ""  # another server's address, for the next request

    async def check(self) -> None:
        """Look at what is so before the server has seen anything."""

    async def run(self) -> None:
        """Use the client, up to the moment and for ever."""
        await self.use(self.client, self.steps)

    async def stay(self, peer: Peer) -> None:
        """Say that the moment has come, and wait for the client to go."""
        self.reached.set()
        self.seen.set_result(await peer.gone())
        peer.open = False


async def serve(peer: Peer) -> None:
    """Answer as one should, whatever is asked."""
    asked = peer.request.json if peer.request.body else {}
    await (sse(hello()) if asked.get("stream") else answer(completion()))(peer)


async def begin(peer: Peer, *pieces: bytes) -> bool:
    """Begin an answer: a stream of these pieces, or half of a plain one. Return whether it is a stream."""
    if peer.request.json.get("stream"):
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        for piece in pieces:
            await peer.chunk(piece)
        return True
    await peer.head(content_type="application/json", content_length="1000")
    await peer.send(b'{"id": "chatcmpl-1", "choi')
    return False


@contextlib.asynccontextmanager
async def opened(scene: Scene, *handlers: Handler, server: RawServer | None = None) -> AsyncGenerator[None]:
    """Give the scene a server that answers so, and a client, both closed in the end."""
    async with server or RawServer(*handlers, serve) as scene.server:
        scene.client = AsyncOpenAI(api_key="k", base_url=scene.server.url, limit=1)
        try:
            yield
        finally:
            await scene.client.close()


@contextlib.asynccontextmanager
async def in_the_pool(scene: Scene) -> AsyncGenerator[None]:
    """Another stream has the only connection."""
    scene.due = False

    async def hold(peer: Peer) -> None:
        await begin(peer, ROLE + HEL)
        await peer.gone()
        peer.open = False

    async with opened(scene, hold):
        holder = await scene.client.chat.completions.create(**ASKED, stream=True)

        async def watch() -> None:
            await eventually(lambda: pool(scene.client) == (1, 1))
            scene.reached.set()
            await scene.left.wait()
            if not scene.client.is_closed():
                assert pool(scene.client) == (1, 0)
            assert len(scene.server.requests) == 1
            await holder.aclose()

        watching = asyncio.create_task(watch())
        yield
        await watching


@contextlib.asynccontextmanager
async def connecting(scene: Scene) -> AsyncGenerator[None]:
    """TCP is connected, and TLS is being negotiated."""
    waiting = NoHandshake()
    waiting.handlers = [scene.stay]
    async with opened(scene, server=waiting), RawServer(serve) as other:
        scene.after = other.url
        yield


@contextlib.asynccontextmanager
async def before_the_head(scene: Scene) -> AsyncGenerator[None]:
    """The server has the request, and thinks."""
    async with opened(scene, scene.stay):
        yield


@contextlib.asynccontextmanager
async def before_the_first_token(scene: Scene) -> AsyncGenerator[None]:
    """The head is here, and the role; of a plain answer, half of it."""

    async def handle(peer: Peer) -> None:
        await begin(peer, ROLE)
        await scene.stay(peer)

    async with opened(scene, handle):
        yield


@contextlib.asynccontextmanager
async def between_tokens(scene: Scene) -> AsyncGenerator[None]:
    """Two tokens are here."""

    async def handle(peer: Peer) -> None:
        await begin(peer, ROLE + HEL, LO)
        await scene.steps.item.wait()
        await scene.stay(peer)

    async with opened(scene, handle):
        yield


@contextlib.asynccontextmanager
async def within_an_event(scene: Scene) -> AsyncGenerator[None]:
    """A token is here, and half of the next."""

    async def handle(peer: Peer) -> None:
        await begin(peer, ROLE + HEL + LO[:40])
        await scene.steps.item.wait()
        await scene.stay(peer)

    async with opened(scene, handle):
        yield


@contextlib.asynccontextmanager
async def after_done(scene: Scene) -> AsyncGenerator[None]:
    """All is read, but for the body's end, which is read in the background."""
    scene.due = False

    async def handle(peer: Peer) -> None:
        await begin(peer, ROLE + HEL + LO + STOP + event("[DONE]"))
        await scene.steps.end.wait()
        scene.reached.set()
        await scene.left.wait()
        with contextlib.suppress(ConnectionError):
            await peer.chunk(b"")

    async with opened(scene, handle):
        yield
        assert scene.client.is_closed() or scene.server.connections == 1


@contextlib.asynccontextmanager
async def backing_off(scene: Scene) -> AsyncGenerator[None]:
    """The server is busy, and asked to be left alone for a minute."""
    scene.due = False

    async def handle(peer: Peer) -> None:
        await answer({"error": {"message": "busy"}}, 503, {"retry-after": "60"})(peer)
        await eventually(lambda: pool(scene.client) == (0, 0))
        scene.reached.set()

    async with opened(scene, handle):
        yield


@contextlib.asynccontextmanager
async def within_a_tool(scene: Scene) -> AsyncGenerator[None]:
    """The model has called a tool, which runs."""
    scene.due = False

    async def handle(peer: Peer) -> None:
        if peer.request.json.get("stream"):
            chunks = [chunk(delta={"role": "assistant", "tool_calls": [CALL]}), chunk(finish="tool_calls")]
            await sse(chunks)(peer)
        else:
            called = completion()
            called["choices"][0] = {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "tool_calls": [CALL]},
            }
            await answer(called)(peer)
        await scene.steps.tool.wait()
        scene.reached.set()

    async with opened(scene, handle):
        yield


@contextlib.asynccontextmanager
async def between_pages(scene: Scene) -> AsyncGenerator[None]:
    """One page is read, the next one is asked for."""
    page = {"object": "list", "data": [{**completion(), "id": "a"}], "has_more": True, "last_id": "a"}
    async with opened(scene, answer(page), scene.stay):
        yield


@contextlib.asynccontextmanager
async def resolving(scene: Scene) -> AsyncGenerator[None]:
    """The host's name is being looked up."""
    scene.due = False
    loop = asyncio.get_running_loop()

    async def never(*_: object, **__: object) -> Any:
        scene.reached.set()
        await asyncio.Event().wait()

    async with opened(scene):
        scene.after = scene.server.url
        scene.client = scene.client.with_options(base_url="http://model.test/v1")
        loop.getaddrinfo = never  # type: ignore[method-assign]  # of this loop only, which ends with the test
        yield


@contextlib.asynccontextmanager
async def sending(scene: Scene) -> AsyncGenerator[None]:
    """The server has read the request's head only, and reads no more: half of it has still to be sent."""

    async def handle(peer: Peer) -> None:
        (sender,) = connections(scene.client)
        waiting: list[int] = []

        def is_stuck() -> bool:
            waiting.append(sender.transport.get_write_buffer_size())
            return waiting[-1] > 0 and len(waiting) > 20 and len(set(waiting[-20:])) == 1

        await eventually(is_stuck)
        scene.reached.set()
        await scene.left.wait()
        await scene.stay(peer)

    async with opened(scene, server=EarlyServer(handle)), RawServer(serve) as other:
        scene.after = other.url
        before = descriptors().total()

        async def check() -> None:
            # The server's end is open, and still unread. That of the client does not wait until it is.
            await eventually(lambda: descriptors().total() == before + 1)

        scene.check = check  # type: ignore[method-assign]  # of this moment
        yield


Moment = Callable[[Scene], contextlib.AbstractAsyncContextManager[None]]

MOMENTS: dict[Moment, list[Use]] = {
    in_the_pool: [*PLAIN, *STREAMS, pages],
    resolving: FEW,
    connecting: [*PLAIN, *STREAMS, pages],
    sending: [large, large_stream],
    before_the_head: [*PLAIN, *STREAMS, pages],
    before_the_first_token: [*PLAIN, *STREAMS],
    between_tokens: STREAMS,
    within_an_event: STREAMS,
    after_done: [stream, bare, events, final, text, batches, raw_bytes, streamed_stream],
    backing_off: [*PLAIN, *STREAMS, pages],
    within_a_tool: [run_tools, run_tools_streamed],
    between_pages: [pages],
}


# How it is left. Each checks what the caller gets.


async def cancel(scene: Scene) -> None:
    """Cancel the task."""
    task = asyncio.create_task(scene.run())
    await scene.reached.wait()
    task.cancel("why")
    with pytest.raises(asyncio.CancelledError, match="why"):
        await task
    assert task.cancelled()


async def cancel_twice(scene: Scene) -> None:
    """Cancel the task, and again while it leaves."""
    task = asyncio.create_task(scene.run())
    await scene.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def timeout(scene: Scene) -> None:
    """Let a time limit of the caller's pass."""
    limit = asyncio.timeout(None)

    async def run() -> None:
        async with limit:
            await scene.run()

    task = asyncio.create_task(run())
    await scene.reached.wait()
    limit.reschedule(0)
    with pytest.raises(TimeoutError):
        await task


async def scope(scene: Scene) -> None:
    """Cancel a scope of anyio's around it."""
    async with anyio.create_task_group() as group:
        group.start_soon(scene.run)
        await scene.reached.wait()
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught


async def sibling(scene: Scene) -> None:
    """Have another task of the group fail."""

    async def fail() -> None:
        await scene.reached.wait()
        raise ZeroDivisionError

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(scene.run())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]


async def close(scene: Scene) -> None:
    """Close the client."""
    task = asyncio.create_task(scene.run())
    await scene.reached.wait()
    await scene.client.close()
    await is_told(scene, task)


async def close_twice(scene: Scene) -> None:
    """Close the client, cancel that, and close it again."""
    task = asyncio.create_task(scene.run())
    await scene.reached.wait()
    closing = asyncio.create_task(scene.client.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await scene.client.close()
    await is_told(scene, task)


async def fail_around(scene: Scene) -> None:
    """Leave `async with client` by an exception."""
    task = asyncio.create_task(scene.run())

    async def owner() -> None:
        async with scene.client:
            await scene.reached.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await owner()
    await is_told(scene, task)


async def is_told(scene: Scene, task: asyncio.Task[None]) -> None:
    """Expect an error that says what became of the client, where there is something to tell."""
    if scene.steps.tool.is_set() or scene.steps.end.is_set():
        task.cancel()  # the connection is not needed any more, or not yet
        await asyncio.wait([task])
        return
    await asyncio.wait([task])
    error = task.exception()
    assert isinstance(error, errors.APIConnectionError), repr(error)
    assert "clos" in str(error)


Way = Callable[[Scene], Awaitable[None]]
CLOSING: list[Way] = [close, close_twice, fail_around]
WAYS: list[Way] = [cancel, cancel_twice, timeout, scope, sibling, *CLOSING]


async def leave(scene: Scene, moment: Moment, way: Way) -> None:
    """Play the scene, and look at what it leaves."""
    loop = asyncio.get_running_loop()
    async with moment(scene), asyncio.timeout(5):
        await way(scene)
        left = loop.time()
        await scene.check()
        scene.left.set()
        if scene.due:
            assert await scene.seen - left < PATIENCE
        await serves_on(scene)


async def serves_on(scene: Scene) -> None:
    """Expect the pool's one place to be free, and good for the next request."""
    if scene.client.is_closed():
        with pytest.raises(errors.OpenAIError, match="The client is closed; make a new one"):
            await create(scene.client, scene.steps)
        return
    await eventually(lambda: pool(scene.client) == (0, 0))
    async with asyncio.timeout(PATIENCE):
        await create(scene.client.with_options(base_url=scene.after or scene.server.url), scene.steps)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_leaving(moment: Moment, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is used is left without a trace, by every way, at every moment."""
    monkeypatch.setattr(exchange, "_LOOK", 0.02)  # who waits for the next attempt looks once a second
    async with leaves_nothing():
        for use in MOMENTS[moment]:
            if way not in (cancel, close) and use in {*PLAIN, *STREAMS} - {*FEW}:
                continue
            try:
                await leave(Scene(use), moment, way)
            except BaseException as error:
                error.add_note(f"used: {use.__name__}")
                raise


# Leaving a stream from the inside, by the forms that it has. A form is entered, and what is entered is looked at.


Form = tuple[Callable[[AsyncOpenAI], Any], Callable[[Any], Awaitable[AsyncIterator[Any]]]]


async def itself(entered: Any) -> AsyncIterator[Any]:
    """What is entered, iterated."""
    return aiter(entered)


async def parsed(entered: Any) -> AsyncIterator[Any]:
    """The stream of a response."""
    found = entered.parse()
    return aiter(await found if hasattr(found, "__await__") else found)


def seen_as(view: str) -> Callable[[Any], Awaitable[AsyncIterator[Any]]]:
    """A view of what is entered."""

    async def look(entered: Any) -> AsyncIterator[Any]:
        return aiter(getattr(entered, view)())

    return look


async def deltas(entered: Any) -> AsyncIterator[Any]:
    """The events of a run that come from the server."""
    return (told async for told in entered if told.type == "content.delta")


def created(client: AsyncOpenAI) -> Any:
    """A call for a stream."""
    return client.chat.completions.create(**ASKED, stream=True)


FORMS: dict[str, Form] = {
    "chunks": (created, itself),
    "events": (lambda client: client.chat.completions.stream(**ASKED), itself),
    "text": (created, seen_as("text")),
    "batches": (created, seen_as("batches")),
    "bytes": (created, seen_as("raw")),
    "response": (lambda client: created(client).raw(), parsed),
    "body": (lambda client: created(client).streamed(), seen_as("iter_bytes")),
    "lines": (lambda client: created(client).streamed(), seen_as("iter_lines")),
    "parsed": (lambda client: created(client).streamed(), parsed),
    "run": (lambda client: client.chat.completions.run_tools(**ASKED, tools=[], stream=True), deltas),
}


async def leave_by_break(call: Any, view: Any) -> None:
    """Leave the loop, and the block."""
    async with call as entered:
        async for _ in await view(entered):
            break


async def leave_by_exception(call: Any, view: Any) -> None:
    """Raise an exception in the loop."""

    async def read() -> None:
        async with call as entered:
            async for _ in await view(entered):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()


async def leave_unread(call: Any, view: Any) -> None:
    """Close it before anything is read."""
    async with call as entered:
        items = await view(entered)
        if hasattr(entered, "aclose"):
            await entered.aclose()
        with pytest.raises(errors.StreamStateError, match=r"closed|aborted"):
            await drain(items)


async def leave_from_elsewhere(call: Any, view: Any) -> None:
    """Close it from another task while it is being read; the reader is told what became of it."""
    entered = await call.__aenter__()
    reading = asyncio.create_task(drain(await view(entered)))
    await asyncio.sleep(0.01)
    await entered.aclose()
    with pytest.raises(errors.StreamStateError, match=r"closed|aborted"):
        await reading


async def drain(items: AsyncIterator[Any]) -> None:
    """Read to the end."""
    async for _ in items:
        pass


async def wrapped(call: Any, view: Any) -> AsyncGenerator[Any]:
    """A generator of the user's around it."""
    async with call as entered:
        async for item in await view(entered):
            yield item


async def leave_a_generator(call: Any, view: Any) -> None:
    """Close the generator around it."""
    generator = wrapped(call, view)
    await anext(generator)
    await generator.aclose()


async def leave_a_generator_elsewhere(call: Any, view: Any) -> None:
    """Read a generator in one task, close it in another: no scope is open across what it yields."""
    generator = wrapped(call, view)
    await asyncio.create_task(anext(generator))  # type: ignore[arg-type]  # it is a coroutine
    await asyncio.create_task(generator.aclose())  # type: ignore[arg-type]  # likewise


async def drop_a_generator(call: Any, view: Any) -> None:
    """Forget the generator around it, in another task than the one that read it."""
    held = [wrapped(call, view)]
    await asyncio.create_task(anext(held[0]))  # type: ignore[arg-type]  # it is a coroutine

    async def forget() -> None:
        held.clear()
        gc.collect()

    await asyncio.create_task(forget())


INSIDE = [
    leave_by_break, leave_by_exception, leave_unread, leave_from_elsewhere, leave_a_generator,
    leave_a_generator_elsewhere, drop_a_generator,
]  # fmt: skip


async def left(form: Form, way: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Open a stream, leave it, and look at what that leaves."""
    scene = Scene(create)
    scene.steps.item.set()
    call, view = form
    async with between_tokens(scene), asyncio.timeout(5):
        await way(call(scene.client), view)
        now = asyncio.get_running_loop().time()
        if scene.server.requests:  # a run that was not read has sent nothing
            assert await scene.seen - now < PATIENCE
            await serves_on(scene)


@pytest.mark.parametrize("way", INSIDE)
async def test_leaving_a_stream(way: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Whatever form a stream has, it is aborted by whatever its reader does, and nothing is left of it."""
    async with leaves_nothing():
        for name, form in FORMS.items():
            try:
                await left(form, way)
            except BaseException as error:
                error.add_note(f"form: {name}")
                raise


async def test_leaving_over_tls() -> None:
    """A stream over TLS is aborted at once, though its server answers no farewell, and reads nothing any more."""
    theirs, trusting = certificates()
    left = threading.Event()

    def serve_once() -> None:
        with theirs.wrap_socket(listening.accept()[0], server_side=True) as peer:
            peer.recv(65536)
            first = framed(ROLE + HEL)
            peer.sendall(head(content_type="text/event-stream", transfer_encoding="chunked") + first)
            left.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/v1"
        serving = asyncio.create_task(asyncio.to_thread(serve_once))
        async with AsyncOpenAI(api_key="k", base_url=url, ssl_context=trusting) as client:
            stream = await client.chat.completions.create(**ASKED, stream=True)
            during = descriptors().total()
            await stream.aclose()
            await eventually(lambda: descriptors().total() == during - 1)
            left.set()
            await serving


# Who else is there when a call is left.


async def test_siblings_of_a_failure_that_go_on() -> None:
    """`gather` leaves the others running when one fails; closing the client ends them, and nobody hears of it."""

    async def fail() -> None:
        raise ZeroDivisionError

    async with leaves_nothing():
        scene = Scene(stream)
        async with before_the_head(scene), scene.client:
            whole = asyncio.create_task(scene.run())
            with pytest.raises(ZeroDivisionError):
                await asyncio.gather(whole, fail())
            await scene.reached.wait()
            assert not whole.done()


async def test_shield() -> None:
    """What is shielded goes on when who waits is cancelled, and can still be had."""
    async with leaves_nothing():
        go = asyncio.Event()

        async def handle(peer: Peer) -> None:
            await go.wait()
            await serve(peer)

        async with RawServer(handle) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
            inner = asyncio.create_task(client.chat.completions.create(**ASKED))
            outer = asyncio.ensure_future(asyncio.shield(inner))
            await asyncio.sleep(0)
            outer.cancel()
            await asyncio.wait([outer])
            assert outer.cancelled()
            go.set()
            assert (await inner).choices[0].message.content == "Hello"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("ending", ["in time", "with an exception"])
async def test_tool_that_cleans_up(streams: bool, ending: str) -> None:  # noqa: FBT001 - a column of the table
    """A tool that takes its time to end, and is cancelled again meanwhile, ends; what it raises then is nobody's."""
    ended: list[str] = []

    async def wait() -> str:
        """Wait for ever."""
        scene.steps.tool.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append(ending)
            if ending == "with an exception":
                raise ZeroDivisionError
        return "never"

    async with leaves_nothing():
        scene = Scene(run_tools_streamed if streams else run_tools)
        scene.steps.wait = wait  # type: ignore[method-assign]  # the tool of this scene
        async with within_a_tool(scene):
            task = asyncio.create_task(scene.run())
            await scene.reached.wait()
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0.01)
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
            await serves_on(scene)
            await eventually(lambda: ended == [ending])
            await asyncio.sleep(0)


# Used in a way that can't be.


async def test_stream_that_is_entered_again() -> None:
    """A stream that was left is closed, however often it is entered."""
    scene = Scene(stream)
    scene.steps.item.set()
    async with leaves_nothing(), between_tokens(scene):
        opened_once = await created(scene.client)
        async with opened_once as one:
            await anext(one)
        async with opened_once as again:
            assert again is opened_once
            with pytest.raises(errors.StreamStateError, match="closed before its end; `snapshot` has what was"):
                await drain(again)


async def test_client_that_is_entered_again() -> None:
    """A client that was left is closed, and says so at the next call."""
    async with leaves_nothing(), RawServer(serve) as server:
        client = AsyncOpenAI(api_key="k", base_url=server.url)
        async with client:
            await create(client, Steps())
        async with client:
            with pytest.raises(errors.OpenAIError, match="The client is closed; make a new one, or close it later"):
                await create(client, Steps())


@pytest.mark.parametrize("form", ["chunks", "body", "parsed"])
async def test_two_readers(form: str) -> None:
    """A second reader is refused, told why, and the first one is not disturbed."""
    call, view = FORMS[form]
    go = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await begin(peer, ROLE + HEL)
        await go.wait()
        await peer.chunk(LO + STOP + event("[DONE]"))
        await peer.chunk(b"")

    async with (
        leaves_nothing(),
        RawServer(handle) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
        call(client) as entered,
    ):
        items = await view(entered)
        await anext(items)
        first = asyncio.create_task(drain(items))
        await asyncio.sleep(0.01)
        with pytest.raises(errors.StreamStateError, match=r"Another task is reading|read or closed already"):
            await drain(await view(entered))
        go.set()
        await first
