"""`Hooks`: what can be one, and what becomes of one that fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from openai_async import AsyncOpenAI
from openai_async.hooks import FirstToken, Hooks, Record, RequestStarted

RECORD = FirstToken(call=1, seconds=0.5)
STARTED = RequestStarted(
    call=1, operation="get", method="GET", path="/", address="a", port=1, model=None, stream=False, parameters={}
)


class Counting:
    """An object that can be called."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def __call__(self, record: Record) -> None:
        self.kinds.append(type(record).__name__)


def test_any_function_is_a_hook(capsys: pytest.CaptureFixture[str]) -> None:
    """`print` is one, a list's method is one, an object that can be called is one; they are told in order."""
    told: list[Record] = []
    counting = Counting()
    Hooks([print, told.append, counting], told.append).tell(RECORD)

    assert told == [RECORD, RECORD]
    assert counting.kinds == ["FirstToken"]
    assert capsys.readouterr().out == "FirstToken(call=1, seconds=0.5)\n"


async def coroutine(_record: Record) -> None:
    """What nobody would await."""


class Awaited:
    async def __call__(self, record: Record) -> None: ...


class WithHeaders:
    """A hook that has headers, or fails to."""

    def __init__(self, headers: Any) -> None:
        self.headers = headers
        self.asked: list[RequestStarted] = []

    def __call__(self, record: Record) -> None: ...

    def headers_for(self, started: RequestStarted) -> Any:
        self.asked.append(started)
        if isinstance(self.headers, BaseException):
            raise self.headers
        return self.headers


class AwaitedHeaders(WithHeaders):
    async def headers_for(self, started: RequestStarted) -> Any: ...


class NoHeaders(WithHeaders):
    headers_for: Any = 5


@pytest.mark.parametrize(
    ("hooks", "complaint"),
    [
        (print, "hooks must be a list of functions, not a builtin_function_or_method; for one, hooks="),
        ("print", "not a str"),
        (5, "not a int"),
        ([None], "a hook must be a function of one record, which a NoneType is not"),
        ([Counting], "not the class Counting; make one of it"),
        ([coroutine], "a plain function, which nobody awaits"),
        ([Awaited()], "a plain function, which nobody awaits"),
        ([AwaitedHeaders({})], "headers_for of a hook must be a plain method"),
        ([NoHeaders({})], "headers_for of a hook must be a plain method"),
    ],
)
def test_what_is_no_hook(hooks: Any, complaint: str) -> None:
    """It is refused when the client is made, and by `with_options`; the message says what there could be."""
    with pytest.raises(TypeError, match=complaint):
        AsyncOpenAI(api_key="k", hooks=hooks)
    with pytest.raises(TypeError, match=complaint):
        AsyncOpenAI(api_key="k").with_options(hooks=hooks)


@pytest.mark.parametrize("hooks", [None, [], ()])
def test_no_hooks(hooks: Any) -> None:
    """A client without any has nothing to tell, and looks at one attribute a request."""
    assert AsyncOpenAI(api_key="k", hooks=hooks)._hooks is None


def test_failures_are_logged_once_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    """Each hook that fails has one line, with its name and the traceback, and no record's content in it."""

    def broken(_record: Record) -> None:
        raise RuntimeError("no disk")

    told: list[Record] = []
    hooks = Hooks([broken, broken, told.append])
    with caplog.at_level(logging.DEBUG, "openai_async"):
        for _ in range(3):
            hooks.tell(RECORD)

    assert told == [RECORD] * 3
    assert len(caplog.records) == 2
    assert all(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)
    assert "broken failed at a FirstToken" in caplog.text
    assert "no disk" in caplog.text


def test_interruptions_go_through() -> None:
    """What ends the program ends it in a hook as well, once all hooks are told."""
    told: list[Record] = []

    def interrupted(_record: Record) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Hooks([interrupted, told.append]).tell(RECORD)
    assert told == [RECORD]


def test_headers() -> None:
    """Each hook that has headers is asked once; what is there already, of the request or of a hook before, stays."""
    first, second, third, fourth = (
        WithHeaders({"Traceparent": "1", "tracestate": "a"}),
        WithHeaders({"traceparent": "2", "baggage": "b"}),
        WithHeaders({"x-own": "3", "x-mine": "3"}),
        WithHeaders({"x-more": "4"}),
    )
    hooks = Hooks([print, first, second, third, fourth])

    found = hooks.headers_for(STARTED, {"x-own"}, lambda _name, value: value)
    assert found == {"traceparent": "1", "tracestate": "a", "x-more": "4"}
    assert first.asked == fourth.asked == [STARTED]
    assert Hooks([print]).headers_for(STARTED, (), lambda _name, value: value) == {}


@pytest.mark.parametrize("headers", [RuntimeError("no disk"), None, 5, [("a", "b")], {"a": "refused"}, {5: "b"}])
def test_headers_that_fail(caplog: pytest.LogCaptureFixture, headers: Any) -> None:
    """A hook whose headers can't be had or sent is logged once, and the others' are sent."""

    def check(_name: str, value: str) -> str:
        if value == "refused":
            raise ValueError("it can't be sent")
        return value

    hooks = Hooks([WithHeaders(headers), WithHeaders({"b": "c"})])
    for _ in range(2):
        assert hooks.headers_for(STARTED, (), check) == {"b": "c"}
    assert [line.levelno for line in caplog.records] == [logging.ERROR]
    assert "WithHeaders failed at a RequestStarted" in caplog.text
