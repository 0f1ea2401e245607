"""What the model lets see of its reasoning, under whichever name and in whichever shape a vendor sends it.

The unknown keys of a delta or a message come in, text goes out. The published schema has no place for it, so nothing here
is a field: whoever asks pays for looking, and a chunk that nobody asks costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .json import is_array, is_object

__all__ = ["reasoning_of_delta", "reasoning_of_message"]

# Text under a name of its own. DeepSeek, llama.cpp, SGLang, xAI and vLLM until 2025 say "reasoning_content"; vLLM since,
# OpenRouter, Ollama and Groq "reasoning". Versions between the two send both.
_TEXTS: Final = frozenset({"reasoning_content", "reasoning", "reasoning_text", "thinking"})

# Typed parts: OpenRouter's, which say again what "reasoning" says, LiteLLM's of Claude, Mistral's content, and that
# content as the accumulator keeps it.
_LISTS: Final = ("reasoning_details", "thinking_blocks", "content", "content_parts")

# Which key of a part has its text. Others ("reasoning.encrypted", "redacted_thinking") have none to show.
_TEXT_KEYS: Final = {"reasoning.text": "text", "reasoning.summary": "summary", "thinking": "thinking"}

# Gemini writes thoughts into the content, in a tag, and Vertex lets the user name the tag.
_OPENING: Final = re.compile(r"\s*<(?:thought|think)>")
_CLOSING: Final = re.compile(r"</(?:thought|think)>")


def reasoning_of_delta(extra: Mapping[str, Any], content: str | None) -> str | None:
    """Return the piece of reasoning that a delta adds.

    Args:
        extra: What the server sent beside the schema's fields.
        content: The delta's content, which is reasoning where Gemini marks it so.

    Returns:
        The text, without the tags that Gemini sets around it; None: the delta adds none.
    """
    if _is_thought(extra) and content:
        return _untagged(content) or None
    return _text(extra)


def reasoning_of_message(extra: Mapping[str, Any], content: str | None) -> str | None:
    """Return the reasoning of a whole message, or of one so far.

    Args:
        extra: What the server sent beside the schema's fields.
        content: The message's text, which begins with its reasoning where Gemini marks it so.

    Returns:
        The text; None: there is none, or it can't be told from the answer (Vertex without a tag: the deltas tell).
    """
    if _is_thought(extra) and content and _OPENING.match(content):
        return _untagged(content) or None
    return _text(extra)


def _text(extra: Mapping[str, Any]) -> str | None:
    """The longest of what is said: who says it twice says the same, unless one of them was left out at times."""
    found = [_named(extra), *(_of_parts(extra.get(name)) for name in _LISTS)]
    return max(found, key=len) or None


def _named(extra: Mapping[str, Any]) -> str:
    """The text under names of its own, in the order in which they came; one that repeats another is not said twice."""
    texts: list[str] = []
    for name, value in extra.items():
        if name in _TEXTS and isinstance(value, str) and not any(value in text for text in texts):
            texts = [*(text for text in texts if text not in value), value]
    return "".join(texts)


def _of_parts(parts: object) -> str:
    """The text of those parts of a list that are reasoning."""
    if not is_array(parts):
        return ""
    return "".join(_of_part(part) for part in parts if is_object(part))


def _of_part(part: dict[str, Any]) -> str:
    kind = part.get("type")
    value: object = part.get(_TEXT_KEYS[kind]) if isinstance(kind, str) and kind in _TEXT_KEYS else None
    if is_array(value):  # Mistral's thinking is a list of texts again
        texts = [item.get("text") for item in value if is_object(item)]
        return "".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else ""


def _is_thought(extra: Mapping[str, Any]) -> bool:
    """Whether Gemini marks the content as thought: `{"google": {"thought": true}}`, on Vertex `{"vertex": …}`."""
    marks = extra.get("extra_content")
    return is_object(marks) and any(is_object(mark) and mark.get("thought") is True for mark in marks.values())


def _untagged(content: str) -> str:
    opening = _OPENING.match(content)
    return _CLOSING.split(content[opening.end() :] if opening else content, maxsplit=1)[0]
