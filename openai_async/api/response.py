"""What is known of a response beside its content: status, headers, and when what happened.

Plain data, read by the user of a stream. Nothing here holds the connection.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from openai_async.errors import APIError, APIResponseValidationError
from openai_async.protocol.failures import web_page
from openai_async.transport.limits import RateLimitInfo
from openai_async.transport.message import Response
from openai_async.transport.timer import Timer

__all__ = ["ResponseInfo", "Timing", "introduce", "not_an_answer"]

# Enough of a wrong answer to recognise where it came from.
SAMPLE_SIZE = 512


class ResponseInfo(msgspec.Struct, frozen=True):
    """The head of a response, and what it took to get it.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case, repeated ones joined by a comma.
        retries_taken: How many attempts failed before the one that was answered.
    """

    status: int
    headers: Mapping[str, str]
    retries_taken: int = 0

    @classmethod
    def of(cls, response: Response, timer: Timer) -> ResponseInfo:
        """Return what is known of `response`, which the last attempt that `timer` counts brought."""
        return cls(response.status, response.headers, max(timer.attempts - 1, 0))

    @property
    def status_code(self) -> int:
        """The same as `status`: the official SDK's name for it."""
        return self.status

    @property
    def rate_limits(self) -> RateLimitInfo | None:
        """What the server says of its rate limits, parsed; None: it says nothing."""
        return RateLimitInfo.of(self.headers)

    @property
    def request_id(self) -> str | None:
        """The server's `x-request-id`; None: it sent none."""
        return self.headers.get("x-request-id")


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When a call's stages were reached, in seconds from its start; None: not yet, or the transport does not tell.

    After a retry the stages are those of the last attempt, still counted from the call's start.

    Attributes:
        sent: The attempt began.
        queued: The wait for a place in the connection pool was over.
        connecting: A new connection began to be made; None, too, where one that was kept alive serves.
        connected: There was a connection, new or kept alive.
        headers: The response's head was here.
        first_byte: The body began.
        first_token: The first content was here, keep-alives and the role aside.
        last: The stream ended.
    """

    sent: float | None = None
    queued: float | None = None
    connecting: float | None = None
    connected: float | None = None
    headers: float | None = None
    first_byte: float | None = None
    first_token: float | None = None
    last: float | None = None

    @classmethod
    def of(cls, marks: Mapping[str, float]) -> Timing:
        """Return the timing that a timer's marks tell (seconds of the loop's clock)."""
        started = marks["started"]
        return cls(**{name: at - started for name, at in marks.items() if name != "started"})


def introduce(error: APIError, info: ResponseInfo) -> None:
    """Tell an error of the response that it struck; what is raised by a transport or a timer does not know it."""
    if not error.headers:
        error.headers, error.request_id = dict(info.headers), info.request_id


def not_an_answer(info: ResponseInfo, body: bytes, expected: str) -> APIResponseValidationError:
    """The error for a response of status 200 that is something else than `expected`."""
    sample = body[:SAMPLE_SIZE].decode("utf-8", "replace")
    told = web_page(sample) or (f"{sample.strip()[:120]!r}" if sample.strip() else "nothing")
    kind = info.headers.get("content-type", "no content type")
    return APIResponseValidationError(
        f"The server answered {info.status} ({kind}) with {told}, where {expected} was expected. "
        "Is base_url right, and is there a proxy in between?",
        headers=dict(info.headers),
        request_id=info.request_id,
        body=sample or None,
    )
