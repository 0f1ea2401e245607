"""Keys taken out of errors: some servers repeat the key that they refuse.

Keys and the error that answered them come in; the error is changed in place. Nothing here looks at requests' bodies.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from openai_async.errors import APIError
from openai_async.types.json import is_array, is_object

from .message import Request

__all__ = ["redact", "redacted", "secrets_of"]

# Shorter keys ("k", "none") are placeholders, and may be part of a word.
_SECRET_LENGTH = 8
_MASK = "***"


def secrets_of(request: Request) -> tuple[str, ...]:
    """Return the keys that a request carries, possibly none."""
    # "Bearer sk-…", or Azure's header, which is the bare key.
    values = (request.headers.get("authorization", "").rpartition(" ")[2], request.headers.get("api-key", ""))
    return tuple(value for value in values if len(value) >= _SECRET_LENGTH)


def redact(error: APIError, secrets: tuple[str, ...]) -> None:
    """Mask keys in the error's message, fields and body; an exception behind it that has one is cut off."""
    for secret in secrets:
        _mask(error, secret)


@contextmanager
def redacted(secrets: tuple[str, ...]) -> Generator[None]:
    """Mask keys in whatever `APIError` the block raises."""
    try:
        yield
    except APIError as error:
        redact(error, secrets)
        raise


def _mask(error: APIError, secret: str) -> None:
    error.message = error.message.replace(secret, _MASK)
    error.args = (error.message,)
    error.body = _masked(error.body, secret)
    error.headers = _masked(error.headers, secret)
    for name in ("code", "type", "param"):
        setattr(error, name, _masked(getattr(error, name), secret))
    front: BaseException = error
    while (behind := front.__cause__ or front.__context__) is not None:
        if any(isinstance(value, str) and secret in value for value in (*behind.args, *vars(behind).values())):
            # A JSONDecodeError, for one, has all of the body.
            front.__cause__ = front.__context__ = None
        front = behind


def _masked(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace(secret, _MASK)
    if is_object(value):
        return {_masked(name, secret): _masked(item, secret) for name, item in value.items()}
    if is_array(value):
        return [_masked(item, secret) for item in value]
    return value
