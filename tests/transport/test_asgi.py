"""ASGI apps as a transport: small ones written here, and the embedded server's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.rawserver import completion, event, hello

from openai_async import AsyncOpenAI, errors
from openai_async.transport.asgi import ASGITransport
from openai_async.transport.message import Request
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

pytestmark = pytest.mark.anyio

NO_LIMIT = Timeout.of(None)
MESSAGES: Any = [{"role": "user", "content": "hi"}]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class App:
    """An app that does what a test says, and remembers what it saw.

    Args:
        act: Called with `receive` and `send` when the request's body is in.
    """

    def __init__(self, act: Callable[[Receive, Send], Awaitable[None]]) -> None:
        self.act = act
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []
        self.ended = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Be an ASGI app."""
        self.scopes.append(scope)
        self.bodies.append((await receive())["body"])
        try:
            await self.act(receive, send)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()


async def start(send: Send, *, status: int = 200, kind: bytes = b"text/event-stream") -> None:
    """Send a response's head."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"Content-Type", kind)]})


async def part(send: Send, data: bytes = b"", *, more: bool = True) -> None:
    """Send a part of a response's body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


def request(url: str = "http://test/v1/chat/completions", **headers: str) -> Request:
    """A request as the client makes it."""
    return Request(method="POST", url=url, headers=headers, body=b"{}")


async def call(app: Any, asked: Request | None = None) -> Any:
    """Call the app, without limits."""
    return await ASGITransport(app).send(asked or request(), Timer(NO_LIMIT))


async def body(response: Any) -> bytes:
    """Read a response to its end."""
    data = b""
    while piece := await response.read():
        data += piece
    response.release()
    return data


async def greet(_receive: Receive, send: Send) -> None:
    """Answer in two parts."""
    await start(send)
    await part(send, b"one ")
    await part(send, b"two", more=False)


async def test_app_sees_the_request() -> None:
    """The scope is what a server would make of the request; packing is not asked for, as nothing would unpack it."""
    app = App(greet)
    asked = request(
        "https://test.example:8443/v1/a%20b?x=1&y=%C3%A4", authorization="Bearer k", **{"accept-encoding": "gzip"}
    )

    await body(await call(app, asked))

    (scope,) = app.scopes
    assert (scope["type"], scope["http_version"], scope["method"]) == ("http", "1.1", "POST")
    assert (scope["scheme"], scope["server"]) == ("https", ("test.example", 8443))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/v1/a b", b"/v1/a%20b", b"x=1&y=%C3%A4")
    assert dict(scope["headers"]) == {
        b"host": b"test.example:8443",
        b"authorization": b"Bearer k",
        b"accept-encoding": b"identity",
        b"content-length": b"2",
    }
    assert app.bodies == [b"{}"]


@pytest.mark.parametrize(("url", "port"), [("http://test/", 80), ("https://test/", 443)])
async def test_default_ports(url: str, port: int) -> None:
    """An address without a port has its scheme's."""
    app = App(greet)

    await body(await call(app, request(url)))

    assert app.scopes[0]["server"] == ("test", port)


async def test_reader_gets_the_response() -> None:
    """Status and headers come as they are, and the body in the parts in which it was sent."""

    async def act(_receive: Receive, send: Send) -> None:
        headers = [(b"X-One", b"1"), (b"x-one", b"2"), (b"X-Latin", b"\xe4")]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await greet_parts(send)

    async def greet_parts(send: Send) -> None:
        await part(send, b"one ")
        await part(send, b"")
        await send({"type": "http.response.body", "body": b"two"})

    response = await call(App(act))

    assert response.status == 418
    assert response.headers == {"x-one": "1, 2", "x-latin": "ä"}
    assert [await response.read(), await response.read(), await response.read()] == [b"one ", b"two", b""]
    assert await response.read() == b""


async def test_body_comes_as_it_is_sent() -> None:
    """A part is there when the app has sent it, not when the response is whole."""
    go = asyncio.Event()

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"first")
        await go.wait()
        await part(send, b"second", more=False)

    response = await call(App(act))
    assert await response.read() == b"first"
    go.set()
    assert await response.read() == b"second"


async def test_app_waits_for_its_reader() -> None:
    """An app that is 16 parts ahead of its reader waits, so that no body piles up."""
    sent = 0

    async def act(_receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send)
        for _ in range(100):
            await part(send, b"x")
            sent += 1
        await part(send, more=False)

    response = await call(App(act))
    for _ in range(50):
        await asyncio.sleep(0)
    assert sent == 16

    assert await body(response) == b"x" * 100


async def test_cancelled_read_loses_nothing() -> None:
    """A read that was cancelled leaves its part to the next one."""
    go = asyncio.Event()

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        await go.wait()
        await part(send, b"late", more=False)

    response = await call(App(act))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await response.read()
    go.set()
    assert await response.read() == b"late"


