"""How a stream ended: the answer is whole, or it is not, and why.

A reader whose stream is over comes in, and what was seen of the answer; out goes what ends the iteration. Nothing here
reads or waits.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Protocol

from openai_async.errors import APIConnectionError, APIError, APITimeoutError, IncompleteStreamError, StreamStateError
from openai_async.types.completion import ChatCompletion

from .response import ResponseInfo, not_an_answer

__all__ = ["Over", "Seen", "ending_of"]


class Over(Protocol):
    """What decides of a reader that reads no more; its attributes are explained there."""

    asked: int
    chunked: bool
    closed: bool
    done: bool
    failure: APIError | None
    info: ResponseInfo

    @property
    def reads(self) -> Sequence[bytes] | None:
        """The bytes that came, where they are kept."""
        ...

    def snapshot(self) -> ChatCompletion:
        """Return the completion as far as it was handed out."""
        ...


class Seen(Protocol):
    """What of an answer was seen, by who decides whether it is whole."""

    @property
    def choices(self) -> Sized:
        """The choices that began."""
        ...

    @property
    def usage(self) -> object:
        """The tokens billed; None: not told."""
        ...

    @property
    def finished(self) -> bool:
        """Whether a choice began, and each that did has its `finish_reason`."""
        ...


def ending_of(reader: Over, seen: Seen) -> Exception:
    """Return what ends the iteration of a stream that is over: `StopAsyncIteration`, or why there is no answer.

    Args:
        reader: Which reads no more.
        seen: Of the answer: what was handed out, or all that came.
    """
    failure = reader.failure
    if failure is not None and not isinstance(failure, APIConnectionError):
        return failure
    # The body ended, cleanly or not. A connection that breaks after the last finish_reason breaks nothing.
    if reader.done and not (seen.choices or seen.usage):
        body = reader.snapshot().to_json(indent=None).encode() if reader.chunked else b"data: [DONE]"
        return not_an_answer(reader.info, body, "a stream with an answer in it")
    # In order, fewer answers than asked for are the server's decision; after a break, nobody else would miss one.
    all_began = failure is None or len(seen.choices) >= reader.asked
    if reader.done or (seen.finished and all_began):
        return StopAsyncIteration()
    if failure is None and reader.closed:
        return StreamStateError("The stream was closed before its end; `snapshot` has what was received.")
    if failure is None and not reader.chunked:
        body = b"".join(reader.reads or ())
        return not_an_answer(reader.info, body, "a stream with an answer in it" if body else "an event stream")
    if isinstance(failure, APITimeoutError | IncompleteStreamError):
        return failure
    how = failure.message if failure is not None else "the server closed it without an error."
    error = IncompleteStreamError(f"The stream ended before the answer did: {how}")
    error.__cause__ = failure
    return error
