"""A request, a response, and what carries the one to the other.

Plain data and two protocols; any transport that keeps them will do: aiohttp's (`transport.session`), an ASGI app in
this process (`transport.asgi`), a test's. Nothing here is tied to a network library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec

from openai_async.errors import APIConnectionError

from .timer import Timer

__all__ = ["ONE_HOP", "Request", "Response", "StaleConnectionError", "Transport", "plain_headers"]


class StaleConnectionError(APIConnectionError):
    """A connection that was kept alive turned out dead before it brought a single byte.

    Sent again at once, and once per call, without counting as a retry. The server may have read the request all the
    same: delivery is at least once, as with every retry.
    """


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request, sent again unchanged by a retry.

    Attributes:
        method: In capitals.
        url: Absolute, query included.
        headers: Names in lower case.
        body: The whole body; None: there is none.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None

    def __repr__(self) -> str:
        # Neither headers and query, which hold the key, nor the body: a traceback that shows local variables shows this.
        return f"<Request {self.method} {self.url.partition('?')[0]}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # rich, which prints tracebacks with local variables too, does not ask for the repr; msgspec's own has everything.
        return [("method", self.method), ("url", self.url.partition("?")[0])]


# What belongs to one connection and not to the message (RFC 9110, section 7.6.1), and what each end says for itself.
ONE_HOP: Final[frozenset[str]] = frozenset({
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
})  # fmt: skip

_lower = lru_cache(str.lower)  # the same few names again and again: one string each, not one per response


def plain_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers with their names in lower case and repeated ones joined by a comma (RFC 9110, section 5.3).

    What is no UTF-8 in a value, for which Python has halves of surrogate pairs, is U+FFFD: such text can't be printed.
    """
    plain: dict[str, str] = {}
    for name, sent in pairs:
        key = _lower(name)
        value = sent if sent.isascii() else sent.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        plain[key] = f"{plain[key]}, {value}" if key in plain else value
    return plain


class Response(Protocol):
    """A response whose head is here and whose body is on its way."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case, repeated ones joined by a comma."""
        ...

    async def read(self) -> bytes:
        """Return the body's next bytes as they arrived, decompressed; b"" at its end.

        Cancelling it loses nothing: the next call returns what came meanwhile.

        Raises:
            APIConnectionError: The body was cut off.
        """
        ...

    def release(self) -> None:
        """Say that the rest of the body, if any, is of no interest; the connection may be used again."""
        ...

    def close(self) -> None:
        """Abort: the server sees the connection go away at once. Harmless after the body's end, and twice."""
        ...


class Transport(Protocol):
    """Whatever takes a request somewhere and brings a response."""

    @property
    def closed(self) -> bool:
        """Whether it takes no further requests: then what failed is not tried again."""
        ...

    async def send(self, request: Request, timer: Timer) -> Response:
        """Send `request` and return the response when its head is here, whatever its status.

        Cancelling it aborts the request.

        Args:
            request: What to send.
            timer: Told of the phases: "pool", "connect", and "first_token" once the request is on its way.

        Raises:
            APIConnectionError: There was no response.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections. Cancelling it leaves some to the garbage collector."""
        ...
