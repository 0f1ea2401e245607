"""A proxy on this machine that writes down what a real server answers: `Recorder`.

Requests of any client come in over a socket and go on, with the client's own key; answers go back as they arrive, and
into a file of the format of `recording`. It adds no credentials, and writes none down.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from openai_async.server.run import serve_app
from openai_async.transport.session import AiohttpTransport

from .loopback import Loopback
from .recording import RecordingError, RecordingWriter
from .tap import Tap

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from .recording import Exchange

__all__ = ["OPENAI", "Recorder"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

OPENAI = "https://api.openai.com/v1"
"""The base URL that is recorded unless told otherwise."""


class Recorder:
    """The proxy, on a free port of 127.0.0.1.

        with Recorder("hello.jsonl", upstream="https://api.openai.com/v1") as recorder:
            client = OpenAI(base_url=recorder.url, api_key=recorder.api_key)

    The file is there once it is closed; where nothing was answered, a file that was there before stays.

    Args:
        path: The file to write.
        upstream: The base URL of the real server; None: OPENAI_BASE_URL, else OpenAI's own.

    Raises:
        RecordingError: `upstream` is no http or https address.
    """

    def __init__(self, path: str | os.PathLike[str], *, upstream: str | None = None) -> None:
        self._path = Path(path)
        given = upstream or os.environ.get("OPENAI_BASE_URL") or OPENAI
        if not _is_upstream(given):
            raise RecordingError(
                "upstream must be a base URL such as https://api.openai.com/v1, without a query and without credentials"
            )
        parts = urlsplit(given)
        self._upstream = given.rstrip("/")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._writer: RecordingWriter | None = None
        self._loopback: Loopback[str] = Loopback(self._serve)
        self._url = ""
        self._failures: list[str] = []

    def __repr__(self) -> str:
        return f"<Recorder {str(self._path)!r} of {self._upstream}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start serving; the `with` does.

        Raises:
            ImportError: The extra `testing` is not installed.
            RecordingError: The file can't be written.
            RuntimeError: It runs already.
        """
        self._url = self._loopback.start()

    def close(self) -> None:
        """Break off every answer under way, end the thread, and put the file in its place."""
        self._loopback.stop()

    @property
    def url(self) -> str:
        """The base URL for clients, with the path of the real one."""
        return self._url

    @property
    def api_key(self) -> str:
        """The key in OPENAI_API_KEY, for clients; "none" where there is none. Whatever a client sends goes on."""
        return os.environ.get("OPENAI_API_KEY") or "none"

    @property
    def count(self) -> int:
        """Exchanges that were recorded so far."""
        writer = self._writer
        return 0 if writer is None else self._loopback.call(lambda: writer.count)

    def story(self) -> str:
        """Return what happened, as text."""
        return "\n".join([f"Recorded {self.count} answers of {self._upstream} into {self._path}.", *self._failures])

    def assert_played(self) -> None:
        """Assert that every request got a response of the real server, and that there was one.

        Raises:
            AssertionError: It says why.
        """
        if self._failures:
            raise AssertionError(f"Not everything was recorded: {self._failures[0]}")
        if not self.count:
            raise AssertionError(f"Nothing was recorded into {self._path}: no request came to {self._url}.")

    @asynccontextmanager
    async def _serve(self) -> AsyncGenerator[str]:
        transport = AiohttpTransport()
        try:
            with RecordingWriter(self._path, self._upstream) as writer:
                self._writer = writer
                tap = Tap(self._origin, transport, take=self._take, failed=self._note_failure)
                async with serve_app(tap, tap.close) as (url, _):
                    yield url.removesuffix("/v1") + urlsplit(self._upstream).path
        finally:
            await transport.aclose()

    def _note_failure(self, reason: str) -> None:
        self._failures.append(f"{self._upstream} did not answer: {reason}")

    def _take(self, exchange: Exchange) -> None:
        assert self._writer is not None  # there since before the first request
        try:
            self._writer.add(exchange)
        except OSError as error:
            self._failures.append(f"{self._path} can't be written: {error.strerror or error}")


def _is_upstream(address: str) -> bool:
    try:
        parts = urlsplit(address)
        fit = parts.scheme in ("http", "https") and parts.port != 0  # the port raises when it is no number
    except ValueError:
        return False
    return fit and bool(parts.hostname) and not parts.query and "@" not in parts.netloc
