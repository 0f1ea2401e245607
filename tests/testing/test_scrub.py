"""Secrets taken out."""

from __future__ import annotations

import pytest

from openai_async.testing.scrub import (
    recorded_request_headers,
    recorded_response_headers,
    scrubbed_address,
    scrubbed_body,
    veiled_headers,
)

_KEY = "sk-abcdefghijklmnop"


@pytest.mark.parametrize(
    "name", ["authorization", "api-key", "x-api-key", "cookie", "openai-organization", "openai-project", "x-user-id"]
)
def test_headers_that_tell_do_not_show(name):
    """The repr has a mask where a value is a secret or says whose account it is; the value is there all the same."""
    headers = veiled_headers({name: "value", "x-ratelimit-remaining-tokens": "7"})

    assert repr(headers) == repr({name: "***", "x-ratelimit-remaining-tokens": "7"})
    assert headers[name] == "value"


def test_few_headers_of_requests_are_kept():
    """A recording keeps what was asked for in which form, and nothing about who asked."""
    headers = {"accept": "a", "content-type": "c", "authorization": "x", "x-stainless-os": "Linux", "x-tenant": "t"}

    assert recorded_request_headers(headers) == {"accept": "a", "content-type": "c"}


def test_headers_of_responses_are_kept_but_for_those_that_tell():
    """Rate limits, ids and waits are kept; cookies, organizations and the connection's own are not, keys are masked."""
    kept = {"x-request-id": "req_1", "retry-after": "3", "x-ratelimit-remaining-tokens": "7"}
    left = {"set-cookie": "a=b", "openai-organization": "org", "transfer-encoding": "chunked", "content-length": "3"}

    assert recorded_response_headers({**kept, **left, "x-echo": f"got {_KEY}"}, [_KEY]) == {
        **kept,
        "x-echo": f"got {'*' * len(_KEY)}",
    }


@pytest.mark.parametrize(
    ("address", "scrubbed"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/x?api-version=1&api-key=abc&sig=d", "/v1/x?api-version=1&api-key=***&sig=***"),
        ("/v1/x?limit=2&after", "/v1/x?limit=2&after"),
    ],
)
def test_queries_lose_their_secrets(address, scrubbed):
    """Values of parameters whose names tell are masked, everything else stays as it was."""
    assert scrubbed_address(address) == scrubbed


@pytest.mark.parametrize(
    "said",
    [
        _KEY,
        f"Incorrect API key provided: {_KEY}. And {_KEY}",
        f"cut short: {_KEY[:14]}…",
        "Rate limit reached in organization org-AbCdEfGhIjKlMnOpQrStUvWx on tokens",
        "project proj_AbCdEfGhIjKlMnOpQrStUvWx",
        "another's sk-proj-AbCdEfGhIjKlMnOpQrStUvWx",
    ],
)
def test_bodies_lose_their_secrets_and_keep_their_length(said):
    """Keys, their beginnings, and ids of accounts become asterisks, as many as there were bytes."""
    scrubbed = scrubbed_body(said.encode(), [_KEY])

    assert len(scrubbed) == len(said.encode())
    assert not any(secret in scrubbed for secret in (b"sk-", b"AbCdEf", b"org-A", b"proj_"))


def test_prose_is_no_secret():
    """What merely looks like the beginning of an id is left alone."""
    said = b"Use sk-learn, org-mode and proj_x."

    assert scrubbed_body(said, [_KEY]) == said
