"""The recorded decoder cases: the HTML standard's reading of each, however its bytes are cut."""

from __future__ import annotations

import base64

import pytest
from support import shared
from support.bodies import in_pieces
from support.sse_cases import cuts, naive

from openai_async.protocol.sse import EventParser, encode

CASES = {case["name"]: case for case in shared.load("cases/sse_decoder.json")}

pytestmark = shared.needs("cases")
each = pytest.mark.parametrize("name", CASES)


def recorded(name):
    """The pieces in which a case's bytes were recorded."""
    return [base64.b64decode(piece) for piece in CASES[name]["chunks_b64"]]


def check(name, pieces):
    """Feed `pieces`; what comes out has to be what the standard says of the case."""
    parser = EventParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    case = CASES[name]
    assert [
        {"event": event.event, "data": event.data.decode("utf-8", "replace"), "id": event.id} for event in found
    ] == [
        {**event, "event": None if event["event"] == "message" else event["event"]} for event in case["whatwg_events"]
    ]
    assert parser.retry == case["whatwg_retry"]
    return found


@each
def test_as_recorded(name):
    """In the recorded pieces, each case gives the standard's events."""
    check(name, recorded(name))


@each
def test_cut_otherwise(name):
    """Whole, byte by byte, and cut at random, it gives the same."""
    stream = b"".join(recorded(name))
    check(name, [stream])
    check(name, in_pieces(stream, 1))
    for seed in range(4):
        check(name, cuts(stream, seed=seed, longest=5))


@each
def test_the_naive_reading(name):
    """The line-by-line reading that other tests go by agrees with the recorded cases."""
    assert naive(b"".join(recorded(name))) == check(name, recorded(name))


@each
def test_encoded_again(name):
    """What was decoded, encoded and decoded again, is the same."""
    events = check(name, recorded(name))
    assert EventParser().feed(b"".join(map(encode, events))) == events


def test_all_cases_are_read():
    """There are 62 cases, and in some of them the standard and the official client differ."""
    assert len(CASES) == 62
    assert not all(case["agree"] for case in CASES.values())
