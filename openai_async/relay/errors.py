"""What can be wrong with a stream of the relay, each with the HTTP status and the code that a reader is told.

Nothing here holds a key, an owner or a payload, so that every message can be shown to a reader.
"""

from __future__ import annotations

from typing import Any, ClassVar

from openai_async.errors import OpenAIError

from .end import End

__all__ = [
    "BadCursor",
    "Fenced",
    "Held",
    "HubClosed",
    "RelayError",
    "SlowReader",
    "StreamEnded",
    "StreamExpired",
    "StreamTooLarge",
    "TooManyStreams",
    "UnknownStream",
]


class RelayError(OpenAIError):
    """The base of the relay's errors.

    Attributes:
        status_code: The HTTP status that stands for it.
        code: The `code` of the API's error object.
    """

    status_code: ClassVar[int] = 500
    code: ClassVar[str] = "relay_failed"

    @property
    def error(self) -> dict[str, Any]:
        """The API's error object."""
        kind = "invalid_request_error" if self.status_code < 500 else "server_error"
        return {"message": str(self), "type": kind, "param": None, "code": self.code}


class BadCursor(RelayError, ValueError):  # noqa: N818 - as the design names it
    """A cursor that is none: it is written `epoch-seq`, two whole numbers."""

    status_code = 400
    code = "bad_cursor"


class UnknownStream(RelayError):  # noqa: N818 - as the design names it
    """There is no such stream, or it is somebody else's: which of them is not told."""

    status_code = 404
    code = "unknown_stream"

    def __init__(self) -> None:
        super().__init__("There is no such stream.")


class StreamExpired(RelayError):  # noqa: N818 - as the design names it
    """The stream was there, ended, and is no longer kept."""

    status_code = 410
    code = "stream_expired"

    def __init__(self) -> None:
        super().__init__("The stream has ended and is no longer kept.")


class Held(RelayError):  # noqa: N818 - as the design names it
    """Another producer, which lives, writes the stream."""

    status_code = 409
    code = "stream_held"

    def __init__(self) -> None:
        super().__init__("Another producer writes this stream.")


class _OverError(RelayError):
    """Nothing more can be written.

    Attributes:
        end: How the stream ended; None: it is another producer's by now.
    """

    status_code = 409

    def __init__(self, message: str, end: End | None = None) -> None:
        super().__init__(message, end)
        self.end: End | None = end

    def __str__(self) -> str:
        return str(self.args[0])


class Fenced(_OverError):  # noqa: N818 - as the design names it
    """The producer may write no more: the stream was stopped, or another producer took over. Close the upstream."""

    code = "stream_fenced"

    def __init__(self, end: End | None = None) -> None:
        super().__init__("The stream is no longer this producer's: it was ended or taken over.", end)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.end,)


class StreamEnded(_OverError):  # noqa: N818 - named for what it says, like its siblings
    """The stream has ended, so nobody can open it to write."""

    code = "stream_ended"

    def __init__(self, end: End | None = None) -> None:
        super().__init__("The stream has ended; choose another id for a new one.", end)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.end,)


class StreamTooLarge(RelayError):  # noqa: N818 - named for what it says, like its siblings
    """A stream's payloads would be more bytes than may be kept; what came before is kept, and the stream ends."""

    status_code = 502
    code = "stream_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The stream is larger than {limit} bytes.")
        self.limit = limit

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit,)


class TooManyStreams(RelayError):  # noqa: N818 - named for what it says, like its siblings
    """As many streams are live as may be; try again when one has ended, or raise `max_streams`."""

    status_code = 503
    code = "too_many_streams"

    def __init__(self, limit: int) -> None:
        super().__init__(f"All of {limit} streams are in use.")
        self.limit = limit

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit,)


class HubClosed(RelayError):  # noqa: N818 - named for what it says, like its siblings
    """The hub is not running: not entered yet, or closing."""

    status_code = 503
    code = "relay_closed"

    def __init__(self) -> None:
        super().__init__("The relay is not running: it has closed, or was not entered by `async with`.")


class SlowReader(RelayError):  # noqa: N818 - named for what it says, like its siblings
    """A reader took nothing for longer than `send_timeout`; it may come back with its cursor."""

    status_code = 408
    code = "slow_reader"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The reader took nothing for {seconds:g} s.")
        self.seconds = seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seconds,)
