"""The run of `bulk`: every request that has no result yet is sent, and its result appended.

Requests come in, lines of results go out; how far it is shows on stderr. What a result means is not its business.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click
import msgspec
from rich.console import Console

from openai_async.api.client import AsyncOpenAI
from openai_async.bulk.map import amap
from openai_async.bulk.progress import LineProgress, Progress, RichProgress
from openai_async.bulk.result import BulkStats
from openai_async.bulk.stopped import BulkStoppedError
from openai_async.errors import APIError
from openai_async.transport.limits import Limiter, Permit
from openai_async.types.json import is_object

from .bulkrequests import BulkRequest, Requests
from .bulkresults import Answer, ResultsFile
from .words import count

__all__ = ["BulkJob"]


class Completion(msgspec.Struct):
    """What an answer has at least."""

    choices: list[Any]


class BulkJob:
    """All requests, and where their results go.

    Args:
        requests: The requests.
        total: How many they are.
        results: Where the results go, and which requests are done.
        limit: Requests under way at once.
        max_errors: After how many failures more the run ends; None: it does not.
        quiet: Show nothing.

    Attributes:
        stats: The totals.
    """

    def __init__(
        self,
        requests: Requests,
        *,
        total: int,
        results: ResultsFile,
        limit: int,
        max_errors: int | None,
        quiet: bool,
    ) -> None:
        self.stats: BulkStats = BulkStats(total=total)
        self._requests = requests
        self._total = total
        self._results = results
        self._limit = limit
        self._max_errors = max_errors
        self._quiet = quiet

    async def run(self, client: AsyncOpenAI, limiter: Limiter | None) -> str | None:
        """Send what is to be sent, until all have results or too many failed.

        Cancelling it aborts the requests under way; what was answered is in the file.

        Args:
            client: What sends it.
            limiter: What paces it; None: nothing does.

        Returns:
            Why it ended early, in a sentence: too many failed, or something stands against all requests. None: every
            request has a result.

        Raises:
            JournalError: The file can't be written.
        """
        counted = _CountingLimiter(limiter)
        client = client.with_options(limiter=counted)

        async def ask(request: BulkRequest) -> Answer:
            # Plain data, which the line is made of; of a completion it needs to have no more than choices.
            response = await client.post("/chat/completions", body=request.body, cast_to=object).raw()
            body: Any = response.parse()
            if not is_object(body) or "choices" not in body:
                response.parse(to=Completion)  # raises, and says what is wrong
            return Answer(
                status_code=response.status,
                request_id=response.request_id,
                body=body,
                usage=body.get("usage"),
                retries_taken=response.retries_taken,
            )

        run = amap(
            _Sized(self._requests, self._total),
            ask,
            limit=self._limit,
            journal=self._results,
            key=self._results.key_of,
            progress=False if self._quiet else _Shown(counted),
        )
        self.stats = run.stats
        try:
            async with run:
                async for result in run:
                    if (
                        result.error is not None
                        and self._max_errors is not None
                        and run.stats.failed > self._max_errors
                    ):
                        return self._too_many(result.error)
        except BulkStoppedError as stopped:
            return self._refused(stopped.reason)
        return None

    def _too_many(self, last: Exception) -> str:
        failed = count(self.stats.failed, "request")
        message = getattr(last, "message", last)
        return f"{failed} failed, more than --max-errors {self._max_errors}; the last: {message}"

    def _refused(self, reason: APIError) -> str:
        said = f"{reason.status_code} {reason.message}" if reason.status_code else reason.message
        answered = f"{self.stats.done + self.stats.resumed:,} of {self._total:,} requests"
        return f"{said} ({answered} are answered; the others would be refused as well: the same command goes on from there)"


class _Sized:
    """The requests, and how many they are."""

    def __init__(self, requests: Requests, total: int) -> None:
        self._requests = requests
        self._total = total

    def __iter__(self) -> Iterator[BulkRequest]:
        return iter(self._requests)

    def __len__(self) -> int:
        return self._total


class _CountingLimiter:
    """Passes everything on to another limiter, if there is one, and counts.

    Attributes:
        rate_limited: Answers of status 429, those that were tried again with success included.
    """

    def __init__(self, limiter: Limiter | None) -> None:
        self.rate_limited = 0
        self._limiter = limiter

    async def acquire(self, *, tokens: int) -> Permit:
        """Wait for the other's leave; cancelling it as there."""
        permit = None if self._limiter is None else await self._limiter.acquire(tokens=tokens)
        return _CountingPermit(self, permit)


class _CountingPermit:
    def __init__(self, counted: _CountingLimiter, permit: Permit | None) -> None:
        self._counted = counted
        self._permit = permit

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Count a refusal, and pass it on."""
        self._counted.rate_limited += status == 429
        if self._permit is not None:
            self._permit.observe(status, headers)

    def settle(self, used_tokens: int | None) -> None:
        """Pass it on."""
        if self._permit is not None:
            self._permit.settle(used_tokens)


class _Shown:
    """Progress on stderr, a bar on a terminal, with all the refusals."""

    def __init__(self, counted: _CountingLimiter) -> None:
        self._counted = counted
        terminal = sys.stderr.isatty()
        self._progress: Progress = RichProgress(Console(stderr=True)) if terminal else LineProgress(_say)

    def show(self, stats: BulkStats) -> None:
        """Show how far it is."""
        stats.rate_limited = self._counted.rate_limited
        self._progress.show(stats)

    def end(self, stats: BulkStats) -> None:
        """Show how far it came."""
        stats.rate_limited = self._counted.rate_limited
        self._progress.end(stats)


def _say(line: str) -> None:
    click.echo(line, err=True)
