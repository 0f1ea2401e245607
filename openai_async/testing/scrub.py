"""Secrets taken out of what is shown and of what is written to a file.

Headers, addresses and bodies come in; the same come out with masks where a secret stood. A mask in a body has the length
of what it hides, so that cuts between reads stay where they were.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from openai_async.transport.redaction import Secret, _holds_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "is_secret",
    "recorded_request_headers",
    "recorded_response_headers",
    "scrubbed_address",
    "scrubbed_body",
    "veiled_headers",
]

_MASK = "***"

# As much of a key's beginning is taken for the key: servers repeat keys cut short.
_HEAD_LENGTH = 12

# Whose account it is: names of headers that tell.
_WHOSE = re.compile(r"organi[sz]ation|project|account|tenant|customer|subscription|(^|-)user(-id)?$")
# Ids of the API's that errors quote: "Rate limit reached for … in organization org-…".
_IDS = re.compile(rb"(?:sk-|org-|proj_)[A-Za-z0-9_-]{20,}")

# What a recording keeps of a request's headers: the others say who asked, with what, and on which machine.
_KEPT = ("accept", "content-type", "openai-beta", "user-agent")
# What belongs to one connection, not to the message (RFC 9110, section 7.6.1), and what the coding was, which is undone.
_HOP = frozenset({
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
})  # fmt: skip


def veiled_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers, names in lower case, of which those that hold secrets do not show their values when printed.

    The values and not the dict veil themselves: pytest prints the items of two dicts that differ, one by one.
    """
    return {name: Secret(value) if is_secret(name) else value for name, value in headers.items()}


def is_secret(name: str) -> bool:
    """Say whether the values of a header, or of a query parameter, are nobody's business; the name is in lower case."""
    if name.startswith("x-ratelimit-"):  # "…-tokens" are no tokens to log in with
        return False
    return _holds_keys(name) or _WHOSE.search(name) is not None


def scrubbed_address(address: str) -> str:
    """Return a path or an address with masks for the values of secret query parameters."""
    place, mark, query = address.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = [
        f"{name}={_MASK}" if is_secret(unquote_plus(name).lower()) else name + eq + value for name, eq, value in pairs
    ]
    return f"{place}{mark}{'&'.join(shown)}"


def recorded_request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the few headers of a request that a recording keeps."""
    return {name: headers[name] for name in _KEPT if name in headers}


def recorded_response_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """Return the headers of a response that a recording keeps: none of the connection's own, none that tells whose it is."""
    kept = {name: value for name, value in headers.items() if name not in _HOP and not is_secret(name)}
    keys = list(secrets)
    return {name: scrubbed_body(value.encode(), keys).decode() for name, value in kept.items()}


def scrubbed_body(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return a body with asterisks for each secret in it, or the beginning of one, and for ids of accounts."""
    for secret in secrets:
        body = _without(body, secret.encode())
    return _IDS.sub(lambda found: b"*" * len(found[0]), body)


def _without(body: bytes, secret: bytes) -> bytes:
    head = secret[:_HEAD_LENGTH]
    at = body.find(head)
    while at >= 0:
        length = len(head)
        while length < len(secret) and body[at + length : at + length + 1] == secret[length : length + 1]:
            length += 1
        body = body[:at] + b"*" * length + body[at + length :]
        at = body.find(head, at + length)
    return body
