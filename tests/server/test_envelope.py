"""Around every answer."""

from __future__ import annotations

import asyncio
import logging

import pytest

from openai_async.server.desk import Desk
from openai_async.server.envelope import Envelope
from openai_async.server.faults import Fault, HangUp
from openai_async.server.problems import Problem

_SCOPE = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [], "client": None}


async def _good(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def _call(app=_good, *, messages=None, desk=None, max_body=100):
    """Send ASGI messages through an envelope around `app`, and return what it sent."""
    desk = desk or Desk()
    queue = list(messages or [{"type": "http.request", "body": b"hello"}])
    sent = []

    async def receive():
        return queue.pop(0) if queue else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(Envelope(app, desk=desk, max_body=max_body)(dict(_SCOPE), receive, send))
    return sent, desk


def test_bodies_are_read_before_the_app():
    """The body is complete, in however many pieces it came, when the app is called."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["state"]["visit"].recorded.body)
        await _good(scope, receive, send)

    parts = [{"type": "http.request", "body": b"one ", "more_body": True}, {"type": "http.request", "body": b"two"}]
    _call(app, messages=parts)

    assert seen == [b"one two"]


def test_large_bodies_are_refused_but_read():
    """A body over the limit is a 413; it is read to its end first, so that the client can hear it."""
    parts = [
        {"type": "http.request", "body": b"x" * 60, "more_body": True},
        {"type": "http.request", "body": b"x" * 60},
    ]
    sent, desk = _call(messages=parts)

    assert sent[0]["status"] == 413
    assert b"limit is 100 bytes" in sent[1]["body"]
    assert desk.requests[0].body == b""


def test_endless_bodies_are_not_read_for_ever():
    """Reading ends at eight times the limit."""
    parts = [{"type": "http.request", "body": b"x" * 500, "more_body": True}] * 3
    sent, _ = _call(messages=parts)

    assert sent[0]["status"] == 413


def test_headers_are_added_to_every_answer():
    """Whatever the app answers, the API's headers are on it."""
    (start, _), _ = _call()

    assert {b"x-request-id", b"openai-version", b"x-ratelimit-limit-tokens"} <= {name for name, _ in start["headers"]}


def test_problems_become_answers():
    """A problem that the app raises is the answer, with its headers."""

    async def app(scope, receive, send):
        raise Problem(429, "wait", retry_after=2)

    (start, body), _ = _call(app)

    assert start["status"] == 429
    assert (b"retry-after", b"2") in start["headers"]
    assert b'"message":"wait"' in body["body"]


def test_failures_are_logged_and_answered(caplog):
    """Any other exception is a 500 that names it, and its traceback goes to the log."""

    async def app(scope, receive, send):
        raise LookupError("nothing there")

    with caplog.at_level(logging.ERROR, logger="openai_async.server"):
        (start, body), _ = _call(app)

    assert start["status"] == 500
    assert b"LookupError: nothing there" in body["body"]
    assert caplog.records[0].exc_info[0] is LookupError


def test_failures_after_the_head_hang_up(caplog):
    """When the head is out already, the connection is closed: a second head would be nonsense."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("too late")

    # The last message keeps the client there: without a transport, hanging up is left to the ASGI server.
    waiting = [{"type": "http.request", "body": b""}, {"type": "http.request", "body": b""}]
    with pytest.raises(HangUp):
        _call(app, messages=waiting)
    assert caplog.records


def test_a_client_that_left_is_not_answered():
    """Leaving in the middle of the body ends the request silently."""
    parts = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]

    assert _call(messages=parts)[0] == []


def test_other_protocols_pass():
    """What is no HTTP goes to the app as it is."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Envelope(app, desk=Desk(), max_body=1)({"type": "lifespan"}, None, None))

    assert seen == ["lifespan"]


def test_faults_come_before_the_app():
    """A fault that replaces the answer keeps the app from being called."""
    called = []

    async def app(scope, receive, send):
        called.append(scope)

    sent, _ = _call(app, desk=Desk(faults=[Fault(html=True)]))

    assert sent[0]["status"] == 200
    assert sent[1]["body"].startswith(b"<!DOCTYPE html>")
    assert called == []
