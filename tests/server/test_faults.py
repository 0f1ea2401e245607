"""Misbehaviour as data."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import aiohttp
import pytest

from openai_async.protocol.sse import EventParser
from openai_async.server import Fault, RateLimits, serve
from openai_async.server.chunks import DONE, Event
from openai_async.server.faults import HTML, HangUp, spoiled, spoiled_body
from openai_async.server.problems import Problem

_EVENTS = [
    Event("role", b'{"r":0}'),
    *(Event("token", b'{"t":%d}' % number) for number in range(3)),
    Event("finish", b'{"f":0}'),
    Event("tail", b'{"u":0}'),
    DONE,
]


def _spoil(**fields):
    """The pieces that a fault makes of the events, and whether it hung up."""

    async def source():
        for event in _EVENTS:
            yield event

    return asyncio.run(_collect(spoiled(source(), Fault(**fields))))


async def _collect(spoiling):
    pieces = []
    try:
        async with aclosing(spoiling):
            while True:
                pieces.append(await anext(spoiling))
    except HangUp:
        return pieces, True
    except StopAsyncIteration:
        return pieces, False


def _data(pieces):
    return [event.data for event in EventParser().feed(b"".join(pieces))]


_ALL = [event.data for event in _EVENTS]


def test_no_fault_is_a_good_stream():
    """A fault that says nothing leaves one frame per event."""
    pieces, hung_up = _spoil()

    assert pieces == [b"data: " + data + b"\n\n" for data in _ALL]
    assert not hung_up


@pytest.mark.parametrize(
    ("fields", "kept"), [({"cut_after": 0}, 1), ({"cut_after": 2}, 3), ({"cut_after": 3}, 4), ({"cut_after": 99}, 4)]
)
def test_cut_hangs_up_after_so_many_tokens(fields, kept):
    """The stream is cut after the role and so many tokens, and before its finish in any case."""
    pieces, hung_up = _spoil(**fields)

    assert _data(pieces) == _ALL[:kept]
    assert hung_up


def test_error_event_ends_the_stream():
    """After so many tokens comes an error in the API's shape, and nothing more."""
    pieces, hung_up = _spoil(error_after=1, code="boom")
    *before, error = _data(pieces)

    assert before == _ALL[:2]
    assert json.loads(error)["error"]["code"] == "boom"
    assert not hung_up


def test_bad_json_breaks_one_event():
    """One event is cut in half, the others are whole."""
    data = _data(_spoil(bad_json_after=1)[0])

    assert data == [*_ALL[:2], b'{"t', *_ALL[3:]]


@pytest.mark.parametrize(("field", "missing"), [("no_finish", b'{"f":0}'), ("no_done", b"[DONE]")])
def test_ends_can_be_left_out(field, missing):
    """The finish reason or the [DONE] is left out, and nothing else."""
    assert _data(_spoil(**{field: True})[0]) == [data for data in _ALL if data != missing]


@pytest.mark.parametrize(("name", "end"), [("crlf", b"\r\n"), ("cr", b"\r")])
def test_lines_may_end_otherwise(name, end):
    """The other line ends of the standard are used throughout, and mean the same."""
    pieces, _ = _spoil(line_end=name, pings=True)

    assert b"".join(pieces).replace(end, b"").count(b"\n") == 0
    assert _data(pieces) == _ALL


def test_pings_and_marks_mean_nothing():
    """Comments before each event and a byte order mark change no event."""
    pieces, _ = _spoil(pings=True, bom=True)

    assert b"".join(pieces).startswith(b"\xef\xbb\xbf: ping\n\ndata: ")
    assert b"".join(pieces).count(b": ping\n\n") == len(_ALL)
    assert _data(pieces) == _ALL


def test_sizes_cut_across_events():
    """The bytes are sent in pieces of the sizes given, over and over, the last one shorter."""
    pieces, _ = _spoil(sizes=(1, 7))

    assert [len(piece) for piece in pieces[:-1]] == [(1, 7)[at % 2] for at in range(len(pieces) - 1)]
    assert _data(pieces) == _ALL


