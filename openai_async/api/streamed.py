"""`StreamedResponse`: a response whose body stays on the wire until it is asked for.

A response whose head is here comes in; its bytes, text, lines or the parsed answer go out, once. What the body means is
told by a function that it is given.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from openai_async.errors import APIConnectionError, APIError, StreamStateError
from openai_async.transport.message import Response
from openai_async.transport.redaction import redact
from openai_async.transport.timer import Timer

from .answers import cast_answer
from .raw import ResponseHead, json_of
from .request import Plan
from .response import ResponseInfo

__all__ = ["StreamedResponse"]

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class StreamedResponse(ResponseHead, Generic[T_co]):
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
        self, plan: Plan, response: Response, timer: Timer, parse: Callable[[Response, Timer], Awaitable[T_co]]
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
    async def parse(self) -> T_co: ...
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
        return json_of(self._info, await self.read())

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


def _split_lines(text: str) -> list[str]:
    """Split at LF, CRLF and CR; the last part, which may be empty, is not ended yet. A CR at the end may be half."""
    whole, cut = (text[:-1], "\r") if text.endswith("\r") else (text, "")
    parts = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    parts[-1] += cut
    return parts
