"""How much came, and how fast.

Chunks come in as they are shown; out go sentences with numbers of tokens and seconds. Nothing here prints.
"""

from __future__ import annotations

from time import monotonic

from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.usage import CompletionUsage

from .words import count

__all__ = ["Tally"]


# Seconds below which tokens per second say more about the network's buffers than about the server.
_MEASURABLE = 0.1


class Tally:
    """Tokens and seconds of one request; the clock starts now.

    Attributes:
        tokens: Chunks that carried some of the answer: with nearly all servers one token each.
    """

    def __init__(self) -> None:
        self.tokens: int = 0
        self._began = monotonic()
        self._first: float | None = None
        self._last = self._began
        self._ended: float | None = None

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Count a chunk, if it carries anything of the answer."""
        for choice in chunk.choices:
            delta = choice.delta
            if delta.content or delta.refusal or delta.tool_calls or delta.reasoning:
                self.tokens += 1
                self._last = monotonic()
                if self._first is None:
                    self._first = self._last

    def end(self) -> None:
        """Stop the clock."""
        self._ended = monotonic()

    def cut(self) -> str:
        """Return what a stop at this moment cuts off."""
        seconds = self._seconds()
        if not self.tokens:
            return f"stopped after {seconds:.1f} s; no answer was received"
        return f"stopped after {count(self.tokens, 'token')}, {seconds:.1f} s; the answer is incomplete"

    def summary(self, usage: CompletionUsage | None) -> str:
        """Return the numbers of a whole answer.

        Args:
            usage: What the server counted; None: it did not say, and the chunks are counted.
        """
        tokens = self.tokens if usage is None else usage.completion_tokens
        told = count(tokens, "token") if usage is None else f"{usage.prompt_tokens} + {count(tokens, 'token')}"
        parts = [f"{told} in {self._seconds():.2f} s"]
        if self._first is not None:
            parts.append(f"the first after {self._first - self._began:.2f} s")
            writing = self._last - self._first
            if tokens > 1 and writing > _MEASURABLE:
                parts.append(f"then {(tokens - 1) / writing:.0f} tokens/s")
        return ", ".join(parts)

    def _seconds(self) -> float:
        return (monotonic() if self._ended is None else self._ended) - self._began