def test_nothing_is_held_back_at_the_cut():
    """A cut sends what was collected for the next piece first."""
    pieces, _ = _spoil(sizes=(1000,), cut_after=1)

    assert _data(pieces) == _ALL[:2]


def _plain(**fields):
    pieces, hung_up = asyncio.run(_collect(spoiled_body(b'{"a":1}x', Fault(**fields))))
    return b"".join(pieces), hung_up


def test_plain_bodies_are_spoiled_in_the_middle():
    """A plain answer is cut or broken in the middle of its body, and may come in pieces."""
    assert _plain() == (b'{"a":1}x', False)
    assert _plain(sizes=(3,)) == (b'{"a":1}x', False)
    assert _plain(cut_after=5) == (b'{"a"', True)
    assert _plain(bad_json_after=0) == (b'{"a"', False)


def test_headers_name_fields():
    """A fault can be written into a header, with dashes, without values for what is merely on."""
    assert Fault.from_header("status=429; retry-after=1.5") == Fault(status=429, retry_after=1.5)
    assert Fault.from_header("no-done; sizes=1,2,3;line_end=crlf") == Fault(
        no_done=True, sizes=(1, 2, 3), line_end="crlf"
    )
    assert Fault.from_header("") == Fault()


@pytest.mark.parametrize("text", ["nonsense", "status=abc", "status=200", "sizes=0", "sizes=a", "line_end=lfcr"])
def test_headers_that_say_nothing_known_are_refused(text):
    """A header that is no fault is a bad request: a test that misspells a fault must not pass."""
    with pytest.raises(Problem, match="Invalid fault") as caught:
        Fault.from_header(text)

    assert (caught.value.status, caught.value.code) == (400, "invalid_fault")


# --- On the wire -----------------------------------------------------------------------------------------------


def _request(**fields):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Why?"}], **fields}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _raw(fault, **fields):
    """Send a request over a raw socket; return all bytes until the end, and whether the end was a reset."""

    async def scenario():
        async with serve(faults=[fault]) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]))
            writer.write(_request(**fields))
            received, reset = b"", False
            try:
                while piece := await reader.read(65536):
                    received += piece
            except ConnectionResetError:
                reset = True
            writer.close()
            return received, reset, url.aborts

    return asyncio.run(scenario())


def test_a_cut_stream_has_no_last_chunk():
    """A cut closes the connection after whole events, without the chunk that would end the body."""
    received, reset, aborts = _raw(Fault(cut_after=2), stream=True)
    head, _, body = received.partition(b"\r\n\r\n")

    assert b"200 OK" in head
    assert b"transfer-encoding: chunked" in head.lower()
    assert body.count(b"data: ") == 3
    assert not body.endswith(b"0\r\n\r\n")
    assert (reset, aborts) == (False, 0)


def test_a_reset_is_a_reset():
    """With `reset`, the connection ends with RST instead of FIN."""
    received, reset, _ = _raw(Fault(cut_after=2, reset=True), stream=True)

    assert b"200 OK" in received
    assert reset


def test_a_plain_answer_is_cut_in_the_middle():
    """A plain answer that is cut has half a body, and no end."""
    received, _, _ = _raw(Fault(cut_after=0))

    assert b"200 OK" in received
    assert b'"chatcmpl-' in received
    assert not received.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("reset", [False, True])
def test_a_dropped_request_gets_no_byte(reset):
    """A drop closes the connection without any answer."""
    received, was_reset, _ = _raw(Fault(drop=True, reset=reset))

    assert (received, was_reset) == (b"", reset)


def test_pieces_arrive_apart():
    """With sizes, each piece is a chunk of HTTP of its own."""
    received, _, _ = _raw(Fault(sizes=(5,), cut_after=1), stream=True)
    body = received.partition(b"\r\n\r\n")[2]

    assert body.startswith(b"5\r\ndata:\r\n5\r\n")


def test_a_stalled_stream_stays_open_until_the_client_leaves():
    """A stall sends its tokens, then nothing, and notices when the client goes."""

    async def scenario():
        async with serve(faults=[Fault(stall_after=2)]) as url:
            async with aiohttp.ClientSession() as session:
                body = {"model": "m", "messages": [{"role": "user", "content": "Why?"}], "stream": True}
                async with session.post(url + "/chat/completions", json=body) as response:
                    received = b""
                    while received.count(b"\n\n") < 3:
                        received += await response.content.readany()
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(response.content.readany(), 0.05)
            await asyncio.wait_for(url.wait_aborts(), 5)
            return received.count(b"data: ")

    assert asyncio.run(scenario()) == 3


