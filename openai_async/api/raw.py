"""`RawResponse`: a response as it came, head and body, with the parsed answer one call away.

A body that was read comes in, and a function that tells what it means; both go out as they are asked for. What tells of
a head is shared with `api/streamed.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from openai_async.errors import StreamStateError
from openai_async.transport.limits import RateLimitInfo
from openai_async.transport.redaction import masked, redacted
from openai_async.transport.timer import Timer

from .answers import caster_of, json_of
from .request import Plan
from .response import ResponseInfo

__all__ = ["RawResponse", "ResponseHead"]

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class ResponseHead:
    """What both kinds of response tell of their head."""

    def __init__(self, plan: Plan, info: ResponseInfo, timer: Timer) -> None:
        self.secrets: Iterable[str] = ()  # keys that no error may show
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
        address = self.url.partition("?")[0]  # some gateways have their key in the query
        told = f"<{type(self).__name__} {self.method} {address} status={self.status} request_id={self.request_id!r}>"
        return masked(told, self.secrets)


class RawResponse(ResponseHead, Generic[T_co]):
    """A response whose body is read.

    Args:
        plan: Of the request.
        info: Of the response.
        timer: Of the call.
        body: Whole; None: it is a stream, which `parse` returns.
        read: What the answer is, made of the body when it is asked for.
    """

    def __init__(
        self, plan: Plan, info: ResponseInfo, timer: Timer, body: bytes | None, read: Callable[[], T_co]
    ) -> None:
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
        with redacted(self.secrets):
            return json_of(self.content, self._info)

    @overload
    def parse(self) -> T_co: ...
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
        cast = None if to is None else caster_of(to)
        with redacted(self.secrets):
            return self._read() if cast is None else cast(self.content, self._info)

    @property
    def is_closed(self) -> bool:
        """Whether the body is read: always, unless it is a stream."""
        return self._body is not None

    async def aclose(self) -> None:
        """Close the stream, if the answer is one. Harmless otherwise, and twice."""
        if self._body is None:
            answer: Any = self._read()
            await answer.aclose()
