"""One line for each request."""

from __future__ import annotations

import asyncio
import re

import pytest

from openai_async.cli.access import Access, AccessLog


def visit(app, scope):
    """Let a request pass through the log to an app; return what was logged and what was sent."""
    logged, sent = [], []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    asyncio.run(AccessLog(app, logged.append)(scope, receive, send))
    return logged, sent


HTTP = {"type": "http", "method": "GET", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"key=secret"}
HEAD = {"type": "http.response.start", "status": 204, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}


def sending(*messages):
    """An app that sends these messages."""

    async def app(scope, receive, send):
        del scope, receive
        for message in messages:
            await send(message)

    return app


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        ((HEAD, BODY), r"GET /a%20b 204 \d+ ms"),
        ((HEAD, {**BODY, "more_body": True}), r"GET /a%20b 204 \d+ ms \(cut off\)"),
        ((), r"GET /a%20b no answer \d+ ms \(cut off\)"),
    ],
)
def test_a_request_is_logged_when_it_is_over(messages, line):
    """The line has method, path, status and time, and says if the answer was not sent to its end; no query is shown."""
    (access,), sent = visit(sending(*messages), HTTP)

    assert re.fullmatch(line, str(access))
    assert sent == list(messages)


def test_a_failing_app_is_logged():
    """An exception passes through, and the request is logged all the same."""
    logged = []

    async def app(scope, receive, send):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(AccessLog(app, logged.append)(HTTP, None, None))
    assert [access.status for access in logged] == [0]


def test_other_protocols_are_none_of_its_business():
    """What is no HTTP request passes unseen."""
    assert visit(sending({"type": "lifespan.startup.complete"}), {"type": "lifespan"})[0] == []


def test_a_path_can_not_fake_a_line():
    """Without escapes in the raw path, line breaks and controls in the path don't reach the log."""
    (access,), _ = visit(sending(HEAD, BODY), {"type": "http", "method": "GET", "path": "/a\nb\x1b"})

    assert str(access).startswith("GET /a b\u241b 204 ")
    assert isinstance(access, Access)
