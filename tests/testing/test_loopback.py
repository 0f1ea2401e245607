"""A thread with an event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import asynccontextmanager
from functools import partial

import pytest

from openai_async.testing import Recorder, ScriptedServer
from openai_async.testing.loopback import Loopback


def _loopback(happened=None, *, fails=False):
    happened = [] if happened is None else happened

    @asynccontextmanager
    async def serving():
        if fails:
            raise LookupError
        happened.append("entered")
        yield threading.get_ident()
        happened.append("left")

    return Loopback(serving)


def test_it_runs_elsewhere_from_start_to_stop():
    """The context manager is entered and left in one other thread, and functions are called there; again, if need be."""
    happened = []
    loopback = _loopback(happened)
    for _ in range(2):
        there = loopback.start()
        assert loopback.running
        assert there == loopback.call(threading.get_ident) != threading.get_ident()
        assert loopback.call(lambda: loopback.call(threading.get_ident)) == there
        loopback.stop()

    assert happened == ["entered", "left"] * 2
    assert not loopback.running


def test_once_stopped_it_calls_here():
    """After the end there is no other thread to ask, and nothing to wait for."""
    loopback = _loopback()
    loopback.start()
    loopback.stop()
    loopback.stop()

    assert loopback.call(threading.get_ident) == threading.get_ident()
    assert not loopback.wait(lambda: asyncio.sleep(0), 1)


def test_failures_to_start_leave_nothing():
    """What entering raises comes out as it is, and the thread is gone."""
    before = threading.active_count()
    with pytest.raises(LookupError):
        _loopback(fails=True).start()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", [ScriptedServer, partial(Recorder, "a.jsonl", upstream="http://127.0.0.1:1/v1")])
def test_a_missing_extra_is_named(kind, monkeypatch, tmp_path):
    """Without uvicorn nothing can be served, and the error says what to install."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"uvicorn.*: pip install 'openai-async-sdk\[testing\]'"):
        kind().start()


def test_waits_have_an_end():
    """Waiting says whether it was done in time, and cancels what was not."""
    cancelled = threading.Event()

    async def forever():
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    loopback = _loopback()
    loopback.start()
    try:
        assert loopback.wait(lambda: asyncio.sleep(0), 5)
        assert not loopback.wait(forever, 0.01)
        assert cancelled.wait(5)
        with pytest.raises(RuntimeError, match="runs already"):
            loopback.start()
    finally:
        loopback.stop()
