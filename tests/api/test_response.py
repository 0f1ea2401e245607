"""What is known of a response beside its content."""

from __future__ import annotations

import pytest

from openai_async.api.response import SAMPLE_SIZE, ResponseInfo, Timing, not_an_answer


def test_request_id() -> None:
    """The request id is the server's header, or None."""
    assert ResponseInfo(200, {"x-request-id": "req-1"}).request_id == "req-1"
    assert ResponseInfo(200, {}).request_id is None


def test_timing_counts_from_the_start() -> None:
    """Marks of the loop's clock become seconds from the call's start; what was not reached is None."""
    timing = Timing.of({"started": 100.0, "sent": 100.5, "headers": 102.0})

    assert timing == Timing(sent=0.5, headers=2.0)
    assert timing.last is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "with nothing,"),
        (b" \n", "with nothing,"),
        (b"pong", "with 'pong',"),
        (b"<!doctype html><html><title>Sign in - Corp</title>", "Sign in - Corp"),
        (b'{"status": "ok"}', """with '{"status": "ok"}',"""),
        (b"\xff\xfe binary", "\ufffd"),
    ],
)
def test_wrong_answer_is_shown(body: bytes, told: str) -> None:
    """The error says what came, from whom it may be, and keeps the beginning of it."""
    info = ResponseInfo(200, {"content-type": "text/html", "x-request-id": "req-1"})

    error = not_an_answer(info, body, "a completion")

    assert told in str(error)
    assert "200 (text/html)" in str(error)
    assert "where a completion was expected" in str(error)
    assert "Is base_url right, and is there a proxy in between?" in str(error)
    assert (error.request_id, error.headers) == ("req-1", dict(info.headers))
    assert error.status_code is None
    assert error.body == (body.decode("utf-8", "replace") or None)


def test_long_answers_are_cut() -> None:
    """Of a long wrong answer the first 512 bytes are kept, and a line of it is shown."""
    error = not_an_answer(ResponseInfo(200, {}), b"x" * 5000, "a completion")

    assert len(error.body) == SAMPLE_SIZE
    assert len(str(error)) < 400
    assert "no content type" in str(error)
