"""Where a server leaves the published schema: logged once a client, read all the same.

What the decoder noted comes in, a line of the log goes out. Nothing here judges a chunk.
"""

from __future__ import annotations

import logging

__all__ = ["Deviations"]

_log = logging.getLogger("openai_async")

_MOST = 100  # that are logged: a server may deviate anew in every answer


class Deviations:
    """Those that one client has logged already."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def note(self, deviation: str | None) -> None:
        """Log a deviation, at DEBUG, unless it was before; None: there was none."""
        if deviation is not None and deviation not in self._logged and len(self._logged) < _MOST:
            self._logged.add(deviation)
            _log.debug("the server deviates from the published schema, and is read all the same: %s", deviation)
