"""The event-stream parser and encoder: the HTML standard's rules, however the bytes are cut."""

from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.sse_cases import CASES, Case, cuts, naive

from openai_async.errors import StreamProtocolError
from openai_async.protocol.sse import MAX_EVENT_SIZE, EventParser, ServerSentEvent, encode

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
writable = pytest.mark.parametrize(
    "case",
    [case for case in CASES if not any(b"\r" in event.data for event in case.events)],
    ids=lambda case: case.name,
)

# What a line of a stream is made of, and what may stand between two of them.
FIELDS = st.sampled_from([b"data", b"event", b"id", b"retry", b"", b"date", b"Data", b"\xef\xbb\xbfdata"])
VALUES = st.sampled_from([b"", b" ", b"a", b"  b", b"c:d", b"1", b"\0", b"\xff", "é€😀".encode(), b"\xef\xbb\xbf"])
LINES = st.builds(
    lambda field, colon, value: field + colon + value, FIELDS, st.sampled_from([b":", b": ", b""]), VALUES
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b""])
STREAMS = st.lists(st.tuples(LINES | st.just(b""), ENDS)).map(lambda parts: b"".join(a + b for a, b in parts))

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8)
EVENTS = st.lists(
    st.builds(
        ServerSentEvent,
        data=st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20).map(str.encode),
        event=st.none() | TEXT.filter(bool),
        id=TEXT.filter(lambda text: "\0" not in text),
    ),
    max_size=6,
)


def fed(pieces, **options):
    """A parser that was fed `pieces`, and the events that came out."""
    parser = EventParser(**options)
    return parser, [event for piece in pieces for event in parser.feed(piece)]


def one_by_one(stream: bytes) -> list[bytes]:
    """The stream in pieces of one byte."""
    return [stream[at : at + 1] for at in range(len(stream))]


def check(case: Case, pieces: list[bytes]) -> None:
    """Feed the pieces of a case's stream, and compare all that comes out and all that stays."""
    parser, events = fed(pieces)
    assert events == case.events
    assert parser.last_event_id == case.last_event_id
    assert parser.retry == case.retry


# The table, read in every way.


@cases
def test_whole(case):
    """A stream that comes in one piece gives its events."""
    check(case, [case.stream])


@cases
def test_byte_by_byte(case):
    """A stream that comes one byte at a time gives the same events, each with the byte that completes it."""
    check(case, one_by_one(case.stream))
    parser = EventParser()
    for size in range(1, len(case.stream) + 1):
        new = parser.feed(case.stream[size - 1 : size])
        assert len(new) <= 1
        # Neither early nor late: the events of every beginning are those that are whole in it.
        before = len(naive(case.stream[: size - 1]))
        assert len(naive(case.stream[:size])) - before == len(new)


@cases
def test_cut_in_two(case):
    """A stream cut in two anywhere, with or without an empty read between, gives the same events."""
    for at in range(len(case.stream) + 1):
        check(case, [case.stream[:at], b"", case.stream[at:]])


@cases
@pytest.mark.parametrize("seed", range(3))
def test_cut_at_random(case, seed):
    """A stream cut at random gives the same events."""
    check(case, cuts(case.stream, seed=seed, longest=7))


@cases
def test_what_follows_an_event_does_not_change_it(case):
    """Bytes that follow in the same read neither change the events before them nor get lost."""
    parser, events = fed([case.stream + b"\n\ndata: the beginning of"])
    assert events[: len(case.events)] == case.events
    last = parser.feed(b" the next\n\n")
    assert [event.data for event in last] == [b"the beginning of the next"]


@cases
def test_the_naive_reading_agrees(case):
    """The table and the line-by-line reading that the random tests trust are of one mind."""
    assert naive(case.stream) == case.events


@writable
def test_encoded_again(case):
    """Events that are encoded and parsed again are the same events."""
    _, events = fed([encode(event) for event in case.events])
    assert events == case.events


