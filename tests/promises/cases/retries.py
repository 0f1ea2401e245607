"""Retries: what may pass is tried again, what may not is not, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import contextlib
import time
from email.utils import formatdate
from typing import Any

from support.faults import no_answer
from support.rawserver import Handler, Peer, answer, completion, hello, sse

from promises.case import Case, Check
from promises.checks import asked, ended, fails, lasts, noted, says
from promises.seen import Seen
from promises.user import User, plain

__all__ = ["CASES"]

ROLE, HEL, _, _ = hello()
SOON = {"retry-after-ms": "1"}
BUSY = {"error": {"message": "busy", "type": "server_error"}}
GOOD = sse(hello())

EXCHANGE = "tests/transport/test_exchange.py"
RETRYING = "tests/reliability/test_retrying.py"
RETRY = "tests/transport/test_retry.py"
FREE = [
    f"{RETRYING}::test_dead_connection_is_free",
    f"{RETRYING}::test_pool_of_dead_connections",
    f"{EXCHANGE}::test_one_is_free",
    "tests/transport/test_session.py::test_kept_connection_that_dies_is_told_apart",
]


def _again(
    id: str, needs: list[int], promise: str, handlers: list[Handler], checks: list[Check], *proofs: str, **more: Any
) -> Case:
    """A case of requests that fail."""
    return Case(
        id=id, topic=more.pop("topic", "retries"), needs=needs, promise=promise, server=handlers, checks=checks,
        options={"max_retries": 2, **more.pop("options", {})}, proofs=proofs, **more,
    )  # fmt: skip


def refused(code: str, status: int = 429, **headers: str) -> Handler:
    """Refuse, with an error of that code."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer({"error": {"message": "no", "type": code, "code": code}}, status, {**SOON, **named})


async def _dated(peer: Peer) -> None:
    """Refuse, and ask to come back in an hour, by a date."""
    await refused("rate_limit", retry_after=formatdate(time.time() + 3600, usegmt=True), retry_after_ms="")(peer)


# Dead connections.


async def _twice(user: User) -> None:
    """Call twice on a connection that is kept, and dies under the second request."""
    await plain(user)
    user.seen.text = ""
    await plain(user)


# Attempts.


async def _crowd(user: User) -> None:
    """Ten calls that fail at the same moment, each with one more attempt."""

    async def call() -> None:
        with contextlib.suppress(user.sdk.module.APIError):
            await user.create()

    times: list[float] = user.seen.notes.setdefault("times", [])

    async def refuse(peer: Peer) -> None:
        times.append(asyncio.get_running_loop().time())
        await answer(BUSY, 503)(peer)

    user.server.handlers = [refuse]
    await asyncio.gather(*(call() for _ in range(10)))


def _spread(seen: Seen) -> str | None:
    """The second attempts came neither at once nor together."""
    times = sorted(seen.notes["times"])
    if len(times) != 20:
        return f"{len(times)} requests"
    first, second = times[:10], times[10:]
    if second[0] - first[-1] < 0.3:
        return f"waits {second[0] - first[-1]:.2f} s"
    apart = second[-1] - second[0]
    return None if apart > 0.02 else f"all again within {apart * 1000:.0f} ms"


async def _keyed(user: User) -> None:
    await user.create(extra_headers={"Idempotency-Key": "once"})


def _same_requests(seen: Seen) -> str | None:
    """All attempts sent the same body and the same key."""
    sent = {(one.headers.get("idempotency-key"), one.body) for one in seen.requests}
    return None if len(sent) == 1 and next(iter(sent))[0] == "once" else "attempts differ"


async def _renewing(user: User) -> None:
    """Give the key by a function, whose first key is out of date."""
    keys = ["old", "new", "newer"]

    async def key() -> str:
        return keys.pop(0)

    user.client(api_key=key)
    await plain(user)


async def _checks_key(peer: Peer) -> None:
    good = peer.request.headers["authorization"] == "Bearer new"
    await (answer(completion()) if good else refused("invalid_api_key", 401))(peer)


async def _told(user: User) -> None:
    """Keep what the error tells of the attempts."""
    try:
        await plain(user)
    except Exception as error:
        user.seen.notes["attempts"] = len(getattr(error, "attempts", ()))
        raise


