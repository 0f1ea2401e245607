"""`AsyncOpenAI`: settings, and the connections that calls share.

Settings come in as arguments or from the environment; calls go out through `client.chat.completions`. Making a client
connects to nothing, and it is not tied to an event loop: each loop gets connections of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from openai_async.errors import OpenAIError
from openai_async.transport.exchange import exchange
from openai_async.transport.message import Request, Response, Transport
from openai_async.transport.redaction import secrets_of
from openai_async.transport.timer import Timer
from openai_async.types.options import Omit, RequestOptions, Timeout, not_given
from openai_async.version import __version__

from .completions import AsyncChat
from .request import KEY_PENDING, ApiKey, Plan, build_url, check_base_url, header_value, merge_headers, resolve_key
from .stream import ChatStream

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai_async.transport.session import ClientSession

__all__ = ["AsyncOpenAI"]

T = TypeVar("T")

_BASE_URL = "https://api.openai.com/v1"
# A plain answer comes when all of it is written: only its total can be limited.
_PLAIN_TOTAL = 600.0
_USER_AGENT = f"openai-async-sdk/{__version__} Python/{sys.version_info[0]}.{sys.version_info[1]}"


class AsyncOpenAI:
    """A client of the Chat Completions API.

        async with AsyncOpenAI() as client:
            completion = await client.chat.completions.create(model=…, messages=…)

    One client serves any number of tasks, and any number of `asyncio.run` one after the other. Close it when done.

    Args:
        api_key: The key, or a function, sync or async, that returns it: called before each attempt. None: the
            environment's `OPENAI_API_KEY`. "": send none, for servers that want none.
        organization: Sent as `openai-organization`; None: `OPENAI_ORG_ID`, or not sent.
        project: Sent as `openai-project`; None: `OPENAI_PROJECT_ID`, or not sent.
        base_url: Where the API is, usually up to and with `/v1`; None: `OPENAI_BASE_URL`, or OpenAI's own.
        timeout: A `Timeout`; a number, the total in seconds; or None for no limit at all. Left out, it is
            `Timeout()`. Plain calls without a total of their own get 600 seconds.
        max_retries: Attempts after the first, 0 or more.
        default_headers: Sent with every request; `omit` as a value removes a header.
        default_query: Added to every request's query.
        proxy: Address of an HTTP proxy; None: the environment's (`HTTPS_PROXY`, `NO_PROXY` …).
        ssl_context: The user's own certificates; None: the system's.
        limit: Connections open at once, per event loop.
        session: An `aiohttp.ClientSession` to use instead of our own; the client does not close it.
        transport: Anything with the `Transport` protocol, instead of aiohttp.

    Raises:
        OpenAIError: There is no key, or a setting can't be used; the message says which and why.
        TypeError: A setting is of the wrong type.
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeout | Omit | None = not_given,
        max_retries: int = 2,
        default_headers: Mapping[str, str | Omit] | None = None,
        default_query: Mapping[str, object] | None = None,
        proxy: str | None = None,
        ssl_context: SSLContext | None = None,
        limit: int = 1000,
        session: ClientSession | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._key = _checked_key(api_key if api_key is not None else os.environ.get("OPENAI_API_KEY") or None)
        self._organization = organization or os.environ.get("OPENAI_ORG_ID") or None
        self._project = project or os.environ.get("OPENAI_PROJECT_ID") or None
        self._base_url = check_base_url(base_url or os.environ.get("OPENAI_BASE_URL") or _BASE_URL)
        self._timeout = Timeout() if isinstance(timeout, Omit) else Timeout.of(timeout)
        self._max_retries = _checked_retries(max_retries)
        self._default_headers = dict(default_headers or {})
        self._default_query = dict(default_query or {})
        self._headers = self._make_headers()
        self._transport = _Shared(transport or _default_transport(session, proxy, ssl_context, limit))
        self._deviations: set[str] = set()  # from the published schema, logged already

    # What the client was made with; `with_options` makes one with other settings.

    @property
    def organization(self) -> str | None:
        """Sent as `openai-organization`; None: not sent."""
        return self._organization

    @property
    def project(self) -> str | None:
        """Sent as `openai-project`; None: not sent."""
        return self._project

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at its end."""
        return self._base_url

    @property
    def timeout(self) -> Timeout:
        """The limits of a call, in seconds."""
        return self._timeout

    @property
    def max_retries(self) -> int:
        """Attempts after the first."""
        return self._max_retries

    @property
    def chat(self) -> AsyncChat:
        """The namespace of `chat.completions`."""
        # Made anew each time: stored, it would be a cycle, and a dropped client would keep its connections until the
        # garbage collector comes by.
        return AsyncChat(self)

    def _make_headers(self) -> tuple[dict[str, str], dict[str, str]]:
        """The headers of plain calls and of streams."""
        own: dict[str, str | None] = {
            "authorization": KEY_PENDING,
            "user-agent": _USER_AGENT,
            "content-type": "application/json",
            "openai-organization": self.organization,
            "openai-project": self.project,
        }
        sent = {name: value for name, value in own.items() if value is not None}
        plain, stream = ({**accept, **sent} for accept in (_PLAIN_HEADERS, _STREAM_HEADERS))
        return merge_headers(plain, self._default_headers), merge_headers(stream, self._default_headers)

    def with_options(
        self,
        *,
        api_key: ApiKey | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        timeout: float | Timeout | Omit | None = not_given,
        max_retries: int | None = None,
        default_headers: Mapping[str, str | Omit] | None = None,
        default_query: Mapping[str, object] | None = None,
    ) -> Self:
        """Return a client with other settings and the same connections; arguments left out stay as they are.

        Headers and query are added to this client's. Closing either of the two closes the connections of both.

        Raises:
            OpenAIError, TypeError, ValueError: As when a client is made.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._key = self._key if api_key is None else _checked_key(api_key)
        twin._organization = organization or self.organization
        twin._project = project or self.project
        twin._base_url = check_base_url(base_url) if base_url is not None else self.base_url
        twin._timeout = self.timeout if isinstance(timeout, Omit) else Timeout.of(timeout)
        twin._max_retries = self.max_retries if max_retries is None else _checked_retries(max_retries)
        twin._default_headers = {**self._default_headers, **(default_headers or {})}
        twin._default_query = {**self._default_query, **(default_query or {})}
        twin._headers = twin._make_headers()
        return twin

    copy = with_options

    # Sending.

    def _plan(self, method: str, path: str, body: bytes | None, options: RequestOptions, *, stream: bool) -> Plan:
        """Work out everything about a call that its attempts share."""
        retries = options.get("max_retries")
        idempotency_key = options.get("idempotency_key")
        headers = merge_headers(
            self._headers[stream],
            {"idempotency-key": idempotency_key} if idempotency_key is not None else None,
            options.get("extra_headers"),
        )
        query = {**self._default_query, **(options.get("extra_query") or {})}
        return Plan(
            method=method,
            url=build_url(self.base_url, path, query),
            headers=headers,
            body=body,
            timeout=self._limits(options, stream=stream),
            max_retries=self.max_retries if retries is None else _checked_retries(retries),
        )

    def _limits(self, options: RequestOptions, *, stream: bool) -> Timeout:
        given = options.get("timeout", not_given)
        timeout = self.timeout if isinstance(given, Omit) else Timeout.of(given)
        if stream:
            return timeout
        total = timeout.total
        if total is None and timeout != Timeout.of(None):
            total = _PLAIN_TOTAL
        return Timeout(connect=timeout.connect, first_token=None, idle=None, total=total, pool=timeout.pool)

    async def _send(self, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]]) -> T:
        """Send what was planned; see `transport.exchange`."""
        secrets: tuple[str, ...] = ()

        async def prepare(_retries: int) -> Request:
            nonlocal secrets
            key = self._key if isinstance(self._key, str) else await resolve_key(self._key)
            request = plan.request(header_value("authorization", f"Bearer {key}") if key else None)
            secrets = secrets_of(request)
            return request

        answer = await exchange(
            self._transport.get(), prepare, accept, timeout=plan.timeout, max_retries=plan.max_retries
        )
        _hide(secrets, answer)
        return answer

    # Closing.

    async def close(self) -> None:
        """Close the connections of this event loop; streams still open on them end with an error.

        Cancelling it leaves some of them to the garbage collector. A client can't be used after it.
        """
        await self._transport.aclose()

    aclose = close

    def is_closed(self) -> bool:
        """Whether `close` was called, on this client or on one that shares its connections."""
        return self._transport.closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"a client's settings don't change; make another with client.with_options({name}=...)")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} base_url={self.base_url!r}>"


