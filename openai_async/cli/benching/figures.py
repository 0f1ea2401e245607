"""The figures of a bench run: what the tally's counts mean, as plain data.

A tally comes in; out go numbers, with which a program can work (`--json`) or that a screen can show. Nothing here
prints.
"""

from __future__ import annotations

import msgspec

from .histogram import Histogram
from .tally import BenchTally, Failures

__all__ = ["ClientFigures", "Figures", "Setting", "Spread"]

# Of the time: from here on the client most likely did not read at once what had arrived.
_BUSY = 0.8
# Seconds of a run that tell something of the client: before that it mostly connects.
_SHORTEST = 1.0
# Seconds that the event loop may wake up late, one time in a hundred; more shows in the gaps between tokens.
_LATE = 0.02
# Looks at it of which one in a hundred is more than a single accident.
_LOOKS = 100


class Spread(msgspec.Struct, kw_only=True):
    """How values are distributed; quantiles are within 1 %, the rest is exact. None: there are no values.

    Attributes:
        count: How many values there are.
        mean, min, max: Of the values.
        p50, p90, p99: What so many percent of the values do not exceed.
        buckets: Upper end and count of each bucket that has values, from the lowest.
    """

    count: int
    mean: float | None
    min: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None
    buckets: list[tuple[float, int]]

    @classmethod
    def of(cls, histogram: Histogram) -> Spread:
        """Return the spread of what a histogram holds."""
        known = histogram.count > 0
        return cls(
            count=histogram.count,
            mean=histogram.mean,
            min=histogram.least if known else None,
            p50=histogram.quantile(0.5),
            p90=histogram.quantile(0.9),
            p99=histogram.quantile(0.99),
            max=histogram.most if known else None,
            buckets=list(histogram.buckets()),
        )


class Setting(msgspec.Struct, kw_only=True):
    """What was run.

    Attributes:
        model: The model's name.
        prompts: How many different requests there are.
        max_tokens: The longest answer asked for, in tokens; None: not limited, or by the requests themselves.
        requests: How many were to be sent; None: no matter how many.
        concurrency: How many at once, at most.
        rate: How many were to begin each second; None: as soon as there was room.
        duration: Seconds after which none was to begin; None: no matter.
        warmup: Requests before, which do not count.
        embedded: Whether the server ran in this process.
    """

    model: str
    prompts: int
    max_tokens: int | None
    requests: int | None
    concurrency: int
    rate: float | None
    duration: float | None
    warmup: int
    embedded: bool


class ClientFigures(msgspec.Struct, kw_only=True):
    """How the client itself fared.

    Attributes:
        cpu_share: Of one core, that it used.
        busy_share: Of the time, in which it had something to do; None: nobody measured it.
        lag: Seconds that its event loop woke up too late.
        bound: Whether it was the limit: it was busy nearly all the time, for a second or more.
        held_up: Whether something else kept it from running when it should have.
    """

    cpu_share: float
    busy_share: float | None
    lag: Spread
    bound: bool
    held_up: bool


class Figures(msgspec.Struct, kw_only=True):
    """All that a run measured. Times are in seconds.

    Attributes:
        setting: What was run.
        seconds: How long it took, without what was sent before.
        answered: Requests whose answer came to its end.
        failed: Requests that failed.
        requests_per_second: Answers by time.
        completion_tokens, prompt_tokens: By the server's count; None: it did not tell for every answer.
        tokens_per_second: Of all answers together; None: as above.
        chunks: Pieces of answers.
        chunks_per_second: Of all answers together.
        first_token: From a request to the first piece of its answer.
        between_chunks: Between two pieces; 0 for those that came together.
        whole_answer: From a request to the answer's end.
        stream_tokens_per_second: Of each answer after its first piece; None: as above.
        stream_chunks_per_second: Likewise.
        started_late: How long after their time requests began, where there is a rate; None: there is none.
        missed: Requests whose time came and that never began, as too many others were open.
        errors: Failures by kind.
        client: How the client fared.
    """

    setting: Setting
    seconds: float
    answered: int
    failed: int
    requests_per_second: float
    completion_tokens: int | None
    prompt_tokens: int | None
    tokens_per_second: float | None
    chunks: int
    chunks_per_second: float
    first_token: Spread
    between_chunks: Spread
    whole_answer: Spread
    stream_tokens_per_second: Spread | None
    stream_chunks_per_second: Spread
    started_late: Spread | None
    missed: int
    errors: dict[str, Failures]
    client: ClientFigures

    @classmethod
    def of(cls, tally: BenchTally, setting: Setting) -> Figures:
        """Return the figures of a run that is over.

        Args:
            tally: What it counted.
            setting: What was run.
        """
        told = tally.answered > 0 and not tally.untold
        return cls(
            setting=setting,
            seconds=tally.seconds,
            answered=tally.answered,
            failed=tally.failed,
            requests_per_second=_rate(tally.answered, tally.seconds),
            completion_tokens=tally.tokens if told else None,
            prompt_tokens=tally.prompt_tokens if told else None,
            tokens_per_second=_rate(tally.tokens, tally.seconds) if told else None,
            chunks=tally.chunks,
            chunks_per_second=_rate(tally.chunks, tally.seconds),
            first_token=Spread.of(tally.first),
            between_chunks=Spread.of(tally.gaps),
            whole_answer=Spread.of(tally.whole),
            stream_tokens_per_second=Spread.of(tally.token_speeds) if told else None,
            stream_chunks_per_second=Spread.of(tally.chunk_speeds),
            started_late=None if setting.rate is None else Spread.of(tally.late),
            missed=tally.missed,
            errors=tally.errors,
            client=_client(tally),
        )


def _client(tally: BenchTally) -> ClientFigures:
    computed = _rate(tally.cpu, tally.seconds)
    busy = None if tally.idle is None or not tally.seconds else max(1 - tally.idle / tally.seconds, 0.0)
    late = (tally.lag.quantile(0.99) or 0.0) if tally.lag.count >= _LOOKS else 0.0
    bound = tally.answered > 0 and tally.seconds >= _SHORTEST and max(computed, busy or 0.0) >= _BUSY
    return ClientFigures(
        cpu_share=computed, busy_share=busy, lag=Spread.of(tally.lag), bound=bound, held_up=late > _LATE and not bound
    )


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0
