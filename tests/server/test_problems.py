"""Problems become the API's errors."""

from __future__ import annotations

import json

from openai_async.server.problems import Problem


def test_body_has_the_four_fields_of_an_error():
    """The body is an error object with message, type, param and code, null included."""
    assert json.loads(Problem(400, "No.").encode()) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
    }


def test_status_implies_type_and_code():
    """A status alone gives the type and code that the API uses for it."""
    found = {status: (Problem(status, "x").type, Problem(status, "x").code) for status in (401, 404, 429, 500, 503)}

    assert found == {
        401: ("invalid_request_error", "invalid_api_key"),
        404: ("invalid_request_error", None),
        429: ("requests", "rate_limit_exceeded"),
        500: ("server_error", None),
        503: ("server_error", "service_unavailable"),
    }


def test_given_fields_win():
    """Type, param and code that are given are kept."""
    problem = Problem(429, "x", type="insufficient_quota", param="p", code="insufficient_quota")

    assert problem.body["error"] == {
        "message": "x",
        "type": "insufficient_quota",
        "param": "p",
        "code": "insufficient_quota",
    }


def test_retry_after_is_told_in_seconds_and_milliseconds():
    """A wait goes out as both headers, and none without one."""
    assert Problem(429, "x", retry_after=1.5).headers == {"retry-after": "1.5", "retry-after-ms": "1500"}
    assert Problem(429, "x").headers == {}
