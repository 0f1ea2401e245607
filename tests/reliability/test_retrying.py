"""Retries through a whole client: how many requests a failure is worth, when they are sent, and what they hold.

What goes wrong on the wire goes wrong on real sockets; the waits between attempts are proven on a virtual clock, and
cut short on the sockets. Single decisions are tables of `tests/transport/test_retry.py` and `test_exchange.py` there.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import faults, shared
from support.clock import run
from support.limiter import WatchingLimiter
from support.rawserver import (
    Handler,
    Peer,
    RawServer,
    answer,
    certificates,
    chunk,
    completion,
    event,
    free_port,
    hello,
    sse,
)
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI, Timeout, errors
from openai_async.transport import exchange, retry

MESSAGES: Any = [{"role": "user", "content": "hi"}]
KINDS = ["plain", "stream"]

ROLE, HEL, LO, STOP = map(event, hello())
DONE = event("[DONE]")

RECORDED: Any = shared.load("cases/retry.json") or {"calculate": [], "should_retry": [], "now": 0}


def either(kind: str) -> Handler:
    """The answer that a call of that kind wants."""
    return answer(completion()) if kind == "plain" else sse(hello())


def scripted(kind: str) -> ScriptedResponse:
    """The same, for a script."""
    if kind == "plain":
        return ScriptedResponse(json.dumps(completion()).encode())
    return ScriptedResponse(ROLE + HEL + LO + STOP + DONE, headers=EVENT_STREAM)


def refused(status: int, headers: dict[str, str] | None = None, **fields: Any) -> ScriptedResponse:
    """A refusal in the API's words."""
    body = {"error": {"message": "no", **fields}}
    return ScriptedResponse(json.dumps(body).encode(), status=status, headers=headers or {})


async def ask(client: AsyncOpenAI, kind: str, **options: Any) -> str | None:
    """Make a call of that kind, and return what it says."""
    made: Any = await client.chat.completions.create(
        model="m", messages=MESSAGES, **({"stream": True} if kind == "stream" else {}), **options
    )
    whole = await made.final() if kind == "stream" else made
    content: str | None = whole.choices[0].message.content
    return content


async def failure(work: Awaitable[Any]) -> errors.APIError:
    """The error that `work` ends with."""
    with pytest.raises(errors.APIError) as caught:
        await work
    return caught.value


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without waits to speak of: how long they are is proven on the virtual clock."""
    monkeypatch.setattr(retry, "backoff", lambda taken, *, chance: 0.001 * (1 + taken + chance))


sockets = [pytest.mark.anyio, pytest.mark.sockets, pytest.mark.usefixtures("_at_once")]


def on_sockets(test: Any) -> Any:
    """Mark a test that opens sockets, and need not wait between attempts."""
    for mark in sockets:
        test = mark(test)
    return test


# The recorded decisions of the official client, through a whole client of ours.

# Where we decide otherwise, and why: a header's boolean is read in any case, as headers mostly are.
DIFFERENT = {(400, "True"): True}


@pytest.fixture
def _recorded_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock show what it showed when the cases were recorded."""
    monkeypatch.setattr(exchange, "time", SimpleNamespace(time=lambda: RECORDED["now"]))


def case_name(case: Any) -> str:
    """A recorded case in a few words."""
    if "status" in case:
        return " ".join([str(case["status"]), *(f"{name}={value}" for name, value in case["headers"].items())])
    return f"{case['retry_after'] or 'nothing'}, {case['remaining_retries']} left"


