"""`Bucket`: how full a server's bucket is, by what it told a while ago and what we took since."""

from __future__ import annotations

import pytest

from openai_async.bulk.bucket import Bucket
from openai_async.transport.limits import RateLimit


def told(remaining: int, *, limit: int = 600, rate: float = 10.0) -> RateLimit:
    """What a response says of a bucket."""
    return RateLimit(limit=limit, remaining=remaining, reset=(limit - remaining) / rate)


def ask(bucket: Bucket, now: float) -> tuple[float, float]:
    """Take one unit out; when, and the balance then."""
    bucket.take(1, now)
    return now, bucket.balance


def test_nothing_is_known_at_first() -> None:
    """Until a response has told enough, nobody waits."""
    bucket = Bucket(1.0, 0.0)
    asked = ask(bucket, 0.0)
    assert bucket.wait(1e9, 0.0) == 0.0
    assert not bucket.observe(RateLimit(limit=5, remaining=0), 0.1, *asked)
    assert not bucket.known
    assert bucket.observe(told(0), 0.1, *asked)
    assert bucket.known


def test_what_is_missing_comes_back_at_the_rate() -> None:
    """An empty bucket of 600 a minute has one unit after 100 ms, and a request larger than it waits until it is full."""
    bucket = Bucket(1.0, 0.0)
    bucket.observe(told(0), 0.0, *ask(bucket, 0.0))
    assert bucket.wait(1, 0.0) == pytest.approx(0.1)
    assert bucket.wait(10_000, 0.0) == pytest.approx(60.0)
    assert bucket.wait(1, 0.11) == 0.0


def test_what_was_taken_since_counts() -> None:
    """A response is of the past: what was taken after its request is not left any more."""
    bucket = Bucket(1.0, 0.0)
    first = ask(bucket, 0.0)
    bucket.observe(told(599), 0.0, *first)
    late = ask(bucket, 0.0)
    for _ in range(590):
        ask(bucket, 0.0)
    bucket.observe(told(598), 0.5, *late)
    assert bucket.wait(8 + 5, 0.5) == 0.0
    assert bucket.wait(8 + 5 + 1, 0.5) > 0


def test_a_full_bucket_takes_in_no_more() -> None:
    """What would have come back into a full one is not there: after 15 s of waiting for the first answer, all is 600."""
    bucket = Bucket(1.0, 0.0)
    probes = [ask(bucket, 0.0) for _ in range(8)]
    bucket.observe(told(599), 15.0, *probes[0])
    for _ in range(590):
        ask(bucket, 15.0)
    for number, probe in enumerate(probes[1:], 2):
        bucket.observe(told(600 - number), 15.0, *probe)
    assert bucket.wait(10, 15.0) > 0


@pytest.mark.parametrize("late", [False, True], ids=["arrival", "response"])
def test_the_moment_that_is_told_shows(late: bool) -> None:  # noqa: FBT001 - pytest gives names
    """Answers of ten seconds: what came back meanwhile is there if they tell of the arrival, and not if of now."""
    bucket = Bucket(1.0, 0.0)
    level, asked = 600.0, list[tuple[float, float, float]]()
    for second in range(60):
        taken = 30 if second % 20 < 10 else 0
        level += 10 - taken
        bucket.take(taken, float(second))
        asked.append((float(second), bucket.balance, level))
        if second >= 10:
            at, balance, before = asked[second - 10]
            bucket.observe(told(int(min(level if late else before, 599))), float(second), at, balance)
    left = bucket._level
    assert left == pytest.approx(level, abs=5) if not late else left <= level + 1


def test_what_others_take_is_expected_to_go_on() -> None:
    """Somebody else who takes half of what comes back is noticed within seconds, and believed to stay."""
    bucket = Bucket(1.0, 0.0)
    left = 600.0
    for second in range(1, 31):
        left += 10 - 5 - 1  # comes back; theirs; ours
        bucket.observe(told(int(min(left, 599))), float(second), *ask(bucket, float(second)))
    bucket.observe(told(0), 31.0, *ask(bucket, 31.0))
    assert bucket.wait(10, 31.0) > 1.5


def test_an_older_answer_changes_nothing() -> None:
    """Answers come in any order; what is newer is known already."""
    bucket = Bucket(1.0, 0.0)
    old, new = ask(bucket, 0.0), ask(bucket, 1.0)
    bucket.observe(told(0), 1.1, *new)
    bucket.observe(told(500), 1.2, *old)
    assert bucket.wait(5, 1.2) > 0


def test_the_reserve_is_left_alone() -> None:
    """Of 600 with a reserve of 0.1, sixty stay."""
    bucket = Bucket(1.0, 0.1)
    bucket.observe(told(61), 0.0, *ask(bucket, 0.0))
    assert bucket.wait(1, 0.0) == 0.0
    ask(bucket, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx(0.1)


def test_a_share_is_a_bucket_of_its_own() -> None:
    """A quarter of 600 is 150 at once, and then a quarter of the rate, whatever the others leave."""
    bucket = Bucket(0.25, 0.0)
    bucket.observe(told(599), 0.0, *ask(bucket, 0.0))
    for _ in range(149):
        assert bucket.wait(1, 0.0) == 0.0
        ask(bucket, 0.0)
    soon = bucket.wait(1, 0.0)
    assert 0 < soon <= 1 / 2.5
    ask(bucket, soon)
    assert bucket.wait(1, soon) == pytest.approx(1 / 2.5)


def test_a_bucket_without_a_rate_is_full_at_its_reset() -> None:
    """Where only the moment is told when all is back, that is waited for, and looked at again from then on."""
    bucket = Bucket(1.0, 0.0)
    bucket.observe(RateLimit(limit=100, remaining=100, reset=0.0), 0.0, *ask(bucket, 0.0))
    for _ in range(100):
        ask(bucket, 0.0)
    assert bucket.wait(1, 0.0) == 0.0


def test_another_limit_is_another_bucket() -> None:
    """A server with a limit per minute and one per day tells of the scarcer one: nothing of the other is kept."""
    bucket = Bucket(1.0, 0.0)
    bucket.observe(told(0), 0.0, *ask(bucket, 0.0))
    bucket.observe(told(900, limit=1000, rate=1000 / 86_400), 0.1, *ask(bucket, 0.1))
    assert bucket.wait(100, 0.1) == 0.0
    assert bucket.wait(901, 0.1) == pytest.approx(86.4, rel=0.02)
