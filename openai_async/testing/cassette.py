"""The recordings of one test: recorded or played, whichever the run is for.

Names come in, running recorders or players go out. Where the files are and what a missing one means is decided here.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .player import Player
from .recorder import Recorder
from .recording import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from .stage import Match

__all__ = ["Cassettes"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

_NAME = re.compile(r"[\w.-]*\w")


class Cassettes:
    """The recordings.

    Args:
        folder: Where the files are.
        test: The test's id, for messages.
        record: Whether the real server is to be asked.
    """

    def __init__(self, folder: Path, *, test: str, record: bool) -> None:
        self._folder = folder
        self._test = test
        self._record = record
        self._opened: dict[str, Recorder | Player] = {}
        self._stack = ExitStack()

    def open(
        self,
        name: str,
        *,
        upstream: str | None = None,
        speed: float = math.inf,
        match: Match = "body",
    ) -> Recorder | Player:
        """Start recording, or playing, and return what has `url` and `api_key` for any client.

        Args:
            name: Of the file, without `.jsonl`: letters, digits, `_`, `-` and `.`.
            upstream: As in `Recorder`.
            speed: As in `Player`.
            match: As in `Player`.

        Raises:
            RecordingError: There is no such recording, it is none, or there is no key to record with.
            ValueError: `name` is no such name, or open already; or `speed` or `match` is out of range.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"a recording's name has letters, digits, '_', '-' and '.' only, not {name!r}")
        if name in self._opened:
            raise ValueError(f"the recording {name!r} is open already: use what the first call returned")
        path = self._folder / f"{name}.jsonl"
        opened: Recorder | Player
        if self._record:
            if not (upstream or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_KEY")):
                raise RecordingError(
                    "To record OpenAI's answers, set OPENAI_API_KEY; for another server, give upstream=."
                )
            opened = Recorder(path, upstream=upstream)
        elif not path.is_file():
            raise RecordingError(
                f"There is no recording {path}. To make it from what the real server answers, run: "
                f"pytest --openai-async-record {self._test!r}"
            )
        else:
            opened = Player(path, speed=speed, match=match)
        opened.start()
        self._stack.callback(opened.close)
        self._opened[name] = opened
        return opened

    def story(self) -> str:
        """Return what happened, as text."""
        return "\n".join(opened.story() for opened in self._opened.values()) or "No recording was opened."

    def assert_played(self) -> None:
        """Assert that every request found its answer.

        Raises:
            AssertionError: It says which did not.
        """
        for opened in self._opened.values():
            opened.assert_played()

    def close(self) -> None:
        """Close all recorders and players."""
        self._stack.close()
