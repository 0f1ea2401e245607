"""Streams that outlive their readers: begun, read, stopped, kept, and ended, by whom it may be."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from support.clock import run
from support.rawserver import Peer, RawServer, answer, chunk, event, hello, sse

from openai_async import AsyncOpenAI
from openai_async.relay import (
    BadCursor,
    Cursor,
    End,
    Fenced,
    Held,
    HubClosed,
    MemoryBackend,
    MemoryLog,
    Producer,
    RelayHub,
    StreamEnded,
    StreamExpired,
    TooManyStreams,
    UnknownStream,
)

DONE = End("done")
CHUNKS = hello()


def payload(each: Any) -> bytes:
    """The JSON of a chunk."""
    return json.dumps(each, separators=(",", ":")).encode()


FRAMES = [payload(each) for each in CHUNKS]


class Upstream:
    """A source that is paced, and knows whether it was opened and closed."""

    def __init__(self, *chunks: Any, pace: float = 1.0, failure: Exception | None = None) -> None:
        self.chunks = chunks or CHUNKS
        self.pace = pace
        self.failure = failure
        self.opened = self.closed = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncIterator[Any]]:
        self.opened += 1
        try:
            yield self._chunks()
        finally:
            self.closed += 1

    async def _chunks(self) -> AsyncIterator[Any]:
        for each in self.chunks:
            await asyncio.sleep(self.pace)
            yield each
        if self.failure is not None:
            raise self.failure


class Ends(list[Any]):
    """An `on_end` that remembers."""

    async def __call__(self, end: End, completion: Any) -> None:
        await asyncio.sleep(0)
        self.append((end, None if completion is None else completion.choices[0].message.content))


async def read(hub: RelayHub, stream_id: str, **options: Any) -> tuple[list[bytes], End | None]:
    """Read a stream to its end."""
    subscription = hub.subscribe(stream_id, **options)
    frames = [frame async for batch in subscription for frame in batch.frames]
    return frames, subscription.end


def with_hub(main: Callable[[RelayHub], Awaitable[None]], **options: Any) -> None:
    """Run something with a hub, in virtual time."""

    async def all_of_it() -> None:
        async with RelayHub(**options) as hub:
            await main(hub)

    run(all_of_it())


def test_whoever_began_it_may_leave() -> None:
    """The task that called `start` is cancelled; the stream goes on, and `on_end` is told of the whole answer."""

    async def main(hub: RelayHub) -> None:
        upstream, ends = Upstream(), Ends()

        async def request() -> None:
            await hub.start(upstream, stream_id="s", on_end=ends)
            await asyncio.sleep(1e6)

        task = asyncio.create_task(request())
        await asyncio.sleep(1.5)
        task.cancel()
        assert await read(hub, "s") == (FRAMES, DONE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ends == [(DONE, "Hello")]
        assert (upstream.opened, upstream.closed) == (1, 1)
        assert (await hub.status("s")).status == "done"
        assert (await hub.status("s")).cursor.seq == 4

    with_hub(main)


def test_starting_it_again_begins_nothing() -> None:
    """While it is live, at once, and after its end: the id is returned, and the upstream is opened once."""

    async def main(hub: RelayHub) -> None:
        upstream = Upstream()
        ids = await asyncio.gather(*(hub.start(upstream, stream_id="s") for _ in range(3)))
        await read(hub, "s")
        ids.append(await hub.start(upstream, stream_id="s"))
        assert ids == 4 * ["s"]
        assert upstream.opened == 1
        assert len({await hub.start(upstream) for _ in range(3)}) == 3, "without an id each is new"

    with_hub(main)


@pytest.mark.parametrize("replay", ["frames", "merged"])
@pytest.mark.parametrize("when", [0.0, 2.5, 10.0])
def test_reading_on_from_any_place(when: float, replay: str) -> None:
    """Before it began, amid it and after it: no frame is missed, none comes twice."""

    async def main(hub: RelayHub) -> None:
        await hub.start(Upstream(), stream_id="s")
        await asyncio.sleep(when)
        epoch = (await hub.status("s")).cursor.epoch
        for seq in range(5):
            frames, end = await read(hub, "s", after=f"{epoch}-{seq}")
            assert (frames, end) == (FRAMES[seq:], DONE)
        assert (await read(hub, "s", after=Cursor(epoch, 2)))[0] == FRAMES[2:]
        frames, _ = await read(hub, "s", after=None, replay=replay)
        text = "".join(json.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames)
        assert text == "Hello"

    with_hub(main)


def test_a_cursor_of_an_earlier_life_is_reset() -> None:
    """After a restart the same id is another stream: its reader is told to drop what it has."""

    async def life(after: str | None) -> tuple[bool, str]:
        async with RelayHub() as hub:
            await hub.start(Upstream(), stream_id="s")
            batches = [batch async for batch in hub.subscribe("s", after=after)]
            return batches[0].reset, str(batches[-1].cursor)

    reset, cursor = run(life(None))
    assert not reset
    anyio.run(anyio.sleep, 0.002)  # epochs are milliseconds
    assert run(life(cursor))[0]


def test_stop() -> None:
    """Readers see "cancelled" at once, the upstream is closed, `on_end` has the partial answer; again, it is False."""

    async def main(hub: RelayHub) -> None:
        upstream, ends = Upstream(pace=10), Ends()
        await hub.start(upstream, stream_id="s", on_end=ends)
        reader = asyncio.create_task(read(hub, "s"))
        await asyncio.sleep(25)
        before = asyncio.get_running_loop().time()
        assert await hub.stop("s") is True
        assert await reader == (FRAMES[:2], End("cancelled"))
        for _ in range(9):
            await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() == before, "nobody waited"
        assert upstream.closed == 1
        assert ends == [(End("cancelled"), "Hel")]
        assert await hub.stop("s") is False
        assert await read(hub, "s") == (FRAMES[:2], End("cancelled"))

    with_hub(main)


def test_a_stop_that_finds_the_stream_gone_meanwhile() -> None:
    """It was not live any more: there was nothing left to stop."""

    class Forgetting(MemoryBackend):
        async def stop(self, stream_id: str, end: End) -> bool:
            await super().stop(stream_id, end)
            raise StreamExpired

    async def main() -> None:
        async with RelayHub(Forgetting()) as hub:
            await hub.start(Upstream(), stream_id="s")
            assert await hub.stop("s") is False

    run(main())


def test_stop_before_anything_began() -> None:
    """The upstream is never opened."""

    async def main(hub: RelayHub) -> None:
        upstream, ends = Upstream(), Ends()
        await hub.start(upstream, stream_id="s", on_end=ends)
        await hub.stop("s")
        await asyncio.sleep(5)
        assert upstream.opened == 0
        assert ends == [(End("cancelled"), None)]

    with_hub(main)


def test_stop_at_every_point() -> None:
    """However far it is: the upstream that was opened is closed, every reader ends, `on_end` is called once."""

    async def main(steps: int) -> None:
        upstream, ends = Upstream(pace=0), Ends()
        async with RelayHub() as hub:
            await hub.start(upstream, stream_id="s", on_end=ends)
            reader = asyncio.create_task(read(hub, "s"))
            for _ in range(steps):
                await asyncio.sleep(0)
            await hub.stop("s")
            frames, end = await reader
            assert frames == FRAMES[: len(frames)]
            await asyncio.sleep(1)
            assert upstream.opened == upstream.closed
            assert [told[0] for told in ends] == [end]
            assert end in (DONE, End("cancelled"))

    for steps in range(25):
        run(main(steps))


def test_an_upstream_that_fails() -> None:
    """Readers and `on_end` get what came, and an error that tells of no secret; other streams go on."""

    async def main(hub: RelayHub) -> None:
        ends = Ends()
        await hub.start(Upstream(failure=RuntimeError("sk-secret of db7")), stream_id="s", on_end=ends)
        await hub.start(Upstream(), stream_id="other")
        frames, end = await read(hub, "s")
        assert frames == FRAMES
        assert end is not None
        assert (end.status, (end.error or {})["code"]) == ("error", "relay_failed")
        assert "secret" not in str(end)
        assert await read(hub, "other") == (FRAMES, DONE)
        await asyncio.sleep(1)
        assert ends == [(end, "Hello")]

    with_hub(main)


@pytest.mark.parametrize("source", [lambda: None, lambda: 1 / 0, Upstream(7)])
def test_a_source_that_is_none(source: Any) -> None:
    """It ends the stream with an error; nothing hangs."""

    async def main(hub: RelayHub) -> None:
        await hub.start(source, stream_id="s")
        _, end = await read(hub, "s")
        assert end is not None
        assert end.status == "error"

    with_hub(main)


def test_an_on_end_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and nothing else comes of it."""

    async def broken(end: End, completion: Any) -> None:
        raise RuntimeError("no database")

    async def main(hub: RelayHub) -> None:
        await hub.start(Upstream(), stream_id="s", on_end=broken)
        assert await read(hub, "s") == (FRAMES, DONE)

    with_hub(main)
    assert "on_end of a stream failed" in caplog.text


