"""What an answer may carry besides text: speech, moderation, citations.

The answer's text comes in; out goes the extra as the API writes it. The sounds are tones, the scores and the cited page
are made up, all of them the same for the same text. It never decides whether an extra was asked for.
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

from .dice import Dice
from .problems import Problem
from .tokens import split_tokens

__all__ = ["citation_of", "moderation_of", "speech_of"]

_RATE = 24_000  # samples a second, the API's own for pcm16
_TONE = 240  # samples a token: 10 ms keep an answer's clip small
_LONGEST_CLIP = 100  # tokens that are heard
# A frame of MPEG-1 layer III, 64 kbit/s mono at 48 kHz, all of whose data is zero: 24 ms of silence.
_MP3_FRAME = b"\xff\xfb\x54\xc4" + bytes(188)

_CATEGORIES = ("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
               "self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence",
               "violence/graphic")  # fmt: skip
_VIOLENT = frozenset({"kill", "murder", "stab", "shoot"})


def speech_of(text: str, audio: dict[str, Any], *, dice: Dice, created: int) -> dict[str, Any]:
    """Return a message's `audio`: an id, a short clip in base64, its expiry an hour later, and the text.

    Args:
        text: What is said.
        audio: The request's `audio`, for the format.
        dice: Where the id comes from.
        created: When the answer was made, Unix time in seconds.

    Raises:
        Problem: Status 400; the format needs an encoder that this server has not.
    """
    tokens = split_tokens(text)[:_LONGEST_CLIP]
    kind: str = audio["format"]
    if kind == "mp3":
        clip = _MP3_FRAME * max(len(tokens), 1)
    elif kind in ("wav", "pcm16"):
        clip = b"".join(_tone(token) for token in tokens)
        clip = _wav_header(len(clip)) + clip if kind == "wav" else clip
    else:
        message = f"Invalid value: '{kind}'. This server speaks 'wav', 'mp3', and 'pcm16' only."
        raise Problem(400, message, param="audio.format", code="invalid_value")
    return {
        "id": f"audio_{dice.hex(32)}",
        "data": base64.b64encode(clip).decode(),
        "expires_at": created + 3600,
        "transcript": text,
    }


def _tone(token: str) -> bytes:
    pitch = 220 + Dice.of("tone", token).below(440)
    samples = (int(8_000 * math.sin(2 * math.pi * pitch * at / _RATE)) for at in range(_TONE))
    return struct.pack(f"<{_TONE}h", *samples)


def _wav_header(size: int) -> bytes:
    layout = (b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, _RATE, _RATE * 2, 2, 16, b"data", size)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *layout)


def moderation_of(model: str, asked: str, said: str) -> dict[str, Any]:
    """Return a completion's `moderation`: scores for the conversation and for the answer.

    A text is flagged for violence when one of a few violent words is in it, and for nothing otherwise.
    """
    return {"input": _scored(model, asked), "output": _scored(model, said)}


def _scored(model: str, text: str) -> dict[str, Any]:
    dice = Dice.of("moderation", text)
    violent = not _VIOLENT.isdisjoint(text.casefold().split())
    scores = {name: round(dice.unit() * 1e-3, 8) for name in _CATEGORIES}
    if violent:
        scores["violence"] = 0.98
    result = {
        "type": "moderation_result",
        "model": model,
        "flagged": violent,
        "categories": {name: score > 0.5 for name, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
    return {"type": "moderation_results", "model": model, "results": [result]}


def citation_of(text: str) -> tuple[str, dict[str, Any]]:
    """Return `text` with a cited page at its end, and the annotation that points to the citation."""
    url, title = "https://example.org/", "Example"
    start = len(text) + 1
    cited = f"{text} ([{title}]({url}))"
    citation = {"start_index": start, "end_index": len(cited), "url": url, "title": title}
    return cited, {"type": "url_citation", "url_citation": citation}