@shared.needs("cases")
@pytest.mark.usefixtures("_recorded_now")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", RECORDED["should_retry"], ids=case_name)
def test_recorded_decisions(case: Any, kind: str) -> None:
    """A client sends a second request after a status exactly where the official one does."""
    expected = DIFFERENT.get((case["status"], case["headers"].get("x-should-retry")), case["measured"])

    async def main() -> int:
        first = scripted(kind) if case["status"] < 300 else refused(case["status"], case["headers"])
        transport = ScriptedTransport([first, scripted(kind)])
        call = ask(AsyncOpenAI(api_key="k", transport=transport), kind)
        if expected or case["status"] < 300:
            assert await call == "Hello"
        else:
            assert (await failure(call)).status_code == case["status"]
        return len(transport.requests)

    assert run(main()) == (2 if expected else 1)


@shared.needs("cases")
@pytest.mark.usefixtures("_recorded_now")
@pytest.mark.parametrize("case", RECORDED["calculate"], ids=case_name)
def test_recorded_delays(case: Any) -> None:
    """A client waits as long as the official one, after as many retries, or sends nothing more where that does not."""
    taken = case["max_retries"] - case["remaining_retries"]

    async def main() -> tuple[int, float]:
        before = [refused(429) for _ in range(taken)]
        last = refused(429, {"retry-after": case["retry_after"]} if case["retry_after"] else {})
        transport = ScriptedTransport([*before, last, scripted("plain")])
        client = AsyncOpenAI(api_key="k", transport=transport, max_retries=taken + 1, timeout=None)
        if case["measured_should_retry_429"]:
            assert await ask(client, "plain") == "Hello"
        else:
            await failure(ask(client, "plain"))
        return len(transport.requests), transport.times[-1] - transport.times[-2] if len(transport.times) > 1 else 0.0

    sent, waited = run(main())
    assert sent == taken + 1 + case["measured_should_retry_429"]
    if case["measured_should_retry_429"]:
        assert case["measured_min"] - 1e-6 <= waited <= case["measured_max"] + 1e-6


