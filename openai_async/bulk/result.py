"""`Result` and `BulkStats`: what came of one item, and of all so far.

What calls return or raise comes in; out go the numbers of it. Nothing here waits or reads a clock.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import msgspec

from openai_async.errors import APIError
from openai_async.types.usage import CompletionUsage

__all__ = ["BulkStats", "Result", "TokenUsage"]

T = TypeVar("T")
R = TypeVar("R")


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that a call was billed for, as the server counted them; 0 where it did not say.

    Attributes:
        prompt_tokens: Of the prompt, cached ones included.
        completion_tokens: Of the answer, reasoning included.
        cached_tokens: Of the prompt, those that came from the server's cache.
        reasoning_tokens: Of the answer, those that were thought and not shown.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Of the prompt and of the answer."""
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def of(cls, value: object) -> TokenUsage | None:
        """Return the usage that a value has, a completion or one as plain data; None: it has none."""
        usage = _part(value, "usage")
        if type(usage) is CompletionUsage:  # most are, and asking any object takes ten times as long
            if not (usage.prompt_tokens or usage.completion_tokens):
                return None
            prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
            return cls(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=0 if prompt is None else prompt.cached_tokens or 0,
                reasoning_tokens=0 if completion is None else completion.reasoning_tokens or 0,
            )
        if usage is None or not (_number(usage, "prompt_tokens") or _number(usage, "completion_tokens")):
            return None
        return cls(
            prompt_tokens=_number(usage, "prompt_tokens"),
            completion_tokens=_number(usage, "completion_tokens"),
            cached_tokens=_number(_part(usage, "prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=_number(_part(usage, "completion_tokens_details"), "reasoning_tokens"),
        )


class Result(msgspec.Struct, Generic[T, R], frozen=True, kw_only=True):
    """What came of one item.

    Attributes:
        index: The item's place in the input, from 0.
        key: Its key in the journal; without a journal and a `key` function, its place as text.
        item: The item.
        value: What the function returned; None where it failed (or returned None).
        error: What it raised; None: it did not fail.
        seconds: How long the function took; waiting for its turn does not count.
        usage: The tokens that the value tells of; None: it tells of none.
    """

    index: int
    key: str
    item: T
    value: R | None = None
    error: Exception | None = None
    seconds: float = 0.0
    usage: TokenUsage | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None

    def unwrap(self) -> R:
        """Return the value.

        Raises:
            Exception: The function's own, where it failed.
        """
        if self.error is not None:
            raise self.error
        return cast("R", self.value)


class BulkStats(msgspec.Struct, kw_only=True):
    """Totals of a run; they change while it goes on.

    Attributes:
        total: Items that the input has; None: it does not tell.
        done: Calls that returned.
        failed: Calls that raised.
        resumed: Items that were not called, for the journal has an outcome for their key, or another item of this run
            had the same key.
        running: Calls under way.
        prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens: Of the values that tell, as in `TokenUsage`.
        rate_limited: Answers of status 429 that errors and raw responses tell of. What the client's retries made
            good is not among them, unless the function returns raw responses.
        retries: Attempts after the first, as far as errors and raw responses tell.
        seconds: Since the run began.
    """

    total: int | None = None
    done: int = 0
    failed: int = 0
    resumed: int = 0
    running: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    rate_limited: int = 0
    retries: int = 0
    seconds: float = 0.0

    @property
    def finished(self) -> int:
        """Items that are over: done, failed or resumed."""
        return self.done + self.failed + self.resumed

    def add(self, result: Result[Any, Any]) -> None:
        """Count a result."""
        if result.error is None:
            self.done += 1
            self.retries += _number(result.value, "retries_taken")
        else:
            self.failed += 1
            self._add_attempts(result.error)
        if result.usage is not None:
            self.prompt_tokens += result.usage.prompt_tokens
            self.completion_tokens += result.usage.completion_tokens
            self.cached_tokens += result.usage.cached_tokens
            self.reasoning_tokens += result.usage.reasoning_tokens

    def _add_attempts(self, error: Exception) -> None:
        if isinstance(error, APIError) and error.attempts:
            attempts = error.attempts
            self.retries += len(attempts) - 1
            self.rate_limited += sum(attempt.status_code == 429 for attempt in attempts)
        elif _number(error, "status_code") == 429:
            self.rate_limited += 1


def _part(value: object, name: str) -> Any:
    if isinstance(value, dict):  # not Mapping: asking an abstract class takes longer than all the rest
        return cast("dict[str, Any]", value).get(name)
    return getattr(value, name, None)


def _number(value: object, name: str) -> int:
    """The count of that name that a value has; 0: it has none."""
    number = _part(value, name)
    return number if isinstance(number, int) and number > 0 else 0
