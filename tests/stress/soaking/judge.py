"""`Seen` and `mismatch`: what came of a stream, and whether that is what had to come of it."""

from __future__ import annotations

from dataclasses import dataclass

from openai_async.errors import APIError, APITimeoutError
from openai_async.types.chat import ChatCompletion

from .script import Script

__all__ = ["Seen", "mismatch"]


@dataclass
class Seen:
    """What came of a stream.

    Attributes:
        error: What ended it, or None: its end, or the client's leaving.
        completion: As far as it was handed out; None: it did not begin.
        text: What the view that was used told of answer 0; None: that view tells no text.
        retries: Attempts that failed before the one that was answered; None: none was.
        chunks: How many came.
    """

    error: BaseException | None = None
    completion: ChatCompletion | None = None
    text: str | None = None
    retries: int | None = None
    chunks: int = 0


def mismatch(script: Script, seen: Seen) -> str | None:
    """Say in what the outcome differs from the one that there had to be; None: in nothing."""
    expected = script.expected
    error = type(seen.error).__name__ if seen.error is not None else None
    if error == expected.unopened and error is not None and seen.completion is None:
        return None
    if error != expected.error:
        return f"{seen.error!r:.300} instead of {expected.error}"
    if isinstance(seen.error, APITimeoutError) and seen.error.phase != expected.phase:
        return f"the limit {seen.error.phase} instead of {expected.phase}"
    if isinstance(seen.error, APIError):
        if _texts(seen.error.partial) != expected.texts:
            return f"partial has {_texts(seen.error.partial)!r:.300} instead of {expected.texts!r:.300}"
        if seen.completion is not None and _texts(seen.completion) != expected.texts:
            return "the snapshot has something else than partial"
        return None
    if _texts(seen.completion) != expected.texts:
        return f"{_texts(seen.completion)!r:.300} instead of {expected.texts!r:.300}"
    if seen.completion is None:
        return None
    if seen.text is not None and seen.text != (expected.texts or {})[0]:
        return f"the view {script.view} told {seen.text!r:.300} instead of {expected.texts!r:.300}"
    return _details(script, seen.completion, seen.retries)


def _details(script: Script, completion: ChatCompletion, retries: int | None) -> str | None:
    """What else a complete answer has: its id, its calls and its usage, and the attempts that it took."""
    expected = script.expected
    if completion.id != f"chatcmpl-{script.number:08}":
        return f"the id {completion.id}, which is another stream's"
    if (calls := _calls(completion)) != expected.calls:
        return f"the calls {calls!r:.300} instead of {expected.calls!r:.300}"
    usage = completion.usage.prompt_tokens if completion.usage is not None else None
    if usage != expected.usage:
        return f"the usage {usage} instead of {expected.usage}"
    if script.leave_after is None and any(choice.finish_reason is None for choice in completion.choices):
        return "complete, without a finish_reason"
    # Kept-alive connections that turn out dead are replaced, so that there may be more.
    if expected.retries is not None and retries is not None and retries < expected.retries:
        return f"{retries} retries instead of {expected.retries}"
    return None


def _texts(completion: ChatCompletion | None) -> dict[int, str] | None:
    if completion is None:
        return None
    return {choice.index: choice.message.content or "" for choice in completion.choices}


def _calls(completion: ChatCompletion) -> list[tuple[str, str]]:
    calls = completion.choices[0].message.tool_calls or []
    return [(call.function.name, call.function.arguments) for call in calls if call.type == "function"]
