"""Time limits on real sockets: whatever a server does in the place of an answer, a call ends when its limit passes.

The limits are short, and the cases of one test run side by side. Waits of hours, on virtual clocks, are in
`tests/transport/test_timer.py`, `tests/transport/test_exchange.py` and `tests/api/test_stream.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

import anyio
import pytest
from support.limiter import WatchingLimiter
from support.rawserver import Handler, Peer, RawServer, answer, chunk, completion, deaf, event, hello, sse

from openai_async import AsyncOpenAI, Timeout, errors

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

T = TypeVar("T")

LIMIT = 0.2  # seconds
DRIP = 0.01  # seconds between the pieces of a server that has all the time of the world
MESSAGES: Any = [{"role": "user", "content": "hi"}]

ROLE, HEL, LO, STOP = map(event, hello())
USAGE = event({**chunk(), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})


def now() -> float:
    """The loop's time, in seconds."""
    return asyncio.get_running_loop().time()


class Lag:
    """How late the event loop was, in all: a busy machine is no fault of a timer's.

    Attributes:
        lost: In seconds.
    """

    def __init__(self) -> None:
        self.lost = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _watch(self) -> None:
        while True:
            due = now() + 0.01
            await asyncio.sleep(0.01)
            self.lost += now() - due


async def side_by_side(works: Mapping[str, Awaitable[T]]) -> dict[str, T]:
    """Await them all, and name those that fail."""
    found: dict[str, T] = {}
    failed: list[Exception] = []

    async def run(name: str, work: Awaitable[T]) -> None:
        try:
            found[name] = await work
        except Exception as error:  # noqa: BLE001 - all of them are raised below
            error.add_note(f"case: {name}")
            failed.append(error)

    await asyncio.gather(*(run(name, work) for name, work in works.items()))
    if failed:
        raise ExceptionGroup("some cases failed", failed)
    return found


async def ends(work: Awaitable[Any], *, limit: float = LIMIT, began: float | None = None) -> errors.APIError:
    """The error that `work` ends with: when the limit has passed, not before, and not a tenth later."""
    start = now() if began is None else began
    async with Lag() as lag:
        with pytest.raises(errors.APIError) as caught:
            await work
        took = now() - start
    assert limit - 0.001 <= took <= limit * 1.1 + 0.05 + lag.lost
    return caught.value


def phase(error: errors.APIError) -> str:
    """Which limit passed."""
    assert isinstance(error, errors.APITimeoutError), repr(error)
    return error.phase


def text(answer: Any) -> str | None:
    """The text of a completion's first choice."""
    content: str | None = answer.choices[0].message.content
    return content


def stream(client: AsyncOpenAI, name: str = "", **options: Any) -> Any:
    """A call for a stream, of the case of that name."""
    headers = {"x-case": name} if name else None
    return client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, extra_headers=headers, **{"max_retries": 0, **options}
    )


def plain(client: AsyncOpenAI, name: str = "", **options: Any) -> Any:
    """A call for a plain answer, of the case of that name."""
    headers = {"x-case": name} if name else None
    return client.chat.completions.create(
        model="m", messages=MESSAGES, extra_headers=headers, **{"max_retries": 0, **options}
    )


KINDS = {"stream": stream, "plain": plain}


# What servers do.


async def silent(peer: Peer) -> None:
    """Never answer."""
    await peer.gone()


async def drip(peer: Peer, pieces: Iterable[bytes], *, raw: bool = False) -> None:
    """Send the pieces, one at a time and chunked unless `raw`; after the last one, nothing."""
    for piece in pieces:
        await (peer.send if raw else peer.chunk)(piece)
        await asyncio.sleep(DRIP)
    await peer.gone()


def dripping(
    *pieces: bytes, first: Iterable[bytes] = (), status: int = 200, kind: str = "text/event-stream"
) -> Handler:
    """Answer with `first`, and then with the pieces over and over."""

    async def handle(peer: Peer) -> None:
        await peer.head(status, content_type=kind, transfer_encoding="chunked")
        await drip(peer, itertools.chain(first, itertools.cycle(pieces)))

    return handle


