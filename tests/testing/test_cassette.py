"""The recordings of one test."""

from __future__ import annotations

import pytest

from openai_async.testing import Player, Recorder
from openai_async.testing.cassette import Cassettes
from openai_async.testing.recording import RecordingError

pytestmark = pytest.mark.sockets


@pytest.fixture
def cassettes(tmp_path, monkeypatch):
    """Make recordings in a folder that is not there yet, closed after the test; no key and no server is known."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    made = []

    def make(*, record):
        made.append(Cassettes(tmp_path / "recordings", test="test_a.py::test_b", record=record))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_recording_is_made_then_played(cassettes, server, official, question):
    """What is recorded under a name is played under it once it is closed."""
    server.reply("Hello")
    recording = cassettes(record=True)
    recorder = recording.open("hello-1.0", upstream=server.url)
    official(recorder).chat.completions.create(**question())
    recording.assert_played()
    assert recording.story().startswith("Recorded 1 answers of http://127.0.0.1:")
    recording.close()

    playing = cassettes(record=False)
    player = playing.open("hello-1.0")
    answer = official(player).chat.completions.create(**question())
    playing.assert_played()
    assert (type(recorder), type(player)) == (Recorder, Player)
    assert answer.choices[0].message.content == "Hello"
    assert playing.story().startswith("Played 1 of 1 answers")


def test_nothing_opened_is_no_failure(cassettes):
    """A test that opens none has nothing to play."""
    none = cassettes(record=False)

    none.assert_played()
    assert none.story() == "No recording was opened."


def test_a_missing_recording_says_how_to_make_it(cassettes):
    """The error has the file and the command."""
    with pytest.raises(
        RecordingError, match=r"hello\.jsonl\. To make it .* --openai-async-record 'test_a\.py::test_b'"
    ):
        cassettes(record=False).open("hello")


def test_recording_openai_needs_a_key(cassettes, monkeypatch, tmp_path):
    """Without a key and a server of one's own, nothing is asked and nothing is made; the key is enough."""
    with pytest.raises(RecordingError, match="set OPENAI_API_KEY"):
        cassettes(record=True).open("hello")
    assert not (tmp_path / "recordings").exists()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")
    assert "https://api.openai.com/v1" in repr(cassettes(record=True).open("hello"))


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a b", "a.", "/a"])
def test_names_stay_in_their_folder(cassettes, name):
    """What is no plain name is refused."""
    with pytest.raises(ValueError, match="letters, digits"):
        cassettes(record=False).open(name)


def test_a_name_is_opened_once(cassettes, server):
    """A second recorder under the name would write over the first one's file."""
    recording = cassettes(record=True)
    recording.open("hello", upstream=server.url)

    with pytest.raises(ValueError, match="'hello' is open already"):
        recording.open("hello", upstream=server.url)
