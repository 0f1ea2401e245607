"""What moderation said of a request's input and of the model's output.

Values come in with a completion or a chunk; what goes out is read by the user. Nothing here asks for moderation: that
is `moderation=` of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from .json import refuse_depth
from .model import Model
from .shared import Unlisted

__all__ = ["Moderation", "ModerationError", "ModerationResult", "ModerationResults"]


class ModerationResult(Model):
    """The verdict on one input: category to bool, to the input types it applies to, and to a score from 0 to 1."""

    categories: dict[str, bool] = {}
    category_applied_input_types: dict[str, list[Literal["text", "image"] | Unlisted]] = {}
    category_scores: dict[str, float] = {}
    flagged: bool = False
    model: str = ""
    type: Literal["moderation_result"] | Unlisted = "moderation_result"


class ModerationResults(Model):
    """Verdicts of one moderation model, one per input."""

    model: str = ""
    results: list[ModerationResult] = []
    type: Literal["moderation_results"] = "moderation_results"


class ModerationError(Model):
    """Why moderation did not run."""

    code: str = ""
    message: str = ""
    type: Literal["error"] = "error"


if TYPE_CHECKING:
    _Moderated: TypeAlias = ModerationResults | ModerationError
else:
    _Moderated = dict[str, Any]  # as with tool calls: see ChatCompletionMessage


class Moderation(Model):
    """Moderation of the request's input and of the model's output; None: not asked for, or not sent."""

    input: _Moderated | None = None
    output: _Moderated | None = None

    def __post_init__(self) -> None:
        """Turn decoded verdicts into their types."""
        self.input, self.output = _moderated(self.input), _moderated(self.output)


def _moderated(verdict: Any) -> Any:
    if not isinstance(verdict, dict):
        return verdict  # None, or a copy's, which has its type already
    data = cast("dict[str, Any]", verdict)
    refuse_depth(data)
    return (ModerationError if data.get("type") == "error" else ModerationResults).from_dict(data)
