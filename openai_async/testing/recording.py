"""Recordings: what a server was asked and what it answered, read by read, in one file.

A file is JSON Lines. The first line says what it is: `{"openai_async_recording": 1, "upstream": "https://…/v1"}`. Every
further line is one exchange, in the order in which they ended:

    {"request":  {"at": 0.02, "method": "POST", "path": "/v1/chat/completions", "headers": {…}, "json": {…}},
     "response": {"status": 200, "headers": {…}, "reads": [[0.31, "data: …"], [0.35, {"base64": "…"}]], "end": "complete"}}

`at` is in seconds since the recording began; the first value of a read in seconds since the request came. What was read
is text where it is valid UTF-8, else base64; a request's body is `json`, `text` or `base64`. Nothing here opens a socket.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self

import msgspec

from openai_async.errors import OpenAIError
from openai_async.types.json import is_object

if TYPE_CHECKING:
    import os
    from types import TracebackType

__all__ = ["Answered", "Asked", "Exchange", "Recording", "RecordingError", "RecordingWriter"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

_VERSION = 1


class RecordingError(OpenAIError):
    """A recording can't be read, written or made; the message says which file, and why."""


class Asked(msgspec.Struct, omit_defaults=True):
    """A request, without what is secret.

    Attributes:
        at: When it came, in seconds since the recording began.
        method: In capitals.
        path: The path and the query.
        headers: The few that are kept, names in lower case.
        json: The body, where it is JSON; otherwise UNSET.
        text: The body, where it is other text; None: it is not.
        base64: The body, where it is no text; None: it is.
    """

    at: float
    method: str
    path: str
    headers: dict[str, str]
    json: Any = msgspec.UNSET
    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, *, at: float, method: str, path: str, headers: dict[str, str], body: bytes) -> Self:
        """Make one of a request's parts, its body as bytes."""
        asked = cls(round(at, 6), method, path, headers)
        try:
            asked.json = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            told = _told(body)
            asked.text, asked.base64 = (told, None) if isinstance(told, str) else (None, told["base64"])
        return asked

    @property
    def body(self) -> Any:
        """The body, whichever way it is kept: two that are equal were equal, but for the spacing of JSON."""
        return self.json if self.json is not msgspec.UNSET else (self.text, self.base64)


class Answered(msgspec.Struct):
    """A response, without what is secret.

    Attributes:
        status: HTTP status.
        headers: Names in lower case, without those of the connection.
        reads: For each read of the body, its time in seconds since the request came, and what it brought: text, or base64
            in an object.
        end: "complete", or "cut" where the connection broke, or "left" where the client had gone before the end.
    """

    status: int
    headers: dict[str, str]
    reads: list[tuple[float, str | dict[str, str]]]
    end: Literal["complete", "cut", "left"]

    @property
    def pieces(self) -> list[tuple[float, bytes]]:
        """The reads, as bytes.

        Raises:
            ValueError: One is no base64.
            KeyError: An object does not say what it is.
        """
        return [
            (at, said.encode() if isinstance(said, str) else b64decode(said["base64"], validate=True))
            for at, said in self.reads
        ]

    @classmethod
    def of(
        cls,
        *,
        status: int,
        headers: dict[str, str],
        pieces: list[tuple[float, bytes]],
        end: Literal["complete", "cut", "left"],
    ) -> Self:
        """Make one of a response's parts, its reads as bytes."""
        return cls(status, headers, [(round(at, 6), _told(piece)) for at, piece in pieces], end)


class Exchange(msgspec.Struct):
    """A request and its response: a line of the file."""

    request: Asked
    response: Answered


class Recording(msgspec.Struct):
    """What a file holds.

    Attributes:
        upstream: The base URL of the server that answered.
        exchanges: In the order in which the requests came.
    """

    upstream: str
    exchanges: list[Exchange]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file.

        Raises:
            RecordingError: It can't be read, or it or one of its lines is no recording.
        """
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError as error:
            raise RecordingError(f"The recording {Path(path)} can't be read: {error.strerror or error}") from error
        upstream = _upstream(path, lines[0] if lines else b"")
        exchanges: list[Exchange] = []
        for number, line in enumerate(lines[1:], 2):
            try:
                exchange = _decode(line)
                _ = exchange.response.pieces
            except (msgspec.DecodeError, ValueError, KeyError) as error:
                raise RecordingError(f"The recording {Path(path)} is broken in line {number}: {error}") from error
            exchanges.append(exchange)
        return cls(upstream, sorted(exchanges, key=lambda exchange: exchange.request.at))


_decode = msgspec.json.Decoder(Exchange).decode


class RecordingWriter:
    """Writes a file, which takes the place of an older one when it is closed; nothing written, the older one stays.

    Args:
        path: The file; its folder is made if there is none. Until it is closed it is called `….part`.
        upstream: The base URL of the server that answers.

    Raises:
        RecordingError: It can't be written.
    """

    def __init__(self, path: str | os.PathLike[str], upstream: str) -> None:
        self._path = Path(path)
        self._part = self._path.with_name(f"{self._path.name}.part")
        self._count = 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._part.open("wb")
        except OSError as error:
            raise RecordingError(f"The recording {self._path} can't be written: {error.strerror or error}") from error
        self._write({"openai_async_recording": _VERSION, "upstream": upstream})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def count(self) -> int:
        """Exchanges that were written."""
        return self._count

    def add(self, exchange: Exchange) -> None:
        """Write an exchange.

        Raises:
            OSError: It can't be written.
        """
        self._write(exchange)
        self._count += 1

    def close(self) -> None:
        """Put the file in its place; harmless twice.

        Raises:
            OSError: It can't be put there.
        """
        if self._file.closed:
            return
        self._file.close()
        if self._count:
            self._part.replace(self._path)
        else:
            self._part.unlink()

    def _write(self, line: object) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()


def _upstream(path: str | os.PathLike[str], line: bytes) -> str:
    """What the first line says about the server."""
    try:
        head: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        head = None
    if not is_object(head) or "openai_async_recording" not in head or not isinstance(head.get("upstream"), str):
        raise RecordingError(f"{Path(path)} is no recording: its first line does not say so.")
    if head["openai_async_recording"] != _VERSION:
        raise RecordingError(f"The recording {Path(path)} is of another version, {head['openai_async_recording']}.")
    return str(head["upstream"])


def _told(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}