def test_a_stream_may_be_so_large() -> None:
    """It ends with an error that says so, the upstream is closed, and what fits is kept."""

    async def main(hub: RelayHub) -> None:
        upstream = Upstream()
        await hub.start(upstream, stream_id="s")
        frames, end = await read(hub, "s")
        assert frames == FRAMES[:2]
        assert end is not None
        assert (end.status, (end.error or {})["code"]) == ("error", "stream_too_large")
        await asyncio.sleep(0)
        assert upstream.closed == 1

    with_hub(main, max_stream_bytes=len(FRAMES[0]) + len(FRAMES[1]))


def test_retention() -> None:
    """After `retain` seconds it is gone, 410, and who reads already reads on; later it was never there, 404."""

    async def main(hub: RelayHub) -> None:
        await hub.start(Upstream(), stream_id="s", owner="ann")
        await read(hub, "s", owner="ann")
        await asyncio.sleep(59)
        early = hub.subscribe("s", owner="ann")
        await early.open()
        await asyncio.sleep(2)
        with pytest.raises(StreamExpired):
            await read(hub, "s", owner="ann")
        with pytest.raises(StreamExpired):
            await hub.start(Upstream(), stream_id="s", owner="ann")
        with pytest.raises(UnknownStream):
            await read(hub, "s", owner="bob")
        assert (await hub.status("s", owner="ann")).status == "expired"
        assert await hub.stop("s", owner="ann") is False
        assert [frame async for batch in early for frame in batch.frames] == FRAMES
        await asyncio.sleep(3600)
        with pytest.raises(UnknownStream):
            await read(hub, "s", owner="ann")
        await hub.start(Upstream(), stream_id="s", owner="bob")

    with_hub(main, retain=60)


