"""`Refusal`: an error as a browser is told it, by status and JSON body, or inside of a stream.

An error of this package comes in; out go a status, headers and the API's own error object. What a server said of the
request is handed on; what concerns the way to that server (names of hosts, timeouts) is ours, and is only summed up.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from openai_async.errors import APIConnectionError, APIError, APIResponseValidationError, APITimeoutError
from openai_async.types.json import is_object

from .errors import RelayError

__all__ = ["STOPPING", "Refusal"]

# What a client needs to wait as long as the server asked.
_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry", "x-request-id")


class Refusal(msgspec.Struct, frozen=True):
    """An error answer.

    Attributes:
        status: The HTTP status, 400 to 599.
        error: The API's error object: `message`, `type`, `param`, `code`.
        headers: Names in lower case; those that tell when to try again, and the request's id.
    """

    status: int
    error: dict[str, Any]
    headers: dict[str, str] = {}

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return what to tell of an error."""
        if isinstance(error, APIConnectionError):
            if isinstance(error, APITimeoutError):
                return cls(504, _object("The model's server did not answer in time.", code="upstream_timeout"))
            return cls(502, _object("The connection to the model's server failed.", code="upstream_connection"))
        if isinstance(error, APIResponseValidationError):
            return cls(
                502, _object("The model's server answered with something that is no answer.", code="bad_upstream")
            )
        if isinstance(error, APIError):
            status = error.status_code if error.status_code is not None and 400 <= error.status_code <= 599 else 502
            headers = {name: error.headers[name] for name in _HEADERS if name in error.headers}
            return cls(status, _of_server(error), headers)
        if isinstance(error, RelayError):
            return cls(error.status_code, error.error)
        return cls(500, _object("The relay failed.", code="relay_failed"))

    @property
    def body(self) -> bytes:
        """The answer's body, JSON."""
        return msgspec.json.encode({"error": self.error})


def _of_server(error: APIError) -> dict[str, Any]:
    """The server's own error object, or one made of what is known of it."""
    body = error.body
    if is_object(body) and is_object(body.get("error")):
        body = body["error"]
    if is_object(body) and isinstance(body.get("message"), str):
        return {"type": None, "param": None, "code": None, **body}
    return _object(error.message, type=error.type or "server_error", param=error.param, code=error.code)


def _object(
    message: str, *, type: str = "server_error", param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    return {"message": message, "type": type, "param": param, "code": code}


STOPPING = Refusal(503, _object("The server is shutting down.", code="server_shutting_down"))
"""What is told to readers of an answer that can't be resumed when their server stops."""
