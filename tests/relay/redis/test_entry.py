"""Entries of a log in Redis: what was put in comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_async.relay.redis.entry import BrokenEntryError, fields, read


@pytest.mark.parametrize("compress", ["none", "zlib"])
@given(frames=st.lists(st.binary(max_size=20) | st.just(b"\n") | st.just(b""), min_size=1, max_size=8))
def test_frames_come_out_as_they_went_in(compress: Any, frames: list[bytes]) -> None:
    """Whatever bytes the frames hold, newlines and nothing included."""
    entry = read([b"3-%d" % len(frames), fields(frames, compress)])

    assert (entry.epoch, entry.last, entry.frames, entry.status) == (3, len(frames), frames, None)


def test_frames_of_plain_json_are_joined_by_newlines() -> None:
    """The common case is what `redis-cli` shows as lines."""
    assert fields([b'{"a":1}', b"{}"], "none") == [b"d", b'{"a":1}\n{}']


def test_an_end_has_its_status_and_its_error() -> None:
    """An end has no frames."""
    entry = read([b"1-7", [b"e", b"error", b"r", b'{"message":"no"}']])

    assert (entry.frames, entry.status, entry.error) == ([], "error", {"message": "no"})


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        [b"1-2"],
        [b"x-2", []],
        [b"1-2-3", []],
        [b"1-1", [b"d"]],
        [b"1-1", [b"z", b"no zlib"]],
        [b"1-1", [b"n", b"9", b"d", b"short"]],
        [b"1-1", [b"n", b"-1", b"d", b"short"]],
        [b"1-1", [b"e", b"\xff"]],
        [b"1-1", [b"e", b"error", b"r", b"[]"]],
    ],
)
def test_what_others_wrote_is_refused(reply: Any) -> None:
    """A key that somebody else wrote to is an error of one kind, whatever is in it."""
    with pytest.raises(BrokenEntryError):
        read(reply)
