"""Headers that pass the gateway: which go on to the upstream, which come back, and whose stream they make it.

Headers come in as they were received; those that concern the other side go out. Keys go to the upstream and to nobody
else: what is kept of them is a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from openai_async.api.request import KEY_HEADERS
from openai_async.transport.message import ONE_HOP, plain_headers

__all__ = ["ANONYMOUS", "from_upstream", "owner_of", "to_upstream"]

ANONYMOUS = "anonymous"
"""The owner of all streams that were begun without a key."""

# What callers and the proxies before us say to this gateway, or to the site whose page asks.
_OURS = frozenset({
    "accept-encoding",
    "cookie",
    "forwarded",
    "last-event-id",
    "origin",
    "referer",
    "via",
    "x-real-ip",
})  # fmt: skip
_OUR_PREFIXES = ("sec-", "x-forwarded-")
# What the upstream says of its own origin, of bytes that are not passed on as they were packed, or of streams that are
# kept there, if it is a gateway, too.
_THEIRS = frozenset({"alt-svc", "content-encoding", "set-cookie", "strict-transport-security", "vary", "x-stream-id"})
_THEIR_PREFIXES = ("access-control-",)


def to_upstream(raw: Iterable[tuple[bytes, bytes]], *, stream: bool) -> dict[str, str]:
    """Return what goes on to the upstream: the caller's own words, keys among them, and none of the gateway's.

    Args:
        raw: As they were received.
        stream: Whether the answer is to be an event stream, which nothing may hold back to pack it.
    """
    sent = plain_headers((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in raw)
    headers = _without(sent, _OURS, _OUR_PREFIXES)
    headers["accept-encoding"] = "identity" if stream else "gzip, deflate"
    return headers


def from_upstream(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what goes back to the caller of an answer's headers: request ids, rate limits, times to wait, and others.

    Args:
        headers: Names in lower case.
    """
    answered = _without(headers, _THEIRS, _THEIR_PREFIXES)
    # ASGI servers' headers are Latin-1, as which the bytes of any other text pass.
    return {name: value.encode().decode("latin-1") for name, value in answered.items()}


def _without(headers: Mapping[str, str], names: frozenset[str], prefixes: tuple[str, ...]) -> dict[str, str]:
    # `Connection` names further headers that end here.
    named = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    return {
        name: value
        for name, value in headers.items()
        if name not in ONE_HOP and name not in names and name not in named and not name.startswith(prefixes)
    }


def owner_of(headers: Mapping[str, str]) -> str:
    """Return whose a caller's streams are: a hash of the keys that it sends, or `ANONYMOUS`.

    Args:
        headers: Of a request; looked up by names in lower case.
    """
    keys = [f"{name}: {headers[name]}" for name in KEY_HEADERS if headers.get(name)]
    if not keys:
        return ANONYMOUS
    return hashlib.sha256("\n".join(("openai-async relay", *keys)).encode("utf-8", "surrogateescape")).hexdigest()
