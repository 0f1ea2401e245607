"""`AsyncOpenAI`: settings, and the connections that calls share.

Settings come in as arguments or from the environment; calls go out through `client.chat.completions`, and through
`get`, `post` and the like for routes that have no method. Making a client connects to nothing, and it is not tied to an
event loop: each loop gets connections of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from openai_async.errors import OpenAIError
from openai_async.transport.exchange import Pace, exchange
from openai_async.transport.limits import Limiter
from openai_async.transport.message import Request, Response, Transport
from openai_async.transport.redaction import Secret, Secrets
from openai_async.transport.timer import Timer
from openai_async.types.options import Omit, Timeout, not_given

from .budget import cost_of, used_by
from .completions import AsyncChat
from .configured import Configured
from .deviations import Deviations
from .raw import ResponseHead
from .reader import ChunkReader
from .request import ApiKey, Plan, header_value, resolve_key
from .settings import (
    DataResidency,
    checked_hooks,
    checked_limiter,
    choose_base_url,
    kind_of,
    refuse,
    set_up_logging,
)
from .verbs import Verbs
from .wrappers import ClientWithRawResponse, ClientWithStreamingResponse

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai_async.hooks.hook import Hook
    from openai_async.transport.session import ClientSession

    from .watch import Watch

__all__ = ["AsyncOpenAI"]

T = TypeVar("T")


class AsyncOpenAI(Configured, Verbs):
    """A client of the Chat Completions API.

        async with AsyncOpenAI() as client:
            completion = await client.chat.completions.create(model=…, messages=…)

    One client serves any number of tasks and threads, any number of `asyncio.run` one after the other, and a process that
    was forked: each event loop and each process has connections of its own. It can't be pickled. Close it when done.
    The environment's `OPENAI_CUSTOM_HEADERS` and `OPENAI_LOG` are heeded, too.

    Args:
        api_key: The key, or a function, sync or async, that returns it: called before each attempt. None: the
            environment's `OPENAI_API_KEY`. "": send none, for servers that want none.
        admin_api_key: Kept as an attribute, for whoever asks: Chat Completions has no use for it. None:
            `OPENAI_ADMIN_KEY`.
        organization: Sent as `openai-organization`; None: `OPENAI_ORG_ID`, or not sent.
        project: Sent as `openai-project`; None: `OPENAI_PROJECT_ID`, or not sent.
        base_url: Where the API is, usually up to and with `/v1`; None: `OPENAI_BASE_URL`, or OpenAI's own.
        data_residency: In the place of `base_url`, OpenAI's address in a region: "global", "us", "eu" ….
        timeout: A `Timeout`; a number, the total in seconds; or None for no limit at all. Left out, it is
            `Timeout()`. Plain calls without a total of their own get 600 seconds.
        max_retries: Attempts after the first, 0 or more.
        default_headers: Sent with every request; `omit` as a value removes a header.
        default_query: Added to every request's query.
        proxy: Address of an HTTP proxy; None: the environment's (`HTTPS_PROXY`, `NO_PROXY` …).
        ssl_context: The user's own certificates; None: the system's. For mutual TLS, load the client's certificate
            into it: `context.load_cert_chain("client.pem")`.
        uds: Path of a Unix socket to send everything to, in plain HTTP, whatever host `base_url` names.
        limit: Connections open at once, per event loop.
        session: An `aiohttp.ClientSession` to use instead of our own; the client does not close it.
        transport: Anything with the `Transport` protocol, instead of aiohttp.
        limiter: What lets each attempt through, to stay within rate limits; None: nothing does.
        hooks: Functions that are told what happens to each request; see `openai_async.hooks`. None: there are none.
        unsupported: Arguments of the official client that have no place here: what is there instead is in the error.

    Raises:
        OpenAIError: There is no key, or a setting can't be used; the message says which and why.
        TypeError: A setting is of the wrong type, or there is none of that name.
        ValueError: A number is out of range, or two settings exclude each other.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey | None = None,
        admin_api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        data_residency: DataResidency | None = None,
        timeout: float | Timeout | Omit | None = not_given,
        max_retries: int = 2,
        default_headers: Mapping[str, str | Omit] | None = None,
        default_query: Mapping[str, object] | None = None,
        proxy: str | None = None,
        ssl_context: SSLContext | None = None,
        uds: str | PathLike[str] | None = None,
        limit: int = 1000,
        session: ClientSession | None = None,
        transport: Transport | None = None,
        limiter: Limiter | None = None,
        hooks: Iterable[Hook] | None = None,
        _enforce_credentials: bool = True,
        **unsupported: None,
    ) -> None:
        refuse(type(self).__name__, unsupported, known=_ARGUMENTS)
        set_up_logging()
        super().__init__(
            api_key=api_key,
            admin_api_key=admin_api_key,
            organization=organization,
            project=project,
            base_url=choose_base_url(base_url, data_residency, unix=uds is not None),
            timeout=timeout,
            max_retries=max_retries,
            default_headers=default_headers,
            default_query=default_query,
            enforce_credentials=_enforce_credentials,
        )
        self._limiter = checked_limiter(limiter)
        self._hooks = checked_hooks(hooks)
        own = {"session": session, "proxy": proxy, "ssl": ssl_context, "uds": uds}
        self._transport = _Shared(_open_transport(transport, own, limit))
        self._deviations = Deviations()

    @property
    def chat(self) -> AsyncChat:
        """The namespace of `chat.completions`."""
        # Made anew each time: stored, it would be a cycle, and a dropped client would keep its connections until the
        # garbage collector comes by.
        return AsyncChat(self)

    @property
    def with_raw_response(self) -> ClientWithRawResponse:
        """The same namespaces, giving responses with their heads."""
        return ClientWithRawResponse(self)

    @property
    def with_streaming_response(self) -> ClientWithStreamingResponse:
        """The same namespaces, giving responses whose bodies are read when asked for."""
        return ClientWithStreamingResponse(self)

    @property
    def beta(self) -> AsyncBeta:
        """The namespace of `beta.chat.completions`, an older name of the same methods."""
        return AsyncBeta(self)

    # Sending.

    def _send(self, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]]) -> Coroutine[Any, Any, T]:
        """Send what was planned, and tell the hooks, if there are any; see `transport.exchange`."""
        if self._hooks is None:
            return self._exchange(plan, accept)
        from .watched import follow  # noqa: PLC0415 - loaded where there are hooks

        return follow(self._hooks, plan, accept, self._exchange)

    async def _exchange(
        self, plan: Plan, accept: Callable[[Response, Timer], Awaitable[T]], watch: Watch | None = None
    ) -> T:
        """Send what was planned; `watch`, if there is one, is told of what fails."""
        pending = plan.pending
        if self._key is None and set(pending) >= set(self._key_headers):
            raise OpenAIError(self._no_key)
        renews = callable(self._key) and bool(pending)
        secrets: Iterable[str] = ()

        async def renewed(_attempts: int) -> Request:
            nonlocal secrets
            request = plan.request(self._credentials(await self._renewed_key()))
            secrets = Secrets(request)
            if watch is not None:
                watch.secrets = secrets
            return request

        request: Request | None = None
        if not renews:  # the same for all attempts
            request = plan.request(self._known_credentials() if pending else {})
            secrets = Secrets(request)
        if watch is not None:
            watch.secrets = secrets
        answer = await exchange(
            self._transport.get(),
            request or renewed,
            accept,
            timeout=plan.timeout,
            max_retries=plan.max_retries,
            renews=renews,
            pace=None if self._limiter is None else Pace(self._limiter, cost_of(plan.body), used_by),
            failed=None if watch is None else watch.failed,
        )
        opened: object = answer
        if isinstance(opened, _FAIL_LATER):
            opened.secrets = secrets
        return answer

    def _known_credentials(self) -> dict[str, str]:
        """Those of a key that doesn't change, made once."""
        if self._asks is None:
            self._asks = self._credentials(self._key) if isinstance(self._key, str) else {}
        return self._asks

    async def _renewed_key(self) -> str:
        """The key of the function that gives it. Cancelling it cancels that function."""
        assert self._key is not None  # it is a function
        return await resolve_key(self._key)

    def _credentials(self, key: str) -> dict[str, str]:
        """The headers that say who asks; none where the key is ""."""
        return {"authorization": header_value("authorization", Secret(f"Bearer {key}"))} if key else {}

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

    # Copies.

    def __copy__(self) -> Self:
        return self.with_options()

    def __deepcopy__(self, memo: object) -> Self:
        return self.with_options()  # settings don't change, and connections are shared

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} can't be pickled: it holds connections, and perhaps a key. Make a client in each "
            "process, of the same settings."
        )


