"""One request until it is answered: attempts, refusals, retries, one time limit over all of them.

A request and a function that reads the response go in; what that function returns comes out. What a response means is
that function's business, whether a failure is worth another attempt is `retry`'s, and when an attempt may be made is
the limiter's, if there is one.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar, cast

from openai_async.errors import APIConnectionError, APIError, APIResponseValidationError, Attempt, AuthenticationError
from openai_async.protocol import failures
from openai_async.types.options import Timeout

from .limits import Limiter, Permit
from .message import Request, Response, StaleConnectionError, Transport
from .permitted import PermittedResponse
from .redaction import Secrets, redact
from .retry import retry_delay
from .timer import Timer

__all__ = ["ERROR_BODY_SIZE", "Pace", "exchange", "read_body"]

_T = TypeVar("_T")
_log = logging.getLogger("openai_async")

# How often a call that waits for its next attempt looks whether its client was closed, in seconds.
_LOOK = 1.0

# An error body is a sentence; what is longer is not read to its end.
ERROR_BODY_SIZE = 1024 * 1024


class Pace(NamedTuple):
    """What keeps the attempts of one call within a budget.

    Attributes:
        limiter: Gives the leave for each attempt.
        tokens: What one attempt may cost, by estimate.
        used: What an answer, or the stream that is read to it, cost by the server's count; None: not known.
    """

    limiter: Limiter
    tokens: int
    used: Callable[[Any], int | None]


async def exchange(
    transport: Transport,
    prepare: Request | Callable[[int], Awaitable[Request]],
    accept: Callable[[Response, Timer], Awaitable[_T]],
    *,
    timeout: Timeout,
    max_retries: int,
    renews: bool = False,
    pace: Pace | None = None,
    failed: Callable[[APIError, Attempt], object] | None = None,
) -> _T:
    """Send a request until `accept` is content with the response, or the retries are used up.

    Cancelling it aborts the attempt under way, or gives up the place in the limiter's queue.

    Args:
        transport: What carries the request.
        prepare: What to send; or what gives it, called before each attempt with the number of attempts made.
        accept: Reads a response of status 2xx. What it raises as an `APIError` may be retried; it closes or releases
            the response, whatever happens.
        timeout: Limits in seconds; the total one spans attempts and the waits between them.
        max_retries: Attempts after the first.
        renews: Whether `prepare` asks for a key anew: then a 401, of a key that has just expired, is tried again at
            once, and once per call, without counting as a retry.
        pace: Asked before every attempt, retries included, under the total limit; None: nothing is.
        failed: Told of each attempt that failed, keys being taken out of its error; None: nobody is.

    Returns:
        What `accept` returned.

    Raises:
        APIError: The last attempt's error, with `attempts` telling of each when there was more than one.
    """
    timer = Timer(timeout)
    attempts: list[Attempt] = []
    retries = 0
    spared: set[type[APIError]] = set()  # kinds of failure that cost nothing, once each
    while True:
        permitted = None if pace is None else await _permitted(pace, timer, attempts)
        began = timer.begin_attempt()
        request: Request | None = None
        try:
            if isinstance(prepare, Request):
                request = prepare
            else:
                with timer:
                    request = await prepare(len(attempts))
            return await _attempt(transport, request, accept, timer, permitted)
        except APIError as error:
            if permitted is not None:
                permitted.void()
            if request is not None:
                redact(error, Secrets(request))
            free = _is_free(error, renews=renews) and type(error) not in spared
            delay = 0.0 if free else _delay(error, retries, max_retries, timer)
            if transport.closed:
                delay = None  # by the user, meanwhile: what failed because of it stays failed
            attempts.append(Attempt(error.message, error.status_code, timer.loop.time() - began, delay))
            if failed is not None:
                failed(error, attempts[-1])
            if delay is None:
                timer.stop()
                raise _final(error, attempts) from error.__cause__
            if free:
                spared.add(type(error))
            retries += not free
            told = (delay, retries, max_retries, _loggable(error))
            _log.info("retrying in %.2f s (retry %d of %d): %s", *told, extra=_fields(error, delay, retries))
        except BaseException:
            if permitted is not None:
                permitted.void()
            timer.stop()
            raise
        if delay:
            await _wait(delay, timer, attempts, transport)


async def _permitted(pace: Pace, timer: Timer, attempts: list[Attempt]) -> PermittedResponse:
    """Wait until the limiter lets an attempt through."""
    timer.enter("total")
    try:
        with timer:
            waiting: Any = pace.limiter.acquire(tokens=pace.tokens)
            if not isinstance(waiting, Awaitable):
                raise TypeError(f"limiter.acquire() must be a coroutine function; it gave a {type(waiting).__name__}")
            permit = cast("Permit", await waiting)
    except BaseException as error:
        timer.stop()
        if isinstance(error, APIError):
            error.attempts = tuple(attempts)
        raise
    return PermittedResponse(permit, pace.used)


async def _attempt(
    transport: Transport,
    request: Request,
    accept: Callable[[Response, Timer], Awaitable[_T]],
    timer: Timer,
    permitted: PermittedResponse | None,
) -> _T:
    response: Response = await transport.send(request, timer)
    if permitted is not None:
        response = permitted.take(response)
    if 200 <= response.status < 300:
        answer = await accept(response, timer)
        if permitted is not None:
            permitted.hand_over(answer)
        return answer
    body = await read_body(response, timer, limit=ERROR_BODY_SIZE, whole=False)
    raise failures.from_response(response.status, response.headers, body)


def _is_free(error: APIError, *, renews: bool) -> bool:
    """Whether another attempt is worth it without a wait: a dead kept-alive connection, a key that was renewed."""
    return isinstance(error, StaleConnectionError) or (renews and isinstance(error, AuthenticationError))


def _loggable(error: APIError) -> str:
    """What a log may have of an error: none of the server's words, which may repeat the prompt."""
    if isinstance(error, APIConnectionError):
        return str(error)
    told = type(error).__name__
    if error.status_code is not None:
        told += f", status {error.status_code}"
    return told if error.request_id is None else f"{told}, request id {error.request_id}"


