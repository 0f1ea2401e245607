"""The file format of recordings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.testing.recording import Answered, Asked, Exchange, Recording, RecordingError, RecordingWriter

_UPSTREAM = "https://api.example/v1"


def _exchange(at=0.5, body=b'{"model":"m"}', pieces=((0.1, b"data: x\n\n"),), end="complete"):
    asked = Asked.of(at=at, method="POST", path="/v1/chat/completions", headers={"accept": "*/*"}, body=body)
    return Exchange(asked, Answered.of(status=200, headers={"x-request-id": "r"}, pieces=list(pieces), end=end))


def test_a_file_is_as_documented(tmp_path):
    """The first line says what it is; an exchange is one line, with text as text and other bytes as base64."""
    path = tmp_path / "new folder" / "a.jsonl"
    with RecordingWriter(path, _UPSTREAM) as writer:
        writer.add(_exchange(pieces=[(0.1, "data: é".encode()), (0.25, "é".encode()[:1])], end="cut"))
    head, line = map(json.loads, path.read_text().splitlines())

    assert head == {"openai_async_recording": 1, "upstream": _UPSTREAM}
    assert line == {
        "request": {
            "at": 0.5,
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": {"accept": "*/*"},
            "json": {"model": "m"},
        },
        "response": {
            "status": 200,
            "headers": {"x-request-id": "r"},
            "reads": [[0.1, "data: é"], [0.25, {"base64": "ww=="}]],
            "end": "cut",
        },
    }


@given(
    body=st.binary(max_size=20),
    pieces=st.lists(st.tuples(st.floats(0, 1e6), st.binary(max_size=20)), max_size=5),
)
def test_bytes_come_back_as_they_were(tmp_path_factory, body, pieces):
    """Whatever was read is read from the file again, cut in the same places; bodies that differ stay different."""
    path = tmp_path_factory.mktemp("recording") / "a.jsonl"
    with RecordingWriter(path, _UPSTREAM) as writer:
        writer.add(_exchange(body=body, pieces=pieces))
    (exchange,) = Recording.load(path).exchanges

    assert [piece for _, piece in exchange.response.pieces] == [piece for _, piece in pieces]
    assert exchange.request.body == _exchange(body=body).request.body != _exchange(body=body + b"x").request.body


def test_exchanges_are_in_the_order_of_their_requests(tmp_path):
    """They are written when they end, and read in the order in which they began."""
    path = tmp_path / "a.jsonl"
    with RecordingWriter(path, _UPSTREAM) as writer:
        for at in (2.0, 1.0, 3.0):
            writer.add(_exchange(at=at))

    assert [exchange.request.at for exchange in Recording.load(path).exchanges] == [1.0, 2.0, 3.0]


def test_an_older_file_stays_until_there_is_something_new(tmp_path):
    """Nothing recorded, nothing replaced; and there is no half of a file at its place."""
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    with RecordingWriter(path, _UPSTREAM):
        pass
    assert path.read_text() == "old"

    with RecordingWriter(path, _UPSTREAM) as writer:
        writer.add(_exchange())
        assert path.read_text() == "old"
    assert writer.count == len(Recording.load(path).exchanges) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


_HEAD = b'{"openai_async_recording": 1, "upstream": "https://api.example/v1"}\n'
_LINE = b'{"request":{"at":0,"method":"GET","path":"/","headers":{}},"response":{"status":200,"headers":{},"reads":%s,"end":"complete"}}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no recording"),
        (b"[]\n", "is no recording"),
        (b"\xff\n", "is no recording"),
        (b'{"upstream": "x"}\n', "is no recording"),
        (b'{"openai_async_recording": 9, "upstream": "x"}\n', "is of another version, 9"),
        (_HEAD + b"{}\n", "is broken in line 2: .*request"),
        (_HEAD + _LINE % b"[]" + b"\xff\xff\n", "is broken in line 3"),
        (_HEAD + _LINE % b'[[0, {"base64": "!"}]]', "is broken in line 2"),
        (_HEAD + _LINE % b'[[0, {"hex": "00"}]]', "is broken in line 2"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, content, said):
    """The error names the file, and the line if it is one."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)

    with pytest.raises(RecordingError, match=rf"a\.jsonl {said}"):
        Recording.load(path)


def test_files_that_can_not_be_opened_are_named(tmp_path):
    """A missing file and one that can't be written are errors of ours."""
    with pytest.raises(RecordingError, match=r"missing\.jsonl can't be read: No such file"):
        Recording.load(tmp_path / "missing.jsonl")
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match=r"a\.jsonl can't be written"):
        RecordingWriter(tmp_path / "file" / "a.jsonl", _UPSTREAM)
