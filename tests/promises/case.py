"""A case: a promise, a server that tempts a client to break it, what the user does, and how to tell what came of it.

`play` runs one with one SDK's client and returns what was seen; `judge` also says whether the promise was held.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import logging
import os
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from support.rawserver import Handler, certificates, in_thread

from .sdk import Sdk
from .seen import Seen
from .user import Server, User, stream

__all__ = ["HELD", "Case", "Check", "judge", "play"]

HELD = "held"

Check = Callable[[Seen], str | None]
"""What went wrong, in a few words; None: nothing."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case.

    Attributes:
        id: Its name.
        topic: What it is about, in two or three words: several cases have the same.
        needs: Rows of the list of users' needs that it answers.
        promise: What a client shall do, in a sentence.
        server: A handler for each request, the last one for all that follow.
        checks: What must be true of what was seen; all of them.
        user: What the user does. One that is no coroutine function runs event loops of its own.
        options: Of the client, as `Sdk.client` takes them.
        proofs: Tests of the same promise, as `file::test`.
        drops: Whether the user leaves something unclosed, so that a `ResourceWarning` is in order.
        tls: Whether the server speaks TLS, with a certificate that nobody knows.
        limit: Seconds after which it hangs.
    """

    id: str
    topic: str
    needs: Sequence[int]
    promise: str
    server: Sequence[Handler]
    checks: Sequence[Check]
    user: Callable[[User], Awaitable[None]] | Callable[[User], None] = stream
    options: Mapping[str, Any] = field(default_factory=dict)
    proofs: Sequence[str] = ()
    drops: bool = False
    tls: bool = False
    limit: float = 3.0


def judge(case: Case, sdk: Sdk) -> str:
    """Run a case with a client of that SDK: `HELD`, or what went wrong in a few words. Needs no running event loop."""
    seen = play(case, sdk)
    found = next(filter(None, (check(seen) for check in case.checks)), None)
    return found or _left_behind(case, seen) or HELD


def _left_behind(case: Case, seen: Seen) -> str | None:
    """What no case may leave behind, whatever else it is about."""
    if seen.complaints:
        return f"asyncio complains: {seen.complaints[0].splitlines()[0][:60]}"
    if seen.open:
        return f"{seen.open} connections left open"
    unclosed = [text for text in seen.warned if text.startswith("ResourceWarning") and not case.drops]
    return f"leaves {unclosed[0][:60]}" if unclosed else None


def play(case: Case, sdk: Sdk) -> Seen:
    """Run a case with a client of that SDK, and return what was seen. Needs no running event loop."""
    _forget()
    context = certificates()[0] if case.tls else None
    user = User(sdk, Server(*case.server, context=context), case.options)
    seen = user.seen
    with _environment(), _logged(seen.log), _warned(seen.warned):
        if inspect.iscoroutinefunction(case.user):
            asyncio.run(_observe(case, user))
        else:
            with in_thread(user.server):
                try:
                    case.user(user)
                except Exception as error:  # noqa: BLE001 - it is what is being looked for
                    seen.error = error
        user.forget()
        gc.collect()
    # asyncio logs what it has to complain of, and says so in the loop's exception handler only if there is one.
    seen.complaints += [line.partition(" ")[2] for line in seen.log if line.startswith("asyncio ERROR ")]
    seen.requests, seen.connections = user.server.requests, user.server.connections
    return seen


def _forget() -> None:
    """Have what an earlier case left behind collected now, unseen, so that this one is not blamed for it."""
    with _logged([]), _warned([]):
        gc.collect()


async def _observe(case: Case, user: User) -> None:
    seen = user.seen
    async with user.server, _late(seen):
        user.began = time.monotonic()
        limit = asyncio.timeout(case.limit)
        try:
            async with limit:
                await case.user(user)
        except Exception as error:  # noqa: BLE001 - it is what is being looked for
            seen.error, seen.hung = error, limit.expired()
        seen.seconds = time.monotonic() - user.began
        await user.close()
        await user.server.emptied(0.5)
        seen.open = user.server.open


@contextlib.asynccontextmanager
async def _late(seen: Seen) -> Any:
    """Note how late the event loop is."""

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            seen.late = max(seen.late, loop.time() - due)

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)  # from here on it watches
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """An environment that says nothing of proxies and keys."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("OPENAI_")
    }
    with patch.dict(os.environ, kept, clear=True):
        yield


@contextlib.contextmanager
def _warned(into: list[str]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    into += [f"{one.category.__name__}: {one.message}" for one in caught]


class _Lines(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self._into.append(f"{record.name} {record.levelname} {record.getMessage()}")


@contextlib.contextmanager
def _logged(into: list[str]) -> Iterator[None]:
    """Keep what is logged, of every logger, at DEBUG."""
    root, handler = logging.getLogger(), _Lines(into)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
