"""One request until it is answered, on a scripted transport and a virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.clock import VirtualLoop, run
from support.limiter import WatchingLimiter
from support.rawserver import chunk, event
from support.scripted import EVENT_STREAM, ScriptedResponse, ScriptedTransport

from openai_async import errors
from openai_async.api.opening import open_reader
from openai_async.api.stream import ChatStream
from openai_async.transport.exchange import ERROR_BODY_SIZE, Pace, exchange, read_body
from openai_async.transport.message import Request, Response, StaleConnectionError
from openai_async.transport.timer import Timer
from openai_async.types.options import Timeout

REQUEST = Request(
    method="POST", url="http://test/v1", headers={"authorization": "Bearer sk-secret-0123456789"}, body=b"{}"
)
NO_LIMIT = Timeout.of(None)

Accept = Callable[[Response, Timer], Awaitable[Any]]


async def prepare(_retries: int) -> Request:
    """The same request each time."""
    return REQUEST


async def whole(response: Response, timer: Timer) -> bytes:
    """Accept any body."""
    try:
        return await read_body(response, timer, limit=1000)
    finally:
        timer.stop()


def send(
    transport: ScriptedTransport,
    *,
    accept: Accept = whole,
    timeout: Timeout = NO_LIMIT,
    max_retries: int = 2,
    prepared: Callable[[int], Awaitable[Request]] = prepare,
) -> Any:
    """Run one exchange on a virtual clock."""
    return run(exchange(transport, prepared, accept, timeout=timeout, max_retries=max_retries))


def failure(transport: ScriptedTransport, **options: Any) -> errors.APIError:
    """Run one exchange that fails, and return its error."""
    with pytest.raises(errors.APIError) as caught:
        send(transport, **options)
    return caught.value


def refused(status: int, message: str = "no", headers: dict[str, str] | None = None, **fields: Any) -> ScriptedResponse:
    """A refusal in the API's words."""
    return ScriptedResponse(
        json.dumps({"error": {"message": message, **fields}}).encode(),
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
    )


def test_answer_at_once() -> None:
    """A response of status 200 is accepted, its connection released, and nothing else is sent."""
    response = ScriptedResponse(b"he", b"llo")
    transport = ScriptedTransport([response])

    assert send(transport) == b"hello"

    assert transport.requests == [REQUEST]
    assert (response.released, response.closed) == (1, 0)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_is_an_answer(status: int) -> None:
    """What an answer means is not decided here."""
    assert send(ScriptedTransport([ScriptedResponse(b"x", status=status)])) == b"x"


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (302, errors.APIStatusError),
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (422, errors.UnprocessableEntityError),
    ],
)
def test_refusal_is_raised_at_once(status: int, cls: type[errors.APIError]) -> None:
    """A refusal that will not change is raised with the server's words, after one attempt, its connection reusable."""
    response = refused(status, "You may not.", {"x-request-id": "req-1"}, code="nope")
    transport = ScriptedTransport([response])

    error = failure(transport)

    assert type(error) is cls
    assert (error.message, error.status_code, error.code, error.request_id) == ("You may not.", status, "nope", "req-1")
    assert error.attempts == ()
    assert "attempts" not in str(error)
    assert (response.released, response.closed) == (1, 0)


def test_retried_until_it_works() -> None:
    """Refusals that may pass and lost connections are followed by further attempts, after growing waits."""
    transport = ScriptedTransport([refused(500), errors.APIConnectionError("lost"), ScriptedResponse(b"ok")])

    assert send(transport) == b"ok"

    first, second, third = transport.times
    assert 0.375 <= second - first <= 0.5
    assert 0.75 <= third - second <= 1.0