@pytest.mark.parametrize("owner", ["bob", None, "", "ann ", "änn"])
def test_a_stream_of_somebody_else_looks_like_none(owner: str | None) -> None:
    """To read, to stop and to ask for; begun again, its id is taken."""

    async def main(hub: RelayHub) -> None:
        await hub.start(Upstream(), stream_id="s", owner="ann")
        for ask in (read(hub, "s", owner=owner), hub.stop("s", owner=owner), hub.status("s", owner=owner)):
            with pytest.raises(UnknownStream) as caught:
                await ask
            with pytest.raises(UnknownStream) as unknown:
                await read(hub, "none")
            assert str(caught.value) == str(unknown.value)
        with pytest.raises(Held):
            await hub.start(Upstream(), stream_id="s", owner=owner)
        assert await read(hub, "s", owner="ann") == (FRAMES, DONE)

    with_hub(main)


def test_so_many_streams_are_kept() -> None:
    """Ended ones make room, the oldest first; live ones don't."""

    async def main(hub: RelayHub) -> None:
        for name in ("a", "b"):
            await hub.start(Upstream(), stream_id=name)
        with pytest.raises(TooManyStreams, match="2"):
            await hub.start(Upstream(), stream_id="c")
        for name in ("b", "a"):
            await read(hub, name)
        await hub.start(Upstream(), stream_id="c")
        gone = []
        for name in ("a", "b", "c"):
            try:
                await read(hub, name)
            except StreamExpired:
                gone.append(name)
        assert len(gone) == 1
        assert gone[0] != "c"

    with_hub(main, max_streams=2)


