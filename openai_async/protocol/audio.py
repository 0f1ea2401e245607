"""A spoken answer, joined from its pieces: `AudioSnapshot`.

Deltas with base64 data and pieces of the transcript come in; out goes the message's audio so far. Nothing is decoded
unless the pieces can't be joined as they are.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Any

from openai_async.types.chunk import ChoiceDeltaAudio
from openai_async.types.completion import ChatCompletionAudio

from .extras import Extras
from .text import Text

__all__ = ["AudioSnapshot"]


class AudioSnapshot:
    """One message's audio so far.

    Attributes:
        id: The clip's id; "": the server has not said it yet.
        transcript: What is said, as text.
        expires_at: When the server forgets the clip, in Unix seconds; 0: it did not say.
    """

    __slots__ = ("_data", "_extras", "expires_at", "id", "transcript")

    def __init__(self) -> None:
        self.expires_at: int = 0
        self.id: str = ""
        self._data = Text()
        self.transcript: Text = Text()
        self._extras = Extras(appends=True)

    def add(self, delta: ChoiceDeltaAudio) -> None:
        """Add a piece: the id is set once, data and transcript are appended."""
        self.id = self.id or delta.id or ""
        self._data.append(delta.data or "")
        self.transcript.append(delta.transcript or "")
        self.expires_at = delta.expires_at or self.expires_at
        self._extras.merge(delta.model_extra)

    def value(self) -> ChatCompletionAudio:
        """Return the audio so far."""
        fields: dict[str, Any] = {
            "id": self.id,
            "data": _joined_base64(self._data.value()),
            "expires_at": self.expires_at,
            "transcript": self.transcript.value(),
        }
        return ChatCompletionAudio.build(fields, self._extras.values(fields))


def _joined_base64(data: str) -> str:
    """Return `data` as one base64 text where its pieces were padded each on its own, as `QQ==Qg==`."""
    if "=" not in data.rstrip("="):
        return data
    try:
        return b64encode(b"".join(b64decode(piece) for piece in re.findall("[^=]+=*", data))).decode()
    except ValueError:
        return data  # it is something else than base64, or was cut off within a piece