# Statuses.


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [408, 409, 429, 500, 501, 502, 503, 504, 520, 529, 599])
async def test_statuses_that_may_pass(status: int, kind: str) -> None:
    """A status that may pass is worth three requests; the third may be the answer."""
    no = answer({"error": {"message": "no"}}, status)
    async with (
        RawServer(no, no, either(kind), no) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        assert await ask(client, kind) == "Hello"
        assert len(server.requests) == 3

        error = await failure(ask(client, kind))
        assert len(server.requests) == 6

    assert error.status_code == status
    assert [(one.status_code, one.error) for one in error.attempts] == [(status, "no")] * 3
    assert [one.delay is None for one in error.attempts] == [False, False, True]


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_statuses_that_stay(kind: str) -> None:
    """A status that will not change, and a redirect, is one request and its own error."""
    for status in (300, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 410, 413, 415, 418, 422, 423, 425, 451, 499):
        no = answer({"error": {"message": "no"}}, status, {"location": "/elsewhere"} if status < 400 else {})
        async with RawServer(no) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
            error = await failure(ask(client, kind))
        assert (status, len(server.requests), error.status_code) == (status, 1, status)
        assert error.attempts == ()


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "said", "sent"), [(400, "true", 2), (404, "true", 2), (500, "false", 1), (429, "false", 1)]
)
async def test_servers_word(status: int, said: str, sent: int, kind: str) -> None:
    """`x-should-retry` overrides the status, both ways."""
    no = answer({"error": {"message": "no"}}, status, {"x-should-retry": said})
    async with RawServer(no, either(kind)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        if sent == 2:
            assert await ask(client, kind) == "Hello"
        else:
            assert (await failure(ask(client, kind))).status_code == status
    assert len(server.requests) == sent


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize("where", ["status", "stream"])
async def test_used_up_quota(where: str, field: str, kind: str) -> None:
    """A used-up quota is one request, though the server asks for more, as a refusal and in the stream."""
    body = {"error": {"message": "Pay.", field: "insufficient_quota"}}
    if where == "status":
        no = answer(body, 429, {"x-should-retry": "true", "retry-after-ms": "1"})
    else:
        no = sse([body]) if kind == "stream" else answer(body)
    async with RawServer(no, either(kind)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        error = await failure(ask(client, kind))
    assert (type(error), len(server.requests)) == (errors.InsufficientQuotaError, 1)


# What the server asks for.

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "20"}, 20, 20),
        ({"retry-after": "0.25"}, 0.25, 0.25),
        ({"retry-after": "1e1"}, 10, 10),
        ({"retry-after-ms": "1500"}, 1.5, 1.5),
        ({"retry-after-ms": "0.5"}, 0.0005, 0.0005),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20, 20),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30, 30),
        ({"retry-after": "120"}, 120, 120),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.375, 0.5),
        ({"retry-after": formatdate(NOW, usegmt=True)}, 0.375, 0.5),
        ({"retry-after": "0"}, 0.375, 0.5),
        ({"retry-after": "-20"}, 0.375, 0.5),
        ({"retry-after": "nan"}, 0.375, 0.5),
        ({"retry-after": "inf"}, 0.375, 0.5),
        ({"retry-after": "-inf"}, 0.375, 0.5),
        ({"retry-after": "soon"}, 0.375, 0.5),
        ({"retry-after": "1, 2"}, 0.375, 0.5),  # sent twice
        ({"retry-after": "121"}, None, None),
        ({"retry-after": "1e300"}, None, None),
        ({"retry-after-ms": "120001"}, None, None),
        ({"retry-after": formatdate(NOW + 121, usegmt=True)}, None, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_wait_that_the_server_asks_for(
    monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str], low: float | None, high: float
) -> None:
    """What can be read is waited for as it stands; nonsense is not; beyond two minutes the refusal is raised at once."""
    monkeypatch.setattr(exchange, "time", SimpleNamespace(time=lambda: NOW))

    async def main() -> list[float]:
        transport = ScriptedTransport([refused(status, headers), scripted("plain")])
        call = ask(AsyncOpenAI(api_key="k", transport=transport), "plain")
        if low is None:
            error = await failure(call)
            assert error.headers == headers
            assert asyncio.get_running_loop().time() == transport.times[0]
        else:
            assert await call == "Hello"
        return transport.times

    first, *more = run(main())
    if low is None:
        assert more == []
    else:
        assert low - 1e-6 <= more[0] - first <= high + 1e-6


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[-+0-9a-zA-Z:, .]{0,40}"), st.floats().map(str)))
def test_no_header_breaks_the_reading(value: str) -> None:
    """Whatever a server sends as `retry-after`, it is a number of seconds above 0, or nothing."""
    asked = retry.retry_after({"retry-after": value}, now=NOW)
    assert asked is None or 0 < asked < float("inf")


# How many, by whom.


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_budget(kind: str) -> None:
    """`max_retries` of the call goes before that of `with_options`, which goes before the client's; 0 is none."""
    no = answer({"error": {"message": "no"}}, 500)
    async with RawServer(no) as server, AsyncOpenAI(api_key="k", base_url=server.url, max_retries=1) as client:

        async def sent(one: AsyncOpenAI, **options: Any) -> tuple[int, int]:
            before = len(server.requests)
            error = await failure(ask(one, kind, **options))
            return len(server.requests) - before, len(error.attempts)

        assert await sent(client) == (2, 2)
        assert await sent(client, max_retries=3) == (4, 4)
        assert await sent(client, max_retries=0) == (1, 0)
        assert await sent(client.with_options(max_retries=4)) == (5, 5)
        assert await sent(client.with_options(max_retries=4), max_retries=1) == (2, 2)
        assert await sent(client.with_options(max_retries=0)) == (1, 0)
        assert await sent(client) == (2, 2)