@pytest.mark.parametrize(
    ("fault", "status", "headers"),
    [
        (Fault(status=429, retry_after=3), 429, {"retry-after": "3", "retry-after-ms": "3000"}),
        (Fault(status=500), 500, {}),
        (Fault(status=503, retry_after=0.25), 503, {"retry-after": "0.25"}),
        (Fault(status=418, code="teapot"), 418, {}),
    ],
)
def test_statuses_come_in_the_apis_shape(ask, question, fault, status, headers):
    """An error status has the API's body and the wait that it was told."""
    answer = ask(question, faults=[fault])

    assert answer.status == status
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert {name: answer.headers.get(name) for name in headers} == headers
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("fault", "status"), [(Fault(html=True), 200), (Fault(html=True, status=502), 502)])
def test_a_web_page_instead_of_an_answer(ask, question, fault, status):
    """A page comes with its own type, and whatever status was asked for."""
    answer = ask(question, faults=[fault])

    assert (answer.status, answer.body) == (status, HTML)
    assert answer.headers["content-type"].startswith("text/html")


def test_a_request_can_order_its_fault(ask, question):
    """The header x-fault spoils the request that has it; without the option, it is ignored."""
    assert ask(question, headers={"x-fault": "status=503"}).status == 503
    assert ask(question, headers={"x-fault": "nonsense"}).error["param"] == "x-fault"
    assert ask(question, headers={"x-fault": "status=503"}, fault_header=None).status == 200


def test_faults_wait_for_their_turn(question):
    """Faults are used in order, each for its number of requests, after those that it spares."""

    async def scenario():
        faults = [Fault(status=429, times=2), Fault(status=503, skip=1)]
        async with serve(faults=faults) as url, aiohttp.ClientSession() as session:

            async def status():
                async with session.post(url + "/chat/completions", json=question) as response:
                    return response.status

            statuses = [await status() for _ in range(5)]
            url.add_fault(Fault(status=500, times=0))
            return statuses + [await status() for _ in range(3)]

    assert asyncio.run(scenario()) == [429, 429, 200, 503, 200, 500, 500, 500]


def test_a_delay_comes_before_the_answer(question):
    """A delayed answer begins after the delay, not before."""

    async def scenario():
        async with serve(faults=[Fault(delay=0.05)]) as url, aiohttp.ClientSession() as session:
            began = asyncio.get_running_loop().time()
            async with session.post(url + "/chat/completions", json=question) as response:
                return response.status, asyncio.get_running_loop().time() - began

    status, took = asyncio.run(scenario())
    assert status == 200
    assert took >= 0.05


def test_a_delay_ends_when_the_client_leaves(question):
    """Nobody waits out a delay for a client that has gone."""

    async def scenario():
        admitted = asyncio.Event()

        class Telling(RateLimits):
            def check(self, *, now):
                super().check(now=now)
                admitted.set()

        async with serve(faults=[Fault(delay=60)], limits=Telling()) as url, aiohttp.ClientSession() as session:
            call = asyncio.create_task(session.post(url + "/chat/completions", json=question))
            await admitted.wait()
            call.cancel()
            await asyncio.wait_for(url.wait_aborts(), 5)
            return url.aborts

    assert asyncio.run(scenario()) == 1


def test_slow_bytes_are_slow(question):
    """With a pause before each piece, a stream takes as long as all of them."""

    async def scenario():
        fault = Fault(sizes=(400,), byte_delay=0.005)
        async with serve(faults=[fault]) as url, aiohttp.ClientSession() as session:
            began = asyncio.get_running_loop().time()
            async with session.post(url + "/chat/completions", json={**question, "stream": True}) as response:
                body = await response.read()
            return len(body) / 400 * 0.005, asyncio.get_running_loop().time() - began

    least, took = asyncio.run(scenario())
    assert took >= least * 0.9
