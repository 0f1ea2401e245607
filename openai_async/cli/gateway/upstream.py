"""`Upstream`: the API behind the gateway.

Requests come in as callers sent them, and go out byte for byte; what is refused comes back as it came, and a stream as
a `ChatStream` for the hub. Nothing from this process's environment goes along: no key, no organization, no header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec

from openai_async.api.address import check_base_url, join_url
from openai_async.api.opening import open_reader, read_answer
from openai_async.api.reader import ChunkReader
from openai_async.api.settings import plain_limits
from openai_async.api.stream import ChatStream
from openai_async.errors import APIConnectionError, APIError, APIResponseValidationError, OpenAIError
from openai_async.relay.refusal import Refusal
from openai_async.server.problems import Problem
from openai_async.transport.exchange import exchange
from openai_async.transport.message import Request, Response
from openai_async.transport.redaction import Secrets
from openai_async.transport.session import AiohttpTransport
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

from .headers import from_upstream, to_upstream
from .problem import problem_of

__all__ = ["Answer", "Asked", "Opening", "Upstream"]

_PATH = "/chat/completions"
# Connections for what is no stream.
_PLAIN_CONNECTIONS = 1000
_JSON = "application/json"
_REDIRECTS = (
    "The upstream redirects, which the gateway does not follow, as keys would go along. Whoever runs it gives the final "
    "address as --upstream."
)


class _Look(msgspec.Struct):
    stream: Any = None
    n: Any = None


class Asked(msgspec.Struct, frozen=True):
    """What the gateway looks at in a body; the rest is between the caller and the upstream.

    Attributes:
        stream: Whether the answer is to be a stream.
        choices: How many answers are asked for.
    """

    stream: bool
    choices: int = 1

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Look at a body; of one that is no JSON object, the upstream may say what is wrong with it."""
        try:
            look = msgspec.json.decode(body, type=_Look)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls(stream=False)
        return cls(stream=bool(look.stream), choices=look.n if isinstance(look.n, int) else 1)


