"""What could be seen of one case: by the user, by the server, and in what was left behind."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from support.rawserver import RawRequest

from .sdk import Sdk

__all__ = ["Seen"]


@dataclass
class Seen:
    """What could be seen.

    Attributes:
        sdk: Whose client it was.
        text: The text that the user has read.
        chunks: How many chunks or events brought it.
        answer: The completion, or whatever else a call returned.
        error: What reached the user instead; None: nothing did.
        hung: Whether it had to be ended.
        seconds: How long the user was busy, from when there was a client.
        aborted: Seconds from the user's leaving until the server saw it; None: it did not, or nobody left.
        late: How late the event loop was at worst, in seconds: a busy machine is nobody's fault.
        requests: What the server was asked.
        connections: On how many connections.
        open: How many were open half a second after the client was closed.
        log: Lines of every logger, at DEBUG.
        warned: Python's warnings.
        complaints: What the event loop complained of: exceptions that nobody awaited, connections not closed.
        notes: What a case keeps for its own verdict.
    """

    sdk: Sdk
    text: str = ""
    chunks: int = 0
    answer: Any = None
    error: BaseException | None = None
    hung: bool = False
    seconds: float = 0.0
    aborted: float | None = None
    late: float = 0.0
    requests: list[RawRequest] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    log: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """All of the error that a user, a log or a crash reporter gets to see."""
        parts: list[str] = []
        behind = self.error
        if behind is not None:
            parts.append("".join(traceback.format_exception(behind)))
        while behind is not None:
            parts += [repr(behind), repr(behind.args), repr(getattr(behind, "__dict__", ""))]
            behind = behind.__cause__ or behind.__context__
        return "\n".join(parts)

    def is_own(self) -> bool:
        """Whether the error is one of the SDK's."""
        return isinstance(self.error, self.sdk.module.OpenAIError)