def test_error_tells_of_every_attempt() -> None:
    """The error of the last attempt is the one raised, and lists all of them."""
    transport = ScriptedTransport(
        [
            ScriptedResponse(b"busy", status=503, before=3.0),
            errors.APIConnectionError("lost"),
            refused(500, "last", {"x-request-id": "req-3"}),
        ]
    )

    error = failure(transport)

    assert (type(error), error.message, error.request_id) == (errors.InternalServerError, "last", "req-3")
    assert [(one.error, one.status_code) for one in error.attempts] == [("busy", 503), ("lost", None), ("last", 500)]
    assert [one.elapsed for one in error.attempts] == [pytest.approx(3.0), 0, 0]
    delays = [one.delay for one in error.attempts]
    assert delays[0] == pytest.approx(0.4375, abs=0.0625)
    assert delays[2] is None
    assert str(error) == "Error code: 500 - last (request id: req-3) (after 3 attempts)"
    assert pickle.loads(pickle.dumps(error)).attempts == error.attempts


def test_no_retries_means_one_attempt() -> None:
    """With `max_retries=0` the first failure is the last."""
    transport = ScriptedTransport([errors.APIConnectionError("lost")])

    error = failure(transport, max_retries=0)

    assert (error.message, error.attempts) == ("lost", ())


def test_request_is_prepared_anew_for_each_attempt() -> None:
    """`prepare` is called before each attempt, with the number of attempts that failed; what it returns is sent."""
    asked: list[int] = []

    async def numbered(failed: int) -> Request:
        asked.append(failed)
        return Request(method="POST", url=f"http://test/{failed}", headers={})

    transport = ScriptedTransport([refused(500), refused(500), ScriptedResponse(b"")])
    send(transport, prepared=numbered)

    assert asked == [0, 1, 2]
    assert [request.url[-1] for request in transport.requests] == ["0", "1", "2"]


def test_failing_preparation_sends_nothing() -> None:
    """An error of our own while the request is prepared, such as a key that is missing, is raised as it is."""

    async def keyless(_failed: int) -> Request:
        raise errors.OpenAIError("no key")

    transport = ScriptedTransport([])
    with pytest.raises(errors.OpenAIError, match="no key"):
        send(transport, prepared=keyless)

    assert transport.requests == []


def test_slow_preparation_counts() -> None:
    """A key that never comes runs into the total limit."""

    async def hanging(_failed: int) -> Request:
        await asyncio.sleep(1e6)
        return REQUEST

    error = failure(ScriptedTransport([]), prepared=hanging, timeout=Timeout(total=30))

    assert isinstance(error, errors.APITimeoutError)
    assert error.phase == "total"


class TestStaleConnections:
    """A kept-alive connection that turns out dead is free, once."""

    def test_one_is_free(self) -> None:
        """The request is sent again at once, and with `max_retries=0` too."""
        transport = ScriptedTransport([StaleConnectionError("dead"), ScriptedResponse(b"ok")])

        assert send(transport, max_retries=0) == b"ok"

        assert transport.times[0] == transport.times[1]

    def test_the_second_counts(self) -> None:
        """A second dead connection is an ordinary failure."""
        transport = ScriptedTransport([StaleConnectionError("dead"), StaleConnectionError("dead too")])

        error = failure(transport, max_retries=0)

        assert [one.delay for one in error.attempts] == [0.0, None]

    def test_does_not_use_up_a_retry(self) -> None:
        """After the free one all retries are left."""
        transport = ScriptedTransport(
            [refused(500), StaleConnectionError("dead"), refused(500), ScriptedResponse(b"ok")]
        )

        assert send(transport, max_retries=2) == b"ok"

        waits = [later - earlier for earlier, later in zip(transport.times, transport.times[1:], strict=False)]
        assert waits[1] == 0
        assert waits[2] > 0.7


