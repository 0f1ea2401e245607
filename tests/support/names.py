"""Names of parameters that are the same in every process, which parallel runs of the tests compare.

A value comes in, its repr without addresses in memory goes out.
"""

from __future__ import annotations

import re

__all__ = ["name_of"]


def name_of(value: object) -> str:
    """Return a name for `ids=`."""
    text = value if isinstance(value, str) else repr(value)
    return re.sub(r" at 0x[0-9a-f]+|(?<=from ').*(?=')", "", text)
