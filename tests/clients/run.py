"""One client's run: its script in a process, against a server of its own.

A client comes in; out goes what came of each case. A case that the script did not tell of has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.outcome import Outcome

from openai_async.server import serve

from .case import CASES, told
from .client import Client

__all__ = ["KEY", "Run", "run"]

KEY = "sk-of-the-clients"

_PATIENCE = 180.0  # seconds for a script
_LONGEST = 1 << 20  # bytes of a line that it prints


@dataclass
class Run:
    """What came of a client.

    Attributes:
        client: Which one.
        outcomes: Of each case that was run, by its name.
        versions: Of its packages, as it said them.
        missing: Why it is not installed; empty: it is.
    """

    client: Client
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def failed(self) -> list[str]:
        """The cases that failed though the client could pass them."""
        return [
            name
            for name, outcome in self.outcomes.items()
            if outcome.passed is False and name not in self.client.limits
        ]


async def run(
    client: Client, command: Sequence[str], seen: Callable[[str, Outcome], None] = lambda *_: None, **options: Any
) -> Run:
    """Run a client's script.

    Args:
        client: The client.
        command: What runs its script.
        seen: Called with each case as soon as it is known.
        **options: For the server, as `serve` takes them, beside the client's own.
    """
    made = Run(client)
    async with serve(**{"api_key": KEY, **client.options, **options}) as url:
        error = await _listen(made, [*command, url, KEY, *client.arguments], seen)
        requests = len(url.requests)
    for name in CASES.keys() - made.outcomes.keys():
        made.outcomes[name] = Outcome(passed=False, why=error or "the script said nothing of it")
        seen(name, made.outcomes[name])
    passed = sum(outcome.passed is True for outcome in made.outcomes.values())
    # Whoever passes has asked the server: a client that answers by itself, or asks another, does not.
    assert requests >= passed, f"{client.name} passed {passed} cases with {requests} requests"
    return made


async def _listen(made: Run, command: list[str], seen: Callable[[str, Outcome], None]) -> str:
    """Run the script to its end; what went wrong with it as a whole, if anything did."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHONPATH"))}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=kept, limit=_LONGEST)
    reading = asyncio.create_task(process.stderr.read())  # type: ignore[union-attr]  # a pipe it is
    try:
        async with asyncio.timeout(_PATIENCE):
            async for line in process.stdout:  # type: ignore[union-attr]  # likewise
                _note(made, line.decode(errors="replace"), seen)
            await process.wait()
    except TimeoutError:
        return f"the script took more than {_PATIENCE:.0f} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        said = (await reading).decode(errors="replace").strip()
    return said.splitlines()[-1][:160] if process.returncode and said else ""


def _note(made: Run, line: str, seen: Callable[[str, Outcome], None]) -> None:
    said = told(line)
    if said is None:
        return
    made.versions |= said.versions or {}
    if said.outcome is not None:
        made.outcomes[said.case] = said.outcome
        seen(said.case, said.outcome)