class Answer(msgspec.Struct, frozen=True):
    """A whole answer for a caller.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case.
        body: As the upstream sent it, unpacked; or an error of the gateway's.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """Where requests go.

    Args:
        base_url: The API's address, usually up to and with `/v1`.
        max_retries: Attempts after the first.
        limit: Streams at once; connections for plain requests come on top.

    Raises:
        OpenAIError: `base_url` is no address.
    """

    def __init__(self, base_url: str, *, max_retries: int, limit: int) -> None:
        self._base_url = check_base_url(base_url, "upstream")
        self._max_retries = max_retries
        self._transport = AiohttpTransport(limit=limit + _PLAIN_CONNECTIONS)
        self._openings: set[Opening] = set()

    def request(self, raw: Iterable[tuple[bytes, bytes]], query: bytes, body: bytes, *, stream: bool) -> Request:
        """Return a caller's request as it goes out.

        Args:
            raw: Its headers as they were received.
            query: Likewise.
            body: Likewise.
            stream: Whether the answer is to be a stream.

        Raises:
            Problem: The query can't be sent.
        """
        path = f"{_PATH}?{query.decode('latin-1')}" if query else _PATH
        try:
            url = join_url(self._base_url, path)
        except OpenAIError:
            raise Problem(400, "The query holds a character that an address can't; percent-encode it.") from None
        return Request(method="POST", url=url, headers=to_upstream(raw, stream=stream), body=body)

    async def ask(self, request: Request) -> Answer:
        """Send a request whose answer is one body, and return that, or the refusal; cancelling it aborts it."""

        async def accept(response: Response, timer: Timer) -> Answer:
            body = await read_answer(response, timer)
            return Answer(response.status, from_upstream(response.headers), body)

        witness = _Witness(self._transport)
        try:
            return await exchange(
                witness, request, accept, timeout=plain_limits(Timeout()), max_retries=self._max_retries
            )
        except OpenAIError as error:
            return witness.refusal(error)

    def open(self, request: Request, *, choices: int) -> Opening:
        """Send a request whose answer is a stream, in a task of its own.

        Args:
            request: Asks for a stream.
            choices: How many answers it asks for.
        """
        witness = _Witness(self._transport)
        accept = partial(open_reader, choices=choices)
        opening = exchange(witness, request, accept, timeout=Timeout(), max_retries=self._max_retries)
        return Opening(asyncio.ensure_future(opening), request, witness, self._openings)

    @property
    def streams(self) -> int:
        """How many streams are open, or being opened."""
        return len(self._openings)

    async def aclose(self) -> None:
        """Abort what is still open, and close all connections."""
        for opening in list(self._openings):
            await opening.aclose()
        await self._transport.aclose()


class Opening:
    """A stream of the upstream's, from its request on: what the hub takes for a source.

    It is opened before the hub knows of it, so that a refusal is the caller's answer; then the hub enters and leaves it.
    Whoever does not hand it to a hub closes it.

    Args:
        task: Opens the reader.
        request: Which keys no error may show.
        witness: Saw the answer.
        among: Holds it until it is closed.
    """

    def __init__(
        self, task: asyncio.Future[ChunkReader], request: Request, witness: _Witness, among: set[Opening]
    ) -> None:
        self._task = task
        self._request = request
        self._witness = witness
        self._among = among
        among.add(self)

    async def settled(self) -> None:
        """Wait until there is a stream, or will never be; cancelling it loses nothing."""
        await asyncio.wait([self._task])

    @property
    def refusal(self) -> Answer | None:
        """What the caller is told instead of a stream; None: there is one, or nobody knows yet."""
        if not self._task.done() or self._task.cancelled() or (error := self._task.exception()) is None:
            return None
        if not isinstance(error, OpenAIError):
            raise error
        return self._witness.refusal(error)

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the upstream's answer that go back; none before there is one."""
        if not self._task.done() or self._task.cancelled() or self._task.exception() is not None:
            return {}
        return from_upstream(self._task.result().info.headers)

    async def __aenter__(self) -> ChatStream[Any]:
        """Return the stream once its first content is here; cancelling it aborts the request.

        Raises:
            APIError: There is none.
        """
        try:
            reader = await self._task
        except BaseException:
            await self.aclose()
            raise
        reader.secrets = Secrets(self._request)
        return ChatStream(reader)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Abort the request, or the stream if it is not at its end. Harmless twice."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._among.discard(self)
        if not self._task.cancelled() and self._task.exception() is None:
            self._task.result().abort()


class _Witness:
    """A transport that remembers the last refusal as it came: errors keep what they mean, and not their bytes."""

    def __init__(self, transport: AiohttpTransport) -> None:
        self._transport = transport
        self._seen: _Seen | None = None

    @property
    def closed(self) -> bool:
        return self._transport.closed

    async def send(self, request: Request, timer: Timer) -> Response:
        self._seen = None
        response = await self._transport.send(request, timer)
        self._seen = _Seen(response)
        return self._seen

    async def aclose(self) -> None:
        await self._transport.aclose()

    def refusal(self, error: OpenAIError) -> Answer:
        """What a caller is told of an error: the upstream's own answer where it is one, else what we make of it."""
        seen = self._seen
        if seen is not None and seen.status >= 400:
            return Answer(seen.status, from_upstream(seen.headers), seen.body)
        if seen is not None and seen.status >= 300:
            return _answer(Problem(502, _REDIRECTS, code="upstream_redirects"))
        if isinstance(error, APIError) and not isinstance(error, APIConnectionError | APIResponseValidationError):
            refusal = Refusal.of(error)  # an error in an answer of status 200: the object is the upstream's own
            return Answer(refusal.status, {"content-type": _JSON, **refusal.headers}, refusal.body)
        return _answer(problem_of(error))


def _answer(problem: Problem) -> Answer:
    return Answer(problem.status, {"content-type": _JSON, **problem.headers}, problem.encode())


class _Seen:
    """A response that keeps what is read of a refusal."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._keeps = response.status >= 400
        self._parts: list[bytes] = []
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    async def read(self) -> bytes:
        data = await self._response.read()
        if self._keeps:
            self._parts.append(data)
        return data

    def release(self) -> None:
        self._response.release()

    def close(self) -> None:
        self._response.close()