def test_nobody_reads() -> None:
    """With `on_idle="cancel"` it is stopped after the grace, counted from the last reader's leaving; else it goes on."""

    async def main(hub: RelayHub) -> None:
        upstream = Upstream(pace=20)
        await hub.start(upstream, stream_id="s")
        for _ in range(2):
            await asyncio.sleep(25)
            async with hub.subscribe("s") as subscription:
                await anext(subscription)
        await asyncio.sleep(29)
        assert upstream.closed == 0
        await asyncio.sleep(2)
        assert upstream.closed == 1
        assert (await hub.status("s")).status == "cancelled"
        never = Upstream(pace=20)
        await hub.start(never, stream_id="never")
        await asyncio.sleep(31)
        assert never.closed == 1

    with_hub(main, on_idle="cancel", idle_grace=30)


def test_closing_waits_a_while_and_then_ends() -> None:
    """A short stream is whole; a long one ends with an error, code "shutdown", for its readers and for `on_end`."""
    short, long, ends = Upstream(), Upstream(pace=60), Ends()
    results: list[tuple[list[bytes], End | None]] = []

    async def main() -> float:
        async with RelayHub(drain=10) as hub:
            await hub.start(short, stream_id="short", on_end=ends)
            await hub.start(long, stream_id="long", on_end=ends)
            readers = [asyncio.create_task(read(hub, name)) for name in ("short", "long")]
            await asyncio.sleep(0.5)
            began = asyncio.get_running_loop().time()
        results.extend(await asyncio.gather(*readers))
        with pytest.raises(HubClosed):
            await hub.start(short)
        with pytest.raises(HubClosed):
            await read(hub, "long")
        return asyncio.get_running_loop().time() - began

    assert run(main()) == pytest.approx(10)
    assert results[0] == (FRAMES, DONE)
    end = results[1][1]
    assert end is not None
    assert (end.status, (end.error or {})["code"]) == ("error", "shutdown")
    assert [end.status for end, _ in ends] == ["done", "error"]
    assert (short.closed, long.closed) == (1, 1)


def test_closing_can_be_cancelled() -> None:
    """Then nothing is waited for: upstreams are closed all the same, and the cancellation goes on."""
    upstream = Upstream(pace=1000)

    async def main() -> None:
        async def serve() -> None:
            async with RelayHub(drain=100) as hub:
                await hub.start(upstream)
                await asyncio.sleep(1)

        task = asyncio.create_task(serve())
        await asyncio.sleep(50)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() < 1100

    run(main())
    assert upstream.closed == 1


def test_a_worker_writes() -> None:
    """Frames are there at once; the stream ends as the worker's block does, with what it raised for its readers."""

    async def main(hub: RelayHub) -> None:
        async with hub.producer("done") as producer:
            producer.append(b"{}")
        assert await read(hub, "done") == ([b"{}"], DONE)
        with pytest.raises(StreamEnded):
            async with hub.producer("done"):
                pass

        with pytest.raises(ZeroDivisionError):
            async with hub.producer("failed"):
                raise ZeroDivisionError
        assert ((await read(hub, "failed"))[1] or DONE).status == "error"

        async def work() -> None:
            async with hub.producer("cancelled"):
                await asyncio.sleep(1000)

        worker = asyncio.create_task(work())
        await asyncio.sleep(1)
        worker.cancel()
        await asyncio.wait([worker])
        assert await read(hub, "cancelled") == ([], End("lost"))

    with_hub(main)


