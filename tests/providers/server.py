"""A server that somebody else wrote: what to install, how it starts, and what it can't do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["KEY", "Place", "Running", "Server"]

KEY = "sk-of-the-providers"
"""The key that every server is started with."""


@dataclass(frozen=True)
class Place:
    """Where a server is run.

    Attributes:
        python: The interpreter of its environment.
        folder: Where it may write to.
    """

    python: Path
    folder: Path


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        url: Its address, with the path before `/chat/completions`.
        pids: The processes that compute, their children not among them; the first one runs the model.
        model: The model's name in requests.
    """

    url: str
    pids: Sequence[int]
    model: str = "smollm2"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server.

    Attributes:
        name: What the command calls it.
        packages: What to install, as pip takes it.
        told: The package whose version is told; empty: the first one.
        without: Packages to take away again: they are asked for, and don't work beside the others.
        python: The least version of Python that it runs on.
        start: Runs it in a place; raises `ProgramError` if it does not start, `NotInstalledError` if something is
            missing.
        nowhere: Why it can't be had; empty: it can.
        heavy: Whether it is run only where it is asked for by name or with `--all`.
        thinking: Parameters that make it think; None: it can't be made to.
        tool_choice: What makes it call the tool of the cases.
        limits: Cases that no client can pass with it, each with the reason: what the server can't do, or does wrongly.
    """

    name: str
    packages: Sequence[str] = ()
    told: str = ""
    without: Sequence[str] = ()
    python: tuple[int, int] = (3, 11)
    start: Callable[[Place], AbstractContextManager[Running]] | None = None
    nowhere: str = ""
    heavy: bool = False
    thinking: Mapping[str, Any] | None = None
    tool_choice: str | Mapping[str, Any] = "required"
    limits: Mapping[str, str] = field(default_factory=dict)
