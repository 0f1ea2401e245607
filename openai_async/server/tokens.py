"""Text in pieces, as a tokenizer would cut it.

Text comes in; out go its pieces (words with their leading space, runs of punctuation), their count, and plausible log
probabilities for them. It loses no character: the pieces joined are the text. It is no real model's tokenizer, so
counts are estimates.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .schemas import is_list

if TYPE_CHECKING:
    from .dice import Dice

__all__ = ["count_tokens", "logprobs_of", "prompt_tokens", "split_tokens", "text_of"]

_TOKEN = re.compile(r" ?\w{1,12}| ?[^\w\s]{1,3}|\s")

# What the chat format adds to each message, and once to a prompt: the figures of OpenAI's cookbook.
_PER_MESSAGE = 3
_PER_PROMPT = 3
_PER_IMAGE = 85

_OTHER_WORDS = (" the", " a", " and", " to", " of", " in", " is", " that", " it", " for", ".", ",", " as", " with", " on",
                " be", " this", " by", " or", " an", " from", " at", " we", " you")  # fmt: skip


def split_tokens(text: str) -> list[str]:
    """Return the pieces of `text`, in order; joined, they are the text."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """Return the number of pieces of `text`."""
    return len(_TOKEN.findall(text))


def text_of(content: Any) -> str:
    """Return the text in a message's content, which is a string, a list of parts, or None.

    Parts are joined by line ends. Refusal parts count as text; images, sounds and files have none.
    """
    if isinstance(content, str):
        return content
    if not is_list(content):
        return ""
    texts: list[str] = [part.get("text") or part.get("refusal") or "" for part in content]
    return "\n".join(filter(None, texts))


def prompt_tokens(request: dict[str, Any]) -> int:
    """Return an estimate of the tokens in a request's messages, tools and schema."""
    total = _PER_PROMPT
    for message in request["messages"]:
        total += _PER_MESSAGE + count_tokens(text_of(message.get("content")))
        calls: list[dict[str, Any]] = message.get("tool_calls") or []
        for call in calls:
            total += sum(count_tokens(value) for value in call[call["type"]].values())
        if isinstance(message.get("content"), list):
            total += sum(_PER_IMAGE for part in message["content"] if part["type"] == "image_url")
    for name in ("tools", "functions", "response_format"):
        if request.get(name):
            total += count_tokens(str(request[name])) // 2
    return total


def logprobs_of(tokens: list[str], *, top: int, dice: Dice) -> list[dict[str, Any]]:
    """Return one log probability entry per token, as the API writes them.

    Args:
        tokens: The pieces of the answer.
        top: How many of the likeliest tokens each entry lists, 0 to 20, the chosen one among them.
        dice: Where the numbers come from.
    """
    return [_entry(token, top, dice) for token in tokens]


def _entry(token: str, top: int, dice: Dice) -> dict[str, Any]:
    # Most tokens are near certain, a few are a toss-up: the fourth power of an even chance looks much like it.
    chosen = -(dice.unit() ** 4) * 2.0
    others: list[dict[str, Any]] = []
    likelihood = chosen
    start = dice.below(len(_OTHER_WORDS))
    words = [word for word in _OTHER_WORDS[start:] + _OTHER_WORDS[:start] if word != token]
    for word in words[: max(top - 1, 0)]:
        likelihood -= 0.05 + dice.unit() * 1.5
        others.append(_one(word, likelihood))
    own = _one(token, chosen)
    return {**own, "top_logprobs": [own, *others] if top else []}


def _one(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(logprob, 8), "bytes": list(token.encode(errors="replace"))}
