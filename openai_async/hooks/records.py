"""Records: what hooks are told of a request, and of the tools of a run.

The client makes them and hooks read them. They are plain data, frozen, and can be encoded by msgspec as they are. What
was asked and answered is not part of that: prompts, answers, arguments of tools are read by name only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Literal, Self, TypeAlias

import msgspec

from openai_async.types.completion import ChatCompletion
from openai_async.types.usage import CompletionUsage

__all__ = [
    "AttemptEnded",
    "ContentArrived",
    "FirstToken",
    "Outcome",
    "Record",
    "RequestEnded",
    "RequestStarted",
    "ToolEnded",
    "ToolOutcome",
    "ToolStarted",
    "next_call",
]

Outcome: TypeAlias = Literal["done", "error", "cancelled", "left"]
"""How a request ended: answered; failed; its task was cancelled; its reader went away before the answer's end."""

ToolOutcome: TypeAlias = Literal["done", "error", "cancelled", "skipped"]
"""How the call of a tool ended: with a result; with an error; cancelled; not made, for another one ended the run."""

_calls = count(1)


def next_call() -> int:
    """Return a number that no other request and no other tool call of this process has."""
    return next(_calls)


class _Record(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="record", dict=True):
    """The base of all records.

    Attributes:
        call: A number that all records of one request, or of one call of a tool, have in common, and no others in
            this process.
    """

    call: int

    def holding(self, **content: Any) -> Self:
        """Return the record itself, with content that neither its repr nor its JSON shows."""
        vars(self).update(content)
        return self


class RequestStarted(_Record, frozen=True, kw_only=True):
    """A request begins. It is told before a limiter is waited for, and before a key is asked for.

    Attributes:
        operation: What is asked of the API: "chat.completions.create", whichever method asks for it, "….retrieve",
            "….update", "….delete", "….list", "….messages.list"; of other routes the method in small letters.
        method: Of HTTP, in capitals.
        path: Of the address, without its query.
        address: The server's host, as `base_url` has it.
        port: The server's port.
        model: The model asked for; None: none is.
        stream: Whether the body asks for a stream.
        parameters: What else the body asks for, by the API's names, as plain JSON. Neither messages nor tools, nor
            what may name a person; of a response format only its type.
    """

    operation: str
    method: str
    path: str
    address: str
    port: int
    model: str | None
    stream: bool
    parameters: Mapping[str, Any]

    @property
    def body(self) -> bytes | None:
        """The body as it is sent, prompt included: not in the record's repr, nor in its JSON. None: there is none."""
        return vars(self).get("body")


class AttemptEnded(_Record, frozen=True, kw_only=True):
    """An attempt failed, or was answered: of a stream, its first content is here.

    One that is cancelled, or for which there is no key, is not told.

    Attributes:
        number: Counted from 1.
        seconds: From the attempt's start.
        status: Of HTTP, or what an error in the answer stands for; None: there was no response.
        error: The class of the error, such as "RateLimitError"; None: it was answered.
        request_id: The server's `x-request-id`; None: it sent none.
        delay: Seconds until the next attempt; None: there is none.
    """

    number: int
    seconds: float
    status: int | None
    error: str | None
    request_id: str | None
    delay: float | None


class FirstToken(_Record, frozen=True, kw_only=True):
    """The first content of a stream is here: text, a tool call, a refusal …, and not a keep-alive or the role.

    Attributes:
        seconds: From the request's start, failed attempts and waits included.
    """

    seconds: float


class ContentArrived(_Record, frozen=True, kw_only=True):
    """A read of a stream brought content. Only hooks whose `per_chunk` is True are told (see `Hook`), read by read.

    Attributes:
        seconds: From the request's start, failed attempts and waits included.
        chunks: How many chunks of content came, all at the same time. Roles, keep-alives and the usage are none; what
            says why a choice ended is one.
        model: The model that answers; None: not known.
    """

    seconds: float
    chunks: int
    model: str | None


class RequestEnded(_Record, frozen=True, kw_only=True):
    """A request is over, which is told exactly once: of a stream, when its last byte is here, or it is closed.

    What the answer says is told of new completions only, and not of a stream whose bytes you read yourself.

    Attributes:
        outcome: See `Outcome`.
        seconds: From the request's start, failed attempts and waits included.
        attempts: How many attempts ended, the one that was answered included.
        first_token: Seconds from the request's start to the first content of a stream; None: there is no stream, or
            nothing came.
        status: Of HTTP, of the last response, or what an error in the stream stands for; None: there was none.
        error: The class of what was raised, such as "APITimeoutError"; None: nothing, or a cancellation.
        request_id: The last response's `x-request-id`; None: it had none.
        response_id: The completion's id; None: not known.
        model: The model that answered; None: not known.
        service_tier, system_fingerprint: As the answer tells them; None: it does not.
        finish_reasons: Of each choice that was seen, in their order; None: that choice had not ended.
        usage: Tokens that are billed; None: not known. A stream tells with `stream_options={"include_usage": True}`.
        chunks: How many chunks of the stream came; None: there is no stream.
    """

    outcome: Outcome
    seconds: float
    attempts: int
    first_token: float | None = None
    status: int | None = None
    error: str | None = None
    request_id: str | None = None
    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    finish_reasons: tuple[str | None, ...] = ()
    usage: CompletionUsage | None = None
    chunks: int | None = None

    @property
    def completion(self) -> ChatCompletion | None:
        """The answer as far as it came, made anew when it is asked for; None: there is none.

        It is neither in the record's repr nor in its JSON.
        """
        make: Callable[[], ChatCompletion | None] | None = vars(self).get("completion")
        return None if make is None else make()


class ToolStarted(_Record, frozen=True, kw_only=True):
    """A run of tools answers a call of the model's.

    Attributes:
        tool: The name that the model called.
        tool_call_id: The model's id of the call.
        offered: Whether the run has a tool of that name; else the model made it up.
    """

    tool: str
    tool_call_id: str
    offered: bool = True

    @property
    def arguments(self) -> str | None:
        """The arguments as the model wrote them: neither in the record's repr nor in its JSON."""
        return vars(self).get("arguments")


class ToolEnded(_Record, frozen=True, kw_only=True):
    """The call of a tool is over, which is told exactly once.

    Attributes:
        tool, tool_call_id, offered: As in `ToolStarted`.
        outcome: See `ToolOutcome`.
        seconds: From its start.
        error: The class of the error, that of arguments that do not fit included; None: there is none.
    """

    tool: str
    tool_call_id: str
    outcome: ToolOutcome
    seconds: float
    error: str | None = None
    offered: bool = True

    @property
    def result(self) -> str | None:
        """What the model is told; None: nothing. It is neither in the record's repr nor in its JSON."""
        return vars(self).get("result")


Record: TypeAlias = RequestStarted | AttemptEnded | FirstToken | ContentArrived | RequestEnded | ToolStarted | ToolEnded
"""Any record."""