def test_a_worker_that_is_stopped() -> None:
    """It is told at once, and can't write any more."""

    async def main(hub: RelayHub) -> None:
        told: list[bool] = []

        async def work() -> None:
            async with hub.producer("s") as producer:
                producer.on_fence(lambda: told.append(True))
                await hub.stop("s")
                assert told == [True]
                producer.append(b"{}")

        with pytest.raises(Fenced):
            await work()
        assert await read(hub, "s") == ([], End("cancelled"))

    with_hub(main)


def test_one_writer_a_stream() -> None:
    """A second one is refused, or waits: for the first to end, when there is nothing left to do."""

    async def main(hub: RelayHub) -> None:
        await hub.start(Upstream(), stream_id="s")
        with pytest.raises(Held):
            async with hub.producer("s"):
                pass
        with pytest.raises(Held):
            async with hub.producer("s", wait=2):
                pass
        with pytest.raises(StreamEnded) as caught:
            async with hub.producer("s", wait=1000):
                pass
        assert caught.value.end == DONE

    with_hub(main)


def test_a_malformed_cursor_is_told_at_once() -> None:
    """Before anything is sent."""
    with pytest.raises(BadCursor):
        RelayHub().subscribe("s", after="x")


@pytest.mark.parametrize(
    "options",
    [{"on_idle": "stop"}, {"beat": 10}, {"retain": -1}, {"drain": float("nan")}, {"max_streams": 0}],
)
def test_wrong_settings_are_told(options: dict[str, Any]) -> None:
    """By name."""
    with pytest.raises(ValueError, match=next(iter(options))):
        RelayHub(**options)


def test_owners_are_in_no_repr() -> None:
    """They may be keys."""

    async def main(hub: RelayHub) -> None:
        await hub.start(Upstream(), stream_id="s", owner="sk-secret")
        subscription = hub.subscribe("s", owner="sk-secret")
        await subscription.open()
        shown = [subscription, await hub.status("s", owner="sk-secret"), await hub._backend.status("s"), hub]
        assert "secret" not in repr(shown)
        await subscription.aclose()

    with_hub(main, backend=MemoryBackend(first_epoch=1))


def test_a_kept_stream_keeps_nothing_else() -> None:
    """What wrote it, and whom it told, can go when it has ended."""

    async def main(hub: RelayHub) -> None:
        upstream, ends = Upstream(), Ends()
        gone = [weakref.ref(upstream), weakref.ref(ends)]
        await hub.start(upstream, stream_id="s", on_end=ends)
        del upstream, ends
        await read(hub, "s")
        await asyncio.sleep(1)
        gc.collect()
        assert [ref() for ref in gone] == [None, None]
        assert await read(hub, "s") == (FRAMES, DONE)

    with_hub(main)


# Against servers.


def client_of(server: RawServer) -> AsyncOpenAI:
    """A client that tries once."""
    return AsyncOpenAI(base_url=server.url, api_key="sk-secret", max_retries=0)


def call_of(client: AsyncOpenAI) -> Any:
    """What is to be streamed."""
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)


@pytest.mark.anyio
@pytest.mark.sockets
async def test_payloads_are_what_the_server_sent() -> None:
    """Byte by byte, spaces and unknown fields included."""
    odd = b'{"id" : "\\u0041",  "vendor":1.0, "choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}'
    ends = Ends()
    async with RawServer(sse([b"data: " + odd + b"\n\n"])) as server, client_of(server) as client, RelayHub() as hub:
        stream_id = await hub.start(lambda: call_of(client), on_end=ends)
        with anyio.fail_after(5):
            assert await read(hub, stream_id) == ([odd], DONE)
    assert ends == [(DONE, "Hi")]


