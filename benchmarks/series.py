"""What a series consists of: a row that is measured in several sizes, by more figures than the CPU time.

Plain data, filled in by files in `rows`. `contest` runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["OURS", "Case", "Column", "Measured", "Series", "Target", "Turns"]

OURS = "openai_async"

# What a case gave, by the column's key: seconds, bytes, or a number.
Measured: TypeAlias = dict[str, float]
# The same of every turn, by the case's contestant and size.
Turns: TypeAlias = Mapping[tuple[str, str], list[Measured]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table: one contestant, one size.

    Attributes:
        contestant: Who; `OURS` is us.
        size: Of what; "" where there is one only.
        measure: Does the work, in an event loop and a process of its own; told whether to be quick about it.
    """

    contestant: str
    size: str = ""
    measure: Callable[[bool], Awaitable[Measured]]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure.

    Attributes:
        key: What the cases call it.
        title: What the table calls it.
        unit: What it is in.
    """

    key: str
    title: str
    unit: Literal["seconds", "bytes", "number"] = "seconds"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What we have to reach against a rival, at one size.

    Attributes:
        column: Which figure, by its key.
        rival: The contestant.
        size: At which size.
        limit: Our figure divided by the rival's: at most this.
    """

    column: str
    rival: str
    size: str = ""
    limit: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """A row of this kind.

    Attributes:
        name: What the command line calls it.
        title: A sentence for the table's head.
        cases: In the order of the table.
        columns: In the order of the table; ratios are of the first one.
        targets: Of docs/design.md.
        verdict: What else is to be said of the turns, in sentences.
        repeat: How often each case is run, in a fresh process each time.
        notes: Sentences for under the table.
    """

    name: str
    title: str
    cases: tuple[Case, ...]
    columns: tuple[Column, ...]
    targets: tuple[Target, ...] = ()
    verdict: Callable[[Turns], tuple[str, ...]] = lambda _: ()
    repeat: int = 3
    notes: tuple[str, ...] = ()