@given(stream=STREAMS, seed=st.integers(0, 99))
@example(stream=b"data\r\r\n\r\ndata:\r", seed=1)
def test_any_stream_in_any_pieces(stream, seed):
    """Whatever the bytes and however they are cut, the events are those of a line-by-line reading."""
    assert fed(cuts(stream, seed=seed, longest=9))[1] == naive(stream)
    assert fed([stream])[1] == naive(stream)


@given(stream=STREAMS)
@example(stream=b"data: a\n\n\ndata: b\n\n")
@example(stream=b'data: {"a":\n1}\n\ndata: b\n\n')
@example(stream=b"data: a\n\ndata:b\n\n")
def test_plain_data_is_that_of_the_events(stream):
    """Where blocks count as plain, their data is what the reading of every line finds, and nothing else is in them."""
    parser = EventParser()
    blocks = parser.complete(stream)
    lines = parser.plain(blocks)
    if lines is not None:
        assert parser.events(blocks) == [ServerSentEvent(line) for line in lines]


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        (b"data: a\n\ndata: \n\n", [b"a", b""]),
        (b"data: a\n\n\ndata: b\n\n", None),
        (b"data: a\nid: 1\n\n", None),
        (b"data:a\n\n", None),
        (b": a\n\ndata: a\n\n", None),
        (b"", None),
    ],
)
def test_what_is_plain(blocks, lines):
    """Plain are events of one line, "data: " and what it says, with one blank line between them; nothing else is."""
    assert EventParser().plain(blocks) == lines


@given(stream=st.binary(max_size=300), seed=st.integers(0, 99))
def test_any_bytes(stream, seed):
    """Bytes that are no event stream at all raise nothing, and cutting them makes no difference."""
    assert fed(cuts(stream, seed=seed))[1] == fed([stream])[1] == naive(stream)


@given(events=EVENTS, seed=st.integers(0, 99))
def test_round_trip(events, seed):
    """Encoded events, cut anywhere, are parsed to the same events, and encode to the same bytes again."""
    stream = b"".join(map(encode, events))
    _, again = fed(cuts(stream, seed=seed, longest=11))
    assert again == events
    assert b"".join(map(encode, again)) == stream


# Between the reads.


def test_an_empty_read_changes_nothing():
    """Feeding no bytes gives no events and forgets nothing."""
    parser = EventParser()
    assert parser.feed(b"") == []
    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"") == []
    assert parser.feed(b"\n") == [ServerSentEvent(b"a")]


def test_pending_is_what_is_held():
    """`pending` counts the bytes of the unfinished event, a possible byte order mark included."""
    parser = EventParser()
    assert parser.pending == 0
    parser.feed(b"\xef\xbb")
    assert parser.pending == 2
    parser.feed(b"\xbfdata: a")
    assert parser.pending == 7
    parser.feed(b"\n\ndata")
    assert parser.pending == 4
    parser.feed(b"\n\n")
    assert parser.pending == 0


def test_a_lone_cr_dispatches_at_once():
    """An event whose blank line is a CR is not held until the next byte shows whether an LF follows."""
    parser = EventParser()
    assert parser.feed(b"data: a\r\r") == [ServerSentEvent(b"a")]
    assert parser.feed(b"\ndata: b\r\r") == [ServerSentEvent(b"b")]


def test_a_crlf_cut_in_its_middle_is_one_line_end():
    """CR and LF that come in two reads end one line, so that they dispatch nothing between two data lines."""
    assert fed([b"data: a\r", b"\ndata: b\r", b"\n", b"\r", b"\n"])[1] == [ServerSentEvent(b"a\nb")]


def test_the_id_sticks():
    """An id counts for the events after it until another comes, also across reads."""
    _, events = fed([b"id: 1\n\ndata: a\n\n", b"data: b\n\nid: 2\n", b"data: c\n\n"])
    assert [(event.data, event.id) for event in events] == [(b"a", "1"), (b"b", "1"), (b"c", "2")]


# Limits.