def test_a_reader_who_joins_while_the_hub_closes_is_told() -> None:
    """It does not wait for what nobody will write."""
    found, closed = asyncio.Event(), asyncio.Event()

    class Slow(MemoryBackend):
        async def follow(self, stream_id: str) -> MemoryLog:
            log = await super().follow(stream_id)
            found.set()
            await closed.wait()
            return log

    async def main() -> None:
        async with RelayHub(Slow(), drain=0) as hub:
            await hub.start(hello_forever, stream_id="s")
            joining = asyncio.create_task(anext(hub.subscribe("s")))
            await found.wait()
        closed.set()
        with pytest.raises(HubClosed):
            await joining
        assert not hub._readers

    async def hello_forever() -> AsyncIterator[bytes]:
        while True:
            yield b"{}"
            await asyncio.sleep(1)

    run(main())


@pytest.mark.parametrize("what", ["start", "producer", "read"])
def test_what_a_hub_that_closes_gets_all_the_same_is_given_back(what: str) -> None:
    """By a backend that goes on though its call was cut off: the new stream is lost, and the log is released."""
    back: list[MemoryLog | End] = []

    class Insisting(MemoryBackend):
        async def open(self, stream_id: str, *, owner: str | None = None, wait: float = 0) -> Producer:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(10)
            return await super().open(stream_id, owner=owner, wait=wait)

        async def finish(self, producer: Producer, end: End) -> None:
            back.append(end)
            await super().finish(producer, end)

        async def follow(self, stream_id: str) -> MemoryLog:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(10)
            return await super().follow(stream_id)

        def release(self, stream_id: str, log: MemoryLog) -> None:  # noqa: ARG002 - of the contract
            back.append(log)

    async def write(hub: RelayHub) -> None:
        async with hub.producer("new"):
            pass

    calls: dict[str, Callable[[RelayHub], Any]] = {
        "start": lambda hub: hub.start(Upstream(), stream_id="new"),
        "producer": write,
        "read": lambda hub: hub.subscribe("s").open(),
    }

    async def main() -> None:
        hub = RelayHub(Insisting(), drain=0)
        async with hub, hub.producer("s") as producer:
            late = asyncio.create_task(calls[what](hub))
            await asyncio.sleep(1)
            await hub._calls.close(5)
            assert back == ([producer.log] if what == "read" else [End("lost")])
            with pytest.raises(HubClosed):
                await late

    run(main())


@pytest.mark.anyio
@pytest.mark.sockets
async def test_a_stop_closes_the_connection() -> None:
    """The server sees it go away, as it does when the hub closes; a reader that leaves does not do that."""
    gone = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.head(content_type="text/event-stream", transfer_encoding="chunked")
        await peer.chunk(event(chunk("a")))
        await peer.gone()
        gone.set()

    async with RawServer(endless) as server, client_of(server) as client:
        for stop in (True, False):
            gone.clear()
            async with RelayHub(drain=0) as hub:
                stream_id = await hub.start(lambda: call_of(client))
                with anyio.fail_after(5):
                    async with hub.subscribe(stream_id) as subscription:
                        await anext(subscription)
                await anyio.sleep(0.05)
                assert not gone.is_set()
                if stop:
                    await hub.stop(stream_id)
            with anyio.fail_after(5):
                await gone.wait()


@pytest.mark.anyio
@pytest.mark.sockets
async def test_an_error_of_the_server_is_handed_on() -> None:
    """Its own error object, before the first token and after it, without the key."""
    error = {"message": "Slow down, sk-secret", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    late = sse([chunk("a"), {"error": error}], done=False)
    async with RawServer(answer({"error": error}, 429), late) as server, client_of(server) as client, RelayHub() as hub:
        for frames in (0, 1):
            stream_id = await hub.start(lambda: call_of(client))
            with anyio.fail_after(5):
                got, end = await read(hub, stream_id)
            assert len(got) == frames
            assert end is not None
            assert end.error is not None
            assert (end.status, end.error["code"]) == ("error", "rate_limit_exceeded")
            assert "sk-secret" not in str(end)
