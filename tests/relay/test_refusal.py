"""What a browser is told of an error: the server's own words about the request, and none about the way to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_async import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    OpenAIError,
    RateLimitError,
)
from openai_async.protocol import failures
from openai_async.relay import BadCursor, StreamExpired, UnknownStream
from openai_async.relay.refusal import Refusal

ERROR = {"message": "Slow down", "type": "requests", "param": "model", "code": "rate_limit_exceeded", "vendor": 1}


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> OpenAIError:
    """The error of a refusal with this body."""
    return failures.from_response(status, headers or {}, json.dumps(body).encode())


def test_a_servers_error_goes_on_whole() -> None:
    """Status, object with a vendor's fields, and what says when to try again; no other header."""
    headers = {"retry-after": "3", "x-request-id": "req_1", "set-cookie": "secret", "server": "inner"}
    error = refused(429, {"error": ERROR}, headers)
    assert isinstance(error, RateLimitError)

    refusal = Refusal.of(error)

    assert (refusal.status, refusal.error) == (429, ERROR)
    assert refusal.headers == {"retry-after": "3", "x-request-id": "req_1"}
    assert json.loads(refusal.body) == {"error": ERROR}


@pytest.mark.parametrize(
    "body", [{"detail": "Not Found"}, {"message": "No", "object": "error"}, "Nope", {"error": "No"}]
)
def test_every_error_has_the_apis_shape(body: Any) -> None:
    """Whatever the server's own is: there is a message, and the three fields beside it."""
    refusal = Refusal.of(refused(404, body))

    assert refusal.status == 404
    assert set(refusal.error) >= {"message", "type", "param", "code"}
    assert refusal.error["message"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (APIConnectionError("Cannot connect to host inner.example:8443"), 502),
        (APITimeoutError("inner.example did not answer", phase="connect"), 504),
        (APIResponseValidationError("<html>inner.example</html>"), 502),
        (LookupError("inner.example"), 500),
        (OpenAIError("inner.example"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_way_to_the_server_is_told_to_nobody(error: Exception, status: int) -> None:
    """No host, path or exception of this process gets into an answer."""
    refusal = Refusal.of(error)

    assert refusal.status == status
    assert b"inner" not in refusal.body
    assert refusal.error["message"]


@pytest.mark.parametrize(
    ("error", "status"), [(UnknownStream(), 404), (StreamExpired(), 410), (BadCursor("x"), 400)], ids=str
)
def test_the_relays_own_errors_say_their_status(error: OpenAIError, status: int) -> None:
    """What a reader asked for and cannot have is told by status and code."""
    refusal = Refusal.of(error)

    assert refusal.status == status
    assert refusal.error["code"]
    assert refusal.error["message"] == str(error)
