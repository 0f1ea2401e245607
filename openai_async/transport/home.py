"""`Home`: what one event loop has of a transport, and the ways in which that ends.

A session comes in with what is open on it. It is closed in order, or at once, or together with its loop; and in a
process that was forked it is forgotten, since its connections are the parent's.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakSet

from .connector import TellingConnector
from .loops import in_loop, owe_nothing

__all__ = ["Home", "abandon_all"]


class _Response(Protocol):
    """What a home knows of the responses that are open on it."""

    def close(self) -> None: ...

    def disown(self) -> None: ...


class Home:
    """What one event loop has of a transport.

    Args:
        session: Of aiohttp's, ours or the user's.
        drains: Bodies that are being read to their end, of no other interest.
    """

    def __init__(self, session: Any, drains: set[asyncio.Task[None]]) -> None:
        self.session = session
        self.loop: asyncio.AbstractEventLoop = session._loop
        self.drains = drains
        self.responses: WeakSet[_Response] = WeakSet()
        # Begun once the session is used: an event loop that ends in order (`asyncio.run`) closes its generators, and
        # the connections with this one, while they still can be closed without a warning.
        self.guard: AsyncGenerator[None] = _close_at_the_end(session, drains, self.responses)
        _homes.add(self)

    async def close(self) -> None:
        """Close the responses, and a session of ours. Cancelling it closes them all the same, and waits for nothing."""
        try:
            await self.guard.aclose()
        except BaseException:
            self.abandon()
            raise

    async def leave(self) -> None:
        """Close the responses, and with them their connections, but not the session."""
        await _leave(self.drains, self.responses)

    def abandon(self) -> None:
        """Close a session of ours without awaiting anything, its loop being at rest, closed, or the running one."""
        connector = self.session.connector
        if isinstance(connector, TellingConnector):
            connector.abandon()
        self.session.detach()

    def disown(self) -> None:
        """Forget all, this being another process than the one that made it.

        The child's copies of the sockets are closed: else a connection that the parent closes would stay open, for its
        server, until the child ends. Nothing is said on them, and nothing is changed in the event loop, whose selector
        the child shares with the parent.
        """
        for response in tuple(self.responses):
            response.disown()
        for drain in self.drains:
            owe_nothing(drain)
        connector = self.session.connector
        if isinstance(connector, TellingConnector):
            connector.disown()
            self.session.detach()
        self.responses.clear()
        with suppress(StopIteration, RuntimeError):  # it ends here: there is nothing left that it waits for
            self.guard.aclose().__await__().send(None)


_homes: WeakSet[Home] = WeakSet()


def _disown_all() -> None:
    for home in tuple(_homes):
        home.disown()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_disown_all)


def abandon_all(homes: Mapping[asyncio.AbstractEventLoop, Home]) -> None:
    """Close what a transport has that was dropped, in whatever thread, and warn if there is anything."""
    left = [home for home in homes.values() if not home.session.closed]
    if left:
        warnings.warn("a client was not closed; its connections are", ResourceWarning, stacklevel=3)
    for home in left:
        in_loop(home.loop, home.abandon)


async def _close_at_the_end(
    session: Any, drains: set[asyncio.Task[None]], responses: WeakSet[_Response]
) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if not session.closed:
            await _leave(drains, responses)
            await session.close()


async def _leave(drains: set[asyncio.Task[None]], responses: WeakSet[_Response]) -> None:
    for response in tuple(responses):
        response.close()  # aiohttp leaves whoever reads from a closed session waiting
    ending = tuple(drains)
    for drain in ending:
        drain.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
