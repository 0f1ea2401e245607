"""Every error that this package raises, as a tree.

    OpenAIError
    ├── APIError                          something went wrong between here and the answer
    │   ├── APIConnectionError            the request or its answer did not get through
    │   │   ├── APITimeoutError           a limit passed; `phase` says which
    │   │   └── IncompleteStreamError     the stream ended before the answer did
    │   ├── APIStatusError                the server refused: a status of 3xx, 4xx or 5xx, or an error in the stream
    │   │   ├── BadRequestError           400
    │   │   ├── AuthenticationError       401
    │   │   ├── PermissionDeniedError     403
    │   │   ├── NotFoundError             404
    │   │   ├── ConflictError             409
    │   │   ├── UnprocessableEntityError  422
    │   │   ├── RateLimitError            429
    │   │   │   └── InsufficientQuotaError   429, and waiting does not help
    │   │   └── InternalServerError       500 and above
    │   └── APIResponseValidationError    the server answered something that is no answer
    │       └── StreamProtocolError       the stream breaks the rules that make it readable
    ├── StreamStateError                  a stream was used in a way that it can't be (also a RuntimeError)
    ├── LengthFinishReasonError           cut off by a token limit where there was something to parse
    ├── ContentFilterFinishReasonError    withheld by the content filter where there was something to parse
    ├── OutputParseError                  the answer's JSON is broken or does not fit its type (also a ValueError)
    └── ToolLoopError                     the model still calls tools after as many turns as it may have

Fields are plain data, so that every error can be pickled, logged and shown. This module imports nothing of ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "IncompleteStreamError",
    "InsufficientQuotaError",
    "InternalServerError",
    "LengthFinishReasonError",
    "NotFoundError",
    "OpenAIError",
    "OutputParseError",
    "PermissionDeniedError",
    "RateLimitError",
    "StreamProtocolError",
    "StreamStateError",
    "TimeoutPhase",
    "ToolLoopError",
    "UnprocessableEntityError",
]

TimeoutPhase = Literal["pool", "connect", "first_token", "idle", "total"]


class Attempt(NamedTuple):
    """One try of a request that was tried more than once.

    Attributes:
        error: What went wrong, in one line.
        status_code: The HTTP status; None: there was no response.
        elapsed: Seconds from the try's start to its failure.
        delay: Seconds waited before the next try; None: there was none.
    """

    error: str
    status_code: int | None
    elapsed: float
    delay: float | None


class OpenAIError(Exception):
    """The base of all errors of this package; raised itself when the client is set up wrongly."""


class APIError(OpenAIError):
    """Something went wrong between here and the answer.

    Attributes:
        message: What happened, as this package or the server put it; of the server's words the first 2000 characters.
        status_code: The HTTP status, or for an error inside a stream the status it stands for; None: there is none.
        headers: The response's headers, names in lower case; empty when there was no response.
        request_id: The server's `x-request-id`, to quote in a support request; None: it sent none.
        code, type, param: The error object's fields, as text of at most 200 characters; None: not sent.
        body: The error object, or whatever JSON or text the server sent instead, of text the beginning; None: nothing.
        partial: The `ChatCompletion` received until then; None: nothing was.
        attempts: Every try of the request, in order; empty when the first one was the only one.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        headers: dict[str, str] | None = None,
        request_id: str | None = None,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        body: Any = None,
        partial: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.headers: dict[str, str] = headers or {}
        self.request_id = request_id
        self.code = code
        self.type = type
        self.param = param
        self.body: Any = body
        self.partial: Any = partial
        self.attempts: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        text = self.message
        if self.status_code is not None:
            text = f"Error code: {self.status_code} - {text}"
        if self.request_id:
            text += f" (request id: {self.request_id})"
        if len(self.attempts) > 1:
            text += f" (after {len(self.attempts)} attempts)"
        return text


class APIConnectionError(APIError):
    """The request or its answer did not get through: DNS, refused, TLS, proxy, reset; `__cause__` has the detail."""


