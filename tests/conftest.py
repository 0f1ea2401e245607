"""Settings of every test: how much Hypothesis tries, which loop the async ones run on, and what they may leave behind.

Hypothesis runs its "default" profile: few examples, always the same ones, so that a run that passed passes again. Set
`OPENAI_ASYNC_EXAMPLES` to a number for another run: that many random examples of each claim, without a deadline.

    OPENAI_ASYNC_EXAMPLES=2000 pytest tests/protocol

A test marked `sockets` has to close what it opens: a socket still open after it, or a transport that was only found by
the garbage collector, fails the test that left it and not a later one.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_DESCRIPTORS = Path("/proc/self/fd")  # Linux has it; elsewhere only the warnings are left

_examples = int(os.environ.get("OPENAI_ASYNC_EXAMPLES") or 0)

settings.register_profile(
    "default",
    max_examples=40,
    deadline=None,  # a busy machine is no bug
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "thorough",
    parent=settings.get_profile("default"),
    max_examples=_examples or 1,
    derandomize=False,
)
settings.load_profile("thorough" if _examples else "default")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "sockets: opens sockets, and has to close every one of them")


def pytest_collection_finish() -> None:
    """Take what importing made out of the collector's sight: looking through it after each test took 30 ms."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _keeps_the_heap_small() -> Iterator[None]:
    """Likewise what a module's tests leave for all that follow: reports, caches. After 7,000 tests it took 100 ms more."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    """Run tests marked `anyio` on asyncio, which aiohttp needs."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("sockets") is None:
        yield
        return
    before = _sockets()
    yield
    # An object that is only now found to be unclosed warns, which pytest turns into this test's failure.
    gc.collect()
    left = _sockets() - before
    assert not left, f"the test left {len(left)} sockets open"


def _sockets() -> set[str]:
    """Names of the sockets that this process has open."""
    if not _DESCRIPTORS.is_dir():
        return set()
    names: set[str] = set()
    for entry in _DESCRIPTORS.iterdir():
        try:
            names.add(str(entry.readlink()))
        except OSError:  # the descriptor that lists the folder itself
            continue
    return {name for name in names if name.startswith("socket:")}
