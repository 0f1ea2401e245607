"""A Redis of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.redisserver import RedisServer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for a module."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    """An empty one."""
    running.run("FLUSHALL")
    return running
