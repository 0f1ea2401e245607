"""From a method's arguments to the request that goes out.

A client's settings and one call's options come in; an URL, headers and bytes go out. Keys are asked for at each
attempt, everything else is worked out once. Nothing here sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from openai_async.errors import OpenAIError
from openai_async.protocol import codec
from openai_async.transport.message import Request, Response
from openai_async.transport.timer import Timer
from openai_async.types.options import Omit, RequestOptions, Timeout

__all__ = [
    "KEY_HEADERS",
    "KEY_PENDING",
    "ApiKey",
    "Plan",
    "Sender",
    "build_url",
    "check_base_url",
    "encode_body",
    "header_value",
    "join_url",
    "merge_headers",
    "resolve_key",
]

T = TypeVar("T")

ApiKey: TypeAlias = str | Callable[[], str | Awaitable[str]]

# The place of the key among the headers: where it still is when the request goes out, the key goes.
KEY_PENDING = ""
KEY_HEADERS = ("authorization", "api-key")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One call, ready to be sent: everything but the key, which is asked for at each attempt.

    Attributes:
        headers: Names in lower case; that of the key is `KEY_PENDING` unless the caller gave or omitted it.
        timeout: In seconds, spanning all attempts.
        max_retries: Attempts after the first.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout: Timeout
    max_retries: int

    @property
    def pending(self) -> tuple[str, ...]:
        """Names of the headers that wait for a key."""
        return tuple(name for name in KEY_HEADERS if self.headers.get(name) == KEY_PENDING)

    def request(self, credentials: Mapping[str, str]) -> Request:
        """Return the request with its key.

        Args:
            credentials: Name of a header that may be pending to what goes there; those pending still are left out.
        """
        headers = self.headers
        if pending := self.pending:
            headers = dict(headers)
            for name in pending:
                del headers[name]
                if name in credentials:
                    headers[name] = credentials[name]
        return Request(method=self.method, url=self.url, headers=headers, body=self.body)


class Sender(Protocol):
    """What the methods need of their client."""

    _deviations: set[str]

    def _plan(
        self,
        method: str,
        path: str,
        body: bytes | None,
        options: RequestOptions,
        *,
        stream: bool,
        model: str | None = None,
    ) -> Plan: ...

    async def _send(self, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]]) -> T: ...


def encode_body(params: Mapping[str, Any], extra: object) -> bytes:
    """Return a JSON body of `params` with `extra` over it; values of `omit` are left out.

    Raises:
        TypeError: `extra` is no mapping, or a value can't be sent.
        ValueError: A number or a string can't be sent.
    """
    if extra is None or isinstance(extra, Omit):
        return codec.dumps(params)
    if not isinstance(extra, Mapping):
        raise TypeError(f"extra_body must be a mapping, not {type(extra).__name__}")
    return codec.dumps({**params, **cast("Mapping[str, Any]", extra)})


def check_base_url(url: object) -> str:
    """Return `url` without a slash at its end.

    Raises:
        OpenAIError: It is no absolute http or https address.
        TypeError: It is no string.
    """
    if not isinstance(url, str):
        raise TypeError(f"base_url must be a string, not {type(url).__name__}")
    url = url.strip()
    if not url.isascii() or not url.isprintable() or " " in url or "#" in url:
        raise OpenAIError(
            f"base_url holds a character that an address can't: {url!r}. A host name outside ASCII is written as "
            "punycode (xn--...), anything else percent-encoded."
        )
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
        (parts.hostname or "").encode("idna")  # raises for an empty label, or one of more than 63 characters
    except ValueError as error:
        raise OpenAIError(f"base_url is no URL: {url!r} ({error})") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise OpenAIError(
            f"base_url must be an http:// or https:// address such as https://api.openai.com/v1, not {url!r}"
        )
    if parts.username or parts.password:
        raise OpenAIError("base_url holds a user name or password; give the key as api_key= instead")
    return url.rstrip("/")


def join_url(base: str, path: str) -> str:
    """Return the address of `path` under `base`, whose query, if it has one, is at the end.

    Args:
        base: As `check_base_url` returns it.
        path: With or without a slash in front, and perhaps with a query of its own; or an address of the same origin.

    Raises:
        OpenAIError: It holds a character that an address can't, climbs with `..`, or is an address of another origin:
            credentials are sent to none but the client's own.
    """
    if not path.isascii() or not path.isprintable() or " " in path or "#" in path or "\\" in path:
        raise OpenAIError(f"the path holds a character that an address can't; percent-encode it: {path!r}")
    place, _, own = path.partition("?")
    if any(unquote(segment) in {".", ".."} for segment in place.split("/")):
        raise OpenAIError(f"the path must not climb with '.' or '..': {path!r}")
    root, _, fixed = base.partition("?")
    if _SCHEME.match(place):
        if _origin(place) != _origin(base):
            raise OpenAIError(
                "the address is of another origin than base_url, and the key is sent to no other; "
                "use client.with_options(base_url=..., api_key=...) for it"
            )
        address = place
    else:
        address = f"{root}/{place.lstrip('/')}"
    query = "&".join(part for part in (fixed, own) if part)
    return f"{address}?{query}" if query else address


def _origin(url: str) -> tuple[str, str, int | None]:
    """What decides who reads a request: scheme, host and port (RFC 6454, section 4); a URL that is none has none."""
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            return "", "", None
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", "", None


def build_url(url: str, query: Mapping[str, Any]) -> str:
    """Return an address with `query` added (lists as `k[]=`, mappings as `k[name]=`) after what it has already."""
    pairs = [pair for name, value in query.items() for pair in _pairs(name, value)]
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs, quote_via=quote, safe='[]')}"


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None or isinstance(value, Omit):
        return []
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return [pair for key, item in items for pair in _pairs(f"{name}[{key}]", item)]
    if isinstance(value, list | tuple):
        return [pair for item in cast("list[Any]", value) for pair in _pairs(f"{name}[]", item)]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]


def header_value(name: str, value: object) -> str:
    """Return `value` as what a header may hold.

    Raises:
        TypeError: It is no string.
        OpenAIError: It holds a line break or another character that a header can't; the message does not show it.
    """
    if not isinstance(value, str):
        raise TypeError(f"the header {name!r} must be a string, not {type(value).__name__}")
    if not _NAME.fullmatch(name):
        raise OpenAIError(f"{name!r} can't be the name of a header")
    if not (value.isprintable() and value.isascii()) and not _sendable(value):
        raise OpenAIError(
            f"the value of the header {name!r} holds a line break or another character that a header can't"
        )
    return value


def _sendable(value: str) -> bool:
    """Whether a value holds only tabs and what Latin-1 can print, as RFC 9110 (section 5.5) tolerates."""
    return all(char == "\t" or (" " <= char <= "\xff" and char != "\x7f") for char in value)


def merge_headers(*layers: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the layers as one, later ones first in rank, names in lower case; a value of `omit` removes the header."""
    merged: dict[str, str] = {}
    for layer in layers:
        for name, value in (layer or {}).items():
            key = name.lower()
            if isinstance(value, Omit):
                merged.pop(key, None)
            else:
                merged[key] = header_value(key, value)
    return merged


async def resolve_key(key: ApiKey, name: str = "api_key") -> str:
    """Return the key itself, calling and awaiting what gives it. Cancelling it cancels that call.

    Args:
        key: A key, or what gives it.
        name: What errors call it.

    Raises:
        OpenAIError: The callable failed, or gave no string, or one that no header can hold.
    """
    value: object = key
    if callable(key):
        try:
            answer = key()
            value = await answer if isinstance(answer, Awaitable) else answer
        except OpenAIError:
            raise
        except Exception as error:
            raise OpenAIError(f"{name}() failed: {type(error).__name__}") from error
    if not isinstance(value, str) or not value:
        raise OpenAIError(
            f"{name}() must return a key, a string that is not empty; it returned a {type(value).__name__}"
        )
    return value