def test_callers_that_failed_together_come_back_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred calls that fail at one instant try again all over the window of chance, and so they do after that."""
    monkeypatch.setattr(exchange, "random", random.Random(20260101))
    count = 100

    async def main() -> list[float]:
        transport = ScriptedTransport(
            [*(refused(503) for _ in range(2 * count)), *(scripted("plain") for _ in range(count))]
        )
        client = AsyncOpenAI(api_key="k", transport=transport)
        assert await asyncio.gather(*(ask(client, "plain") for _ in range(count))) == ["Hello"] * count
        return transport.times

    times = run(main())
    began, (seconds, thirds) = times[0], (sorted(times[count : 2 * count]), sorted(times[2 * count :]))
    assert times[:count] == [began] * count
    for tries, low, high in ((seconds, 0.375, 0.5), (thirds, 0.375 + 0.75, 0.5 + 1.0)):
        waits = [at - began for at in tries]
        assert low <= waits[0]
        assert waits[-1] <= high
        # Each fifth of the window has some, and no instant has many.
        fifths = [
            sum(low + (high - low) * n / 5 <= wait < low + (high - low) * (n + 1) / 5 for wait in waits)
            for n in range(5)
        ]
        assert min(fifths) >= 3
        assert len(set(waits)) > count * 0.9


# Connections that fail.


async def refusing(kind: str, tell: Callable[[str, int, errors.APIError], None]) -> None:
    """Fail in every way that comes before a response, and tell each one's name, requests (or connections), and error."""

    async def one(name: str, server: RawServer | None, **options: Any) -> None:
        url = {} if server is None else {"base_url": server.url}
        async with AsyncOpenAI(**{"api_key": "k", **url, **options}) as client:
            error = await failure(ask(client, kind))
        tell(name, len(error.attempts) if server is None else len(server.requests) or server.connections, error)

    handlers = {
        "no answer, fin": faults.no_answer("fin"),
        "no answer, reset": faults.no_answer("reset"),
        "half a head, fin": faults.half_head("fin"),
        "half a head, reset": faults.half_head("reset"),
    }
    for name, handler in handlers.items():
        async with RawServer(handler) as server:
            await one(name, server)
    for name, says in {
        "plain HTTP for TLS": b"HTTP/1.1 400 No\r\n\r\n",
        "alert": faults.TLS_ALERT,
        "nothing": b"",
    }.items():
        async with faults.NoHandshake(says) as server:
            await one(f"TLS: {name}", server)
    async with RawServer(either(kind), context=certificates()[0]) as server:
        await one("TLS: a certificate of nobody's", None, base_url=server.url)  # the server sees no connection
    await one("nobody listens", None, base_url=f"http://127.0.0.1:{free_port()}/v1")
    await one("no proxy listens", None, base_url="http://api.example/v1", proxy=f"http://127.0.0.1:{free_port()}")
    for status in (403, 407, 502):
        async with RawServer(answer(b"no", status)) as proxy:
            through = {"base_url": "https://api.example/v1", "proxy": f"http://127.0.0.1:{proxy.port}"}
            await one(f"the proxy says {status}", proxy, **through)


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_connections_that_fail(kind: str) -> None:
    """Every failure to connect, and every connection lost before a response, is worth three attempts, all told of."""
    seen: dict[str, tuple[int, int, type]] = {}
    await refusing(kind, lambda name, sent, error: seen.update({name: (sent, len(error.attempts), type(error))}))
    assert seen == dict.fromkeys(seen, (3, 3, errors.APIConnectionError))
    assert len(seen) == 13


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begin", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\1\2\3\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"], ids=str)
async def test_what_is_no_http(begin: bytes, kind: str) -> None:
    """A server that speaks something else is no lost connection: one request."""
    async with RawServer(faults.wire(begin)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        error = await failure(ask(client, kind))
    assert (type(error), len(server.requests)) == (errors.APIResponseValidationError, 1)


@on_sockets
@pytest.mark.parametrize(
    "broken",
    [
        faults.no_last_chunk(b'{"choices', kind=faults.JSON),
        faults.no_last_chunk(b'{"choices', kind=faults.JSON, ending="reset"),
        faults.short_body(b'{"choices'),
        faults.short_body(b'{"choices', ending="reset"),
        faults.bad_chunk_size(b'{"choices', kind=faults.JSON),
    ],
    ids=["chunks, fin", "chunks, reset", "length, fin", "length, reset", "a chunk's size"],
)
async def test_plain_answers_that_break_off(broken: Handler) -> None:
    """A plain answer that breaks off is asked for again."""
    async with (
        RawServer(broken, broken, answer(completion())) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        assert await ask(client, "plain") == "Hello"
    assert len(server.requests) == 3


EARLY: dict[str, Handler] = {
    "the head, fin": faults.no_last_chunk(),
    "the head, reset": faults.no_last_chunk(ending="reset"),
    "the role, fin": faults.no_last_chunk(ROLE),
    "the role, reset": faults.no_last_chunk(ROLE, ending="reset"),
    "the role, in order": sse([ROLE], done=False),
    "comments, fin": faults.no_last_chunk(b": ping\n\n", b": ping\n\n"),
    "comments and roles, in order": sse([b": ping\n\n", ROLE, b": ping\n\n", ROLE], done=False),
    "an empty content, reset": faults.no_last_chunk(event(chunk("")), ending="reset"),
    "half an event, fin": faults.no_last_chunk(ROLE, HEL[:-1]),
}


@on_sockets
@pytest.mark.parametrize("broken", EARLY.values(), ids=EARLY)
async def test_streams_that_break_before_their_content(broken: Handler) -> None:
    """A stream that ends before any content is asked for again, whatever else it brought, and nothing comes twice."""
    async with (
        RawServer(broken, broken, sse(hello())) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        made = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert [one.text async for one in made] == ["", "Hel", "lo", ""]
        assert made.response.retries_taken == 2

    async with RawServer(broken) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        error = await failure(ask(client, "stream"))
    assert isinstance(error, errors.APIConnectionError)
    assert (len(server.requests), len(error.attempts), error.partial) == (3, 3, None)


# Errors inside a stream.

# Every form of an error in a stream, each of a kind that may pass: what is sent, and the class that it stands for.
FORMS: dict[str, tuple[bytes, type[errors.APIError]]] = {
    "OpenAI's": (
        event({"error": {"message": "busy", "type": "server_error", "code": None}}),
        errors.InternalServerError,
    ),
    "by its code": (event({"error": {"message": "busy", "code": "rate_limit_exceeded"}}), errors.RateLimitError),
    "by a number": (event({"error": {"message": "busy", "code": 503}}), errors.InternalServerError),
    "with null choices": (
        event({"error": {"message": "busy", "code": 502}, "choices": None}),
        errors.InternalServerError,
    ),
    "a sentence": (event({"error": "busy"}), errors.APIError),
    "a sentence and a kind": (event({"error": "busy", "error_type": "generation"}), errors.APIError),
    "no kind": (event({"error": {"message": "busy"}}), errors.APIError),
    "vLLM's": (
        event({"object": "error", "message": "busy", "type": "InternalServerError", "code": 500}),
        errors.InternalServerError,
    ),
    "bare": (event({"code": 529, "message": "busy", "type": "overloaded_error"}), errors.InternalServerError),
    "in the choice": (
        event(
            chunk(finish="error")
            | {
                "choices": [
                    {"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "busy"}}
                ]
            }
        ),
        errors.InternalServerError,
    ),
    "a named event": (b"event: error\n" + event({"message": "busy", "code": 429}), errors.RateLimitError),
    "a named event around": (
        b"event: error\n" + event({"error": {"message": "busy", "type": "api_error"}}),
        errors.InternalServerError,
    ),
    "a named event of text": (b"event: error\ndata: busy\n\n", errors.APIError),
}


@on_sockets
@pytest.mark.parametrize("form", FORMS)
async def test_errors_before_the_first_token(form: str) -> None:
    """An error in a stream that has brought no content is retried like the refusal that it stands for."""
    sent, cls = FORMS[form]
    first, second = sse([sent]), sse([b": ping\n\n", ROLE, sent])
    async with (
        RawServer(first, second, sse(hello()), first, second) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        assert await ask(client, "stream") == "Hello"
        assert len(server.requests) == 3

        error = await failure(ask(client, "stream", max_retries=1))
        assert len(server.requests) == 5

    assert (type(error), error.message, error.partial) == (cls, "busy", None)
    assert [one.error for one in error.attempts] == ["busy"] * 2


@on_sockets
@pytest.mark.parametrize("form", FORMS)
async def test_errors_after_the_first_token(form: str) -> None:
    """The same error after a token is raised, once, with what was received."""
    sent, cls = FORMS[form]
    async with (
        RawServer(sse([ROLE, HEL, sent]), sse(hello())) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        error = await failure(ask(client, "stream"))
    assert (type(error), error.message, len(server.requests)) == (cls, "busy", 1)
    assert error.partial.choices[0].message.content == "Hel"
    assert error.attempts == ()


@on_sockets
@pytest.mark.parametrize(
    ("code", "cls"),
    [
        ("invalid_request_error", errors.BadRequestError),
        ("context_length_exceeded", errors.BadRequestError),
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        ("model_not_found", errors.NotFoundError),
    ],
)
async def test_errors_of_the_request_in_a_stream(code: Any, cls: type[errors.APIError]) -> None:
    """An error that is the request's own fault is not retried because it comes in a stream."""
    async with (
        RawServer(sse([{"error": {"message": "no", "code": code}}])) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        error = await failure(ask(client, "stream"))
    assert (type(error), len(server.requests)) == (cls, 1)


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_errors_in_json_of_status_200(kind: str) -> None:
    """A 200 that says in JSON that it failed is retried as what it says."""
    busy = answer({"error": {"message": "busy", "code": 503}})
    async with RawServer(busy, busy, either(kind)) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        assert await ask(client, kind) == "Hello"
    assert len(server.requests) == 3


# Connections that were kept alive, and are dead.


def mortal(kind: str, *, ending: faults.Ending = "reset", before: bytes = b"") -> Handler:
    """Answer; then take one more request on the connection, say `before`, and end it."""

    async def handle(peer: Peer) -> None:
        await either(kind)(peer)
        head = await peer.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await peer.reader.readexactly(int(length.partition(b":")[2]))
        met.append(peer.request.connection)
        await peer.send(before)
        await faults.end(peer, ending)

    met: list[int] = []
    handle.met = met  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess] - where requests died
    return handle


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["fin", "reset"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain HTTP", "TLS"])
@pytest.mark.parametrize("others", [0, 5], ids=["one", "one of six"])
async def test_dead_connection_is_free(ending: faults.Ending, kind: str, secure: bool, others: int) -> None:  # noqa: FBT001 - a column
    """A request that meets a dead connection is sent again at once, though no retries are allowed, on a new one."""
    dies = mortal(kind, ending=ending)
    context, trusting = certificates() if secure else (None, None)
    async with (
        RawServer(*[dies] * (1 + others), either(kind), context=context) as server,
        AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0, ssl_context=trusting) as client,
    ):
        assert await asyncio.gather(*(ask(client, kind) for _ in range(1 + others))) == ["Hello"] * (1 + others)
        assert server.connections == 1 + others

        assert await ask(client, kind) == "Hello"
        assert await ask(client, kind) == "Hello"

    assert len(dies.met) == 1  # type: ignore[attr-defined]  # of `mortal`
    assert server.connections == 2 + others


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_pool_of_dead_connections(kind: str) -> None:
    """Fifty requests at once on fifty dead connections all succeed, with one free attempt each."""
    count = 50
    dies = mortal(kind)
    limiter = WatchingLimiter()
    async with (
        RawServer(*[dies] * count, either(kind)) as server,
        AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0, limiter=limiter) as client,
    ):
        await asyncio.gather(*(ask(client, kind) for _ in range(count)))
        assert server.connections == count

        assert await asyncio.gather(*(ask(client, kind) for _ in range(count))) == ["Hello"] * count

    assert sorted(dies.met) == list(range(1, count + 1))  # type: ignore[attr-defined]  # of `mortal`
    assert len(server.requests) == 2 * count
    assert len(limiter.acquired) == 3 * count


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_dead_twice(kind: str) -> None:
    """The free attempt is one: where its connection fails as well, that counts, and the error tells of both."""
    async with (
        RawServer(mortal(kind), faults.no_answer("reset")) as server,
        AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0) as client,
    ):
        await ask(client, kind)
        error = await failure(ask(client, kind))
        assert (type(error), len(error.attempts)) == (errors.APIConnectionError, 2)
        assert [one.delay for one in error.attempts] == [0.0, None]
        assert len(server.requests) == 2

        error = await failure(ask(client, kind, max_retries=2))
        assert len(error.attempts) == 3  # all on new connections


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_connection_that_dies_after_its_first_byte(kind: str) -> None:
    """A kept-alive connection that breaks in the middle of an answer was alive: that attempt is not free."""
    async with (
        RawServer(mortal(kind, before=b"H", ending="fin")) as server,
        AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0) as client,
    ):
        await ask(client, kind)
        error = await failure(ask(client, kind))
    assert (type(error), error.attempts) == (errors.APIConnectionError, ())
    assert server.connections == 1


@on_sockets
async def test_requests_without_a_body_are_no_exception() -> None:
    """A GET or DELETE is sent as often as a POST: aiohttp, which repeats those by itself, is kept from it."""
    async with RawServer(faults.no_answer()) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        for retries in (0, 2):
            for call in (client.chat.completions.retrieve, client.chat.completions.delete):
                before = len(server.requests)
                error = await failure(call("chatcmpl-1", max_retries=retries))
                assert len(server.requests) - before == retries + 1
                assert len(error.attempts) == (retries + 1 if retries else 0)


# Keys.


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_expired_key(kind: str) -> None:
    """A 401 is tried again at once with a key asked for anew, once a call; a key that stays is not tried again."""
    asked: list[int] = []

    async def key() -> str:
        asked.append(len(asked))
        return f"key-number-{len(asked)}"

    no = answer({"error": {"message": "expired"}}, 401)
    async with RawServer(no, either(kind), no, no) as server:
        async with AsyncOpenAI(api_key=key, base_url=server.url, max_retries=0) as client:
            assert await ask(client, kind) == "Hello"
            error = await failure(ask(client, kind))
        async with AsyncOpenAI(api_key="key-that-stays", base_url=server.url) as client:
            await failure(ask(client, kind))

    assert isinstance(error, errors.AuthenticationError)
    assert [one.delay for one in error.attempts] == [0.0, None]
    keys = [one.headers["authorization"].removeprefix("Bearer ") for one in server.requests]
    assert keys == ["key-number-1", "key-number-2", "key-number-3", "key-number-4", "key-that-stays"]


# What attempts hold.


@on_sockets
@pytest.mark.parametrize("kind", KINDS)
async def test_attempts_are_the_same_request(kind: str) -> None:
    """Every attempt of a call, the free one included, has the same headers, body and idempotency key."""
    no = answer({"error": {"message": "no"}}, 503)
    bodies: list[tuple[bytes, bytes]] = []

    async def dies(peer: Peer) -> None:
        await either(kind)(peer)
        head = await peer.reader.readuntil(b"\r\n\r\n")
        bodies.append((head, await peer.reader.readexactly(len(server.requests[0].body))))
        peer.reset()

    async with (
        RawServer(dies, no, faults.no_answer("fin"), faults.half_head("reset"), either(kind)) as server,
        AsyncOpenAI(api_key="k", base_url=server.url, max_retries=3) as client,
    ):
        for _ in range(2):
            assert await ask(client, kind, idempotency_key="once-only") == "Hello"

    _, *attempts = server.requests
    assert [one.connection for one in attempts] == [2, 2, 3, 4]
    ((head, body),) = bodies
    assert head.decode().split("\r\n")[1:-2] == attempts[0].lines
    assert attempts[0].headers["idempotency-key"] == "once-only"
    assert {tuple(one.lines) for one in attempts} == {tuple(attempts[0].lines)}
    assert {body, *(one.body for one in attempts)} == {attempts[0].body}
    assert not any("retry" in name for name in attempts[0].headers)  # a count would differ


@on_sockets
async def test_large_bodies_are_sent_again_whole() -> None:
    """A body of 5 MB arrives whole with each attempt: after a refusal, a dead connection, and one lost half way."""
    large: Any = [{"role": "user", "content": "x" * 5_000_000}]

    async def half_way(peer: Peer) -> None:
        await answer(completion())(peer)
        await peer.reader.readexactly(1_000_000)
        peer.reset()

    no = answer({"error": {"message": "no"}}, 503)
    async with (
        RawServer(half_way, no, faults.no_answer("reset"), answer(completion())) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        assert await ask(client, "plain") == "Hello"
        made = await client.chat.completions.create(model="m", messages=large)
        assert made.choices[0].message.content == "Hello"

    _, *attempts = server.requests
    assert len(attempts) == 3
    assert {one.body for one in attempts} == {attempts[0].body}
    assert len(attempts[0].body) > 5_000_000
    assert attempts[0].json["messages"] == large


# Calls that are given up between two attempts.


def waiting(delay: str, **options: Any) -> tuple[AsyncOpenAI, ScriptedTransport]:
    """A client whose first attempt is refused, with a wait before the next."""
    transport = ScriptedTransport([refused(503, {"retry-after": delay})])
    return AsyncOpenAI(api_key="k", transport=transport, **options), transport


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_between_attempts(kind: str) -> None:
    """A call that is cancelled while it waits for its next attempt sends nothing more, however long one waits."""

    async def main() -> None:
        client, transport = waiting("60", timeout=Timeout(total=600))
        task = asyncio.create_task(ask(client, kind))
        await asyncio.sleep(30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(100_000)
        assert len(transport.requests) == 1

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_closed_between_attempts(kind: str) -> None:
    """A call whose client is closed meanwhile ends within a second, asks for no key and no leave, and says why."""
    keys: list[str] = []
    limiter = WatchingLimiter()

    def key() -> str:
        keys.append("key")
        return "k"

    async def main() -> None:
        client, transport = waiting("60", limiter=limiter)
        client = client.with_options(api_key=key)
        task = asyncio.create_task(ask(client, kind))
        await asyncio.sleep(30)
        await client.close()
        closed = asyncio.get_running_loop().time()
        error = await failure(task)
        assert asyncio.get_running_loop().time() - closed <= 1
        assert len(transport.requests) == len(keys) == len(limiter.acquired) == 1
        assert isinstance(error, errors.APIConnectionError)
        assert "the client was closed" in error.message
        assert [one.status_code for one in error.attempts] == [503]

    run(main())


@on_sockets
async def test_closed_between_attempts_over_sockets() -> None:
    """The same on real connections: nothing more arrives, and no connection stays."""
    no = answer({"error": {"message": "no"}}, 503, {"retry-after-ms": "200"})
    async with RawServer(no) as server:
        client = AsyncOpenAI(api_key="k", base_url=server.url)
        task = asyncio.create_task(failure(ask(client, "stream")))
        while not server.requests:  # noqa: ASYNC110 - a socket's other end sets no event
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # the refusal has arrived
        await client.close()
        error = await task
        assert "the client was closed" in error.message
        assert (len(server.requests), server.connections) == (1, 1)
