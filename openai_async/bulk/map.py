"""`amap`: any async function over any number of items, bounded, resumable, and with nothing left running.

Items and a function come in; `Result`s go out as the calls end, or in order. Tasks of a `Crew` make the calls, so that
nothing is open while the reader of the results does something else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from openai_async.transport.limits import Limiter
from openai_async.transport.loops import running_loop

from .calling import Calling, Outcomes
from .crew import Crew
from .journal import Journal
from .numbers import count
from .progress import Progress, standard_progress
from .result import BulkStats, Result
from .source import Source

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["BulkRun", "amap"]

T = TypeVar("T")
R = TypeVar("R")

# Seconds between two looks at a progress bar.
_LOOK = 0.1

# The closing of runs that were dropped: the loop itself holds on to tasks weakly only.
_closing: set[asyncio.Task[None]] = set()


def amap(
    items: Iterable[T] | AsyncIterable[T],
    fn: Callable[[T], Awaitable[R]],
    *,
    limit: int = 100,
    limiter: Limiter | None = None,
    journal: str | os.PathLike[str] | Outcomes | None = None,
    key: Callable[[T], str] | None = None,
    errors: Literal["collect", "raise"] = "collect",
    progress: bool | Progress = False,
    ordered: bool = False,
    give_up: bool = True,
) -> BulkRun[T, R]:
    """Call `fn` with every item, many at a time.

        async with amap(questions, ask, journal="answers") as run:
            async for result in run:
                print(result.item, result.value, result.error)
        print(run.stats)

    It begins with the first result that is asked for. Items are pulled one by one, when there is room for their calls:
    at most `limit` calls are under way, and at most 2 * `limit` items are pulled whose results nobody has taken yet.
    So the input may be endless, and a slow reader slows the calls down.

    Args:
        items: The input. A generator of either kind is closed when the run ends before it does.
        fn: Called with each item, in tasks of the run.
        limit: How many calls may be under way.
        limiter: What lets each call through, told of what errors, raw responses and usage say. For the calls of one
            client rather give it to the client, which tells it everything, and let it know each retry.
        journal: Where outcomes are kept, and which items are done; a folder's path stands for `Journal(path)`, which is
            closed with the run; opening one reads it, 4 s for a million outcomes. Items that it has an outcome for are
            skipped: not called, not handed out, and counted in `stats.resumed`. So is an item whose key another one of
            this run had. What a call returned is in the journal before its result is handed out.
        key: The key of an item in the journal; None: its place in the input with a digest of what it says, so that a
            changed item is called again, and so is one that moved.
        errors: "collect": a failure is a result, and an outcome for the journal. "raise": the first one ends the run
            and is raised in its turn; it is not recorded, and called again on resuming.
        progress: Whether to show how far it is, on stderr: a bar on a terminal where rich is installed, plain lines
            else. Or what shows it otherwise.
        ordered: Hand out the results in the order of the items. One slow call then holds back those behind it.
        give_up: Whether the run ends when the server refuses every further call as well: 401, 402, a used-up quota, and
            403 unless it is about one request (the first answer is still to come, or ten came in a row). Nothing is
            recorded of such a refusal. False: it is a failure like any other, and so is each one behind it.

    Returns:
        An async iterator, and an async context manager that closes it. A run that is left early without `async with`
        or `aclose` is closed when it is collected.

    Raises:
        TypeError, ValueError: An argument can't be used.
        JournalError: The journal can't be opened.
    """
    if not callable(fn):
        raise TypeError(f"fn must be an async function, not a {type(fn).__name__}")
    count("limit", limit, least=1)
    if errors not in {"collect", "raise"}:
        raise ValueError(f'errors must be "collect" or "raise", not {errors!r}')
    if limiter is not None and not callable(getattr(limiter, "acquire", None)):
        raise TypeError(f"limiter must have a method acquire(*, tokens), which a {type(limiter).__name__} has not")
    source = Source(items)
    stats = BulkStats(total=source.total)
    own = Journal(journal) if isinstance(journal, str | os.PathLike) else None
    outcomes = own if isinstance(journal, str | os.PathLike) else journal
    raises = errors == "raise"
    calling = Calling(
        fn,
        limiter=limiter,
        journal=outcomes,
        key=key,
        record_errors=not raises,
        give_up=give_up and not raises,
        stats=stats,
    )
    crew: Crew[T, R] = Crew(
        source,
        calling,
        keep=calling.keep,
        limit=limit,
        ordered=ordered,
        strict=raises,
    )
    shown = standard_progress() if progress is True else progress or None
    return BulkRun(_Works(crew, outcomes, own, shown, stats), raises=raises)


class BulkRun(Generic[T, R]):
    """A run of `amap`: its results, and its totals.

    Several tasks may take results; each result goes to one of them. All must be of one event loop.

    Attributes:
        stats: The totals, which change while it goes on.
    """

    def __init__(self, works: _Works[T, R], *, raises: bool) -> None:
        self._works = works
        self._raises = raises
        self.stats: BulkStats = works.stats

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result[T, R]:
        """Return the next result. Cancelling it closes the run: what is under way is cancelled.

        Raises:
            BulkStoppedError: Every further call would be refused; see `give_up`.
            OpenAIError: No event loop of asyncio's is running here.
            Exception: With `errors="raise"`, what the function raised. Else what ended the run: an error of the
                iterable, of `key`, of the limiter, or a JournalError.
        """
        try:
            self._works.start()
            result = self._works.crew.take_now() or await self._works.crew.take()
            if result is not None and result.error is not None and self._raises:
                raise result.error
        except BaseException:
            if self._works.begun:  # else there is no loop in which anything could be closed
                await self.aclose()
            raise
        if result is None:
            await self.aclose()
            raise StopAsyncIteration
        return result

    async def aclose(self) -> None:
        """End the run: calls under way are cancelled and waited for, the journal is synced. Harmless when it is over.

        Calls that ignore their cancellation are waited for five seconds. Cancelling this does not keep the rest from
        being done.

        Raises:
            JournalError: What was recorded last can't be synced.
        """
        await asyncio.shield(self._works.close())

    def __del__(self) -> None:
        works: _Works[T, R] | None = getattr(self, "_works", None)
        if works is not None:
            works.abandon()


class _Works(Generic[T, R]):
    """What a run consists of; its tasks hold on to this, and not to the run, so that a dropped run can be closed."""

    def __init__(
        self,
        crew: Crew[T, R],
        journal: Outcomes | None,
        own: Journal | None,
        progress: Progress | None,
        stats: BulkStats,
    ) -> None:
        self.crew = crew
        self.stats = stats
        self._journal = journal
        self._own = own
        self._progress = progress
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = 0.0
        self._closing: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether it has begun, in the loop that was running then."""
        return self._loop is not None

    def start(self) -> None:
        """Begin, unless it has begun.

        Raises:
            OpenAIError: No event loop of asyncio's is running here.
        """
        if self._loop is not None or self._closing is not None:
            return
        self._loop = running_loop()
        self._began = perf_counter()
        helpers: list[Any] = []
        if self._journal is not None and self._journal.sync_interval is not None:
            helpers.append(self._sync(self._journal, self._journal.sync_interval))
        if self._progress is not None:
            helpers.append(self._show(self._progress))
        self.crew.start(*helpers)

    def close(self) -> asyncio.Task[None]:
        """Close everything, once; the task that does it."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
            _closing.add(self._closing)
            self._closing.add_done_callback(_closing.discard)
        return self._closing

    def abandon(self) -> None:
        """Have everything closed by the loop that it runs in; nobody waits for it."""
        if self._closing is not None:
            return
        if self._loop is None or self._loop.is_closed():  # nothing runs
            if self._own is not None:
                self._own.close()
        else:
            self._loop.call_soon_threadsafe(self.close)

    async def _close(self) -> None:
        self._note_time()
        try:
            await self.crew.close()
        finally:
            try:
                if self._progress is not None and self._loop is not None:
                    self._progress.end(self.stats)
            finally:
                if self._own is not None:
                    await asyncio.to_thread(self._own.close)
                elif self._journal is not None and self._journal.sync_interval is not None:
                    await asyncio.to_thread(self._journal.sync)

    async def _sync(self, journal: Outcomes, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await asyncio.to_thread(journal.sync)

    async def _show(self, progress: Progress) -> None:
        while True:
            self._note_time()
            progress.show(self.stats)
            await asyncio.sleep(_LOOK)

    def _note_time(self) -> None:
        if self._loop is not None:
            self.stats.seconds = perf_counter() - self._began
