"""What a row consists of: contestants, the work they all do, and the goals that one of them has to reach.

Plain data, filled in by the files in `rows`. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Client", "Contestant", "Goal", "Row", "Script", "Work"]

# Does the row's work once: takes the model whose body is asked for and the number of units (chunks of that one body, or
# requests for it), and returns what proves that it did.
Work: TypeAlias = Callable[[str, int], Awaitable[int]]
# Opens a client on an origin (`http://127.0.0.1:1234`) and gives its work; what opening costs is not measured.
Opener: TypeAlias = Callable[[str], AbstractAsyncContextManager[Work]]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A contestant that is measured at work, again and again, in one warm process.

    Attributes:
        name: What the table calls it.
        open: Opens it.
        proof: What its work returns: the characters of the text, or the bytes of the body.
        rounds: How often the work is done in one process, after a warm-up; more where it is quick.
    """

    name: str
    open: Opener
    proof: Literal["characters", "bytes"] = "characters"
    rounds: int = 1


@dataclass(frozen=True, kw_only=True)
class Script:
    """A contestant that is measured from the start of its process to its end.

    Attributes:
        name: What the table calls it.
        code: Python source; `ORIGIN` is where the server is.
    """

    name: str
    code: str


Contestant: TypeAlias = Client | Script


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What `ours` has to reach against `rival`.

    Attributes:
        ours: Name of the contestant.
        rival: Name of another.
        cpu: `ours`'s CPU time divided by the rival's: at most this.
        memory: The same for peak memory; None: no goal.
    """

    ours: str
    rival: str
    cpu: float
    memory: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        name: What the command line calls it.
        title: A sentence for the table's head.
        unit: What the figures are per: "chunk", "request", "process".
        units: How many units the work has.
        quick: The same under `--quick`.
        model: Name of the body, with `{}` for the number of units; see `bodies`.
        contestants: In the order of the table.
        goals: Of docs/design.md.
        repeat: How often each contestant is run, in a fresh process each time.
        notes: Sentences for under the table.
    """

    name: str
    title: str
    unit: str
    units: int
    quick: int
    model: str
    contestants: tuple[Contestant, ...]
    goals: tuple[Goal, ...] = ()
    repeat: int = 7
    notes: tuple[str, ...] = ()
