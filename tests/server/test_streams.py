"""Sending answers that take their time."""

from __future__ import annotations

import asyncio
import itertools
import json

import aiohttp
import anyio
import pytest
from sse_starlette.sse import AppStatus

from openai_async.server import Fault, Problem, serve
from openai_async.server.chunks import DONE, Event
from openai_async.server.desk import Desk
from openai_async.server.faults import HangUp
from openai_async.server.streams import paced, unless_gone


def _stream(question):
    return {**question, "stream": True}


def _endless(closed):
    """A responder that writes until it is told to stop."""

    async def respond(request):
        try:
            for number in itertools.count():
                yield f" {number}"
                await asyncio.sleep(0)
        finally:
            closed.set()

    return respond


def test_leaving_stops_the_writing(question):
    """A client that closes a stream early stops the responder at once, and is counted."""

    async def scenario():
        closed = asyncio.Event()
        async with serve(_endless(closed)) as url, aiohttp.ClientSession() as session:
            response = await session.post(url + "/chat/completions", json=_stream(question))
            await response.content.readany()
            response.close()
            await asyncio.wait_for(closed.wait(), 5)
            await asyncio.wait_for(url.wait_aborts(), 5)
            return url.aborts

    assert asyncio.run(scenario()) == 1


def test_leaving_before_the_first_token_stops_the_writing(question):
    """A client that gives up while the responder still thinks stops it, too, streamed or not."""

    async def scenario(stream):
        begun, stopped = asyncio.Event(), asyncio.Event()

        async def respond(request):
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                stopped.set()

        async with serve(respond) as url, aiohttp.ClientSession() as session:
            call = asyncio.create_task(session.post(url + "/chat/completions", json={**question, "stream": stream}))
            await begun.wait()
            call.cancel()
            await asyncio.wait_for(stopped.wait(), 5)
            await asyncio.wait_for(url.wait_aborts(), 5)
            return url.aborts

    assert [asyncio.run(scenario(stream)) for stream in (False, True)] == [1, 1]


def test_nothing_is_written_to_a_broken_connection(question, caplog):
    """A client that leaves in the middle of a burst is noticed at the first failing write: asyncio has no complaint."""

    async def leave(session, url):
        request = {**question, "messages": [{"role": "user", "content": "Write 2000 words."}], "stream": True}
        response = await session.post(url + "/chat/completions", json=request)
        await response.content.readany()
        response.close()

    async def scenario():
        async with serve() as url, aiohttp.ClientSession() as session:
            await asyncio.gather(*[leave(session, url) for _ in range(20)])
            await asyncio.wait_for(url.wait_aborts(20), 5)

    asyncio.run(scenario())
    assert [record.message for record in caplog.records] == []


def test_finished_streams_are_no_aborts(question):
    """Streams that are read to their end, one after another on one connection, count as none."""

    async def scenario():
        async with serve() as url, aiohttp.ClientSession() as session:
            for _ in range(20):
                async with session.post(url + "/chat/completions", json=_stream(question)) as response:
                    await response.read()
            return url.aborts, url.connections

    assert asyncio.run(scenario()) == (0, 1)


def test_a_failure_in_the_middle_is_an_event(ask, question):
    """A responder that fails after its first piece ends the stream with an error event."""

    async def respond(request):
        yield "One"
        raise Problem(429, "enough", code="rate_limit_exceeded")

    data = ask(_stream(question), responder=respond).data

    assert json.loads(data[-2])["error"]["message"] == "enough"
    assert data[-1] == b"[DONE]"


def test_an_exception_in_the_middle_is_an_event_too(ask, question):
    """Any other exception is told with its name."""

    async def respond(request):
        yield "One"
        raise LookupError("gone")

    data = ask(_stream(question), responder=respond).data

    assert "LookupError('gone')" in json.loads(data[-2])["error"]["message"]