LIMIT = 64
HUGE = {
    "one event in one read": [b"data: " + b"x" * LIMIT + b"\n\n"],
    "one event in one read, named": [b"event: e\ndata: " + b"x" * LIMIT + b"\n\n"],
    "a line without an end": [b"data: " + b"x" * LIMIT],
    "a line without an end, in small pieces": [b"data: ", *[b"xxx"] * LIMIT],
    "a line without a field": [b"x"] * (LIMIT + 1),
    "many data lines": [b"data: x\n"] * LIMIT,
    "many data lines ended by CR": [b"data: x\r"] * LIMIT,
    "many data lines in one read": [b"data: x\n" * LIMIT + b"\n"],
    "comments without end": [b": x\n"] * LIMIT,
    "a comment without end": [b": ", *[b"x"] * LIMIT],
    "fields without data": [b"event: x\n"] * LIMIT,
    "a huge id": [b"id: " + b"1" * LIMIT + b"\n\n"],
    "an event whose end comes in another read": [b"data: " + b"x" * (LIMIT - 6), b"x\n\n"],
    "after an event": [b"data: a\n\n", b"data: " + b"x" * LIMIT],
    "after an event of the same read": [b"data: a\n\ndata: " + b"x" * LIMIT + b"\n\n"],
    "after a byte order mark": [b"\xef\xbb", b"\xbf", b"data: " + b"x" * LIMIT],
}


def is_too_large(pieces):
    """Whether one event of a stream, finished or not, is more than the limit (and an LF)."""
    stream = b"".join(pieces).removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")
    return any(len(block.removesuffix(b"\n")) > LIMIT for block in stream.split(b"\n\n"))


@pytest.mark.parametrize("pieces", HUGE.values(), ids=HUGE.keys())
def test_an_event_too_large(pieces):
    """An event larger than the limit is refused however it comes, and no more than the limit (and an LF) is held."""
    parser = EventParser(max_event_size=LIMIT)
    *fine, last = pieces[: next(n for n in range(1, len(pieces) + 1) if is_too_large(pieces[:n]))]
    for piece in fine:
        parser.feed(piece)
        assert parser.pending <= LIMIT + 1
    with contextlib.suppress(StreamProtocolError):
        parser.feed(last)
    assert parser.pending <= LIMIT + 1
    with pytest.raises(StreamProtocolError, match=r"more than 64 bytes \(max_event_size\)"):
        parser.feed(b"")