_STREAM_HEADERS = {"accept": "text/event-stream, application/json", "accept-encoding": "identity"}
_PLAIN_HEADERS = {"accept": "application/json", "accept-encoding": "gzip, deflate"}


class _Shared:
    """The transport of a client and of its `with_options` twins."""

    def __init__(self, transport: Transport) -> None:
        self.closed = False
        self._transport = transport

    def get(self) -> Transport:
        if self.closed:
            raise OpenAIError("The client is closed; make a new one, or close it later.")
        return self._transport

    async def aclose(self) -> None:
        self.closed = True
        await self._transport.aclose()


def _default_transport(
    session: ClientSession | None, proxy: str | None, ssl_context: SSLContext | None, limit: int
) -> Transport:
    # Imported here: `import openai_async` shall not cost the 100 ms that aiohttp takes.
    from openai_async.transport.session import AiohttpTransport  # noqa: PLC0415 - see above

    return AiohttpTransport(session=session, proxy=proxy, ssl=ssl_context, limit=limit)


def _hide(secrets: tuple[str, ...], answer: object) -> None:
    """Tell a stream which keys its errors must not show: it fails where nobody knows the request any more."""
    if isinstance(answer, ChatStream):
        answer._secrets = secrets


def _checked_key(key: ApiKey | None) -> ApiKey:
    if key is None:
        raise OpenAIError(
            "There is no API key. Pass api_key=..., or set the environment variable OPENAI_API_KEY; "
            'for a server that wants none, pass api_key="".'
        )
    if isinstance(key, str):
        try:
            header_value("authorization", key)
        except OpenAIError:
            raise OpenAIError("api_key holds a line break or another character that no key has; strip it") from None
    elif not callable(key):
        raise TypeError(f"api_key must be a string or a function that returns one, not {type(key).__name__}")
    return key


def _checked_retries(retries: Any) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise TypeError(f"max_retries must be a whole number, not {retries!r}; 0 turns retries off")
    if retries < 0:
        raise ValueError(f"max_retries must be 0 or more, not {retries}")
    return retries
