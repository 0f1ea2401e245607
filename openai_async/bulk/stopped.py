"""`BulkStoppedError`: a run that ended because every further call would have been refused as well.

Errors of calls come in; out goes whether one of them stands against all calls: a key that is refused, a quota that is
used up. Nothing here waits, and no file is known.
"""

from __future__ import annotations

from typing import Any, Final

from openai_async.errors import (
    APIError,
    AuthenticationError,
    InsufficientQuotaError,
    OpenAIError,
    PermissionDeniedError,
)
from openai_async.types.json import is_object

from .result import BulkStats

__all__ = ["BulkStoppedError", "Refusals"]

# "Payment Required" is what OpenRouter and DeepSeek say of an empty account.
_UNPAID: Final = 402
# A 403 may be about one request, as moderation's is: so many in a row are about the key.
_FORBIDDEN: Final = 10
# Words in an error's code by which a 403 is about what was asked.
_OF_CONTENT: Final = ("moderation", "content", "policy", "safety")


class BulkStoppedError(OpenAIError):
    """The server refuses every call, so the rest was not made. What was answered before is kept.

    Attributes:
        reason: What the server said.
        stats: The totals of the run.
        kept: Whether there is a journal, from which the same run goes on.
    """

    def __init__(self, reason: APIError, stats: BulkStats, *, kept: bool) -> None:
        super().__init__(reason, stats)
        self.reason: APIError = reason
        self.stats: BulkStats = stats
        self.kept: bool = kept

    @property
    def paid(self) -> bool:
        """Whether calls under way may still be answered: the quota was used up behind them, the key is good."""
        return not isinstance(self.reason, AuthenticationError | PermissionDeniedError)

    def __str__(self) -> str:
        of = "" if self.stats.total is None else f" of {self.stats.total:,}"
        done = f"{self.stats.done + self.stats.resumed:,}{of} done"
        rest = " and in the journal: run it again, and it goes on from there" if self.kept else ""
        said = str(self.reason).rstrip(".")
        return f"{said}. Every further call would be refused, so the run was stopped with {done}{rest}."

    def __reduce__(self) -> Any:
        return _remade, (self.reason, self.stats, self.kept)


class Refusals:
    """What the calls of a run were refused for, and whether that stands against all of them."""

    def __init__(self) -> None:
        self._answered = False
        self._in_a_row = 0

    def note_answer(self) -> None:
        """Take note that a call was answered: the key is good."""
        self._answered = True
        self._in_a_row = 0

    def final(self, error: BaseException) -> bool:
        """Take note of an error, and return whether every further call would fail with it.

        Final are 401, 402 and a used-up quota; and 403, unless it names the content: before the first answer of the run
        at once, later when ten come in a row.
        """
        if not isinstance(error, APIError):
            return False
        if isinstance(error, AuthenticationError | InsufficientQuotaError) or error.status_code == _UNPAID:
            return True
        if not isinstance(error, PermissionDeniedError) or _of_content(error):
            return False
        self._in_a_row += 1
        return not self._answered or self._in_a_row >= _FORBIDDEN


def _of_content(error: APIError) -> bool:
    """Whether a refusal is about what was asked: OpenRouter's moderation lists its reasons, others say so in the code."""
    detail: Any = error.body if is_object(error.body) else {}
    metadata = detail.get("metadata")
    if is_object(metadata) and ("flagged_input" in metadata or "reasons" in metadata):
        return True
    return any(word in (error.code or "").lower() for word in _OF_CONTENT)


def _remade(reason: APIError, stats: BulkStats, kept: bool) -> BulkStoppedError:  # noqa: FBT001 - pickle gives no names
    return BulkStoppedError(reason, stats, kept=kept)
