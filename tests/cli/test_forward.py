"""Requests passed on to another server."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest
from support.rawserver import RawServer, answer, chunk, free_port, sse

from openai_async.cli.forward import Forward
from openai_async.transport.session import AiohttpTransport

pytestmark = pytest.mark.anyio

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/x y",
    "raw_path": b"/v1/x%20y",
    "query_string": b"a=1",
    "headers": [
        (b"Host", b"front:1"),
        (b"Content-Type", b"application/json"),
        (b"Accept-Encoding", b"gzip"),
        (b"Connection", b"close"),
        (b"X-Own", b"caf\xe9"),
    ],
}


class Visitor:
    """The ASGI side of one client."""

    def __init__(self, *body):
        self.incoming = [{"type": "http.request", "body": part, "more_body": True} for part in body]
        self.incoming.append({"type": "http.request", "body": b""})
        self.left = asyncio.Event()
        self.sent = []
        self.heard = asyncio.Event()

    async def receive(self):
        """Return the body's parts, then wait until the client leaves."""
        if self.incoming:
            return self.incoming.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        """Take a message."""
        self.sent.append(message)
        if message.get("body"):
            self.heard.set()

    @property
    def body(self):
        """What was answered so far."""
        return b"".join(message.get("body", b"") for message in self.sent)


async def visit(origin, visitor):
    """Let a visitor's request be passed on."""
    transport = AiohttpTransport()
    try:
        with anyio.fail_after(10):
            await Forward(origin, transport)(SCOPE, visitor.receive, visitor.send)
    finally:
        await transport.aclose()


async def test_a_request_arrives_as_it_was_sent():
    """Method, path, query, body and the headers that are the message's own arrive; the answer comes back likewise."""
    visitor = Visitor(b'{"a":', b"1}")
    async with RawServer(answer({"ok": 1}, 418, {"x_own": "yes", "connection": "keep-alive"})) as server:
        await visit(f"http://127.0.0.1:{server.port}", visitor)

    request = server.requests[0]
    assert (request.method, request.target, request.json) == ("POST", "/v1/x%20y?a=1", {"a": 1})
    assert request.headers["x-own"].encode("latin-1") in {b"caf\xe9", b"caf\xc3\xa9"}
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert "gzip" not in request.headers.get("accept-encoding", "")
    assert visitor.sent[0]["status"] == 418
    headers = dict(visitor.sent[0]["headers"])
    assert headers[b"x-own"] == b"yes"
    assert not {b"connection", b"content-length"} & {*headers}
    assert json.loads(visitor.body) == {"ok": 1}
    assert not visitor.sent[-1].get("more_body")


async def test_a_visitor_who_leaves_is_followed():
    """When the client leaves in the middle of a stream, the request is aborted at the other server."""
    gone = asyncio.Event()
    stream = sse([chunk("one")], done=False, ending="nothing")

    async def handle(peer):
        await stream(peer)
        gone.set()

    visitor = Visitor(b"{}")
    async with RawServer(handle) as server, anyio.create_task_group() as group:
        group.start_soon(visit, f"http://127.0.0.1:{server.port}", visitor)
        await visitor.heard.wait()
        visitor.left.set()
        with anyio.fail_after(10):
            await gone.wait()
    assert b"one" in visitor.body


async def test_a_break_is_passed_on_as_a_break():
    """An answer that is cut off is not ended in order."""
    visitor = Visitor(b"{}")
    async with RawServer(sse([chunk("one")], done=False, ending="fin")) as server:
        await visit(f"http://127.0.0.1:{server.port}", visitor)

    assert b"one" in visitor.body
    assert visitor.sent[-1]["more_body"]


async def test_nobody_behind_it():
    """Where the other server is gone, the client gets status 502 and an error of the API's shape."""
    visitor = Visitor(b"{}")
    await visit(f"http://127.0.0.1:{free_port()}", visitor)

    assert visitor.sent[0]["status"] == 502
    assert "refused" in json.loads(visitor.body)["error"]["message"]


async def test_a_visitor_who_never_finishes_asking():
    """A client that leaves while sending its request causes none."""
    visitor = Visitor(b"{}")
    visitor.incoming = [{"type": "http.disconnect"}]
    async with RawServer(answer({})) as server:
        await visit(f"http://127.0.0.1:{server.port}", visitor)

    assert server.requests == []
    assert visitor.sent == []
