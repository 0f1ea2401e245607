"""What a running server knows of its visitors."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from openai_async.server.desk import Desk
from openai_async.server.faults import Fault
from openai_async.server.limits import RateLimits
from openai_async.server.problems import Problem


def _scope(headers=(), path="/v1/models", client=("127.0.0.1", 5)):
    return {
        "method": "GET",
        "path": path,
        "query_string": b"a=1",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": client,
    }


async def _receive():
    return {"type": "http.disconnect"}


def _visit(desk, **headers):
    return desk.arrive(_scope([(name.replace("_", "-"), value) for name, value in headers.items()]), _receive)


def test_requests_are_recorded():
    """What came is kept: method, path, query, headers in lower case, and later the body."""
    desk = Desk()
    visit = _visit(desk, X_Thing="1")
    visit.recorded.body = b'{"a":1}'
    (recorded,) = desk.requests

    assert (recorded.method, recorded.path, recorded.query) == ("GET", "/v1/models", "a=1")
    assert recorded.headers == {"x-thing": "1"}
    assert recorded.json == {"a": 1}


def test_only_the_latest_requests_are_kept():
    """The record is bounded: a server may run for weeks."""
    desk = Desk(keep=2)
    for number in range(3):
        desk.arrive(_scope(path=f"/{number}"), _receive)

    assert [recorded.path for recorded in desk.requests] == ["/1", "/2"]


def test_connections_are_told_apart():
    """Each address and port counts once, and a scope without one not at all."""
    desk = Desk()
    for client in (("127.0.0.1", 5), ("127.0.0.1", 5), ("127.0.0.1", 6), None):
        desk.arrive(_scope(client=client), _receive)

    assert len(desk.peers) == 2


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "You didn't provide an API key"),
        ({"authorization": "Bearer "}, "You didn't provide an API key"),
        ({"authorization": "Basic abc"}, "You didn't provide an API key"),
        ({"authorization": "Bearer sk-1234567890abcdef"}, "Incorrect API key provided: sk-********cdef."),
        ({"authorization": "Bearer wrong"}, "Incorrect API key provided: *****."),
        ({"api-key": "wrong"}, "Incorrect API key"),
    ],
)
def test_wrong_keys_are_refused_and_not_repeated(headers, words):
    """A missing or wrong key is a 401 with the API's code, and the message hides the key."""
    desk = Desk(api_keys=["right"])

    with pytest.raises(Problem) as caught:
        desk.admit(_visit(desk, **headers))
    assert words in caught.value.message
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer right"}, {"authorization": "bearer  right"}, {"api-key": "other"}]
)
def test_right_keys_are_let_in(headers):
    """Any of the keys will do, in either header."""
    desk = Desk(api_keys=["right", "other"])

    assert desk.admit(_visit(desk, **headers)) is None


def test_limits_are_checked_on_the_way_in():
    """An exceeded limit refuses the visit."""
    desk = Desk(limits=RateLimits(requests=1, enforce=True))
    desk.admit(_visit(desk))

    with pytest.raises(Problem) as caught:
        desk.admit(_visit(desk))
    assert caught.value.status == 429


def test_models_exist_or_not():
    """With a list of models, other names are a 404; without one, every name is a model."""
    assert Desk().check_model("anything") is None
    assert Desk(models=["a"]).check_model("a") is None
    with pytest.raises(Problem, match="The model `b` does not exist") as caught:
        Desk(models=["a"]).check_model("b")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_faults_are_handed_out_in_order():
    """Each fault is used as often as it says, after sparing as many requests as it says."""
    desk = Desk(faults=[Fault(times=2, status=429), Fault(skip=1, status=500)])

    def status():
        visit = _visit(desk)
        desk.admit(visit)
        return visit.fault and visit.fault.status

    assert [status() for _ in range(5)] == [429, 429, None, 500, None]
    desk.add_fault(Fault(times=0, status=503))
    assert [status() for _ in range(3)] == [503, 503, 503]


def test_answers_are_dated_by_the_clock_if_there_is_one():
    """Without a clock the date is left to the request."""
    assert Desk().created() is None
    assert Desk(clock=lambda: 12.9).created() == 12


def test_every_answer_has_the_apis_headers():
    """Request id, version, processing time and limits go out with every answer, the organization is confirmed."""
    desk = Desk()
    headers = desk.headers(_visit(desk, openai_organization="org-1"))

    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-processing-ms"].isdigit()
    assert headers["x-ratelimit-limit-requests"] == "10000"


def test_aborts_can_be_waited_for():
    """Whoever waits for so many aborts is woken by the last of them, and not before."""

    async def scenario():
        desk = Desk()
        waiter = asyncio.create_task(desk.wait_aborts(2))
        await asyncio.sleep(0)
        desk.note_abort()
        await asyncio.sleep(0)
        early = waiter.done()
        desk.note_abort()
        await waiter
        await desk.wait_aborts(1)
        return early

    assert asyncio.run(scenario()) is False


def test_closing_breaks_off_what_is_open():
    """All scopes that are open are cancelled."""

    async def scenario():
        desk = Desk()
        with anyio.CancelScope() as scope:
            desk.open.add(scope)
            desk.close()
            await asyncio.sleep(1)
        return scope.cancelled_caught

    assert asyncio.run(scenario())


def test_ends_of_answers_are_noted_once():
    """An answer is open until it ends, and stays as it ended first; whoever waits for that is woken."""

    async def scenario():
        desk = Desk()
        complete, cut, aborted = (_visit(desk).recorded for _ in range(3))
        waiters = [asyncio.create_task(desk.wait_end(one)) for one in (complete, cut, aborted)]
        await asyncio.sleep(0)
        before = [one.outcome for one in (complete, cut, aborted)]
        desk.note_end(complete, whole=True)
        desk.note_end(cut, whole=False)
        desk.note_abort(aborted)
        for one in (complete, cut, aborted):
            desk.note_end(one, whole=one is not complete)
        await asyncio.gather(*waiters)
        await desk.wait_end(complete)
        return before, [one.outcome for one in (complete, cut, aborted)]

    assert asyncio.run(scenario()) == (["open"] * 3, ["complete", "cut", "aborted"])


def test_a_function_may_choose_the_faults():
    """It goes before the faults that wait, which a request of which it says nothing gets; a header goes before both."""
    own, waiting = Fault(status=429), Fault(status=503)
    desk = Desk(faults=[waiting], fault_for=lambda recorded: own if "own" in recorded.headers else None)
    visits = [_visit(desk, own="yes"), _visit(desk), _visit(desk, own="yes", x_fault="status=500")]
    for visit in visits:
        desk.admit(visit)

    assert [visit.fault for visit in visits] == [own, waiting, Fault(status=500)]
