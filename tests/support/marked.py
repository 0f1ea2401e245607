"""Pages of the documentation with a part that a command writes: it stands between two marks, all else is by hand.

Text goes in, text comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["notes", "rewritten", "safe"]


def rewritten(text: str, made: str, mark: str) -> str:
    """The page with another part between `<!-- mark -->` and `<!-- /mark -->`.

    Raises:
        ValueError: The page has not one place for it.
    """
    marked = re.compile(rf"(?<=<!-- {re.escape(mark)} -->\n).*?(?=<!-- /{re.escape(mark)} -->)", re.DOTALL)
    done, count = marked.subn(lambda _: made, text)
    if count != 1:
        raise ValueError(f"the page has {count} places for the {mark}")
    return done


def notes(gaps: Iterable[tuple[str, str, str]]) -> list[str]:
    """A line for each reason why a case was not passed, with all that have it.

    Args:
        gaps: Name of the case, the reason, and whom it concerns.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for case, why, who in gaps:
        names.setdefault((case, why), []).append(who)
    return [f"* {case}, {', '.join(who)}: {safe(why.strip(' .'))}." for (case, why), who in names.items()]


def safe(text: str) -> str:
    """The text as Markdown of a table or list shows it unchanged."""
    return text.replace("<", "&lt;").replace("|", "\\|")
