"""`merge`: consecutive pieces of text as one, for readers that are behind.

Payloads come in, fewer payloads go out, which add up to the same completion. Only what is one choice's `content` and
nothing else is joined, and only with neighbours that agree in all the rest; any other frame stays as it is, byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from .log import Batch

__all__ = ["merge", "merged"]


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    content: str


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    index: int
    delta: _Delta
    logprobs: UnsetType | None = UNSET
    finish_reason: UnsetType | None = UNSET


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    """A chunk as the API publishes it, with what most servers send of it."""

    choices: list[_Choice]
    id: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    created: int | UnsetType = UNSET
    model: str | UnsetType = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET
    usage: UnsetType | None = UNSET
    obfuscation: str | UnsetType | None = UNSET


_published = msgspec.json.Decoder(_Frame)
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])
_choices = msgspec.json.Decoder(list[_Choice])

# Fields that tell of the chunk and not of the answer: one value each is as good as another.
_PASSING = ("obfuscation",)


class _Piece:
    """A frame that is nothing but a piece of text.

    Args:
        choice: Its one choice.
        frame: The frame, if it keeps to the published schema; None: it does not.
        envelope: All around the choices, as it came or decoded; two that are equal may be joined.
    """

    __slots__ = ("choice", "envelope", "frame")

    def __init__(self, choice: _Choice, frame: _Frame | None, envelope: tuple[object, ...] | dict[str, bytes]) -> None:
        self.choice = choice
        self.frame = frame
        self.envelope = envelope

    def continues(self, other: _Piece) -> bool:
        """Whether the two differ in nothing but their text."""
        return self.choice.index == other.choice.index and self.envelope == other.envelope


def _piece(frame: bytes) -> _Piece | None:
    """The piece of text that a frame is; None: it is something else, or more."""
    try:
        known = _published.decode(frame)
    except msgspec.ValidationError:
        return _odd_piece(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(known.choices) != 1:
        return None
    around = (known.id, known.object, known.created, known.model, known.service_tier, known.system_fingerprint)
    return _Piece(known.choices[0], known, around)


def _odd_piece(frame: bytes) -> _Piece | None:
    """The same of a frame with fields that are not published."""
    try:
        fields = _envelope.decode(frame)
        choices = _choices.decode(fields.pop("choices"))
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        return None
    envelope = {name: bytes(value) for name, value in fields.items()}
    if len(choices) != 1 or envelope.get("usage", b"null") != b"null" or "error" in envelope:
        return None
    if any(value[:1] in b"[{" and b"[" in value for value in envelope.values()):
        return None  # unknown lists grow with each chunk that has them
    for name in _PASSING:
        envelope.pop(name, None)
    return _Piece(choices[0], None, envelope)


def _joined(pieces: Sequence[_Piece]) -> bytes:
    last = pieces[-1]
    last.choice.delta.content = "".join(piece.choice.delta.content for piece in pieces)
    if last.frame is not None:
        return msgspec.json.encode(last.frame)
    assert isinstance(last.envelope, dict)  # as `_odd_piece` made it
    around = {name: msgspec.Raw(raw) for name, raw in last.envelope.items()}
    return msgspec.json.encode({**around, "choices": [last.choice]})


def _runs(frames: Iterable[bytes]) -> Iterable[tuple[bytes, int]]:
    """Yield each frame that is left, with how many it stands for."""
    run: list[_Piece] = []
    begin = b""  # the first frame of the run, as it came
    for frame in frames:
        piece = _piece(frame)
        if piece is not None and run and piece.continues(run[-1]):
            run.append(piece)
            continue
        if run:
            yield (_joined(run) if len(run) > 1 else begin), len(run)
        run, begin = ([piece], frame) if piece is not None else ([], b"")
        if piece is None:
            yield frame, 1
    if run:
        yield (_joined(run) if len(run) > 1 else begin), len(run)


def merge(frames: Iterable[bytes]) -> list[bytes]:
    """Return frames that add up to the same completion, with neighbouring pieces of text as one.

    Args:
        frames: Payloads of one stream, in order. What is no JSON stays as it is.
    """
    return [frame for frame, _ in _runs(frames)]


def merged(batch: Batch) -> list[Batch]:
    """Return a batch as few frames, in batches whose cursors are true.

    A frame that stands for several has the number of the last of them, so that whoever comes back with its cursor
    misses nothing and gets nothing twice; where that leaves a hole before it, a batch of its own begins.
    """
    batches: list[Batch] = []
    frames: list[bytes] = []
    first = seq = batch.first
    for frame, stands_for in _runs(batch.frames):
        seq += stands_for
        if frames and first + len(frames) != seq - 1:
            batches.append(Batch(batch.epoch, first, frames, batch.reset and not batches))
            frames = []
        if not frames:
            first = seq - 1
        frames.append(frame)
    if frames or batch.reset:
        batches.append(Batch(batch.epoch, first, frames, batch.reset and not batches))
    return batches
