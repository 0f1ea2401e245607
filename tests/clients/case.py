"""The cases, and what a script tells of one.

A line that a client's script prints comes in, an outcome goes out. Nothing here runs anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from support.outcome import Outcome

__all__ = ["CASES", "Told", "told"]

CASES: dict[str, str] = {
    "create": "a plain answer, with its usage",
    "stream": "the same answer in pieces",
    "tools": "a forced call of a tool, and the answer to its result",
    "streamed_tools": "the same call in fragments",
    "structured": "an object of a JSON schema",
    "wrong_key": "a key that the server refuses",
    "stored": "a completion stored, listed, read, changed, deleted",
}
"""Names of the cases, in the table's order, and what each is."""

_LONGEST = 160  # characters of a failure's reason


@dataclass(frozen=True)
class Told:
    """A line of a script: versions of packages, or the outcome of a case."""

    versions: dict[str, str] | None = None
    case: str = ""
    outcome: Outcome | None = None


def told(line: str) -> Told | None:
    """What a line of a script's output says; None: it is something else, as libraries print it."""
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    if "versions" in said:
        return Told(versions=said["versions"])
    if said.get("case") not in CASES:
        return None
    if "lacks" in said:
        return Told(case=said["case"], outcome=Outcome(None, said["lacks"]))
    error = " ".join((said.get("error") or "").split())[:_LONGEST]
    return Told(case=said["case"], outcome=Outcome(not error, error))