class APITimeoutError(APIConnectionError):
    """A time limit passed.

    Attributes:
        phase: Which limit: waiting for a connection of the pool ("pool"), connecting ("connect"), until the first
            token ("first_token"), between two tokens ("idle"), or the whole call with its retries ("total").
    """

    def __init__(self, message: str, *, phase: TimeoutPhase = "total", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.phase: TimeoutPhase = phase


class IncompleteStreamError(APIConnectionError):
    """The stream ended before the answer did: no `[DONE]`, and a choice without `finish_reason`.

    What was received is in `partial`.
    """


class APIStatusError(APIError):
    """The server refused. Subclasses are chosen by status; a status without one of its own raises this class."""

    default_status: ClassVar[int | None] = None


class BadRequestError(APIStatusError):
    """400: the request is wrong; sending it again changes nothing."""

    default_status: ClassVar[int | None] = 400


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""

    default_status: ClassVar[int | None] = 401


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""

    default_status: ClassVar[int | None] = 403


class NotFoundError(APIStatusError):
    """404: no such model, completion or route (a `base_url` without `/v1`, often)."""

    default_status: ClassVar[int | None] = 404


class ConflictError(APIStatusError):
    """409: another request is changing the same thing."""

    default_status: ClassVar[int | None] = 409


class UnprocessableEntityError(APIStatusError):
    """422: the request is well-formed and still can't be met."""

    default_status: ClassVar[int | None] = 422


class RateLimitError(APIStatusError):
    """429: too many requests or tokens; the client waits and retries before it raises this."""

    default_status: ClassVar[int | None] = 429


class InsufficientQuotaError(RateLimitError):
    """429 without hope: the account's quota or budget is used up. Never retried."""


class InternalServerError(APIStatusError):
    """500 and above: the server's fault."""

    default_status: ClassVar[int | None] = 500


class APIResponseValidationError(APIError):
    """The server answered with something that is no answer: HTML, nothing, JSON of another kind."""


class StreamProtocolError(APIResponseValidationError):
    """The stream breaks the rules that make it readable: malformed JSON, an endless event, an impossible index."""


class StreamStateError(OpenAIError, RuntimeError):
    """A stream was used in a way that it can't be: by two tasks at once, or after it was closed."""


class LengthFinishReasonError(OpenAIError):
    """The answer was cut off by a token limit, so there is nothing whole to parse.

    Attributes:
        completion: All that was received, usage included.
    """

    def __init__(self, completion: Any) -> None:
        super().__init__(completion)
        self.completion = completion

    @property
    def partial(self) -> Any:
        """The same as `completion`: every error of a stream has what was received under this name."""
        return self.completion

    def __str__(self) -> str:
        usage = getattr(self.completion, "usage", None)
        told = f": {usage.completion_tokens} tokens were used" if usage is not None else ""
        return f"The answer was cut off by the token limit and could not be parsed{told}. Raise max_completion_tokens."


class ContentFilterFinishReasonError(OpenAIError):
    """The content filter withheld the answer, so there is nothing whole to parse.

    Attributes:
        completion: All that was received.
    """

    def __init__(self, completion: Any = None) -> None:
        super().__init__(completion)
        self.completion = completion

    @property
    def partial(self) -> Any:
        """The same as `completion`: every error of a stream has what was received under this name."""
        return self.completion

    def __str__(self) -> str:
        return "The content filter withheld the answer; there is nothing to parse."


class OutputParseError(OpenAIError, ValueError):
    """What the model wrote is broken JSON, or JSON that does not fit the type asked for.

    Attributes:
        reason: What is wrong, in one line.
        place: Where: a JSON path such as `$.steps[1].output`, or `byte 17` for broken JSON; "": the whole text.
        text: The whole text that the model wrote.
        target: What it was to be: the name of the type, or of the tool whose arguments it is.
        completion: All that was received, usage included; None: it is not known where the text came from.
    """

    def __init__(self, reason: str, *, text: str, target: str, place: str = "", completion: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text
        self.target = target
        self.place = place
        self.completion = completion

    @property
    def partial(self) -> Any:
        """The same as `completion`: every error of a stream has what was received under this name."""
        return self.completion

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        sample = self.text if len(self.text) <= 200 else f"{self.text[:200]}…"
        return f"The answer is no valid {self.target}: {self.reason}{where}. The model wrote: {sample!r}"

    def __reduce__(self) -> Any:
        fields = {name: getattr(self, name) for name in ("text", "target", "place", "completion")}
        return partial(type(self), self.reason, **fields), ()


class ToolLoopError(OpenAIError):
    """The model still calls tools after as many turns as `max_turns` allows; its last calls were not made.

    Attributes:
        run: The `ToolRun` so far. Its messages end before the last answer, and can be sent again.
    """

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self.run = run

    @property
    def partial(self) -> Any:
        """The last answer, under the name that errors of streams have it."""
        return self.run.completion

    def __str__(self) -> str:
        return f"The model still calls tools after {self.run.turns} turns. Raise max_turns, or see why it never ends."
