"""From a method's arguments to the request that goes out.

A client's settings and one call's options come in; an URL, headers and bytes go out. Keys are asked for at each
attempt, everything else is worked out once. Nothing here sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import msgspec

from openai_async.errors import OpenAIError
from openai_async.protocol import codec
from openai_async.transport.message import Request, Response
from openai_async.transport.redaction import Secret
from openai_async.transport.timer import Timer
from openai_async.types.options import Omit, RequestOptions, Timeout

from .arguments import mapping_of
from .deviations import Deviations

if TYPE_CHECKING:
    from openai_async.hooks.hook import Hooks

__all__ = [
    "KEY_HEADERS",
    "KEY_PENDING",
    "ApiKey",
    "Plan",
    "Sender",
    "encode_body",
    "header_value",
    "merge_headers",
    "resolve_key",
]

T = TypeVar("T")

ApiKey: TypeAlias = str | Callable[[], str | Awaitable[str]]

# The place of the key among the headers: where it still is when the request goes out, the key goes.
KEY_PENDING = ""
KEY_HEADERS = ("authorization", "api-key")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token
# Where a request's body ends. A second opinion lets what follows be read as another request.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


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

    def __repr__(self) -> str:
        return f"<Plan {self.method} {self.url.partition('?')[0]}>"  # no more than of a request

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", self.url.partition("?")[0])]

    @property
    def pending(self) -> tuple[str, ...]:
        """Names of the headers that wait for a key."""
        headers = self.headers
        return tuple([name for name in KEY_HEADERS if headers.get(name) == KEY_PENDING])

    def request(self, credentials: Mapping[str, str]) -> Request:
        """Return the request with its key.

        Args:
            credentials: Name of a header that may be pending to what goes there; those pending still are left out.
        """
        headers = dict(self.headers)
        for name in KEY_HEADERS:
            if headers.get(name) == KEY_PENDING:
                del headers[name]
                if name in credentials:
                    headers[name] = credentials[name]
        return Request(method=self.method, url=self.url, headers=headers, body=self.body)


class Sender(Protocol):
    """What the methods need of their client."""

    _deviations: Deviations
    _hooks: Hooks | None

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

    def _send(self, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]]) -> Coroutine[Any, Any, T]: ...


def encode_body(params: Mapping[str, Any], extra: object) -> bytes:
    """Return a JSON body of `params` with `extra` over it; values of `omit` are left out.

    Raises:
        TypeError: `extra` is no mapping, or a value can't be sent.
        ValueError: A number or a string can't be sent.
    """
    more = mapping_of(extra, "extra_body")
    if not more:
        return codec.dumps(params)
    own = {name: value for name, value in params.items() if name not in more}
    return codec.dumps({**own, **codec.plain(more, "extra_body")})


def header_value(name: object, value: object, argument: str = "") -> str:
    """Return `value` as what a header may hold.

    Args:
        name: Of the header, which is checked as well.
        value: Is never shown.
        argument: Where they were given, for errors; "": the header's name tells.

    Raises:
        TypeError: It is no string.
        OpenAIError: It holds a line break or another character that a header can't; or the name can't be one.
    """
    place = f"{argument}: " if argument else ""
    if not isinstance(name, str):
        raise TypeError(f"{place}the name of a header must be a string, not {type(name).__name__}")
    if not _NAME.fullmatch(name):
        # Not shown: where a whole line was given as the name, its value may be the key.
        raise OpenAIError(
            f"{place}a text can't be the name of a header if it is empty, or holds spaces, colons, line breaks or "
            "letters outside ASCII"
        )
    if name.lower() in _FRAMING:
        raise OpenAIError(f"{place}the header {name!r} follows from the body, and the client sends it; leave it out")
    if not isinstance(value, str):
        raise TypeError(f"{place}the header {name!r:.60} must be a string, not {type(value).__name__}")
    if not (value.isprintable() and value.isascii()) and not _sendable(value):
        raise OpenAIError(
            f"{place}the value of the header {name!r:.60} holds a line break or another character that a header can't"
        )
    return str.__str__(value)  # of an enum's member aiohttp would send the name


def _sendable(value: str) -> bool:
    """Whether a value holds only tabs and what Latin-1 can print, as RFC 9110 (section 5.5) tolerates."""
    return all(char == "\t" or " " <= char <= "~" or "\xa0" <= char <= "\xff" for char in value)


def merge_headers(base: Mapping[str, str], *layers: Mapping[str, Any]) -> dict[str, str]:
    """Return headers with changes.

    Args:
        base: Headers that are in order: names in lower case, values that can be sent.
        layers: Changes, later ones first in rank; a value of `omit` removes the header.
    """
    merged = dict(base)
    for layer in layers:
        for name, value in layer.items():
            key = name.lower()
            if isinstance(value, Omit):
                merged.pop(key, None)
            else:
                merged[key] = header_value(key, value)
    return merged


async def resolve_key(key: ApiKey, name: str = "api_key") -> Secret:
    """Return the key itself, calling and awaiting what gives it. Cancelling it cancels that call.

    Args:
        key: A key, or what gives it.
        name: What errors call it.

    Raises:
        OpenAIError: The callable failed, or gave no string, or one that no header can hold.
    """
    given = await _given(key, name) if callable(key) else key
    # From here on no local variable shows it. `str.__str__`, as an enum's member prints its name.
    kind, given = type(given).__name__, Secret(str.__str__(given)) if isinstance(given, str) else None
    if not given:
        raise OpenAIError(f"{name}() must return a key, a string that is not empty; it returned a {kind}")
    return given


async def _given(key: Callable[[], str | Awaitable[str]], name: str) -> object:
    try:
        answer = key()
        return await answer if isinstance(answer, Awaitable) else answer
    except OpenAIError:
        raise
    except Exception as error:
        raise OpenAIError(f"{name}() failed: {type(error).__name__}") from error