class TestServersWishes:
    """What the server says about retries."""

    def test_delay_is_the_servers(self) -> None:
        """`retry-after` is waited for exactly."""
        transport = ScriptedTransport([refused(429, headers={"retry-after": "17"}), ScriptedResponse(b"ok")])

        send(transport)

        assert transport.times[1] - transport.times[0] == pytest.approx(17)

    def test_too_long_a_delay_is_raised(self) -> None:
        """Asked to wait more than two minutes, the caller hears of it at once."""
        transport = ScriptedTransport([refused(429, headers={"retry-after": "300"})])

        error = failure(transport)

        assert isinstance(error, errors.RateLimitError)
        assert error.headers["retry-after"] == "300"
        assert len(transport.requests) == 1

    def test_should_retry(self) -> None:
        """`x-should-retry` overrides the status in both directions."""
        assert send(ScriptedTransport([refused(400, headers={"x-should-retry": "true"}), ScriptedResponse(b"ok")]))
        failure(ScriptedTransport([refused(500, headers={"x-should-retry": "false"})]))

    def test_used_up_quota(self) -> None:
        """A used-up quota is one request and one error."""
        transport = ScriptedTransport([refused(429, "Pay.", code="insufficient_quota")])

        error = failure(transport)

        assert type(error) is errors.InsufficientQuotaError
        assert len(transport.requests) == 1


class TestTotalLimit:
    """The total limit spans everything."""

    def test_does_not_wait_beyond_it(self) -> None:
        """Where the wait before the next attempt would pass the limit, the failure is raised instead of slept over."""
        transport = ScriptedTransport([refused(429, headers={"retry-after": "60"})])
        times: list[float] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(errors.RateLimitError):
                await exchange(transport, prepare, whole, timeout=Timeout(total=30), max_retries=2)
            times.append(loop.time() - began)

        run(main())
        assert times == [0]

    def test_spans_attempts_and_waits(self) -> None:
        """Attempts and waits together end at the limit, in the middle of the attempt that is under way."""
        transport = ScriptedTransport(
            [
                ScriptedResponse(b"", status=500, before=10),
                ScriptedResponse(b"", status=500, before=10),
                ScriptedResponse(b"", before=10),
            ]
        )

        error = failure(transport, timeout=Timeout(total=25, first_token=None))

        assert isinstance(error, errors.APITimeoutError)
        assert error.phase == "total"
        assert len(error.attempts) == 3

    def test_spans_the_body(self) -> None:
        """A body that trickles in ends at the limit, and its connection is closed."""
        response = ScriptedResponse(*[part for _ in range(100) for part in (b"x", 1.0)])

        error = failure(ScriptedTransport([response]), timeout=Timeout(total=25, first_token=None), max_retries=0)

        assert isinstance(error, errors.APITimeoutError)
        assert (response.closed, response.reads) == (1, 26)

    def test_passes_while_the_loop_is_blocked(self) -> None:
        """A wait that is overtaken by the limit, because the event loop was busy, ends with the limit's error."""

        async def main() -> errors.APIError:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)

            def block() -> None:
                loop.now += 100

            transport = ScriptedTransport([refused(500, headers={"retry-after": "5"})])
            loop.call_later(1, block)
            with pytest.raises(errors.APITimeoutError) as caught:
                await exchange(transport, prepare, whole, timeout=Timeout(total=10), max_retries=1)
            return caught.value

        error = run(main())
        assert [one.status_code for one in error.attempts] == [500]

    def test_is_not_retried(self) -> None:
        """When the total limit passes, that is the end."""
        transport = ScriptedTransport([ScriptedResponse(b"", before=1e6)])

        failure(transport, timeout=Timeout(total=25))

        assert len(transport.requests) == 1


def test_other_limits_are_retried() -> None:
    """A server that is silent too long gets another attempt, with a limit of its own."""
    transport = ScriptedTransport([ScriptedResponse(b"", before=1e6), ScriptedResponse(b"ok", before=5)])

    assert send(transport, timeout=Timeout(first_token=10)) == b"ok"

    assert 10 < transport.times[1] - transport.times[0] < 11


def test_transport_without_phases_starts_afresh() -> None:
    """A limit of the last attempt's phase does not reach into the next, even over a transport that knows no phases."""

    async def impatient(response: Response, timer: Timer) -> bytes:
        timer.enter("first_token")
        return await whole(response, timer)

    transport = ScriptedTransport(
        [ScriptedResponse(1e6), ScriptedResponse(b"ok", before=5)],
        phases=False,
    )

    assert send(transport, accept=impatient, timeout=Timeout(first_token=3)) == b"ok"