CASES = [
    _again("dead-connection", [16], "A kept connection that turns out dead is replaced at once, and costs no retry.",
           [answer(completion()), no_answer(), answer(completion())], [says(), asked(3), lasts(0, 0.3)], *FREE,
           user=_twice, options={"max_retries": 0}, topic="dead connections"),
    _again("quota", [14], "A used-up quota is not asked for again.",
           [refused("insufficient_quota")], [fails("InsufficientQuotaError"), asked(1)],
           f"{RETRY}::test_used_up_quota_is_never_retried", f"{EXCHANGE}::test_used_up_quota", f"{RETRYING}::test_used_up_quota"),
    _again("quota-stream", [14, 3], "Neither is one that is told inside a stream.",
           [sse([{"error": {"message": "no", "code": "insufficient_quota"}}], done=False)],
           [fails("RateLimitError"), asked(1)], f"{RETRY}::test_used_up_quota_is_never_retried"),
    _again("busy", [15], "A server that is busy for a moment is asked again, as soon as it wants.",
           [answer(BUSY, 503, SOON), refused("rate_limit"), GOOD], [says(), asked(3), lasts(0, 0.4)],
           f"{EXCHANGE}::test_retried_until_it_works", f"{RETRYING}::test_recorded_decisions", f"{RETRYING}::test_statuses_that_may_pass"),
    _again("wrong", [15], "A request that is wrong is not sent again.", [refused("invalid", 400)],
           [fails("BadRequestError"), asked(1)], f"{RETRY}::test_statuses_that_stay_are_not_retried", f"{RETRYING}::test_statuses_that_stay"),
    _again("error-first", [3, 12], "An error inside a stream, before its first token, is tried again.",
           [sse([ROLE, BUSY], done=False, headers=SOON), GOOD], [says(), asked(2)],
           f"{EXCHANGE}::test_stream_is_retried_before_its_first_content", f"{RETRYING}::test_errors_before_the_first_token"),
    _again("cut-first", [1, 12], "A stream that ends before its first token is tried again.",
           [sse([ROLE], done=False, headers=SOON), GOOD], [says(), asked(2)],
           "tests/reliability/test_outcomes.py::test_streams", f"{RETRYING}::test_streams_that_break_before_their_content"),
    _again("after-a-token", [12], "After the first token nothing is sent again.",
           [sse([ROLE, HEL], done=False, ending="fin", headers=SOON)], [fails("APIConnectionError"), asked(1)],
           f"{EXCHANGE}::test_stream_is_not_retried_after_its_first_content", f"{RETRY}::test_nothing_is_retried_after_the_first_token",
           f"{RETRYING}::test_errors_after_the_first_token"),
    _again("retry-after", [15], "A server that names a wait gets it.", [refused("rate_limit", retry_after_ms="200"), GOOD],
           [says(), asked(2), lasts(0.2, 0.6)], f"{EXCHANGE}::test_delay_is_the_servers", f"{RETRYING}::test_wait_that_the_server_asks_for"),
    _again("retry-after-long", [15], "A wait of five minutes is the caller's to decide on: the error comes at once.",
           [refused("rate_limit", retry_after="300", retry_after_ms="")], [fails("RateLimitError"), asked(1), lasts(0, 0.3)],
           f"{RETRY}::test_long_delays_are_the_callers_to_wait", f"{RETRYING}::test_wait_that_the_server_asks_for"),
    _again("retry-after-date", [15], "A wait may be named by a date.", [_dated],
           [fails("RateLimitError"), asked(1), lasts(0, 0.3)], f"{RETRY}::test_server_asks_for_a_delay",
           f"{RETRYING}::test_recorded_delays"),
    _again("should-retry", [15], "A server that wants no further attempt gets none.",
           [refused("busy", 503, x_should_retry="false")], [fails("InternalServerError"), asked(1)],
           f"{EXCHANGE}::test_should_retry", f"{RETRYING}::test_servers_word"),
    _again("jitter", [15], "Calls that failed together do not come back together.", [GOOD], [ended, _spread],
           f"{RETRY}::test_backoff_doubles_up_to_eight_seconds", f"{RETRYING}::test_callers_that_failed_together_come_back_apart", user=_crowd, options={"max_retries": 1}),
    _again("same-request", [16], "Every attempt sends the same bytes, and the idempotency key that was given.",
           [answer(BUSY, 503, SOON), answer(BUSY, 503, SOON), answer(completion())], [ended, asked(3), _same_requests],
           "tests/api/test_client.py::test_attempts_send_the_same", f"{RETRYING}::test_attempts_are_the_same_request", "tests/api/test_client.py::test_idempotency_key_is_the_same_for_all_attempts",
           user=_keyed),
    _again("attempts", [15], "The last attempt's error tells of all of them.", [answer(BUSY, 503, SOON)],
           [fails("InternalServerError"), asked(3), noted("attempts", 3, wrong="tells of {}")],
           f"{EXCHANGE}::test_error_tells_of_every_attempt", f"{RETRYING}::test_connections_that_fail", user=_told),
    _again("renewed-key", [49], "A key that a function gives, and the server refuses, is asked for once more.", [_checks_key],
           [says(), asked(2)], "tests/api/test_client.py::test_renewed_key", f"{EXCHANGE}::test_renewed_key_is_tried_at_once", f"{RETRYING}::test_expired_key",
           user=_renewing, topic="keys that change"),
]  # fmt: skip
