"""A spoken answer, joined from its pieces."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.protocol.audio import AudioSnapshot
from openai_async.types.chat import ChoiceDeltaAudio


def joined(*deltas):
    """The audio that deltas, given as dicts, add up to."""
    audio = AudioSnapshot()
    for delta in deltas:
        audio.add(ChoiceDeltaAudio.from_dict(delta))
    return audio.value()


def test_pieces():
    """The id is set once; data and transcript are appended, apart or together; nulls say nothing."""
    audio = joined(
        {"id": "audio_1", "transcript": "Hel"},
        {"id": "audio_1", "data": "AAAA"},
        {"id": None, "data": "BBBB", "transcript": "lo"},
        {},
        {"expires_at": 1700000000},
    )
    assert audio.to_dict() == {"id": "audio_1", "data": "AAAABBBB", "transcript": "Hello", "expires_at": 1700000000}


def test_repeated_fields():
    """An expiry that is repeated is not added up: the last one that says something counts."""
    assert joined({"expires_at": 1}, {"expires_at": 2}, {"expires_at": None}, {"expires_at": 0}).expires_at == 2
    assert joined({"id": "a"}, {"id": "b"}).id == "a"
    assert joined({"id": "a"}).expires_at == 0


def test_unknown_keys():
    """What a vendor adds is joined: labels are set, text is appended, numbers are replaced."""
    extra = joined({"format": "wav", "words": "a", "n": 1}, {"format": "wav", "words": "b", "n": 2}).model_extra
    assert extra == {"format": "wav", "words": "ab", "n": 2}


def test_a_value_that_did_not_fit():
    """A misfit is kept where the field stays empty, and gives way where it does not."""
    assert joined({"data": ["x"]}).to_dict()["data"] == ["x"]
    assert joined({"data": ["x"]}, {"data": "AAAA"}).to_dict()["data"] == "AAAA"


@given(pieces=st.lists(st.binary(max_size=7), max_size=5), whole=st.booleans())
def test_base64(pieces, whole):
    """The data decodes to what the pieces decode to, also where each piece was padded on its own."""
    if whole:  # as the API does it: cut at multiples of three bytes, padded at the end only
        data = b"".join(pieces)
        pieces = [data[at : at + 3] for at in range(0, len(data), 3)]
    audio = joined(*({"data": base64.b64encode(piece).decode()} for piece in pieces))
    assert base64.b64decode(audio.data, validate=True) == b"".join(pieces)
    assert "=" not in audio.data.rstrip("=")


@pytest.mark.parametrize("data", ["A=B", "a=b=c", "x", "é=x", "QR==", "QQ", "Q Q = ="])
def test_data_as_it_came(data):
    """Data in one piece, or that is no base64, stays as it came, to the letter."""
    assert joined({"data": data}).data == data