def raw(first: bytes, *pieces: bytes) -> Handler:
    """Send `first`, and then the pieces over and over, as they are."""

    async def handle(peer: Peer) -> None:
        await peer.send(first)
        await drip(peer, itertools.cycle(pieces), raw=True)

    return handle


def by_name(handlers: Mapping[str, Handler]) -> Handler:
    """Answer each request as the case that it names."""

    async def handle(peer: Peer) -> None:
        await handlers[peer.request.headers["x-case"]](peer)

    return handle


# What a stream may bring for ever without bringing anything.
NOTHING: dict[str, tuple[bytes, ...]] = {
    "silence": (),
    "comments": (b": ping\n\n",),
    "blank lines": (b"\n",),
    "retry fields": (b"retry: 10\n\n",),
    "id fields": (b"id: 7\n\n",),
    "named pings": (b"event: ping\ndata: {}\n\n",),
    "events without data": (b"event: x\n\n",),
    "roles": (ROLE,),
    "empty contents": (event(chunk("")),),
    "null contents": (event(chunk(delta={"content": None})),),
    "empty reasoning": (event(chunk(delta={"reasoning_content": ""})),),
    "no choices": (event({**chunk(), "choices": []}),),
    "usage": (USAGE,),
    "all of it in turn": (b": ping\n\n", ROLE, b"retry: 10\n\n", event(chunk("")), b"\r\n"),
}