class AsyncBeta:
    """`client.beta`: what the official SDK once called beta."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    @property
    def chat(self) -> AsyncChat:
        """The same as `client.chat`."""
        return self._client.chat


# Answers that may yet fail, where nobody knows the request any more.
_FAIL_LATER = (ChunkReader, ResponseHead)


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


def _open_transport(transport: Transport | None, own: Mapping[str, Any], limit: int) -> Transport:
    """Return the user's transport, or one of aiohttp's made with these options."""
    if transport is not None:
        given = next((name for name, value in own.items() if value is not None), None)
        if given is not None:
            name = "ssl_context" if given == "ssl" else given
            raise ValueError(
                f"transport= is in the place of aiohttp's, and {name}= would not reach it; give one of them"
            )
        has = all(callable(getattr(transport, name, None)) for name in ("send", "aclose")) and hasattr(
            transport, "closed"
        )
        if not has or isinstance(transport, type):
            raise TypeError(
                f"transport must have send(), aclose() and closed, as a Transport has, which {kind_of(transport)} has not"
            )
        return transport
    # Imported here: `import openai_async` shall not cost the 100 ms that aiohttp takes.
    from openai_async.transport.session import AiohttpTransport  # noqa: PLC0415 - see above

    return AiohttpTransport(**own, limit=limit)


_ARGUMENTS = frozenset(AsyncOpenAI.__init__.__annotations__) - {"return", "unsupported"}