def _fields(error: APIError, delay: float, retries: int) -> dict[str, object]:
    """The same as attributes of the line's `LogRecord`, for logs that are no text."""
    name = "APIConnectionError" if isinstance(error, StaleConnectionError) else type(error).__name__
    return {
        "openai_delay": delay,
        "openai_retry": retries,
        "openai_error": name,
        "openai_status": error.status_code,
        "openai_request_id": error.request_id,
    }


def _delay(error: APIError, retries: int, allowed: int, timer: Timer) -> float | None:
    """Seconds to the next attempt; None: there is none, or the total limit would pass before it."""
    delay = retry_delay(error, taken=retries, allowed=allowed, now=time.time(), chance=random.random())  # noqa: S311 - jitter
    return delay if delay is not None and delay < timer.remaining else None


def _final(error: APIError, attempts: list[Attempt]) -> APIError:
    """The error that the caller gets."""
    if isinstance(error, StaleConnectionError):
        # A word between transport and retries: to the caller it is a connection that failed.
        error = APIConnectionError(error.message)
    if len(attempts) > 1:
        error.attempts = tuple(attempts)
    return error


async def _wait(delay: float, timer: Timer, attempts: list[Attempt], transport: Transport) -> None:
    """Wait for the next attempt; there is none where the client is closed meanwhile."""
    ends = timer.loop.time() + delay
    try:
        while (left := ends - timer.loop.time()) > 0:
            await timer.sleep(min(left, _LOOK))
            if transport.closed:
                raise APIConnectionError("Connection error: the client was closed before the next attempt.")
        if timer.remaining <= 0:  # the event loop was busy
            raise timer.error()
    except APIError as error:
        error.attempts = tuple(attempts)
        raise
    finally:
        timer.stop()


async def read_body(response: Response, timer: Timer, *, limit: int, whole: bool = True) -> bytes:
    """Return a response's body.

    Cancelling it aborts the response.

    Args:
        response: Read to its end and released; closed when that fails.
        timer: Whose limits hold.
        limit: Bytes to read at most.
        whole: Whether a cut or longer body is an error; else what came is returned.

    Raises:
        APIConnectionError: The body was cut off.
        APIResponseValidationError: It is longer than `limit`.
        APITimeoutError: A limit passed.
    """
    pieces: list[bytes] = []
    left, size = limit, _size_of(response)
    try:
        while True:
            with timer:
                data = await response.read()
            pieces.append(data)
            left -= len(data)
            if not data or limit - left == size:
                response.release()
                return b"".join(pieces)
            if left < 0:
                if whole:
                    sample = pieces[0][:512].decode("utf-8", "replace")
                    raise APIResponseValidationError(f"The answer is longer than {limit} bytes.", body=sample)
                response.close()
                return b"".join(pieces)[:limit]
    except APIConnectionError:
        response.close()
        if whole:
            raise
        return b"".join(pieces)
    except BaseException:
        response.close()
        raise


def _size_of(response: Response) -> int | None:
    """How long a body is when all of it is read, as its head says; None: it does not. Saves the read that brings b""."""
    told = response.headers.get("content-length", "")
    return int(told) if told.isdecimal() and "content-encoding" not in response.headers else None
