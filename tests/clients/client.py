"""A client that somebody else wrote: what to install, and which script drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Client"]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client.

    Attributes:
        name: What the command calls it.
        language: Which registry has it, and what runs its script.
        packages: What to install, as pip or npm takes it.
        script: The file in `scripts/`.
        arguments: For the script, after the server's address and its key.
        options: Of the server, where the client is made for another API than OpenAI's.
        limits: Cases that this client can't pass with any server, or not with the real one, each with the reason. They
            are shown as the client's own failures.
    """

    name: str
    language: Literal["python", "node"] = "python"
    packages: Sequence[str]
    script: str
    arguments: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