@pytest.mark.parametrize("size", [1, 2, 7, 40, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize(
    "large", [b"data: " + b"x" * LIMIT, b"x" * 1000, b": x\n" * LIMIT], ids=["data", "line", "comments"]
)
def test_what_is_whole_before_an_event_too_large(large, end, size):
    """Events before one that is too large are returned however the bytes are cut; then the error comes, and stays."""
    stream = (b"data: a\n\nid: 7\ndata: b\n\n\n: c\n\ndata: d\n\n" + large + b"\n\ndata: e\n\n").replace(b"\n", end)
    parser, events = EventParser(max_event_size=LIMIT), []
    with contextlib.suppress(StreamProtocolError):
        for at in range(0, len(stream), size):
            events += parser.feed(stream[at : at + size])
    assert [event.data for event in events] == [b"a", b"b", b"d"]
    for more in (b"", b"\n\n", b"data: f\n\n"):
        with pytest.raises(StreamProtocolError) as caught:
            parser.feed(more)
        assert caught.value is parser.failure
        assert caught.value.body.startswith(large[:40].decode())
    assert parser.pending == 0


@pytest.mark.parametrize("pieces", HUGE.values(), ids=HUGE.keys())
def test_an_event_too_large_byte_by_byte(pieces):
    """The same holds when the bytes come one by one."""
    with pytest.raises(StreamProtocolError):
        fed(one_by_one(b"".join(pieces)), max_event_size=LIMIT)


def test_an_event_of_just_the_limit():
    """An event of exactly the limit is no error, in any pieces, and the limit is of one event, not of the stream."""
    stream = (b"data: " + b"x" * (LIMIT - 6) + b"\n\n") * 10
    for seed in range(5):
        assert len(fed(cuts(stream, seed=seed), max_event_size=LIMIT)[1]) == 10
    assert len(fed([stream], max_event_size=LIMIT)[1]) == 10
    assert len(fed(one_by_one(stream), max_event_size=LIMIT)[1]) == 10


def test_keep_alives_for_hours():
    """Comments that are events of their own are forgotten at once: any number of them is within the limit."""
    parser = EventParser(max_event_size=LIMIT)
    for _ in range(1000):
        assert parser.feed(b": ping\n\n") == []
    assert parser.pending == 0


def test_a_large_event_in_small_pieces_takes_linear_time():
    """An event of 16 MiB in pieces of 1 KiB is held as it came: no piece is copied before the last one comes."""
    parser = EventParser()
    piece = b"x" * 1024
    parser.feed(b"data: ")
    for count in range(1, MAX_EVENT_SIZE // 1024):
        parser.feed(piece)
        if count % 4096 == 0:
            # The very objects that were fed, once each: nothing was joined, so nothing was copied.
            assert len(parser._tail) == 1 + count
            assert all(held is piece for held in parser._tail[1:])
    (event,) = parser.feed(b"\n\n")
    assert event.data == piece * (MAX_EVENT_SIZE // 1024 - 1)
    assert parser._tail == []


def test_a_large_event_by_lines_is_not_searched_again():
    """An event of many lines, each in a read of its own, is not looked through before its end comes."""

    class Watched(bytes):
        looks = 0

        def __contains__(self, item):
            type(self).looks += 1
            return super().__contains__(item)

    parser = EventParser()
    parser.feed(b"event: e\n")
    for _ in range(100):
        parser.feed(Watched(b"data: x\n"))
    assert Watched.looks <= 200  # for a CR and for a blank line, once each
    assert parser.feed(b"\n")[0].data == b"\n".join([b"x"] * 100)


def test_the_default_limit():
    """One event may have 16 MiB, and not one byte more."""
    assert MAX_EVENT_SIZE == 16 * 1024 * 1024
    half = b"x" * (MAX_EVENT_SIZE // 2)
    assert len(fed([b"data: ", half, half[6:], b"\n\n"])[1]) == 1
    with pytest.raises(StreamProtocolError, match="16777216 bytes"):
        fed([b"data: ", half, half[5:]])


# The encoder.


def test_encoded_bytes():
    """Fields stand in one order, ended by LF; data of several lines takes several fields."""
    assert encode(ServerSentEvent(b"a")) == b"data: a\n\n"
    assert encode(ServerSentEvent(b"")) == b"data: \n\n"
    assert encode(ServerSentEvent(b"a\n\nb\n", "e", "1")) == b"event: e\nid: 1\ndata: a\ndata: \ndata: b\ndata: \n\n"
    assert encode(ServerSentEvent(b"a", id="")) == b"id: \ndata: a\n\n"


@pytest.mark.parametrize(
    "event",
    [
        ServerSentEvent(b"a\rb"),
        ServerSentEvent(b"a\r\nb"),
        ServerSentEvent(b"a", ""),
        ServerSentEvent(b"a", "e\nf"),
        ServerSentEvent(b"a", "e\rf"),
        ServerSentEvent(b"a", id="1\n2"),
        ServerSentEvent(b"a", id="1\r2"),
        ServerSentEvent(b"a", id="1\0"),
        ServerSentEvent(b"a", "\ud83d"),
        ServerSentEvent(b"a", id="\ud83d"),
    ],
    ids=repr,
)
def test_what_can_not_be_encoded(event):
    """An event that would be read as something else is refused."""
    with pytest.raises(ValueError):
        encode(event)


def test_an_event_is_a_value():
    """Events are equal by what they say, can't be changed, and are small."""
    event = ServerSentEvent(b"a", "e", "1")
    assert event == ServerSentEvent(b"a", "e", "1") != ServerSentEvent(b"a")
    assert hash(event) == hash(ServerSentEvent(b"a", "e", "1"))
    with pytest.raises(AttributeError):
        event.data = b"b"  # type: ignore[misc]  # what the test is about
    assert sys.getsizeof(event) <= 64
