"""Pleasant short English.

The user's words come in, or tool results; out goes an answer that refers to them, different for different dice. It
claims no knowledge, because it has none, and never says two things for the same dice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dice import Dice

__all__ = ["REFUSAL", "answer_text", "result_text", "wants_filter", "wants_refusal"]

REFUSAL = "I'm sorry, but I can't help with that."

_OPENINGS = (
    "You wrote: {quote}.",
    "Thank you for {quote}.",
    "Let me take up {quote}.",
    "So this is about {quote}.",
    "I read {quote} with pleasure.",
)
_GREETINGS = (
    "Hello! It is good to hear from you.",
    "Hello there, and welcome.",
    "Good day! I am glad that you called.",
)
_SENTENCES = (
    "I am the embedded server's stand-in for a model, so I know the protocol better than the answer.",
    "No model was asked, but every byte around these words is what a real server would send.",
    "These words were chosen by rolling dice that always fall the same way.",
    "Whatever your program does with this text, it can do with a real answer.",
    "Nothing left this computer, and nobody was billed.",
    "A real model would have more to say, and would charge for it.",
)
_CLOSINGS = (
    "Ask again, and you will read the very same words.",
    "Change a single letter of the question, and the answer changes, too.",
    "When you are ready for a real model, change the base URL.",
    "Is there anything else that you would like to try?",
)
_BODY = {"low": 0, "medium": 1, "high": 3}  # sentences between opening and closing
_LONGEST_QUOTE = 60
_LONGEST_RESULT = 300
_MOST_WORDS = 20_000


def wants_refusal(text: str) -> bool:
    """Say whether a message asks to be refused: it has the word "refuse"."""
    return re.search(r"\brefuse\b", text, re.IGNORECASE) is not None


def wants_filter(text: str) -> bool:
    """Say whether a message asks for an answer that a content filter stops: it has the word "content_filter"."""
    return "content_filter" in text


def answer_text(text: str, *, index: int, verbosity: str, dice: Dice) -> str:
    """Answer a message.

    Args:
        text: The message; empty: nothing was asked.
        index: Which of several answers this is: from the second on, each says so, and so differs from the others.
        verbosity: low, medium or high.
        dice: Decides between ways to say it.
    """
    lead = f"Answer {index + 1}: " if index else ""
    wanted = re.search(r"\b(\d{1,6}) words\b", text)
    if wanted:
        return lead + _words(min(int(wanted[1]), _MOST_WORDS), dice)
    if re.match(r"\W*(?:say )?(?:hello|hi|hey|good morning|good day)\b", text, re.IGNORECASE):
        return lead + dice.pick(_GREETINGS)
    parts = [dice.pick(_OPENINGS).format(quote=_quoted(text)) if text else "You have not asked me anything yet."]
    start = dice.below(len(_SENTENCES))
    parts.extend(_SENTENCES[(start + step) % len(_SENTENCES)] for step in range(_BODY[verbosity]))
    if verbosity != "low":
        parts.append(dice.pick(_CLOSINGS))
    return lead + " ".join(parts)


def result_text(results: list[tuple[str, str]], *, index: int, dice: Dice) -> str:
    """Report what tools returned.

    Args:
        results: Name of each tool, and its result.
        index: As in `answer_text`.
        dice: Decides between ways to say it.
    """
    lead = f"Answer {index + 1}: " if index else ""
    said = "; ".join(f"{name} says {_quoted(result, longest=_LONGEST_RESULT)}" for name, result in results)
    opening = dice.pick(("Here is what I found", "The tools have answered", "This is the result"))
    return f"{lead}{opening}: {said}."


def _quoted(text: str, *, longest: int = _LONGEST_QUOTE) -> str:
    line = " ".join(text.split())
    if len(line) > longest:
        line = line[:longest].rsplit(" ", 1)[0] + "…"
    return f"“{line.rstrip('.')}”"


def _words(count: int, dice: Dice) -> str:
    """Exactly `count` words, in whole sentences but for the last."""
    words: list[str] = []
    while len(words) < count:
        words.extend(dice.pick(_SENTENCES + _CLOSINGS).split())
    return " ".join(words[:count])
