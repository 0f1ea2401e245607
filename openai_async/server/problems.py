"""What goes wrong, in the API's own shape.

A status, a sentence and a code come in; out goes the JSON body and the headers of an error answer. It never decides
whether something is wrong: the checks, the faults and the responders do, and raise a `Problem`.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Problem"]

# What the API calls the trouble when nothing more exact is known.
_TYPES = {429: "requests"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded", 503: "service_unavailable"}


class Problem(Exception):  # noqa: N818 - an answer like any other to whoever serves it, no fault of the program
    """An error answer: `{"error": {"message", "type", "param", "code"}}` with a status.

    Responders raise it, and put it into a `Script`, to make the server refuse a request.

    Args:
        status: HTTP status, 400 to 599.
        message: The sentence for the user.
        type: The kind of trouble; None: the API's usual one for the status.
        param: Path of the parameter to blame (`messages[0].role`); None: no single one.
        code: Machine-readable cause; None: the API's usual one for the status, null where it has none.
        retry_after: Seconds that the client is told to wait; None: no such header.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type: str = type or _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
        self.param = param
        self.code: str | None = code if code is not None else _CODES.get(status)
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON body, as plain data."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to this error; empty for most."""
        if self.retry_after is None:
            return {}
        return {
            "retry-after": f"{max(self.retry_after, 0):g}",
            "retry-after-ms": f"{max(self.retry_after, 0) * 1000:.0f}",
        }

    def encode(self) -> bytes:
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)