async def test_app_that_listens_is_told_of_a_leaving_reader() -> None:
    """A closed response is an `http.disconnect`, and an app that heeds it is not cancelled."""

    async def act(receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"x")
        assert await receive() == {"type": "http.disconnect"}

    app = App(act)
    response = await call(app)
    response.close()
    response.close()

    await asyncio.wait_for(app.ended.wait(), 0.5)
    assert not app.cancelled
    with pytest.raises(errors.APIConnectionError, match="response was closed"):
        await response.read()


async def test_app_that_sends_on_gets_an_error() -> None:
    """After its reader has left, an app's `send` raises an `OSError`, also where it was waiting for room."""
    raised: list[str] = []

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        try:
            while True:
                await part(send, b"x")
        except OSError as error:
            raised.append(str(error))

    app = App(act)
    response = await call(app)
    for _ in range(50):
        await asyncio.sleep(0)
    response.close()

    await asyncio.wait_for(app.ended.wait(), 0.5)
    assert raised == ["the client has left"]


async def test_app_that_does_not_listen_is_cancelled() -> None:
    """An app that neither listens nor sends is cancelled after a second."""

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        await asyncio.sleep(3600)

    app = App(act)
    response = await call(app)
    loop = asyncio.get_running_loop()
    began = loop.time()
    response.close()

    await asyncio.wait_for(app.ended.wait(), 3)
    assert app.cancelled
    assert 0.9 < loop.time() - began < 2


async def test_released_answer_may_end_on_its_own() -> None:
    """An answer of which the rest is of no interest is sent to its end, into nothing, and its app is left alone."""

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        for _ in range(100):
            await part(send, b"x")
        await part(send, more=False)
        await asyncio.sleep(0)

    app = App(act)
    response = await call(app)
    await response.read()
    response.release()

    await asyncio.wait_for(app.ended.wait(), 0.5)
    assert not app.cancelled


async def test_work_after_the_answer_is_not_cut_short() -> None:
    """What an app does after its answer was sent goes on after the answer was read; it receives a disconnect."""
    received: list[Any] = []
    done = asyncio.Event()

    async def act(receive: Receive, send: Send) -> None:
        await greet(receive, send)
        received.append(await receive())
        await done.wait()

    app = App(act)
    transport = ASGITransport(app)
    response = await transport.send(request(), Timer(NO_LIMIT))
    assert await body(response) == b"one two"
    done.set()

    await asyncio.wait_for(app.ended.wait(), 0.5)
    assert received == [{"type": "http.disconnect"}]
    assert not app.cancelled


async def test_reader_that_waits_is_woken_by_close() -> None:
    """A read that waits while another task closes the response ends with an error."""

    async def act(receive: Receive, send: Send) -> None:
        await start(send)
        await receive()

    response = await call(App(act))
    task = asyncio.create_task(response.read())
    await asyncio.sleep(0)
    response.close()
    with pytest.raises(errors.APIConnectionError):
        await asyncio.wait_for(task, 0.5)


async def test_exception_before_the_answer() -> None:
    """An app that raises before its response began is a lost connection, with the app's exception behind it."""

    async def act(_receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(errors.APIConnectionError) as caught:
        await call(App(act))

    assert str(caught.value) == "Connection error: the app raised ZeroDivisionError before it answered."
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_exception_in_the_middle() -> None:
    """An app that raises in the middle of its body cuts it off, after all that it sent."""

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"half")
        raise ZeroDivisionError

    response = await call(App(act))
    assert await response.read() == b"half"
    for _ in range(2):
        with pytest.raises(errors.APIConnectionError, match="raised ZeroDivisionError in the middle") as caught:
            await response.read()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_exception_after_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """An app that raises after a whole answer has answered; the exception is logged."""

    async def act(receive: Receive, send: Send) -> None:
        await greet(receive, send)
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, logger="openai_async"):
        assert await body(await call(App(act))) == b"one two"

    assert "failed after its answer" in caplog.text


@pytest.mark.parametrize(("begun", "where"), [(False, "before it answered"), (True, "in the middle of its answer")])
async def test_app_that_just_ends(begun: bool, where: str) -> None:  # noqa: FBT001 - a column of the table
    """An app that ends without finishing its answer is told from one that raised."""

    async def act(_receive: Receive, send: Send) -> None:
        if begun:
            await start(send)

    with pytest.raises(errors.APIConnectionError, match=f"the app ended {where}"):
        await body(await call(App(act)))


