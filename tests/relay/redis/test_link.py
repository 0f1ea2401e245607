"""One connection to Redis: what it answers, what it says when there is none, and what it never says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from support.redisserver import RedisServer, installed

from openai_async.relay.redis.link import Link, RedisDownError, RedisRefusedError, Server
from openai_async.relay.redis.scripts import LOOK

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.sockets,
    pytest.mark.skipif(not installed(), reason="redis-server is not installed"),
]

KEYS = ("oa:s:{a}", "oa:l:{a}", "oa:r:{a}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own."""
    with RedisServer(tmp_path) as server:
        yield server


async def test_scripts_that_somebody_flushed_are_loaded_again(server: RedisServer) -> None:
    """The commands of the same write that need none run once."""
    link = Link(Server(server.url), timeout=5)
    await link.call("PING")
    server.run("SCRIPT", "FLUSH")

    replies = await link.run([("INCR", "n"), ("EVALSHA", LOOK.digest, 3, *KEYS), ("INCR", "n")])

    assert replies == [1, [0, 0, b"", b"", -2, -2, 0, b""], 2]
    await link.close()


async def test_a_refused_command_does_not_disturb_the_others(server: RedisServer) -> None:
    """Its error stands in its place; it does not quote what was sent."""
    server.run("SET", "text", "x")
    link = Link(Server(server.url), timeout=5)

    first, second, third = await link.run([("PING",), ("XLEN", "text"), ("PING",)])

    assert (first, third) == (b"PONG", b"PONG")
    assert isinstance(second, RedisRefusedError)
    assert "WRONGTYPE" in str(second)
    with pytest.raises(RedisRefusedError):
        await link.call("XLEN", "text")
    await link.close()


async def test_a_dead_server_is_one_kind_of_error_and_a_new_one_is_found(server: RedisServer) -> None:
    """No error of redis-py's escapes, and the next call connects anew."""
    link = Link(Server(server.url), timeout=5)
    await link.call("PING")
    server.kill()

    for _ in range(2):
        with pytest.raises(RedisDownError):
            await link.call("PING")

    server.start()
    assert await link.call("PING") == b"PONG"
    assert link.connected == 2
    await link.close()


async def test_a_connection_that_was_closed_meanwhile_is_made_anew(server: RedisServer) -> None:
    """By a restart, or as nobody used it for so long that Redis gave it up: the next call notices nothing."""
    link = Link(Server(server.url), timeout=5)
    await link.call("PING")

    server.kill()
    server.start()
    await asyncio.sleep(0.1)  # until the end of the connection is here
    assert await link.call("PING") == b"PONG"

    server.run("CLIENT", "KILL", "ID", link.client_id)
    await asyncio.sleep(0.1)  # likewise
    assert await link.call("PING") == b"PONG"
    assert link.connected == 3
    await link.close()


async def test_a_server_that_does_nothing_is_given_up(server: RedisServer) -> None:
    """The time-out is the link's: a read that may wait has that much more."""
    link = Link(Server(server.url), timeout=0.2)
    await link.call("PING")
    server.pause()
    try:
        with anyio.fail_after(10), pytest.raises(RedisDownError):
            await link.call("PING")
    finally:
        server.resume()

    assert await link.run([("XREAD", "BLOCK", 400, "STREAMS", "none", "0-0")], patience=0.4) == [None]
    await link.close()


async def test_those_who_wait_behind_each_other_do_not_wait_one_after_another(server: RedisServer) -> None:
    """A server that does nothing is down for all of them at about the same time."""
    link = Link(Server(server.url), timeout=0.3)
    await link.call("PING")
    server.pause()
    try:
        with anyio.fail_after(20):
            told = await asyncio.gather(*[link.call("PING") for _ in range(200)], return_exceptions=True)
    finally:
        server.resume()

    assert {type(error) for error in told} == {RedisDownError}
    assert await link.call("PING") == b"PONG"
    await link.close()


async def test_a_cancelled_call_leaves_no_answer_to_the_next(server: RedisServer) -> None:
    """The next caller would get it for its own."""
    link = Link(Server(server.url), timeout=5)
    waiting = asyncio.create_task(link.run([("XREAD", "BLOCK", 900, "STREAMS", "none", "0-0")], patience=1))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert await link.call("PING") == b"PONG"
    await link.close()


async def test_a_password_is_in_no_error_and_no_repr(server: RedisServer) -> None:
    """Neither a wrong one, nor that of an address that can't be read or reached."""
    url = server.url.replace("127.0.0.1", ":s3cret@127.0.0.1")
    link = Link(Server(url), timeout=5)
    said = [repr(Server(url))]
    with pytest.raises(RedisDownError) as refused:
        await link.call("PING")  # the server has no password set
    server.kill()
    with pytest.raises(RedisDownError) as down:
        await link.call("PING")
    for bad in (
        "http://:s3cret@127.0.0.1",
        "redis://:s3cret@127.0.0.1:port/0",
        "redis://:s3cret/word@127.0.0.1:6379/0",
        "redis://127.0.0.1:6379/0?s3cret=1",
        "rediss://127.0.0.1:6379/0?ssl_cert_reqs=s3cret",
        ":s3cret@127.0.0.1",
    ):
        with pytest.raises(ValueError) as wrong:
            Server(bad)
        said.append(repr(wrong.value) + repr(wrong.value.__cause__))
    said += [repr(error.value) + repr(error.value.__cause__) for error in (refused, down)]

    assert "s3cret" not in "".join(said)


@pytest.mark.parametrize("user", ["", ":s3cret@", "ann:s3cret@"])
async def test_a_wrong_password_is_told_as_such(tmp_path: Path, user: str) -> None:
    """And not as a server that can't be reached; nor is it quoted."""
    with RedisServer(tmp_path, password="right") as server:
        link = Link(Server(server.url.replace(":right@", user)), timeout=5)
        with pytest.raises(RedisDownError, match="refused the user or the password") as refused:
            await link.call("PING")
        await link.close()

    assert "s3cret" not in repr(refused.value) + repr(refused.value.__cause__)


async def test_a_client_of_redis_py_lends_its_settings(server: RedisServer) -> None:
    """Its decoding and its retries are not taken over; a client of another kind is refused by name."""
    from redis.asyncio import Redis

    client = Redis(host="127.0.0.1", port=server.port, decode_responses=True)
    link = Link(Server(client), timeout=5)

    assert await link.call("PING") == b"PONG"
    with pytest.raises(TypeError, match="int"):
        Server(3)
    await link.close()
    await client.aclose()
