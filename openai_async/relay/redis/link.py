"""`Link`: one connection to Redis that is made anew when it breaks.

Commands go in, several at once; replies come out as Redis sent them, errors of single commands among them. redis-py
makes the connection and reads the wire; its pool and its retries are not used: a pool that is full raises, and a retry
of a blocking read took a minute to say that Redis is gone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from math import inf
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

try:
    from redis.asyncio import ConnectionPool, Redis
    from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError
except ImportError as _error:
    raise ImportError("the relay's Redis backend needs redis-py: pip install 'openai-async-sdk[redis]'") from _error

from openai_async.relay.errors import RelayError

from .scripts import SCRIPTS

__all__ = ["Command", "Link", "RedisDownError", "RedisRefusedError", "Server"]

Command: TypeAlias = Sequence[str | bytes | int]

_RETRY: Final = (0.02, 0.5)  # seconds between tries to connect: the first, the longest


class _UnavailableError(RelayError):
    """Redis is of no use now; where it is, which the message says, no reader is told."""

    status_code = 503
    code = "relay_unavailable"

    @property
    def error(self) -> dict[str, Any]:
        """The API's error object."""
        return {**super().error, "message": "The streams can't be reached now. Try again in a moment."}


class RedisDownError(_UnavailableError):
    """Redis can't be reached, lets nobody in, or did not answer in time; what was asked may have been done or not."""


class RedisRefusedError(_UnavailableError):
    """Redis answered with an error: out of memory, a permission, a key of another kind."""


class _Connection(Protocol):
    """What is used of redis-py's connections, which have no types of their own."""

    async def connect(self) -> None: ...
    async def can_read(self) -> bool: ...
    async def disconnect(self, nowait: bool = False) -> None: ...  # noqa: FBT001, FBT002 - theirs
    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool = True) -> None: ...  # noqa: FBT001, FBT002 - theirs
    async def read_response(self, *, timeout: float) -> Any: ...


class Server:
    """Where Redis is, and how to connect: what a URL or a client of redis-py says.

    Args:
        url_or_client: `redis://`, `rediss://` or `unix://`; or a client, whose settings are used and not its connections.

    Raises:
        ValueError: The URL is none of Redis's, or has a setting that is none; it is not quoted, as it may hold a password.
        TypeError: The client is none of `redis.asyncio.Redis` with a plain pool.
    """

    def __init__(self, url_or_client: Any) -> None:
        pool: Any
        if isinstance(url_or_client, str):
            pool = _pool(url_or_client)
        elif isinstance(url_or_client, Redis) and type(url_or_client.connection_pool).__name__ in _POOLS:
            pool = url_or_client.connection_pool
        else:
            raise TypeError(
                "RedisBackend takes a URL or a redis.asyncio.Redis with a plain connection pool, "
                f"not {type(url_or_client).__name__}; clients of clusters and sentinels are not supported."
            )
        settings: dict[str, Any] = dict(pool.connection_kwargs)
        for name in _NOT_OURS:
            settings.pop(name, None)
        self._make: Any = pool.connection_class
        self._settings = settings
        try:
            self.connection()
        except (TypeError, ValueError, RedisError):
            raise ValueError(
                "RedisBackend: the URL, or the client, has a setting that redis-py does not take"
            ) from None
        self.name: str = str(
            settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
        )

    def connection(self) -> _Connection:
        """Return a new one, not connected, whose replies are bytes as they came.

        It has no time-outs: they would be `asyncio.wait_for`, which Python 3.11 lets swallow a cancellation.
        """
        settings = {"protocol": 2, "decode_responses": False, "health_check_interval": 0}
        none = {"socket_timeout": None, "socket_connect_timeout": None}
        made: _Connection = self._make(**{**self._settings, **settings, **none})
        return made

    def __repr__(self) -> str:
        return f"<Redis at {self.name}>"


_POOLS = ("ConnectionPool", "BlockingConnectionPool")
# What belongs to a pool, or is set here: its retries would repeat what may have been done.
_NOT_OURS = ("retry", "retry_on_error", "retry_on_timeout", "parser_class", "legacy_responses", "max_connections",
             "maint_notifications_config", "maint_notifications_pool_handler", "event_dispatcher", "himport_registry")  # fmt: skip


def _pool(url: str) -> Any:
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError("RedisBackend: the URL has to begin with redis://, rediss:// or unix://")
    try:
        return cast("Any", ConnectionPool).from_url(url)  # it has no types
    except (ValueError, TypeError, RedisError):
        raise ValueError("RedisBackend: the URL can't be read; its form is redis://user:password@host:port/0") from None


