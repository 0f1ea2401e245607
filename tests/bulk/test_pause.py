"""`Pause`: how long nobody goes after a refusal, and who goes first."""

from __future__ import annotations

import pytest

from openai_async.bulk.pause import Pause, asked_pause

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
LATER = "Wed, 21 Oct 2026 07:28:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "20"}, 0.25),
        ({"retry-after": LATER, "date": DATE}, 30.0),
        ({"retry-after": DATE, "date": LATER}, None),
        ({"retry-after": LATER}, None),
        ({"retry-after": LATER, "date": "yesterday"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
    ],
    ids=str,
)
def test_what_a_refusal_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds, or a date by the server's own clock; what is none says nothing."""
    assert asked_pause(headers) == seconds


def test_one_tries_before_all_go() -> None:
    """After the pause one goes; the others when that is accepted."""
    pause = Pause()
    pause.hold(20.0, 0.0, took=0.1)
    assert pause.wait(5.0) == pytest.approx(15.0)
    assert pause.wait(20.0) <= 0
    pause.go(20.0)
    assert pause.wait(20.0) == pytest.approx(1.0)
    pause.accepted(20.0)
    assert pause.wait(20.5) <= 0


def test_what_went_before_does_not_end_it() -> None:
    """An answer to a request from before the refusal proves nothing."""
    pause = Pause()
    pause.hold(20.0, 5.0, took=0.1)
    pause.accepted(4.0)
    assert pause.wait(6.0) == pytest.approx(19.0)


def test_no_refusal_is_enough() -> None:
    """Where answers take long, the others go when the one that tried was not refused in three times a refusal's time."""
    pause = Pause()
    pause.hold(1.0, 0.0, took=2.0)
    pause.go(1.0)
    assert pause.wait(1.0) == pytest.approx(6.0)
    pause.go(7.0)
    assert pause.wait(7.0) == 0.0


def test_pauses_of_unknown_length_double() -> None:
    """1, 2, 4 … 30 s, until something is accepted; refusals of one moment count once."""
    pause = Pause()
    now, lengths = 0.0, list[float]()
    for _ in range(7):
        pause.hold(None, now, took=0.0)
        pause.hold(None, now, took=0.0)
        lengths.append(pause.wait(now))
        now += lengths[-1]
        pause.go(now)
    assert lengths == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    pause.accepted(now)
    pause.hold(None, now, took=0.0)
    assert pause.wait(now) == pytest.approx(1)