def unfinished(first: bytes = b"") -> dict[str, Handler]:
    """Answers whose next event is begun, after `first`, and never comes to its end, byte for byte."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    opened = head + (b"%x\r\n%b\r\n" % (len(first), first) if first else b"")
    return {
        "an event": dripping(b"x", first=[first + b'data: {"id": "']),
        "a comment": dripping(b"x", first=[first + b": "]),
        "a field's name": dripping(b"x", first=[first + b"d"]),
        "an error event": dripping(b"x", first=[first + b'event: error\ndata: {"error": {"message": "']),
        "an event of many lines": dripping(b"data: x\n", first=[first + b"data: x\n"]),
        "a chunk of the transfer coding": raw(opened + b"ffff\r\n", b"x"),
        "a chunk's size": raw(opened + b"0", b"0"),
    }


# Limits before the answer: pool, connect, first token.


@pytest.mark.parametrize("kind", KINDS)
async def test_pool(kind: str) -> None:
    """A call that gets no connection of the pool ends at that limit."""
    async with RawServer(silent) as server, AsyncOpenAI(api_key="k", base_url=server.url, limit=1) as client:
        first = asyncio.create_task(stream(client))
        while not server.requests:  # noqa: ASYNC110 - a socket's other end sets no event
            await asyncio.sleep(0.005)

        error = await ends(KINDS[kind](client, timeout=Timeout(pool=LIMIT)))

        first.cancel()
        await asyncio.wait([first])
    assert phase(error) == "pool"
    assert len(server.requests) == 1


@contextlib.asynccontextmanager
async def unreachable() -> AsyncIterator[dict[str, AsyncOpenAI]]:
    """Clients of which none ever gets a connection, by what stands in its way."""
    established = b"HTTP/1.1 200 Connection established\r\n"
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        hole = await enter(RawServer(silent))  # reads a ClientHello as it would an endless request
        proxies = {
            "a proxy that is silent": silent,
            "a proxy whose headers never end": raw(established, b"x-a: b\r\n"),
            "a proxy that leads nowhere": raw(established + b"\r\n"),
        }
        settings: dict[str, dict[str, Any]] = {
            "a queue that is full": {"base_url": stack.enter_context(deaf())},
            "a server that never answers TLS": {"base_url": hole.url.replace("http", "https")},
        }
        for name, handler in proxies.items():
            proxy = await enter(RawServer(handler))
            settings[name] = {"base_url": "https://api.example/v1", "proxy": f"http://127.0.0.1:{proxy.port}"}
        yield {name: await enter(AsyncOpenAI(api_key="k", **given)) for name, given in settings.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", ["connect", "total"])
async def test_connect(kind: str, limit: str) -> None:
    """A connection that never opens, wherever it hangs, ends at the connect limit, or at the total one."""
    async with unreachable() as clients:
        call = KINDS[kind]
        found = await side_by_side(
            {name: ends(call(client, timeout=Timeout(**{limit: LIMIT}))) for name, client in clients.items()}
        )
    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, limit)


async def test_first_token_before_the_head() -> None:
    """An answer whose head does not come to its end ends at the first-token limit."""
    handlers = {
        "silence": silent,
        "a status line": raw(b"HTTP/1.1 200 O", b"K"),
        "headers": raw(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
        "a header's value": raw(b"HTTP/1.1 200 OK\r\nx-a: ", b"b"),
        "informational answers": raw(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    }
    limits = Timeout(first_token=LIMIT)
    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        found = await side_by_side({name: ends(stream(client, name, timeout=limits)) for name in handlers})

        # A proxy that takes requests to plain HTTP is no connection that hangs: it has the request.
        through = {"base_url": "http://api.example/v1", "proxy": f"http://127.0.0.1:{server.port}"}
        async with AsyncOpenAI(api_key="k", **through) as proxied:
            found["a proxy"] = await ends(stream(proxied, "silence", timeout=limits))

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, "first_token")
    assert len(server.requests) == len(found)


async def test_first_token_before_the_content() -> None:
    """What is no content, in any number, does not put off the first-token limit; nothing was received."""
    handlers = {
        **{name: dripping(*pieces) for name, pieces in NOTHING.items()},
        **unfinished(),
        "JSON": dripping(b" ", first=[b'{"choices": ['], kind="application/json"),
        "JSON that says to be a stream": dripping(b" ", first=[b'{"choices": [']),
        "a web page": dripping(b"<p>", first=[b"<!doctype html>"], kind="text/html"),
        "blank lines of no kind": dripping(b"\n", kind="application/octet-stream"),
    }
    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        limits = Timeout(first_token=LIMIT)
        found = await side_by_side({name: ends(stream(client, name, timeout=limits)) for name in handlers})

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, "first_token")
    assert {name: error.partial for name, error in found.items()} == dict.fromkeys(found)
    assert len(server.requests) == len(handlers)


REFUSALS: dict[int, type[errors.APIError]] = {
    302: errors.APIStatusError,
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    429: errors.RateLimitError,
    500: errors.InternalServerError,
    503: errors.InternalServerError,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_refusals_that_never_end(kind: str) -> None:
    """A refusal whose body never ends is raised as the refusal that it is, when the limit passes; so is a redirect."""
    limit = "first_token" if kind == "stream" else "total"
    handlers = {str(status): dripping(b" ", first=[b"Not now."], status=status) for status in REFUSALS}
    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        call, limits = KINDS[kind], Timeout(**{limit: LIMIT})
        found = await side_by_side({name: ends(call(client, name, timeout=limits)) for name in handlers})

    assert {int(name): type(error) for name, error in found.items()} == REFUSALS
    assert {error.message for error in found.values()} == {"Not now."}


# The idle limit.


async def opened(client: AsyncOpenAI, name: str = "", **options: Any) -> Any:
    """A stream whose first content has been taken: "Hel"."""
    made = await stream(client, name, **options)
    async for one in made:
        if one.text:
            return made
    raise AssertionError


async def iterate(items: Any) -> None:
    """Read to the end."""
    async for _ in items:
        pass


async def test_idle() -> None:
    """What is no content, in any number, does not put off the idle limit; what was received before is in the error."""
    handlers = {
        **{name: dripping(*pieces, first=[ROLE + HEL]) for name, pieces in NOTHING.items()},
        **unfinished(ROLE + HEL),
    }

    async def stalls(name: str) -> errors.APIError:
        made = await opened(client, name, timeout=Timeout(idle=LIMIT))
        error = await ends(iterate(made))
        assert error.partial == made.snapshot
        return error

    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        found = await side_by_side({name: stalls(name) for name in handlers})

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, "idle")
    assert {text(error.partial) for error in found.values()} == {"Hel"}


# Every way to read a stream.

WAYS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "iterate": iterate,
    "final": lambda made: made.final(),
    "until_done": lambda made: made.until_done(),
    "events": lambda made: iterate(made.events()),
    "text": lambda made: iterate(made.text()),
    "batches": lambda made: iterate(made.batches()),
    "raw": lambda made: iterate(made.raw()),
    "partial": lambda made: iterate(made.partial(dict[str, str])),
}


@pytest.mark.parametrize("limit", ["idle", "total"])
async def test_ways_to_read(limit: str) -> None:
    """A limit ends a stream by whichever way it is read, with what was received."""
    handler = dripping(*([LO] if limit == "total" else [b": ping\n\n"]), first=[ROLE + HEL])

    async def read(way: str) -> errors.APIError:
        began = now()
        made = await stream(client, timeout=Timeout(**{limit: LIMIT}))
        error = await ends(WAYS[way](made), began=began if limit == "total" else None)
        assert error.partial == made.snapshot
        return error

    async with RawServer(handler) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        found = await side_by_side({way: read(way) for way in WAYS})

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, limit)
    assert all(str(text(error.partial)).startswith("Hel") for error in found.values())


async def test_responses_with_their_bodies_unread() -> None:
    """The limits hold for a body that is read when it is asked for: its bytes, its lines, the stream in it."""
    handlers = {
        "plain": dripping(b" ", kind="application/json"),
        "tokens": dripping(LO, first=[HEL]),
        "silence": dripping(first=[HEL]),
    }

    async def read(name: str, take: Callable[[Any], Awaitable[Any]], limit: str) -> errors.APIError:
        began = now()
        ask: Any = client.with_streaming_response.chat.completions.create
        options = {"stream": True} if name != "plain" else {}
        headers, limits = {"x-case": name}, Timeout(**{limit: LIMIT})
        async with ask(model="m", messages=MESSAGES, extra_headers=headers, timeout=limits, **options) as response:
            return await ends(take(response), began=began if limit == "total" else None)

    async def parsed(response: Any) -> None:
        await (await response.parse()).final()

    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        found = await side_by_side(
            {
                "read": read("plain", lambda response: response.read(), "total"),
                "json": read("plain", lambda response: response.json(), "total"),
                "bytes": read("tokens", lambda response: iterate(response.iter_bytes()), "total"),
                "lines": read("tokens", lambda response: iterate(response.iter_lines()), "total"),
                "parse": read("tokens", parsed, "total"),
                "silent bytes": read("silence", lambda response: iterate(response.iter_bytes()), "idle"),
                "silent lines": read("silence", lambda response: iterate(response.iter_lines()), "idle"),
                "silent parse": read("silence", parsed, "idle"),
            }
        )

    expected = {name: "idle" if name.startswith("silent") else "total" for name in found}
    assert {name: phase(error) for name, error in found.items()} == expected
    assert text(found["silent parse"].partial) == "Hel"


# The total limit spans everything.


class Never(WatchingLimiter):
    """Lets nothing through."""

    async def acquire(self, *, tokens: int) -> Any:
        """Wait."""
        self.acquired.append(tokens)
        await asyncio.Event().wait()


async def never() -> str:
    """A key that does not come."""
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("kind", KINDS)
async def test_total_before_anything_is_sent(kind: str) -> None:
    """The wait for a key, and for a limiter, counts to the total; nothing is sent."""
    async with RawServer(silent) as server:
        clients = {
            "key": AsyncOpenAI(api_key=never, base_url=server.url),
            "limiter": AsyncOpenAI(api_key="k", base_url=server.url, limiter=Never()),
        }
        limits = Timeout(total=LIMIT)
        found = await side_by_side({name: ends(KINDS[kind](one, timeout=limits)) for name, one in clients.items()})
        for one in clients.values():
            await one.close()

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, "total")
    assert server.connections == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_total_of_an_answer(kind: str) -> None:
    """The total limit ends an answer that has no other limit, whatever it lacks."""
    json, page = "application/json", "text/html"
    handlers = {
        "silence": silent,
        "headers": raw(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
        "a body byte by byte": dripping(b" ", first=[b"{"], kind=json),
        "a body with a length": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n{", b" "),
        "a body that is whole but for its end": dripping(first=[event(completion())[6:]], kind=json),
        "a web page": dripping(b"<p>", first=[b"<!doctype html>"], kind=page),
    }
    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        call = KINDS[kind]
        found = await side_by_side({name: ends(call(client, name, timeout=LIMIT)) for name in handlers})

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, "total")
    assert {name: error.partial for name, error in found.items()} == dict.fromkeys(found)


@pytest.mark.parametrize("kind", KINDS)
async def test_total_spans_attempts(kind: str) -> None:
    """Attempts and the waits between them are within the total, which ends the attempt under way; all are told of."""
    refused = answer({"error": {"message": "no"}}, 503, {"retry-after-ms": "50"})
    async with RawServer(refused, refused, silent) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        error = await ends(KINDS[kind](client, timeout=LIMIT, max_retries=5))

    assert phase(error) == "total"
    assert [one.status_code for one in error.attempts] == [503, 503, None]
    assert [one.delay for one in error.attempts] == [0.05, 0.05, None]
    assert len(server.requests) == 3


@pytest.mark.parametrize("kind", KINDS)
async def test_wait_that_would_pass_the_total(kind: str) -> None:
    """Where the server asks for a wait beyond the total, its refusal is raised at once, with every attempt."""
    soon = answer({"error": {"message": "soon"}}, 429, {"retry-after-ms": "10"})
    late = answer({"error": {"message": "late"}}, 429, {"retry-after": "7"})
    async with RawServer(soon, late) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        began = now()
        with pytest.raises(errors.RateLimitError, match="late") as caught:
            await KINDS[kind](client, timeout=5.0, max_retries=5)
        assert now() - began < 1

    assert [(one.error, one.delay) for one in caught.value.attempts] == [("soon", 0.01), ("late", None)]


async def test_limits_of_one_attempt_begin_anew() -> None:
    """Where a limit other than the total passes, another attempt follows, with a limit of its own."""
    async with unreachable() as clients, RawServer(silent) as server:
        slow = AsyncOpenAI(api_key="k", base_url=server.url, limit=1)
        held = asyncio.create_task(stream(slow))
        while not server.requests:  # noqa: ASYNC110 - a socket's other end sets no event
            await asyncio.sleep(0.005)

        async def failing(client: AsyncOpenAI, **limits: float) -> errors.APIError:
            with pytest.raises(errors.APITimeoutError) as caught:
                await stream(client, timeout=Timeout(**limits), max_retries=1)
            return caught.value

        async with AsyncOpenAI(api_key="k", base_url=server.url) as client:
            found = await side_by_side(
                {
                    "connect": failing(clients["a server that never answers TLS"], connect=LIMIT),
                    "first_token": failing(client, first_token=LIMIT),
                    "pool": failing(slow, pool=LIMIT),
                }
            )
        held.cancel()
        await asyncio.wait([held])
        await slow.close()

    for name, error in found.items():
        assert phase(error) == name
        assert [one.elapsed for one in error.attempts] == [pytest.approx(LIMIT, abs=0.1)] * 2
    assert len(server.requests) == 1 + 2


# Readers that take their time.


async def test_busy_reader_is_not_idle() -> None:
    """Time that the reader takes is not the server's silence: what came meanwhile is there, and only then it counts."""
    handlers = {"goes on": sse(hello()), "stalls": sse([ROLE + HEL], done=False, ending="nothing")}
    async with RawServer(by_name(handlers)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        going, stalling = [await opened(client, name, timeout=Timeout(idle=LIMIT)) for name in handlers]
        await asyncio.sleep(LIMIT * 1.5)

        assert text(await going.final()) == "Hello"
        error = await ends(stalling.final())

    assert (phase(error), text(error.partial)) == ("idle", "Hel")


async def test_busy_reader_counts_to_the_total() -> None:
    """A reader is not interrupted when the total passes; its next wait is: at once, with what was received."""
    async with (
        RawServer(sse([ROLE + HEL], done=False, ending="nothing")) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        made = await opened(client, timeout=LIMIT)
        await asyncio.sleep(LIMIT * 1.5)
        error = await ends(made.final(), limit=0)

    assert (phase(error), text(error.partial)) == ("total", "Hel")


async def test_answer_that_arrived_while_the_reader_was_busy() -> None:
    """What had arrived when the reader comes back is handed out, though the total has passed; here it is the rest."""
    async with (
        RawServer(sse([ROLE + HEL, LO, STOP])) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        made = await opened(client, timeout=LIMIT)
        await asyncio.sleep(LIMIT * 1.5)

        assert text(await made.final()) == "Hello"


async def test_reader_slower_than_the_server_ends_at_the_total() -> None:
    """A reader that always finds bytes waiting is stopped as well: one read more, and the total's error comes."""
    late: list[float] = []
    async with (
        RawServer(dripping(LO, first=[ROLE + HEL])) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        began = now()
        made = await stream(client, timeout=LIMIT)

        async def read_slowly() -> None:
            async for _ in made.batches():
                if now() > began + LIMIT:
                    late.append(now() - began)
                await asyncio.sleep(DRIP * 5)

        with pytest.raises(errors.APITimeoutError) as caught:
            await read_slowly()

    assert caught.value.phase == "total"
    assert len(late) <= 1
    assert caught.value.partial == made.snapshot


# After [DONE].


async def test_answers_that_go_on_after_their_end() -> None:
    """The rest of a finished answer delays nobody; after a second, or a quarter of a mebibyte, it is given up."""
    left: dict[str, asyncio.Future[float]] = {}
    loop = asyncio.get_running_loop()

    def endless(name: str, *pieces: bytes) -> Handler:
        async def handle(peer: Peer) -> None:
            left[name] = loop.create_future()
            try:
                await dripping(*pieces, first=[*map(event, hello()), b"data: [DONE]\n\n"])(peer)
            except ConnectionError:
                pass
            finally:
                left[name].set_result(loop.time())

        return handle

    handlers = {
        "silence": endless("silence"),
        "comments": endless("comments", b": ping\n\n"),
        "chunks": endless("chunks", LO),
        "a flood": endless("a flood", b"x" * 2**18),
    }
    async with (
        RawServer(by_name(handlers)) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
        Lag() as lag,
    ):

        async def rest(name: str) -> float:
            began = now()
            assert text(await (await stream(client, name)).final()) == "Hello"
            ended = now()
            assert ended - began < 0.5 + lag.lost
            return await asyncio.wait_for(left[name], 3) - ended

        took = await side_by_side({name: rest(name) for name in handlers})

    flood = took.pop("a flood")
    assert flood < 0.5 + lag.lost
    assert all(0.9 <= seconds <= 1.15 + lag.lost for seconds in took.values()), took


async def test_closing_while_a_rest_is_read() -> None:
    """A client that is closed while the rests of its answers still come does not wait for them."""
    handler = dripping(b": ping\n\n", first=[*map(event, hello()), b"data: [DONE]\n\n"])
    async with RawServer(handler) as server, Lag() as lag:
        client = AsyncOpenAI(api_key="k", base_url=server.url)
        made = await asyncio.gather(*(stream(client) for _ in range(20)))
        assert [text(await one.final()) for one in made] == ["Hello"] * 20
        began = now()
        await client.close()
        assert now() - began < 0.3 + lag.lost
        while server.open:  # noqa: ASYNC110 - a socket's other end sets no event
            await asyncio.sleep(0.005)
        assert now() - began < 0.5 + lag.lost


# The caller's own limits stay the caller's.

Own = Callable[[Awaitable[Any], float], Awaitable[Any]]


async def asyncio_timeout(work: Awaitable[Any], seconds: float) -> Any:
    """`asyncio.timeout`."""
    async with asyncio.timeout(seconds):
        return await work


async def wait_for(work: Awaitable[Any], seconds: float) -> Any:
    """`asyncio.wait_for`."""
    return await asyncio.wait_for(work, seconds)


async def fail_after(work: Awaitable[Any], seconds: float) -> Any:
    """`anyio.fail_after`."""
    with anyio.fail_after(seconds):
        return await work


async def move_on_after(work: Awaitable[Any], seconds: float) -> Any:
    """`anyio.move_on_after`, and a `TimeoutError` where it says that it has moved on."""
    with anyio.move_on_after(seconds) as scope:
        return await work
    assert scope.cancelled_caught
    raise TimeoutError


async def cancelled(work: Awaitable[Any], seconds: float) -> Any:
    """A task that is cancelled, and a `TimeoutError` where it says that it was."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        raise TimeoutError
    return await task


OWN: list[Own] = [asyncio_timeout, wait_for, fail_after, move_on_after, cancelled]


@contextlib.asynccontextmanager
async def waits(timeout: Timeout) -> AsyncIterator[dict[str, Callable[[], Awaitable[Any]]]]:
    """Everything that a call may wait for, for ever, and the call that waits for it."""
    handlers = {
        "head": silent,
        "first token": dripping(b": ping\n\n", ROLE),
        "next token": dripping(b": ping\n\n", first=[ROLE + HEL]),
        "tokens without end": dripping(LO, first=[ROLE + HEL]),
        "plain body": dripping(b" ", kind="application/json"),
        "refusal": dripping(b" ", status=400),
        "back-off": answer({"error": {"message": "no"}}, 503, {"retry-after": "60"}),
    }
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        server = await enter(RawServer(by_name(handlers)))
        hole = await enter(RawServer(silent))

        async def made(**options: Any) -> AsyncOpenAI:
            return await enter(AsyncOpenAI(**{"api_key": "k", "base_url": server.url, "timeout": timeout, **options}))

        client, unable = await made(), await made(base_url=hole.url.replace("http", "https"))
        keyless, limited, full = await made(api_key=never), await made(limiter=Never()), await made(limit=1)
        held = await stream(full, "next token", timeout=None)
        stack.push_async_callback(held.aclose)

        async def final(name: str) -> Any:
            return await (await stream(client, name)).final()

        yield {
            "key": lambda: stream(keyless),
            "limiter": lambda: stream(limited),
            "pool": lambda: stream(full, "head"),
            "connection": lambda: stream(unable),
            "head": lambda: stream(client, "head"),
            "first token": lambda: stream(client, "first token"),
            "next token": lambda: final("next token"),
            "tokens without end": lambda: final("tokens without end"),
            "plain body": lambda: plain(client, "plain body"),
            "refusal": lambda: stream(client, "refusal"),
            "back-off": lambda: stream(client, "back-off", max_retries=2),
        }


@pytest.mark.parametrize("limits", [Timeout.of(None), Timeout(total=600)], ids=["no limits", "limits"])
async def test_callers_own_limits(limits: Timeout) -> None:
    """A limit of the caller's, around whatever a call waits for, ends it as the caller's: our limits don't touch it."""

    async def interrupted(own: Own, call: Callable[[], Awaitable[Any]]) -> None:
        with pytest.raises(TimeoutError):
            await own(call(), 0.2)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    async with waits(limits) as calls, Lag() as lag:
        began = now()
        await side_by_side(
            {f"{own.__name__}, {name}": interrupted(own, call) for own in OWN for name, call in calls.items()}
        )
        assert now() - began < 0.7 + lag.lost


async def test_our_limits_inside_the_callers() -> None:
    """Our limit, inside a longer one of the caller's, raises our error: theirs does not swallow it."""

    async def interrupted(own: Own, call: Callable[[], Awaitable[Any]]) -> errors.APIError:
        with pytest.raises(errors.APIError) as caught:
            await own(call(), 30)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return caught.value

    async with waits(Timeout(total=LIMIT)) as calls:
        for refusal in ("refusal", "back-off"):  # raised as what they are, or at once
            del calls[refusal]
        found = await side_by_side(
            {f"{own.__name__}, {name}": interrupted(own, call) for own in OWN for name, call in calls.items()}
        )

    assert {name: phase(error) for name, error in found.items()} == dict.fromkeys(found, "total")
