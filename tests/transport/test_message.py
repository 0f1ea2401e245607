"""Requests and responses as plain data."""

from __future__ import annotations

import pytest

from openai_async.transport.message import Request, plain_headers


def test_a_requests_repr_shows_no_key() -> None:
    """What a traceback with local variables shows of a request has neither its headers nor its body."""
    request = Request(method="POST", url="http://h/v1", headers={"authorization": "Bearer sk-secret"}, body=b"secret")

    assert repr(request) == "<Request POST http://h/v1>"


def test_headers_become_plain() -> None:
    """Names are in lower case, repeated ones joined in order."""
    assert plain_headers([("A-b", "1"), ("C", "2"), ("a-B", "3")]) == {"a-b": "1, 3", "c": "2"}


@pytest.mark.parametrize(
    ("value", "plain"),
    [("é 😀", "é 😀"), ("a\udcff", "a\ufffd"), ("\udcc3\udca9", "é"), ("\udce4b\udcff", "\ufffdb\ufffd")],
    ids=ascii,
)
def test_headers_that_are_no_text(value: str, plain: str) -> None:
    """Bytes that were no UTF-8, which aiohttp hands on as halves of surrogate pairs, are U+FFFD, and can be printed."""
    assert plain_headers([("A", value), ("a", "b")]) == {"a": f"{plain}, b"}
    assert plain.encode()
