"""`StreamedResponse`: a response whose body stays on the wire until it is asked for.

A response whose head is here comes in; its bytes, text, lines or the parsed answer go out, once. What the body means is
told by a function that it is given.
"""

from __future__ import annotations

import codecs
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar, overload

from openai_async.errors import APIConnectionError, APIError, APIResponseValidationError, StreamStateError
from openai_async.transport.message import Response
from openai_async.transport.redaction import redact, redacted
from openai_async.transport.timer import Timer

from .answers import caster_of, json_of
from .arguments import check_whole
from .opening import BODY_SIZE
from .raw import ResponseHead
from .reader import ChunkReader
from .request import Plan
from .response import ResponseInfo, introduce

__all__ = ["StreamedResponse"]

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class StreamedResponse(ResponseHead, Generic[T_co]):
    """A response whose body is still on the wire; use it with `async with`.

    The body is read once, by an iterator, or by one of `parse`, `read`, `text` and `json`, which may follow each other.
    Cancelling any of them aborts the request, and so does leaving the block before the body's end.

    Args:
        plan: Of the request.
        response: Its body not read yet.
        timer: Of the call; its limits hold while the body is waited for.
        read: What a whole body means; None: the answer is a stream.
        open: Of a stream: makes the reader of a response.
        wrap: Of a stream: makes the stream for the user of its reader.
    """

    def __init__(
        self,
        plan: Plan,
        response: Response,
        timer: Timer,
        *,
        read: Callable[[bytes, ResponseInfo], T_co] | None = None,
        open: Callable[[Response, Timer], Awaitable[ChunkReader]] | None = None,
        wrap: Callable[[ChunkReader], T_co] | None = None,
    ) -> None:
        super().__init__(plan, ResponseInfo.of(response, timer), timer)
        self._response = response
        self._read_answer = read
        self._open = open
        self._wrap = wrap
        self._begun = False
        self._reader: ChunkReader | None = None  # of the stream that parse() opened
        self._stream: T_co | None = None
        self._body: bytes | None = None
        self._is_closed = False
        self._failure: APIError | None = None  # for which it is being closed
        timer.pause()  # time that the user takes is not the server's silence

    @property
    def is_closed(self) -> bool:
        """Whether the body was read to its end, or given up."""
        return self._is_closed or (self._reader is not None and self._reader.over)

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
            StreamStateError: The body was read already, by an iterator; of a stream, by anything.
            TypeError: Nothing in JSON could become `to`.
        """
        cast = caster_of(to) if to is not None else self._read_answer
        if cast is not None:
            body = await self.read()
            with redacted(self.secrets):
                return cast(body, self._info)
        if self._reader is None:
            self._begin()
            assert self._open is not None  # without `read`, the answer is a stream
            assert self._wrap is not None
            self._timer.resume()
            self._reader = await self._guarded(self._open(self._response, self._timer))
            self._reader.secrets = self.secrets
            self._stream = self._wrap(self._reader)
        return self._stream

    async def read(self) -> bytes:
        """Return the whole body, as often as it is asked for.

        Raises:
            APIResponseValidationError: It is longer than 64 MiB; else as `iter_bytes`.
        """
        if self._body is None:
            pieces: list[bytes] = []
            left = BODY_SIZE
            async with aclosing(self.iter_bytes()) as arriving:
                async for piece in arriving:
                    pieces.append(piece)
                    left -= len(piece)
                    if left < 0:
                        raise self._fail(APIResponseValidationError(f"The answer is longer than {BODY_SIZE} bytes."))
            self._body = b"".join(pieces)
        return self._body

    async def text(self) -> str:
        """Return the body as text; what is no UTF-8 reads as U+FFFD. Raises as `read`."""
        return (await self.read()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """Return the body as plain data.

        Raises:
            APIResponseValidationError: It is no JSON; else as `read`.
        """
        body = await self.read()
        with redacted(self.secrets):
            return json_of(body, self._info)

    async def iter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives, decompressed.

        Args:
            chunk_size: Bytes of each piece but the last, 1 or more; None: as the socket brings them.

        Raises:
            APIConnectionError: The body was cut off.
            APITimeoutError: A limit passed.
            StreamStateError: The body was read already.
            TypeError, ValueError: `chunk_size` is no whole number, or below 1.
        """
        if chunk_size is not None:
            check_whole(chunk_size, "chunk_size", least=1)
        self._begin()
        held = bytearray()
        while data := await self._guarded(self._next()):
            if chunk_size is None:
                yield data
                continue
            held += data
            end = len(held) - len(held) % chunk_size
            for begin in range(0, end, chunk_size):
                yield bytes(held[begin : begin + chunk_size])
            del held[:end]
        if held:
            yield bytes(held)

    async def iter_text(self, chunk_size: int | None = None) -> AsyncGenerator[str]:
        """Yield the body as text; a character cut in two waits for its other half. Raises as `iter_bytes`."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for data in self.iter_bytes(chunk_size):
            if text := decoder.decode(data):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    async def iter_lines(self) -> AsyncGenerator[str]:
        """Yield the body line by line, without line ends (LF, CRLF or CR).

        Raises:
            APIResponseValidationError: A line is longer than 64 Mi characters; else as `iter_bytes`.
        """
        line: list[str] = []  # the unfinished one, in pieces
        size = 0  # of the line, in characters
        after_cr = False  # an LF that follows belongs to a line end that was seen
        async for text in self.iter_text():
            fresh = text[1:] if after_cr and text[0] == "\n" else text
            after_cr = text[-1] == "\r"
            first, *others = fresh.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            line.append(first)
            size += len(first)
            for other in others:
                yield "".join(line)
                line, size = [other], len(other)
            if size > BODY_SIZE:
                longer = f"A line of the answer is longer than {BODY_SIZE} characters."
                raise self._fail(APIResponseValidationError(longer))
        if last := "".join(line):
            yield last

    async def aclose(self) -> None:
        """Close the response; the server sees the connection go away if the body was not at its end. Harmless twice."""
        if self._reader is not None:
            self._reader.abort()  # the response is the reader's: after the stream's end its rest is still being read
        else:
            self._close()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A response whose body is unread can't be copied or pickled: it is a connection.")

    def __del__(self) -> None:
        if getattr(self, "_is_closed", True) or self._reader is not None:
            return
        warnings.warn(f"{self!r} was neither read to its end nor closed", ResourceWarning, stacklevel=2, source=self)
        self._close()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._timer.stop()
            self._response.close()

    def _begin(self) -> None:
        if self._begun or self._is_closed:
            raise StreamStateError("The body was read or closed already; a body is read once.")
        self._timer.check_loop()
        self._begun = True

    async def _next(self) -> bytes:
        self._timer.resume()
        with self._timer:
            data = await self._response.read()
        if data:
            self._timer.progress()
            self._timer.pause()
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
            if self._is_closed and isinstance(error, APIConnectionError):
                raise StreamStateError("The response was closed, by another task, before its body's end.") from None
            if isinstance(error, APIError):
                self._fail(error)
            else:
                self._close()
            raise

    def _fail(self, error: APIError) -> APIError:
        """Close the response for an error, which is returned fit to be shown."""
        introduce(error, self._info)
        redact(error, self.secrets)
        self._failure = error
        self._close()
        self._failure = None  # its traceback leads back here
        return error