class TestCancelling:
    """A cancelled exchange leaves nothing behind."""

    def test_while_waiting_for_the_next_attempt(self) -> None:
        """Cancelled between two attempts, no other is made and no alarm is left."""

        async def main() -> None:
            transport = ScriptedTransport([refused(500, headers={"retry-after": "60"})])
            task = asyncio.create_task(exchange(transport, prepare, whole, timeout=Timeout(total=600), max_retries=2))
            await asyncio.sleep(30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(transport.requests) == 1
            assert not _alarms()

        run(main())

    def test_while_the_body_is_read(self) -> None:
        """Cancelled in the body, the response is closed."""

        async def main() -> None:
            response = ScriptedResponse(b"half", 1e6)
            task = asyncio.create_task(
                exchange(ScriptedTransport([response]), prepare, whole, timeout=Timeout(total=600), max_retries=2)
            )
            await asyncio.sleep(30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (response.closed, response.released) == (1, 0)
            assert not _alarms()

        run(main())

    def test_while_an_error_body_is_read(self) -> None:
        """Cancelled in the body of a refusal, the response is closed, and no retry follows."""

        async def main() -> None:
            response = ScriptedResponse(b"half", 1e6, status=500)
            task = asyncio.create_task(
                exchange(ScriptedTransport([response]), prepare, whole, timeout=NO_LIMIT, max_retries=2)
            )
            await asyncio.sleep(30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (response.closed, response.released) == (1, 0)

        run(main())


def _alarms() -> list[asyncio.TimerHandle]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    return [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # private to asyncio


def test_alarm_is_gone_after_the_answer() -> None:
    """Neither an answer nor an error leaves an alarm in the event loop."""

    async def main() -> None:
        for script in ([ScriptedResponse(b"ok")], [refused(400)], [refused(500), refused(500)]):
            transport = ScriptedTransport(script)
            with contextlib.suppress(errors.APIError):
                await exchange(transport, prepare, whole, timeout=Timeout(total=600), max_retries=1)
            assert not _alarms()

    run(main())


class TestErrorBodies:
    """The body of a refusal is read within bounds, and never stands in the way of the refusal."""

    def test_cut_off(self) -> None:
        """A body that breaks off is used as far as it came; the status is what counts."""
        response = ScriptedResponse(b"partly tol", errors.APIConnectionError("cut"), status=403)

        error = failure(ScriptedTransport([response]))

        assert type(error) is errors.PermissionDeniedError
        assert error.message == "partly tol"
        assert response.closed == 1

    def test_stalled(self) -> None:
        """A body that stalls is given up when a limit passes, and the refusal is raised all the same."""
        response = ScriptedResponse(b"slow", 1e6, status=403)

        error = failure(ScriptedTransport([response]), timeout=Timeout(first_token=10))

        assert type(error) is errors.PermissionDeniedError
        assert response.closed == 1

    def test_endless(self) -> None:
        """Of a body without end the first mebibyte is read, and the beginning kept."""
        response = ScriptedResponse(*[b"x" * 100_000] * 50, status=500)

        error = failure(ScriptedTransport([response]), max_retries=0)

        assert error.body == "x" * 16_384
        assert (response.closed, response.reads) == (1, ERROR_BODY_SIZE // 100_000 + 1)


class TestBodies:
    """`read_body` on its own."""

    def read(self, response: ScriptedResponse, *, limit: int = 10, whole: bool = True) -> bytes:
        """Read the response on a virtual clock."""

        async def main() -> bytes:
            return await read_body(response, Timer(NO_LIMIT), limit=limit, whole=whole)

        return run(main())

    def test_up_to_the_limit(self) -> None:
        """A body as long as the limit is whole."""
        assert self.read(ScriptedResponse(b"12345", b"67890")) == b"1234567890"

    def test_over_the_limit(self) -> None:
        """A longer one is an error, and its connection is closed."""
        response = ScriptedResponse(b"12345", b"678901")

        with pytest.raises(errors.APIResponseValidationError, match="longer than 10 bytes"):
            self.read(response)

        assert (response.closed, response.released) == (1, 0)

    def test_over_the_limit_where_a_part_will_do(self) -> None:
        """Where a part will do, the part is returned."""
        assert self.read(ScriptedResponse(b"12345", b"678901"), whole=False) == b"1234567890"

    def test_cut_off(self) -> None:
        """A body that breaks off is an error."""
        response = ScriptedResponse(b"12345", errors.APIConnectionError("cut"))

        with pytest.raises(errors.APIConnectionError, match="cut"):
            self.read(response)

        assert (response.closed, response.released) == (1, 0)


# Streams: retried until the first content, and not after.

ROLE = event(chunk("", delta={"role": "assistant"}))
HELLO = event(chunk("Hello"))
END = event(chunk(finish="stop")) + b"data: [DONE]\n\n"
OVERLOADED = event({"error": {"message": "overloaded", "type": "server_error", "code": None}})


def stream(*parts: bytes | float | Exception) -> ScriptedResponse:
    """A response that is an event stream."""
    return ScriptedResponse(*parts, headers=EVENT_STREAM)


async def open_chunks(response, timer):
    """Open a response as a stream of chunks."""
    return ChatStream(await open_reader(response, timer))


@pytest.mark.parametrize(
    "first",
    [
        stream(OVERLOADED),
        stream(ROLE, OVERLOADED),
        stream(b": ping\n\n", ROLE, errors.APIConnectionError("cut")),
        stream(ROLE),
        stream(b'event: error\ndata: {"code": 429, "message": "slow down"}\n\n'),
        stream(ROLE, 1e6),
        stream(b": ping\n\n", *[part for _ in range(100) for part in (5.0, b": ping\n\n")]),
        stream(ROLE, *[part for _ in range(100) for part in (5.0, ROLE)]),
    ],
    ids=["error", "error after the role", "cut", "early end", "bare error", "stall", "pings only", "roles only"],
)
def test_stream_is_retried_before_its_first_content(first: ScriptedResponse) -> None:
    """Whatever fails before the first content is retried, pings and the role being none."""

    async def main() -> str | None:
        transport = ScriptedTransport([first, stream(ROLE, HELLO, END)])
        opened = await exchange(transport, prepare, open_chunks, timeout=Timeout(first_token=60), max_retries=1)
        completion = await opened.final()
        assert len(transport.requests) == 2
        assert opened.timing.last >= opened.timing.first_token >= opened.timing.first_byte >= opened.timing.sent > 0
        return completion.choices[0].message.content

    assert run(main()) == "Hello"
    assert first.closed + first.released >= 1


def test_stream_error_that_stays_is_raised_with_its_class() -> None:
    """After the last attempt the in-stream error is raised, as the class that it stands for."""
    transport = ScriptedTransport([stream(OVERLOADED), stream(ROLE, OVERLOADED)])

    error = failure(transport, accept=open_chunks, max_retries=1)

    assert type(error) is errors.InternalServerError
    assert [one.error for one in error.attempts] == ["overloaded", "overloaded"]
    assert error.partial is None


def test_stream_is_not_retried_after_its_first_content() -> None:
    """Once content was handed out, a failure is the reader's, with what was received."""

    async def main() -> errors.APIError:
        transport = ScriptedTransport([stream(ROLE, HELLO, OVERLOADED)])
        opened = await exchange(transport, prepare, open_chunks, timeout=NO_LIMIT, max_retries=5)
        with pytest.raises(errors.InternalServerError) as caught:
            await opened.final()
        return caught.value

    error = run(main())
    assert error.partial.choices[0].message.content == "Hello"


def test_failing_attempt_leaves_no_marks() -> None:
    """A stream's timing is that of the attempt that brought it, counted from the call's start."""

    async def main() -> None:
        transport = ScriptedTransport([stream(ROLE, 30.0, OVERLOADED), stream(5.0, ROLE, 5.0, HELLO, END)])
        opened = await exchange(transport, prepare, open_chunks, timeout=NO_LIMIT, max_retries=1)
        timing = opened.timing
        assert timing.sent == pytest.approx(30.44, abs=0.07)
        assert timing.first_byte == pytest.approx(timing.sent + 5)
        assert timing.first_token == pytest.approx(timing.sent + 10)
        assert timing.last is None
        await opened.final()

    run(main())


class TestSecrets:
    """The key is nowhere but in the request."""

    def test_error_that_repeats_the_key(self, caplog: pytest.LogCaptureFixture) -> None:
        """A server that repeats the key is not quoted: not in the error, its body, its attempts, nor in a log."""
        key = "sk-secret-0123456789"
        echoing = [
            refused(500, f"bad {key}", {"x-echo": key}, code=key, param=key, more=[{"deep": f"<{key}>"}]) for _ in "12"
        ]
        with caplog.at_level(logging.DEBUG):
            error = failure(ScriptedTransport(echoing), max_retries=1)

        told = repr((str(error), error.args, error.__dict__, [record.getMessage() for record in caplog.records]))
        assert key not in told
        assert error.message == "bad ***"
        assert error.code == "***"
        assert error.body["more"] == [{"deep": "<***>"}]
        assert "retrying" in caplog.text

    def test_short_keys_are_no_secrets(self) -> None:
        """A placeholder such as "none" stays in the text: it is a word."""

        async def placeholder(_failed: int) -> Request:
            return Request(method="POST", url="http://test/v1", headers={"authorization": "Bearer none"})

        error = failure(ScriptedTransport([refused(400, "none such")]), prepared=placeholder)

        assert error.message == "none such"

    def test_azures_header(self) -> None:
        """The `api-key` header counts as a key."""

        async def azure(_failed: int) -> Request:
            return Request(method="POST", url="http://test/v1", headers={"api-key": "0123456789abcdef"})

        error = failure(ScriptedTransport([refused(401, "key 0123456789abcdef")]), prepared=azure)

        assert error.message == "key ***"


def test_retry_is_one_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    """Each retry is one INFO record with the wait, the count and the reason."""
    with caplog.at_level(logging.INFO, logger="openai_async"):
        send(ScriptedTransport([refused(429, "slow", headers={"retry-after": "2"}), ScriptedResponse(b"")]))

    assert [record.getMessage() for record in caplog.records] == [
        "retrying in 2.00 s (retry 1 of 2): RateLimitError, status 429"
    ]


def test_nothing_is_retried_after_close() -> None:
    """What fails because the client was closed meanwhile is raised at once, as it is."""

    async def main() -> None:
        transport = ScriptedTransport([errors.APIConnectionError("cut")])
        transport.closed = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(errors.APIConnectionError, match="cut"):
            await exchange(transport, prepare, whole, timeout=Timeout(), max_retries=2)
        assert asyncio.get_running_loop().time() == began

    run(main())


def test_a_stale_connection_is_no_class_of_the_callers() -> None:
    """A connection that was dead twice is told as what it is to the caller: one that failed."""

    async def main() -> None:
        transport = ScriptedTransport([StaleConnectionError("dead"), StaleConnectionError("dead too")])
        with pytest.raises(errors.APIConnectionError, match="dead too") as caught:
            await exchange(transport, prepare, whole, timeout=Timeout(), max_retries=0)
        assert type(caught.value) is errors.APIConnectionError
        assert len(caught.value.attempts) == 2

    run(main())


# Keys that are renewed.


def renewed(transport: ScriptedTransport, **options: Any) -> Any:
    """Run one exchange that asks for a key anew at each attempt."""
    return run(exchange(transport, prepare, whole, timeout=NO_LIMIT, renews=True, **{"max_retries": 0, **options}))


def test_renewed_key_is_tried_at_once() -> None:
    """A 401 of a key that is renewed is followed by another attempt, without a wait, though no retries are left."""
    transport = ScriptedTransport([refused(401), ScriptedResponse(b"ok")])

    assert renewed(transport) == b"ok"
    assert transport.times[0] == transport.times[1]


def test_renewed_key_is_tried_once() -> None:
    """A second 401 is final, and tells of both attempts."""
    transport = ScriptedTransport([refused(401), refused(401)])

    with pytest.raises(errors.AuthenticationError) as caught:
        renewed(transport, max_retries=5)

    assert [attempt.status_code for attempt in caught.value.attempts] == [401, 401]


def test_renewed_key_costs_no_retry() -> None:
    """The attempt with the new key leaves the retries as they were, and comes once a call, not in a row."""
    transport = ScriptedTransport([refused(500), refused(401), refused(500), refused(401)])

    with pytest.raises(errors.AuthenticationError):
        renewed(transport, max_retries=2)

    assert len(transport.requests) == 4


@pytest.mark.parametrize("status", [400, 403, 404])
def test_renewing_helps_no_other_refusal(status: int) -> None:
    """Other refusals are as final as ever."""
    transport = ScriptedTransport([refused(status)])

    with pytest.raises(errors.APIStatusError):
        renewed(transport)

    assert len(transport.requests) == 1


# Limiters.


class Slow(WatchingLimiter):
    """Lets each attempt through after a second."""

    async def acquire(self, *, tokens: int) -> Any:
        """Wait, and give the leave."""
        await asyncio.sleep(1)
        return await super().acquire(tokens=tokens)


def paced(
    transport: ScriptedTransport, limiter: WatchingLimiter, *, timeout: Timeout = NO_LIMIT, accept: Accept = whole
) -> Any:
    """Run one exchange under a limiter."""
    pace = Pace(limiter, 10, len)
    return run(exchange(transport, prepare, accept, timeout=timeout, max_retries=2, pace=pace))


def test_every_attempt_has_a_permit() -> None:
    """The limiter is asked before each attempt, its response is shown, and each permit is settled once."""
    limiter = Slow()
    transport = ScriptedTransport([refused(500), errors.APIConnectionError("lost"), ScriptedResponse(b"four")])

    assert paced(transport, limiter) == b"four"

    assert limiter.acquired == [10, 10, 10]
    assert transport.times[1] - transport.times[0] > 1
    assert limiter.log == [
        ("observe", 1, 500),
        ("settle", 1, None),
        ("settle", 2, None),
        ("observe", 3, 200),
        ("settle", 3, 4),
    ]


def test_limiter_counts_toward_the_total() -> None:
    """Waiting for the limiter is part of the call, and the error tells of the attempts before it."""
    limiter = Slow()
    with pytest.raises(errors.APITimeoutError) as caught:
        paced(ScriptedTransport([]), limiter, timeout=Timeout(total=0.5))
    assert caught.value.phase == "total"
    assert (limiter.acquired, limiter.log) == ([], [])

    refusal = refused(500, headers={"retry-after-ms": "1"})
    with pytest.raises(errors.APITimeoutError) as caught:
        paced(ScriptedTransport([refusal]), limiter, timeout=Timeout(total=1.5))
    assert [attempt.status_code for attempt in caught.value.attempts] == [500]


def test_cancelled_attempt_is_settled() -> None:
    """A permit is settled when its attempt is cancelled, and not asked for again."""
    limiter = WatchingLimiter()

    async def go() -> None:
        transport = ScriptedTransport([ScriptedResponse(b"late", before=9)])
        work = exchange(transport, prepare, whole, timeout=NO_LIMIT, max_retries=2, pace=Pace(limiter, 10, len))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work, 1)

    run(go())
    assert (limiter.acquired, limiter.log) == ([10], [("settle", 1, None)])


def test_answer_that_is_refused_is_settled() -> None:
    """What `accept` raises settles the permit of its attempt, once."""
    limiter = WatchingLimiter()

    async def refuse(response: Response, timer: Timer) -> Any:
        await whole(response, timer)
        raise errors.BadRequestError("no", status_code=400)

    with pytest.raises(errors.BadRequestError):
        paced(ScriptedTransport([ScriptedResponse(b"x")]), limiter, accept=refuse)

    assert limiter.log == [("observe", 1, 200), ("settle", 1, None)]
