"""Where a request goes: the address of the API, of a path under it, and the query behind.

Addresses and values come in, checked addresses go out: none that leads elsewhere, and none that can't be requested.
Nothing here connects to anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote, unquote, urlencode, urlsplit

from openai_async.errors import OpenAIError
from openai_async.protocol import codec
from openai_async.types.json import is_array, is_object

from .arguments import check_text

__all__ = ["build_url", "check_base_url", "join_url"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
# Those that a host, a path and a query may not hold (RFC 3986); a percent sign stands for one that is encoded.
_NOT_IN_URLS = frozenset(' #\\"<>^`{|}')


def check_base_url(url: object, name: str = "base_url") -> str:
    """Return `url` without a slash at its end.

    Args:
        url: An address.
        name: What errors call it. They show neither a user's name and password, nor the query.

    Raises:
        OpenAIError: It is no absolute http or https address.
        TypeError: It is no string.
    """
    check_text(url, name)
    url = str.strip(cast("str", url))
    shown = _shown(url)
    if not url.isascii() or not url.isprintable() or _NOT_IN_URLS & set(url):
        raise OpenAIError(
            f"{name} holds a character that an address can't: {shown}. A host name outside ASCII is written as "
            "punycode (xn--...), anything else percent-encoded."
        )
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""  # the port raises when it is no number
        host.encode("idna")  # raises for an empty label, or one of more than 63 characters
    except ValueError:
        raise OpenAIError(f"{name} is no URL: {shown}; its host or port can't be one") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise OpenAIError(
            f"{name} must be an http:// or https:// address such as https://api.openai.com/v1, not {shown}"
        )
    if "@" in parts.netloc:
        raise OpenAIError(f"{name} holds a user name or password; give the key as api_key= instead")
    if port == 0 or parts.netloc.endswith(":") or not _is_host(host, bracketed="[" in parts.netloc):
        raise OpenAIError(f"{name} is no URL: {shown}; its host or port can't be one")
    return url.rstrip("/")


def _is_host(host: str, *, bracketed: bool) -> bool:
    """Whether a request can go to a host: a name, an IPv4 address of four numbers, or in brackets an IPv6 one."""
    if bracketed:
        return ":" in host  # urlsplit looked at the rest
    if host.replace(".", "").isdecimal():
        numbers = host.split(".")
        return len(numbers) == 4 and all(
            0 < len(number) <= 3 and int(number) < 256 and number == str(int(number)) for number in numbers
        )
    return len(host) <= 253 and bool(_HOST.fullmatch(host))


def _shown(url: str) -> str:
    """What errors show of an address. One that looks like none may be a key that was given in its place."""
    if not any(char in url for char in ".:/"):
        return "a text without a dot, a colon or a slash"
    user, at, place = url.partition("?")[0].rpartition("@")
    if at:
        scheme = _SCHEME.match(user)
        place = f"{scheme[0] if scheme else ''}***@{place}"
    return repr(place if len(place) <= 100 else f"{place[:100]}...")


def join_url(base: str, path: str) -> str:
    """Return the address of `path` under `base`, whose query, if it has one, is at the end.

    Args:
        base: As `check_base_url` returns it.
        path: With or without a slash in front, and perhaps with a query of its own; or an address of the same origin.

    Raises:
        OpenAIError: It holds a character that an address can't, climbs with `..`, or is an address of another origin:
            credentials are sent to none but the client's own.
        TypeError: It is no string.
    """
    check_text(path, "path")
    return _joined(base, str.__str__(path))


@lru_cache
def _joined(base: str, path: str) -> str:
    place, _, own = path.partition("?")
    if wrong := re.search(r"[^!-~]|[#\\]", path):
        raise OpenAIError(f"the path holds a character that an address can't, no. {wrong.start()}; percent-encode it")
    if any(unquote(segment) in {".", ".."} for segment in place.split("/")):
        raise OpenAIError("the path must not climb with '.' or '..'")
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
    """Return an address with `query` added (lists as `k[]=`, mappings as `k[name]=`) after what it has already.

    Raises:
        TypeError, ValueError: A value can't be sent: what a JSON body takes, a query takes.
    """
    if not query:
        return url
    pairs = [pair for name, value in codec.plain(query).items() for pair in _pairs(name, value)]
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs, quote_via=quote, safe='[]')}"


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if is_object(value):
        return [pair for key, item in value.items() for pair in _pairs(f"{name}[{key}]", item)]
    if is_array(value):
        return [pair for item in value for pair in _pairs(f"{name}[]", item)]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]