@pytest.mark.parametrize("wrong", ["body first", "two starts", "body after the end", "trailers"])
async def test_messages_where_they_can_not_be(wrong: str) -> None:
    """An app that breaks the protocol hears of it."""
    raised: list[str] = []

    async def act(receive: Receive, send: Send) -> None:
        try:
            if wrong == "body first":
                await part(send)
            await start(send)
            if wrong == "two starts":
                await start(send)
            if wrong == "trailers":
                await send({"type": "http.response.trailers"})
            await part(send, more=False)
            await part(send, more=False)
        except RuntimeError as error:
            raised.append(str(error))

    app = App(act)
    with_body = wrong == "body after the end"
    if with_body:
        assert await body(await call(app)) == b""
    else:
        with pytest.raises(errors.APIConnectionError):
            await body(await call(app))
    await app.ended.wait()
    assert len(raised) == 1


async def test_silent_app_runs_into_the_first_token_limit() -> None:
    """Limits hold as over sockets; the app is told."""

    async def act(receive: Receive, _send: Send) -> None:
        await receive()

    app = App(act)
    with pytest.raises(errors.APITimeoutError) as caught:
        await ASGITransport(app).send(request(), Timer(Timeout(first_token=0.01)))

    assert caught.value.phase == "first_token"
    await asyncio.wait_for(app.ended.wait(), 0.5)


async def test_cancelled_request_is_a_disconnect() -> None:
    """A request that is cancelled before its answer tells the app so."""

    async def act(receive: Receive, _send: Send) -> None:
        await receive()

    app = App(act)
    task = asyncio.create_task(call(app))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(app.ended.wait(), 0.5)


async def test_closed_transport() -> None:
    """Closing ends all responses and waits for the app; nothing is sent after it."""

    async def act(receive: Receive, send: Send) -> None:
        await start(send)
        await receive()

    app = App(act)
    transport = ASGITransport(app)
    await transport.send(request(), Timer(NO_LIMIT))
    await transport.aclose()
    await transport.aclose()

    assert app.ended.is_set()
    with pytest.raises(errors.OpenAIError, match="client is closed"):
        await transport.send(request(), Timer(NO_LIMIT))


# The client on top of it.


def client(app: Any, **options: Any) -> AsyncOpenAI:
    """A client that calls an app."""
    return AsyncOpenAI(api_key="sk-test-0123456789", base_url="http://test/v1", transport=ASGITransport(app), **options)


async def test_client_streams_from_an_app() -> None:
    """A stream comes through, and ends at `[DONE]`."""

    async def act(_receive: Receive, send: Send) -> None:
        await start(send)
        for payload in hello():
            await part(send, event(payload))
        await part(send, b"data: [DONE]\n\n", more=False)

    async with (
        client(App(act)) as api,
        api.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream,
    ):
        assert "".join([chunk.text async for chunk in stream]) == "Hello"


async def test_client_leaves_a_stream() -> None:
    """A stream that is left early is a disconnect for the app."""

    async def act(receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, event(hello()[1]))
        await receive()

    app = App(act)
    async with client(app) as api:
        async with api.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
            await anext(stream)
        await asyncio.wait_for(app.ended.wait(), 0.5)
    assert not app.cancelled


async def test_client_reads_a_plain_answer() -> None:
    """A plain completion comes through."""

    async def act(_receive: Receive, send: Send) -> None:
        import json

        await start(send, kind=b"application/json")
        await part(send, json.dumps(completion("Hi")).encode(), more=False)

    async with client(App(act)) as api:
        answer = await api.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hi"


async def test_failing_app_fails_the_call() -> None:
    """An app that raises fails the call with its exception in the traceback, after the client's retries."""

    async def act(_receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    app = App(act)
    async with client(app, max_retries=0) as api:
        with pytest.raises(errors.APIConnectionError) as caught:
            await api.chat.completions.create(model="m", messages=MESSAGES)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_embedded_server_as_an_app() -> None:
    """The embedded server's Starlette app answers plainly, in streams and with errors, and sees a reader leave."""
    from openai_async.server.app import create_app

    app = create_app(api_key="sk-test-0123456789", delay=0.001)
    async with client(app, max_retries=0) as api:
        plain = await api.chat.completions.create(model="m", messages=MESSAGES)
        async with api.chat.completions.create(model="m", messages=MESSAGES, stream=True) as stream:
            streamed = await stream.final()
        with pytest.raises(errors.AuthenticationError):
            await api.with_options(api_key="sk-wrong-0123456789").chat.completions.create(model="m", messages=MESSAGES)
        async with api.chat.completions.create(model="m", messages=MESSAGES, stream=True) as left:
            await anext(left)
        await asyncio.wait_for(app.state.desk.wait_aborts(1), 2)

    assert plain.choices[0].message.content
    assert streamed.choices[0].message.content == plain.choices[0].message.content