class Link:
    """One connection.

    Calls wait for each other, as long as a reply may take; each gets its replies whole, or `RedisDownError`. Cancelling one
    closes the connection, as its replies would be the next caller's.

    Args:
        server: Where to connect.
        timeout: Seconds that connecting, and a reply, may take.

    Attributes:
        connected: How many times it connected.
        since: When it did so last, in seconds of the loop's clock.
        client_id: What Redis calls the connection, for CLIENT UNBLOCK; 0: there was none yet.
    """

    def __init__(self, server: Server, *, timeout: float) -> None:
        self._server = server
        self._timeout = timeout
        self._connection: _Connection | None = None
        self._lock = asyncio.Lock()
        self._pause = 0.0
        self.connected: int = 0
        self.since: float = 0.0
        self.client_id: int = 0

    async def run(self, commands: Sequence[Command], *, patience: float = 0.0) -> list[Any]:
        """Send commands in one write, and return their replies.

        Args:
            commands: Each a name and its arguments.
            patience: Seconds that a reply may take longer, as its command waits.

        Returns:
            A reply for each; `RedisRefusedError` in place of one that Redis refused.

        Raises:
            RedisDownError: There is no connection, or it broke. Some commands may have run.
        """
        try:
            async with asyncio.timeout(self._timeout):  # for all together: Redis is down for those who wait as well
                await self._lock.acquire()
            try:
                replies = await self._replies(commands, patience)
            finally:
                self._lock.release()
        except AuthenticationError:
            raise RedisDownError(f"Redis at {self._server.name} refused the user or the password.") from None
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            raise RedisDownError(f"Redis at {self._server.name} can't be reached ({type(error).__name__}).") from None
        return [self._refused(reply) if isinstance(reply, ResponseError) else reply for reply in replies]

    async def _replies(self, commands: Sequence[Command], patience: float) -> list[Any]:
        try:
            connection = self._connection
            if connection is None or await connection.can_read():  # its end: Redis closed it while nobody used it
                await self._drop()
                connection = await self._connect()
            replies = await self._exchange(connection, commands, self._timeout + patience)
            if lost := [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]:
                await self._load(connection)  # somebody flushed the scripts
                again = await self._exchange(connection, [commands[index] for index in lost], self._timeout)
                for index, reply in zip(lost, again, strict=True):
                    replies[index] = reply
        except BaseException:
            await self._drop()
            raise
        return replies

    async def call(self, *command: str | bytes | int) -> Any:
        """Send one command, and return its reply.

        Raises:
            RedisDownError: As `run`.
            RedisRefusedError: Redis answered with an error.
        """
        reply = (await self.run([command]))[0]
        if isinstance(reply, RedisRefusedError):
            raise reply
        return reply

    async def pause(self) -> None:
        """Wait before the next try, longer each time that there was no connection; cancelling it loses nothing."""
        self._pause = min(max(self._pause * 2, _RETRY[0]), _RETRY[1])
        await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, keeps no secret

    async def close(self) -> None:
        """Close the connection; a call made later makes another."""
        await self._drop()

    async def _connect(self) -> _Connection:
        connection = self._server.connection()
        self._connection = connection
        async with asyncio.timeout(self._timeout):
            await connection.connect()
        await self._load(connection)
        self.client_id = (await self._exchange(connection, [("CLIENT", "ID")], self._timeout))[0]
        self.connected += 1
        self.since = asyncio.get_running_loop().time()
        self._pause = 0.0
        return connection

    async def _load(self, connection: _Connection) -> None:
        await self._exchange(connection, [("SCRIPT", "LOAD", script.source) for script in SCRIPTS], self._timeout)

    async def _exchange(self, connection: _Connection, commands: Sequence[Command], timeout: float) -> list[Any]:
        replies: list[Any] = []
        # One limit for all: redis-py's own, given for a read, returns None when it passes.
        async with asyncio.timeout(timeout):
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            for _ in commands:
                try:
                    replies.append(await connection.read_response(timeout=inf))
                except ResponseError as error:
                    replies.append(error)
        return replies

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _refused(self, error: ResponseError) -> RedisRefusedError:
        # The first word is the kind of error; what follows may quote a command's arguments, which are users' texts.
        return RedisRefusedError(f"Redis at {self._server.name} refused a command: {str(error).partition(' ')[0][:40]}")
