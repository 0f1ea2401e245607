"""What a bench run measured: counts, and histograms of seconds, in memory that does not grow with the run.

Events come in as they happen; nothing here sends, waits or prints. What it means is the business of `benching.figures`.
"""

from __future__ import annotations

import time

import msgspec

from openai_async.cli.words import one_line
from openai_async.errors import APIError, APITimeoutError
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.usage import CompletionUsage

from .histogram import Histogram

__all__ = ["BenchTally", "Failures", "Streamed"]

# So many failures before the first answer say that there will be none.
_HOPELESS = 10
# A server that puts something new into each error must not fill the memory; the rest is counted together.
_MOST_KINDS = 50
_OTHER_KINDS = "other"


class Failures(msgspec.Struct, kw_only=True):
    """Failures of one kind.

    Attributes:
        count: How many.
        example: What the first one said, on one line.
    """

    count: int = 0
    example: str = ""


class Streamed:
    """One answer while it comes.

    Args:
        gaps: Gets the seconds between two pieces of the answer.

    Attributes:
        chunks: Pieces of the answer so far.
        usage: What the server counted; None: it has not said.
        first: When the first piece was here, by the caller's clock; None: it is not.
        last: When the latest was; None: as above.
    """

    def __init__(self, gaps: Histogram) -> None:
        self.chunks: int = 0
        self.usage: CompletionUsage | None = None
        self.first: float | None = None
        self.last: float | None = None
        self._gaps = gaps

    def add(self, chunks: list[ChatCompletionChunk], now: float) -> None:
        """Count the chunks of one read.

        Args:
            chunks: What it brought; pieces that came together have no time between them.
            now: When it was, in seconds of the caller's clock.
        """
        for chunk in chunks:
            if chunk.usage is not None:
                self.usage = chunk.usage
            if not _says_something(chunk):
                continue
            self.chunks += 1
            if self.last is None:
                self.first = now
            else:
                self._gaps.add(max(now - self.last, 0.0))
            self.last = now


class BenchTally:
    """A run's counts. The clocks start with `start`.

    Attributes:
        answered: Requests whose answer came to its end.
        failed: Requests that failed, on their way or in the middle of the answer.
        first: Seconds from a request to the first piece of its answer.
        gaps: Seconds between two pieces of an answer; 0 for those that came together.
        whole: Seconds from a request to the end of its answer.
        late: Seconds that requests began after their time, where a rate is asked for.
        missed: Requests whose time came and that never began, as too many others were open.
        lag: Seconds that the event loop woke up too late: how long the client itself holds things up.
        token_speeds: Tokens per second of each answer after its first piece, by the server's count.
        chunk_speeds: Pieces of the answer per second, likewise.
        chunks: Pieces of answers.
        tokens: Tokens of the answers, as far as the server told.
        prompt_tokens: Those of the prompts, likewise.
        untold: Answers of which the server told no count.
        errors: Failures by kind.
        seconds: How long the run took.
        cpu: Seconds that this thread, in which the client runs, computed meanwhile.
        idle: Seconds in which the event loop had nothing to do; None: nobody measured it.
    """

    def __init__(self) -> None:
        self.answered: int = 0
        self.failed: int = 0
        self.first: Histogram = Histogram()
        self.gaps: Histogram = Histogram()
        self.whole: Histogram = Histogram()
        self.late: Histogram = Histogram()
        self.missed: int = 0
        self.lag: Histogram = Histogram()
        self.token_speeds: Histogram = Histogram()
        self.chunk_speeds: Histogram = Histogram()
        self.chunks: int = 0
        self.tokens: int = 0
        self.prompt_tokens: int = 0
        self.untold: int = 0
        self.errors: dict[str, Failures] = {}
        self.seconds: float = 0.0
        self.cpu: float = 0.0
        self.idle: float | None = None

    @property
    def hopeless(self) -> bool:
        """Whether nothing was answered and so much failed that nothing will be."""
        return not self.answered and self.failed >= _HOPELESS

    def start(self) -> None:
        """Start the clocks."""
        self._began = time.perf_counter()
        self._cpu_began = time.thread_time()

    def stop(self) -> None:
        """Stop the clocks."""
        self.seconds = time.perf_counter() - self._began
        self.cpu = time.thread_time() - self._cpu_began

    def begin(self) -> Streamed:
        """Return what counts one answer."""
        return Streamed(self.gaps)

    def answer(self, streamed: Streamed, seconds: float) -> None:
        """Count an answer that is whole, `seconds` after its request."""
        self.answered += 1
        self.whole.add(seconds)
        usage = streamed.usage
        if usage is None or (streamed.chunks and not usage.completion_tokens):  # some send a usage without numbers
            self.untold += 1
        else:
            self.tokens += usage.completion_tokens
            self.prompt_tokens += usage.prompt_tokens
        self.chunks += streamed.chunks
        if streamed.first is None or streamed.last is None or streamed.last <= streamed.first:
            return
        writing = streamed.last - streamed.first
        self.chunk_speeds.add((streamed.chunks - 1) / writing)
        if usage is not None and usage.completion_tokens > 1:
            self.token_speeds.add((usage.completion_tokens - 1) / writing)

    def fail(self, error: APIError) -> None:
        """Count a request that failed."""
        self.failed += 1
        kind = _kind(error)
        if kind not in self.errors and len(self.errors) >= _MOST_KINDS:
            kind = _OTHER_KINDS
        failures = self.errors.setdefault(kind, Failures(example=one_line(error.message)))
        failures.count += 1


def _says_something(chunk: ChatCompletionChunk) -> bool:
    """Whether a chunk carries a piece of the answer, as in `tally`."""
    for choice in chunk.choices:
        delta = choice.delta
        if delta.content or delta.refusal or delta.tool_calls or delta.reasoning:
            return True
    return False


def _kind(error: APIError) -> str:
    """What errors of the same kind have in common: the class, and the status, code or limit."""
    parts = [type(error).__name__]
    if error.status_code is not None:
        parts.append(str(error.status_code))
    if error.code:
        parts.append(one_line(error.code))
    if isinstance(error, APITimeoutError):
        parts.append(error.phase)
    return " ".join(parts)
