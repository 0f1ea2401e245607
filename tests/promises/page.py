"""What docs/reliability.md says of the cases: a table for each group, between two marks.

Verdicts come in, text goes out; everything outside of the marks is written by hand and left alone.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from .case import HELD, Case
from .catalogue import GROUPS
from .sdk import SDKS

__all__ = ["PAGE", "beginning", "rewritten", "tables"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"

_MARKED = re.compile(r"(?<=<!-- promises -->\n).*?(?=<!-- /promises -->)", re.DOTALL)


def beginning(case: Case) -> str:
    """A case's row, up to the first verdict."""
    proofs = "<br>".join(f"`{proof}`" for proof in case.proofs)
    return f"| {case.promise} | {case.topic}<br>`{case.id}` | {proofs} | "


def tables(verdicts: Mapping[str, Sequence[str]]) -> str:
    """All groups' tables, of each case's verdicts in the order of the SDKs, and what they add up to."""
    names = [sdk.name for sdk in SDKS]
    held = [sum(row[number] == HELD for row in verdicts.values()) for number in range(len(names))]
    sums = ", ".join(f"{name} holds {count}" for name, count in zip(names, held, strict=True))
    parts = [
        f"Of {len(verdicts)} promises, {sums} (Python {platform.python_version()}, aiohttp {aiohttp.__version__}).",
    ]
    for title, cases in GROUPS.items():
        head = f"| promise | about | also proved by | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}"
        rows = [beginning(case) + " | ".join(map(_shown, verdicts[case.id])) + " |" for case in cases]
        parts.append("\n".join([f"### {title}\n", head, *rows]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def rewritten(text: str, made: str) -> str:
    """The page with other tables.

    Raises:
        ValueError: The page has not one place for them.
    """
    done, count = _MARKED.subn(lambda _: made, text)
    if count != 1:
        raise ValueError(f"docs/reliability.md has {count} places for the promises")
    return done


def _shown(verdict: str) -> str:
    """A verdict as a cell: what was held is said quietly."""
    return verdict if verdict == HELD else f"**{verdict}**".replace("|", "\\|").replace("<", "&lt;")
