"""Keys taken out of errors: some servers repeat the key that they refuse.

Keys and the error that answered them come in; the error is changed in place. Nothing here looks at requests' bodies.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

from openai_async.errors import APIError
from openai_async.types.json import is_array, is_object

from .message import Request

__all__ = ["Secret", "Secrets", "masked", "redact", "redacted"]

# Shorter keys ("k", "none") are placeholders, and may be part of a word.
_SECRET_LENGTH = 8
# As much of a key's beginning is taken for the key: a text that was cut off may end in the middle of it. Less may be what
# all keys of a kind begin with ("sk-proj-").
_HEAD_LENGTH = 12
_MASK = "***"

# What the names of headers and of query parameters that hold keys have in common; "sig" and "code" are Azure's.
_TELLING = re.compile(r"auth|token|secret|cookie|passw|credential|signature|(?<!idempotency-)key$|^(sig|code)$")
_PARTS = re.compile(r"[^\s,;]+")


class Secret(str):
    """A key as text that does not show itself: what prints the local variables of a traceback prints a mask."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_MASK)


class Secrets(Iterable[str]):
    """The keys that a request carries in its headers and its query: looked for when an error is to be searched for them.

    Iterated, it gives them, the longest first, possibly none.

    Args:
        request: Its body is not looked at, nor held.
    """

    __slots__ = ("_headers", "_query")

    def __init__(self, request: Request) -> None:
        self._headers = request.headers
        self._query = request.url.partition("?")[2]

    def __iter__(self) -> Iterator[Secret]:
        values = [value for name, value in self._headers.items() if _holds_keys(name)]
        if self._query:
            pairs = (pair.partition("=") for pair in self._query.split("&"))
            sent = [value for name, _, value in pairs if _holds_keys(unquote_plus(name).lower())]
            values += (*sent, *map(unquote_plus, sent))
        found = {Secret(word) for value in values for word in _words(value) if len(word) >= _SECRET_LENGTH}
        return iter(sorted(found, key=len, reverse=True))


def _holds_keys(name: str) -> bool:
    return _TELLING.search(name) is not None


def _words(value: str) -> Iterator[str]:
    """The parts of a header's value of which each may be a key: of "Bearer sk-…" the second, of a cookie what it is set to."""
    for part in _PARTS.findall(value):
        yield part
        yield part.partition("=")[2]


def redact(error: APIError, secrets: Iterable[str]) -> None:
    """Mask keys in the error's message, fields and body.

    Where there was one, the exceptions behind the error and the frames of its traceback so far go as well: their local
    variables hold what the server sent.
    """
    for secret in secrets:
        if any(_shows(one, secret[:_HEAD_LENGTH]) for one in _chain(error)):
            _mask(error, secret)
            error.__cause__ = error.__context__ = error.__traceback__ = None


@contextmanager
def redacted(secrets: Iterable[str]) -> Generator[None]:
    """Mask keys in whatever `APIError` the block raises."""
    try:
        yield
    except APIError as error:
        redact(error, secrets)
        raise


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and all behind it."""
    chain = [error]
    for one in chain:
        chain += [behind for behind in (one.__cause__, one.__context__) if behind is not None and behind not in chain]
    return chain


def _shows(error: BaseException, head: str) -> bool:
    """Whether an exception prints or holds the key: a JSONDecodeError, for one, has all of the body."""
    try:
        return head in str(error) or _holds([*error.args, vars(error)], head)
    except Exception:  # noqa: BLE001 - another program's exception, whose own code ran; it might show anything
        return True


def _holds(value: Any, head: str) -> bool:
    if isinstance(value, str):
        return head in value
    if is_object(value):
        return any(_holds(name, head) or _holds(item, head) for name, item in value.items())
    if is_array(value):
        return any(_holds(item, head) for item in value)
    return head in repr(value)


def _mask(error: APIError, secret: str) -> None:
    error.message = _without(error.message, secret)
    error.args = (error.message,)
    error.body = _masked(error.body, secret)
    error.headers = _masked(error.headers, secret)
    for name in ("code", "type", "param", "request_id"):
        setattr(error, name, _masked(getattr(error, name), secret))


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with a mask wherever it has one of the keys, or the beginning of it."""
    for secret in secrets:
        text = _without(text, secret)
    return text


def _masked(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return _without(value, secret)
    if is_object(value):
        return {_masked(name, secret): _masked(item, secret) for name, item in value.items()}
    if is_array(value):
        return [_masked(item, secret) for item in value]
    return value


def _without(text: str, secret: str) -> str:
    """Return `text` with a mask wherever it has the key, or the beginning of it."""
    head = secret[:_HEAD_LENGTH]
    at = text.find(head)
    if at < 0:
        return text
    pieces: list[str] = []
    start = 0
    while at >= 0:
        end = at + len(head)
        while end < len(text) and end - at < len(secret) and text[end] == secret[end - at]:
            end += 1
        pieces += (text[start:at], _MASK)
        start = end
        at = text.find(head, start)
    return "".join((*pieces, text[start:]))