def test_silence_is_filled_with_comments(question):
    """While nothing is to be said, comments keep the connection alive."""

    async def scenario():
        go_on = asyncio.Event()

        async def respond(request):
            yield "One"
            await go_on.wait()
            yield " two"

        async with (
            serve(respond, ping=0.01) as url,
            aiohttp.ClientSession() as session,
            session.post(url + "/chat/completions", json=_stream(question)) as response,
        ):
            received = b""
            while received.count(b": keep-alive\n\n") < 2:
                received += await response.content.readany()
            go_on.set()
            return received + await response.read()

    body = asyncio.run(scenario())
    assert body.endswith(b"data: [DONE]\n\n")
    assert b"\r" not in body


def test_clients_that_do_not_read_are_cut_off(question):
    """When a write waits too long for a client that does not read, the responder is stopped."""

    async def scenario():
        closed = asyncio.Event()

        async def respond(request):
            try:
                while True:
                    yield "x" * 100_000
                    await asyncio.sleep(0)
            finally:
                closed.set()

        async with serve(respond, send_timeout=0.05) as url:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]), limit=1024
            )
            body = json.dumps(_stream(question)).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await reader.readexactly(15)
            await asyncio.wait_for(closed.wait(), 5)
            writer.close()

    asyncio.run(scenario())


def test_an_earlier_signal_does_not_end_streams(ask, question, monkeypatch):
    """sse-starlette's flag for shutdown, once set in a process, is of no concern to this server."""
    monkeypatch.setattr(AppStatus, "should_exit", True)

    assert ask(_stream(question)).data[-1] == b"[DONE]"


def test_streams_leave_no_task_behind(question):
    """When the server is closed, nothing of it runs on in the loop."""

    async def scenario():
        async with (
            serve() as url,
            aiohttp.ClientSession() as session,
            session.post(url + "/chat/completions", json=_stream(question)) as response,
        ):
            await response.read()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run(scenario()) == []


def test_tokens_are_paced():
    """With a delay, every token waits that long, and nothing else does."""

    async def scenario():
        loop = asyncio.get_running_loop()
        events = [Event("role", b""), Event("token", b""), Event("token", b""), Event("finish", b""), DONE]
        times = [loop.time() async for _ in paced(iter(events), 0.01)]
        return [round(later - earlier, 3) >= 0.01 for earlier, later in itertools.pairwise(times)]

    assert asyncio.run(scenario()) == [True, True, False, False]


def _receiver(*messages):
    queue = list(messages)

    async def receive():
        if queue:
            return queue.pop(0)
        await asyncio.sleep(60)
        raise AssertionError

    return receive


def test_work_is_done_while_the_client_stays():
    """The work's result comes back, and its exception as it is."""

    async def work():
        return 7

    async def failing():
        raise LookupError

    async def scenario(do):
        return await unless_gone(do, desk=Desk(), receive=_receiver())

    assert asyncio.run(scenario(work)) == 7
    with pytest.raises(LookupError):
        asyncio.run(scenario(failing))


def test_work_is_broken_off_when_the_client_leaves():
    """The client's leaving cancels the work, and is counted."""

    async def scenario():
        desk = Desk()
        with pytest.raises(HangUp):
            await unless_gone(
                anyio.sleep_forever, desk=desk, receive=_receiver({"type": "http.request"}, {"type": "http.disconnect"})
            )
        return desk.aborts, desk.open

    assert asyncio.run(scenario()) == (1, set())


def test_work_is_broken_off_when_the_server_closes():
    """Closing the desk cancels the work, which is no abort of the client's."""

    async def scenario():
        desk = Desk()
        task = asyncio.create_task(unless_gone(anyio.sleep_forever, desk=desk, receive=_receiver()))
        await asyncio.sleep(0)
        desk.close()
        with pytest.raises(HangUp):
            await task
        return desk.aborts

    assert asyncio.run(scenario()) == 0


def test_spoiled_streams_stop_the_writing_too(question):
    """A cut closes the responder's text as leaving does."""

    async def scenario():
        closed = asyncio.Event()
        async with serve(_endless(closed), faults=[Fault(cut_after=3)]) as url, aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientPayloadError):
                async with session.post(url + "/chat/completions", json=_stream(question)) as response:
                    await response.read()
            await asyncio.wait_for(closed.wait(), 5)

    asyncio.run(scenario())
