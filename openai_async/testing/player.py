"""A server on this machine that answers from a recording: `Player`.

A file of the format of `recording` comes in; out go the recorded answers, to requests of any client. What it does with a
request is decided in `stage`.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from openai_async.server.run import serve_app

from .loopback import Loopback
from .recording import Recording
from .stage import Stage

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from .stage import Match

__all__ = ["Player"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's


class Player:
    """The server, on a free port of 127.0.0.1.

        with Player("hello.jsonl") as player:
            client = OpenAI(base_url=player.url, api_key=player.api_key)

    Each recorded answer is played once, to a request of the same method, path and body; of several such, in the order in
    which they were asked. Every read is sent in a write of its own. Where the connection broke in the recording, or its
    client left, it is closed.

    Args:
        path: The file to play.
        speed: How much faster than recorded; 1: at the same times; infinite: at once.
        match: "body", as above, or "order": each request gets the next answer if method and path are the same.

    Raises:
        RecordingError: The file can't be read, or is no recording.
        ValueError: `speed` is not above 0, or `match` is neither.
    """

    def __init__(self, path: str | os.PathLike[str], *, speed: float = math.inf, match: Match = "body") -> None:
        if not speed > 0:
            raise ValueError("speed must be above 0: 1 is as recorded, math.inf at once")
        if match not in ("body", "order"):
            raise ValueError("match must be 'body' or 'order'")
        self._path = Path(path)
        recording = Recording.load(path)
        self._prefix = urlsplit(recording.upstream).path
        self._count = len(recording.exchanges)
        self._stage = Stage(recording.exchanges, name=str(self._path), speed=speed, match=match)
        self._loopback: Loopback[str] = Loopback(self._serve)
        self._url = ""

    def __repr__(self) -> str:
        return f"<Player {str(self._path)!r}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self.assert_played()

    def start(self) -> None:
        """Start serving; the `with` does.

        Raises:
            ImportError: The extra `testing` is not installed.
            RuntimeError: It runs already.
        """
        self._url = self._loopback.start()

    def close(self) -> None:
        """Break off every answer and end the thread."""
        self._loopback.stop()

    @property
    def url(self) -> str:
        """The base URL for clients, with the path of the real one."""
        return self._url

    @property
    def api_key(self) -> str:
        """A key for clients: any will do."""
        return "sk-recorded"

    @property
    def left(self) -> int:
        """Recorded answers that were not played yet."""
        return self._loopback.call(lambda: len(self._stage.left))

    def story(self) -> str:
        """Return what happened, as text."""
        played = f"Played {self._count - self.left} of {self._count} answers of {self._path}."
        return "\n".join([played, *self._stage.misses])

    def assert_played(self) -> None:
        """Assert that every request was in the recording; answers that nobody asked for are no fault.

        Raises:
            AssertionError: It says which request was not, and how it differs.
        """
        if self._stage.misses:
            raise AssertionError("\n".join(self._stage.misses))

    @asynccontextmanager
    async def _serve(self) -> AsyncGenerator[str]:
        async with serve_app(self._stage, self._stage.close) as (url, _):
            yield url.removesuffix("/v1") + self._prefix
