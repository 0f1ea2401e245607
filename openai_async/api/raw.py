"""Responses as they came: head and body, with the parsed answer one call away.

`RawResponse` has read its body; `StreamedResponse` leaves it on the wire until it is asked for. What the body means is
told by a function that they are given.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from openai_async.errors import APIConnectionError, APIError, StreamStateError
from openai_async.protocol import codec
from openai_async.transport.limits import RateLimitInfo
from openai_async.transport.message import Response
from openai_async.transport.redaction import redact
from openai_async.transport.timer import Timer

from .answers import cast_answer
from .request import Plan
from .response import ResponseInfo, not_an_answer

__all__ = ["RawResponse", "StreamedResponse"]

T = TypeVar("T")
U = TypeVar("U")


class _Head:
    """What both kinds of response tell of their head."""

    def __init__(self, plan: Plan, info: ResponseInfo, timer: Timer) -> None:
        self._plan = plan
        self._info = info
        self._timer = timer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._info.status

    @property
    def status_code(self) -> int:
        """The same as `status`: the official SDK's name for it."""
        return self._info.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case, repeated ones joined by a comma."""
        return self._info.headers

    @property
    def request_id(self) -> str | None:
        """The server's `x-request-id`; None: it sent none."""
        return self._info.request_id

    @property
    def rate_limits(self) -> RateLimitInfo | None:
        """What the server says of its rate limits, parsed; None: it says nothing."""
        return self._info.rate_limits

    @property
    def retries_taken(self) -> int:
        """How many attempts failed before the one that was answered."""
        return self._info.retries_taken

    @property
    def method(self) -> str:
        """The request's method, in capitals."""
        return self._plan.method

    @property
    def url(self) -> str:
        """The request's address, query included."""
        return self._plan.url

    @property
    def elapsed(self) -> timedelta:
        """From the call's start to the response's head, failed attempts included."""
        marks = self._timer.marks
        return timedelta(seconds=marks.get("headers", marks["started"]) - marks["started"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.url} status={self.status} request_id={self.request_id!r}>"


class RawResponse(_Head, Generic[T]):
    """A response whose body is read.

    Args:
        plan: Of the request.
        info: Of the response.
        timer: Of the call.
        body: Whole; None: it is a stream, which `parse` returns.
        read: What the answer is, made of the body when it is asked for.
    """

    def __init__(self, plan: Plan, info: ResponseInfo, timer: Timer, body: bytes | None, read: Callable[[], T]) -> None:
        super().__init__(plan, info, timer)
        self._body = body
        self._read = read

    @property
    def content(self) -> bytes:
        """The body, decompressed.

        Raises:
            StreamStateError: The answer is a stream, whose bytes are the stream's to hand out.
        """
        if self._body is None:
            raise StreamStateError("The answer is a stream: parse() returns it, and its raw() has the bytes.")
        return self._body

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 reads as U+FFFD. Raises as `content`."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as plain data.

        Raises:
            APIResponseValidationError: It is no JSON.
            StreamStateError: The answer is a stream.
        """
        return _json(self._info, self.content)

    @overload
    def parse(self) -> T: ...
    @overload
    def parse(self, *, to: type[U]) -> U: ...
    def parse(self, *, to: type[Any] | None = None) -> Any:
        """Return what the method would have returned, or the body as another type.

        Args:
            to: A type of your own, as `cast_to` takes it; None: the method's.

        Raises:
            APIError: The body is an error, or something else than expected.
            StreamStateError: `to` is given, and the answer is a stream.
        """
        return self._read() if to is None else cast_answer(to, self.content, self._info)

    @property
    def is_closed(self) -> bool:
        """Whether the body is read: always, unless it is a stream."""
        return self._body is not None

    async def aclose(self) -> None:
        """Close the stream, if the answer is one. Harmless otherwise, and twice."""
        if self._body is None:
            answer: Any = self._read()
            await answer.aclose()


class StreamedResponse(_Head, Generic[T]):
    """A response whose body is still on the wire; use it with `async with`.

    The body can be read once: by `parse`, `read`, `text`, `json` or one of the iterators. Cancelling any of them
    aborts the request, and so does leaving the block before the body's end.

    Args:
        plan: Of the request.
        response: Its body not read yet.
        timer: Of the call; its limits hold until the body is read.
        parse: Reads the body to what the method would have returned.
    """

    def __init__(
        self, plan: Plan, response: Response, timer: Timer, parse: Callable[[Response, Timer], Awaitable[T]]
    ) -> None:
        super().__init__(plan, ResponseInfo.of(response, timer), timer)
        self._response = response
        self._parse = parse
        self._begun = False
        self._answer: Any = None  # a stream that parse() opened
        self._body: bytes | None = None
        self.secrets: tuple[str, ...] = ()  # keys that no error may show
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the body was read to its end, or given up."""
        return self._is_closed

    @overload
    async def parse(self) -> T: ...
    @overload
    async def parse(self, *, to: type[U]) -> U: ...
    async def parse(self, *, to: type[Any] | None = None) -> Any:
        """Return what the method would have returned, or the body as another type; reading what is left to read.

        Args:
            to: A type of your own, as `cast_to` takes it; None: the method's.

        Raises:
            APIError: The body was cut off, is an error, or something else than expected.
            StreamStateError: The body was read already, by an iterator.
        """
        if to is not None:
            return cast_answer(to, await self.read(), self._info)
        if self._body is not None:
            return await self._parse(_Read(self._info, self._body), self._timer)
        self._begin()
        self._answer = await self._guarded(self._parse(self._response, self._timer))
        return self._answer

    async def read(self) -> bytes:
        """Return the whole body, as often as it is asked for; raises as `parse`."""
        if self._body is None:
            pieces = [piece async for piece in self.iter_bytes()]
            self._body = b"".join(pieces)
        return self._body

    async def text(self) -> str:
        """Return the body as text; what is no UTF-8 reads as U+FFFD. Raises as `parse`."""
        return (await self.read()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """Return the body as plain data.

        Raises:
            APIResponseValidationError: It is no JSON; else as `parse`.
        """
        return _json(self._info, await self.read())

    async def iter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives, decompressed.

        Args:
            chunk_size: Bytes of each piece but the last; None: as the socket brings them.

        Raises:
            APIConnectionError: The body was cut off.
            APITimeoutError: A limit passed.
            StreamStateError: The body was read already.
        """
        self._begin()
        held = b""
        while data := await self._guarded(self._next()):
            if chunk_size is None:
                yield data
                continue
            held += data
            while len(held) >= chunk_size:
                yield held[:chunk_size]
                held = held[chunk_size:]
        if held:
            yield held

    async def iter_text(self, chunk_size: int | None = None) -> AsyncGenerator[str]:
        """Yield the body as text; a character cut in two waits for its other half. Raises as `iter_bytes`."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for data in self.iter_bytes(chunk_size):
            if text := decoder.decode(data):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    async def iter_lines(self) -> AsyncGenerator[str]:
        """Yield the body line by line, without line ends (LF, CRLF or CR). Raises as `iter_bytes`."""
        held = ""
        async for text in self.iter_text():
            *lines, held = _split_lines(held + text)
            for line in lines:
                yield line
        if held:
            yield held.removesuffix("\r")

    async def aclose(self) -> None:
        """Close the response; the server sees the connection go away if the body was not at its end. Harmless twice."""
        if not self._is_closed:
            self._is_closed = True
            self._timer.stop()
            self._response.close()
        if hasattr(self._answer.__class__, "aclose"):
            await self._answer.aclose()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _begin(self) -> None:
        if self._begun or self._is_closed:
            raise StreamStateError("The body was read or closed already; a body is read once.")
        self._begun = True

    async def _next(self) -> bytes:
        with self._timer:
            data = await self._response.read()
        if data:
            self._timer.progress()
        else:
            self._is_closed = True
            self._timer.stop()
            self._response.release()
        return data

    async def _guarded(self, work: Awaitable[U]) -> U:
        """Wait for `work`; when it fails, close the response and make the error fit to be shown."""
        try:
            return await work
        except BaseException as error:
            self._is_closed = True
            self._timer.stop()
            self._response.close()
            if isinstance(error, APIError):
                if isinstance(error, APIConnectionError) and not error.headers:
                    error.headers, error.request_id = dict(self.headers), self.request_id
                redact(error, self.secrets)
            raise


class _Read:
    """A response whose body was read: it is read again from memory."""

    def __init__(self, info: ResponseInfo, body: bytes) -> None:
        self.status = info.status
        self.headers = info.headers
        self._body = body

    async def read(self) -> bytes:
        """Return the body, then b""."""
        body, self._body = self._body, b""
        return body

    def release(self) -> None:
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _json(info: ResponseInfo, body: bytes) -> Any:
    try:
        return codec.loads(body)
    except ValueError as error:
        raise not_an_answer(info, body, "JSON") from error


def _split_lines(text: str) -> list[str]:
    """Split at LF, CRLF and CR; the last part, which may be empty, is not ended yet. A CR at the end may be half."""
    whole, cut = (text[:-1], "\r") if text.endswith("\r") else (text, "")
    parts = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    parts[-1] += cut
    return parts
