"""What a server's error means: a status and a body, or an object inside a stream, become one of our errors.

In come plain data; out goes an exception to raise, never raised here. The class is chosen by HTTP status, and inside
a stream by the error's own `code` or `type`, since a stream has answered 200 already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from openai_async import errors
from openai_async.types.json import is_array, is_object

from .codec import loads
from .text import whole_characters

__all__ = ["from_event", "from_response", "stream_error", "web_page"]

_E = TypeVar("_E", bound=errors.APIError)

# What an error tells of itself, in characters; the rest of a message is in `body`. Of a body that is no JSON, often a
# web page, the beginning is enough.
_MESSAGE_SIZE, _FIELD_SIZE, _TEXT_SIZE = 2000, 200, 16 * 1024
# Where a web page has its title.
_TITLE_SIZE = 4000

# Quotas are not rates: waiting and retrying only delays the news.
_NO_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"})

_BY_STATUS: dict[int, type[errors.APIStatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
}

# Codes and types that stand for a status. Compared in lower case without "_" and "error", so that OpenAI's
# "rate_limit_error", vLLM's "RateLimitError" and Anthropic's "rate_limit" are one.
_BY_NAME: dict[str, int] = {
    "badrequest": 400,
    "contextlengthexceeded": 400,
    "invalidrequest": 400,
    "invalidvalue": 400,
    "authentication": 401,
    "invalidapikey": 401,
    "unauthorized": 401,
    "permission": 403,
    "permissiondenied": 403,
    "modelnotfound": 404,
    "notfound": 404,
    "conflict": 409,
    "unprocessableentity": 422,
    "insufficientquota": 429,
    "ratelimit": 429,
    "ratelimitexceeded": 429,
    "requests": 429,
    "tokens": 429,
    "toomanyrequests": 429,
    "api": 500,
    "internal": 500,
    "internalserver": 500,
    "server": 500,
    "engineoverloaded": 503,
    "overloaded": 529,
    "serviceunavailable": 503,
    "gatewaytimeout": 504,
    "timeout": 504,
}


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> errors.APIStatusError:
    """Return the error that a response of a status other than 2xx stands for.

    Args:
        status: The HTTP status.
        headers: The response's headers, names in lower case.
        body: The body, or its beginning; JSON of any shape, HTML, text, or nothing.

    Returns:
        The error. Of the server's own words it has 2000 characters, of a body that is no JSON 16,384.
    """
    parsed = _parse(body)
    detail = _detail(parsed)
    message = _message(detail) or _summary(status, headers, detail)
    return _build(_class_for(status, detail), message, detail, status, headers)


def from_event(payload: Any, *, headers: Mapping[str, str]) -> errors.APIError:
    """Return the error that an object inside a stream stands for.

    Args:
        payload: The decoded data: an object with `error`, the error object itself, or text.
        headers: The headers of the response that carries the stream.
    """
    detail = _detail(payload)
    message = _message(detail) or "The server reported an error, without saying which."
    status = _status_of(detail)
    if status is None:
        return _build(errors.APIError, message, detail, None, headers)
    return _build(_class_for(status, detail), message, detail, status, headers)


def stream_error(payload: dict[str, Any], event: str | None) -> Any:
    """The part of an event's JSON object that is an error, or None when it is an ordinary chunk.

    Known forms: an event named "error"; `{"error": …}` (OpenAI, OpenRouter, llama.cpp), also with a null or empty
    error on ordinary chunks; `{"object": "error", …}` (older vLLM); a bare `{"code", "message"}` (Anthropic's and
    IBM's proxies); and `finish_reason: "error"` with the error in the choice (OpenRouter).
    """
    if event == "error" or payload.get("object") == "error":
        return payload
    choices = payload.get("choices")
    error = payload.get("error")
    if error or (error is not None and error is not False and "choices" not in payload):
        return payload
    if not choices and payload.get("message") and _is_failure(payload):
        return payload
    if is_array(choices):
        for choice in choices:
            if is_object(choice) and choice.get("error") and choice.get("finish_reason") == "error":
                return {"error": choice["error"]}
    return None


def _is_failure(payload: dict[str, Any]) -> bool:
    """Whether what stands beside a message marks it as an error; "code": 200 is some proxies' word for success."""
    code = payload.get("code")
    return bool(payload.get("type") or (code and not (isinstance(code, int) and 200 <= code < 300)))


def _class_for(status: int, detail: Any) -> type[errors.APIStatusError]:
    if status >= 500:
        return errors.InternalServerError
    names = (detail.get("code"), detail.get("type")) if is_object(detail) else ()
    if status == 429 and any(isinstance(name, str) and name in _NO_QUOTA for name in names):
        return errors.InsufficientQuotaError
    return _BY_STATUS.get(status, errors.APIStatusError)


def _build(cls: type[_E], message: str, detail: Any, status: int | None, headers: Mapping[str, str]) -> _E:
    fields: dict[str, str | None] = dict.fromkeys(("code", "type", "param"))
    if is_object(detail):
        for name in fields:
            value = detail.get(name)
            if value is not None and not isinstance(value, dict | list):
                fields[name] = whole_characters(str(value)[:_FIELD_SIZE])
    return cls(
        message,
        status_code=status,
        headers=dict(headers),
        request_id=headers.get("x-request-id"),
        body=detail[:_TEXT_SIZE] if isinstance(detail, str) else detail,
        **fields,
    )


def _parse(body: bytes) -> Any:
    """The body as JSON, else as text, else None."""
    if not body.strip():
        return None
    try:
        return loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _detail(payload: Any) -> Any:
    """The error object inside a body: OpenAI's `error`, else the body itself."""
    if is_array(payload) and payload and is_object(payload[0]):
        return _detail(payload[0])  # Gemini's compatible endpoint wraps its body in a list
    error = payload.get("error") if is_object(payload) else None
    # Some gateways put a sentence, a code or just `true` here, and the rest beside it.
    return error if error and (is_object(error) or is_array(error) or len(payload) == 1) else payload


def _message(detail: Any) -> str | None:
    """The human sentence in an error of any shape, or None."""
    if isinstance(detail, str):
        return None if _is_html(detail) else _shortened(detail) or None
    if is_array(detail) and detail:
        return _message(detail[0])
    if is_object(detail):
        for name in ("message", "detail", "msg", "error", "error_description"):
            value = detail.get(name)
            if isinstance(value, str) and (said := _shortened(value)):
                return said
            if is_array(value) and value:  # FastAPI's list of validation errors
                return _message(value[0])
            if is_object(value) and (nested := _message(value)):  # Mistral's 422: that list, inside of "message"
                return nested
    return None


def _shortened(text: str) -> str:
    """Return a server's words as they can be shown: no more than `_MESSAGE_SIZE`, without halves of characters."""
    said = text.strip()
    return whole_characters(said if len(said) <= _MESSAGE_SIZE else f"{said[:_MESSAGE_SIZE]}…")


def web_page(text: str) -> str | None:
    """Return what to call `text` when it is a web page (with its title, if it has one), or None when it is none."""
    if not _is_html(text):
        return None
    # Of a beginning only: in a page of a million titles that never end, the search would take hours.
    title = re.search(r"<title[^>]*>(.*?)</title>", text[:_TITLE_SIZE], re.IGNORECASE | re.DOTALL)
    return f"a web page titled {title[1].strip()[:200]!r}" if title else "a web page"


def _is_html(text: str) -> bool:
    return text.lstrip()[:15].lower().startswith(("<!doctype", "<html", "<head", "<?xml"))


def _summary(status: int, headers: Mapping[str, str], detail: Any) -> str:
    """A sentence for a refusal that holds none."""
    if status < 200:
        return f"The server answered with status {status}, which no answer to such a request has."
    if 300 <= status < 400:
        return (
            f"The server redirects to {headers.get('location', 'an unnamed place'):.500}; redirects are not followed, "
            "because the API key would go along. Set base_url to the final address."
        )
    if detail is None:
        return "The server sent no body."
    page = web_page(detail) if isinstance(detail, str) else None
    if page is not None:
        return f"The server sent {page}; is there a proxy in between, or is base_url wrong?"
    return "The server gave no message; see the error's body."


def _status_of(detail: Any) -> int | None:
    """The HTTP status that an in-stream error names by number or by word, or None."""
    if not is_object(detail):
        return None
    for name in ("code", "status_code", "status", "type"):
        value = detail.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 300 <= value < 600:
            return value
        if isinstance(value, str):
            known = _BY_NAME.get(value.lower().replace("_", "").replace("error", ""))
            if known is not None:
                return known
    return None
