"""A user of either SDK: makes clients, calls, reads, leaves, and writes down what comes of it.

Whatever a client raises passes through; who runs the case keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from support.rawserver import RawServer

from .sdk import Sdk
from .seen import Seen

__all__ = ["MESSAGES", "Server", "User", "final", "plain", "stream"]

MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]


class Server(RawServer):
    """A server that knows when each of its connections ended, by the loop's clock."""

    def __init__(self, *handlers: Any, **options: Any) -> None:
        super().__init__(*handlers, **options)
        self.ended: list[float] = []
        self._one_less = asyncio.Event()

    async def emptied(self, seconds: float) -> bool:
        """Wait until no connection is open, so long at most; return whether none is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.open:
                    self._one_less.clear()
                    await self._one_less.wait()
        return not self.open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        try:
            await super()._serve(reader, writer, connection)
        finally:
            self.ended.append(asyncio.get_running_loop().time())
            self._one_less.set()  # who waits will run when `open` has been counted down


class User:
    """What a case's user does.

    Args:
        sdk: Whose clients they use.
        server: Whom they ask.
        options: Of their clients, as `Sdk.client` takes them.
    """

    def __init__(self, sdk: Sdk, server: Server, options: Mapping[str, Any]) -> None:
        self.sdk = sdk
        self.server = server
        self.seen = Seen(sdk)
        self.options = dict(options)
        self.began = 0.0  # when the newest client was made, in seconds as `time.monotonic` counts
        self._clients: list[Any] = []

    def client(self, *, url: str = "", **options: Any) -> Any:
        """Make a client, which will be closed in the end; options beside those of the case."""
        made = self.sdk.client(url or self.server.url, **{**self.options, **options})
        self._clients.append(made)
        self.began = time.monotonic()
        return made

    @property
    def only(self) -> Any:
        """The client, made when it is needed first."""
        return self._clients[0] if self._clients else self.client()

    async def close(self) -> None:
        """Close all clients."""
        while self._clients:
            await self._clients.pop().close()

    def forget(self) -> None:
        """Let go of all clients without closing them."""
        self._clients.clear()

    # Calls.

    async def create(self, **params: Any) -> Any:
        """Call `create`: of the only client, for a plain answer unless `stream` says otherwise."""
        return await self.only.chat.completions.create(**{"model": "m", "messages": MESSAGES, **params})

    async def open(self, **params: Any) -> Any:
        """Open a stream of chunks."""
        return await self.create(stream=True, **params)

    def events(self, **params: Any) -> Any:
        """Return the context of a stream of events."""
        return self.only.chat.completions.stream(**{"model": "m", "messages": MESSAGES, **params})

    async def parse(self, type: type, **params: Any) -> None:
        """Ask for an object, and keep the completion."""
        completions = self.only.chat.completions
        self.keep(await completions.parse(model="m", messages=MESSAGES, response_format=type, **params))

    # Reading.

    async def read(self, stream: Any, *, count: int | None = None) -> None:
        """Read a stream of chunks to its end, or so many of them."""
        async for chunk in stream:
            self.note(chunk)
            if count is not None and self.seen.chunks >= count:
                return

    async def first(self, stream: Any) -> None:
        """Read a stream until there is text."""
        async for chunk in stream:
            self.note(chunk)
            if self.seen.text:
                return

    def note(self, chunk: Any) -> None:
        """Note a chunk and its text."""
        self.seen.chunks += 1
        for choice in chunk.choices or []:
            if choice.delta is not None and choice.delta.content and not choice.index:
                self.seen.text += choice.delta.content

    def keep(self, answer: Any) -> None:
        """Keep an answer, and its text if it is a completion."""
        self.seen.answer = answer
        for choice in getattr(answer, "choices", None) or []:
            if not choice.index:
                self.seen.text = choice.message.content or ""

    # Leaving.

    async def left(self, since: float | None = None) -> None:
        """Note how long it takes the server to see that the user is gone: now, or by the loop's clock."""
        if since is None:
            since = asyncio.get_running_loop().time()
        if await self.server.emptied(1.5) and self.server.ended:
            self.seen.aborted = max(self.server.ended[-1] - since, 0.0)


# What most users do.


async def stream(user: User) -> None:
    """Read a stream chunk by chunk."""
    async with await user.open() as chunks:
        await user.read(chunks)


async def final(user: User) -> None:
    """Read a stream of events, and ask for the whole completion."""
    async with user.events() as events:
        async for event in events:
            if event.type == "chunk":
                user.note(event.chunk)
        user.keep(await events.get_final_completion())


async def plain(user: User) -> None:
    """Ask for a plain answer."""
    user.keep(await user.create())
