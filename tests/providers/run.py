"""One server's run: installed, started, tried with our client, ended.

A server comes in; out goes what came of each case. What can't be installed or started says why.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from support.environments import NotInstalledError
from support.outcome import Outcome
from support.programs import ProgramError

from openai_async import AsyncOpenAI, OpenAIError, Timeout

from .cases import CASES, Target
from .installation import interpreter, version
from .server import KEY, Place, Running, Server

__all__ = ["Run", "run", "tried"]

_PATIENCE = 300.0  # seconds for a case: the machine may have other work
_LOADING = 40  # tries, seconds apart, until the model is loaded
_LONGEST = 160  # characters of a failure's reason


@dataclass
class Run:
    """What came of a server.

    Attributes:
        server: Which one.
        outcomes: Of each case, by its name.
        version: Of its package.
        missing: Why it did not run; empty: it did.
        seconds: How long it took to install it, and to start it.
    """

    server: Server
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    version: str = ""
    missing: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)

    @property
    def failed(self) -> list[str]:
        """The cases that failed though the server could pass them."""
        return [name for name, outcome in self.outcomes.items() if outcome.passed is False]


def run(server: Server, seen: Callable[[str, Outcome, str], None]) -> Run:
    """Install and start a server, and try it.

    Args:
        server: The server.
        seen: Called with each case as soon as it is known, and with a remark on what came.
    """
    if server.start is None:
        return Run(server, missing=server.nowhere)
    began = time.monotonic()
    try:
        python = interpreter(server)
        made = Run(server, version=version(server, python))
        installed = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, server.start(Place(python, Path(folder))) as running:
            asyncio.run(_loaded(running))
            made.seconds = (installed - began, time.monotonic() - installed)
            made.outcomes = asyncio.run(tried(server, running, seen))
    except (NotInstalledError, ProgramError) as error:
        return Run(server, missing=" ".join(str(error).split())[-_LONGEST:])
    return made


def _client(running: Running, retries: int) -> AsyncOpenAI:
    return AsyncOpenAI(api_key=KEY, base_url=running.url, max_retries=retries, timeout=Timeout(total=_PATIENCE))


async def _loaded(running: Running) -> None:
    """Wait until the server has its model: its port may be open before, and answer with 503."""
    async with _client(running, _LOADING) as client:
        try:
            await client.get("/models", cast_to=dict)
        except OpenAIError as error:
            raise ProgramError(f"it does not become ready: {error}") from None


async def tried(
    server: Server, running: Running, seen: Callable[[str, Outcome, str], None] = lambda *_: None
) -> dict[str, Outcome]:
    """Try all cases with a server that runs.

    Args:
        server: What is known of it.
        running: Where it is.
        seen: As `run` takes it.
    """
    outcomes: dict[str, Outcome] = {}
    async with _client(running, 0) as client:
        target = Target(client, server, running)
        for name in CASES:
            outcomes[name], remark = await _one(target, name)
            seen(name, outcomes[name], remark)
    return outcomes


async def _one(target: Target, name: str) -> tuple[Outcome, str]:
    limit = target.server.limits.get(name, "")
    try:
        async with asyncio.timeout(_PATIENCE):
            remark = await CASES[name][1](target)
    except (AssertionError, OpenAIError) as error:
        why = " ".join(f"{'' if isinstance(error, AssertionError) else f'{type(error).__name__}: '}{error}".split())
        # What no client can pass is this one's failure only where it ends in something else than an error of ours.
        return (Outcome(None, limit), why) if limit else (Outcome(passed=False, why=why[:_LONGEST]), why)
    except Exception as error:  # noqa: BLE001 - a foreign error out of our client is a failure, whatever the server does
        return Outcome(passed=False, why=f"{type(error).__name__}: {error}"[:_LONGEST]), ""
    return Outcome(passed=True), f"{remark}{f' (it could not: {limit})' if limit else ''}"
