"""`Calling`: one item of a bulk run, from its key to its outcome in the journal.

An item comes in, a `Result` goes out, and what it came to is recorded before anybody sees it. Which items are called
when, and how many results are recorded at once, is the crew's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from openai_async.errors import APIError
from openai_async.transport.limits import Limiter, Permit, estimate_tokens
from openai_async.types.model import plain

from .result import BulkStats, Result, TokenUsage
from .stopped import BulkStoppedError, Refusals

__all__ = ["Calling", "Outcomes"]

_log = logging.getLogger("openai_async")

T = TypeVar("T")
R = TypeVar("R")


class Outcomes(Protocol):
    """What a run needs of a journal; `Journal` is one.

    Attributes:
        sync_interval: Seconds between two calls of `sync`, made in a thread; None: it is not called.
    """

    @property
    def sync_interval(self) -> float | None:
        """See above."""
        ...

    def done(self, key: str) -> bool:
        """Whether the key needs no call any more."""
        ...

    def keep(self, results: Sequence[Result[Any, Any]]) -> object:
        """Note what calls returned or failed with, each of another key; what it raises ends the run."""
        ...

    def sync(self) -> None:
        """Have everything on the disk."""
        ...


class Calling(Generic[T, R]):
    """Makes the calls.

    Args:
        fn: The function.
        limiter: What lets each call through; None: nothing does.
        journal: Where outcomes are recorded; None: nowhere.
        key: The key of an item; None: its place, and with a journal a digest of what it says.
        record_errors: Whether failures are outcomes.
        give_up: Whether a refusal that stands against every call ends the run.
        stats: Where everything is counted.
    """

    def __init__(
        self,
        fn: Callable[[T], Awaitable[R]],
        *,
        limiter: Limiter | None,
        journal: Outcomes | None,
        key: Callable[[T], str] | None,
        record_errors: bool,
        give_up: bool,
        stats: BulkStats,
    ) -> None:
        self._fn = fn
        self._limiter = limiter
        self._journal = journal
        self._key = key
        self._record_errors = record_errors
        self._refusals = Refusals() if give_up else None
        self._stats = stats
        self._under_way: set[str] = set()

    async def __call__(self, place: int, item: T) -> Result[T, R] | None:
        """Make the call for an item; None: its key is done, or under way. What comes out has to be kept.

        Cancelling it cancels the function; what that returns all the same comes out.

        Raises:
            BulkStoppedError: Every further call would be refused as this one was, of which nothing is recorded.
            TypeError: A key is no text, or the item can't be written as JSON.
        """
        key = self._key_of(place, item)
        if self._journal is not None:
            if key in self._under_way or self._journal.done(key):
                self._stats.resumed += 1
                return None
            self._under_way.add(key)
        try:
            permit = None if self._limiter is None else await self._limiter.acquire(tokens=_cost(item))
            value: R | None = None
            failure: Exception | None = None
            self._stats.running += 1
            began = perf_counter()
            try:
                value = await self._fn(item)
            except asyncio.CancelledError as error:
                failure = _from_within(error)
            except Exception as error:  # noqa: BLE001 - the user's function; its errors are results
                failure = error
            finally:
                seconds = perf_counter() - began
                self._stats.running -= 1
                usage = TokenUsage.of(value)
                if permit is not None:
                    _tell(permit, value if failure is None else failure, usage)
            self._judge(failure)
            # Without its parameters: calling an alias of typing's costs as much as a whole usage.
            return Result(index=place, key=key, item=item, value=value, error=failure, seconds=seconds, usage=usage)
        except BaseException:
            self._under_way.discard(key)
            raise

    def keep(self, results: Sequence[Result[T, R]]) -> None:
        """Record and count what calls came to, before anybody sees it: several at once, as each write has its price.

        Raises:
            JournalError: They can't be recorded.
            TypeError: A value can't be written as JSON; the others are recorded.
        """
        outcomes = [result for result in results if self._record_errors or result.error is None]
        if outcomes and self._journal is not None:
            self._journal.keep(outcomes)
        for result in results:
            self._under_way.discard(result.key)
            self._stats.add(result)

    def _judge(self, failure: Exception | None) -> None:
        if self._refusals is None:
            return
        if failure is None:
            self._refusals.note_answer()
        elif isinstance(failure, APIError) and self._refusals.final(failure):
            raise BulkStoppedError(failure, self._stats, kept=self._journal is not None) from failure

    def _key_of(self, place: int, item: T) -> str:
        if self._key is not None:
            key: Any = self._key(item)
            if not isinstance(key, str):
                raise TypeError(f"key must return text, not a {type(key).__name__}")
            return key
        if self._journal is None:
            return str(place)
        # The place alone would take an old answer for a new question, once somebody edits the input.
        try:
            said = msgspec.json.encode(plain(item))
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"an item of type {type(item).__name__} has no key of its own: give key=") from error
        return f"{place}-{blake2b(said, digest_size=8).hexdigest()}"


def _from_within(error: asyncio.CancelledError) -> Exception:
    """Return what a cancellation means that nobody asked this task for: a future that the function awaited was cancelled.

    Raises:
        CancelledError: The task itself is cancelled.
    """
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    failure = RuntimeError("the function was cancelled from within")
    failure.__cause__ = error
    return failure


def _cost(item: object) -> int:
    """About how many tokens a call may take: of text and of request bodies by their length; of others it is not known."""
    if isinstance(item, str):
        return estimate_tokens(item.encode("utf-8", "replace"), None)
    if not isinstance(item, Mapping):
        return 0
    body = cast("Mapping[str, Any]", item)
    longest = body.get("max_completion_tokens") or body.get("max_tokens")
    try:
        said = msgspec.json.encode(plain(dict(body)))
    except (TypeError, ValueError, RecursionError):
        said = b""
    return estimate_tokens(said, longest if isinstance(longest, int) else None)


def _tell(permit: Permit, outcome: object, usage: TokenUsage | None) -> None:
    """Tell a permit what came of its call, as far as errors and raw responses say."""
    status, headers = getattr(outcome, "status_code", None), getattr(outcome, "headers", None)
    try:
        if isinstance(status, int) and isinstance(headers, Mapping):
            permit.observe(status, cast("Mapping[str, str]", headers))
        permit.settle(None if usage is None else usage.total_tokens)
    except Exception:  # noqa: BLE001 - the permit's own code ran; an answer that was paid for is not lost by it
        _log.exception("a permit of the limiter failed; the call goes on")
