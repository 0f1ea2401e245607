"""One request until it is answered: attempts, refusals, retries, one time limit over all of them.

A request and a function that reads the response go in; what that function returns comes out. What a response means is
that function's business, and whether a failure is worth another attempt is `retry`'s.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from openai_async.errors import APIConnectionError, APIError, APIResponseValidationError, Attempt
from openai_async.protocol import failures
from openai_async.types.options import Timeout

from .message import Request, Response, StaleConnectionError, Transport
from .redaction import redact, secrets_of
from .retry import retry_delay
from .timer import Timer

__all__ = ["ERROR_BODY_SIZE", "exchange", "read_body"]

_T = TypeVar("_T")
_log = logging.getLogger("openai_async")

# An error body is a sentence; what is longer is not read to its end.
ERROR_BODY_SIZE = 1024 * 1024


async def exchange(
    transport: Transport,
    prepare: Callable[[int], Awaitable[Request]],
    accept: Callable[[Response, Timer], Awaitable[_T]],
    *,
    timeout: Timeout,
    max_retries: int,
) -> _T:
    """Send a request until `accept` is content with the response, or the retries are used up.

    Cancelling it aborts the attempt under way.

    Args:
        transport: What carries the request.
        prepare: Called before each attempt with the number of retries taken; returns what to send.
        accept: Reads a response of status 2xx. What it raises as an `APIError` may be retried; it closes or releases
            the response, whatever happens.
        timeout: Limits in seconds; the total one spans attempts and the waits between them.
        max_retries: Attempts after the first.

    Returns:
        What `accept` returned.

    Raises:
        APIError: The last attempt's error, with `attempts` telling of each when there was more than one.
    """
    timer = Timer(timeout)
    attempts: list[Attempt] = []
    retries = 0
    forgiven = False  # the one dead keep-alive connection that costs nothing
    while True:
        began = timer.begin_attempt()
        request: Request | None = None
        try:
            with timer:
                request = await prepare(len(attempts))
            return await _attempt(transport, request, accept, timer)
        except APIError as error:
            if request is not None:
                redact(error, secrets_of(request))
            stale = isinstance(error, StaleConnectionError) and not forgiven
            delay = 0.0 if stale else _delay(error, retries, max_retries, timer)
            if transport.closed:
                delay = None  # by the user, meanwhile: what failed because of it stays failed
            attempts.append(Attempt(error.message, error.status_code, timer.loop.time() - began, delay))
            if delay is None:
                timer.stop()
                raise _final(error, attempts) from error.__cause__
            forgiven = forgiven or stale
            retries += not stale
            _log.info("retrying in %.2f s (retry %d of %d): %s", delay, retries, max_retries, error)
        except BaseException:
            timer.stop()
            raise
        if delay:
            await _wait(delay, timer, attempts)


async def _attempt(
    transport: Transport, request: Request, accept: Callable[[Response, Timer], Awaitable[_T]], timer: Timer
) -> _T:
    response = await transport.send(request, timer)
    if response.status < 300:
        return await accept(response, timer)
    body = await read_body(response, timer, limit=ERROR_BODY_SIZE, whole=False)
    raise failures.from_response(response.status, response.headers, body)


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


async def _wait(delay: float, timer: Timer, attempts: list[Attempt]) -> None:
    try:
        await timer.sleep(delay)
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
    left = limit
    try:
        while True:
            with timer:
                data = await response.read()
            if not data:
                response.release()
                return b"".join(pieces)
            pieces.append(data)
            left -= len(data)
            if left < 0:
                if whole:
                    raise APIResponseValidationError(f"The answer is longer than {limit} bytes.")
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
