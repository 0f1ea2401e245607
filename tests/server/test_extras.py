"""Speech, moderation, citations."""

from __future__ import annotations

import base64
import io
import wave

import pytest

from openai_async.server.dice import Dice
from openai_async.server.extras import citation_of, moderation_of, speech_of
from openai_async.server.problems import Problem


def _speech(text="Hello there.", kind="wav"):
    return speech_of(text, {"voice": "alloy", "format": kind}, dice=Dice(1), created=1000)


def test_wav_is_a_real_sound_file():
    """A wav clip opens as one, and is as long as its tokens: 10 ms each."""
    speech = _speech()

    with wave.open(io.BytesIO(base64.b64decode(speech["data"]))) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (1, 24_000, 3 * 240)
    assert speech["transcript"] == "Hello there."
    assert speech["expires_at"] == 4600
    assert speech["id"].startswith("audio_")


def test_pcm_is_the_same_without_a_header():
    """pcm16 has the samples of wav alone."""
    wav, pcm = (base64.b64decode(_speech(kind=kind)["data"]) for kind in ("wav", "pcm16"))

    assert wav[44:] == pcm


def test_mp3_is_a_row_of_frames():
    """mp3 has one whole frame of silence for each token."""
    clip = base64.b64decode(_speech(kind="mp3")["data"])

    assert clip[:2] == b"\xff\xfb"
    assert len(clip) == 3 * 192


def test_other_formats_are_refused():
    """A format that needs an encoder is a bad request, which names the formats that there are."""
    with pytest.raises(Problem, match="'pcm16'") as caught:
        _speech(kind="opus")

    assert (caught.value.param, caught.value.code) == ("audio.format", "invalid_value")


def test_moderation_flags_violence_only(conforms):
    """A text with a violent word is flagged, another is not, and both have scores for all categories."""
    moderation = moderation_of("omni", "I kill time", "How nice")

    conforms(moderation, "ChatCompletionModeration")
    asked, said = (moderation[side]["results"][0] for side in ("input", "output"))
    assert asked["flagged"]
    assert asked["categories"]["violence"]
    assert not said["flagged"]
    assert not any(said["categories"].values())


def test_citations_point_at_themselves():
    """The annotation's indexes enclose the citation at the text's end."""
    text, annotation = citation_of("It rains.")
    place = annotation["url_citation"]

    assert text.startswith("It rains. ")
    assert text[place["start_index"] : place["end_index"]] == f"([{place['title']}]({place['url']}))"
