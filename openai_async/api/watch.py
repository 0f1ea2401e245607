"""`Watch`: one request as hooks are told of it, from its start to its end.

What happens to the request comes in; records go to the hooks. It is made only where there are hooks, and once a request:
nothing here is called for a chunk, unless a hook asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from openai_async.errors import APIError, Attempt
from openai_async.hooks.hook import Hooks
from openai_async.hooks.records import (
    AttemptEnded,
    ContentArrived,
    FirstToken,
    Outcome,
    RequestEnded,
    RequestStarted,
    next_call,
)
from openai_async.transport.loops import running_loop
from openai_async.transport.message import Response, StaleConnectionError
from openai_async.transport.redaction import masked
from openai_async.transport.timer import Timer
from openai_async.types.completion import ChatCompletion
from openai_async.types.json import is_object

from .findings import Findings
from .request import Plan, header_value

__all__ = ["CREATE", "Watch", "operation_of", "outcome_of", "parameters_of"]

CREATE = "chat.completions.create"

_COMPLETIONS = "/chat/completions"
_OF_ONE = {"GET": "chat.completions.retrieve", "POST": "chat.completions.update", "DELETE": "chat.completions.delete"}

# What a request asks for beside its texts. Left out: what names a person (`user`, `metadata`, cache keys) or is content.
_PARAMETERS = frozenset(
    {
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
        "verbosity",
    }
)

# Of a body only the top is decoded: a prompt may be megabytes.
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Watch:
    """One request, and the hooks that are told of it.

    Args:
        hooks: Told at once that it started.
        plan: The request; it is not held.

    Attributes:
        creates: Whether the request is for a new completion.
        headers: What hooks add to the request's.
        stream: Whether it asks for a stream.
        secrets: Keys that no record may show.

    Raises:
        OpenAIError: No event loop of asyncio's is running here; no hook was told.
    """

    def __init__(self, hooks: Hooks, plan: Plan) -> None:
        self._hooks = hooks
        self._call = next_call()
        self._loop = running_loop()
        self._began = self._loop.time()
        self._attempts = 0
        self._first_token: float | None = None
        self._head: int | None = None  # the status of the attempt under way
        self._status: int | None = None
        self._request_id: str | None = None
        self._model: str | None = None  # of the stream, once its content comes
        self._ended = False
        self.headers: Mapping[str, str] = {}
        self.secrets: Iterable[str] = ()
        parameters = parameters_of(plan.body)
        address = urlsplit(plan.url)
        operation = operation_of(plan.method, address.path)
        self.creates: bool = operation == CREATE
        self.stream: bool = parameters.pop("stream", None) is True
        model = parameters.pop("model", None)
        started = RequestStarted(
            call=self._call,
            operation=operation,
            method=plan.method,
            path=address.path,
            address=address.hostname or "",
            port=address.port or (443 if address.scheme == "https" else 80),
            model=model if isinstance(model, str) else None,
            stream=self.stream,
            parameters=parameters,
        )
        try:
            hooks.tell(started.holding(body=plan.body))
            self.headers = hooks.headers_for(started, plan.headers, header_value)
        except BaseException as error:
            self.end_by(error)
            raise

    def accepts(self, response: Response) -> None:
        """The head of a response of status 2xx is here, whatever its body turns out to be."""
        self._head = response.status

    def failed(self, error: APIError, attempt: Attempt) -> None:
        """An attempt failed; what it showed is masked already."""
        self._attempts += 1
        self._status, self._request_id = error.status_code or self._head, error.request_id
        self._head = None
        self._hooks.tell(
            AttemptEnded(
                call=self._call,
                number=self._attempts,
                seconds=attempt.elapsed,
                status=self._status,
                error=_name_of(error),
                request_id=error.request_id,
                delay=attempt.delay,
            )
        )

    def answered(self, response: Response, timer: Timer) -> None:
        """An attempt was answered, and what came is an answer, or the beginning of one."""
        self._attempts += 1
        self._status = response.status
        self._request_id = _masked(response.headers.get("x-request-id"), self.secrets)
        record = AttemptEnded(
            call=self._call,
            number=self._attempts,
            seconds=self._loop.time() - timer.marks["sent"],
            status=self._status,
            error=None,
            request_id=self._request_id,
            delay=None,
        )
        self._hooks.tell(record)

    def first_token(self, timer: Timer) -> None:
        """The first content of a stream came, or the stream is over without."""
        at = timer.marks.get("first_token")
        if at is not None:
            self._first_token = at - self._began
            self._hooks.tell(FirstToken(call=self._call, seconds=self._first_token))

    def content(self, at: float, chunks: int, model: str) -> None:
        """A read brought content; called only where a hook asks.

        Args:
            at: When, in seconds of the loop's clock.
            chunks: How many chunks of it.
            model: As they name it; "": they don't.
        """
        if self._model is None and model:
            self._model = masked(model, self.secrets)
        self._hooks.tell(ContentArrived(call=self._call, seconds=at - self._began, chunks=chunks, model=self._model))

    def end_by(self, error: BaseException) -> None:
        """The call ended by an exception, before anything was handed out."""
        self.end(outcome_of(error), error)

    def end(
        self,
        outcome: Outcome,
        error: BaseException | None = None,
        found: Findings | None = None,
        completion: Callable[[], ChatCompletion | None] | None = None,
        *,
        collected: bool = False,
    ) -> None:
        """The request is over; the second time it says so, nothing happens.

        Args:
            outcome: How it ended.
            error: What was raised; None: nothing.
            found: What the answer says of itself; None: not known.
            completion: Makes the answer as far as it came; None: it is not known.
            collected: Whether the garbage collector says so. It does in the midst of any code, a hook's included, which
                may hold a lock that the hook would wait for: so the hooks are told by the loop, while it runs.
        """
        if self._ended:
            return
        self._ended = True
        status = self._status if not isinstance(error, APIError) else error.status_code or self._status
        found, secrets = found or Findings(), tuple(self.secrets)
        record = RequestEnded(
            call=self._call,
            outcome=outcome,
            seconds=self._loop.time() - self._began,
            attempts=self._attempts,
            first_token=self._first_token,
            status=status,
            error=_name_of(error) if outcome == "error" else None,
            request_id=self._request_id,
            response_id=_masked(found.response_id, secrets),
            model=_masked(found.model, secrets),
            service_tier=_masked(found.service_tier, secrets),
            system_fingerprint=_masked(found.system_fingerprint, secrets),
            finish_reasons=tuple([_masked(reason, secrets) for reason in found.finish_reasons]),
            usage=found.usage,
            chunks=found.chunks,
        )
        if completion is not None:
            record.holding(completion=completion)
        if collected and self._loop.is_running():
            with suppress(RuntimeError):  # it was closed just now
                self._loop.call_soon_threadsafe(self._hooks.tell, record)
                return
        self._hooks.tell(record)


def _name_of(error: BaseException | None) -> str:
    """The class of an error, as it is public: a stale connection is a word between transport and retries."""
    return "APIConnectionError" if isinstance(error, StaleConnectionError) else type(error).__name__


def _masked(text: str | None, secrets: Iterable[str]) -> str | None:
    """A server's words without the keys that it repeats."""
    return None if text is None else masked(text, secrets)


def outcome_of(error: BaseException | None) -> Outcome:
    """Return what an exception that ends a request makes of it; None, and a generator that is closed: its reader left."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "left" if error is None or isinstance(error, GeneratorExit) else "error"


def operation_of(method: str, path: str) -> str:
    """Return what a request asks of the API, by its route; see `RequestStarted.operation`."""
    _, found, rest = path.removesuffix("/").rpartition(_COMPLETIONS)
    if found and not rest:
        return {"POST": CREATE, "GET": "chat.completions.list"}.get(method, method.lower())
    if found and rest.endswith("/messages"):
        return "chat.completions.messages.list"
    return _OF_ONE.get(method, method.lower()) if found and rest.count("/") == 1 else method.lower()


def parameters_of(body: bytes | None) -> dict[str, Any]:
    """Return what a body asks for, its texts aside; of a response format only the type. No object: nothing."""
    try:
        fields: Mapping[str, msgspec.Raw] = _fields.decode(body or b"{}")
        parameters = {name: msgspec.json.decode(fields[name]) for name in _PARAMETERS & fields.keys()}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    form = parameters.get("response_format")
    if is_object(form):
        parameters["response_format"] = form.get("type")
    return parameters
