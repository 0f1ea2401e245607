"""`TimedReader`: a reader that says when content came, for hooks that want to know of every chunk.

Bytes come in, as to a `ChunkReader`; beside chunks, word of each read that brought content goes out. It is made only
where a hook asks: reading with a `ChunkReader` costs nothing more for that.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

from openai_async.protocol.chunks import has_payload
from openai_async.transport.message import Response
from openai_async.transport.timer import Timer

from .deviations import Deviations
from .reader import ChunkReader

__all__ = ["Listener", "TimedReader"]

Listener: TypeAlias = Callable[[float, int, str], object]
"""Is told when content came, in seconds of the loop's clock, how many chunks of it, and the model that they name."""


class TimedReader(ChunkReader):
    """A `ChunkReader` that keeps time. A whole answer that came instead of a stream is no chunk.

    Args:
        response, timer, choices, deviations, keep_data: As `ChunkReader` takes them.
    """

    __slots__ = ("_at", "_early", "_from", "_listener")

    def __init__(
        self,
        response: Response,
        timer: Timer,
        *,
        choices: int = 1,
        deviations: Deviations | None = None,
        keep_data: bool = False,
    ) -> None:
        super().__init__(response, timer, choices=choices, deviations=deviations, keep_data=keep_data)
        self._listener: Listener | None = None
        self._early: list[tuple[float, int, str]] = []  # what came before there was a listener
        self._at = 0.0  # when the read under way began to be taken
        self._from: int | None = None  # where in `chunks` those of the read under way begin

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of all content, of what is here already at once."""
        self._listener = listener
        for told in self._early:
            listener(*told)
        self._early.clear()

    def take(self, data: bytes) -> None:
        """Decode what the bytes complete, and say what of it is content."""
        self._at, self._from = self.timer.loop.time(), len(self.chunks)
        super().take(data)
        self._tell()

    def _mark_over(self) -> None:
        self._tell()  # the stream's end is told next
        super()._mark_over()

    def _tell(self) -> None:
        """Tell of what the read under way has brought; harmless when there is none."""
        if self._from is None:
            return
        count = sum(map(has_payload, islice(self.chunks, self._from, None)))
        self._from = None
        if count:
            told = (self._at, count, self.chunks[-1].model)
            if self._listener is None:
                self._early.append(told)
            else:
                self._listener(*told)
